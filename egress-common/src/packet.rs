//! Bounded reads of packet bytes.

/// A header as it lies in a packet.
///
/// # Safety
/// The type is `repr(C)` of bytes and byte arrays only: alignment 1, no padding, every bit pattern valid.
pub unsafe trait Wire {}

/// Bytes of a packet, from the Ethernet header on. Every read is checked against its end.
pub trait Packet {
    /// The header at offset `at`, or nothing where the packet ends before the header does.
    fn view<T: Wire>(&self, at: usize) -> Option<&T>;

    /// Length of the frame in bytes.
    fn frame_len(&self) -> usize;
}

impl Packet for [u8] {
    fn view<T: Wire>(&self, at: usize) -> Option<&T> {
        let bytes = self.get(at..)?.get(..size_of::<T>())?;
        // SAFETY: `bytes` is as long as T, and Wire types have alignment 1 and no invalid values.
        Some(unsafe { &*bytes.as_ptr().cast::<T>() })
    }

    fn frame_len(&self) -> usize {
        self.len()
    }
}
