//! A client that asks the gateway's resolver for everything that clients ask for, over UDP and TCP, and sends to
//! what it is told at once.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};

use super::shared::Shared;
use super::stream::Sockets;
use super::way::{PORT, Way};
use crate::address::LAN;
use crate::dns::{self, Answer};
use crate::dns_tcp;
use crate::flow::Family;
use crate::pace;
use crate::zone::Zone;

/// So many names take turns.
const NAMES: u32 = 200;
/// Seconds that an answer holds: they end and are renewed all the time.
const TTL: u32 = 5;
/// Far less than one client's share of queries (`CLIENT_SHARE` of egress-common).
const PACE: Duration = Duration::from_millis(25);
/// How long an answer may take; one that a link took along never comes.
fn limit() -> Duration {
    Duration::from_secs(if pace::is_slow() { 10 } else { 3 })
}

/// One kind of question, and what must become of it.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// For an address of a listed name, over UDP, and then a datagram there.
    Listed(Family),
    /// The same over TCP.
    ListedOverTcp,
    /// The same, of a listed name that is an alias of an unlisted one.
    Alias,
    /// For an unlisted name: the address that is answered may not be reached.
    Unlisted,
    /// For a name that there is not.
    Absent,
    /// For something else than an address.
    Other(RecordType),
}

const KINDS: [Kind; 9] = [
    Kind::Listed(Family::Ipv4),
    Kind::Listed(Family::Ipv6),
    Kind::ListedOverTcp,
    Kind::Alias,
    Kind::Unlisted,
    Kind::Absent,
    Kind::Other(RecordType::TXT),
    Kind::Other(RecordType::HTTPS),
    Kind::Other(RecordType::MX),
];

/// Adds the names that are asked for.
pub fn names(zone: Zone) -> Zone {
    (0..NAMES).fold(zone, |zone, number| {
        let [_, _, high, low] = number.to_be_bytes();
        let v4 = |third| Ipv4Addr::new(198, 18, third + high, low);
        let v6 = |kind| Ipv6Addr::new(0x2001, 0xdb8, 0x18, kind, 0, 0, 0, number as u16);
        let target = format!("edge{number}.other.example");
        zone.host(&listed(number), v4(0), v6(0), TTL)
            .host(&target, v4(8), v6(1), TTL)
            .alias(&alias(number), &target, TTL)
            .host(&unlisted(number), v4(16), v6(2), TTL)
    })
}

fn listed(number: u32) -> String {
    format!("n{number}.soak.example")
}

fn alias(number: u32) -> String {
    format!("alias{number}.soak.example")
}

fn unlisted(number: u32) -> String {
    format!("n{number}.unlisted.example")
}

/// Asks until nothing is to be sent any more.
pub fn ask(shared: &Shared) -> Result<()> {
    let sockets = Sockets::open()?;
    let kinds = KINDS.iter().cycle();
    for (turn, kind) in (0_u32..).zip(kinds) {
        if shared.silent.load(Ordering::Relaxed) {
            break;
        }
        thread::sleep(if pace::is_slow() { PACE * 4 } else { PACE });
        let (seen, deaths, is_dying) = (shared.blindness(), shared.deaths(), shared.is_dying());
        if shared.is_blind() {
            continue;
        }
        let number = turn / KINDS.len() as u32 % NAMES;
        let mut failure = kind.ask(shared, &sockets, number).err();
        // A connection through the proxy ends with its daemon; who asks again is answered.
        let was_cut = is_dying || shared.deaths() != deaths;
        if failure.is_some() && matches!(kind, Kind::ListedOverTcp) && was_cut {
            failure = kind.ask(shared, &sockets, number).err();
        }
        shared.threw(kind.name());
        // A link that goes meanwhile takes question or answer along.
        if let Some(failure) = failure
            && shared.blindness() == seen
        {
            shared.complain(format!("{} ({number}): {failure}", kind.name()));
        }
    }
    Ok(())
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Listed(Family::Ipv4) => "questions for a listed name, A",
            Self::Listed(Family::Ipv6) => "questions for a listed name, AAAA",
            Self::ListedOverTcp => "questions for a listed name over TCP",
            Self::Alias => "questions for a listed alias",
            Self::Unlisted => "questions for an unlisted name",
            Self::Absent => "questions for a name that is not there",
            Self::Other(_) => "questions for TXT, HTTPS and MX",
        }
    }

    fn ask(self, shared: &Shared, sockets: &Sockets, number: u32) -> Result<(), String> {
        let over_udp = |name: &str, family| address(dns::ask(LAN.v4.into(), name, family, limit()));
        let (way, address) = match self {
            Self::Listed(family) => (Way::Asked, over_udp(&listed(number), family)?),
            Self::Alias => (Way::Asked, over_udp(&alias(number), Family::Ipv4)?),
            Self::Unlisted => (Way::Refused, over_udp(&unlisted(number), Family::Ipv4)?),
            Self::ListedOverTcp => {
                let name = listed(number);
                let answer = dns_tcp::ask(LAN.v4.into(), &name, Family::Ipv4, limit());
                (Way::Asked, address(answer)?)
            }
            Self::Absent => {
                let name = format!("absent{number}.soak.example");
                let answer = dns::ask(LAN.v4.into(), &name, Family::Ipv4, limit());
                let code = answer.map_err(|error| error.to_string())?.code;
                let is_absent = code == ResponseCode::NXDomain;
                return is_absent.then_some(()).ok_or_else(|| code.to_string());
            }
            Self::Other(kind) => {
                return other(&listed(number), kind).map_err(|error| error.to_string());
            }
        };
        shared.send(sockets.of(address), way, (address, PORT).into());
        Ok(())
    }
}

fn address(answer: Result<Answer, dns::Error>) -> Result<IpAddr, String> {
    let answer = answer.map_err(|error| error.to_string())?;
    answer
        .address()
        .ok_or_else(|| format!("no address, {}", answer.code))
}

/// Asks for what is no address; any answer will do.
fn other(name: &str, kind: RecordType) -> io::Result<()> {
    let name = Name::from_ascii(format!("{name}.")).map_err(io::Error::other)?;
    let mut question = Message::query();
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(name, kind));
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_read_timeout(Some(limit()))?;
    socket.connect(SocketAddr::new(LAN.v4.into(), dns::PORT))?;
    socket.send(&question.to_vec().map_err(io::Error::other)?)?;
    let mut answer = [0; 512];
    socket.recv(&mut answer)?;
    Ok(())
}
