//! How a client of `drill race` asks: a name in, an answer out, over the transport that was chosen.

use std::net::IpAddr;

use lab::dns::{self, Answer, Error};
use lab::dns_tcp::Connection;
use lab::flow::Family;

use super::{LIMIT, Options, Transport, crowd};

/// Names asked for on one TCP connection: clients keep theirs for a while (RFC 7766 section 6.2.1).
const KEPT: u32 = 10;

/// A client's way of asking, and the connection that it keeps.
pub(super) struct Asker<'a> {
    options: &'a Options,
    resolver: IpAddr,
    family: Family,
    kept: Option<(Connection, u32)>,
}

impl<'a> Asker<'a> {
    pub(super) fn new(options: &'a Options) -> Self {
        Self {
            options,
            resolver: options.asked(),
            family: options.family(),
            kept: None,
        }
    }

    pub(super) fn ask(&mut self, name: &str, cycle: u32) -> Result<Answer, Error> {
        match self.options.transport {
            Transport::Udp | Transport::Udp6 => {
                let source = crowd::source(self.family, cycle);
                dns::ask_from(source, self.resolver, name, self.family, LIMIT)
            }
            Transport::Tcp => self.over_tcp(name, cycle),
            Transport::Truncated => {
                let first = dns::ask(self.resolver, name, self.family, LIMIT)?;
                if !first.truncated {
                    return Err(Error::Message("the answer was not truncated".to_owned()));
                }
                self.over_tcp(name, cycle)
            }
        }
    }

    fn over_tcp(&mut self, name: &str, cycle: u32) -> Result<Answer, Error> {
        let (mut connection, asked) = match self.kept.take() {
            Some(kept) => kept,
            None => {
                let source = crowd::source(self.family, cycle / KEPT);
                (Connection::open_from(source, self.resolver, LIMIT)?, 0)
            }
        };
        let answer = connection.ask(name, self.family)?;
        self.kept = Some((connection, asked + 1)).filter(|(_, asked)| *asked < KEPT);
        Ok(answer)
    }
}
