//! Packets of a capture, one after the other.
//!
//! In: pcap or pcapng, of any size. Out: [`Captured`] frames with an Ethernet header, as far as the link
//! type is known.

use std::{io::Read, mem};

use pcap_parser::{
    Block, Linktype, PcapBlockOwned, PcapError, create_reader,
    traits::{PcapNGPacketBlock as _, PcapReaderIterator},
};

use super::frame;

/// Blocks of a capture are smaller: a frame has at most 262,144 bytes in libpcap.
const BUFFER_BYTES: usize = 1 << 20;

/// A packet of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// When it was seen, in ms since 1970.
    pub at_ms: u64,
    /// The frame, as long as it was on the wire or as [`frame::LONGEST`].
    pub frame: Vec<u8>,
    /// Its length on the wire.
    pub wire_len: usize,
}

/// Why a capture cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// Neither pcap nor pcapng.
    #[error("this is no capture: it begins neither as pcap nor as pcapng")]
    Unknown,
    /// It ends in the middle of a packet.
    #[error("the capture ends within packet {0}: it is cut off")]
    CutOff(u64),
    /// It is damaged.
    #[error("the capture is damaged behind packet {0}")]
    Damaged(u64),
    /// A packet of a kind of link that is not read.
    #[error(
        "packet {packet} is of link type {link_type}; Ethernet (1), raw IP (101, 228, 229) and Linux cooked (113, 276) are read"
    )]
    LinkType {
        /// Number of the packet, from 1.
        packet: u64,
        /// Number of the link type (tcpdump.org/linktypes.html).
        link_type: i32,
    },
}

/// How an interface of a capture writes its packets.
#[derive(Clone, Copy)]
struct Interface {
    link_type: Linktype,
    /// Units of time a second.
    resolution: u64,
    /// Seconds to add.
    offset: i64,
}

/// A capture that is being read.
pub struct Capture<'a> {
    reader: Box<dyn PcapReaderIterator + Send + 'a>,
    interfaces: Vec<Interface>,
    packets: u64,
    is_over: bool,
}

impl<'a> Capture<'a> {
    /// Begins to read.
    ///
    /// # Errors
    /// It is no capture.
    pub fn open(file: impl Read + Send + 'a) -> Result<Self, CaptureError> {
        Ok(Self {
            reader: create_reader(BUFFER_BYTES, file).map_err(|_| CaptureError::Unknown)?,
            interfaces: Vec::new(),
            packets: 0,
            is_over: false,
        })
    }

    fn next_packet(&mut self) -> Result<Option<Captured>, CaptureError> {
        let mut stalled = 0;
        loop {
            let (offset, step) = match self.reader.next() {
                Ok((offset, block)) => (offset, step(&mut self.interfaces, self.packets, &block)),
                Err(PcapError::Eof) => return Ok(None),
                Err(PcapError::Incomplete(_)) => {
                    let before = self.reader.data().len();
                    let refilled = self.reader.refill();
                    refilled.map_err(|_| CaptureError::Damaged(self.packets))?;
                    stalled = if self.reader.data().len() > before {
                        0
                    } else {
                        stalled + 1
                    };
                    if stalled > 1 {
                        return Err(CaptureError::CutOff(self.packets + 1));
                    }
                    continue;
                }
                Err(PcapError::UnexpectedEof) => {
                    return Err(CaptureError::CutOff(self.packets + 1));
                }
                Err(_) => return Err(CaptureError::Damaged(self.packets)),
            };
            self.reader.consume(offset);
            if let Some(captured) = step? {
                self.packets += 1;
                return Ok(Some(captured));
            }
        }
    }
}

impl Iterator for Capture<'_> {
    type Item = Result<Captured, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        if mem::replace(&mut self.is_over, true) {
            return None;
        }
        let next = self.next_packet().transpose();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}

