//! The size of answers that a client says it takes (EDNS, RFC 6891).
//!
//! In: a query. Out: where its size stands, if answers of that size could come in fragments, which nobody
//! learns from.

use super::message::Message;

/// Answers of this size fit into every packet that IPv6 lets pass whole (DNS flag day 2020).
pub const SIZE_MAX: u16 = 1232;

const TYPE_OPT: u32 = 41;
/// Bytes of an OPT record in front of its options (RFC 6891 section 6.1.2): owner, type, size, flags, length.
const OPT_BYTES: u32 = 11;
/// Where the size stands in it.
const SIZE_AT: u32 = 3;

/// A size above [`SIZE_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oversized {
    /// Offset in the message.
    pub at: usize,
    /// The size.
    pub size: u16,
}

/// The size in a query whose question was read, if it is above [`SIZE_MAX`]. One that is signed, or holds
/// anything else besides its question and OPT, stays as it is: none.
#[inline(always)]
pub fn oversized(message: &Message) -> Option<Oversized> {
    let at = message.at;
    let is_alone = message.be16(0, 6) == 0 && message.be16(0, 8) == 0 && message.be16(0, 10) == 1;
    if !is_alone || at + OPT_BYTES > message.len {
        return None;
    }
    let size = message.be16(at, 3);
    if message.byte(at, 0) != 0
        || message.be16(at, 1) != TYPE_OPT
        || at + OPT_BYTES + message.be16(at, 9) != message.len
        || size <= u32::from(SIZE_MAX)
    {
        return None;
    }
    Some(Oversized {
        at: (at + SIZE_AT) as usize,
        size: size as u16,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Direct, query::read_query};

    fn query(counts: [u8; 6], behind: &[u8]) -> Option<Oversized> {
        let header = [&[0, 7, 1, 0, 0, 1][..], &counts].concat();
        let bytes = [&header[..], b"\x01a\x01b\0", &[0, 1, 0, 1], behind].concat();
        let mut message = Message::new();
        message.fill(&bytes);
        assert!(read_query::<Direct>(&mut message));
        oversized(&message)
    }

    #[test]
    fn only_a_size_that_stands_alone_is_found() {
        const ONE: [u8; 6] = [0, 0, 0, 0, 0, 1];
        let opt = |size: u16, options: &[u8]| {
            let [high, low] = size.to_be_bytes();
            let len = options.len() as u8;
            [&[0, 0, 41, high, low, 0, 0, 0x80, 0, 0, len][..], options].concat()
        };
        let found = |size| Some(Oversized { at: 24, size });
        let table = [
            (ONE, opt(4096, &[]), found(4096)),
            (ONE, opt(1233, &[0, 10, 0, 0]), found(1233)),
            (ONE, opt(u16::MAX, &[]), found(u16::MAX)),
            (ONE, opt(1232, &[]), None),
            (ONE, opt(512, &[]), None),
            ([0; 6], Vec::new(), None),
            (
                [0, 0, 0, 0, 0, 2],
                [opt(4096, &[]), opt(4096, &[])].concat(),
                None,
            ),
            ([0, 0, 0, 1, 0, 1], opt(4096, &[]), None),
            (ONE, [opt(4096, &[]), vec![0]].concat(), None),
            (ONE, opt(4096, &[])[..10].to_vec(), None),
            (ONE, [&[1, b'a'], &opt(4096, &[])[..]].concat(), None),
            (ONE, [&[0, 0, 1], &opt(4096, &[])[3..]].concat(), None),
        ];
        for (counts, behind, expected) in table {
            assert_eq!(query(counts, &behind), expected, "{behind:?}");
        }
    }
}
