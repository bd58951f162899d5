//! What a gateway's CPU spends on a packet, forwarded or dropped: the filter beside no filter and beside what
//! others use, in the lab of three namespaces.
//!
//! The client sends live frames out of a program of XDP. What the gateway does with them all happens on one
//! kernel thread (threaded NAPI of its LAN interface), which has a CPU for itself; what it forwards, the
//! internet drops on the other CPU. Ways to filter take turns.

mod peer;
mod source;

use std::net::Ipv4Addr;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aya::programs::XdpMode;
use lab::address::INTERNET;
use lab::host::Life;
use lab::napi::{NapiThread, counter, mac, neighbour};
use lab::topology::{LAN_INTERFACE, Lab, UPLINK, WAN_INTERFACE};
use lab::wait;

use self::peer::{Peer, Peers};
use self::source::Source;
use super::catalogue::Catalogue;
use super::effort::Effort;
use super::feeder::{self, Values};
use super::measure::{Series, Subject, interleaved};
use super::report::Findings;

const SECTION: &str = "ns of the gateway's CPU a packet (three namespaces, veth)";
const UNIT: &str = "ns";
const PREFIXES: usize = 500;
const SOME: usize = 1 << 10;
/// How often to send again until enough has arrived.
const PATIENCE: u32 = 100;
/// Peers that this bench does not have yet.
const MISSING: [(&str, &str); 3] = [
    ("ipset with conntrack", "the bench has no such peer yet"),
    ("xdp-filter", "the bench has no such peer yet"),
    ("tc flower", "the bench has no such peer yet"),
];

/// Measures all, unless the machine cannot.
pub(super) fn measure(effort: Effort) -> Result<Findings> {
    let cpus = thread::available_parallelism()?.get();
    if cpus < 2 {
        return Ok(left_out(
            "there is only one CPU, for the gateway and all others",
        ));
    }
    let wire = match Wire::new() {
        Ok(wire) => wire,
        Err(error) => return Ok(left_out(&format!("{error:#}"))),
    };
    let catalogue = Catalogue::of(PREFIXES);
    let mut findings = Findings::default();
    for (what, reason) in MISSING {
        findings.skip(what, reason);
    }
    findings.skip("forward_fast_over_none", NO_FAST_PATH);
    findings.skip("nft_ct_over_fast_forward", NO_FAST_PATH);
    let gateway = &wire.lab.gateway;
    let found = gateway.run_mounted(|| -> Result<Findings> {
        let peers = Peers::prepare(gateway, &catalogue, wire.lab.folder())?;
        wire.compare(peers, &catalogue, effort)
    })??;
    findings.add(found);
    Ok(findings)
}

const NO_FAST_PATH: &str = "egress has no fast path yet";
const KEYS: [&str; 5] = [
    "veth_drop_over_floor",
    "forward_pass_over_none",
    "forward_fast_over_none",
    "nft_ct_over_fast_forward",
    "nft_ct_over_drop",
];

/// No figure, for one reason.
fn left_out(reason: &str) -> Findings {
    let mut findings = Findings::default();
    for key in KEYS {
        findings.skip(key, reason);
    }
    findings
}

/// The lab with its threads.
struct Wire {
    lab: Lab,
    gateway: NapiThread,
    _sink: aya::Ebpf,
}

impl Wire {
    fn new() -> Result<Self> {
        let lab = Lab::build(Life::Bound)?;
        let internet = mac(&lab.internet, UPLINK)?;
        neighbour(&lab.gateway, WAN_INTERFACE, INTERNET.v4, internet)?;
        // Both ends of a link must have NAPI before one may send frames of XDP.
        for (host, link) in [(&lab.client, UPLINK), (&lab.internet, UPLINK)] {
            NapiThread::of(host, link)?.pin(OTHERS_CPU)?;
        }
        NapiThread::of(&lab.gateway, WAN_INTERFACE)?.pin(OTHERS_CPU)?;
        let gateway = NapiThread::of(&lab.gateway, LAN_INTERFACE)?;
        gateway.pin(GATEWAY_CPU)?;
        let sink = lab.internet.run(|| -> Result<aya::Ebpf> {
            let mut sink = feeder::load(&Values::of(0, [[0; 2]]), 0)?;
            feeder::xdp(&mut sink, "drop_udp")?.attach(c"uplink", XdpMode::Driver)?;
            Ok(sink)
        })??;
        Ok(Self {
            lab,
            gateway,
            _sink: sink,
        })
    }

