//! A query: header and question.

use super::{
    Steps,
    answer::question,
    message::{HEADER_BYTES, Message},
};

/// Response and opcode among the flags (RFC 1035 section 4.1.1).
const RESPONSE_AND_OPCODE: u32 = 0xf800;

/// Reads header and question of a standard query, and tells whether it is one.
#[inline(always)]
pub fn read_query<S: Steps>(message: &mut Message) -> bool {
    message.len >= HEADER_BYTES
        && message.be16(0, 2) & RESPONSE_AND_OPCODE == 0
        && message.be16(0, 4) == 1
        && message.be16(0, 6) == 0
        && question::<S>(message).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::Direct;

    fn read(bytes: &[u8]) -> Option<(u16, u16)> {
        let mut message = Message::new();
        message.fill(bytes);
        read_query::<Direct>(&mut message).then(|| (message.id(), message.question_type()))
    }

    #[test]
    fn only_standard_queries_for_one_name_are_read() {
        const GOOD: &[u8] =
            b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x1c\x00\x01";
        let edit = |at: usize, byte| {
            let mut bytes = GOOD.to_vec();
            bytes[at] = byte;
            bytes
        };
        assert_eq!(read(GOOD), Some((0x1234, 28)));
        assert_eq!(
            read(&[GOOD, &[0; 11]].concat()),
            Some((0x1234, 28)),
            "records behind"
        );
        let table = [
            ("an answer", edit(2, 0x81)),
            ("another opcode", edit(2, 0x29)),
            ("no question", edit(5, 0)),
            ("two questions", edit(5, 2)),
            ("an answer in it", edit(7, 1)),
            ("a pointer", edit(12, 0xc0)),
            ("another class", edit(18, 3)),
            ("cut off", GOOD[..18].to_vec()),
            ("no header", GOOD[..11].to_vec()),
            ("nothing", Vec::new()),
        ];
        for (what, bytes) in table {
            assert_eq!(read(&bytes), None, "{what}");
        }
    }
}
