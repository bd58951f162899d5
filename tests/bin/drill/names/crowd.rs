//! More addresses than the map of learned ones holds, while clients use a few of those that were there before.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Result, anyhow};
use aya::util::nr_cpus;
use egress_common::limits::LEARNED;
use lab::frame::{Frame, Transport};
use lab::interrupt;
use lab::kernel::Kernel;
use serde::Serialize;

use super::{Options, address, policy};

/// Addresses of an answer, as many as one may have.
const AN_ANSWER: u32 = 128;
/// After so many new addresses, each one in use is used again.
const AN_INTERVAL: u32 = 64 * AN_ANSWER;
/// The youngest addresses of the crowd, which surely are still there; and the age at which surely none is.
const YOUNG: u32 = LEARNED / 4;
const OLD: u32 = 2 * LEARNED;
/// Where the oldest entries of a map were all used, the kernel looks at so many, keeps them, and takes the next one
/// all the same (`LOCAL_NR_SCANS` and `__bpf_lru_list_shrink`, kernel/bpf/bpf_lru_list.c).
const SCANNED: u32 = 128;
/// So many entries that it took last, each CPU keeps for itself until it takes more, however old they get
/// (`LOCAL_FREE_TARGET` there).
const KEPT_BY_CPU: u32 = 128;
const HTTPS: u16 = 443;
/// The client's first port, of those that connections begin from; a connection that lives on keeps it.
const PORT: u16 = 20_000;

/// What became of the addresses.
#[derive(Default, Serialize)]
pub(super) struct Crowd {
    given: u32,
    /// Packets of connections that lived on, and first packets of new ones, to addresses in use.
    lived_on: u64,
    lived_on_dropped: u64,
    begun: u64,
    begun_dropped: u64,
    /// How many of those may be where all addresses were used; and those that pass when their name was asked for
    /// anew.
    begun_dropped_bound: u64,
    begun_anew: u64,
    /// Entries of the map at the end.
    held: usize,
    /// Of the youngest of the crowd, how many are there; of the old and idle, how many still are.
    young: u32,
    young_held: u32,
    old: u32,
    old_held: u32,
    old_held_bound: u32,
}

impl Crowd {
    /// Whether nothing in use was lost, and what was idle left in its order, but for what the CPUs keep.
    pub(super) fn holds(&self) -> bool {
        self.lived_on_dropped == 0
            && self.begun_dropped == 0
            && self.held <= LEARNED as usize
            && self.young_held == self.young
            && self.old_held <= self.old_held_bound
    }

    /// The same where everything in the map was used: no connection that lives may be lost. Of the addresses that
    /// only new ones go to, the kernel takes a few, so that their clients have to ask anew.
    pub(super) fn holds_among_used(&self) -> bool {
        self.lived_on_dropped == 0
            && self.begun_dropped <= self.begun_dropped_bound
            && self.begun_anew == self.begun_dropped
            && self.held <= LEARNED as usize
            && self.young_held == self.young
    }

    pub(super) fn lines(&self) -> Vec<(&'static str, String)> {
        let Self {
            lived_on, begun, ..
        } = self;
        vec![
            (
                "addresses",
                format!("{} given, {} held, bound {LEARNED}", self.given, self.held),
            ),
            (
                "living connections",
                format!("{} of {lived_on} packets dropped", self.lived_on_dropped),
            ),
            (
                "new connections",
                format!("{} of {begun} dropped", self.begun_dropped),
            ),
            (
                "youngest idle",
                format!("{} of {} held", self.young_held, self.young),
            ),
            (
                "oldest idle",
                format!(
                    "{} of {} held, {} may be: each CPU keeps some",
                    self.old_held, self.old, self.old_held_bound
                ),
            ),
        ]
    }

