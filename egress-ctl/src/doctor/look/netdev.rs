//! Asks the kernel what a driver can do of XDP: the family `netdev` of generic netlink, from Linux 6.3 on
//! (linux/netdev.h, linux/genetlink.h).

use rustix::{
    io,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send,
        socket_with,
        sockopt::{Timeout, set_socket_timeout},
    },
};
use std::{os::fd::OwnedFd, time::Duration};

use crate::doctor::interface::XdpFeatures;

/// What the driver of an interface can do; nothing where the kernel does not say.
pub(super) fn xdp_features(index: u32) -> Option<XdpFeatures> {
    let socket = open().ok()?;
    let family = Message {
        kind: CONTROL,
        command: GET_FAMILY,
        attribute: (FAMILY_NAME, b"netdev\0".to_vec()),
    };
    let family = ask(&socket, &family)?;
    let kind = attribute(&family, FAMILY_ID)?;
    let kind = u16::from_ne_bytes(kind.get(..2)?.try_into().ok()?);
    let device = Message {
        kind,
        command: GET_DEVICE,
        attribute: (INDEX, index.to_ne_bytes().to_vec()),
    };
    let device = ask(&socket, &device)?;
    let bits = attribute(&device, FEATURES)?;
    let bits = u64::from_ne_bytes(bits.get(..8)?.try_into().ok()?);
    Some(XdpFeatures {
        is_native: bits & NATIVE != 0,
        has_fragments: bits & FRAGMENTS != 0,
    })
}

/// The family that knows the others, its command, and attributes of this.
const CONTROL: u16 = 0x10;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
/// Command and attributes of `netdev`.
const GET_DEVICE: u8 = 1;
const INDEX: u16 = 1;
const FEATURES: u16 = 3;
/// `NETDEV_XDP_ACT_BASIC` and `NETDEV_XDP_ACT_RX_SG`.
const NATIVE: u64 = 1;
const FRAGMENTS: u64 = 32;
/// Bytes of a message's headers: netlink's, and generic netlink's.
const HEADER: usize = 16;
const HEADERS: usize = HEADER + 4;
/// A message that tells of an error.
const ERROR: u16 = 2;
/// The kernel answers while it is asked.
const LIMIT: Duration = Duration::from_secs(1);

/// A question with one attribute.
struct Message {
    kind: u16,
    command: u8,
    attribute: (u16, Vec<u8>),
}

impl Message {
    fn to_bytes(&self) -> Vec<u8> {
        /// `NLM_F_REQUEST`.
        const REQUEST: u16 = 1;

        let (kind, value) = &self.attribute;
        let own = value.len() + 4;
        let whole = HEADERS + own.next_multiple_of(4);
        let mut bytes = (whole as u32).to_ne_bytes().to_vec();
        bytes.extend(self.kind.to_ne_bytes());
        bytes.extend(REQUEST.to_ne_bytes());
        // Sequence and port: nobody else asks on this socket.
        bytes.extend([0; 8]);
        bytes.extend([self.command, 1, 0, 0]);
        bytes.extend((own as u16).to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(whole, 0);
        bytes
    }
}

fn open() -> io::Result<OwnedFd> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(netlink::GENERIC),
    )?;
    set_socket_timeout(&socket, Timeout::Recv, Some(LIMIT))?;
    Ok(socket)
}

/// Attributes of the answer; nothing where it is an error.
fn ask(socket: &OwnedFd, message: &Message) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 16_384];
    send(socket, &message.to_bytes(), SendFlags::empty()).ok()?;
    let (len, _) = recv(socket, bytes.as_mut_slice(), RecvFlags::empty()).ok()?;
    let answer = bytes.get(..len)?;
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    (kind != ERROR).then(|| answer.get(HEADERS..).unwrap_or_default().to_vec())
}

/// The value of an attribute.
fn attribute(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let len = u16::from_ne_bytes(attributes.get(..2)?.try_into().ok()?);
        let kind = u16::from_ne_bytes(attributes.get(2..4)?.try_into().ok()?);
        let len = usize::from(len);
        if kind == wanted {
            return attributes.get(4..len);
        }
        // One of no length would never end.
        attributes = attributes.get(len.next_multiple_of(4).max(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_by_their_kind() {
        let mut bytes = Vec::new();
        for (kind, value) in [(7_u16, &b"abc"[..]), (FEATURES, &[9; 8])] {
            bytes.extend((value.len() as u16 + 4).to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        assert_eq!(attribute(&bytes, 7), Some(&b"abc"[..]));
        assert_eq!(attribute(&bytes, FEATURES), Some(&[9; 8][..]));
        assert_eq!(attribute(&bytes, 8), None);
        assert_eq!(attribute(&[0; 8], FEATURES), None);
        assert_eq!(attribute(&bytes[..9], FEATURES), None);
    }

    #[test]
    fn a_question_is_as_long_as_it_says() {
        let message = Message {
            kind: CONTROL,
            command: GET_FAMILY,
            attribute: (FAMILY_NAME, b"netdev\0".to_vec()),
        };
        let bytes = message.to_bytes();
        assert_eq!(bytes.len(), 32);
        assert_eq!(u32::from_ne_bytes(bytes[..4].try_into().unwrap()), 32);
        assert_eq!(
            attribute(&bytes[HEADERS..], FAMILY_NAME),
            Some(&b"netdev\0"[..])
        );
    }
}
