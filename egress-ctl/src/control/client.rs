//! Asks a running daemon.

use std::{
    io::{self, Read as _, Write as _},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{Reply, Request, path};

/// How long a daemon may take: on a slow machine with very many prefixes it compiles for a while.
const PATIENCE: Duration = Duration::from_secs(120);
/// Longest reply.
const REPLY_MAX: u64 = 1 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error("no daemon listens at {}: start it with `egress-ctl run`", .0.display())]
    NoDaemon(PathBuf),
    /// This user may not connect.
    #[error("{} is for root and members of the daemon's group: use sudo, or join that group", .0.display())]
    Denied(PathBuf),
    /// The daemon went away, or takes too long.
    #[error("the daemon at {} does not answer", .path.display())]
    Silent {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It refused.
    #[error("{0}")]
    Refused(String),
}

/// Asks the daemon of a state folder; what it did, in words.
///
/// # Errors
/// None runs, it does not answer, or it refuses.
pub fn ask(state_dir: &Path, request: &Request) -> Result<String, AskError> {
    let path = path(state_dir);
    let stream = UnixStream::connect(&path).map_err(|fault| match fault.kind() {
        io::ErrorKind::PermissionDenied => AskError::Denied(path.clone()),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            AskError::NoDaemon(path.clone())
        }
        _ => AskError::Silent {
            path: path.clone(),
            source: fault,
        },
    })?;
    match exchange(stream, request) {
        Ok(Reply::Done { told }) => Ok(told),
        Ok(Reply::Refused { why }) => Err(AskError::Refused(why)),
        Err(source) => Err(AskError::Silent { path, source }),
    }
}

fn exchange(mut stream: UnixStream, request: &Request) -> io::Result<Reply> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    // Who is refused by credentials is told so before the request is read.
    let written = stream
        .write_all(&line)
        .and_then(|()| stream.shutdown(Shutdown::Write));
    let mut text = String::new();
    stream.take(REPLY_MAX).read_to_string(&mut text)?;
    match serde_json::from_str(&text) {
        Ok(reply) => Ok(reply),
        Err(fault) => {
            written?;
            Err(fault.into())
        }
    }
}
