//! A resolver of the internet whose answers are longer than a datagram without EDNS may be (RFC 1035 section
//! 2.3.4): over UDP it answers as much as the asker takes, or that there is more; over TCP everything.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;

use anyhow::{Context, Result};
use hickory_proto::op::{Message, OpCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};

use crate::host::Host;
use crate::scripted::Scripted;

/// Where it is.
pub const LONG: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 53);
/// The zone that the resolvers of the gateway ask it for.
pub const ZONE: &str = "long.example";

/// Addresses besides the first, which is the name's own.
const MORE: u8 = 40;
const TTL: u32 = 60;

/// Starts it inside the host; the first address of a name is what `own` makes of it. Its threads end with the
/// process.
pub fn start(
    host: &Host,
    own: impl Fn(&str) -> Option<Ipv4Addr> + Send + Clone + 'static,
) -> Result<()> {
    let at = SocketAddr::new(IpAddr::V4(LONG), 53);
    let socket = host.run(|| UdpSocket::bind(at))?;
    let socket = socket.with_context(|| format!("cannot listen on {at}"))?;
    let over_udp = own.clone();
    thread::spawn(move || serve(&socket, &over_udp));
    Scripted::start(host, at, move |query| vec![answer(query, &own)])?;
    Ok(())
}

fn serve(socket: &UdpSocket, own: &impl Fn(&str) -> Option<Ipv4Addr>) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let (len, asker) = socket.recv_from(&mut buffer)?;
        let Ok(query) = Message::from_vec(&buffer[..len]) else {
            continue;
        };
        let whole = answer(&query, own);
        let bytes = whole.to_vec().map_err(io::Error::other)?;
        if bytes.len() <= query.max_payload().into() {
            socket.send_to(&bytes, asker)?;
        } else {
            let cut = whole.truncate().to_vec().map_err(io::Error::other)?;
            socket.send_to(&cut, asker)?;
        }
    }
}

fn answer(query: &Message, own: &impl Fn(&str) -> Option<Ipv4Addr>) -> Message {
    let mut answer = Message::response(query.metadata.id, OpCode::Query);
    answer.metadata.recursion_available = true;
    answer.add_queries(query.queries.iter().cloned());
    let [question] = &query.queries[..] else {
        return answer;
    };
    let first = own(question.name.to_ascii().trim_end_matches('.'));
    if let Some(first) = first.filter(|_| question.query_type == RecordType::A) {
        let more = (1..=MORE).map(|last| Ipv4Addr::new(203, 0, 113, last));
        let record = |addr| Record::from_rdata(question.name.clone(), TTL, RData::A(A(addr)));
        answer.add_answers([first].into_iter().chain(more).map(record));
    }
    answer
}
