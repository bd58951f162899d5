//! Bounded reads of packet bytes.

use crate::checksum::Sum;

/// A header as it lies in a packet.
///
/// # Safety
/// The type is `repr(C)` of bytes and byte arrays only: alignment 1, no padding, every bit pattern valid.
pub unsafe trait Wire {}

/// Bytes of a packet, from the Ethernet header on. Every read is checked against its end.
pub trait Packet {
    /// The header at offset `at`, or nothing where the packet ends before the header does.
    fn view<T: Wire>(&self, at: usize) -> Option<&T>;

    /// The byte at offset `at`.
    #[inline(always)]
    fn byte(&self, at: usize) -> Option<u8> {
        let Byte(byte): &Byte = self.view(at)?;
        Some(*byte)
    }

    /// Whether the frame reaches to offset `end`; it may in buffers that [`view`](Self::view) does not see.
    fn holds(&self, end: usize) -> bool;

    /// See [`Sum::of`].
    #[inline(always)]
    fn sum(&self, at: usize, len: usize) -> Option<Sum> {
        Sum::of(self, at, len)
    }
}

/// A packet whose frame can be changed.
pub trait Reshape: Packet {
    /// Offset of the end of the bytes that [`view`](Packet::view) sees.
    fn visible(&self) -> usize;

    /// Cuts the frame off behind `len` bytes.
    fn cut(&mut self, len: usize) -> Option<()>;

    /// Makes room for so many bytes in front of the frame.
    fn push(&mut self, bytes: usize) -> Option<()>;

    /// Writes a header at offset `at`.
    fn put<T: Wire>(&mut self, at: usize, header: T) -> Option<()>;
}

/// A byte by itself.
#[repr(C)]
struct Byte(u8);

// SAFETY: repr(C) of a byte.
unsafe impl Wire for Byte {}

impl Packet for [u8] {
    fn view<T: Wire>(&self, at: usize) -> Option<&T> {
        let bytes = self.get(at..)?.get(..size_of::<T>())?;
        // SAFETY: `bytes` is as long as T, and Wire types have alignment 1 and no invalid values.
        Some(unsafe { &*bytes.as_ptr().cast::<T>() })
    }

    fn holds(&self, end: usize) -> bool {
        end <= self.len()
    }
}

/// A frame by itself, for what needs no kernel.
#[cfg(any(test, feature = "user"))]
mod owned {
    extern crate alloc;

    use alloc::vec::Vec;

    use super::{Packet, Reshape, Wire};

    impl Packet for Vec<u8> {
        fn view<T: Wire>(&self, at: usize) -> Option<&T> {
            self.as_slice().view(at)
        }

        fn holds(&self, end: usize) -> bool {
            self.as_slice().holds(end)
        }
    }

    impl Reshape for Vec<u8> {
        fn visible(&self) -> usize {
            self.len()
        }

        fn cut(&mut self, len: usize) -> Option<()> {
            (len <= self.len()).then(|| self.truncate(len))
        }

        fn push(&mut self, bytes: usize) -> Option<()> {
            self.splice(..0, core::iter::repeat_n(0, bytes));
            Some(())
        }

        fn put<T: Wire>(&mut self, at: usize, header: T) -> Option<()> {
            let place: *mut T = self
                .get_mut(at..)?
                .get_mut(..size_of::<T>())?
                .as_mut_ptr()
                .cast();
            // SAFETY: the bytes are as many as T has, and Wire types have alignment 1.
            unsafe { place.write(header) };
            Some(())
        }
    }
}
