//! Messages as bytes, for tests.

use super::Outcome;
use super::{
    Direct,
    answer::{read_question, read_records},
    message::Message,
};
use crate::flow::Addr;

pub(super) const A: u16 = 1;
pub(super) const CNAME: u16 = 5;
pub(super) const TXT: u16 = 16;
pub(super) const AAAA: u16 = 28;
pub(super) const SVCB: u16 = 64;
pub(super) const HTTPS: u16 = 65;
pub(super) const IN: u16 = 1;

/// A pointer to the question's name.
pub(super) const ASKED: &[u8] = &[0xc0, 12];

/// Where the records of a [`Wire::asking`] for `a.b` begin.
pub(super) const RECORDS_AT: u8 = 12 + 5 + 4;

/// A message that is being written.
#[derive(Clone)]
pub(super) struct Wire(pub(super) Vec<u8>);

impl Wire {
    /// An answer without records to a question for a name as it stands on the wire.
    pub(super) fn asking(name: &[u8]) -> Self {
        let header = [0, 7, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0];
        Self([&header[..], name, &[0, 1, 0, 1]].concat())
    }

    /// The same for `a.b`.
    pub(super) fn new() -> Self {
        Self::asking(b"\x01a\x01b\0")
    }

    /// With one more record of a section: 0 are answers, 1 authorities, 2 additional.
    pub(super) fn and(
        mut self,
        section: usize,
        owner: &[u8],
        (kind, class): (u16, u16),
        data: &[u8],
    ) -> Self {
        let Self(bytes) = &mut self;
        bytes[7 + 2 * section] += 1;
        bytes.extend(owner);
        for number in [kind, class, 0, 300, data.len() as u16] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(data);
        self
    }

    /// With one more answer.
    pub(super) fn says(self, owner: &[u8], kind: u16, data: &[u8]) -> Self {
        self.and(0, owner, (kind, IN), data)
    }

    /// With a byte in place of another.
    pub(super) fn with(mut self, at: usize, byte: u8) -> Self {
        self.0[at] = byte;
        self
    }

    /// Without the last bytes.
    pub(super) fn cut(mut self, bytes: usize) -> Self {
        self.0.truncate(self.0.len() - bytes);
        self
    }

    /// What is learned from it.
    pub(super) fn read(&self) -> Result<Vec<Addr>, Outcome> {
        self.read_by(&mut Message::new())
    }

    /// The same by a reader that has read others before.
    pub(super) fn read_by(&self, message: &mut Message) -> Result<Vec<Addr>, Outcome> {
        message.fill(&self.0);
        read_question::<Direct>(message)?;
        read_records::<Direct>(message)?;
        let found = (0..message.found_len()).filter_map(|i| message.found(i));
        Ok(found.map(|found| found.addr).collect())
    }
}