    /// Measures every peer with allowed and with other destinations.
    fn compare(&self, mut peers: Peers, catalogue: &Catalogue, effort: Effort) -> Result<Findings> {
        let mut findings = Findings::default();
        for (what, reason) in peers.missing() {
            findings.skip(what, reason);
        }
        let allowed = self.compared(&mut peers, &catalogue.destinations_v4(SOME), true, effort)?;
        let denied = self.compared(&mut peers, &catalogue.strangers_v4(SOME), false, effort)?;
        for (what, measured) in [("forwarded", &allowed), ("dropped", &denied)] {
            for (peer, series) in measured {
                findings.row(SECTION, format!("{what}: {}", peer.name()), UNIT, series);
            }
        }
        ratio(
            &mut findings,
            "forward_pass_over_none",
            &allowed,
            Peer::Egress,
            Peer::None,
        );
        ratio(
            &mut findings,
            "veth_drop_over_floor",
            &denied,
            Peer::Egress,
            Peer::DropOnly,
        );
        ratio(
            &mut findings,
            "nft_ct_over_drop",
            &denied,
            Peer::NftConntrack,
            Peer::Egress,
        );
        Ok(findings)
    }

    fn compared(
        &self,
        peers: &mut Peers,
        destinations: &[Ipv4Addr],
        pass: bool,
        effort: Effort,
    ) -> Result<Vec<(Peer, Series)>> {
        let source = Source::new(&self.lab, destinations)?;
        let source = std::cell::RefCell::new(source);
        let there: Vec<Peer> = peers.there().filter(|peer| peer.meets(pass)).collect();
        let peers = std::cell::RefCell::new(peers);
        let subjects = there.iter().map(|peer| {
            let (source, peers) = (&source, &peers);
            Subject::new(peer.name(), move || {
                peers.borrow_mut().put(*peer)?;
                let measured = self.once(&mut source.borrow_mut(), pass, effort);
                peers.borrow_mut().take(*peer)?;
                measured
            })
        });
        let mut subjects: Vec<_> = subjects.collect();
        let series = interleaved(&mut subjects, effort.rounds())?;
        drop(subjects);
        Ok(there.into_iter().zip(series).collect())
    }

    /// Sends for a while; all that arrives must be forwarded, or nothing.
    fn once(&self, source: &mut Source, pass: bool, effort: Effort) -> Result<f64> {
        let began = self.seen()?;
        // On a busy machine the gateway's thread may have to wait for its CPU.
        let mut seen = self.seen()?;
        for _ in 0..PATIENCE {
            source.send(effort.time())?;
            seen = self.through(&began)?;
            if seen.arrived - began.arrived >= effort.packets() {
                break;
            }
        }
        let packets = seen.arrived - began.arrived;
        ensure!(
            packets >= effort.packets(),
            "only {packets} packets arrived at the gateway"
        );
        let forwarded = seen.forwarded - began.forwarded;
        // Something else may leave, such as an answer of ICMP.
        let right = if pass {
            forwarded * 10 >= packets * 9
        } else {
            forwarded * 100 <= packets
        };
        ensure!(right, "{forwarded} of {packets} packets were forwarded");
        let took = seen.cpu.saturating_sub(began.cpu);
        Ok(took.as_nanos() as f64 / packets as f64)
    }

    /// The counters once the gateway is through with what arrived.
    fn through(&self, began: &Seen) -> Result<Seen> {
        let mut before = began.arrived;
        wait::until("the gateway to be through", Duration::from_secs(5), || {
            let seen = self.seen()?;
            let is_through = seen.arrived > began.arrived && seen.arrived == before;
            before = seen.arrived;
            Ok(is_through.then_some(seen))
        })
    }

    fn seen(&self) -> Result<Seen> {
        let gateway = &self.lab.gateway;
        let (lan, wan) = (LAN_INTERFACE, WAN_INTERFACE);
        let forwarded = counter(gateway, wan, "tx_packets")? + counter(gateway, wan, "tx_dropped")?;
        Ok(Seen {
            arrived: counter(gateway, lan, "rx_packets")?,
            // What the internet's queue had no place for was forwarded as well.
            forwarded,
            cpu: self.gateway.cpu_time()?,
        })
    }
}

/// The gateway's thread has this one for itself, as far as the machine lets it.
const GATEWAY_CPU: usize = 1;
/// All others.
const OTHERS_CPU: usize = 0;

/// Counters of the gateway at one moment.
struct Seen {
    arrived: u64,
    forwarded: u64,
    cpu: Duration,
}

/// Adds a ratio, or why there is none.
fn ratio(
    findings: &mut Findings,
    key: &'static str,
    measured: &[(Peer, Series)],
    peer: Peer,
    base: Peer,
) {
    let of = |wanted: Peer| {
        let found = measured.iter().find(|(peer, _)| *peer == wanted);
        found
            .map(|(_, series)| series)
            .with_context(|| format!("{} was not measured", wanted.name()))
    };
    match of(peer).and_then(|series| Ok(series.over(of(base)?))) {
        Ok(series) => findings.ratio(key, &series),
        Err(reason) => findings.skip(key, reason.to_string()),
    }
}

/// Where the filter's maps are pinned.
fn pin_dir() -> &'static Path {
    Path::new("/sys/fs/bpf/egress")
}
