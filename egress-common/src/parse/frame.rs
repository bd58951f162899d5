//! Frames, for tests.

use crate::flow::Addr;

pub(crate) const CLIENT: [u8; 4] = [10, 20, 0, 2];
pub(crate) const SERVER: [u8; 4] = [203, 0, 113, 5];
pub(crate) const CLIENT_V6: [u8; 16] = [0xfd, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
pub(crate) const SERVER_V6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5];
pub(crate) const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// Offset of the network header, and of what follows it in each family.
pub(crate) const L3: usize = 14;
pub(crate) const L4: usize = L3 + 20;
pub(crate) const L4_V6: usize = L3 + 40;

pub(crate) fn ether(kind: u16, packet: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 2][..], &MAC, &kind.to_be_bytes(), packet].concat()
}

pub(crate) fn ipv4(proto: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = (20 + payload.len() as u16).to_be_bytes();
    let header = [0x45, 0, high, low, 0x12, 0x34, 0, 0, 64, proto, 0, 0];
    ether(0x0800, &[&header[..], &CLIENT, &SERVER, payload].concat())
}

pub(crate) fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = (payload.len() as u16).to_be_bytes();
    let header = [0x60, 0, 0, 0, high, low, next, 64];
    ether(
        0x86dd,
        &[&header[..], &CLIENT_V6, &SERVER_V6, payload].concat(),
    )
}

/// A TCP header with so many words and these flags, from port 40000 to port 443.
pub(crate) fn tcp(words: u8, flags: u8) -> Vec<u8> {
    let mut header = vec![
        0x9c,
        0x40,
        1,
        0xbb,
        0,
        0,
        0,
        7,
        0,
        0,
        0,
        0,
        words << 4,
        flags,
    ];
    header.resize(usize::from(words).max(5) * 4, 0);
    header
}

/// A UDP header that says so many bytes, and a payload.
pub(crate) fn udp(len: u16, payload: &[u8]) -> Vec<u8> {
    let [high, low] = len.to_be_bytes();
    [&[0x9c, 0x40, 1, 0xbb, high, low, 0, 0][..], payload].concat()
}

/// The same frame with other bytes at an offset.
pub(crate) fn edit(frame: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[at..at + bytes.len()].copy_from_slice(bytes);
    frame
}

/// An extension header of eight bytes and more.
pub(crate) fn extension(next: u8, len: u8, more: usize) -> Vec<u8> {
    [&[next, len][..], &vec![0; 6 + more]].concat()
}

pub(crate) fn v6(bytes: [u8; 16]) -> Addr {
    let (words, _) = bytes.as_chunks::<4>();
    Addr::v6([words[0], words[1], words[2], words[3]])
}
