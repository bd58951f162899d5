use proptest::prelude::*;

use super::*;
use crate::{forward::Hop, parse::parse};

const OWN: [u8; 6] = [2, 0, 0, 0, 0, 1];
const CLIENT: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// A frame of UDP over IPv4.
fn v4(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut frame = [&OWN[..], &CLIENT, &[8, 0]].concat();
    frame.extend([0x45, 0, 0, 44, 0x12, 0x34, 0x40, 0, 64, 17, 0, 0]);
    frame.extend([10, 20, 0, 2, 192, 0, 2, 7]);
    frame.extend([0x9c, 0x40, 1, 187, 0, 24, 0xab, 0xcd]);
    frame.extend([7; 16]);
    change(&mut frame);
    sum_up(&mut frame);
    frame
}

/// Makes the checksum of the IPv4 header right.
fn sum_up(frame: &mut [u8]) {
    frame[24..26].fill(0);
    let words = frame[14..34].chunks(2);
    let mut sum: u32 = words.map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    frame[24..26].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}

/// A frame of UDP over IPv6.
fn v6(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut frame = [&OWN[..], &CLIENT, &[0x86, 0xdd]].concat();
    frame.extend([0x60, 0x01, 0x23, 0x45, 0, 24, 17, 64]);
    frame.extend([0x20, 1, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    frame.extend([0x20, 1, 0x0d, 0xb8, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
    frame.extend([0x9c, 0x40, 1, 187, 0, 24, 0xab, 0xcd]);
    frame.extend([7; 16]);
    change(&mut frame);
    frame
}

fn read(frame: &[u8]) -> Result<Crossing, Fate> {
    let datagram = parse(frame).map_err(|_| Fate::Local)?;
    crossing(frame, &datagram, frame.len(), frame.len())
}

fn hop(route: Route) -> Hop {
    Hop {
        route,
        epoch: 1,
        since: 1,
        to: 9,
        detail: 1500,
        own: OWN,
        from_mac: [4; 6],
        to_mac: [6; 6],
        pad: [0; 6],
    }
}

#[test]
fn plain_packets_cross() {
    let frame = v4(|_| {});
    let seen = read(&frame).unwrap();
    assert!(seen.is_v4);
    assert_eq!((seen.len, seen.own), (44, OWN));
    assert_eq!(seen.route.class(), 0);
    let seen = read(&v4(|frame| frame[15] = 0xb8)).unwrap();
    assert_eq!(seen.route.class(), 0xb8);
    let seen = read(&v6(|frame| frame[14..16].copy_from_slice(&[0x6b, 0x81]))).unwrap();
    assert!(!seen.is_v4);
    assert_eq!((seen.len, seen.own), (64, OWN));
    assert_eq!(
        seen.route.class(),
        u32::from_ne_bytes([0x0b, 0x81, 0x23, 0x45])
    );
    // Padded to the shortest frame there is.
    let short = v4(|frame| {
        frame[17] = 28;
        frame[39] = 8;
        frame.truncate(42);
        frame.resize(60, 0);
    });
    assert_eq!(read(&short).unwrap().len, 28);
}

type Change = fn(&mut Vec<u8>);

#[test]
fn others_go_up_the_stack() {
    let table: [(&str, Change, Fate); 15] = [
        ("the last hop", |f| f[22] = 1, Fate::TimeToLive),
        ("no hop", |f| f[22] = 0, Fate::TimeToLive),
        ("a first fragment", |f| f[20] = 0x20, Fate::Fragment),
        ("a later fragment", |f| f[21] = 9, Fate::Fragment),
        ("DNS", |f| f[36..38].copy_from_slice(&[0, 53]), Fate::Dns),
        ("an error", |f| (f[23], f[34]) = (1, 3), Fate::Icmp),
        ("from 0.0.0.0/8", |f| f[26] = 0, Fate::Address),
        ("from 127.0.0.0/8", |f| f[26] = 127, Fate::Address),
        ("from multicast", |f| f[26] = 224, Fate::Address),
        ("to 0.0.0.0/8", |f| f[30] = 0, Fate::Address),
        ("to 127.0.0.0/8", |f| f[30] = 127, Fate::Address),
        ("to multicast", |f| f[30] = 239, Fate::Address),
        ("to a broadcast", |f| f[30..34].fill(255), Fate::Address),
        ("more behind it", |f| f.resize(62, 0), Fate::Buffers),
        (
            "a tag",
            |f| {
                f.splice(12..12, [0x81, 0, 0, 5]);
            },
            Fate::Tagged,
        ),
    ];
    for (what, change, fate) in table {
        let mut frame = v4(|_| {});
        change(&mut frame);
        if fate != Fate::Tagged {
            sum_up(&mut frame);
        }
        assert_eq!(read(&frame), Err(fate), "{what}");
    }
    let mut wrong = v4(|_| {});
    wrong[25] ^= 1;
    assert_eq!(read(&wrong), Err(Fate::Checksum));
    let options = v4(|frame| {
        frame[14] = 0x46;
        frame[17] += 4;
        frame.splice(34..34, [1, 1, 1, 0]);
    });
    assert_eq!(read(&options), Err(Fate::Options));
    let frame = v4(|_| {});
    let datagram = parse(&frame[..]).unwrap();
    let seen = crossing(&frame[..], &datagram, 53, frame.len());
    assert_eq!(seen, Err(Fate::Buffers), "its end is in another buffer");
    let seen = crossing(&frame[..], &datagram, frame.len(), frame.len() + 100);
    assert_eq!(seen, Err(Fate::Buffers), "another buffer");
}

#[test]
fn others_of_ipv6_go_up_the_stack() {
    let table: [(&str, Change, Fate); 10] = [
        ("the last hop", |f| f[21] = 1, Fate::TimeToLive),
        ("DNS", |f| f[56..58].copy_from_slice(&[0, 53]), Fate::Dns),
        (
            "a neighbour's question",
            |f| (f[20], f[54]) = (58, 135),
            Fate::Icmp,
        ),
        ("an error", |f| (f[20], f[54]) = (58, 1), Fate::Icmp),
        ("unspecified", |f| f[22..38].fill(0), Fate::Address),
        (
            "of the link",
            |f| f[22..24].copy_from_slice(&[0xfe, 0x80]),
            Fate::Address,
        ),
        (
            "to the link",
            |f| f[38..40].copy_from_slice(&[0xfe, 0x80]),
            Fate::Address,
        ),
        (
            "to multicast",
            |f| f[38..40].copy_from_slice(&[0xff, 0x0e]),
            Fate::Address,
        ),
        ("loopback", |f| f[38..53].fill(0), Fate::Address),
        (
            "an extension",
            |f| {
                f[20] = 60;
                f[19] += 8;
                f.splice(54..54, [17, 0, 1, 4, 0, 0, 0, 0]);
            },
            Fate::Options,
        ),
    ];
    for (what, change, fate) in table {
        assert_eq!(read(&v6(change)), Err(fate), "{what}");
    }
    for kind in [128, 129] {
        assert!(read(&v6(|f| (f[20], f[54]) = (58, kind))).is_ok());
    }
    for kind in [0, 8] {
        assert!(read(&v4(|f| (f[23], f[34]) = (1, kind))).is_ok());
    }
}

#[test]
fn headers_change_as_the_stack_changes_them() {
    let mut frame = v4(|_| {});
    let before = frame.clone();
    let hop = hop(read(&frame).unwrap().route);
    headers::<Headers4>(&mut frame).forward(&hop);
    assert_eq!(frame[..12], [[6; 6], [4; 6]].concat());
    assert_eq!(frame[12..22], before[12..22]);
    assert_eq!(frame[22], 63);
    assert_eq!(frame[26..], before[26..]);
    let mut expected = frame.clone();
    sum_up(&mut expected);
    assert_eq!(frame, expected);
    let mut frame = v6(|_| {});
    let before = frame.clone();
    headers::<Headers6>(&mut frame).forward(&hop);
    assert_eq!(frame[..12], [[6; 6], [4; 6]].concat());
    assert_eq!(frame[21], 63);
    assert_eq!(
        (&frame[12..21], &frame[22..]),
        (&before[12..21], &before[22..])
    );
}

/// The headers where they lie.
fn headers<T: Headers>(frame: &mut [u8]) -> &mut T {
    assert!(size_of::<T>() <= frame.len());
    // SAFETY: the frame is as long, and Wire types have alignment 1 and no invalid values.
    unsafe { &mut *frame.as_mut_ptr().cast() }
}

/// As `ip_decrease_ttl` (include/net/ip.h) has it, word by word in the machine's order.
fn as_the_kernel(checksum: [u8; 2]) -> [u8; 2] {
    let check = u32::from(u16::from_ne_bytes(checksum)) + u32::from(0x0100_u16.to_be());
    (check.wrapping_add(u32::from(check >= 0xffff)) as u16).to_ne_bytes()
}

#[test]
fn every_checksum_becomes_the_stack_s() {
    for checksum in 0..=u16::MAX {
        let checksum = checksum.to_be_bytes();
        assert_eq!(
            of_less_ttl(checksum),
            as_the_kernel(checksum),
            "{checksum:?}"
        );
    }
}

proptest! {
    #[test]
    fn a_right_checksum_stays_right(header: [u8; 20], ttl in 2..=u8::MAX) {
        let mut frame = v4(|frame| {
            frame[15..34].copy_from_slice(&header[1..]);
            frame[22] = ttl;
        });
        let route = Route::new(Addr::v4([0; 4]), Addr::v4([0; 4]), 0, 0);
        headers::<Headers4>(&mut frame).forward(&hop(route));
        prop_assert_eq!(frame[22], ttl - 1);
        let Headers4 { ip, .. } = frame[..].view(0).unwrap();
        prop_assert!(is_sound(ip));
    }

    #[test]
    fn whatever_comes_is_read_or_goes_up(bytes in prop::collection::vec(any::<u8>(), 0..120), kind in 0..3) {
        let mut frame = bytes;
        if frame.len() > 14 {
            match kind {
                0 => frame[12..15].copy_from_slice(&[8, 0, 0x45]),
                1 => frame[12..15].copy_from_slice(&[0x86, 0xdd, 0x60]),
                _ => {}
            }
        }
        if let Ok(seen) = read(&frame) {
            prop_assert!(seen.len as usize + 14 <= frame.len());
        }
    }
}
