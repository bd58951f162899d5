//! `drill race`: each cycle resolves a name never asked before, and connects as soon as the answer
//! is there. A filter that learns late loses the first packet.

mod asker;
mod crowd;
mod matrix;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{Args, ValueEnum};
use lab::address::{INTERNET, LAN};
use lab::config;
use lab::flow::Family;
use lab::gateway::Egress;
use lab::host::Life;
use lab::interrupt;
use lab::long::{self, LONG, ZONE};
use lab::resolver::Program;
use lab::server::HTTPS;
use lab::site::Site;
use lab::status::Action;
use lab::zone::Zone;
use serde::Serialize;

use self::asker::Asker;
use super::Report;
use super::timing::Timing;

/// 198.18.0.0/15, for measurements (RFC 2544); more addresses than cycles.
const FIRST: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);
const MOST: i64 = 130_000;
const TTL: u32 = 60;
const LIMIT: Duration = Duration::from_secs(3);
/// After so many failures the rest would only repeat them.
const ENOUGH: u32 = 20;
/// A connect that takes so long was answered only after its SYN was repeated.
const REPEATED: Duration = Duration::from_millis(900);
const SETS: &str = r#"[[source.lab.set]]
id = 1
urls = ["*.race.example", "*.long.example"]
tcpPorts = "443"
"#;

#[derive(Clone, Args)]
pub(crate) struct Options {
    /// The resolver on the gateway, or one that it forwards queries to
    #[arg(long, value_enum, default_value_t = Resolver::Dnsmasq)]
    resolver: Resolver,
    /// How the client asks: over IPv6 it resolves and connects by that alone; truncated, it asks over UDP
    /// first, and over TCP as the answer tells it to
    #[arg(long, value_enum, default_value_t = Transport::Udp)]
    transport: Transport,
    /// How often to resolve and connect
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=MOST))]
    cycles: u32,
    /// How many threads share the cycles
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,
    /// Every resolver, transport, and one thread and four, one after the other
    #[arg(long, conflicts_with_all = ["resolver", "transport", "threads"])]
    matrix: bool,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Resolver {
    Dnsmasq,
    Unbound,
    Forwarded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Transport {
    Udp,
    Tcp,
    Udp6,
    Truncated,
}

#[derive(Serialize)]
struct RaceReport {
    schema: &'static str,
    drill: &'static str,
    resolver: Resolver,
    transport: Transport,
    threads: u16,
    cycles: usize,
    cycles_per_second: f64,
    /// By the filter, repetitions included.
    first_packets_dropped: u64,
    /// Answered only after a second, though the filter may not have dropped them.
    repeated_first_packets: usize,
    failures: usize,
    resolve: Timing,
    connect: Timing,
    passed: bool,
}

/// One cycle that reached its server.
struct Cycle {
    resolve: Duration,
    connect: Duration,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    if options.matrix {
        return matrix::run(options);
    }
    let report = measured(options)?;
    super::print(&report, options.json)?;
    Ok(report.passed)
}

/// One race, in a lab of its own.
fn measured(options: &Options) -> Result<RaceReport> {
    let zone = zone(options);
    let site = Site::start_with(options.resolver.program(), Life::Bound, &zone, &[])?;
    long::start(&site.lab.internet, |name| cycle_of(name).map(address))?;
    let egress = Egress::start(&site.lab, &options.config())?;
    crowd::gather(&site.lab)?;
    let before = egress.settled()?;
    let began = Instant::now();
    let cycles = site.lab.client.run(|| race(options))?;
    let took = began.elapsed();
    interrupt::check()?;
    let after = egress.settled()?;

    let dropped = after.total(Action::Drop) - before.total(Action::Drop);
    if let Some(Err(first)) = cycles.iter().find(|cycle| cycle.is_err()) {
        eprintln!("first failure: {first}");
    }
    Ok(RaceReport::of(options, &cycles, dropped, took))
}

impl RaceReport {
    fn of(
        options: &Options,
        cycles: &[Result<Cycle, String>],
        dropped: u64,
        took: Duration,
    ) -> Self {
        let reached = || cycles.iter().filter_map(|cycle| cycle.as_ref().ok());
        let failures = cycles.len() - reached().count();
        let repeated = reached().filter(|cycle| cycle.connect >= REPEATED).count();
        Self {
            schema: "egress.drill/1",
            drill: "race",
            resolver: options.resolver,
            transport: options.transport,
            threads: options.threads,
            cycles: cycles.len(),
            cycles_per_second: (cycles.len() as f64 / took.as_secs_f64()).round(),
            first_packets_dropped: dropped,
            repeated_first_packets: repeated,
            failures,
            resolve: Timing::of(reached().map(|cycle| cycle.resolve)),
            connect: Timing::of(reached().map(|cycle| cycle.connect)),
            passed: dropped == 0
                && repeated == 0
                && failures == 0
                && u32::try_from(cycles.len()) == Ok(options.cycles),
        }
    }
}

impl Report for RaceReport {
    fn lines(&self) -> Vec<(&'static str, String)> {
        vec![
            ("cycles", self.cycles.to_string()),
            ("threads", self.threads.to_string()),
            ("a second", self.cycles_per_second.to_string()),
            (
                "first packets dropped",
                self.first_packets_dropped.to_string(),
            ),
            (
                "first packets repeated",
                self.repeated_first_packets.to_string(),
            ),
            ("failures", self.failures.to_string()),
            ("resolve", self.resolve.to_string()),
            ("connect", self.connect.to_string()),
        ]
    }
}

impl Resolver {
    /// What runs on the gateway.
    fn program(self) -> Program {
        match self {
            Self::Unbound => Program::Unbound,
            Self::Dnsmasq | Self::Forwarded => Program::Dnsmasq,
        }
    }
}

impl Options {
    fn family(&self) -> Family {
        match self.transport {
            Transport::Udp6 => Family::Ipv6,
            Transport::Udp | Transport::Tcp | Transport::Truncated => Family::Ipv4,
        }
    }

    /// Whether the kernel notes the queries whose answers teach; the proxy does so itself.
    fn is_noted(&self) -> bool {
        matches!(self.transport, Transport::Udp | Transport::Udp6)
    }

    /// Whom the client asks.
    fn asked(&self) -> IpAddr {
        match (self.resolver, self.transport) {
            (Resolver::Forwarded, Transport::Truncated) => LONG.into(),
            (Resolver::Forwarded, _) => INTERNET.of(self.family()),
            (Resolver::Dnsmasq | Resolver::Unbound, _) => LAN.of(self.family()),
        }
    }

    /// Trusts that resolver alone.
    fn config(&self) -> String {
        let config = config::custom(SETS);
        match self.resolver {
            Resolver::Dnsmasq | Resolver::Unbound => config,
            Resolver::Forwarded => config.replace("\"gateway\"", &format!("\"{}\"", self.asked())),
        }
    }

    fn name(&self, cycle: u32) -> String {
        match self.transport {
            Transport::Truncated => format!("n{cycle}.{ZONE}"),
            Transport::Udp | Transport::Tcp | Transport::Udp6 => format!("n{cycle}.race.example"),
        }
    }

    /// Where the name of a cycle leads to.
    fn address(&self, cycle: u32) -> IpAddr {
        match self.family() {
            Family::Ipv4 => address(cycle).into(),
            Family::Ipv6 => address_v6(cycle).into(),
        }
    }
}

/// Names that dnsmasq serves; those of the other zone are made when they are asked for.
fn zone(options: &Options) -> Zone {
    let host = |zone: Zone, cycle| match options.transport {
        Transport::Truncated => zone,
        Transport::Udp6 => zone.host(&options.name(cycle), address(cycle), address_v6(cycle), TTL),
        Transport::Udp | Transport::Tcp => zone.host_v4(&options.name(cycle), address(cycle), TTL),
    };
    (0..options.cycles).fold(Zone::new(), host)
}

/// All cycles, by all threads; ends early when interrupted, or when enough have failed.
fn race(options: &Options) -> Vec<Result<Cycle, String>> {
    let (next, failed) = (AtomicU32::new(0), AtomicU32::new(0));
    let began = Instant::now();
    let work = || {
        let mut done = Vec::new();
        let mut asker = Asker::new(options);
        while interrupt::check().is_ok() && failed.load(Ordering::Relaxed) < ENOUGH {
            let cycle = next.fetch_add(1, Ordering::Relaxed);
            if cycle >= options.cycles {
                break;
            }
            if options.is_noted() && interrupt::sleep(crowd::pause(began, cycle)).is_err() {
                break;
            }
            done.push(
                resolve_and_connect(options, &mut asker, cycle).inspect_err(|_| {
                    failed.fetch_add(1, Ordering::Relaxed);
                }),
            );
        }
        done
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..options.threads).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .map(ScopedJoinHandle::join)
            .flat_map(|done| done.expect("a cycle does not panic"))
            .collect()
    })
}

