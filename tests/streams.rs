//! DNS answers over TCP, and those that come in fragments, through the loaded programs.

use std::net::IpAddr;

use anyhow::{Context as _, Result, anyhow, ensure};
use egress_common::dns::Outcome;
use egress_ctl::config::Config;
use egress_ctl::dataplane::counters;
use lab::answer::{Answer, query_of};
use lab::frame::{Frame, Transport};
use lab::kernel::{Kernel, with};

const CONFIG: &str = r#"
[gateway]
mode = "enforce"
lan = ["lo"]
resolvers = ["192.0.2.53", "2001:db8::53"]

[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
urls = ["*.example"]
tcpPorts = "443"

[group.a]
clients = ["10.20.0.0/16", "fd00:20::/64"]
allow = ["corp"]
"#;

const V4: (&str, &str) = ("10.20.0.2", "192.0.2.53");
const V6: (&str, &str) = ("fd00:20::2", "2001:db8::53");
/// An interface that is not of the LAN.
const WAN: u32 = 2;
const PORT: u16 = 40_000;
const SYN: u8 = 0x02;
const SYN_ACK: u8 = 0x12;
const ACK: u8 = 0x10;

/// One TCP connection of a client to a resolver.
struct Connection {
    client: IpAddr,
    resolver: IpAddr,
    /// Sequence number of the resolver's next byte.
    next: u32,
}

impl Connection {
    /// Opens it: the handshake passes both programs.
    fn open(kernel: &mut Kernel, (client, resolver): (&str, &str), start: u32) -> Result<Self> {
        let one = Self {
            client: client.parse()?,
            resolver: resolver.parse()?,
            next: start.wrapping_add(1),
        };
        kernel.passes(&one.query(SYN, &[]))?;
        ensure!(
            kernel.forward(&one.reply(SYN_ACK, start, &[]), WAN)?,
            "it must pass on unchanged"
        );
        Ok(one)
    }

    fn query(&self, flags: u8, payload: &[u8]) -> Vec<u8> {
        let segment = Transport::Segment(PORT, 53, 1, flags, payload.to_vec());
        Frame::new(self.client, self.resolver, segment).to_bytes()
    }

    fn reply(&self, flags: u8, sequence: u32, payload: &[u8]) -> Vec<u8> {
        let segment = Transport::Segment(53, PORT, sequence, flags, payload.to_vec());
        Frame::new(self.resolver, self.client, segment).to_bytes()
    }

    /// Sends what the client asks.
    fn ask(&self, kernel: &mut Kernel, payload: &[u8]) -> Result<()> {
        kernel.ask_resolver(&self.query(ACK, payload))
    }

    /// Sends the resolver's next bytes; what is counted comes back.
    fn answer(&mut self, kernel: &mut Kernel, payload: &[u8]) -> Result<Vec<Outcome>> {
        let sequence = self.next;
        self.next = self.next.wrapping_add(payload.len() as u32);
        self.answer_at(kernel, sequence, payload)
    }

    fn answer_at(
        &self,
        kernel: &mut Kernel,
        sequence: u32,
        payload: &[u8],
    ) -> Result<Vec<Outcome>> {
        let before = counters::dns(kernel.pinned())?;
        ensure!(
            kernel.forward(&self.reply(ACK, sequence, payload), WAN)?,
            "it must pass on unchanged"
        );
        let after = counters::dns(kernel.pinned())?;
        let rose = after.into_iter().filter(|one| !before.contains(one));
        Ok(rose.map(|(outcome, _)| outcome).collect())
    }
}

fn answer(id: u16, name: &str, addr: &str) -> Vec<u8> {
    let mut message = Answer::to(name).address(addr, 60).to_bytes();
    message[..2].copy_from_slice(&id.to_be_bytes());
    message
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

fn asked(message: &[u8]) -> Result<Vec<u8>> {
    Ok(framed(&query_of(message).context("a query")?))
}

#[test]
fn whole_answers_of_a_stream_teach() -> Result<()> {
    with_kernel(|kernel| {
        for (who, start) in [(V4, 0), (V6, u32::MAX - 40)] {
            kernel.forget_addresses()?;
            let mut connection = Connection::open(kernel, who, start)?;
            let [one, two, three] = [1, 2, 3]
                .map(|id| answer(id, &format!("n{id}.example"), &format!("203.0.113.{id}")));
            // Both families in one segment, as the C library asks; then a length by itself.
            connection.ask(kernel, &[asked(&one)?, asked(&two)?].concat())?;
            let third = asked(&three)?;
            connection.ask(kernel, &third[..2])?;
            connection.ask(kernel, &third[2..])?;
            let seen = connection.answer(kernel, &framed(&one))?;
            ensure!(seen == [Outcome::Learned], "{seen:?}");
            ensure!(kernel.learned_addrs()?.len() == 1);
            connection.answer(kernel, &[framed(&two), framed(&three)].concat())?;
            ensure!(
                kernel.learned_addrs()?.len() == 3,
                "{:?}",
                kernel.learned_addrs()?
            );
        }
        Ok(())
    })
}

#[test]
fn a_message_in_pieces_is_counted_and_the_next_one_teaches() -> Result<()> {
    with_kernel(|kernel| {
        let mut connection = Connection::open(kernel, V4, 7)?;
        let [long, next] = [1, 2].map(|id| answer(id, "n.example", &format!("203.0.113.{id}")));
        connection.ask(kernel, &[asked(&long)?, asked(&next)?].concat())?;
        let bytes = [framed(&long), framed(&next)].concat();
        let seen = connection.answer(kernel, &bytes[..20])?;
        ensure!(seen == [Outcome::InPieces], "{seen:?}");
        let again = connection.answer_at(kernel, 8, &bytes[..20])?;
        ensure!(again.is_empty(), "sent again: {again:?}");
        let seen = connection.answer(kernel, &bytes[20..])?;
        ensure!(seen == [Outcome::Learned], "{seen:?}");
        ensure!(kernel.learned_addrs()? == ["203.0.113.2".parse::<IpAddr>()?]);
        Ok(())
    })
}

/// A client has a zone of its own, and sets its window such that a segment begins inside of a long record.
#[test]
fn an_answer_inside_of_another_one_teaches_nothing() -> Result<()> {
    with_kernel(|kernel| {
        let mut connection = Connection::open(kernel, V4, 7)?;
        let forged = answer(2, "www.example", "203.0.113.66");
        let text = [vec![b'x'; 300], framed(&forged)].concat();
        let long = [&answer(1, "of.the.client.test", "198.51.100.1")[..], &text].concat();
        connection.ask(
            kernel,
            &[
                asked(&forged)?,
                asked(&answer(1, "of.the.client.test", "198.51.100.1"))?,
            ]
            .concat(),
        )?;
        let bytes = framed(&long);
        let begin = bytes.len() - framed(&forged).len();
        connection.answer(kernel, &bytes[..begin])?;
        let seen = connection.answer(kernel, &bytes[begin..])?;
        ensure!(seen.is_empty(), "{seen:?}");
        ensure!(
            kernel.learned_addrs()?.is_empty(),
            "a forged answer was learned"
        );
        Ok(())
    })
}

#[test]
fn a_stream_whose_beginning_or_order_is_unknown_teaches_nothing() -> Result<()> {
    with_kernel(|kernel| {
        let message = answer(1, "n.example", "203.0.113.1");
        let unopened = Connection {
            client: V4.0.parse()?,
            resolver: V4.1.parse()?,
            next: 5,
        };
        unopened.ask(kernel, &asked(&message)?)?;
        let seen = unopened.answer_at(kernel, 5, &framed(&message))?;
        ensure!(seen.is_empty(), "unopened: {seen:?}");
        let opened = Connection::open(kernel, V4, 99)?;
        let seen = opened.answer_at(kernel, 101, &framed(&message))?;
        ensure!(seen.is_empty(), "behind a gap: {seen:?}");
        let seen = opened.answer_at(kernel, 100, &framed(&message))?;
        ensure!(seen == [Outcome::Learned], "{seen:?}");
        let stranger = Connection::open(kernel, ("10.20.0.2", "192.0.2.99"), 99)?;
        let seen = stranger.answer_at(kernel, 100, &framed(&message))?;
        ensure!(seen == [Outcome::ResolverNotTrusted], "{seen:?}");
        Ok(())
    })
}

#[test]
fn fragments_are_counted_and_teach_nothing() -> Result<()> {
    with_kernel(|kernel| {
        let message = answer(1, "n.example", "203.0.113.1");
        let (client, resolver) = (V4.0.parse()?, V4.1.parse()?);
        let query = Transport::Udp(PORT, 53, query_of(&message).context("a query")?);
        kernel.ask_resolver(&Frame::new(client, resolver, query).to_bytes())?;
        let whole = Frame::new(resolver, client, Transport::Udp(53, PORT, message));
        for fragment in [(0, true), (9, false)] {
            let fragment = Frame {
                fragment: Some(fragment),
                ..whole.clone()
            };
            ensure!(
                kernel.forward(&fragment.to_bytes(), WAN)?,
                "it must pass on unchanged"
            );
        }
        let counted = counters::dns(kernel.pinned())?;
        ensure!(counted == [(Outcome::Fragmented, 1)], "{counted:?}");
        ensure!(kernel.learned_addrs()?.is_empty());
        Ok(())
    })
}

/// The size that a query asks for, and what becomes of it at LAN ingress.
#[test]
fn answers_are_asked_for_in_one_packet() -> Result<()> {
    with_kernel(|kernel| {
        let opt =
            |size: u16| [&[0, 0, 41][..], &size.to_be_bytes(), &[0, 0, 0x80, 0, 0, 0]].concat();
        // Names of even and of odd length: the size stands at an odd and at an even offset.
        for name in ["n.example", "nn.example"] {
            for (client, resolver) in [V4, V6] {
                for (size, expected) in [(4096, 1232), (1233, 1232), (1232, 1232), (512, 512)] {
                    for checksum in [Checksum::Whole, Checksum::None, Checksum::OfPseudoHeader] {
                        let mut query =
                            query_of(&answer(1, name, "203.0.113.1")).context("a query")?;
                        query[11] = 1;
                        let frame = |size| {
                            let payload = [&query[..], &opt(size)].concat();
                            let (client, resolver) = (client.parse()?, resolver.parse()?);
                            let frame =
                                Frame::new(client, resolver, Transport::Udp(PORT, 53, payload));
                            anyhow::Ok(checksum.put(&frame))
                        };
                        let (sent, wanted) = (frame(size)?, frame(expected)?);
                        let seen = kernel.passed(&sent)?;
                        ensure!(seen == wanted, "{name} {size} {checksum:?} {client}");
                        if checksum != Checksum::OfPseudoHeader {
                            // The kernel says itself what a buffer's checksum is: of a test run it is whole.
                            let seen = kernel.passed_tc(&sent)?;
                            ensure!(seen == wanted, "{name} {size} {checksum:?} {client} at TC");
                        }
                    }
                }
            }
        }
        Ok(())
    })
}

/// What stands in the place of a UDP checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Checksum {
    Whole,
    None,
    OfPseudoHeader,
}

impl Checksum {
    fn put(self, frame: &Frame) -> Vec<u8> {
        let mut bytes = frame.to_bytes();
        let l4 = if frame.src.is_ipv4() {
            14 + 20
        } else {
            14 + 40
        };
        let len = (bytes.len() - l4) as u16;
        let addresses = if frame.src.is_ipv4() {
            14 + 12..14 + 20
        } else {
            14 + 8..14 + 40
        };
        let pseudo = [&bytes[addresses], &[0, 17], &len.to_be_bytes()].concat();
        let field = match self {
            Self::Whole => match !sum(&[&pseudo[..], &bytes[l4..]].concat()) {
                0 => 0xffff,
                field => field,
            },
            Self::None => 0,
            Self::OfPseudoHeader => sum(&pseudo),
        };
        bytes[l4 + 6..l4 + 8].copy_from_slice(&field.to_be_bytes());
        bytes
    }
}

/// The sum of words, as RFC 1071 section 4.1 writes it.
fn sum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    let mut sum: u32 = bytes.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

fn with_kernel(test: impl FnOnce(&mut Kernel) -> Result<()> + Send) -> Result<()> {
    with(|kernel| {
        let config = Config::parse(CONFIG).map_err(|problems| anyhow!("{problems:?}"))?;
        kernel.put_into_force(&config, &[])?;
        test(kernel)
    })
}
