//! Netlink as it is on the wire: questions that no library of ours asks.
//!
//! In: a protocol, a message's kind and body. Out: the bodies of all replies.

use std::{
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType,
        netlink::SocketAddrNetlink, recv, sendto, socket_with, sockopt,
    },
};

/// Bytes of a message's header (`struct nlmsghdr`, linux/netlink.h).
const HEADER_BYTES: usize = 16;
/// Kinds of messages (linux/netlink.h).
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// Flags of questions (linux/netlink.h).
const REQUEST: u16 = 1;
const DUMP: u16 = 0x300;
/// Longest wait for the kernel, which answers at once.
const PATIENCE: Duration = Duration::from_secs(2);

/// The protocol of links, addresses, routes and traffic control, whose number is 0.
pub(crate) const ROUTE: Option<Protocol> = None;

/// What is asked.
pub(crate) struct Question<'a> {
    /// The protocol.
    pub(crate) protocol: Option<Protocol>,
    /// Kind of the message.
    pub(crate) kind: u16,
    /// What stands behind its header.
    pub(crate) body: &'a [u8],
}

/// Asks for all that there is; the bodies of the replies, each behind its header.
pub(crate) fn dump(question: &Question<'_>) -> Result<Vec<Vec<u8>>, Errno> {
    ask(question, REQUEST | DUMP)
}

/// Asks for one thing.
pub(crate) fn get(question: &Question<'_>) -> Result<Option<Vec<u8>>, Errno> {
    Ok(ask(question, REQUEST)?.into_iter().next())
}

fn ask(question: &Question<'_>, flags: u16) -> Result<Vec<Vec<u8>>, Errno> {
    let socket = open(question.protocol)?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(PATIENCE))?;
    let message = message(question, flags);
    let kernel = SocketAddrNetlink::new(0, 0);
    sendto(&socket, &message, SendFlags::empty(), &kernel)?;
    replies(&socket, flags & DUMP != 0)
}

/// A socket that nothing was asked by.
pub(crate) fn open(protocol: Option<Protocol>) -> Result<OwnedFd, Errno> {
    socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        protocol,
    )
}

fn message(question: &Question<'_>, flags: u16) -> Vec<u8> {
    const SEQUENCE: u32 = 1;

    let len = (HEADER_BYTES + question.body.len()) as u32;
    let header = [
        &len.to_ne_bytes()[..],
        &question.kind.to_ne_bytes(),
        &flags.to_ne_bytes(),
        &SEQUENCE.to_ne_bytes(),
        &[0; 4],
    ];
    [&header.concat(), question.body].concat()
}

/// Replies until the last one, which is the only one where nothing was dumped.
fn replies(socket: &OwnedFd, is_dump: bool) -> Result<Vec<Vec<u8>>, Errno> {
    let began = Instant::now();
    let mut bodies = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    while began.elapsed() < PATIENCE {
        let (len, _) = recv(socket, &mut buffer, RecvFlags::empty())?;
        for (kind, body) in messages(buffer.get(..len).unwrap_or_default()) {
            match kind {
                DONE | ERROR => return failed(body).map_or(Ok(bodies), Err),
                _ if is_dump => bodies.push(body.to_vec()),
                _ => return Ok(vec![body.to_vec()]),
            }
        }
    }
    Err(Errno::TIMEDOUT)
}

/// What went wrong, as an error or the end of a dump says.
fn failed(body: &[u8]) -> Option<Errno> {
    let code = i32::from_ne_bytes(*body.first_chunk()?);
    (code < 0).then(|| Errno::from_raw_os_error(-code))
}

/// Kinds and bodies of the messages in a datagram.
pub(crate) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let len = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
        let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
        let body = bytes.get(HEADER_BYTES..len)?;
        bytes = bytes.get(aligned(len)..).unwrap_or_default();
        Some((kind, body))
    })
}

/// Kinds and values of attributes (`struct nlattr`).
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    /// Bits beside the kind: of nesting and byte order.
    const KIND: u16 = 0x3fff;

    std::iter::from_fn(move || {
        let len = usize::from(u16::from_ne_bytes(*bytes.first_chunk()?));
        let kind = u16::from_ne_bytes(*bytes.get(2..)?.first_chunk()?) & KIND;
        let value = bytes.get(4..len)?;
        bytes = bytes.get(aligned(len)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The value of the first attribute of a kind.
pub(crate) fn attribute(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(bytes).find_map(|(kind, value)| (kind == wanted).then_some(value))
}

/// An attribute.
pub(crate) fn written(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = (4 + value.len()) as u16;
    let mut bytes = [len.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend_from_slice(value);
    bytes.resize(aligned(bytes.len()), 0);
    bytes
}

/// A text that ends in 0.
pub(crate) fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0);
    let text = value.get(..end.unwrap_or(value.len())).unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// A number of the machine's byte order.
pub(crate) fn number(value: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(*value.first_chunk()?))
}

/// A number of the network's byte order.
pub(crate) fn network_number(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*value.first_chunk()?))
}

const fn aligned(len: usize) -> usize {
    len.next_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_back_and_what_is_cut_off_ends_them() {
        let bytes = [written(1, b"veth\0"), written(0x8000 | 7, &[1, 2, 3, 4])].concat();
        assert_eq!(bytes.len() % 4, 0);
        let read: Vec<_> = attributes(&bytes).collect();
        assert_eq!(read, [(1, &b"veth\0"[..]), (7, &[1, 2, 3, 4][..])]);
        assert_eq!(text(read[0].1), "veth");
        for end in 0..bytes.len() {
            assert!(attributes(&bytes[..end]).count() <= 2);
        }
        assert_eq!(attributes(&[3, 0, 1, 0]).count(), 0, "shorter than itself");
    }

    #[test]
    fn messages_come_back_and_what_is_cut_off_ends_them() {
        let question = Question {
            protocol: ROUTE,
            kind: 18,
            body: &[5, 0, 0, 0, 9],
        };
        let one = message(&question, DUMP);
        let mut two = one.clone();
        two.resize(aligned(one.len()), 0);
        two.extend_from_slice(&one);
        let read: Vec<_> = messages(&two).collect();
        assert_eq!(read, [(18, question.body), (18, question.body)]);
        for end in 0..two.len() {
            assert!(messages(&two[..end]).count() <= 2);
        }
        assert_eq!(messages(&[0; 16]).count(), 0);
    }

    #[test]
    fn what_went_wrong_is_read() {
        assert_eq!(failed(&(-22_i32).to_ne_bytes()), Some(Errno::INVAL));
        assert_eq!(failed(&[0; 4]), None);
        assert_eq!(failed(&[]), None);
    }
}
