//! `drill cache`: a client asks for few names of a short TTL over and over, mostly out of the resolver's cache,
//! and connects as soon as the answer is there. A filter whose clock or learning lags behind the cache loses
//! connections; and one that keeps only the last answer of an address loses those of another name.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use clap::Args;
use lab::config;
use lab::gateway::Egress;
use lab::host::Life;
use lab::interrupt;
use lab::site::Site;
use lab::status::Action;
use lab::zone::Zone;
use serde::Serialize;

use super::Report;
use super::asking::{Paced, Resolver, connect, resolve};
use super::timing::Timing;

/// 198.18.0.0/16, for measurements (RFC 2544).
const FIRST: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// What names of the same address have in common.
const SHARED: [Ipv4Addr; 2] = [Ipv4Addr::new(198, 19, 0, 1), Ipv4Addr::new(198, 19, 0, 2)];
/// The TTL of the names that live on.
const LONG: u32 = 600;
/// How long behind the end of an answer everything has noticed it.
const BEHIND: Duration = Duration::from_millis(300);
const SETS: &str = r#"[[source.lab.set]]
id = 1
urls = ["*.cache.example", "*.short.example", "*.lasting.example"]
tcpPorts = "443"
"#;

#[derive(Args)]
pub(crate) struct Options {
    /// How often to resolve and connect
    #[arg(long, default_value_t = 4000, value_parser = clap::value_parser!(u32).range(1..))]
    cycles: u32,
    /// How many names there are
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    names: u32,
    /// Their TTL in seconds
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=60))]
    ttl: u32,
    /// The resolver on the gateway
    #[arg(long, value_enum, default_value_t = Resolver::Dnsmasq)]
    resolver: Resolver,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct CacheReport {
    schema: &'static str,
    drill: &'static str,
    resolver: Resolver,
    names: u32,
    ttl: u32,
    cycles: u32,
    seconds: u64,
    /// Answers with less than the whole TTL, so surely from the cache.
    from_cache: u32,
    failures: u32,
    /// By the filter while names were asked for and connected to.
    packets_dropped: u64,
    /// Addresses that two names taught, and that one of them still allowed when the other was over.
    shared_outlived: usize,
    shared: usize,
    /// Whether an address that only the short-lived name taught was dropped as expired by then.
    alone_expired: bool,
    resolve_and_connect: Timing,
    first_failure: Option<String>,
    passed: bool,
}

/// What came of the cycles.
#[derive(Default)]
struct Cycles {
    done: u32,
    from_cache: u32,
    took: Vec<Duration>,
    failures: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let site = Site::start_with(options.resolver.program(), Life::Bound, &zone(options), &[])?;
    let egress = Egress::start(&site.lab, &config::custom(SETS))?;
    let before = egress.settled()?;
    let began = Instant::now();
    let cycles = site.lab.client.run(|| cycles(options))??;
    let seconds = began.elapsed().as_secs();
    let after = egress.settled()?;
    let outlived = site.lab.client.run(|| outlived(options.ttl))??;
    let expired = site.lab.client.run(|| connect(last_alone()))?.is_err();
    let dropped = |reason| egress.status().map(|now| now.packets(Action::Drop, reason));
    let report = CacheReport {
        schema: "egress.drill/1",
        drill: "cache",
        resolver: options.resolver,
        names: options.names,
        ttl: options.ttl,
        cycles: cycles.done,
        seconds,
        from_cache: cycles.from_cache,
        failures: u32::try_from(cycles.failures.len())?,
        packets_dropped: after.total(Action::Drop) - before.total(Action::Drop),
        shared_outlived: outlived,
        shared: SHARED.len(),
        alone_expired: expired && dropped("expired")? > 0,
        resolve_and_connect: Timing::of(cycles.took.into_iter()),
        first_failure: cycles.failures.into_iter().next(),
        passed: false,
    };
    let report = CacheReport {
        passed: report.holds(options),
        ..report
    };
    super::print(&report, options.json)?;
    Ok(report.passed)
}

impl CacheReport {
    fn holds(&self, options: &Options) -> bool {
        self.cycles == options.cycles
            && self.failures == 0
            && self.packets_dropped == 0
            && self.shared_outlived == self.shared
            && self.alone_expired
    }
}

impl Report for CacheReport {
    fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = vec![
            ("names", format!("{} of TTL {} s", self.names, self.ttl)),
            ("cycles", format!("{} in {} s", self.cycles, self.seconds)),
            ("surely from the cache", self.from_cache.to_string()),
            ("failed connects", self.failures.to_string()),
            ("packets dropped", self.packets_dropped.to_string()),
            (
                "addresses of two names",
                format!(
                    "{} of {} outlived the first expiry",
                    self.shared_outlived, self.shared
                ),
            ),
            (
                "an address of one name",
                if self.alone_expired {
                    "expired".to_owned()
                } else {
                    "did not expire".to_owned()
                },
            ),
            ("resolve and connect", self.resolve_and_connect.to_string()),
        ];
        let failure = self.first_failure.iter();
        lines.extend(failure.map(|failure| ("first failure", failure.clone())));
        lines
    }
}

/// The names of the cycles; and pairs of a short-lived and a long-lived name with one address.
fn zone(options: &Options) -> Zone {
    let zone = (0..options.names).fold(Zone::new(), |zone, i| {
        zone.host_v4(&name(i), address(i), options.ttl)
    });
    let zone = zone.host_v4("alone.short.example", last_alone(), options.ttl);
    (0..).zip(SHARED).fold(zone, |zone, (i, shared)| {
        zone.host_v4(&format!("n{i}.short.example"), shared, options.ttl)
            .host_v4(&format!("n{i}.lasting.example"), shared, LONG)
    })
}

fn cycles(options: &Options) -> Result<Cycles> {
    let (mut cycles, mut paced) = (Cycles::default(), Paced::new());
    for cycle in 0..options.cycles {
        paced.wait()?;
        let begin = Instant::now();
        let i = cycle % options.names;
        let reached = resolve(&name(i), address(i)).and_then(|ttl| {
            connect(address(i))?;
            Ok(ttl)
        });
        cycles.done += 1;
        match reached {
            Ok(ttl) => {
                cycles.from_cache += u32::from(ttl < options.ttl);
                cycles.took.push(begin.elapsed());
            }
            Err(failure) => cycles.failures.push(failure),
        }
    }
    Ok(cycles)
}

/// How many of the shared addresses are reached when the answer of the short-lived name is over; one is taught by
/// the short-lived name first, the other one last.
fn outlived(ttl: u32) -> Result<usize> {
    let [first, second] = SHARED;
    for (name, address) in [
        ("alone.short.example", last_alone()),
        ("n0.short.example", first),
        ("n0.lasting.example", first),
        ("n1.lasting.example", second),
        ("n1.short.example", second),
    ] {
        resolve(name, address).map_err(|failure| anyhow!(failure))?;
    }
    interrupt::sleep(Duration::from_secs(ttl.into()) + BEHIND)?;
    let reached = SHARED.into_iter().map(connect);
    Ok(reached.filter(Result::is_ok).count())
}

fn name(i: u32) -> String {
    format!("n{i}.cache.example")
}

fn address(i: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(FIRST.to_bits() + i)
}

/// The address of the short-lived name that shares its with none.
fn last_alone() -> Ipv4Addr {
    Ipv4Addr::new(198, 19, 0, 3)
}
