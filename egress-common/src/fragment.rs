//! Fragments: which datagram one belongs to, and whether it may follow the first one.
//!
//! In: a [`Piece`] of a datagram, what was [`Seen`] of that datagram, and the verdict on the piece alone.
//! Out: the verdict that holds, and what to note. A first fragment has the ports and is judged as a whole
//! datagram; the later ones follow it as long as they neither overlap nor contradict what went before
//! (RFC 5722, RFC 8200 section 4.5).

use crate::{
    flow::{Addr, Flow},
    verdict::{Reason, Verdict},
};

/// What a packet is of a larger datagram; offsets in units of 8 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// 1 where more data follow behind it.
    pub more: u32,
    /// Number that all fragments of the datagram have.
    pub id: u32,
    /// Extension headers up to the fragment header, folded into a word; 0 in IPv4.
    pub chain: u32,
    /// Where its data begin.
    pub start: u32,
    /// Where they end; 0 where the packet is a whole datagram.
    pub end: u32,
}

/// Bytes of a unit.
const UNIT: usize = 8;

impl Piece {
    /// A datagram in one packet.
    pub const WHOLE: Self = Self {
        id: 0,
        chain: 0,
        start: 0,
        end: 0,
        more: 0,
    };

    /// `len` bytes of a datagram from a unit on.
    ///
    /// # Errors
    /// There is nothing in it, it does not end at a unit although more follow, or it goes on beyond
    /// 65,535 bytes.
    #[inline(always)]
    pub fn new(start: u16, len: usize, more: bool, id: u32) -> Result<Self, Reason> {
        let start = usize::from(start);
        if len == 0 || (more && !len.is_multiple_of(UNIT)) || start * UNIT + len > 0xffff {
            return Err(Reason::Malformed);
        }
        Ok(Self {
            id,
            chain: 0,
            start: start as u32,
            end: (start + len.div_ceil(UNIT)) as u32,
            more: u32::from(more),
        })
    }

    /// A chain of extension headers with one more.
    #[inline(always)]
    pub const fn link(chain: u32, proto: u8, len: u8, next: u8) -> u32 {
        chain.rotate_left(11) ^ (proto as u32 | (len as u32) << 8 | (next as u32) << 16)
    }

    /// Whether it is one of several.
    #[inline(always)]
    pub const fn is_fragment(&self) -> bool {
        self.end != 0
    }

    /// Whether another one is before it, which has the ports.
    #[inline(always)]
    pub const fn is_later(&self) -> bool {
        self.start != 0
    }
}

/// What tells datagrams in fragments apart (RFC 791 section 3.2, RFC 8200 section 4.5).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatagramKey {
    /// Source address.
    pub src: Addr,
    /// Destination address.
    pub dst: Addr,
    /// The datagram's number.
    pub id: u32,
    /// Protocol in IPv4; 0 in IPv6, where it does not tell datagrams apart.
    pub proto: u32,
}

const _: () = assert!(size_of::<DatagramKey>() == 40);

impl DatagramKey {
    /// Of a fragment.
    #[inline(always)]
    pub const fn of(flow: &Flow, piece: &Piece) -> Self {
        Self {
            src: flow.src,
            dst: flow.dst,
            id: piece.id,
            proto: if flow.src.is_v4() {
                flow.proto as u32
            } else {
                0
            },
        }
    }
}

/// What was seen of a datagram whose first fragment passed.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// [`Extent`] as a word, changed by compare-exchange only: fragments may come in on several CPUs.
    pub extent: u64,
    /// When it is forgotten, in boot-time ms.
    pub expires_ms: u64,
    /// The first fragment's verdict, as a code.
    pub code: u32,
    /// The first fragment's chain of extension headers.
    pub chain: u32,
}

const _: () = assert!(size_of::<Seen>() == 24);

/// How long later fragments may follow the first, in ms: Linux gives up after 30 s (net.ipv4.ipfrag_time).
const LIFE_MS: u64 = 30_000;

/// Which data of a datagram were seen: from its begin on without a gap, and in one stretch behind the gap.
/// Offsets in units of 8 bytes; 14 bits hold each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    /// End of the data from the begin on.
    head: u32,
    /// Begin of the stretch behind the gap; 0 where there is none.
    from: u32,
    /// Its end.
    to: u32,
    /// Where the whole datagram ends; 0 where that is not known.
    total: u32,
}

