//! A gateway that learns from answers in one way: names in, how long each took to be reachable out.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lab::address::LAN;
use lab::flow::Family;
use lab::gateway::Egress;
use lab::host::Life;
use lab::process::Process;
use lab::topology::Lab;
use lab::zone::Zone;
use lab::{config, cpu, dns, resolver};

use super::super::measure::Spread;

/// 198.18.0.0/15, for measurements (RFC 2544).
const FIRST: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// Fewer than a client may ask for, or learn, at once.
const MOST: usize = 900;
const PORT: u16 = 443;
const TTL: u32 = 600;
const LIMIT: Duration = Duration::from_secs(3);
/// What has not come by then was lost.
const LOST: Duration = Duration::from_millis(200);
const SETS: &str = "[[source.lab.set]]\nid = 1\nurls = [\"*.bench.example\"]\nudpPorts = \"443\"\n";
const RULES: &str = "table inet bench {
 set learned {
  type ipv4_addr; flags timeout; timeout 10m;
 }
 chain forward {
  type filter hook forward priority 0; policy drop;
  ct state established,related accept
  ip daddr @learned udp dport 443 accept
 }
}
";
const FILLS: &str = "nftset=/bench.example/4#inet#bench#learned\n";

/// Who learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nobody: everything passes.
    Open,
    /// dnsmasq, into a set of nftables.
    Nftset,
    /// The filter.
    Egress,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Open, Self::Nftset, Self::Egress];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Open => "no filter",
            Self::Nftset => "nftables set filled by dnsmasq",
            Self::Egress => "egress",
        }
    }

    /// Whether it has to work.
    pub(super) fn is_own(self) -> bool {
        self != Self::Nftset
    }
}

/// Some lookups: medians.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lookups {
    /// From the question to the first packet through.
    pub(super) through_us: f64,
    /// From the answer to the first packet through.
    pub(super) enforced_us: f64,
    /// Time of the resolver's CPU.
    pub(super) resolver_us: f64,
    /// First packets that did not come.
    pub(super) lost: usize,
}

/// A running lab. Its processes end before its hosts do.
pub(super) struct Way {
    kind: Kind,
    forwarder: Process,
    _upstream: Process,
    _egress: Option<Egress>,
    receiver: UdpSocket,
    lab: Lab,
    asked: usize,
    names: usize,
}

impl Way {
    /// Builds a lab whose internet knows so many names.
    pub(super) fn start(kind: Kind, names: usize) -> Result<Self> {
        ensure!(names <= MOST, "a client asks for {MOST} names, not {names}");
        let lab = Lab::build(Life::Bound)?;
        let zone = (0..names).fold(Zone::new(), |zone, n| {
            zone.host_v4(&name(n), address(n), TTL)
        });
        let upstream = resolver::upstream(&lab, &zone)?;
        let forwarder = match kind {
            Kind::Open | Kind::Egress => resolver::forwarder(&lab)?,
            Kind::Nftset => {
                filter(&lab)?;
                resolver::forwarder_with(&lab, FILLS)?
            }
        };
        let egress = match kind {
            Kind::Open | Kind::Nftset => None,
            Kind::Egress => Some(Egress::start(&lab, &config::custom(SETS))?),
        };
        let receiver = lab
            .internet
            .run(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)))??;
        receiver.set_read_timeout(Some(LOST))?;
        Ok(Self {
            kind,
            forwarder,
            _upstream: upstream,
            _egress: egress,
            receiver,
            lab,
            asked: 0,
            names,
        })
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Looks up names that nobody asked for yet, and sends a datagram to each.
    pub(super) fn look_up(&mut self, count: usize) -> Result<Lookups> {
        let fresh = self.asked..self.asked + count;
        ensure!(fresh.end <= self.names, "no names are left");
        self.asked = fresh.end;
        let before = cpu::time_of(self.forwarder.id())?;
        let taken = self.lab.client.run(|| -> Result<Vec<_>> {
            let sender = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            fresh.map(|n| reach(n, &sender, &self.receiver)).collect()
        })??;
        let resolver = cpu::time_of(self.forwarder.id())?.saturating_sub(before);
        let came: Vec<_> = taken.iter().flatten().collect();
        let median = |of: fn(&Taken) -> Duration| -> f64 {
            let values: Vec<_> = came.iter().map(|taken| microseconds(of(taken))).collect();
            Spread::of(&values).map_or(f64::NAN, |spread| spread.median)
        };
        ensure!(!came.is_empty(), "all of {count} first packets were lost");
        Ok(Lookups {
            through_us: median(|taken| taken.through),
            enforced_us: median(|taken| taken.enforced),
            resolver_us: microseconds(resolver) / count as f64,
            lost: taken.len() - came.len(),
        })
    }
}

/// How long one took.
struct Taken {
    through: Duration,
    enforced: Duration,
}

/// Looks one up from this thread's network; nothing where the datagram does not come.
fn reach(n: usize, sender: &UdpSocket, receiver: &UdpSocket) -> Result<Option<Taken>> {
    let (name, address) = (name(n), address(n));
    let sign = (n as u64).to_be_bytes();
    let began = Instant::now();
    let answer = dns::ask(LAN.v4.into(), &name, Family::Ipv4, LIMIT).context(name)?;
    let answered = Instant::now();
    ensure!(answer.address() == Some(address.into()), "{answer:?}");
    sender.send_to(&sign, (address, PORT))?;
    let mut seen = [0; 8];
    // What came too late for an earlier one may come first.
    while seen != sign {
        match receiver.recv(&mut seen) {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(Taken {
        through: began.elapsed(),
        enforced: answered.elapsed(),
    }))
}

/// Lets pass what dnsmasq puts into a set.
fn filter(lab: &Lab) -> Result<()> {
    let path = lab.path("learned.nft");
    fs::write(&path, RULES)?;
    let output = lab.gateway.command("nft").arg("-f").arg(&path).output();
    let output = output.context("nft does not start")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "nft: {}", said.trim());
    Ok(())
}

fn name(n: usize) -> String {
    format!("n{n}.bench.example")
}

fn address(n: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(FIRST.to_bits() + n as u32)
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
