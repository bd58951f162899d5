//! More addresses than the map of learned ones holds, while clients use a few of those that were there before.

use std::net::Ipv4Addr;

use anyhow::Result;
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
    /// Entries of the map at the end.
    held: usize,
    /// Of the youngest of the crowd, how many are there; of the old and idle, how many still are.
    young: u32,
    young_held: u32,
    old: u32,
    old_held: u32,
}

impl Crowd {
    pub(super) fn holds(&self, options: &Options) -> bool {
        self.given >= options.addresses
            && self.lived_on_dropped == 0
            && self.begun_dropped == 0
            && self.held <= LEARNED as usize
            && self.young_held == self.young
            && self.old_held == 0
    }

    pub(super) fn lines(&self, bound: u32) -> Vec<(&'static str, String)> {
        let Self {
            given,
            lived_on,
            lived_on_dropped,
            begun,
            begun_dropped,
            ..
        } = self;
        vec![
            (
                "addresses",
                format!("{given} given, {} held, bound {bound}", self.held),
            ),
            (
                "living connections",
                format!("{lived_on_dropped} of {lived_on} packets dropped"),
            ),
            (
                "new connections",
                format!("{begun_dropped} of {begun} dropped"),
            ),
            (
                "youngest idle",
                format!("{} of {} held", self.young_held, self.young),
            ),
            (
                "oldest idle",
                format!("{} of {} held", self.old_held, self.old),
            ),
        ]
    }
}

/// Learns the crowd, and uses what is in use in between.
pub(super) fn pass(kernel: &mut Kernel, options: &Options) -> Result<Crowd> {
    let mut crowd = Crowd::default();
    let mut interval = 0;
    while crowd.given < options.addresses {
        interrupt::check()?;
        let first = options.names + crowd.given;
        let addresses = (first..first + AN_ANSWER).map(address);
        kernel.answer(&policy::answer(&policy::name(3), addresses)?)?;
        crowd.given += AN_ANSWER;
        if crowd.given % AN_INTERVAL == 0 {
            interval += 1;
            use_again(kernel, options.used, interval, &mut crowd)?;
        }
    }
    count(kernel, options, &mut crowd)?;
    Ok(crowd)
}

/// Clients go on with their connections, and begin new ones to the other half.
fn use_again(kernel: &mut Kernel, used: u32, interval: u16, crowd: &mut Crowd) -> Result<()> {
    for i in 0..used {
        if i % 2 == 0 {
            crowd.lived_on += 1;
            crowd.lived_on_dropped += u64::from(!kernel.passes(&go_on(address(i))?)?);
        } else {
            crowd.begun += 1;
            crowd.begun_dropped += u64::from(!kernel.passes(&begin(address(i), interval)?)?);
        }
    }
    Ok(())
}

/// Who is still there: addresses were given in the order of their numbers.
fn count(kernel: &Kernel, options: &Options, crowd: &mut Crowd) -> Result<()> {
    let end = address(options.names + crowd.given);
    let age = |held: Ipv4Addr| end.to_bits() - held.to_bits();
    let all = options.names + crowd.given;
    let in_use = all - options.used;
    crowd.young = YOUNG.min(crowd.given);
    crowd.old = all.saturating_sub(OLD + options.used);
    for held in kernel.learned_addrs()? {
        crowd.held += 1;
        let std::net::IpAddr::V4(held) = held else {
            continue;
        };
        crowd.young_held += u32::from(age(held) <= crowd.young);
        crowd.old_held += u32::from(age(held) > OLD && age(held) <= in_use);
    }
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
