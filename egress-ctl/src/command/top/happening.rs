//! What happens meanwhile, each kind on a thread of its own, so that none of them waits for another.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use ratatui::crossterm::event::{Event, KeyEvent, read};
use tokio::signal::unix::{SignalKind, signal};

use super::hear::hear;
use crate::{
    daemon::Places,
    live::{Denied, Sight, look::Looker},
};

/// What happened.
pub(super) enum Happening {
    /// A key was pressed.
    Key(KeyEvent),
    /// The terminal has another size.
    Resized,
    /// It was looked.
    Looked(Box<Result<Sight>>),
    /// Packets were denied; also none of them.
    Heard(Vec<Denied>),
    /// Why nobody hears of packets.
    Unheard(String),
    /// Somebody wants it to end.
    Ended,
    /// A thread has panicked, or cannot go on.
    Failed(&'static str),
}

/// Tells of a thread that ends without being asked to.
struct Farewell(&'static str, Sender<Happening>);

impl Drop for Farewell {
    fn drop(&mut self) {
        // Where nobody listens any more, all ends anyway.
        let _: Result<_, _> = self.1.send(Happening::Failed(self.0));
    }
}

/// What happens, and how often it is looked.
pub(super) struct Happenings {
    happened: Receiver<Happening>,
    tell: Sender<Happening>,
    pace: Sender<Duration>,
}

impl Happenings {
    /// Begins to look, so often, and to wait for signals.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub(super) fn begin(places: &Places, every: Duration) -> Result<Self> {
        let (tell, happened) = channel();
        let (pace, paced) = channel();
        let looker = Looker::new(places);
        start("looks", &tell, move |tell| {
            look(looker, every, &paced, tell);
        })?;
        let hearing = places.clone();
        start("events", &tell, move |tell| hear(&hearing, tell))?;
        start("signals", &tell, signals)?;
        Ok(Self {
            happened,
            tell,
            pace,
        })
    }

    /// Reads keys as well.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub(super) fn with_keys(self) -> Result<Self> {
        start("keys", &self.tell, keys)?;
        Ok(self)
    }

    /// The next thing that happens; waits for it.
    pub(super) fn next(&self) -> Happening {
        self.happened
            .recv()
            .unwrap_or(Happening::Failed("all threads"))
    }

    /// From now on it is looked so often.
    pub(super) fn pace(&self, every: Duration) {
        // Where that thread has failed, this is told as a happening.
        let _: Result<_, _> = self.pace.send(every);
    }
}

fn start(
    name: &'static str,
    tell: &Sender<Happening>,
    work: impl FnOnce(&Sender<Happening>) + Send + 'static,
) -> Result<()> {
    let farewell = Farewell(name, tell.clone());
    let thread = thread::Builder::new().name(name.to_owned());
    let started = thread.spawn(move || work(&farewell.1));
    started.map(drop).context("cannot start a thread")
}

/// Looks at once, and then so often.
fn look(
    mut looker: Looker,
    mut every: Duration,
    paced: &Receiver<Duration>,
    tell: &Sender<Happening>,
) {
    while tell
        .send(Happening::Looked(Box::new(looker.look())))
        .is_ok()
    {
        match paced.recv_timeout(every) {
            Ok(newest) => every = paced.try_iter().last().unwrap_or(newest),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn keys(tell: &Sender<Happening>) {
    while let Ok(event) = read() {
        let happening = match event {
            Event::Key(key) => Happening::Key(key),
            Event::Resize(..) => Happening::Resized,
            _ => continue,
        };
        if tell.send(happening).is_err() {
            return;
        }
    }
}

fn signals(tell: &Sender<Happening>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else { return };
    let ended: Result<()> = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
        Ok(())
    });
    if ended.is_ok() {
        // Where nobody listens any more, all ends anyway.
        let _: Result<_, _> = tell.send(Happening::Ended);
    }
}
