//! Frames of any link as frames with an Ethernet header, as LAN ingress judges them.

/// Longer frames are shortened: a verdict goes by the headers, and the kernel takes no more than a page
/// for a test run (net/bpf/test_run.c).
pub const LONGEST: usize = 3000;

const ETHERNET_BYTES: usize = 14;

/// Numbers of link types (tcpdump.org/linktypes.html).
mod link {
    pub(super) const ETHERNET: i32 = 1;
    pub(super) const RAW: i32 = 101;
    pub(super) const LINUX_SLL: i32 = 113;
    pub(super) const IPV4: i32 = 228;
    pub(super) const IPV6: i32 = 229;
    pub(super) const LINUX_SLL2: i32 = 276;
}

/// The frame of a packet of `wire_len` bytes, of which `taken` was captured; none for other links.
pub fn ethernet(link_type: i32, taken: &[u8], wire_len: usize) -> Option<Vec<u8>> {
    let (mut frame, link_bytes) = match link_type {
        link::ETHERNET => (taken.to_vec(), ETHERNET_BYTES),
        link::RAW | link::IPV4 | link::IPV6 => (with_header([0; 6], ip_type(taken), taken), 0),
        link::LINUX_SLL => (cooked(taken, 16, 14..16, 6..12), 16),
        link::LINUX_SLL2 => (cooked(taken, 20, 0..2, 12..18), 20),
        _ => return None,
    };
    let whole = wire_len.saturating_sub(link_bytes) + ETHERNET_BYTES;
    if whole > LONGEST {
        frame.resize(LONGEST, 0);
        shorten(&mut frame);
    } else if frame.len() < whole {
        frame.resize(whole, 0);
    }
    Some(frame)
}

/// EtherType by the version in an IP header.
fn ip_type(packet: &[u8]) -> [u8; 2] {
    match packet.first().map(|byte| byte >> 4) {
        Some(6) => [0x86, 0xdd],
        _ => [0x08, 0x00],
    }
}

fn with_header(mac: [u8; 6], ether_type: [u8; 2], packet: &[u8]) -> Vec<u8> {
    [&[0; 6][..], &mac, &ether_type, packet].concat()
}

/// Linux's own header of a capture on all interfaces, replaced.
fn cooked(
    taken: &[u8],
    header_len: usize,
    ether_type: std::ops::Range<usize>,
    mac: std::ops::Range<usize>,
) -> Vec<u8> {
    let ether_type = taken
        .get(ether_type)
        .and_then(|bytes| bytes.try_into().ok());
    let mac = taken.get(mac).and_then(|bytes| bytes.try_into().ok());
    let packet = taken.get(header_len..).unwrap_or_default();
    with_header(
        mac.unwrap_or_default(),
        ether_type.unwrap_or_default(),
        packet,
    )
}

/// Lets the length in the IP header end with the frame.
fn shorten(frame: &mut [u8]) {
    const TAG_BYTES: usize = 4;
    let mut at = ETHERNET_BYTES;
    while matches!(frame.get(at - 2..at), Some([0x81, 0x00] | [0x88, 0xa8])) {
        at += TAG_BYTES;
    }
    let (field, header_len) = match frame.get(at - 2..at) {
        Some([0x08, 0x00]) => (at + 2, 0),
        Some([0x86, 0xdd]) => (at + 4, 40),
        _ => return,
    };
    let len = (frame.len().saturating_sub(at + header_len)) as u16;
    if let Some(place) = frame.get_mut(field..field + 2) {
        place.copy_from_slice(&len.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use egress_common::parse::parse;

    use super::*;

    /// An IPv4 packet of UDP to port 53 with so many bytes.
    fn udp(len: u16) -> Vec<u8> {
        let mut packet = vec![0; usize::from(len)];
        packet[0] = 0x45;
        packet[2..4].copy_from_slice(&len.to_be_bytes());
        packet[9] = 17;
        packet[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        packet[22..24].copy_from_slice(&53u16.to_be_bytes());
        packet[24..26].copy_from_slice(&(len - 20).to_be_bytes());
        packet
    }

    #[test]
    fn every_link_becomes_ethernet() {
        let packet = udp(40);
        let tagged = [&[0; 12][..], &[0x81, 0, 0, 5, 8, 0], &packet].concat();
        let plain = with_header([1; 6], [8, 0], &packet);
        let sll = [
            &[0, 0, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0, 8, 0][..],
            &packet,
        ]
        .concat();
        let mut sll2 = vec![0; 20];
        sll2[0] = 8;
        sll2[12..18].copy_from_slice(&[3; 6]);
        sll2.extend(&packet);
        let table = [
            (link::ETHERNET, plain, [1; 6]),
            (link::ETHERNET, tagged, [0; 6]),
            (link::RAW, packet.clone(), [0; 6]),
            (link::IPV4, packet, [0; 6]),
            (link::LINUX_SLL, sll, [2; 6]),
            (link::LINUX_SLL2, sll2, [3; 6]),
        ];
        for (link_type, taken, mac) in table {
            let frame = ethernet(link_type, &taken, taken.len()).unwrap();
            let flow = parse(&frame[..]).unwrap().flow;
            assert_eq!((flow.dst_port, flow.mac), (53, mac), "{link_type}");
        }
        assert_eq!(ethernet(147, &[0; 60], 60), None);
    }

    #[test]
    fn what_was_not_captured_is_filled_and_what_is_too_long_is_shortened() {
        let packet = udp(9000);
        for taken in [28, 64, 9000] {
            let frame = ethernet(link::RAW, &packet[..taken], 9000).unwrap();
            assert_eq!(frame.len(), LONGEST);
            assert_eq!(parse(&frame[..]).unwrap().flow.dst_port, 53);
        }
        let short = ethernet(link::RAW, &udp(200)[..30], 200).unwrap();
        assert_eq!(short.len(), 214);
    }
}
