//! What tells a client that its packet was rejected.
//!
//! In: a packet that is not allowed. Out: the same frame turned into its answer, checksums included: a TCP
//! reset, or an ICMP error that says "administratively prohibited"; or nothing where a packet must not be
//! answered. The answer comes from the address that was asked: the reset must, and the error may, since
//! the packet that it quotes tells the client which connection it ends; so no address of the gateway's
//! own is needed.

use crate::{
    flow::proto,
    packet::{Packet, Reshape},
    parse::{
        Datagram,
        quote::{self, Message},
        wire::{EtherHeader, TcpHeader, VlanTag},
    },
};

mod headers;
mod query;

use self::headers::{ErrorV4, ErrorV6, ResetV4, ResetV6};
pub use self::query::refuse_query;

/// How a client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// By a TCP reset.
    Reset,
    /// By an ICMP error.
    Prohibited,
}

/// Reset among the flags of TCP (RFC 9293 section 3.1).
const RST: u8 = 0x04;

/// How the sender of a packet is told; nothing where nobody may be: errors and resets are not answered,
/// nor are later fragments, nor what comes from or goes to several machines (RFC 1122 section 3.2.2, RFC
/// 4443 section 2.4, RFC 9293 section 3.10.7).
#[inline(always)]
pub fn refusal<P: Packet + ?Sized>(packet: &P, datagram: &Datagram) -> Option<Refusal> {
    const GROUP_ADDRESS: u8 = 1;

    let flow = &datagram.flow;
    let ether: &EtherHeader = packet.view(0)?;
    let ([to, ..], [from, ..]) = (ether.destination, ether.source);
    if (to | from) & GROUP_ADDRESS != 0
        || flow.later_fragment
        || !flow.src.is_unicast()
        || !flow.dst.is_unicast()
        || quote::message(flow) != Message::Other
    {
        return None;
    }
    if flow.proto != proto::TCP {
        return Some(Refusal::Prohibited);
    }
    let tcp: &TcpHeader = packet.view(datagram.l4)?;
    if tcp.flags & RST != 0 {
        return None;
    }
    // How long the segment is, which a reset acknowledges, a fragment does not say.
    match datagram.piece.is_fragment() {
        true => Some(Refusal::Prohibited),
        false => Some(Refusal::Reset),
    }
}

/// Turns a packet into its answer; tells whether it did. Where it did not, the frame is good for nothing.
#[inline(always)]
pub fn answer<P: Reshape>(packet: &mut P, datagram: &Datagram, refusal: Refusal) -> bool {
    let answered = match (refusal, datagram.flow.src.is_v4()) {
        (Refusal::Reset, true) => reset::<_, ResetV4>(packet, datagram),
        (Refusal::Reset, false) => reset::<_, ResetV6>(packet, datagram),
        (Refusal::Prohibited, true) => prohibited::<_, ErrorV4>(packet, datagram),
        (Refusal::Prohibited, false) => prohibited::<_, ErrorV6>(packet, datagram),
    };
    answered.is_some()
}

/// A reset in place of the segment. The frame never grows: options and extension headers only leave.
#[inline(always)]
fn reset<P: Reshape, R: headers::Reset>(packet: &mut P, datagram: &Datagram) -> Option<()> {
    let headers = R::of(packet, datagram)?;
    let link = Link::answering(packet, datagram.l3)?;
    packet.cut(datagram.l3 + size_of::<R>())?;
    link.put(packet)?;
    packet.put(datagram.l3, headers)
}

/// An error in front of the packet, of which it quotes as much as it may.
#[inline(always)]
fn prohibited<P: Reshape, E: headers::Error>(packet: &mut P, datagram: &Datagram) -> Option<()> {
    let quotable = datagram.end.min(packet.visible()) - datagram.l3;
    // Whole words, which the checksum adds.
    let quoted = quotable.min(E::QUOTE_MAX) & !3;
    let headers = E::of(packet, datagram, quoted)?;
    let link = Link::answering(packet, datagram.l3)?;
    packet.cut(datagram.l3 + quoted)?;
    packet.push(size_of::<E>())?;
    link.put(packet)?;
    packet.put(link.len, headers)
}

/// Link layer of an answer: back to where the frame came from, in the same VLAN.
#[derive(Clone, Copy)]
struct Link {
    ether: EtherHeader,
    tags: [VlanTag; 2],
    len: usize,
}

impl Link {
    #[inline(always)]
    fn answering<P: Packet + ?Sized>(packet: &P, len: usize) -> Option<Self> {
        let EtherHeader {
            destination,
            source,
            ether_type,
        } = *packet.view(0)?;
        // An IP header stands behind the link layer, so these are there even where they are no tags.
        let first: &VlanTag = packet.view(Self::FIRST_TAG)?;
        let second: &VlanTag = packet.view(Self::SECOND_TAG)?;
        Some(Self {
            ether: EtherHeader {
                destination: source,
                source: destination,
                ether_type,
            },
            tags: [*first, *second],
            len,
        })
    }

    const FIRST_TAG: usize = size_of::<EtherHeader>();
    const SECOND_TAG: usize = Self::FIRST_TAG + size_of::<VlanTag>();

    #[inline(always)]
    fn put<P: Reshape>(&self, packet: &mut P) -> Option<()> {
        let [first, second] = self.tags;
        packet.put(0, self.ether)?;
        if self.len > Self::FIRST_TAG {
            packet.put(Self::FIRST_TAG, first)?;
        }
        if self.len > Self::SECOND_TAG {
            packet.put(Self::SECOND_TAG, second)?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests;
