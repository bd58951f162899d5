//! Names of an address, from the daemon that keeps them.
//!
//! `STATE/dns/names.sock`: an address a connection, as a line; then the names that the daemon knows of it, as a
//! JSON list. So who asks has what was answered a moment ago, and the disk has nothing to do with it.

use std::{
    io,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::IpAddr,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use super::names::Naming;
use crate::{
    control::client::connect_within,
    durable::{self, FileError},
    privilege,
};

/// How long one side waits for the other.
const LIMIT: Duration = Duration::from_millis(500);
/// An address as text, with its end.
const QUESTION_MAX: u64 = 64;
/// All names of an address, with the longest aliases, as text.
const ANSWER_MAX: u64 = 1 << 20;

fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("dns").join("names.sock")
}

/// Asks the daemon.
///
/// # Errors
/// None runs, or it does not answer in time.
pub fn ask(state_dir: &Path, address: IpAddr) -> io::Result<Vec<Naming>> {
    let mut stream = connect_within(&path(state_dir), LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    writeln!(stream, "{address}")?;
    let mut text = String::new();
    stream.take(ANSWER_MAX).read_to_string(&mut text)?;
    serde_json::from_str(&text).map_err(io::Error::other)
}

/// Answers from now on, by a thread of its own that ends with the process.
///
/// # Errors
/// The socket or the thread cannot be made.
pub fn answer(
    state_dir: &Path,
    names: impl Fn(IpAddr) -> Option<Vec<Naming>> + Send + 'static,
) -> Result<(), FileError> {
    forget(state_dir)?;
    durable::folder(&state_dir.join("dns"))?;
    let path = path(state_dir);
    let fault = |source| FileError {
        what: "listen at",
        path: path.clone(),
        source,
    };
    let listener = UnixListener::bind(&path).map_err(fault)?;
    let thread = thread::Builder::new().name("names-asked".to_owned());
    let serve = move || {
        privilege::settle(false);
        for stream in listener.incoming().flatten() {
            // Who goes away has no answer, and others have theirs.
            let _: io::Result<()> = answer_one(stream, &names);
        }
    };
    thread.spawn(serve).map(drop).map_err(fault)
}

/// Removes the socket: nobody answers there any more.
///
/// # Errors
/// The disk is not writable.
pub fn forget(state_dir: &Path) -> Result<(), FileError> {
    durable::remove(&path(state_dir))
}

fn answer_one(
    mut stream: UnixStream,
    names: impl Fn(IpAddr) -> Option<Vec<Naming>>,
) -> io::Result<()> {
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    let mut line = String::new();
    BufReader::new((&stream).take(QUESTION_MAX)).read_line(&mut line)?;
    let Some(names) = line.trim().parse().ok().and_then(names) else {
        return Ok(());
    };
    stream.write_all(&serde_json::to_vec(&names)?)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn naming() -> Naming {
        Naming {
            name: "a.x.y".to_owned(),
            chain: vec!["edge.z".to_owned()],
            pattern: None,
            ttl: 60,
            clients: Vec::new(),
            answers: 1,
            first: Timestamp::UNIX_EPOCH,
            last: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn who_asks_for_an_address_gets_its_names_and_nobody_else_holds_it_up() {
        let dir = tempfile::tempdir().unwrap();
        let known: IpAddr = "203.0.113.7".parse().unwrap();
        let other: IpAddr = "2001:db8::7".parse().unwrap();
        assert!(ask(dir.path(), known).is_err(), "nobody answers yet");
        let names = move |address| (address == known).then(|| vec![naming()]);
        answer(dir.path(), names).unwrap();
        let silent = UnixStream::connect(path(dir.path())).unwrap();
        drop(silent);
        for damage in ["", "\n", "a.x.y\n", &"9".repeat(5000)] {
            let mut stream = UnixStream::connect(path(dir.path())).unwrap();
            // It may be hung up on before all is written.
            let _: io::Result<()> = stream.write_all(damage.as_bytes());
        }
        assert_eq!(ask(dir.path(), known).unwrap(), [naming()]);
        assert!(ask(dir.path(), other).is_err(), "it knows nothing of it");
        forget(dir.path()).unwrap();
        assert!(ask(dir.path(), known).is_err());
        forget(dir.path()).unwrap();
    }
}
