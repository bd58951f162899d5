//! Asks the resolvers whose answers teach.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use futures_util::TryStreamExt as _;
use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name, RecordType},
};
use rtnetlink::{RouteMessageBuilder, packet_route::route::RouteAttribute};

use super::{Wanted, interface::Seen, sockets};
use crate::{
    dataplane::interface,
    doctor::resolver::{Answer, Code, Listener, Resolver},
};

const PORT: u16 = 53;
/// A name that clients of every kind ask for.
const NAME: &str = "login.microsoftonline.com.";
/// How long an answer may take, and how often it is asked for.
const LIMIT: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 2;
/// Largest answer over UDP.
const LARGEST: usize = 65_535;

/// Asks all at once.
pub(super) async fn look(wanted: &Wanted, lan: &[Seen]) -> Vec<Resolver> {
    let mut by_lan = Vec::new();
    for address in &wanted.resolvers {
        by_lan.push(
            leaves_by(*address)
                .await
                .filter(|name| wanted.lan.contains(name)),
        );
    }
    let others = wanted.resolvers.iter().zip(by_lan);
    thread::scope(|scope| {
        let own = wanted.own_resolver.then(|| scope.spawn(|| own(lan)));
        let others = others.map(|(address, by_lan)| {
            scope.spawn(|| Resolver::Other {
                address: *address,
                by_lan,
                answer: ask(*address),
            })
        });
        let asked: Vec<_> = own.into_iter().chain(others).collect();
        let joined = asked.into_iter().filter_map(|one| one.join().ok());
        joined.collect()
    })
}

fn own(lan: &[Seen]) -> Resolver {
    let listeners = sockets::listeners(PORT);
    let answer = reachable(&listeners, lan).map(ask);
    Resolver::Own { listeners, answer }
}

/// The address at which this machine is asked: where clients do, if somebody listens there.
fn reachable(listeners: &[Listener], lan: &[Seen]) -> Option<IpAddr> {
    let hears = |address: &IpAddr| {
        let at = |one: &Listener| {
            let everywhere =
                one.address.is_unspecified() && (one.address.is_ipv6() || address.is_ipv4());
            everywhere || one.address == *address
        };
        listeners.iter().any(at)
    };
    let mut own = lan.iter().flat_map(|seen| &seen.addresses);
    let any = || match listeners.first()?.address {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Some(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Some(Ipv6Addr::LOCALHOST.into()),
        other => Some(other),
    };
    own.find(|address| hears(address)).copied().or_else(any)
}

/// Name of the interface by which an address is reached.
async fn leaves_by(address: IpAddr) -> Option<String> {
    let whole = if address.is_ipv4() { 32 } else { 128 };
    let to = RouteMessageBuilder::<IpAddr>::new().destination_prefix(address, whole);
    let (connection, handle, _) = rtnetlink::new_connection().ok()?;
    let connection = tokio::spawn(connection);
    let mut routes = Box::pin(handle.route().get(to.ok()?.build()).execute());
    let route = routes.try_next().await;
    connection.abort();
    let attributes = route.ok()??.attributes;
    let index = attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Oif(index) => Some(*index),
        _ => None,
    });
    interface::name(index?)
}

/// Asks one, and once more where nothing comes.
fn ask(address: IpAddr) -> Answer {
    let began = Instant::now();
    let mut code = Err(String::new());
    for _ in 0..ATTEMPTS {
        code = exchange(address);
        if code.is_ok() {
            break;
        }
    }
    Answer {
        asked: address,
        code,
        took: began.elapsed(),
    }
}

fn exchange(address: IpAddr) -> Result<Code, String> {
    let id = fastrand::u16(..);
    let question = question(id)?;
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let mut bytes = vec![0; LARGEST];
    let mut answered = || -> io::Result<usize> {
        let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
        socket.set_read_timeout(Some(LIMIT))?;
        socket.connect(SocketAddr::new(address, PORT))?;
        socket.send(&question)?;
        socket.recv(&mut bytes)
    };
    let len = answered().map_err(|fault| match fault.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("nothing came within {LIMIT:?}, {ATTEMPTS} times")
        }
        _ => fault.to_string(),
    })?;
    let answer = Message::from_vec(bytes.get(..len).unwrap_or_default());
    let answer = answer.map_err(|fault| format!("what came is no DNS message: {fault}"))?;
    if answer.metadata.id != id {
        return Err("what came is no answer to the question".to_owned());
    }
    let code = answer.metadata.response_code;
    let name = format!("{code:?}");
    Ok(match code {
        ResponseCode::NoError | ResponseCode::NXDomain => Code::Answered(name),
        _ => Code::Unwilling(name),
    })
}

fn question(id: u16) -> Result<Vec<u8>, String> {
    let name = Name::from_ascii(NAME).map_err(|fault| fault.to_string())?;
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name, RecordType::A));
    message.to_vec().map_err(|fault| fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_asked_where_clients_ask_it() {
        let addr = |text: &str| text.parse::<IpAddr>().unwrap();
        let lan = [Seen::with(&["10.20.0.1", "fd00:20::1"])];
        let table = [
            ("everywhere", vec!["0.0.0.0"], Some("10.20.0.1")),
            ("everywhere in IPv6", vec!["::"], Some("10.20.0.1")),
            (
                "loopback and there",
                vec!["127.0.0.1", "10.20.0.1"],
                Some("10.20.0.1"),
            ),
            (
                "in IPv6 alone",
                vec!["127.0.0.1", "fd00:20::1"],
                Some("fd00:20::1"),
            ),
            ("loopback alone", vec!["127.0.0.53"], Some("127.0.0.53")),
            ("nowhere", vec![], None),
        ];
        for (what, at, expected) in table {
            let listeners = at.iter().map(|at| Listener {
                address: addr(at),
                process: None,
            });
            let listeners: Vec<_> = listeners.collect();
            assert_eq!(reachable(&listeners, &lan), expected.map(addr), "{what}");
        }
    }
}
