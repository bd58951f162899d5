//! Asks a running daemon.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::Shutdown,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    time::Duration,
};

use socket2::{Domain, SockAddr, Socket, Type};

use super::{Hello, Reply, Request, path};
use crate::history::record::Line;

/// How long a daemon may take: on a slow machine with very many prefixes it compiles for a while.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long it may take to say who it is.
const GREETING: Duration = Duration::from_secs(2);
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
    /// It does not know what is asked.
    #[error("the daemon is of an older version than this command: restart it")]
    Older,
    /// It refused.
    #[error("{0}")]
    Refused(String),
}

/// Asks the daemon of a state folder; what it did, in words.
///
/// # Errors
/// None runs, it does not answer, or it refuses.
pub fn ask(state_dir: &Path, request: &Request) -> Result<String, AskError> {
    match reply(state_dir, request, PATIENCE)? {
        Reply::Done { told } => Ok(told),
        Reply::Refused { why } => Err(AskError::Refused(why)),
        Reply::Hello(_) => Err(AskError::Older),
    }
}

/// Asks the daemon of a state folder who it is, for a moment.
///
/// # Errors
/// None runs, it is slow, or it is of a version that does not tell.
pub fn hello(state_dir: &Path) -> Result<Hello, AskError> {
    match reply(state_dir, &Request::Hello, GREETING)? {
        Reply::Hello(hello) => Ok(hello),
        Reply::Done { .. } => Err(AskError::Older),
        Reply::Refused { why } if why.contains("unknown variant") => Err(AskError::Older),
        Reply::Refused { why } => Err(AskError::Refused(why)),
    }
}

/// The newest events that the daemon of a state folder holds, behind a line that says what is held.
///
/// # Errors
/// None runs, it is slow, or it is of a version that holds none.
pub fn events(state_dir: &Path, last: usize) -> Result<Vec<Line>, AskError> {
    let request = Request::Events {
        last: Some(last),
        follow: false,
    };
    let path = path(state_dir);
    let stream = connect(&path)?;
    let lines = lines(stream, &request).map_err(|source| AskError::Silent {
        path: path.clone(),
        source,
    })?;
    match serde_json::from_str(lines.first().map_or("", String::as_str)) {
        Ok(Reply::Refused { why }) if !why.contains("unknown variant") => {
            return Err(AskError::Refused(why));
        }
        Ok(_) => return Err(AskError::Older),
        Err(_) => {}
    }
    let lines = lines.iter().map(|line| serde_json::from_str(line));
    lines.collect::<Result<_, _>>().map_err(|_| AskError::Older)
}

/// What a daemon says until it has said everything.
fn lines(mut stream: UnixStream, request: &Request) -> io::Result<Vec<String>> {
    stream.set_read_timeout(Some(GREETING))?;
    stream.set_write_timeout(Some(GREETING))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    let written = stream.write_all(&line);
    let lines: Vec<_> = BufReader::new(stream).lines().collect::<io::Result<_>>()?;
    match lines.is_empty() {
        true => written.map(|()| lines),
        false => Ok(lines),
    }
}

fn reply(state_dir: &Path, request: &Request, patience: Duration) -> Result<Reply, AskError> {
    let path = path(state_dir);
    let stream = connect(&path)?;
    exchange(stream, request, patience).map_err(|source| AskError::Silent { path, source })
}

fn connect(path: &Path) -> Result<UnixStream, AskError> {
    connect_within(path, GREETING).map_err(|fault| match fault.kind() {
        io::ErrorKind::PermissionDenied => AskError::Denied(path.to_owned()),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            AskError::NoDaemon(path.to_owned())
        }
        _ => AskError::Silent {
            path: path.to_owned(),
            source: fault,
        },
    })
}

/// Connects, or gives up in time: for a daemon that stands still, too many may wait already.
///
/// # Errors
/// Nobody listens, this user may not connect, or it is too late.
pub fn connect_within(path: &Path, limit: Duration) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_write_timeout(Some(limit))?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(OwnedFd::from(socket).into())
}

fn exchange(mut stream: UnixStream, request: &Request, patience: Duration) -> io::Result<Reply> {
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
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
