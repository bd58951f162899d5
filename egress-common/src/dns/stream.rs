//! Where messages begin in a TCP stream: behind two bytes of length (RFC 1035 section 4.2.2).
//!
//! In: the segments of a resolver's stream as they pass. Out: which bytes of each are whole messages. Only
//! the framing of the stream from its first byte on tells a message from bytes inside of one, which may be
//! anything: whoever has a zone of his own chooses the text of its records, and his client's window where a
//! segment begins.

/// Bytes of a message's length.
pub const LENGTH_BYTES: u32 = 2;
/// Messages of one segment that are read.
pub const MESSAGES: u32 = 8;

/// The sequence number at which the next message begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream(u32);

/// What a segment carries of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Sequence number of its first byte.
    pub sequence: u32,
    /// Bytes.
    pub len: u32,
}

/// The next message in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// Offset of the message's first byte behind its length; of one that goes on beyond the segment as well.
    pub at: u32,
    /// Its bytes.
    pub len: u32,
    /// Whether all of it is in the segment.
    pub is_whole: bool,
}

impl Stream {
    /// From its first byte on, whose sequence number follows that of SYN (RFC 9293 section 3.4).
    #[inline(always)]
    pub const fn behind_syn(sequence: u32) -> Self {
        Self(sequence.wrapping_add(1))
    }

    /// From the map's value.
    #[inline(always)]
    pub const fn from_value(value: u64) -> Self {
        Self(value as u32)
    }

    /// The map's value.
    #[inline(always)]
    pub const fn to_value(self) -> u64 {
        self.0 as u64
    }

    /// Offset in a segment at which the next message begins; none where it does not begin there: bytes that
    /// passed before, that are inside of a message, or behind a gap.
    #[inline(always)]
    pub const fn enter(self, segment: Segment) -> Option<u32> {
        let offset = self.0.wrapping_sub(segment.sequence);
        if offset < segment.len {
            Some(offset)
        } else {
            None
        }
    }
}

impl Segment {
    /// The message that begins at `offset` and has so many bytes.
    #[inline(always)]
    pub const fn message(self, offset: u32, len: u32) -> Next {
        let at = offset + LENGTH_BYTES;
        Next {
            at,
            len,
            is_whole: at + len <= self.len,
        }
    }

    /// The stream behind what was read up to `offset`; none where it cannot be told where the next message
    /// begins: a length is cut, or there are too many messages.
    #[inline(always)]
    pub const fn left_at(self, offset: u32) -> Option<Stream> {
        if offset < self.len {
            return None;
        }
        Some(Stream(self.sequence.wrapping_add(offset)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a segment as the kernel does; its messages, and the stream behind it.
    fn read(stream: Stream, sequence: u32, bytes: &[u8]) -> (Vec<Vec<u8>>, Option<Stream>) {
        let segment = Segment {
            sequence,
            len: bytes.len() as u32,
        };
        let mut whole = Vec::new();
        let Some(mut offset) = stream.enter(segment) else {
            return (whole, Some(stream));
        };
        for _ in 0..MESSAGES {
            if offset + LENGTH_BYTES > segment.len {
                break;
            }
            let at = offset as usize;
            let len = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
            let next = segment.message(offset, u32::from(len));
            if next.is_whole {
                whole.push(bytes[next.at as usize..][..next.len as usize].to_vec());
            }
            offset = next.at + next.len;
        }
        (whole, segment.left_at(offset))
    }

    fn framed(messages: &[&[u8]]) -> Vec<u8> {
        let framed = messages.iter().flat_map(|message| {
            let len = (message.len() as u16).to_be_bytes();
            [&len[..], message].concat()
        });
        framed.collect()
    }

    #[test]
    fn whole_messages_are_found_wherever_segments_end() {
        let messages: [&[u8]; 4] = [b"first", b"", b"a second one", b"third"];
        let bytes = framed(&messages);
        for start in [0, 7, u32::MAX - 3] {
            let first = Stream::behind_syn(start);
            let (whole, end) = read(first, start.wrapping_add(1), &bytes);
            assert_eq!(whole, messages);
            assert_eq!(
                end,
                Some(Stream(start.wrapping_add(1 + bytes.len() as u32)))
            );
            for cut in 1..bytes.len() {
                let (mut whole, stream) = read(first, start.wrapping_add(1), &bytes[..cut]);
                let Some(stream) = stream else {
                    let in_length = [1, 8, 10, 24].contains(&cut);
                    assert!(in_length, "lost at {cut}");
                    continue;
                };
                let sequence = start.wrapping_add(1 + cut as u32);
                let (rest, _) = read(stream, sequence, &bytes[cut..]);
                whole.extend(rest);
                let is_intact = |message: &&[u8]| whole.iter().any(|one| one == message);
                let lost: Vec<_> = messages.iter().filter(|m| !is_intact(m)).collect();
                assert!(lost.len() <= 1, "{lost:?} lost at {cut}");
            }
        }
    }

    #[test]
    fn bytes_inside_of_a_message_are_none() {
        let forged = framed(&[b"forged"]);
        let text = [&b"some text"[..], &forged].concat();
        let bytes = framed(&[&text, b"true"]);
        let begin = bytes.len() - framed(&[b"true"]).len() - forged.len();
        let first = Stream::behind_syn(99);
        let (whole, stream) = read(first, 100, &bytes[..begin]);
        assert!(whole.is_empty());
        let (whole, _) = read(stream.unwrap(), 100 + begin as u32, &bytes[begin..]);
        assert_eq!(whole, [b"true"]);
    }

    #[test]
    fn what_passed_before_or_comes_behind_a_gap_is_left_alone() {
        let bytes = framed(&[b"first", b"second"]);
        let first = Stream::behind_syn(0);
        let (_, behind) = read(first, 1, &bytes);
        let behind = behind.unwrap();
        assert_eq!(read(behind, 1, &bytes), (Vec::new(), Some(behind)), "again");
        let (whole, _) = read(behind, 8, &[&bytes[7..], &framed(&[b"third"])].concat());
        assert_eq!(whole, [b"third"], "again, and more");
        assert_eq!(
            read(first, 8, &bytes[7..]),
            (Vec::new(), Some(first)),
            "a gap"
        );
        let many = framed(&[&b"x"[..]; MESSAGES as usize + 1]);
        assert_eq!(read(first, 1, &many).1, None, "too many");
    }
}
