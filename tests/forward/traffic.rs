//! Frames of all kinds, and what becomes of them.

use std::net::IpAddr;

use anyhow::Result;
use fastrand::Rng;
use lab::frame::{ETHERNET, Extension, Frame, Transport};

use super::crossing::{Crossing, WAN_MTU};

/// Routes on the gateway, by destination.
const ROUTES: [[&str; 2]; 6] = [
    ["blackhole", "203.0.113.64/28"],
    ["unreachable", "203.0.113.80/28"],
    ["prohibit", "203.0.113.96/28"],
    ["blackhole", "2001:db8:1:b::/64"],
    ["unreachable", "2001:db8:1:c::/64"],
    ["prohibit", "2001:db8:1:d::/64"],
];
/// The one that a destination without a neighbour is behind.
const NOBODY: &str = "192.0.2.99";

const SOURCES_V4: [&str; 8] = [
    "10.20.0.2",
    "10.20.0.2",
    "10.20.0.2",
    "10.20.5.5",
    "198.51.100.1",
    "0.0.0.0",
    "127.0.0.1",
    "224.0.0.9",
];
const SOURCES_V6: [&str; 7] = [
    "fd00:20::2",
    "fd00:20::2",
    "fd00:20::2",
    "fd00:20::55",
    "2001:db8:77::1",
    "fe80::2",
    "::1",
];
const PLAIN_V4: [&str; 3] = ["203.0.113.9", "203.0.113.10", "198.51.100.200"];
const PLAIN_V6: [&str; 2] = ["2001:db8:1::9", "2001:db8:44::10"];
const ODD_V4: [&str; 10] = [
    "203.0.113.65",
    "203.0.113.81",
    "203.0.113.97",
    "203.0.113.113",
    "192.0.2.255",
    "224.1.2.3",
    "127.0.0.5",
    "0.0.0.9",
    "10.20.0.1",
    "255.255.255.255",
];
const ODD_V6: [&str; 7] = [
    "2001:db8:1:b::1",
    "2001:db8:1:c::1",
    "2001:db8:1:d::1",
    "ff0e::9",
    "fe80::9",
    "fd00:20::1",
    "::9",
];

/// Frames of a seed.
pub struct Traffic {
    rng: Rng,
    macs: [[u8; 6]; 2],
}

impl Traffic {
    /// Frames of a seed, for this gateway, whose routes are made where they are not there yet.
    pub fn new(seed: u64, crossing: &Crossing) -> Result<Self> {
        for [kind, net] in ROUTES {
            crossing.ip(&["route", "replace", kind, net])?;
        }
        crossing.ip(&["route", "replace", "203.0.113.112/28", "via", NOBODY])?;
        Ok(Self {
            rng: Rng::with_seed(seed),
            macs: crossing.macs,
        })
    }

