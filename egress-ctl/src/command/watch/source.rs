//! Where events come from: the daemon that holds them, or without one the kernel.

use std::{io, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

use super::kernel::Kernel;
use crate::{
    control::{self, Reply, Request},
    daemon::Places,
    history::record::{Head, Line},
};

/// How long a daemon may take to say what it holds.
const PATIENCE: Duration = Duration::from_secs(3);

/// A source of lines.
pub(crate) enum Source<'a> {
    /// A running daemon.
    Daemon(Held),
    /// The kernel, which holds nothing.
    Kernel(Box<Kernel<'a>>),
}

/// What a daemon holds and goes on to tell.
pub(crate) struct Held {
    pub(crate) head: Head,
    lines: Lines<BufReader<OwnedReadHalf>>,
    /// While it is open, the daemon goes on.
    _open: OwnedWriteHalf,
}

/// Why the daemon tells nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoDaemon {
    /// Nobody listens.
    #[error("no daemon runs")]
    None,
    /// It refused, or is too old to know of events.
    #[error("{0}")]
    Refused(String),
    /// It does not answer, or something else.
    #[error("the daemon does not answer: {0}")]
    Silent(#[from] io::Error),
}

impl<'a> Source<'a> {
    /// The daemon, or without one the kernel, with events since `seen_ns` of the boot-time clock.
    pub(crate) async fn open(
        places: &'a Places,
        request: &Request,
        seen_ns: u64,
    ) -> Result<(Self, Option<NoDaemon>)> {
        let why = match Held::ask(&places.state_dir, request).await {
            Ok(held) => return Ok((Self::Daemon(held), None)),
            Err(why) => why,
        };
        let kernel = Kernel::open(places, seen_ns);
        let kernel = kernel.with_context(|| why.to_string())?;
        Ok((Self::Kernel(Box::new(kernel)), Some(why)))
    }

    /// The daemon, where one runs by now that is asked again.
    pub(crate) async fn settle(self, places: &'a Places, request: &Request) -> Self {
        let Self::Kernel(kernel) = self else {
            return self;
        };
        match Held::ask(&places.state_dir, request).await {
            Ok(held) => {
                kernel.hand_over();
                Self::Daemon(held)
            }
            Err(_) => Self::Kernel(kernel),
        }
    }

    /// What is held.
    pub(crate) fn head(&self) -> Option<&Head> {
        match self {
            Self::Daemon(held) => Some(&held.head),
            Self::Kernel(_) => None,
        }
    }

    /// The next line; none once there will be none. Nothing is lost where the wait is given up.
    pub(crate) async fn next(&mut self) -> Result<Option<Line>> {
        match self {
            Self::Daemon(held) => held.next().await,
            Self::Kernel(kernel) => kernel.next().await.map(Some),
        }
    }
}

impl Held {
    async fn ask(state_dir: &Path, request: &Request) -> Result<Self, NoDaemon> {
        let answered = timeout(PATIENCE, Self::first(state_dir, request)).await;
        answered.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    async fn first(state_dir: &Path, request: &Request) -> Result<Self, NoDaemon> {
        let path = control::path(state_dir);
        let stream = UnixStream::connect(&path).await;
        let stream = stream.map_err(|fault| match fault.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => NoDaemon::None,
            _ => fault.into(),
        })?;
        let (from, mut open) = stream.into_split();
        let mut text = serde_json::to_vec(request).map_err(io::Error::from)?;
        text.push(b'\n');
        // Who is refused by credentials is told so before the request is read.
        let written = open.write_all(&text).await;
        let mut lines = BufReader::new(from).lines();
        let Some(first) = lines.next_line().await? else {
            written?;
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        };
        match serde_json::from_str(&first) {
            Ok(Line::History(head)) => Ok(Self {
                head,
                lines,
                _open: open,
            }),
            _ => Err(NoDaemon::Refused(match serde_json::from_str(&first) {
                Ok(Reply::Refused { why }) => other_version(why),
                _ => "the daemon is of another version: restart it".to_owned(),
            })),
        }
    }

    async fn next(&mut self) -> Result<Option<Line>> {
        let line = self.lines.next_line().await;
        // A daemon that is killed takes its end of the socket with it.
        let Some(line) = line.ok().flatten() else {
            return Ok(None);
        };
        let read = serde_json::from_str(&line);
        read.map(Some)
            .context("the daemon is of another version: restart it")
    }
}

/// A daemon of before knows of no events.
fn other_version(why: String) -> String {
    match why.contains("unknown variant") {
        true => "the daemon is of an older version, and holds no events: restart it".to_owned(),
        false => why,
    }
}

/// Whether something happened before a time.
pub(super) fn is_before(line: &Line, then: Timestamp) -> bool {
    match line {
        Line::Event(record) => record.time < then,
        Line::Gap(gap) => gap.time < then,
        Line::History(_) => false,
    }
}
