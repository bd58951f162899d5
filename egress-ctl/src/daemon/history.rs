//! The daemon's part in events: takes them from the kernel, and keeps the newest for whoever watches.
//!
//! A thread of its own reads them, a few times a second while nobody follows. They are in memory alone: they
//! say who tried to reach what, which is nothing to leave on a disk.

use std::{
    collections::HashMap,
    net::IpAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use egress_common::event::{Event, Fate};
use tokio::sync::{oneshot, watch};
use tracing::warn;

use super::Places;
use crate::{
    dataplane::{
        counters,
        events::{Watch, WatchError, holder},
        maps::Pinned,
    },
    dns::names::Naming,
    history::{
        record::{Gap, Head, Why},
        store::Store,
        teller::{Teller, Words},
    },
    privilege,
};

/// How often the ring is looked at; it holds what comes in that time even in a flood.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The same while somebody follows.
const FOLLOWED_EVERY: Duration = Duration::from_millis(40);
/// How often the kernel is told that events are read, and a reader that has ended meanwhile is looked for.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// What the thread is told.
enum Order {
    /// What a generation calls what.
    Know(Words),
    /// To take in what is there now, and to say so.
    Look(oneshot::Sender<()>),
    /// To end.
    End,
}

/// Looks up the names of an address.
pub(super) type AskNames = Box<dyn Fn(IpAddr) -> Option<Vec<Naming>> + Send>;

/// The thread.
pub(super) struct Historian {
    desk: Arc<Desk>,
    thread: JoinHandle<()>,
}

/// Where those who ask get what they ask for.
pub(super) struct Desk {
    store: Mutex<Store>,
    orders: Sender<Order>,
    /// Number of the next line, for those who follow.
    news: watch::Sender<u64>,
    pin_dir: PathBuf,
}

impl Historian {
    /// Keeps so many events from now on.
    pub(super) fn start(places: &Places, bound: usize, names: AskNames) -> Result<Self> {
        let (orders, inbox) = channel();
        let desk = Arc::new(Desk {
            store: Mutex::new(Store::new(bound)),
            orders,
            news: watch::Sender::new(1),
            pin_dir: places.pin_dir.clone(),
        });
        let clerk = Clerk {
            desk: Arc::clone(&desk),
            teller: Teller::new(places.pin_dir.clone()),
            names,
            watch: None,
            beaten: None,
            lost: None,
        };
        let run = move || {
            privilege::settle(false);
            clerk.keep(&inbox);
        };
        let thread = thread::Builder::new().name("events".to_owned());
        let thread = thread.spawn(run).context("cannot start a thread")?;
        Ok(Self { desk, thread })
    }

    /// Where to ask.
    pub(super) fn desk(&self) -> Arc<Desk> {
        Arc::clone(&self.desk)
    }

    /// Tells it what a generation calls what.
    pub(super) fn know(&self, words: Words) {
        self.desk.order(Order::Know(words));
    }

    /// Ends it; a daemon that is started at once takes what comes meanwhile.
    pub(super) fn end(self) {
        self.desk.order(Order::End);
        if self.thread.join().is_err() {
            warn!("what kept events has failed");
        }
    }
}

impl Desk {
    /// Waits until what is in the ring now is taken in.
    pub(super) async fn look(&self) {
        let (done, looked) = oneshot::channel();
        self.order(Order::Look(done));
        // Where the thread has failed, what it took in before is all there is.
        let _: Result<(), oneshot::error::RecvError> = looked.await;
    }

    /// The history as it is now.
    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        // A line is taken in whole or not at all.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is held.
    pub(super) fn head(&self) -> Head {
        let reader = holder(Pinned(&self.pin_dir));
        let other = reader.filter(|pid| *pid != u64::from(std::process::id()));
        self.store().head(other)
    }

    /// What changes with each line.
    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// How many follow.
    pub(super) fn watchers(&self) -> usize {
        self.news.receiver_count()
    }

    fn order(&self, order: Order) {
        // Where the thread has failed, events are lost, and nothing else.
        let _: Result<(), _> = self.orders.send(order);
    }
}

/// What the thread works with.
struct Clerk {
    desk: Arc<Desk>,
    teller: Teller,
    names: AskNames,
    /// None while somebody else reads events.
    watch: Option<Watch>,
    /// When the kernel was told last that they are read, or that was tried.
    beaten: Option<Instant>,
    /// How many the kernel had no room for, as far as that was told.
    lost: Option<u64>,
}

impl Clerk {
    fn keep(mut self, inbox: &Receiver<Order>) {
        loop {
            let mut looks = None;
            match inbox.recv_timeout(self.pause()) {
                Ok(Order::Know(words)) => self.teller.know(words),
                Ok(Order::Look(done)) => looks = Some(done),
                Ok(Order::End) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.beat();
            self.look();
            if let Some(done) = looks {
                // Who asked may have gone.
                let _: Result<(), ()> = done.send(());
            }
        }
        if let Some(watch) = self.watch {
            watch.hand_over();
        }
    }

    fn pause(&self) -> Duration {
        match self.desk.watchers() {
            0 => LOOK_EVERY,
            _ => FOLLOWED_EVERY,
        }
    }

    /// Tells the kernel that events are read, from the first time on that nobody else reads them.
    fn beat(&mut self) {
        if self.beaten.is_some_and(|at| at.elapsed() < BEAT_EVERY) {
            return;
        }
        self.beaten = Some(Instant::now());
        match &mut self.watch {
            // Where it is refused, the kernel stops making events, which is no harm to anything else.
            Some(watch) => {
                let _: Result<(), WatchError> = watch.beat();
            }
            // What a reader before left is not lost.
            None => self.watch = Watch::begin_after(&self.desk.pin_dir, 0).ok(),
        }
        self.tell_lost();
    }

    /// Takes in what is in the ring.
    fn look(&mut self) {
        let Some(watch) = &mut self.watch else {
            return;
        };
        let events: Vec<Event> = watch.collect();
        if events.is_empty() {
            return;
        }
        let mut known: HashMap<IpAddr, Vec<Naming>> = HashMap::new();
        for event in &events {
            let address = IpAddr::from(event.dst.learned_as());
            let names = known.entry(address).or_insert_with(|| {
                let is_address = !address.is_unspecified();
                let names = is_address.then(|| (self.names)(address)).flatten();
                names.unwrap_or_default()
            });
            let record = self.teller.tell(event, names);
            self.desk.store().event(record);
        }
        self.tell_news();
    }

    /// Takes in how many events the kernel had no room for since that was told last.
    fn tell_lost(&mut self) {
        let Ok(fates) = counters::events(Pinned(&self.desk.pin_dir)) else {
            return;
        };
        let lost = fates.iter().filter(|(fate, _)| *fate == Fate::Lost);
        let now: u64 = lost.map(|(_, events)| events).sum();
        let before = self.lost.replace(now).unwrap_or(now);
        let more = now.saturating_sub(before);
        if more > 0 {
            self.desk.store().gap(Gap::new(Why::Lost, more));
            self.tell_news();
        }
    }

    fn tell_news(&self) {
        let next = self.desk.store().head(None).next;
        self.desk.news.send_replace(next);
    }
}