/// What one block of the file says; a packet, where it is one.
fn step(
    interfaces: &mut Vec<Interface>,
    packets: u64,
    block: &PcapBlockOwned<'_>,
) -> Result<Option<Captured>, CaptureError> {
    let packet = packets + 1;
    match block {
        PcapBlockOwned::LegacyHeader(header) => {
            let is_fine = header.is_nanosecond_precision();
            *interfaces = vec![Interface {
                link_type: header.network,
                resolution: if is_fine { 1_000_000_000 } else { 1_000_000 },
                offset: 0,
            }];
            Ok(None)
        }
        PcapBlockOwned::Legacy(block) => {
            let interface = interface(interfaces, 0, packets)?;
            let parts = u64::from(block.ts_usec) * 1000 / interface.resolution;
            let at_ms = u64::from(block.ts_sec) * 1000 + parts;
            let taken = block
                .data
                .get(..block.caplen as usize)
                .unwrap_or(block.data);
            captured(interface, packet, at_ms, taken, block.origlen).map(Some)
        }
        PcapBlockOwned::NG(Block::SectionHeader(_)) => {
            interfaces.clear();
            Ok(None)
        }
        PcapBlockOwned::NG(Block::InterfaceDescription(block)) => {
            interfaces.push(Interface {
                link_type: block.linktype,
                resolution: block.ts_resolution().unwrap_or(1_000_000).max(1),
                offset: block.ts_offset(),
            });
            Ok(None)
        }
        PcapBlockOwned::NG(Block::EnhancedPacket(block)) => {
            let interface = interface(interfaces, block.if_id as usize, packets)?;
            let units = u64::from(block.ts_high) << 32 | u64::from(block.ts_low);
            let ms = u128::from(units) * 1000 / u128::from(interface.resolution);
            let at_ms = (ms as u64).saturating_add_signed(interface.offset.saturating_mul(1000));
            captured(interface, packet, at_ms, block.packet_data(), block.origlen).map(Some)
        }
        PcapBlockOwned::NG(Block::SimplePacket(block)) => {
            // It has no time: it belongs to the first interface, at the time of what came before.
            let interface = interface(interfaces, 0, packets)?;
            captured(interface, packet, 0, block.packet_data(), block.origlen).map(Some)
        }
        PcapBlockOwned::NG(_) => Ok(None),
    }
}

fn interface(
    interfaces: &[Interface],
    number: usize,
    packets: u64,
) -> Result<Interface, CaptureError> {
    let known = interfaces.get(number).copied();
    known.ok_or(CaptureError::Damaged(packets))
}

fn captured(
    interface: Interface,
    packet: u64,
    at_ms: u64,
    taken: &[u8],
    wire_len: u32,
) -> Result<Captured, CaptureError> {
    let Linktype(link_type) = interface.link_type;
    let wire_len = wire_len as usize;
    let frame = frame::ethernet(link_type, taken, wire_len)
        .ok_or(CaptureError::LinkType { packet, link_type })?;
    Ok(Captured {
        at_ms,
        frame,
        wire_len,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet record: seconds, parts of them, bytes.
    fn pcap(link_type: u32, packets: &[(u32, u32, &[u8])]) -> Vec<u8> {
        let mut file = Vec::new();
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, link_type] {
            file.extend(word.to_le_bytes());
        }
        for (seconds, parts, bytes) in packets {
            let len = bytes.len() as u32;
            for word in [*seconds, *parts, len, len + 10] {
                file.extend(word.to_le_bytes());
            }
            file.extend(*bytes);
        }
        file
    }

    fn pcapng(blocks: &[(u32, Vec<u8>)]) -> Vec<u8> {
        let mut file = Vec::new();
        for (kind, body) in blocks {
            let len = (12 + body.len()) as u32;
            file.extend(kind.to_le_bytes());
            file.extend(len.to_le_bytes());
            file.extend(body);
            file.extend(len.to_le_bytes());
        }
        file
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn packets_of_pcap_have_their_time_and_their_length_on_the_wire() {
        let file = pcap(1, &[(5, 250_000, &[7; 60]), (6, 0, &[8; 60])]);
        let all: Vec<_> = Capture::open(&file[..])
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let seen: Vec<_> = all
            .iter()
            .map(|one| (one.at_ms, one.wire_len, one.frame.len()))
            .collect();
        assert_eq!(seen, [(5250, 70, 70), (6000, 70, 70)]);
    }

    #[test]
    fn packets_of_pcapng_belong_to_interfaces() {
        let section = words(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]);
        let raw_ip = words(&[101, 0]);
        let mut packet = words(&[0, 0, 2_500_000, 20, 20]);
        packet.extend([0x45; 20]);
        let file = pcapng(&[(0x0a0d_0d0a, section), (1, raw_ip), (6, packet)]);
        let all: Vec<_> = Capture::open(&file[..])
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let [one] = all.as_slice() else {
            panic!("{all:?}");
        };
        assert_eq!((one.at_ms, one.frame.len()), (2500, 34));
        assert_eq!(&one.frame[12..15], [0x08, 0x00, 0x45]);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let whole = pcap(1, &[(5, 0, &[7; 60])]);
        let last = |file: &[u8]| -> String {
            match Capture::open(file) {
                Ok(capture) => match capture.last() {
                    Some(Err(fault)) => fault.to_string(),
                    other => format!("{other:?}"),
                },
                Err(fault) => fault.to_string(),
            }
        };
        let table = [
            (b"not a capture at all, but text".to_vec(), "no capture"),
            (whole[..whole.len() - 5].to_vec(), "ends within packet 1"),
            (
                pcap(147, &[(5, 0, &[7; 60])]),
                "packet 1 is of link type 147",
            ),
        ];
        for (file, expected) in table {
            let said = last(&file);
            assert!(said.contains(expected), "{said}");
        }
    }
}
