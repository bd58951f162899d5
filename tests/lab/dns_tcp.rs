//! DNS questions over TCP, asked by ourselves: many on one connection, answered in any order.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use hickory_proto::op::Message;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};

use crate::dns::{Answer, Error, PORT, question, read, unreadable};
use crate::flow::Family;

/// A connection to a resolver.
#[derive(Debug)]
pub struct Connection(TcpStream);

impl Connection {
    /// Opens one; nothing on it takes longer than the limit.
    pub fn open(resolver: IpAddr, limit: Duration) -> Result<Self, Error> {
        let stream = TcpStream::connect_timeout(&SocketAddr::new(resolver, PORT), limit)?;
        Self::of(stream, limit)
    }

    /// The same, from one of the client's addresses.
    pub fn open_from(source: IpAddr, resolver: IpAddr, limit: Duration) -> Result<Self, Error> {
        let family = match source {
            IpAddr::V4(_) => AddressFamily::INET,
            IpAddr::V6(_) => AddressFamily::INET6,
        };
        let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .map_err(io::Error::from)?;
        bind(&socket, &SocketAddr::new(source, 0)).map_err(io::Error::from)?;
        let stream = TcpStream::from(socket);
        // Of connecting it is the limit as well (socket(7), SO_SNDTIMEO).
        stream.set_write_timeout(Some(limit))?;
        connect(&stream, &SocketAddr::new(resolver, PORT)).map_err(io::Error::from)?;
        Self::of(stream, limit)
    }

    fn of(stream: TcpStream, limit: Duration) -> Result<Self, Error> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(limit))?;
        Ok(Self(stream))
    }

    /// Sends questions for the addresses of names, all at once; returns their ids.
    pub fn send(&mut self, names: &[&str], family: Family) -> Result<Vec<u16>, Error> {
        let mut ids = Vec::new();
        let mut bytes = Vec::new();
        for name in names {
            let question = question(name, family)?;
            ids.push(question.metadata.id);
            bytes.extend(framed(&question)?);
        }
        self.0.write_all(&bytes)?;
        Ok(ids)
    }

    /// Receives the next answer and its id.
    pub fn receive(&mut self) -> Result<(u16, Answer), Error> {
        let mut len = [0; 2];
        self.0.read_exact(&mut len)?;
        let mut bytes = vec![0; u16::from_be_bytes(len).into()];
        self.0.read_exact(&mut bytes)?;
        let message = Message::from_vec(&bytes).map_err(unreadable)?;
        Ok((message.metadata.id, read(&message)))
    }

    /// Asks for one name and waits for its answer.
    pub fn ask(&mut self, name: &str, family: Family) -> Result<Answer, Error> {
        let ids = self.send(&[name], family)?;
        loop {
            let (id, answer) = self.receive()?;
            if ids.contains(&id) {
                return Ok(answer);
            }
        }
    }

    /// The connection itself.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.0
    }
}

/// Asks for one name on a connection of its own.
pub fn ask(resolver: IpAddr, name: &str, family: Family, limit: Duration) -> Result<Answer, Error> {
    Connection::open(resolver, limit)?.ask(name, family)
}

/// A message behind its length.
pub fn framed(message: &Message) -> Result<Vec<u8>, Error> {
    let bytes = message.to_vec().map_err(unreadable)?;
    let len = u16::try_from(bytes.len()).map_err(unreadable)?;
    Ok([&len.to_be_bytes()[..], &bytes].concat())
}