/// An extent to which nothing fits any more.
pub const POISONED: u64 = u64::MAX;
const BITS: u32 = 14;

impl Extent {
    #[inline(always)]
    const fn from_word(word: u64) -> Self {
        const MASK: u64 = (1 << BITS) - 1;
        Self {
            head: (word & MASK) as u32,
            from: (word >> BITS & MASK) as u32,
            to: (word >> (2 * BITS) & MASK) as u32,
            total: (word >> (3 * BITS) & MASK) as u32,
        }
    }

    #[inline(always)]
    const fn to_word(self) -> u64 {
        self.head as u64
            | (self.from as u64) << BITS
            | (self.to as u64) << (2 * BITS)
            | (self.total as u64) << (3 * BITS)
    }

    /// Whether all of the datagram was seen.
    #[inline(always)]
    const fn is_complete(self) -> bool {
        self.head == self.total
    }

    /// Whether a later piece repeats data, goes on behind the end or names another one.
    #[inline(always)]
    const fn contradicts(self, piece: &Piece) -> bool {
        let seen_to = if self.to > self.head {
            self.to
        } else {
            self.head
        };
        let overlaps = piece.start < self.head || (piece.start < self.to && piece.end > self.from);
        let beyond = self.total != 0 && piece.end > self.total;
        let ends = piece.more == 0;
        overlaps || beyond || (ends && (self.total != 0 || piece.end < seen_to))
    }

    /// With a piece more that does not contradict it; nothing where it would leave a second gap.
    #[inline(always)]
    const fn with(mut self, piece: &Piece) -> Option<Self> {
        if piece.more == 0 {
            self.total = piece.end;
        }
        if piece.start == self.head {
            self.head = piece.end;
            if self.head == self.from {
                self.head = self.to;
                self.from = 0;
                self.to = 0;
            }
        } else if self.from == 0 {
            self.from = piece.start;
            self.to = piece.end;
        } else if piece.start == self.to {
            self.to = piece.end;
        } else if piece.end == self.from {
            self.from = piece.start;
        } else {
            return None;
        }
        Some(self)
    }
}

/// What to write about a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// Nothing.
    Nothing,
    /// It begins.
    Begin(Seen),
    /// Its extent changes to this word, if it is still what it was.
    Extent(u64),
}

/// What holds for a fragment that was `alone` judged so, and what to note.
#[inline(always)]
pub fn follow(seen: Option<Seen>, piece: &Piece, alone: Verdict, now_ms: u64) -> (Verdict, Note) {
    let seen = match seen {
        Some(seen) if seen.expires_ms > now_ms => seen,
        _ if piece.is_later() || !alone.reason.passes() => return (alone, Note::Nothing),
        _ => return (alone, begin(piece, alone, now_ms)),
    };
    let extent = Extent::from_word(seen.extent);
    let complete = seen.extent != POISONED && extent.is_complete();
    if !piece.is_later() {
        if !alone.reason.passes() {
            return (alone, Note::Nothing);
        }
        // The next datagram of that number: IPv4 has 65,536 of them.
        if complete {
            return (alone, begin(piece, alone, now_ms));
        }
        return overlap(alone);
    }
    let first = Verdict::from_code(seen.code);
    if complete || first.group != alone.group {
        return (alone, Note::Nothing);
    }
    if seen.extent == POISONED || seen.chain != piece.chain || extent.contradicts(piece) {
        return overlap(alone);
    }
    match extent.with(piece) {
        Some(extent) => {
            let follows = Verdict::by(Reason::Fragment, first.set);
            let follows = follows.of_group(u32::from(alone.group));
            (follows, Note::Extent(extent.to_word()))
        }
        None => (alone, Note::Nothing),
    }
}

/// From the first fragment on.
#[inline(always)]
fn begin(piece: &Piece, verdict: Verdict, now_ms: u64) -> Note {
    let extent = Extent {
        head: piece.end,
        from: 0,
        to: 0,
        total: 0,
    };
    Note::Begin(Seen {
        extent: extent.to_word(),
        expires_ms: now_ms + LIFE_MS,
        code: verdict.to_code(),
        chain: piece.chain,
    })
}

/// Nothing more of the datagram passes.
#[inline(always)]
fn overlap(alone: Verdict) -> (Verdict, Note) {
    let verdict = Verdict::because(Reason::FragmentOverlap).of_group(u32::from(alone.group));
    (verdict, Note::Extent(POISONED))
}

#[cfg(test)]
mod tests;
