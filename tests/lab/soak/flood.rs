//! Floods with a bound: queries of clients that there are not, answers that nobody asked for, and first segments
//! of connections that nobody completes.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use ipnet::IpNet;

use super::shared::Shared;
use super::way::{Account, CONNECTED, FORGED, UNLISTED};
use crate::address::{CLIENT, LAN};
use crate::answer::{Answer, query_of};
use crate::flow::Family;
use crate::frame::{Frame, Transport};
use crate::host::Host;
use crate::pace;
use crate::raw::Raw;
use crate::server::HTTPS;

/// A resolver on the internet that the policy trusts; it never answers.
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 53);
/// Where forged answers go; somebody listens, so that nobody complains of them.
pub const LISTENER: u16 = 40_000;
const DNS: u16 = 53;
const TTL: u32 = 600;
/// Clients in whose name is sent.
const SPOOFED: u32 = 16;
/// Packets at once, and how often.
const BURST: u32 = 4;
const PAUSE: Duration = Duration::from_millis(10);

/// A flood, from where it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flood {
    Queries,
    Answers,
    Syns,
}

impl Flood {
    pub const ALL: [Self; 3] = [Self::Queries, Self::Answers, Self::Syns];

    pub fn name(self) -> &'static str {
        match self {
            Self::Queries => "spoofed queries",
            Self::Answers => "forged answers",
            Self::Syns => "SYNs, mostly spoofed",
        }
    }

    /// The host that sends it.
    pub fn host<'a>(self, client: &'a Host, internet: &'a Host) -> &'a Host {
        match self {
            Self::Queries | Self::Syns => client,
            Self::Answers => internet,
        }
    }

    /// Sends until nothing is to be sent any more.
    pub fn run(self, shared: &Shared, raw: &Raw) -> Result<()> {
        for number in 0.. {
            if shared.silent.load(Ordering::Relaxed) {
                break;
            }
            if number % BURST == 0 {
                thread::sleep(if pace::is_slow() { PAUSE * 10 } else { PAUSE });
            }
            let is_blind = shared.is_blind();
            let (packet, account) = self.packet(number)?;
            // While a link is away its host may refuse it.
            if raw.send(&packet).is_ok() {
                shared.threw(self.name());
                if let Some(account) = account {
                    shared.ledger.note(account, is_blind);
                }
            }
        }
        Ok(())
    }

    /// A packet, and the counter that it raises if no other traffic of the soak does.
    fn packet(self, number: u32) -> Result<(Frame, Option<Account>)> {
        let port = 1024 + (number % 60_000) as u16;
        let client = spoofed(number).into();
        Ok(match self {
            Self::Queries => {
                let resolvers = [LAN.v4, RESOLVER];
                let resolver = resolvers[(number / SPOOFED) as usize % resolvers.len()];
                let name = format!("flood{}.soak.example", number % 500);
                let query = query_of(&Answer::to(&name).to_bytes()).unwrap_or_default();
                let datagram = Transport::Udp(port, DNS, query);
                (Frame::new(client, resolver.into(), datagram), None)
            }
            Self::Answers => {
                let name = format!("n{}.soak.example", number % 200);
                let answer = Answer::to(&name).address(&FORGED.to_string(), TTL);
                let datagram = Transport::Udp(DNS, LISTENER, answer.to_bytes());
                let to = CLIENT.of(Family::Ipv4);
                (Frame::new(RESOLVER.into(), to, datagram), None)
            }
            Self::Syns if number.is_multiple_of(2) => {
                let frame = Frame::new(client, UNLISTED.into(), Transport::Syn(port, HTTPS));
                (frame, Some(Account::NeverResolved))
            }
            Self::Syns => {
                let to = CONNECTED[0];
                (Frame::new(client, to, Transport::Syn(port, HTTPS)), None)
            }
        })
    }
}

/// Clients in whose name is sent. The sending host takes what comes back: to machines that there are not, the
/// gateway's resolver could send until its socket is full.
pub fn everyone() -> Vec<IpNet> {
    (0..SPOOFED)
        .map(|number| spoofed(number).into())
        .map(|address: IpAddr| address.into())
        .collect()
}

fn spoofed(number: u32) -> Ipv4Addr {
    Ipv4Addr::new(10, 20, 66, (number % SPOOFED) as u8 + 1)
}

/// A socket that takes in what comes to it, so that its host does not refuse it.
pub fn sink(host: &Host, address: IpAddr, port: u16) -> Result<UdpSocket> {
    let socket = host.run(|| UdpSocket::bind((address, port)))??;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    Ok(socket)
}
