//! DNS answers to learned addresses (RFC 1035).
//!
//! In: a [`Message`](message::Message) that holds one UDP payload. Out: the question's name reversed,
//! as the trie of patterns wants it, and the addresses of the answer section with their TTLs, as far as
//! the question leads to their owners; or the [`Outcome`] that says why it teaches nothing.
//!
//! The kernel's verifier checks a function that is called on its own once and then believes it, so
//! the work is cut into [`Steps`]: each handles a few bytes and keeps its state in the message. The
//! kernel calls them as global functions, user space directly.

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
    /// It does not parse to its end.
    Malformed = 6,
    /// Longer than [`MESSAGE_MAX`](message::MESSAGE_MAX) bytes.
    TooLong = 7,
    /// One of its addresses is private, local, the gateway's or internal, and was not learned.
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
        }
    }
}

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
    /// Malformed.
    Bad,
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
            Self::Bad => 2,
            Self::TooMany => 3,
        }
    }

    /// From what a global function returned; a code that is none is bad.
    #[inline(always)]
    pub const fn from_code(code: u32) -> Self {
        match code {
            0 => Self::More,
            1 => Self::Done,
            3 => Self::TooMany,
            _ => Self::Bad,
        }
    }
}

/// How the steps are called.
pub trait Steps {
    /// Reads the question's name from byte `chunk * CHUNK` on; see [`question_step`].
    fn question(message: &mut Message, chunk: u32) -> Step;
    /// Reads a piece of a name or of a record; see [`record_step`].
    fn record(message: &mut Message) -> Step;
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

    fn settle(message: &mut Message) -> Step {
        settle_step(message)
    }
}

pub use question::{CHUNKS, beginning_step, beginning_steps, question_step};
pub use records::{RECORD_STEPS, record_step};
pub use settle::{SETTLE_STEPS, settle_step};
