//! What a gateway's CPU spends on a packet, forwarded or dropped: the filter beside no filter and beside what
//! others use, in the lab of three namespaces.
//!
//! The client sends live frames out of a program of XDP. What the gateway does with them all happens on one
//! kernel thread (threaded NAPI of its LAN interface), which has a CPU for itself; what it forwards, the
//! internet drops on the other CPU. Ways to filter take turns.

mod peer;
mod source;
mod wire;

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::thread;

use anyhow::{Context as _, Result};

use self::peer::{Peer, Peers};
use self::source::Source;
use self::wire::{Cost, Wire};
use super::catalogue::Catalogue;
use super::effort::{Effort, Extent};
use super::measure::{Series, Subject, interleaved};
use super::report::Findings;
use super::section::Section;

const CPU: &str = "ns of the gateway's CPU a packet (three namespaces, veth)";
const RATE: &str = "packets a second through the gateway, as fast as its client can send";
const PREFIXES: usize = 500;
/// How many destinations there are where nothing else is said.
const SOME: usize = 1 << 10;
const MANY: usize = 1 << 16;

/// Measures all, unless the machine cannot.
pub(super) fn measure(effort: Effort) -> Result<Findings> {
    let cpus = thread::available_parallelism()?.get();
    if cpus < 2 {
        let reason = "there is only one CPU, for the gateway and all others";
        return Ok(Section::Forward.left_out(reason));
    }
    let wire = match Wire::new() {
        Ok(wire) => wire,
        Err(error) => return Ok(Section::Forward.left_out(&format!("{error:#}"))),
    };
    let catalogue = Catalogue::of(PREFIXES);
    let gateway = &wire.lab.gateway;
    gateway.run_mounted(|| -> Result<Findings> {
        let mut peers = Peers::prepare(gateway, &catalogue, wire.lab.folder())?;
        let mut findings = Findings::default();
        findings.add(compared(&wire, &mut peers, &catalogue, effort)?);
        Ok(findings)
    })?
}

/// What becomes of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Forwarded,
    Dropped,
}

impl Fate {
    fn name(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Dropped => "dropped",
        }
    }
}

/// Traffic that all ways to filter are measured with.
struct Traffic {
    fate: Fate,
    /// Destinations that are in the catalogue.
    listed: Vec<Ipv4Addr>,
    /// Where packets go.
    destinations: Vec<Ipv4Addr>,
}

impl Traffic {
    fn of(fate: Fate, count: usize, catalogue: &Catalogue) -> Self {
        let listed = |count| catalogue.destinations_v4(count);
        match fate {
            Fate::Forwarded => Self {
                fate,
                listed: listed(count),
                destinations: listed(count),
            },
            Fate::Dropped => Self {
                fate,
                listed: listed(count.min(SOME)),
                destinations: catalogue.strangers_v4(count),
            },
        }
    }

    fn name(&self) -> String {
        let count = match self.destinations.len() {
            1 => "1 destination".to_owned(),
            count => format!("{count} destinations"),
        };
        format!("{}, {count}", self.fate.name())
    }
}

/// What was measured of each, round by round.
type Costs = Vec<(Peer, Vec<Cost>)>;

/// Measures every peer with all kinds of traffic.
fn compared(
    wire: &Wire,
    peers: &mut Peers,
    catalogue: &Catalogue,
    effort: Effort,
) -> Result<Findings> {
    let fates = [Fate::Forwarded, Fate::Dropped];
    let kinds = counts(effort).iter();
    let kinds: Vec<_> = kinds
        .flat_map(|count| fates.map(|fate| (fate, *count)))
        .collect();
    let (mut cpu, mut rate) = (Findings::default(), Findings::default());
    for ((fate, count), left) in kinds.iter().zip((1..=kinds.len()).rev()) {
        let traffic = Traffic::of(*fate, *count, catalogue);
        let part = effort.part(1.0 / left as f64);
        let costs = with(wire, peers, &traffic, part, &mut cpu)?;
        for (peer, costs) in &costs {
            let name = format!("{}: {}", traffic.name(), peer.name());
            cpu.row(CPU, name.clone(), "ns", &nanoseconds(costs));
            let rates = costs.iter().map(|cost| cost.per_second / 1e3);
            rate.row(RATE, name, "1000/s", &Series(rates.collect()));
        }
        if *count == SOME {
            ratios(&mut cpu, *fate, &costs);
        }
    }
    if !counts(effort).contains(&MANY) {
        let what = format!("1 and {MANY} destinations through a gateway");
        cpu.skip(what, "only a whole run has the time for it");
    }
    for (what, reason) in peers.missing() {
        cpu.skip(*what, reason.clone());
    }
    cpu.add(rate);
    Ok(cpu)
}

