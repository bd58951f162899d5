//! `drill race`: each cycle resolves a name never asked before, and connects as soon as the answer
//! is there. A filter that learns late loses the first packet.

use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{Args, ValueEnum};
use lab::address::LAN;
use lab::flow::Family;
use lab::gateway::Egress;
use lab::host::Life;
use lab::interrupt;
use lab::server::HTTPS;
use lab::site::Site;
use lab::status::Action;
use lab::zone::Zone;
use lab::{config, dns};
use serde::Serialize;

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
urls = ["*.race.example"]
tcpPorts = "443"
"#;

#[derive(Args)]
pub(crate) struct Options {
    /// The resolver on the gateway
    #[arg(long, value_enum, default_value_t = Resolver::Dnsmasq)]
    resolver: Resolver,
    /// How often to resolve and connect
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=MOST))]
    cycles: u32,
    /// How many threads share the cycles
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Resolver {
    Dnsmasq,
}

#[derive(Serialize)]
struct RaceReport {
    schema: &'static str,
    drill: &'static str,
    resolver: Resolver,
    threads: u16,
    cycles: usize,
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
    let site = Site::start(Life::Bound, &zone(options.cycles), &[])?;
    let egress = Egress::start(&site.lab, &config::custom(SETS))?;
    let before = egress.settled()?;
    let cycles = site.lab.client.run(|| race(options))?;
    interrupt::check()?;
    let after = egress.settled()?;

    let dropped = after.total(Action::Drop) - before.total(Action::Drop);
    let report = RaceReport::of(options, &cycles, dropped);
    super::print(&report, options.json)?;
    if let Some(Err(first)) = cycles.iter().find(|cycle| cycle.is_err()) {
        eprintln!("first failure: {first}");
    }
    Ok(report.passed)
}

impl RaceReport {
    fn of(options: &Options, cycles: &[Result<Cycle, String>], dropped: u64) -> Self {
        let reached = || cycles.iter().filter_map(|cycle| cycle.as_ref().ok());
        let failures = cycles.len() - reached().count();
        let repeated = reached().filter(|cycle| cycle.connect >= REPEATED).count();
        Self {
            schema: "egress.drill/1",
            drill: "race",
            resolver: options.resolver,
            threads: options.threads,
            cycles: cycles.len(),
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

fn zone(cycles: u32) -> Zone {
    (0..cycles).fold(Zone::new(), |zone, cycle| {
        zone.host_v4(&name(cycle), address(cycle), TTL)
    })
}

/// All cycles, by all threads; ends early when interrupted, or when enough have failed.
fn race(options: &Options) -> Vec<Result<Cycle, String>> {
    let (next, failed) = (AtomicU32::new(0), AtomicU32::new(0));
    let work = || {
        let mut done = Vec::new();
        while interrupt::check().is_ok() && failed.load(Ordering::Relaxed) < ENOUGH {
            let cycle = next.fetch_add(1, Ordering::Relaxed);
            if cycle >= options.cycles {
                break;
            }
            done.push(resolve_and_connect(cycle).inspect_err(|_| {
                failed.fetch_add(1, Ordering::Relaxed);
            }));
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

fn resolve_and_connect(cycle: u32) -> Result<Cycle, String> {
    let begin = Instant::now();
    let address = dns::resolve(LAN.v4.into(), &name(cycle), Family::Ipv4, LIMIT)
        .map_err(|error| format!("{}: {error}", name(cycle)))?;
    let resolve = begin.elapsed();
    TcpStream::connect_timeout(&(address, HTTPS).into(), LIMIT)
        .map_err(|error| format!("{} at {address}: {error}", name(cycle)))?;
    let connect = begin.elapsed() - resolve;
    debug_assert_eq!(address, IpAddr::V4(self::address(cycle)));
    Ok(Cycle { resolve, connect })
}

fn name(cycle: u32) -> String {
    format!("n{cycle}.race.example")
}

fn address(cycle: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(FIRST.to_bits() + 1 + cycle)
}
