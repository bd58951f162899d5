//! The flows that the demo shows and the end-to-end test repeats, each with its verdict, and the
//! zone that they need. They hold for [`crate::config::catalogue`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::flow::{Family, Flow, Verdict};
use crate::probe::{Origin, Probe};
use crate::server::{HTTPS, WRONG_PORT};
use crate::status::Action;
use crate::zone::Zone;

use Family::{Ipv4, Ipv6};

const LASTING: u32 = 300;
const SHORT: u32 = 2;
const NTP: u16 = 123;

/// Inside Intune's 104.46.162.96/27 (set 163: TCP 80 and 443).
const INTUNE: &str = "104.46.162.100";
/// Inside 20.190.128.0/18 and 2603:1006:2000::/48 of Microsoft 365, Common, required (set 56).
const M365: [&str; 2] = ["20.190.128.10", "2603:1006:2000::10"];
/// Documentation addresses that no list and no answer gives.
const UNLISTED: [&str; 2] = ["203.0.113.77", "2001:db8:dead::77"];
/// The addresses that a name of the zone ending in [`SHORT_LIVED`] has.
const EXPIRING: [&str; 2] = ["198.51.100.16", "2001:db8:100::16"];

const REGISTRATION: &str = "enterpriseregistration.windows.net";
const ALIAS: &str = "graph.windows.net";
const RELAY: &str = "contoso.servicebus.windows.net";
const NOTES: &str = "site-cdn.onenote.net";
const MIXED_CASE: &str = "EntErpriseEnrollment.MANAGE.Microsoft.COM";
const TIME: &str = "time.windows.com";
const SHORT_LIVED: &str = "shortlived.manage.microsoft.com";
const UNLISTED_NAME: &str = "www.example.net";

/// The names, all with addresses outside of the catalogue's prefixes.
pub fn zone() -> Zone {
    let host = |zone: Zone, name: &str, last: u8, ttl| zone.host(name, v4(last), v6(last), ttl);
    let lasting = [
        (REGISTRATION, 10),
        ("edge.lab.example", 11),
        (RELAY, 12),
        (NOTES, 13),
        ("enterpriseenrollment.manage.microsoft.com", 14),
        (TIME, 15),
        (UNLISTED_NAME, 99),
    ];
    let hosts = lasting.into_iter().fold(Zone::new(), |zone, (name, last)| {
        host(zone, name, last, LASTING)
    });
    host(hosts, SHORT_LIVED, 16, SHORT)
        .alias(ALIAS, "alias.lab.example", LASTING)
        .alias("alias.lab.example", "edge.lab.example", LASTING)
}

/// Where datagrams must come back from.
pub fn echoes() -> Vec<SocketAddr> {
    let prefixes = [INTUNE, M365[1]].map(|address| SocketAddr::new(parse(address), HTTPS));
    let time = [v4(15).into(), v6(15).into()].map(|address: IpAddr| (address, NTP).into());
    [prefixes, time].concat()
}

/// What the web server's certificate must name.
pub fn certificate_names() -> Vec<String> {
    let hosts = flows().into_iter().filter_map(|flow| match flow.probe {
        Probe::Https { host, .. } => Some(host),
        Probe::Udp { .. } | Probe::Resolve { .. } => None,
    });
    let mut names: Vec<String> = hosts.collect();
    names.sort();
    names.dedup();
    names
}

/// All flows, in the order in which they must run.
pub fn flows() -> Vec<Flow> {
    [passing(), dropped(), expiring()].concat()
}

fn passing() -> Vec<Flow> {
    let names = [
        ("a name learned from DNS", REGISTRATION),
        ("a name behind two aliases", ALIAS),
        ("a name below *.servicebus.windows.net", RELAY),
        ("a name that ends as *cdn.onenote.net", NOTES),
        ("a name in mixed case", MIXED_CASE),
    ];
    let mut flows = vec![
        allow("an Intune prefix", Ipv4, Probe::https(INTUNE), "prefix"),
        allow(
            "a Microsoft 365 prefix",
            Ipv4,
            Probe::https(M365[0]),
            "prefix",
        ),
        allow(
            "a Microsoft 365 prefix",
            Ipv6,
            Probe::https(M365[1]),
            "prefix",
        ),
    ];
    for family in [Ipv4, Ipv6] {
        let learned = |(what, name)| allow(what, family, Probe::https(name), "learned");
        flows.extend(names.map(learned));
        flows.push(allow(
            "a learned time server, UDP",
            family,
            Probe::udp(TIME, NTP),
            "learned",
        ));
        flows.push(allow(
            "the gateway's own resolver",
            family,
            Probe::resolve(REGISTRATION),
            "gateway",
        ));
    }
    flows
}

fn dropped() -> Vec<Flow> {
    let stranger = |flow| Flow {
        origin: Origin::Stranger,
        ..flow
    };
    let mut flows = Vec::new();
    for (family, prefix, unlisted) in [(Ipv4, INTUNE, UNLISTED[0]), (Ipv6, M365[1], UNLISTED[1])] {
        let refuse = |what, probe, reason| refuse(what, family, probe, reason);
        flows.extend([
            refuse(
                "a listed prefix, wrong port",
                Probe::https_on(WRONG_PORT, prefix),
                "wrong-port",
            ),
            refuse(
                "a learned name, wrong port",
                Probe::https_on(WRONG_PORT, REGISTRATION),
                "wrong-port",
            ),
            refuse(
                "a listed prefix, UDP",
                Probe::udp(prefix, HTTPS),
                "wrong-protocol",
            ),
            refuse(
                "an unlisted address",
                Probe::https(unlisted),
                "never-resolved",
            ),
            refuse(
                "an unlisted name",
                Probe::https(UNLISTED_NAME),
                "name-not-allowed",
            ),
            stranger(refuse(
                "a client of no group",
                Probe::https(prefix),
                "no-group",
            )),
        ]);
    }
    flows
}

fn expiring() -> Vec<Flow> {
    let in_time = [Ipv4, Ipv6].map(|family| {
        let what = "a name that lives 2 seconds";
        allow(what, family, Probe::https(SHORT_LIVED), "learned")
    });
    let too_late = [(Ipv4, EXPIRING[0]), (Ipv6, EXPIRING[1])].map(|(family, address)| {
        let what = "its address after that time";
        refuse(what, family, Probe::https(address), "expired")
    });
    let mut flows = [in_time, too_late].concat();
    flows[2].pause = Duration::from_secs(u64::from(SHORT) + 1);
    flows
}

fn allow(what: &'static str, family: Family, probe: Probe, reason: &str) -> Flow {
    Flow::new(what, family, probe, Verdict::new(Action::Allow, reason))
}

fn refuse(what: &'static str, family: Family, probe: Probe, reason: &str) -> Flow {
    Flow::new(what, family, probe, Verdict::new(Action::Drop, reason))
}

fn v4(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 51, 100, last)
}

/// Written like the IPv4 address, so that 16 is `::16`.
fn v6(last: u8) -> Ipv6Addr {
    parse_v6(&format!("2001:db8:100::{last}"))
}

fn parse(address: &str) -> IpAddr {
    address.parse().expect("the table holds addresses")
}

fn parse_v6(address: &str) -> Ipv6Addr {
    address.parse().expect("the table holds addresses")
}
