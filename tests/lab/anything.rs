//! Names that no library would ask for, and a resolver that has an address for every one of them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use hickory_proto::op::{Message, OpCode, Query};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::address::CLIENT;
use crate::host::Host;

const TTL: u32 = 60;
const LIMIT: Duration = Duration::from_secs(30);

/// Answers on a host, at an address of it, as long as this process lives: everything has this one address.
pub fn answer(host: &Host, at: IpAddr, has: Ipv4Addr) -> Result<()> {
    let at = SocketAddr::new(at, 53);
    let socket = host.run(|| UdpSocket::bind(at))??;
    thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let answered = answered(&buffer[..length], has);
            let sent = answered.and_then(|answer| Ok(socket.send_to(&answer, from)?));
            if sent.is_err() {
                return;
            }
        }
    });
    Ok(())
}

fn answered(query: &[u8], has: Ipv4Addr) -> Result<Vec<u8>> {
    let query = Message::from_vec(query)?;
    let mut answer = Message::response(query.metadata.id, OpCode::Query);
    for question in &query.queries {
        answer.add_query(question.clone());
        let data = RData::A(A(has));
        answer.add_answer(Record::from_rdata(question.name().clone(), TTL, data));
    }
    Ok(answer.to_vec()?)
}

/// The lab's client asks for a name of these labels, and waits for the answer.
pub fn ask(client: &Host, resolver: IpAddr, labels: &[&[u8]]) -> Result<()> {
    let name = Name::from_labels(labels.iter().copied())?;
    let mut query = Message::query();
    query.add_query(Query::query(name, RecordType::A));
    let bytes = query.to_vec()?;
    client.run(|| -> Result<()> {
        let socket = UdpSocket::bind((CLIENT.v4, 0))?;
        socket.set_read_timeout(Some(LIMIT))?;
        socket.send_to(&bytes, (resolver, 53))?;
        socket.recv(&mut [0; 512])?;
        Ok(())
    })?
}