    /// The next one.
    pub fn next(&mut self) -> Vec<u8> {
        let is_v4 = self.rng.bool();
        let is_plain = self.rng.bool();
        let (sources, plain, odd): (&[&str], &[&str], &[&str]) = if is_v4 {
            (&SOURCES_V4, &PLAIN_V4, &ODD_V4)
        } else {
            (&SOURCES_V6, &PLAIN_V6, &ODD_V6)
        };
        let mut src = sources[0];
        let mut dst = self.pick(plain);
        if !is_plain && self.rng.bool() {
            src = self.pick(sources);
        }
        if !is_plain && self.rng.bool() {
            dst = self.pick(odd);
        }
        let addr = |text: &str| text.parse::<IpAddr>().expect("an address of the table");
        let mut frame = Frame::new(addr(src), addr(dst), self.transport(is_v4));
        frame.id = self.rng.u16(..);
        if !is_plain {
            self.decorate(&mut frame);
        }
        let bytes = finished(frame.to_bytes(), self.macs);
        if is_plain {
            bytes
        } else {
            self.spoil(bytes, is_v4)
        }
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.rng.usize(..of.len())]
    }

    fn transport(&mut self, is_v4: bool) -> Transport {
        let behind = WAN_MTU as usize - if is_v4 { 28 } else { 48 };
        let len = match self.rng.u8(..4) {
            0 => self.rng.usize(..40),
            1 => self.rng.usize(40..behind),
            // About as long as the way takes.
            _ => behind - 3 + self.rng.usize(..7),
        };
        let payload: Vec<u8> = (0..len).map(|_| self.rng.u8(..)).collect();
        let echo = if is_v4 { 8 } else { 128 };
        match self.rng.u8(..12) {
            0 => Transport::Tcp(40_000, 443),
            1 => Transport::Segment(40_001, 443, 7, 0x10, payload),
            2 => Transport::Icmp(echo, 0, payload),
            3 => Transport::Icmp(self.rng.u8(..), 0, payload),
            4 => Transport::Ports(132, 7, 443),
            5 => Transport::Other(50),
            6 => Transport::Udp(40_000, 53, payload),
            _ => Transport::Udp(40_000, self.rng.u16(..), payload),
        }
    }

    /// Options, fragments, extension headers, tags.
    fn decorate(&mut self, frame: &mut Frame) {
        let is_v4 = frame.src.is_ipv4();
        match self.rng.u8(..8) {
            0 if is_v4 => frame.options = vec![1, 1, 1, 0],
            1 if is_v4 => frame.options = vec![7, 7, 4, 0, 0, 0, 0, 0],
            2 if is_v4 => frame.fragment = Some((0, true)),
            3 if is_v4 => frame.fragment = Some((9, false)),
            0 => frame.extensions = vec![Extension::HopByHop(0)],
            1 => frame.extensions = vec![Extension::Destination(1)],
            2 => frame.extensions = vec![Extension::Fragment(0, true)],
            3 => frame.extensions = vec![Extension::Fragment(9, false)],
            4 => (frame.tags, frame.vlan) = (vec![0x8100], 5),
            _ => {}
        }
    }

    /// Another hop limit, class, checksum, link address, length.
    fn spoil(&mut self, mut bytes: Vec<u8>, is_v4: bool) -> Vec<u8> {
        let is_tagged = bytes[12..14] == [0x81, 0];
        if is_tagged {
            return bytes;
        }
        match self.rng.u8(..9) {
            0 => bytes[if is_v4 { 22 } else { 21 }] = self.rng.u8(..4),
            1 => bytes[15] = self.rng.u8(..),
            2 if is_v4 => bytes[20] ^= 0x40,
            3 => bytes[..6].copy_from_slice(&[2, 9, 9, 9, 9, 9]),
            4 => bytes[..6].fill(0xff),
            5 => bytes.extend([0; 9]),
            6 => bytes.truncate(bytes.len() - 1),
            _ => {}
        }
        let mut bytes = summed(bytes);
        if is_v4 && self.rng.u8(..5) == 0 {
            bytes[24] ^= 0x10;
        }
        bytes
    }
}

/// A frame between two link addresses, with the checksum of its IPv4 header.
pub fn finished(mut bytes: Vec<u8>, [to, from]: [[u8; 6]; 2]) -> Vec<u8> {
    bytes[..6].copy_from_slice(&to);
    bytes[6..12].copy_from_slice(&from);
    summed(bytes)
}

fn summed(mut bytes: Vec<u8>) -> Vec<u8> {
    let at = match bytes.get(12..14) {
        Some([0x08, 0]) => ETHERNET,
        Some([0x81, 0]) if bytes.get(16..18) == Some(&[0x08, 0]) => ETHERNET + 4,
        _ => return bytes,
    };
    let end = at + usize::from(bytes[at] & 15) * 4;
    bytes[at + 10..at + 12].fill(0);
    let words = bytes[at..end].chunks(2);
    let mut sum: u32 = words.map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    bytes[at + 10..at + 12].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    bytes
}

/// What came of frames.
#[derive(Default)]
pub struct Arrived {
    /// At the internet, from the client's side, up to the end of what IP holds.
    pub there: Vec<Vec<u8>>,
    /// At the client, as errors of the gateway: type, code, and the packet that they are about.
    pub back: Vec<Vec<u8>>,
}

