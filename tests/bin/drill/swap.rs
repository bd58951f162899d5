//! `drill swap`: generations are swapped under traffic that both of them allow. A filter whose
//! swap has a gap loses packets.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
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
use super::overflow::overflows;
use super::timing::Timing;
use super::traffic::{Counted, Traffic};

const NAME: &str = "steady.swap.example";
const LEARNED: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 50);
const PREFIX_V4: &str = "203.0.113.5";
const PREFIX_V6: &str = "2001:db8:5::5";
const PORT: u16 = 4500;
const TTL: u32 = 86_000;
/// Traffic before the first swap and after the last.
const STEADY: Duration = Duration::from_millis(200);
const ALWAYS: &str = r#"[[source.lab.set]]
id = 1
urls = ["*.swap.example"]
tcpPorts = "443"
udpPorts = "4500"

[[source.lab.set]]
id = 2
ips = ["203.0.113.0/24", "2001:db8:5::/48"]
tcpPorts = "443"
udpPorts = "4500"

"#;
const SOMETIMES: &str = r#"[[source.lab.set]]
id = 3
urls = ["*.other.example", "www.example.com"]
ips = ["203.0.113.0/25", "198.18.0.0/15"]
tcpPorts = "8443"
"#;

#[derive(Args)]
pub(crate) struct Options {
    /// How often to swap
    #[arg(long, default_value_t = 200)]
    swaps: u32,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct SwapReport {
    schema: &'static str,
    drill: &'static str,
    swaps: usize,
    swap: Timing,
    sent: u64,
    received: u64,
    dropped_by_filter: u64,
    receiver_overflowed: u64,
    sender_refused: u64,
    lost_elsewhere: u64,
    connects: u64,
    failed_connects: u64,
    passed: bool,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let zone = Zone::new().host_v4(NAME, LEARNED, TTL);
    let site = Site::start(Life::Bound, &zone, &[])?;
    let mut egress = Egress::start(&site.lab, &config::custom(ALWAYS))?;
    let (client, internet) = (&site.lab.client, &site.lab.internet);
    client.run(|| dns::resolve(LAN.v4.into(), NAME, Family::Ipv4, Duration::from_secs(5)))??;

    let before = egress.settled()?;
    let overflowed = overflows(internet)?;
    let traffic = Traffic::start(client, internet, &targets()?, (LEARNED, HTTPS).into())?;
    interrupt::sleep(STEADY)?;
    let swaps = swap(&mut egress, options.swaps)?;
    interrupt::sleep(STEADY)?;
    let counted = traffic.end()?;
    let overflowed = overflows(internet)? - overflowed;
    let dropped = egress.settled()?.total(Action::Drop) - before.total(Action::Drop);

    let report = SwapReport::of(&swaps, counted, dropped, overflowed);
    super::print(&report, options.json)?;
    Ok(report.passed)
}

impl SwapReport {
    fn of(swaps: &[Duration], counted: Counted, dropped: u64, overflowed: u64) -> Self {
        let missing = counted.sent - counted.received;
        let lost_elsewhere = missing.saturating_sub(dropped + overflowed);
        Self {
            schema: "egress.drill/1",
            drill: "swap",
            swaps: swaps.len(),
            swap: Timing::of(swaps.iter().copied()),
            sent: counted.sent,
            received: counted.received,
            dropped_by_filter: dropped,
            receiver_overflowed: overflowed,
            sender_refused: counted.refused_by_sender,
            lost_elsewhere,
            connects: counted.connects,
            failed_connects: counted.failed_connects,
            passed: dropped == 0 && lost_elsewhere == 0 && counted.failed_connects == 0,
        }
    }
}

impl Report for SwapReport {
    fn lines(&self) -> Vec<(&'static str, String)> {
        vec![
            ("swaps", self.swaps.to_string()),
            ("swap", self.swap.to_string()),
            ("datagrams sent", self.sent.to_string()),
            ("datagrams received", self.received.to_string()),
            (
                "packets dropped by the filter",
                self.dropped_by_filter.to_string(),
            ),
            (
                "lost to a full receiver",
                self.receiver_overflowed.to_string(),
            ),
            ("refused by the sender", self.sender_refused.to_string()),
            ("lost elsewhere", self.lost_elsewhere.to_string()),
            ("TCP connects", self.connects.to_string()),
            (
                "of them failed or repeated",
                self.failed_connects.to_string(),
            ),
        ]
    }
}

/// Alternates between two configurations, and measures from the request to `ready:`.
fn swap(egress: &mut Egress, swaps: u32) -> Result<Vec<Duration>> {
    let configs = [
        config::custom(&format!("{ALWAYS}{SOMETIMES}")),
        config::custom(ALWAYS),
    ];
    let measured = (0..swaps).zip(configs.iter().cycle()).map(|(_, config)| {
        interrupt::check()?;
        let begin = Instant::now();
        egress.reload(config)?;
        Ok(begin.elapsed())
    });
    measured.collect()
}

fn targets() -> Result<Vec<SocketAddr>> {
    let prefixes = [PREFIX_V4.parse::<IpAddr>()?, PREFIX_V6.parse()?];
    let all = prefixes.into_iter().chain([LEARNED.into()]);
    Ok(all.map(|address| (address, PORT).into()).collect())
}
