//! Reasons in words. They stand in tables of words of one length: a pointer in a table would have to be relocated, and
//! the verifier would follow every length.

use egress_common::{
    dns::{OUTCOMES, Outcome},
    forward::{FATES, Fate},
    verdict::{REASONS, Reason},
};

/// Bytes of a text, filled up with spaces, which user space takes off.
const TEXT: usize = 64;

/// Texts by numbers.
type Texts<const N: usize> = [[u8; TEXT]; N];

static REASON_TEXTS: Texts<REASONS> = {
    let mut texts = [[b' '; TEXT]; REASONS];
    let mut i = 0;
    while i < Reason::ALL.len() {
        let reason = Reason::ALL[i];
        texts[reason as usize] = filled(of_reason(reason));
        i += 1;
    }
    texts
};

static OUTCOME_TEXTS: Texts<OUTCOMES> = {
    let mut texts = [[b' '; TEXT]; OUTCOMES];
    let mut i = 0;
    while i < Outcome::ALL.len() {
        let outcome = Outcome::ALL[i];
        texts[outcome as usize] = filled(of_outcome(outcome));
        i += 1;
    }
    texts
};

/// Places for fates: a power of two, so that a mask bounds the number.
const FATE_PLACES: usize = FATES.next_power_of_two();

static FATE_TEXTS: Texts<FATE_PLACES> = {
    let mut texts = [[b' '; TEXT]; FATE_PLACES];
    let mut i = 0;
    while i < FATES {
        let fate = Fate::ALL[i];
        texts[fate as usize] = filled(of_fate(fate));
        i += 1;
    }
    texts
};

const _: () = assert!(REASONS.is_power_of_two() && OUTCOMES.is_power_of_two());

/// Why a packet is refused, by the reason's number.
#[inline(always)]
pub fn reason(number: u32) -> &'static str {
    text(&REASON_TEXTS, number)
}

/// What became of a DNS message, by the outcome's number.
#[inline(always)]
pub fn outcome(number: u32) -> &'static str {
    text(&OUTCOME_TEXTS, number)
}

/// Why a packet takes the stack, by the fate's number.
#[inline(always)]
pub fn fate(number: u32) -> &'static str {
    text(&FATE_TEXTS, number)
}

#[inline(always)]
fn text<const N: usize>(texts: &'static Texts<N>, number: u32) -> &'static str {
    let at = number as usize & (N - 1);
    // SAFETY: the mask keeps the number inside, and all texts are ASCII.
    unsafe { core::str::from_utf8_unchecked(texts.get_unchecked(at)) }
}

const fn filled(words: &str) -> [u8; TEXT] {
    let words = words.as_bytes();
    assert!(words.is_ascii() && words.len() <= TEXT);
    let mut text = [b' '; TEXT];
    let mut i = 0;
    while i < words.len() {
        text[i] = words[i];
        i += 1;
    }
    text
}

/// Only a few reasons settle a packet before it is parsed; the others go by their names.
const fn of_reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Malformed => "its headers are cut off, contradict each other or never end",
        Reason::EtherType => "it is neither IP nor link control",
        Reason::EmbeddedAddress => "an IPv4 address stands in its IPv6 header",
        Reason::SourceRoute => "it names stations on its way (a routing header)",
        Reason::NoPolicy => "no generation is loaded, or a table of it is missing",
        other => other.name(),
    }
}

const fn of_outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Learned => "it was learned",
        Outcome::NameNotListed => "no pattern lists the name",
        Outcome::ResolverNotTrusted => "it does not come from a configured resolver",
        Outcome::NoAnswer => "it is no answer, or an error",
        Outcome::NoAddress => "it has no address",
        Outcome::Truncated => "it is cut off (TC), and the client will ask over TCP",
        Outcome::Malformed => "it does not parse to its end",
        Outcome::TooLong => "it is longer than what is read",
        Outcome::AddressRefused => "it is private, local, the gateway's or internal",
        Outcome::TeacherDisplaced => "it ended another pattern's teaching early",
        Outcome::NoPlace => "it found no place in the kernel's map",
        Outcome::NoPolicy => "no generation is loaded, or a table of it is missing",
        Outcome::TooManyRecords => "it has more records, names or addresses than are read",
        Outcome::UnlinkedOwner => "the question does not lead to its name",
        Outcome::NotAsked => "nobody asked for it, or too long ago, or it was answered",
        Outcome::AskedOtherwise => "the client asked for another name or type",
        Outcome::ShareExceeded => "the client sends more than its share",
        Outcome::Fragmented => "it comes in fragments",
        Outcome::InPieces => "it goes on in another segment",
        Outcome::NoQuery => "it cannot be read as a query",
        Outcome::TtlClamped => "its TTL is beyond the floor or the cap",
        Outcome::NewShareExceeded => "its client's answers add more than their share",
        Outcome::CutOff => "it ends too early",
        Outcome::BadPointer => "a name points to where no name can begin",
        Outcome::BadLabel => "a name or a label of it is none",
        Outcome::WrongLength => "a record's data have a wrong length",
        Outcome::WrongCounts => "it has more or fewer records than it says",
        Outcome::WrongQuestions => "it has no question, or several",
    }
}

/// Whether a fate is rare and tells of something that a person can mend: most packets that go up do so by design.
#[inline(always)]
pub const fn is_odd(fate: Fate) -> bool {
    matches!(
        fate,
        Fate::TooLong
            | Fate::Checksum
            | Fate::Address
            | Fate::NoRoute
            | Fate::NoNeighbour
            | Fate::OtherWay
            | Fate::ReversePath
    )
}

/// Only the odd ones are said; the others go by their names.
const fn of_fate(fate: Fate) -> &'static str {
    match fate {
        Fate::TooLong => "it is longer than what the way to its next hop takes",
        Fate::Checksum => "the checksum of its IPv4 header is wrong",
        Fate::Address => "no router forwards from or to such an address",
        Fate::NoRoute => "there is no route, or none that is plain",
        Fate::NoNeighbour => "the next hop's link address is not known yet",
        Fate::OtherWay => "it leaves by an interface without a fast path",
        Fate::ReversePath => "what answers it would leave by another interface",
        other => other.name(),
    }
}