impl Arrived {
    /// A frame that the internet sees, from the gateway's link address or another one.
    pub fn arrives(&mut self, frame: &[u8], gateway: [u8; 6]) {
        let Some(end) = end(frame) else {
            return;
        };
        if frame[6..12] != gateway || frame.len() < end || is_of_gateway(frame) {
            return;
        }
        // Padding stays up to the shortest frame, and nothing else.
        let trailer = frame.len().max(60) - end.max(60);
        let mut seen = frame[..end].to_vec();
        seen.extend(vec![0xee; trailer]);
        self.there.push(seen);
    }

    /// A frame that the client sees.
    pub fn comes_back(&mut self, frame: &[u8]) {
        let Some(_) = end(frame) else {
            return;
        };
        let (is_error, at) = match frame[12..14] {
            [0x08, 0] => (
                frame[23] == 1
                    && frame[26..30] == [10, 20, 0, 1]
                    && [3, 11, 12].contains(&frame[34]),
                34,
            ),
            _ => (
                frame[20] == 58
                    && frame[22..26] == [0xfd, 0, 0, 0x20]
                    && frame[37] == 1
                    && frame[54] < 5,
                54,
            ),
        };
        let about = |addr: &[u8]| frame.windows(addr.len()).any(|bytes| bytes == addr);
        let is_by_chance = match frame[at..at + 2] {
            // What no route leads to: the kernel says so once a second (`ip_error`, net/ipv4/route.c).
            [3, 0 | 1 | 13] => true,
            // A neighbour that nobody is, given up some seconds later.
            [1, 3] => about(&[0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]),
            _ => false,
        };
        if is_error && !is_by_chance {
            self.back.push(frame[at..].to_vec());
        }
    }

    /// Makes the order the same whatever arrived first.
    pub fn sort(&mut self) {
        self.there.sort();
        self.back.sort();
    }
}

/// Whether the gateway speaks for itself: looks for its neighbours, or says of whom it forwards nothing.
fn is_of_gateway(frame: &[u8]) -> bool {
    if frame[12..14] == [0x08, 0] {
        let own = [[192, 0, 2, 1], [10, 20, 0, 1]];
        return frame[23] == 1 && own.iter().any(|own| frame[26..30] == *own);
    }
    let own: [&[u8]; 3] = [
        &[0xfe, 0x80],
        &[0x20, 1, 0x0d, 0xb8, 0xff, 0xff],
        &[0xfd, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    ];
    own.iter().any(|own| frame[22..].starts_with(own))
}

/// Where what IP holds ends in a frame; nothing where it is no frame of IP.
fn end(frame: &[u8]) -> Option<usize> {
    match frame.get(12..14)? {
        [0x08, 0] if frame.len() >= 34 => {
            Some(ETHERNET + usize::from(u16::from_be_bytes([frame[16], frame[17]])))
        }
        [0x86, 0xdd] if frame.len() >= 58 => {
            Some(ETHERNET + 40 + usize::from(u16::from_be_bytes([frame[18], frame[19]])))
        }
        _ => None,
    }
}

/// Frames that only one of two runs had.
pub fn differences(fast: &Arrived, plain: &Arrived) -> Vec<String> {
    let pairs = [
        ("arrived with it", &fast.there, &plain.there),
        ("arrived without it", &plain.there, &fast.there),
        ("answered with it", &fast.back, &plain.back),
        ("answered without it", &plain.back, &fast.back),
    ];
    let found = pairs.into_iter().flat_map(|(what, first, second)| {
        only(first, second).map(move |frame| format!("only {what}: {}", hex(&frame)))
    });
    found.take(12).collect()
}

/// Those of the first that the second lacks, each as often as it is too many; both are sorted.
fn only<'a>(first: &'a [Vec<u8>], second: &'a [Vec<u8>]) -> impl Iterator<Item = Vec<u8>> + 'a {
    let mut rest = second.to_vec();
    first
        .iter()
        .filter_map(move |frame| match rest.binary_search(frame) {
            Ok(at) => {
                rest.remove(at);
                None
            }
            Err(_) => Some(frame.clone()),
        })
}

fn hex(bytes: &[u8]) -> String {
    let shown = bytes.iter().take(80).map(|byte| format!("{byte:02x}"));
    format!("{} ({} bytes)", shown.collect::<String>(), bytes.len())
}
