//! Lessons: DNS messages that taught, or that were refused, on their way to the daemon, which keeps their
//! names.
//!
//! In: a message and what became of it, in the kernel. Out: records of a ring buffer, each a [`Head`] and the
//! message's own bytes behind it. No verdict depends on them: a record that is lost costs a name, never an
//! address.

use crate::{dns::message::MESSAGE_MAX, flow::Addr};

/// What stands in front of a message.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// When, in ms of the boot-time clock (`CLOCK_BOOTTIME`).
    pub at_ms: u64,
    /// Number of the generation that read it.
    pub generation: u64,
    /// Who gets the message.
    pub client: Addr,
    /// Who sent it.
    pub resolver: Addr,
    /// Id of the pattern that lists its name; 0 where none does.
    pub pattern: u32,
    /// How many of its addresses no answer may teach.
    pub refused: u32,
    /// Number of the [`Outcome`](crate::dns::Outcome).
    pub outcome: u32,
    /// Bytes of the message.
    pub len: u32,
}

/// Bytes of a head.
pub const HEAD_BYTES: usize = size_of::<Head>();
/// Bytes of the longest record.
pub const RECORD_MAX: usize = HEAD_BYTES + MESSAGE_MAX;

const _: () = assert!(HEAD_BYTES == 64 && align_of::<Head>() == 8);

impl Head {
    /// Of no message.
    pub const NONE: Self = Self {
        at_ms: 0,
        generation: 0,
        client: Addr::v4([0; 4]),
        resolver: Addr::v4([0; 4]),
        pattern: 0,
        refused: 0,
        outcome: 0,
        len: 0,
    };

    /// Head and message of a record, whose bytes need not be aligned; nothing where its length is not the one
    /// that its head names.
    pub fn split(record: &[u8]) -> Option<(Self, &[u8])> {
        let (head, message) = record.split_at_checked(HEAD_BYTES)?;
        // SAFETY: as many bytes as the head has, which is integers only; any bytes are one.
        let head: Self = unsafe { core::ptr::read_unaligned(head.as_ptr().cast()) };
        (head.len as usize == message.len()).then_some((head, message))
    }
}

/// What became of a record.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is in the ring buffer.
    Told = 0,
    /// The ring buffer was full.
    Lost = 1,
}

impl Fate {
    /// All fates, in the order of their numbers.
    pub const ALL: &[Self] = &[Self::Told, Self::Lost];

    /// The name in commands' output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::Lost => "lost",
        }
    }
}

/// How many fates there are.
pub const FATES: usize = Fate::ALL.len();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_its_head_and_as_many_bytes_as_that_names() {
        let head = Head {
            at_ms: 77,
            len: 3,
            ..Head::NONE
        };
        // SAFETY: the head is integers only, without padding.
        let mut record = unsafe { core::mem::transmute::<Head, [u8; HEAD_BYTES]>(head) }.to_vec();
        assert_eq!(Head::split(&record), None, "its message is missing");
        record.extend(b"abc");
        assert_eq!(Head::split(&record), Some((head, &b"abc"[..])));
        record.push(0);
        assert_eq!(Head::split(&record), None, "a byte too many");
        assert_eq!(Head::split(&record[..HEAD_BYTES - 1]), None);
    }
}