fn resolve_and_connect(
    options: &Options,
    asker: &mut Asker<'_>,
    cycle: u32,
) -> Result<Cycle, String> {
    let (name, address) = (options.name(cycle), options.address(cycle));
    let begin = Instant::now();
    let answer = asker.ask(&name, cycle);
    let answer = answer.map_err(|error| format!("{name}: {error}"))?;
    let resolve = begin.elapsed();
    if !answer.addresses.iter().any(|(addr, _)| *addr == address) {
        return Err(format!("{name}: {answer:?} does not hold {address}"));
    }
    TcpStream::connect_timeout(&(address, HTTPS).into(), LIMIT)
        .map_err(|error| format!("{name} at {address}: {error}"))?;
    let connect = begin.elapsed() - resolve;
    Ok(Cycle { resolve, connect })
}

/// The cycle that a name is asked for in.
fn cycle_of(name: &str) -> Option<u32> {
    let (first, _) = name.split_once('.')?;
    first.strip_prefix('n')?.parse().ok()
}

fn address(cycle: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(FIRST.to_bits() + 1 + cycle)
}

fn address_v6(cycle: u32) -> Ipv6Addr {
    /// 2001:db8:5::/64, for documentation (RFC 3849).
    const FIRST_V6: u128 = 0x2001_0db8_0005 << 80;
    Ipv6Addr::from_bits(FIRST_V6 + 1 + u128::from(cycle))
}
