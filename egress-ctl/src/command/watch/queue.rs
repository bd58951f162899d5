//! Events that wait for the names of their destinations.
//!
//! In: events, as they come. Out: the same in their order, each with the names that are known of its
//! destination. Another thread looks them up, so that a slow answer holds up no reading of events; what is
//! not known soon stays unknown.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::mpsc::{Receiver, SyncSender, channel, sync_channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use egress_common::event::Event;

use crate::{
    daemon::Places,
    dns::{lookup::Lookup, names::Naming},
};

/// How long an event waits, at most.
const PATIENCE: Duration = Duration::from_secs(1);
/// Events that wait, at most; beyond, those that came first go without names.
const WAITING: usize = 4096;

/// The events, and who looks names up.
pub(crate) struct Queue {
    asks: SyncSender<(u64, IpAddr)>,
    told: Receiver<(u64, Vec<Naming>)>,
    waiting: VecDeque<Waiting>,
    /// Number of the next event.
    next: u64,
}

struct Waiting {
    event: Event,
    since: Instant,
    names: Option<Vec<Naming>>,
}

impl Queue {
    /// Starts the thread, which ends with the queue.
    pub(crate) fn start(places: &Places) -> Result<Self> {
        let (asks, asked) = sync_channel::<(u64, IpAddr)>(WAITING);
        let (tell, told) = channel();
        let mut lookup = Lookup::of(places.state_dir.clone());
        let thread = thread::Builder::new().name("names".to_owned());
        let look_up = move || {
            for (number, address) in asked {
                if tell.send((number, lookup.names(address))).is_err() {
                    break;
                }
            }
        };
        thread.spawn(look_up).context("cannot start a thread")?;
        Ok(Self {
            asks,
            told,
            waiting: VecDeque::new(),
            next: 0,
        })
    }

    /// Takes an event in.
    pub(crate) fn push(&mut self, event: Event) {
        let address = IpAddr::from(event.dst.learned_as());
        let is_asked =
            !address.is_unspecified() && self.asks.try_send((self.next, address)).is_ok();
        self.waiting.push_back(Waiting {
            event,
            since: Instant::now(),
            names: (!is_asked).then(Vec::new),
        });
        self.next += 1;
    }

    /// The next event that need not wait any more.
    pub(crate) fn pop(&mut self) -> Option<(Event, Vec<Naming>)> {
        self.hear();
        let is_full = self.waiting.len() > WAITING;
        let is_ready =
            |first: &Waiting| is_full || first.names.is_some() || first.since.elapsed() >= PATIENCE;
        self.waiting.front().filter(|first| is_ready(first))?;
        let first = self.waiting.pop_front()?;
        Some((first.event, first.names.unwrap_or_default()))
    }

    /// Takes in what was looked up.
    fn hear(&mut self) {
        let first = self.next - self.waiting.len() as u64;
        for (number, names) in self.told.try_iter() {
            // An event that waited too long is gone.
            let place = number.checked_sub(first);
            let place = place.and_then(|place| usize::try_from(place).ok());
            if let Some(waiting) = place.and_then(|place| self.waiting.get_mut(place)) {
                waiting.names = Some(names);
            }
        }
    }
}
