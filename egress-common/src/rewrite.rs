//! Two bytes of a UDP payload replaced, and the checksum with them.
//!
//! In: a frame before any program of TC, of which nobody says whether its checksum is whole: what machines of
//! the same host send (containers, through a veth pair) carries the sum of the pseudo-header alone, and the
//! kernel adds the rest when it leaves. Out: the frame with the new bytes, and with a checksum that is right
//! in either case.

use crate::{
    checksum::{Sum, replaced},
    flow::proto,
    packet::{Packet, Reshape, Wire},
    parse::{
        Datagram,
        wire::{Ipv4Header, Ipv6Header, UdpHeader},
    },
};

/// Two bytes.
#[repr(C)]
struct Pair([u8; 2]);

// SAFETY: repr(C) of bytes.
unsafe impl Wire for Pair {}

/// Offset of the checksum in a UDP header.
pub const CHECKSUM: usize = 6;
/// Stands for no checksum, which only IPv4 knows (RFC 768).
const NONE: [u8; 2] = [0; 2];

/// Replaces the two bytes at offset `at` of the frame; nothing happens where they cannot be reached.
#[inline(always)]
pub fn replace_pair<P: Reshape>(
    packet: &mut P,
    datagram: &Datagram,
    at: usize,
    new: [u8; 2],
) -> Option<()> {
    let Pair(old) = *packet.view(at)?;
    let field = packet.view::<UdpHeader>(datagram.l4)?.checksum;
    let is_partial = field == pseudo_header(packet, datagram)?;
    packet.put(at, Pair(new))?;
    if field == NONE || is_partial {
        return Some(());
    }
    let changed = match (at - datagram.l4) % 2 {
        0 => replaced(field, old, new),
        // Across two words of the sum, which does not mind the order of bytes if all are swapped.
        _ => replaced(field, swapped(old), swapped(new)),
    };
    let changed = if changed == NONE { [0xff; 2] } else { changed };
    packet.put(datagram.l4 + CHECKSUM, Pair(changed))
}

/// The two bytes in the other order.
#[inline(always)]
pub const fn swapped([first, second]: [u8; 2]) -> [u8; 2] {
    [second, first]
}

/// What the field of a checksum holds that is still to be made: the sum itself, not its complement.
#[inline(always)]
fn pseudo_header<P: Packet + ?Sized>(packet: &P, datagram: &Datagram) -> Option<[u8; 2]> {
    let addresses = if datagram.flow.src.is_v4() {
        let ip: &Ipv4Header = packet.view(datagram.l3)?;
        Sum::default().bytes(ip.src).bytes(ip.dst)
    } else {
        let ip: &Ipv6Header = packet.view(datagram.l3)?;
        Sum::default().address(ip.src).address(ip.dst)
    };
    let len = packet.view::<UdpHeader>(datagram.l4)?.len;
    let [high, low] = addresses.pair([0, proto::UDP]).pair(len).field();
    Some([!high, !low])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::parse;

    /// A UDP datagram with this payload, and its checksum or what stands in place of one.
    fn frame(is_v4: bool, payload: &[u8], field: impl Fn([u8; 2], [u8; 2]) -> [u8; 2]) -> Vec<u8> {
        let len = ((8 + payload.len()) as u16).to_be_bytes();
        let addresses: Vec<u8> = match is_v4 {
            true => vec![10, 20, 0, 2, 192, 0, 2, 53],
            false => [
                &[0x20, 1, 13, 0xb8][..],
                &[0; 11],
                &[2],
                &[0x20, 1, 13, 0xb8],
                &[0; 11],
                &[53],
            ]
            .concat(),
        };
        let ip = match is_v4 {
            true => {
                let total = ((28 + payload.len()) as u16).to_be_bytes();
                [
                    &[0x45, 0, total[0], total[1], 0, 0, 0, 0, 64, 17, 0, 0],
                    &addresses[..],
                ]
                .concat()
            }
            false => [&[0x60, 0, 0, 0, len[0], len[1], 17, 64], &addresses[..]].concat(),
        };
        let pseudo = [&addresses[..], &[0, 17], &len].concat();
        let udp = [&[0x9c, 0x40, 0, 53], &len[..], &[0, 0], payload].concat();
        let field = field(sum(&pseudo), sum(&[&pseudo[..], &udp].concat()));
        let ether = [&[2; 12][..], if is_v4 { &[8, 0] } else { &[0x86, 0xdd] }].concat();
        let mut frame = [ether, ip, udp].concat();
        let at = frame.len() - payload.len() - 2;
        frame[at..at + 2].copy_from_slice(&field);
        frame
    }

    /// The sum of words, as RFC 1071 section 4.1 writes it.
    fn sum(bytes: &[u8]) -> [u8; 2] {
        let words = bytes
            .chunks(2)
            .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
        let mut sum: u32 = words.sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        (sum as u16).to_be_bytes()
    }

    fn complement(sum: [u8; 2]) -> [u8; 2] {
        match sum.map(|byte| !byte) {
            [0, 0] => [0xff; 2],
            field => field,
        }
    }

    #[test]
    fn a_checksum_stays_right_whatever_it_was() {
        let payloads: Vec<Vec<u8>> = (0..64)
            .map(|i| {
                (0..40)
                    .map(|k: u8| k.wrapping_mul(i).wrapping_add(3))
                    .collect()
            })
            .collect();
        /// The field, from the sum of the pseudo-header and from that of all.
        type Field = fn([u8; 2], [u8; 2]) -> [u8; 2];
        let kinds: [Field; 3] = [
            |_, whole| complement(whole),
            |_, _| [0; 2],
            |pseudo, _| pseudo,
        ];
        for payload in &payloads {
            for is_v4 in [true, false] {
                for place in [10, 11, 20, 37] {
                    for (kind, field) in kinds.iter().enumerate() {
                        let mut changed = payload.clone();
                        changed[place..place + 2].copy_from_slice(&[4, 208]);
                        let mut packet = frame(is_v4, payload, field);
                        let datagram = parse(&packet[..]).unwrap();
                        let at = packet.len() - payload.len() + place;
                        replace_pair(&mut packet, &datagram, at, [4, 208]).unwrap();
                        assert_eq!(
                            packet,
                            frame(is_v4, &changed, field),
                            "kind {kind} at {place}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_reached_stays() {
        let packet = frame(true, &[0; 12], |_, whole| complement(whole));
        let datagram = parse(&packet[..]).unwrap();
        let mut same = packet.clone();
        assert_eq!(
            replace_pair(&mut same, &datagram, packet.len() - 1, [1, 2]),
            None
        );
        assert_eq!(same, packet);
    }
}
