//! The daemon's part in names: takes lessons from the kernel, and keeps their names and the learned addresses
//! on disk.
//!
//! A thread of its own, so that a slow disk or a long list holds up nothing else. What goes wrong there costs
//! names, and is told once.

use std::{
    collections::HashMap,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use aya::maps::{MapData, RingBuf};
use tracing::warn;

use super::{Places, history::AskNames};
use crate::{
    dataplane::{aside, layout, learned::Table, maps::Pinned},
    dns::{
        file::NamesFile,
        heard::{HearError, Heard, hear},
        names::{Lesson, Line, Names, Naming},
        saved, socket,
        time::Clocks,
    },
    durable::FileError,
    privilege,
};

/// How often the ring is looked at; it holds what comes in that time even in a flood.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often everything is written as a whole.
const SAVE_EVERY: Duration = Duration::from_secs(300);

/// What the thread is told.
enum Order {
    /// What holds from now on.
    Know(Known),
    /// To tell somebody the names of an address.
    Tell(IpAddr, Sender<Vec<Naming>>),
    /// To save everything and end.
    End,
}

/// The thread.
pub(super) struct Bookkeeper {
    state_dir: PathBuf,
    orders: Sender<Order>,
    thread: JoinHandle<()>,
}

impl Bookkeeper {
    /// Starts it.
    pub(super) fn start(places: &Places) -> Result<Self> {
        let rings = rings(&places.pin_dir)?;
        let table = Table::open(Pinned(&places.pin_dir))?;
        let (orders, inbox) = channel();
        let state_dir = places.state_dir.clone();
        let places = places.clone();
        let thread = thread::Builder::new().name("names".to_owned());
        let run = move || {
            privilege::settle(false);
            Books::open(&places, rings, table).keep(&inbox);
        };
        let thread = thread.spawn(run).context("cannot start a thread")?;
        if let Err(fault) = socket::answer(&state_dir, asked(orders.clone())) {
            warn!(
                "{fault}: {}; `watch` and `explain` know the names that are on disk",
                fault.source
            );
        }
        Ok(Self {
            state_dir,
            orders,
            thread,
        })
    }

    /// Tells it what patterns are called, and whether learned addresses are to be kept for the time after a reboot.
    pub(super) fn know(&self, patterns: Arc<HashMap<u32, String>>, restores: bool) {
        self.order(Order::Know(Known { patterns, restores }));
    }

    /// Who knows the names of an address.
    pub(super) fn asked(&self) -> AskNames {
        Box::new(asked(self.orders.clone()))
    }

    /// Ends it once everything is on disk.
    pub(super) fn end(self) {
        self.order(Order::End);
        if let Err(fault) = socket::forget(&self.state_dir) {
            warn!("{fault}: {}", fault.source);
        }
        if self.thread.join().is_err() {
            warn!("what kept names has failed: those since the last save are lost");
        }
    }

    fn order(&self, order: Order) {
        // Where the thread has failed, names are lost, and nothing else.
        let _: Result<(), _> = self.orders.send(order);
    }
}

/// The kernel's ring of lessons, and behind an upgrade the one that the programs of before fill.
fn rings(pin_dir: &Path) -> Result<Vec<RingBuf<MapData>>> {
    let mut rings = vec![Pinned(pin_dir).lessons()?];
    let before = aside::folder(pin_dir);
    let before = Pinned(&before);
    // Of another layout its lessons may be, too.
    if let Ok(Some(layout::VERSION)) = layout::known(before) {
        rings.extend(before.lessons());
    }
    Ok(rings)
}

/// The names of an address, as the thread knows them.
fn asked(orders: Sender<Order>) -> impl Fn(IpAddr) -> Option<Vec<Naming>> + Send {
    move |address| {
        let (to, told) = channel();
        orders.send(Order::Tell(address, to)).ok()?;
        told.recv().ok()
    }
}

/// What the thread keeps.
struct Books {
    state_dir: PathBuf,
    rings: Vec<RingBuf<MapData>>,
    table: Table,
    file: NamesFile,
    names: Names,
    /// As soon as that is known.
    known: Option<Known>,
    /// Whether there is anything that the file of all names lacks.
    is_changed: bool,
    /// Messages that the kernel read, and user space cannot.
    unreadable: u64,
    /// What went wrong last, so that it is told once.
    complaint: Option<String>,
}

/// What the generation in force says.
struct Known {
    /// Patterns by their ids.
    patterns: Arc<HashMap<u32, String>>,
    /// Whether learned addresses are kept for the time after a reboot.
    restores: bool,
}

impl Books {
    fn open(places: &Places, rings: Vec<RingBuf<MapData>>, table: Table) -> Self {
        let file = NamesFile::of(&places.state_dir);
        let (names, complaints) = file.read();
        for complaint in complaints {
            warn!("names of learned addresses: {complaint}");
        }
        Self {
            state_dir: places.state_dir.clone(),
            rings,
            table,
            file,
            names,
            known: None,
            is_changed: false,
            unreadable: 0,
            complaint: None,
        }
    }

    fn keep(mut self, inbox: &Receiver<Order>) {
        let mut saved = Instant::now();
        loop {
            let mut asked = None;
            match inbox.recv_timeout(LOOK_EVERY) {
                Ok(Order::Know(known)) => self.known = Some(known),
                Ok(Order::Tell(address, to)) => asked = Some((address, to)),
                Ok(Order::End) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.look();
            if let Some((address, to)) = asked {
                // Who asked may have gone.
                let _: Result<(), _> = to.send(self.names.of(address).to_vec());
            }
            if saved.elapsed() >= SAVE_EVERY || self.file.is_long() {
                self.save();
                saved = Instant::now();
            }
        }
        self.look();
        self.save();
    }

    /// Takes in what is new: in the ring, and from `dns import`.
    fn look(&mut self) {
        // Before it is known what patterns are called, the ring keeps what comes.
        if self.known.is_none() {
            return;
        }
        let lines = self.drain();
        if !lines.is_empty() {
            let appended = self.file.append(&lines);
            self.tell(appended.map_err(|fault| fault.to_string()));
        }
        if self.file.is_wanted() {
            if self.is_changed {
                self.save_names();
            }
            // Who waits for it waits in vain, and not for long.
            let _: Result<(), FileError> = self.file.is_fresh();
        }
        if let Some(complaints) = self.file.take_imports(&mut self.names) {
            // Their file is gone: they must be in another one at once.
            self.save_names();
            for complaint in complaints {
                warn!("imported names: {complaint}");
            }
        }
    }

    /// Takes what is in the rings; the lines of listed names of which something is new.
    fn drain(&mut self) -> Vec<Line> {
        let clocks = Clocks::now();
        let mut new = Vec::new();
        while let Some(heard) = self.heard() {
            match heard {
                Ok(heard) => new.extend(self.learn(&heard, clocks)),
                Err(fault) => self.cannot_read(&fault),
            }
        }
        new.sort_unstable();
        new.dedup();
        new.into_iter().map(|addr| self.names.line(addr)).collect()
    }

    /// The next message of a ring.
    fn heard(&mut self) -> Option<Result<Heard, HearError>> {
        let mut rings = self.rings.iter_mut();
        rings.find_map(|ring| ring.next().map(|record| hear(&record)))
    }

    /// Takes an answer in; addresses of which something is new that must not wait for the next save.
    fn learn(&mut self, heard: &Heard, clocks: Clocks) -> Vec<IpAddr> {
        let patterns = self.known.as_ref().map(|known| &known.patterns);
        let pattern = patterns.and_then(|patterns| patterns.get(&heard.pattern));
        let lesson = Lesson {
            heard,
            pattern: pattern.map(String::as_str),
            at: clocks.at(heard.at_ms),
        };
        let table = &self.table;
        // The kernel says how many it refused; the others are in its table.
        let is_refused = |addr| heard.refused > 0 && !table.knows(addr).unwrap_or(true);
        let new = self.names.learn(lesson, is_refused);
        self.is_changed = true;
        match pattern {
            Some(_) => new,
            None => Vec::new(),
        }
    }

    fn save(&mut self) {
        if self.is_changed {
            self.save_names();
        }
        let Some(known) = self.known.as_ref().filter(|known| known.restores) else {
            return;
        };
        let saved = saved::save(&self.state_dir, &self.table, &known.patterns);
        self.tell(saved.map_err(|fault| fault.to_string()));
    }

    fn save_names(&mut self) {
        let saved: Result<(), FileError> = self.file.save(&self.names);
        self.is_changed = saved.is_err();
        self.tell(saved.map_err(|fault| fault.to_string()));
    }

    /// Somebody may send such messages at will, so that they are told now and then.
    fn cannot_read(&mut self, fault: &HearError) {
        const EACH: u64 = 10_000;
        if self.unreadable.is_multiple_of(EACH) {
            warn!(
                "names of learned addresses: {fault}; its addresses stay without a name, as those of the next {EACH} of its kind"
            );
        }
        self.unreadable += 1;
    }

    /// Tells what went wrong, unless that was told already.
    fn tell(&mut self, done: Result<(), String>) {
        let complaint = done.err();
        if let Some(complaint) = complaint.as_ref().filter(|_| complaint != self.complaint) {
            warn!("names of learned addresses: {complaint}; it goes on without, and tries again");
        }
        self.complaint = complaint;
    }
}
