//! DNS answers to learned addresses (RFC 1035).
//!
//! In: a [`Message`](message::Message) that holds one UDP payload. Out: the question's name reversed,
//! as the trie of patterns wants it, and the addresses of the answer section with their TTLs, as far as
//! the question leads to their owners; or the [`Outcome`] that says why it teaches nothing.
//!
//! The kernel's verifier checks a function that is called on its own once and then believes it, so
//! the work is cut into [`Steps`]: each handles a few bytes and keeps its state in the message. The
//! kernel calls them as global functions, user space directly.

pub mod added;
pub mod answer;
pub mod asked;
pub mod edns;
pub mod hash;
pub mod message;
mod names;
pub mod policy;
pub mod query;
mod question;
mod records;
mod service;
mod settle;
pub mod stream;
mod walk;

use message::Message;

/// What became of one message from port 53 to a client, or of a query; the number indexes the kernel's counters.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its addresses were learned.
    Learned = 0,
    /// No pattern lists the name.
    NameNotListed = 1,
    /// It does not come from a configured resolver.
    ResolverNotTrusted = 2,
    /// A query, another opcode, or an error: no answer that could teach.
    NoAnswer = 3,
    /// An answer without any address.
    NoAddress = 4,
    /// It is cut off (TC); the client will ask over TCP.
    Truncated = 5,
    /// It does not parse to its end, for another reason than those that are counted by themselves.
    Malformed = 6,
    /// Longer than [`MESSAGE_MAX`](message::MESSAGE_MAX) bytes.
    TooLong = 7,
    /// One of its addresses is private, local, the gateway's or internal, in no set, and was not learned.
    AddressRefused = 8,
    /// One of its addresses made room by ending another pattern's teaching early.
    TeacherDisplaced = 9,
    /// One of its addresses found no place in the kernel's map.
    NoPlace = 10,
    /// No generation is loaded, or a table of it is missing.
    NoPolicy = 11,
    /// It has more records, names or addresses than are read; it teaches nothing.
    TooManyRecords = 12,
    /// One of its addresses belongs to a name that the question does not lead to, and was not learned.
    UnlinkedOwner = 13,
    /// The client did not ask for it, asked too long ago, or has an answer already.
    NotAsked = 16,
    /// The client asked this resolver for another name or type.
    AskedOtherwise = 17,
    /// A query whose answer will teach nothing: its client sends more than its share.
    ShareExceeded = 18,
    /// It comes in fragments.
    Fragmented = 19,
    /// It goes on in another segment of its TCP stream.
    InPieces = 20,
    /// It went to a resolver over UDP and is no query that can be read.
    NoQuery = 21,
    /// One of its TTLs is beyond the floor or the cap, or has the high bit set; its address counts for another
    /// time.
    TtlClamped = 22,
    /// One of its addresses is new, and was not learned: its client's answers give more than their share.
    NewShareExceeded = 23,
    /// It ends inside its header, its question, a name, or what stands in front of a record's data.
    CutOff = 24,
    /// A name points ahead, to itself, into the header, or to what does not end before the pointer.
    BadPointer = 25,
    /// A label of more than 63 bytes or with a dot or NUL inside, or a name of more than 255 bytes.
    BadLabel = 26,
    /// A record's data have another length than its type has, or go beyond the message.
    WrongLength = 27,
    /// It has more or fewer records than its header says.
    WrongCounts = 28,
    /// It has no question, or several.
    WrongQuestions = 29,
}

impl Outcome {
    /// All outcomes, in the order of their numbers.
    pub const ALL: &[Self] = &[
        Self::Learned,
        Self::NameNotListed,
        Self::ResolverNotTrusted,
        Self::NoAnswer,
        Self::NoAddress,
        Self::Truncated,
        Self::Malformed,
        Self::TooLong,
        Self::AddressRefused,
        Self::TeacherDisplaced,
        Self::NoPlace,
        Self::NoPolicy,
        Self::TooManyRecords,
        Self::UnlinkedOwner,
        Self::NotAsked,
        Self::AskedOtherwise,
        Self::ShareExceeded,
        Self::Fragmented,
        Self::InPieces,
        Self::NoQuery,
        Self::TtlClamped,
        Self::NewShareExceeded,
        Self::CutOff,
        Self::BadPointer,
        Self::BadLabel,
        Self::WrongLength,
        Self::WrongCounts,
        Self::WrongQuestions,
    ];

