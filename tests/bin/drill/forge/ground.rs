//! Where `drill forge` happens: the lab with an attacker on a LAN interface of its own, a client and a resolver
//! that do as they are told, and the filter's counters.

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result};
use ipnet::IpNet;
use lab::address::CLIENT;
use lab::answer::query_of;
use lab::config;
use lab::flow::Family;
use lab::frame::Frame;
use lab::gateway::Egress;
use lab::host::{Host, Life};
use lab::link;
use lab::raw::Raw;
use lab::topology::{LAN_INTERFACE, Lab, UPLINK};
use lab::wait;

use super::kinds::{Exchange, From, PORT, trusted};

/// The gateway's interface towards the attacker.
const ATTACKED: &str = "lan2";
const LIMIT: Duration = Duration::from_secs(10);
const SETS: &str = r#"[[source.lab.set]]
id = 1
urls = ["*.forge.example"]
tcpPorts = "443"
"#;
/// Addresses between gateway and attacker, in both families.
const OF_GATEWAY: [&str; 2] = ["10.21.0.1/24", "fd00:21::1/64"];
const OF_ATTACKER: [&str; 2] = ["10.21.0.2/24", "fd00:21::2/64"];

/// Everything that takes part; the daemon ends before the hosts do.
pub(super) struct Ground {
    egress: Egress,
    sides: [Side; 2],
    _attacker: Host,
    _lab: Lab,
}

/// What takes part over one family.
struct Side {
    client: UdpSocket,
    resolver: UdpSocket,
    internet: Raw,
    attacker: Raw,
}

/// What the filter counted.
pub(super) struct Tally {
    /// Answers by outcome.
    outcomes: Vec<(String, u64)>,
    /// Answers.
    pub(super) messages: u64,
    /// Learned addresses.
    pub(super) addresses: u64,
}

impl Ground {
    pub(super) fn prepare() -> Result<Self> {
        let lab = Lab::build(Life::Bound)?;
        let attacker = attacker(&lab)?;
        let egress = Egress::start(&lab, &config())?;
        let side = |family| Side::open(family, &lab, &attacker);
        Ok(Self {
            egress,
            sides: [side(Family::Ipv4)?, side(Family::Ipv6)?],
            _attacker: attacker,
            _lab: lab,
        })
    }

    /// The client asks, and the resolver has the query.
    pub(super) fn ask(&self, exchange: &Exchange) -> Result<()> {
        let side = self.side(exchange.family());
        let query = query_of(&exchange.message()).context("a message without a question")?;
        side.client.send(&query)?;
        let mut buffer = [0; 512];
        let received = side.resolver.recv(&mut buffer);
        received.with_context(|| format!("a query from {} did not arrive", exchange.client))?;
        Ok(())
    }

    /// The resolver answers.
    pub(super) fn answer(&self, exchange: &Exchange) -> Result<()> {
        let side = self.side(exchange.family());
        let to = (exchange.client, exchange.port);
        side.resolver.send_to(&exchange.message(), to)?;
        Ok(())
    }

    /// Somebody sends a packet.
    pub(super) fn send(&self, from: From, family: Family, packet: &Frame) -> Result<()> {
        let side = self.side(family);
        match from {
            From::Internet => side.internet.send(packet),
            From::Lan => side.attacker.send(packet),
        }
    }

    pub(super) fn tally(&self) -> Result<Tally> {
        let status = self.egress.status()?;
        let outcomes = status.dns.iter();
        let outcomes = outcomes.map(|count| (count.outcome.clone(), count.messages));
        // An address more or less is counted beside the message that holds it.
        let beside = [
            "unlinked-owner",
            "address-refused",
            "share-exceeded",
            "no-query",
            "ttl-clamped",
            "new-share-exceeded",
        ];
        let whole = status.dns.iter();
        let whole = whole.filter(|count| !beside.contains(&count.outcome.as_str()));
        Ok(Tally {
            messages: whole.map(|count| count.messages).sum(),
            addresses: status.learned.addresses,
            outcomes: outcomes.collect(),
        })
    }

    /// What is counted once the filter saw so many answers.
    pub(super) fn wait_for(&self, messages: u64) -> Result<Tally> {
        let what = format!("{messages} answers to pass the filter");
        wait::until(&what, LIMIT, || {
            let tally = self.tally()?;
            Ok((tally.messages >= messages).then_some(tally))
        })
    }

    fn side(&self, family: Family) -> &Side {
        let [v4, v6] = &self.sides;
        match family {
            Family::Ipv4 => v4,
            Family::Ipv6 => v6,
        }
    }
}

impl Side {
    fn open(family: Family, lab: &Lab, attacker: &Host) -> Result<Self> {
        let asked: IpAddr = trusted(family)[0].parse()?;
        let client = lab
            .client
            .run(|| UdpSocket::bind((CLIENT.of(family), PORT)))??;
        let resolver = lab.internet.run(|| UdpSocket::bind((asked, 53)))??;
        client.connect((asked, 53))?;
        resolver.set_read_timeout(Some(LIMIT))?;
        Ok(Self {
            client,
            resolver,
            internet: Raw::open(&lab.internet, family)?,
            attacker: Raw::open(attacker, family)?,
        })
    }
}

impl Tally {
    /// Answers with one outcome.
    pub(super) fn of(&self, outcome: &str) -> u64 {
        let mut outcomes = self.outcomes.iter();
        let found = outcomes.find(|(name, _)| name == outcome);
        found.map_or(0, |(_, messages)| *messages)
    }
}

/// Another client, on an interface of its own.
fn attacker(lab: &Lab) -> Result<Host> {
    let attacker = Host::new("attacker", &lab.path("client-resolv.conf"), Life::Bound)?;
    attacker.set(&[
        ("ipv6/conf/default/accept_dad", "0"),
        ("ipv6/conf/default/accept_ra", "0"),
        ("ipv6/conf/default/router_solicitations", "0"),
    ])?;
    link::veth((&lab.gateway, ATTACKED), (&attacker, UPLINK))?;
    let nets = |texts: [&str; 2]| texts.map(|text| text.parse::<IpNet>().expect("a network"));
    let (of_gateway, of_attacker) = (nets(OF_GATEWAY), nets(OF_ATTACKER));
    link::addresses(&lab.gateway, ATTACKED, &of_gateway)?;
    link::addresses(&attacker, UPLINK, &of_attacker)?;
    for (gateway, own) in of_gateway.into_iter().zip(of_attacker) {
        link::default_route(&attacker, gateway.addr(), own.addr())?;
    }
    Ok(attacker)
}

/// Trusts two resolvers in each family, and lets clients reach each other: so the attacker's packets come by.
fn config() -> String {
    let trusted: Vec<_> = [Family::Ipv4, Family::Ipv6]
        .into_iter()
        .flat_map(trusted)
        .collect();
    let resolvers =
        format!("resolvers = {trusted:?}\ninternal = [\"10.20.0.0/16\", \"fd00:20::/64\"]");
    config::custom(SETS)
        .replace("resolvers = [\"gateway\"]", &resolvers)
        .replace(
            &format!("lan = [\"{LAN_INTERFACE}\"]"),
            &format!("lan = [\"{LAN_INTERFACE}\", \"{ATTACKED}\"]"),
        )
}
