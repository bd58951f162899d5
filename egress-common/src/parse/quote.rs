//! What an ICMP error is about (RFC 792, RFC 4443 section 2.4).
//!
//! In: an error, and where the packet that it quotes lies in the frame. Out: the flow that the quoted
//! packet answers, as its client would send it on, or the [`Reason`] that settles the error.

use super::{
    EXTENSIONS_MAX, ExtensionHeader, HEADERS_MAX, Ipv4Header, Ipv6Header,
    wire::{IcmpHeader, PortsHeader},
};
use crate::{
    flow::{Addr, ECHO_V4, ECHO_V6, Flow, proto},
    packet::Packet,
    verdict::Reason,
};

/// What an ICMP message does besides asking and answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// It reports an error about a packet that it quotes.
    Error,
    /// It names another route.
    Redirect,
    /// Anything else.
    Other,
}

/// What kind of ICMP message a flow's first packet is; one that is no ICMP of its family is another.
#[inline(always)]
pub const fn message(flow: &Flow) -> Message {
    if flow.later_fragment {
        return Message::Other;
    }
    match (flow.proto, flow.src.is_v4(), flow.dst_port >> 8) {
        (proto::ICMP, true, 3 | 11 | 12) | (proto::ICMPV6, false, 1..=4) => Message::Error,
        (proto::ICMP, true, 5) | (proto::ICMPV6, false, 137) => Message::Redirect,
        _ => Message::Other,
    }
}

/// The flow that the packet quoted by `error` answers. The error's own header is at `l4`, its end at `end`.
///
/// # Errors
/// The quoted packet is cut off or a later fragment, or it did not come from where the error goes.
#[inline(always)]
pub fn read<P: Packet + ?Sized>(
    packet: &P,
    error: &Flow,
    l4: usize,
    end: usize,
) -> Result<Flow, Reason> {
    let at = l4 + size_of::<IcmpHeader>();
    let quoted = if error.src.is_v4() {
        ipv4(packet, at)?
    } else {
        extensions(packet, ipv6(packet, at)?, end)?
    };
    // Whom the error goes to is who sent the packet that it is about.
    if quoted.src != error.dst {
        return Err(Reason::Malformed);
    }
    let (src_port, dst_port) = ports(packet, &quoted, end)?;
    Ok(Flow {
        src: quoted.dst,
        dst: quoted.src,
        src_port: dst_port,
        dst_port: src_port,
        proto: quoted.proto,
        later_fragment: false,
        opens: false,
        ..*error
    })
}

/// Headers of the quoted packet.
#[derive(Clone, Copy)]
struct Quoted {
    src: Addr,
    dst: Addr,
    proto: u8,
    l4: usize,
}

#[inline(always)]
fn ipv4<P: Packet + ?Sized>(packet: &P, at: usize) -> Result<Quoted, Reason> {
    const OFFSET: u16 = 0x1fff;
    const WORD: usize = 4;

    let header: &Ipv4Header = packet.view(at).ok_or(Reason::Malformed)?;
    let header_len = usize::from(header.version_and_words & 0xf) * WORD;
    if header.version_and_words >> 4 != 4
        || header_len < size_of::<Ipv4Header>()
        || u16::from_be_bytes(header.fragment) & OFFSET != 0
    {
        return Err(Reason::Malformed);
    }
    Ok(Quoted {
        src: Addr::v4(header.src),
        dst: Addr::v4(header.dst),
        proto: header.proto,
        l4: at + header_len,
    })
}

#[inline(always)]
fn ipv6<P: Packet + ?Sized>(packet: &P, at: usize) -> Result<Quoted, Reason> {
    let header: &Ipv6Header = packet.view(at).ok_or(Reason::Malformed)?;
    if header.version_and_class >> 4 != 6 {
        return Err(Reason::Malformed);
    }
    let src = Addr::v6(header.src).judged();
    Ok(Quoted {
        src: src.ok_or(Reason::EmbeddedAddress)?,
        dst: Addr::v6(header.dst),
        proto: header.next,
        l4: at + size_of::<Ipv6Header>(),
    })
}

/// Walks over the quoted packet's extension headers.
#[inline(always)]
fn extensions<P: Packet + ?Sized>(
    packet: &P,
    mut quoted: Quoted,
    end: usize,
) -> Result<Quoted, Reason> {
    for _ in 0..=EXTENSIONS_MAX {
        let unit = match quoted.proto {
            proto::HOP_BY_HOP | proto::ROUTING | proto::DESTINATION_OPTIONS => 8,
            proto::AH => 4,
            proto::FRAGMENT => 0,
            _ => return Ok(quoted),
        };
        let header: &ExtensionHeader = packet.view(quoted.l4).ok_or(Reason::Malformed)?;
        if quoted.proto == proto::FRAGMENT && u16::from_be_bytes(header.body) >> 3 != 0 {
            return Err(Reason::Malformed);
        }
        quoted.proto = header.next;
        quoted.l4 += size_of::<ExtensionHeader>() + usize::from(header.len) * unit;
        if quoted.l4 > end || quoted.l4 > HEADERS_MAX {
            return Err(Reason::Malformed);
        }
    }
    Err(Reason::Malformed)
}

/// Source and destination port, as far as the protocol has ports; of a ping's answer the request.
#[inline(always)]
fn ports<P: Packet + ?Sized>(
    packet: &P,
    quoted: &Quoted,
    end: usize,
) -> Result<(u16, u16), Reason> {
    const ECHO_REPLY_V4: u16 = 0;
    const ECHO_REPLY_V6: u16 = 129 << 8;

    if quoted.l4 + size_of::<PortsHeader>() > end {
        return Err(Reason::Malformed);
    }
    match quoted.proto {
        proto::TCP | proto::UDP | proto::SCTP | proto::DCCP | proto::UDP_LITE => {
            let ports: &PortsHeader = packet.view(quoted.l4).ok_or(Reason::Malformed)?;
            Ok((
                u16::from_be_bytes(ports.src_port),
                u16::from_be_bytes(ports.dst_port),
            ))
        }
        proto::ICMP | proto::ICMPV6 => {
            let icmp: &IcmpHeader = packet.view(quoted.l4).ok_or(Reason::Malformed)?;
            match (quoted.proto, u16::from_be_bytes(icmp.type_and_code)) {
                (proto::ICMP, ECHO_REPLY_V4) => Ok((ECHO_V4, 0)),
                (proto::ICMPV6, ECHO_REPLY_V6) => Ok((ECHO_V6, 0)),
                // No error is about another ICMP message of a server's (RFC 1122 section 3.2.2).
                _ => Err(Reason::Malformed),
            }
        }
        _ => Ok((0, 0)),
    }
}

#[cfg(test)]
mod tests;
