//! Frames as a capture: what `tcpdump -w` would have written.

use anyhow::Result;

/// Seconds behind the first packet, and the frame.
pub type Packets = Vec<(u32, Vec<u8>)>;

/// When the first packet came, in seconds since 1970.
const BEGAN: u32 = 1_795_000_000;
/// Magic number, version 2.4, no time zone or accuracy, most bytes of a frame, Ethernet.
const HEAD: [u32; 6] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1];

/// The text of a pcap file.
pub fn file(packets: &Packets) -> Result<Vec<u8>> {
    let mut file: Vec<u8> = HEAD.into_iter().flat_map(u32::to_le_bytes).collect();
    for (seconds, frame) in packets {
        let len = u32::try_from(frame.len())?;
        let head = [BEGAN + seconds, 0, len, len];
        file.extend(head.into_iter().flat_map(u32::to_le_bytes));
        file.extend(frame);
    }
    Ok(file)
}