    pub(super) fn lines_among_used(&self) -> [(&'static str, String); 2] {
        let living = format!(
            "{} of {} packets of living connections dropped",
            self.lived_on_dropped, self.lived_on
        );
        let new = format!(
            "{} of {} new connections dropped, {} may be; {} pass when asked for anew",
            self.begun_dropped, self.begun, self.begun_dropped_bound, self.begun_anew
        );
        [("where all were used", living), ("", new)]
    }
}

/// Learns so many addresses, and uses what is in use before and in between.
pub(super) fn pass(kernel: &mut Kernel, options: &Options, addresses: u32) -> Result<Crowd> {
    let cpus = nr_cpus().map_err(|(what, source)| anyhow!("{what}: {source}"))?;
    let mut crowd = Crowd {
        begun_dropped_bound: 1 + u64::from(options.used / 2 * 2 / SCANNED),
        old_held_bound: cpus.get() * KEPT_BY_CPU,
        ..Crowd::default()
    };
    for i in in_use(options) {
        kernel.passes(&begin(address(i), 0)?)?;
    }
    let mut interval = 0;
    while crowd.given < addresses {
        interrupt::check()?;
        let first = options.names + crowd.given;
        let addresses = (first..first + AN_ANSWER).map(address);
        kernel.answer(&policy::answer(&policy::name(3), addresses)?)?;
        crowd.given += AN_ANSWER;
        if crowd.given.is_multiple_of(AN_INTERVAL) {
            interval += 1;
            use_again(kernel, options, interval, &mut crowd)?;
        }
    }
    count(kernel, options, &mut crowd)?;
    Ok(crowd)
}

/// Which of the names' addresses are in use: some everywhere among them.
fn in_use(options: &Options) -> impl Iterator<Item = u32> {
    let stride = options.names / options.used;
    (0..options.used).map(move |i| i * stride)
}

/// Clients go on with their connections, or begin new ones, in turn.
fn use_again(
    kernel: &mut Kernel,
    options: &Options,
    interval: u16,
    crowd: &mut Crowd,
) -> Result<()> {
    for (place, i) in in_use(options).enumerate() {
        if place % 2 == 0 {
            crowd.lived_on += 1;
            crowd.lived_on_dropped += u64::from(!kernel.passes(&go_on(address(i))?)?);
        } else {
            crowd.begun += 1;
            let first = begin(address(i), interval)?;
            if !kernel.passes(&first)? {
                crowd.begun_dropped += 1;
                kernel.answer(&policy::answer(&policy::name(i), [address(i)])?)?;
                crowd.begun_anew += u64::from(kernel.passes(&first)?);
            }
        }
    }
    Ok(())
}

/// Who is still there: addresses were given in the order of their numbers.
fn count(kernel: &Kernel, options: &Options, crowd: &mut Crowd) -> Result<()> {
    let held: BTreeSet<IpAddr> = kernel.learned_addrs()?.into_iter().collect();
    let holds = |i: &u32| held.contains(&address(*i).into());
    let all = options.names + crowd.given;
    let used: BTreeSet<u32> = in_use(options).collect();
    let is_idle = |i: &u32| !used.contains(i);
    let old: Vec<u32> = (0..all.saturating_sub(OLD)).filter(is_idle).collect();
    crowd.held = held.len();
    crowd.young = YOUNG.min(crowd.given);
    crowd.young_held = u32::try_from((all - crowd.young..all).filter(holds).count())?;
    crowd.old = u32::try_from(old.len())?;
    crowd.old_held = u32::try_from(old.iter().filter(|i| holds(i)).count())?;
    Ok(())
}

/// The first packet of a connection; each `attempt` has its own.
pub(super) fn begin(to: Ipv4Addr, attempt: u16) -> Result<Vec<u8>> {
    frame(to, Transport::Syn(PORT + attempt, HTTPS))
}

/// A packet of the first connection to an address.
fn go_on(to: Ipv4Addr) -> Result<Vec<u8>> {
    frame(to, Transport::Tcp(PORT, HTTPS))
}

fn frame(to: Ipv4Addr, segment: Transport) -> Result<Vec<u8>> {
    Ok(Frame::new(policy::CLIENT.parse()?, to.into(), segment).to_bytes())
}
