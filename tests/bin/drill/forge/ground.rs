//! Where `drill forge` happens: the lab with an attacker on a LAN interface of its own, a client and a resolver
//! that do as they are told, and the filter's counters.

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result};
use lab::address::CLIENT;
use lab::answer::query_of;
use lab::config;
use lab::flow::Family;
use lab::frame::Frame;
use lab::gateway::Egress;
use lab::host::{Host, Life};
use lab::raw::Raw;
use lab::second_lan::{self, SECOND_LAN};
use lab::topology::{LAN_INTERFACE, Lab};
use lab::wait;

use super::kinds::{Exchange, From, PORT, trusted};

const LIMIT: Duration = Duration::from_secs(10);
const SETS: &str = r#"[[source.lab.set]]
id = 1
urls = ["*.forge.example"]
tcpPorts = "443"
"#;
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
        let attacker = second_lan::client(&lab)?;
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
            &format!("lan = [\"{LAN_INTERFACE}\", \"{SECOND_LAN}\"]"),
        )
}