    /// The name in commands' output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Learned => "learned",
            Self::NameNotListed => "name-not-listed",
            Self::ResolverNotTrusted => "resolver-not-trusted",
            Self::NoAnswer => "no-answer",
            Self::NoAddress => "no-address",
            Self::Truncated => "truncated",
            Self::Malformed => "malformed",
            Self::TooLong => "too-long",
            Self::AddressRefused => "address-refused",
            Self::TeacherDisplaced => "teacher-displaced",
            Self::NoPlace => "no-place",
            Self::NoPolicy => "no-policy",
            Self::TooManyRecords => "too-many-records",
            Self::UnlinkedOwner => "unlinked-owner",
            Self::NotAsked => "not-asked",
            Self::AskedOtherwise => "asked-otherwise",
            Self::ShareExceeded => "share-exceeded",
            Self::Fragmented => "fragmented",
            Self::InPieces => "in-pieces",
            Self::NoQuery => "no-query",
            Self::TtlClamped => "ttl-clamped",
            Self::NewShareExceeded => "new-share-exceeded",
            Self::CutOff => "cut-off",
            Self::BadPointer => "bad-pointer",
            Self::BadLabel => "bad-label",
            Self::WrongLength => "wrong-length",
            Self::WrongCounts => "wrong-counts",
            Self::WrongQuestions => "wrong-questions",
        }
    }

    /// Whether the message does not parse to its end.
    #[inline(always)]
    pub const fn is_malformed(self) -> bool {
        matches!(self as u32, FLAW_FIRST..=FLAW_LAST) || matches!(self, Self::Malformed)
    }

    /// What is wrong with a message, from its number; [`Outcome::Malformed`] where it is none of the others.
    #[inline(always)]
    const fn flaw(number: u32) -> Self {
        match number {
            // SAFETY: all of these are numbers of outcomes. A match of each would be as many branches, which
            // the kernel's verifier would all have to follow.
            FLAW_FIRST..=FLAW_LAST => unsafe { core::mem::transmute::<u8, Self>(number as u8) },
            _ => Self::Malformed,
        }
    }
}

/// Numbers of the outcomes that say what is wrong with a message that does not parse to its end.
const FLAW_FIRST: u32 = Outcome::CutOff as u32;
const FLAW_LAST: u32 = Outcome::WrongQuestions as u32;

/// Places for outcomes in a table of counters.
pub const OUTCOMES: usize = 32;

const _: () = {
    let mut i = 0;
    while i < Outcome::ALL.len() {
        assert!((Outcome::ALL[i] as usize) < OUTCOMES);
        i += 1;
    }
};

/// Whether a step ended its part of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// More to do.
    More,
    /// Read to its end.
    Done,
    /// Malformed, and how.
    Bad(Outcome),
    /// There is more than is read.
    TooMany,
}

impl Step {
    /// As a global function returns it.
    #[inline(always)]
    pub const fn to_code(self) -> u32 {
        match self {
            Self::More => 0,
            Self::Done => 1,
            Self::TooMany => 2,
            Self::Bad(flaw) => flaw as u32,
        }
    }

    /// From what a global function returned; a code that is none is bad.
    #[inline(always)]
    pub const fn from_code(code: u32) -> Self {
        match code {
            0 => Self::More,
            1 => Self::Done,
            2 => Self::TooMany,
            flaw => Self::Bad(Outcome::flaw(flaw)),
        }
    }
}

/// How the steps are called.
pub trait Steps {
    /// Reads the question's name from byte `chunk * CHUNK` on; see [`question_step`].
    fn question(message: &mut Message, chunk: u32) -> Step;
    /// Reads a piece of a name or of a record; see [`record_step`].
    fn record(message: &mut Message) -> Step;
    /// Reads some pieces, as long as there are more; see [`record_steps`].
    fn records(message: &mut Message) -> Step;
    /// Drops some addresses of other names; see [`settle_step`].
    fn settle(message: &mut Message) -> Step;
}

/// Steps as plain calls.
pub struct Direct;

impl Steps for Direct {
    fn question(message: &mut Message, chunk: u32) -> Step {
        question_step(message, chunk)
    }

    fn record(message: &mut Message) -> Step {
        record_step(message)
    }

    fn records(message: &mut Message) -> Step {
        record_steps::<Self>(message)
    }

    fn settle(message: &mut Message) -> Step {
        settle_step(message)
    }
}

pub use question::{CHUNKS, beginning_step, beginning_steps, question_step};
pub use records::{RECORD_RUNS, record_step, record_steps};
pub use settle::{SETTLE_STEPS, settle_step};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire;
