//! What is answered at the socket without the daemon's loop: who it is, and events.

use std::{io, sync::Arc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::history::Desk;
use crate::{
    control::{Hello, Reply},
    history::record::Line,
};

/// Lines that are handed on at once.
const AT_ONCE: usize = 256;

/// Who answers.
pub(super) fn hello(desk: Option<&Arc<Desk>>) -> Reply {
    Reply::Hello(Hello {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        history: desk.map(|desk| desk.head()),
        watchers: desk.map_or(0, |desk| desk.watchers()),
    })
}

/// What is held, and where that is asked, what comes until whoever follows goes away. Who reads slowly holds up
/// nobody else, and is told what it misses.
pub(super) async fn events(
    stream: UnixStream,
    desk: &Desk,
    last: Option<usize>,
    follow: bool,
) -> io::Result<()> {
    let (mut from, mut to) = stream.into_split();
    desk.look().await;
    let mut news = desk.news();
    let head = desk.head();
    let mut at = desk.store().newest(last.unwrap_or(usize::MAX));
    let mut line = serde_json::to_string(&Line::History(head))?;
    line.push('\n');
    to.write_all(line.as_bytes()).await?;
    loop {
        at = hand_on(&mut to, desk, at).await?;
        if !follow {
            return to.shutdown().await;
        }
        tokio::select! {
            changed = news.changed() => if changed.is_err() { return Ok(()) },
            () = hung_up(&mut from) => return Ok(()),
        }
    }
}

/// Sends all lines from a number on; the number behind them.
async fn hand_on(to: &mut OwnedWriteHalf, desk: &Desk, mut at: u64) -> io::Result<u64> {
    loop {
        let (lines, next) = desk.store().from(at, AT_ONCE);
        at = next;
        if lines.is_empty() {
            return Ok(at);
        }
        let mut text = lines.join("\n");
        text.push('\n');
        to.write_all(text.as_bytes()).await?;
    }
}

/// Waits until the other side is closed; what it says meanwhile is nothing that was asked for.
async fn hung_up(from: &mut OwnedReadHalf) {
    let mut rest = [0; 64];
    while from.read(&mut rest).await.is_ok_and(|read| read > 0) {}
}