fn counts(effort: Effort) -> &'static [usize] {
    match effort.extent() {
        Extent::Full => &[SOME, 1, MANY],
        Extent::Quick | Extent::Trial => &[SOME],
    }
}

/// Measures all peers with one kind of traffic; a peer that does not do with it what it should is left out.
fn with(
    wire: &Wire,
    peers: &mut Peers,
    traffic: &Traffic,
    effort: Effort,
    findings: &mut Findings,
) -> Result<Costs> {
    let mut source = Source::new(&wire.lab, &traffic.destinations)?;
    let mut there = Vec::new();
    for peer in peers.there() {
        if !peer.meets(traffic.fate) {
            continue;
        }
        match once(wire, peers, peer, &mut source, traffic, effort) {
            Ok(_) => there.push(peer),
            Err(error) if peer.is_own() => return Err(error.context(peer.name())),
            Err(error) => {
                let what = format!("{}: {}", traffic.name(), peer.name());
                findings.skip(what, format!("{error:#}"));
            }
        }
    }
    let shared = RefCell::new((peers, source));
    let subjects = there.iter().map(|peer| {
        let shared = &shared;
        Subject::new(peer.name(), move || {
            let (peers, source) = &mut *shared.borrow_mut();
            once(wire, peers, *peer, source, traffic, effort)
        })
    });
    let mut subjects: Vec<_> = subjects.collect();
    let costs = interleaved(&mut subjects, effort.rounds(), effort)?;
    drop(subjects);
    Ok(there.into_iter().zip(costs).collect())
}

/// Puts a peer on the gateway, measures it, and takes it away.
fn once(
    wire: &Wire,
    peers: &mut Peers,
    peer: Peer,
    source: &mut Source,
    traffic: &Traffic,
    effort: Effort,
) -> Result<Cost> {
    let cost = peers
        .put(peer, &traffic.listed)
        .and_then(|()| wire.measure(source, traffic.fate, effort));
    let taken = peers.take(peer);
    let cost = cost?;
    taken?;
    Ok(cost)
}

fn nanoseconds(costs: &[Cost]) -> Series {
    Series(costs.iter().map(|cost| cost.nanoseconds).collect())
}

/// Adds the goals' ratios of traffic of this fate.
fn ratios(findings: &mut Findings, fate: Fate, costs: &Costs) {
    let goals = match fate {
        Fate::Forwarded => &[
            ("forward_pass_over_none", Peer::Egress, Peer::None),
            ("forward_fast_over_none", Peer::FastPath, Peer::None),
            (
                "nft_ct_over_fast_forward",
                Peer::NftConntrack,
                Peer::FastPath,
            ),
        ][..],
        Fate::Dropped => &[
            ("veth_drop_over_floor", Peer::Egress, Peer::DropOnly),
            ("nft_ct_over_drop", Peer::NftConntrack, Peer::Egress),
        ],
    };
    let of = |wanted: Peer| {
        let found = costs.iter().find(|(peer, _)| *peer == wanted);
        let (_, costs) = found.with_context(|| format!("{} was not measured", wanted.name()))?;
        anyhow::Ok(nanoseconds(costs))
    };
    for (key, peer, base) in goals {
        match of(*peer).and_then(|series| Ok(series.over(&of(*base)?))) {
            Ok(series) => findings.ratio(key, &series),
            Err(reason) => findings.skip(*key, reason.to_string()),
        }
    }
}
