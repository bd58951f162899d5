//! `drill expiry`: what happens when an answer's time is over. A download goes on, a new connection is dropped as
//! expired; and the same answer, out of the resolver's cache, admits again at once.

mod download;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use clap::Args;
use lab::config;
use lab::gateway::Egress;
use lab::host::Life;
use lab::interrupt;
use lab::site::Site;
use lab::status::Action;
use lab::zone::Zone;
use serde::Serialize;

use self::download::{Download, Downloaded};
use super::Report;
use super::asking::{Paced, Resolver, connect, resolve};

/// The name of the download.
const NAME: &str = "download.expiry.example";
const ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// 198.19.0.0/16, for measurements (RFC 2544): addresses of the names that are asked for again.
const FIRST: Ipv4Addr = Ipv4Addr::new(198, 19, 0, 1);
/// Where nothing listens, and what is sent there is only counted.
const COUNTED: u16 = 9;
/// How long the resolver keeps those names.
const LONG: u32 = 600;
/// How long the gateway does, in seconds.
const CAP: u32 = 1;
/// How long behind the end of an answer everything has noticed it.
const BEHIND: Duration = Duration::from_millis(300);
const SETS: &str = r#"[[source.lab.set]]
id = 1
urls = ["*.expiry.example"]
tcpPorts = "443,8080"
udpPorts = "9"
"#;

#[derive(Args)]
pub(crate) struct Options {
    /// How long the download takes
    #[arg(long, default_value_t = 65, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// TTL of its name in seconds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=60))]
    ttl: u32,
    /// How many expired answers are asked for again
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    /// The resolver on the gateway
    #[arg(long, value_enum, default_value_t = Resolver::Dnsmasq)]
    resolver: Resolver,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct ExpiryReport {
    schema: &'static str,
    drill: &'static str,
    resolver: Resolver,
    ttl: u32,
    download: Downloaded,
    /// Whether a new connection beside the download failed, and was counted as expired.
    new_connection_expired: bool,
    rounds: u32,
    /// Packets to expired addresses that were dropped as expired, one a round.
    expired: u64,
    /// Answers that the cache gave once more.
    from_cache: u32,
    /// Connections at once behind such an answer.
    admitted_again: u32,
    first_failure: Option<String>,
    passed: bool,
}

/// What came of asking again.
#[derive(Default)]
struct Again {
    from_cache: u32,
    admitted: u32,
    first_failure: Option<String>,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let site = Site::start_with(options.resolver.program(), Life::Bound, &zone(options), &[])?;
    // The resolver's TTL counts as it is.
    let config = config::custom(SETS);
    let mut egress = Egress::start(&site.lab, &config)?;
    let (download, new_connection_expired) = download(options, &site, &egress)?;
    egress.reload(&config.replace("grace = 0", &format!("grace = 0\nttl-cap = {CAP}")))?;
    let client = &site.lab.client;
    client.run(|| ask_all(options.rounds))??;
    interrupt::sleep(Duration::from_secs(CAP.into()) + BEHIND)?;
    let before = egress.settled()?;
    client.run(|| send_to_all(options.rounds))??;
    let expired = egress.settled()?.packets(Action::Drop, "expired");
    let again = client.run(|| ask_again(options.rounds))??;

    let mut report = ExpiryReport {
        schema: "egress.drill/1",
        drill: "expiry",
        resolver: options.resolver,
        ttl: options.ttl,
        download,
        new_connection_expired,
        rounds: options.rounds,
        expired: expired - before.packets(Action::Drop, "expired"),
        from_cache: again.from_cache,
        admitted_again: again.admitted,
        first_failure: again.first_failure,
        passed: false,
    };
    report.passed = report.holds(options);
    super::print(&report, options.json)?;
    Ok(report.passed)
}

impl ExpiryReport {
    fn holds(&self, options: &Options) -> bool {
        self.download.is_whole(options.seconds)
            && self.new_connection_expired
            && self.expired == u64::from(options.rounds)
            && self.from_cache == options.rounds
            && self.admitted_again == options.rounds
    }
}

impl Report for ExpiryReport {
    fn lines(&self) -> Vec<(&'static str, String)> {
        let of_all = |count: u64| format!("{count} of {}", self.rounds);
        let new = if self.new_connection_expired {
            "dropped as expired"
        } else {
            "not dropped as expired"
        };
        let mut lines = vec![
            ("TTL of the download", format!("{} s", self.ttl)),
            ("download", self.download.to_string()),
            ("new connection", new.to_owned()),
            ("expired answers", of_all(self.expired)),
            ("cached answers", of_all(self.from_cache.into())),
            ("admitted again", of_all(self.admitted_again.into())),
        ];
        let failure = self.first_failure.iter();
        lines.extend(failure.map(|failure| ("first failure", failure.clone())));
        lines
    }
}

fn zone(options: &Options) -> Zone {
    let zone = Zone::new().host_v4(NAME, ADDRESS, options.ttl);
    (0..options.rounds).fold(zone, |zone, i| zone.host_v4(&name(i), address(i), LONG))
}

/// Downloads for long enough, and tries a new connection behind the end of the answer.
fn download(options: &Options, site: &Site, egress: &Egress) -> Result<(Downloaded, bool)> {
    ensure!(
        options.seconds > options.ttl.into(),
        "--seconds {} is no longer than --ttl {}: nothing would expire",
        options.seconds,
        options.ttl
    );
    let client = &site.lab.client;
    let server = download::serve(&site.lab.internet, ADDRESS)?;
    client
        .run(|| resolve(NAME, ADDRESS))?
        .map_err(|failure| anyhow!(failure))?;
    let download = Download::start(client, server)?;
    interrupt::sleep(Duration::from_secs(options.seconds))?;
    // The download goes on, so other counters never rest.
    let before = egress.status()?;
    let refused = client.run(|| connect(ADDRESS))?.is_err();
    let after = egress.status()?;
    let expired = |status: &lab::status::Status| status.packets(Action::Drop, "expired");
    let dropped = refused && expired(&after) > expired(&before);
    Ok((download.end()?, dropped))
}

fn ask_all(rounds: u32) -> Result<()> {
    let mut paced = Paced::new();
    for i in 0..rounds {
        paced.wait()?;
        resolve(&name(i), address(i)).map_err(|failure| anyhow!(failure))?;
    }
    Ok(())
}

/// One datagram to each address; whether it passes tells a counter.
fn send_to_all(rounds: u32) -> Result<()> {
    let socket = UdpSocket::bind((IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0))?;
    for i in 0..rounds {
        socket.send_to(b"egress", SocketAddr::new(address(i).into(), COUNTED))?;
    }
    Ok(())
}

/// Asks for each name once more, and connects at once.
fn ask_again(rounds: u32) -> Result<Again> {
    let (mut again, mut paced) = (Again::default(), Paced::new());
    for i in 0..rounds {
        paced.wait()?;
        let asked = resolve(&name(i), address(i));
        again.from_cache += u32::from(matches!(asked, Ok(ttl) if ttl < LONG));
        match asked.and_then(|_| connect(address(i))) {
            Ok(_) => again.admitted += 1,
            Err(failure) => again.first_failure = again.first_failure.or(Some(failure)),
        }
    }
    Ok(again)
}

fn name(i: u32) -> String {
    format!("n{i}.expiry.example")
}

fn address(i: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(FIRST.to_bits() + i)
}
