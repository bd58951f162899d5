//! The fast path, as user space looks after it.
//!
//! In: pairs of interfaces from the config, and what the kernel tells of them again and again. Out: for each pair
//! and family of addresses whether packets may leave past the stack, in the kernel program's maps and in words;
//! where anything is in doubt, they may not. The word under which next hops are remembered follows every change
//! that the kernel announces.

mod device;
mod epoch;
mod facts;
mod feed;
pub mod judge;
mod netfilter;
mod routing;
pub mod told;
mod traffic;
mod watch;

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use aya::maps::{MapError, xdp::XdpMapError};
use egress_common::forward::{Pair, PairKey, family};
use rustix::io::Errno;
use tokio::sync::Notify;
use tracing::{info, warn};

pub use self::{
    device::Device,
    epoch::{Epoch, forward_now, stop},
    facts::Known,
    feed::feed,
};
use self::{
    judge::{Doubt, Facts},
    told::{State, Told},
    watch::Watching,
};
use crate::{
    config::forward::FastPath,
    dataplane::{
        boot_ms,
        maps::{Pinned, PinnedError},
    },
};

/// How long the kernel program goes by what was judged, if nobody says so again.
const LEASE_MS: u64 = 6_000;

/// Why fast paths cannot be looked after.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// A map is not there.
    #[error(transparent)]
    Pinned(#[from] PinnedError),
    /// The kernel refused an entry.
    #[error("cannot write the kernel's tables of fast paths")]
    Map(#[from] MapError),
    /// The kernel refused an interface to redirect to.
    #[error("cannot write the kernel's table of interfaces that packets leave by")]
    Device(#[from] XdpMapError),
    /// The kernel does not say which devices there are, or what changes.
    #[error("cannot ask the kernel over netlink")]
    Netlink(#[from] Errno),
    /// The state folder cannot be written.
    #[error("cannot note which fast paths are on")]
    Told(#[from] io::Error),
}

/// Looks after the fast paths of the config in force.
#[derive(Default)]
pub struct Forwarding {
    changed: Arc<Notify>,
    at_work: Option<AtWork>,
    told: Vec<Told>,
}

struct AtWork {
    epoch: Arc<Mutex<Epoch>>,
    _watching: Watching,
}

impl Forwarding {
    /// Waits until something has changed that the judgement goes by. Nothing is lost where the wait is given up.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Asks to be looked at soon.
    pub fn look(&self) {
        self.changed.notify_one();
    }

    /// Judges every pair anew, and lets the kernel program know.
    ///
    /// # Errors
    /// The kernel does not tell or take what it should; then nothing is forwarded.
    pub fn settle(
        &mut self,
        pin_dir: &Path,
        state_dir: &Path,
        pairs: &[FastPath],
        known: &Known<'_>,
    ) -> Result<(), ForwardError> {
        let pinned = Pinned(pin_dir);
        if pairs.is_empty() {
            return self.rest(pinned, state_dir);
        }
        let epoch = self.begin(pinned)?;
        let doubts = lock(&epoch).doubts();
        let settled = self.judge(pinned, state_dir, pairs, known);
        if settled.is_err() {
            lock(&epoch).pause()?;
        }
        let is_new = settled?;
        let mut epoch = lock(&epoch);
        if is_new {
            epoch.raise()?;
        }
        if !epoch.resume(doubts)? {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Judges, feeds the kernel, and tells; whether anything is other than before.
    fn judge(
        &mut self,
        pinned: Pinned<'_>,
        state_dir: &Path,
        pairs: &[FastPath],
        known: &Known<'_>,
    ) -> Result<bool, ForwardError> {
        let devices = device::devices()?;
        let judged = pairs.iter().map(|pair| Judged::of(pair, &devices, known));
        let judged: Vec<Judged<'_>> = judged.collect();
        let until_ms = boot_ms() + LEASE_MS;
        let permitted = judged.iter().filter_map(|one| one.permitted(until_ms));
        feed(pinned, &permitted.collect::<BTreeMap<_, _>>())?;
        let told: Vec<Told> = judged.iter().map(Judged::told).collect();
        if told == self.told {
            return Ok(false);
        }
        say(&self.told, &told);
        told::write(&told, state_dir)?;
        self.told = told;
        Ok(true)
    }

    /// Listens to changes, if it does not yet.
    fn begin(&mut self, pinned: Pinned<'_>) -> Result<Arc<Mutex<Epoch>>, ForwardError> {
        if let Some(AtWork { epoch, .. }) = &self.at_work {
            return Ok(Arc::clone(epoch));
        }
        let epoch = Arc::new(Mutex::new(Epoch::open(pinned)?));
        let watching = Watching::start(Arc::clone(&epoch), Arc::clone(&self.changed))?;
        self.at_work = Some(AtWork {
            epoch: Arc::clone(&epoch),
            _watching: watching,
        });
        Ok(epoch)
    }

    /// Forwards nothing, and forgets what was.
    fn rest(&mut self, pinned: Pinned<'_>, state_dir: &Path) -> Result<(), ForwardError> {
        if self.at_work.take().is_some() {
            stop(pinned)?;
            feed(pinned, &BTreeMap::new())?;
        }
        self.told.clear();
        Ok(told::write(&[], state_dir)?)
    }

    /// Ends: without a daemon nobody sees what changes.
    pub fn end(&mut self, pin_dir: &Path) {
        if self.at_work.take().is_some()
            && let Err(fault) = stop(Pinned(pin_dir))
        {
            warn!("fast paths end in {} s only: {fault}", LEASE_MS / 1000);
        }
    }
}

fn lock(epoch: &Mutex<Epoch>) -> std::sync::MutexGuard<'_, Epoch> {
    epoch.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A pair, and what was judged of it.
struct Judged<'a> {
    pair: &'a FastPath,
    facts: Facts,
    v4: Result<(), Doubt>,
    v6: Result<(), Doubt>,
}

impl<'a> Judged<'a> {
    fn of(pair: &'a FastPath, devices: &[Device], known: &Known<'_>) -> Self {
        let facts = facts::gather(pair, devices, known);
        let names = [pair.from.as_str(), pair.to.as_str()];
        let (v4, v6) = (facts.judge(true, names), facts.judge(false, names));
        Self {
            pair,
            facts,
            v4,
            v6,
        }
    }

    /// What the kernel program may do, if anything.
    fn permitted(&self, until_ms: u64) -> Option<(PairKey, Pair)> {
        let (from, to) = (self.facts.from.as_ref()?, self.facts.to.as_ref()?);
        let bit = |judged: &Result<(), Doubt>, bit| if judged.is_ok() { bit } else { 0 };
        let families = bit(&self.v4, family::V4) | bit(&self.v6, family::V6);
        if families == 0 {
            return None;
        }
        let key = PairKey {
            from: from.index,
            to: to.index,
        };
        let pair = Pair {
            until_ms,
            families,
            mtu: to.mtu,
            own: from.mac?,
            pad: [0; 2],
        };
        Some((key, pair))
    }

    fn told(&self) -> Told {
        Told {
            from: self.pair.from.clone(),
            to: self.pair.to.clone(),
            ipv4: State::of(&self.v4),
            ipv6: State::of(&self.v6),
        }
    }
}

/// Tells what is other than before.
fn say(before: &[Told], now: &[Told]) {
    for told in now.iter().filter(|told| !before.contains(told)) {
        for (family, state) in [("IPv4", &told.ipv4), ("IPv6", &told.ipv6)] {
            let Told { from, to, .. } = told;
            match &state.why {
                None => info!("the fast path from {from} to {to} is on for {family}"),
                Some(why) => warn!("the fast path from {from} to {to} is off for {family}: {why}"),
            }
        }
    }
}
