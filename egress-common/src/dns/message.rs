//! One DNS message, what was read of it, and where the reading stands.
//!
//! It lives in one entry of a per-CPU map: a load from there is an unknown number to the verifier,
//! so that all rounds of a loop look alike to it. Every index is masked, and behind the mask is
//! room for the constant that is added to it.

use super::{
    hash::{NAME_SEED, NameHash},
    names::Names,
    records::Record,
    walk::Walk,
};
use crate::{
    flow::Addr,
    heads::HEAD_MAX,
    lesson::{HEAD_BYTES, Head},
    name::NAME_KEY_BYTES,
    opaque::opaque,
};

/// Longest message that is read, in bytes.
pub const MESSAGE_MAX: usize = 4096;
const MESSAGE_MASK: usize = MESSAGE_MAX - 1;
/// Room behind the mask for constant offsets.
const SLACK: usize = 64;
/// Bytes of the header (RFC 1035 section 4.1.1).
pub const HEADER_BYTES: u32 = 12;
/// Addresses of one message that are read. A record of an address has at least 16 bytes, so only hints
/// can be more.
pub const ADDRESSES: usize = MESSAGE_MAX / 16;

/// Index in [`Message::reversed`] of the NUL that ends a reversed name; the name stands before it.
const NUL_AT: usize = 3 + NAME_KEY_BYTES;
/// Bytes of the area: the longest key, from the lowest place where one begins.
const AREA: usize = 528;

/// Bytes of a key of the trie of heads in front of the head, and of a whole key.
const HEAD_AT: usize = 2 * size_of::<u32>();
const HEAD_KEY_BYTES: usize = HEAD_AT + HEAD_MAX;

/// The MAC address of a client without one.
pub const NO_LINK_LAYER: [u8; 6] = [0; 6];

/// An address of the answer section.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The address.
    pub addr: Addr,
    /// Its TTL, as its record says it.
    pub ttl: u32,
    /// Number of the name whose address it is.
    pub(super) owner: u32,
}

/// A message, the name of its question reversed, its addresses, and the reader's state.
#[repr(C)]
pub struct Message {
    /// What is told of the message; its bytes stand right behind, so that both go out as one record.
    pub head: Head,
    bytes: [u8; MESSAGE_MAX + SLACK],
    /// A name grows downwards from [`NUL_AT`]; the prefix length of the trie's key stands before it.
    reversed: [u8; AREA],
    /// Key of the trie of heads: prefix length, number of a list, the beginning of the question's name.
    beginning: [u8; HEAD_KEY_BYTES],
    found: [Found; ADDRESSES],
    pub(super) names: Names,
    /// The name of a record that is being read.
    pub(super) walk: Walk,
    pub(super) record: Record,
    /// Whom it teaches.
    client: Addr,
    /// The client's MAC address, or that of the router in front of it; zeros where it is not known.
    mac: [u8; 6],
    /// How many new addresses it may add to the map of learned ones, and how many it did.
    room: u32,
    added: u32,
    /// What hashes of names begin with.
    pub(super) seed: u64,
    /// Of the question's name, as far as it was read.
    pub(super) hash: NameHash,
    /// Of the question's name.
    pub(super) name_hash: u64,
    /// The question's type.
    pub(super) question_type: u32,
    /// How many of `found` count.
    pub(super) found_len: u32,
    /// How many of them were looked at for their owner, and how many of these count.
    sifted: u32,
    kept: u32,
    /// 1 where it is not yet known of each address whether the question leads to its owner.
    pub(super) unsettled: u32,
    /// Length of the message in bytes.
    pub(super) len: u32,
    /// Where the reader stands.
    pub(super) at: u32,
    /// Bytes left of the label that is being read.
    pub(super) label_left: u32,
    /// Bytes of the reversed name, NUL included; 0 until it was read.
    pub(super) name_len: u32,
    /// Records left, of all sections.
    pub(super) records_left: u32,
    /// Records left that are no answers: authority and additional.
    pub(super) others: u32,
}

const _: () = assert!(core::mem::offset_of!(Message, bytes) == HEAD_BYTES);

impl Message {
    /// An empty message, for user space.
    pub const fn new() -> Self {
        Self {
            head: Head::NONE,
            bytes: [0; MESSAGE_MAX + SLACK],
            reversed: [0; AREA],
            beginning: [0; HEAD_KEY_BYTES],
            found: [Found {
                addr: Addr::v4([0; 4]),
                ttl: 0,
                owner: 0,
            }; ADDRESSES],
            names: Names::new(),
            walk: Walk::new(NAME_SEED, 0, 0),
            record: Record::new(),
            client: Addr::v6([[0; 4]; 4]),
            mac: NO_LINK_LAYER,
            room: 0,
            added: 0,
            seed: NAME_SEED,
            hash: NameHash::new(NAME_SEED),
            name_hash: 0,
            question_type: 0,
            found_len: 0,
            sifted: 0,
            kept: 0,
            unsettled: 0,
            len: 0,
            at: 0,
            label_left: 0,
            name_len: 0,
            records_left: 0,
            others: 0,
        }
    }

    /// Takes a payload over; the first [`MESSAGE_MAX`] bytes of a longer one.
    pub fn fill(&mut self, payload: &[u8]) {
        for (to, from) in self.bytes.iter_mut().take(MESSAGE_MAX).zip(payload) {
            *to = *from;
        }
        self.set_len(payload.len().min(MESSAGE_MAX) as u32);
    }

    /// Takes bytes over one by one; tells whether all of them were there, and no more than [`MESSAGE_MAX`].
    pub fn fill_with(&mut self, bytes: impl Iterator<Item = Option<u8>>) -> bool {
        let mut len = 0;
        for byte in bytes {
            let (Some(byte), Some(place)) = (byte, self.bytes.get_mut(len)) else {
                return false;
            };
            *place = byte;
            len += 1;
        }
        self.set_len(len as u32);
        len <= MESSAGE_MAX
    }

    /// Offset of the end of the question; 0 where none was read.
    #[inline(always)]
    pub fn question_end(&self) -> u32 {
        self.at
    }

    /// Forgets the question.
    #[inline(always)]
    pub fn forget_question(&mut self) {
        self.at = 0;
    }

    /// Where a payload of up to [`MESSAGE_MAX`] bytes is copied to.
    #[inline(always)]
    pub fn buffer(&mut self) -> *mut u8 {
        self.bytes.as_mut_ptr()
    }

    /// Says how many bytes were copied, and forgets what was read of the message before.
    #[inline(always)]
    pub fn set_len(&mut self, len: u32) {
        self.len = len;
        self.head.len = len;
        self.head.refused = 0;
        self.found_len = 0;
        self.sifted = 0;
        self.kept = 0;
        self.label_left = 0;
        self.name_len = 0;
    }

    /// Sets what hashes of names begin with.
    #[inline(always)]
    pub fn set_seed(&mut self, seed: u64) {
        self.seed = seed;
    }

    /// Sets whom it teaches, of whom no more is known.
    #[inline(always)]
    pub fn set_client(&mut self, client: Addr) {
        self.client = client;
        self.mac = NO_LINK_LAYER;
    }

    /// Sets which machine it goes to.
    #[inline(always)]
    pub fn set_mac(&mut self, mac: [u8; 6]) {
        self.mac = mac;
    }

    /// The machine that it goes to, where that is known.
    #[inline(always)]
    pub fn mac(&self) -> Option<[u8; 6]> {
        (self.mac != NO_LINK_LAYER).then_some(self.mac)
    }

    /// Sets how many new addresses it may add.
    #[inline(always)]
    pub fn set_room(&mut self, room: u32) {
        self.room = room;
        self.added = 0;
    }

    /// Takes room for one new address, if there is any.
    #[inline(always)]
    pub fn take_room(&mut self) -> bool {
        if self.added >= self.room {
            return false;
        }
        self.added += 1;
        true
    }

    /// How many new addresses took room.
    #[inline(always)]
    pub fn added(&self) -> u32 {
        self.added
    }

    /// Whom it teaches.
    #[inline(always)]
    pub fn client(&self) -> Addr {
        self.client
    }

    /// Id of the message; of one that is shorter than its header any number.
    #[inline(always)]
    pub fn id(&self) -> u16 {
        self.be16(0, 0) as u16
    }

    /// The byte `k` behind `at`; beyond the end of the message it is any byte, so check first.
    #[inline(always)]
    pub(super) fn byte(&self, at: u32, k: usize) -> u8 {
        self.bytes[(at as usize & MESSAGE_MASK) + k]
    }

    /// Two bytes in network order.
    #[inline(always)]
    pub(super) fn be16(&self, at: u32, k: usize) -> u32 {
        u32::from(self.byte(at, k)) << 8 | u32::from(self.byte(at, k + 1))
    }

    /// Four bytes in network order.
    #[inline(always)]
    pub(super) fn be32(&self, at: u32, k: usize) -> u32 {
        self.be16(at, k) << 16 | self.be16(at, k + 2)
    }

    /// Four bytes as they stand.
    #[inline(always)]
    fn word(&self, at: u32, k: usize) -> [u8; 4] {
        core::array::from_fn(|i| self.byte(at, k + i))
    }

    /// The IPv4 address at `at`.
    #[inline(always)]
    pub(super) fn v4(&self, at: u32) -> Addr {
        Addr::v4(self.word(at, 0))
    }

    /// The IPv6 address at `at`.
    #[inline(always)]
    pub(super) fn v6(&self, at: u32) -> Addr {
        Addr::v6([
            self.word(at, 0),
            self.word(at, 4),
            self.word(at, 8),
            self.word(at, 12),
        ])
    }

    /// Writes byte `i` of the reversed name, counted from its NUL.
    #[inline(always)]
    pub(super) fn put_reversed(&mut self, i: u32, byte: u8) {
        let place = opaque(NUL_AT as u64 - u64::from(i));
        self.reversed[place as usize & 0x1ff] = byte;
    }

    /// Key of the question's name for the trie of patterns: prefix length in bits (`u32`, host order),
    /// then [`NAME_KEY_BYTES`] bytes of which only the prefix counts. None where no name was read.
    #[inline(always)]
    pub fn name_key(&mut self) -> Option<*const u8> {
        let len = self.name_len;
        if len < 2 || len as usize > NAME_KEY_BYTES - 2 {
            return None;
        }
        let start = opaque((NUL_AT as u64 + 1 - 4).wrapping_sub(u64::from(len))) as usize & 0xff;
        let bits = (len * 8).to_ne_bytes();
        self.reversed[start] = bits[0];
        self.reversed[start + 1] = bits[1];
        self.reversed[start + 2] = bits[2];
        self.reversed[start + 3] = bits[3];
        Some(&raw const self.reversed[start])
    }

    /// Bytes of the question's name as it is written, without the final dot.
    #[inline(always)]
    pub fn name_bytes(&self) -> u32 {
        self.name_len.saturating_sub(1)
    }

    /// Writes byte `i` of the beginning of the question's name.
    #[inline(always)]
    pub(super) fn put_beginning(&mut self, i: u32) {
        let i = opaque(u64::from(i)) as usize & 0xff;
        if i < HEAD_MAX {
            let place = opaque(NUL_AT as u64 - 1 - i as u64);
            self.beginning[HEAD_AT + i] = self.reversed[place as usize & 0x1ff];
        }
    }

    /// Key of the question's name for the trie of heads, in a list whose longest head has `longest` bytes;
    /// so many bytes of the beginning were written.
    #[inline(always)]
    pub fn head_key(&mut self, list: u32, longest: u8) -> *const u8 {
        let bytes = self
            .name_bytes()
            .min(u32::from(longest))
            .min(HEAD_MAX as u32);
        let [a, b, c, d] = (u32::BITS + bytes * 8).to_ne_bytes();
        let [e, f, g, h] = list.to_be_bytes();
        let front = [a, b, c, d, e, f, g, h];
        let mut k = 0;
        while k < HEAD_AT {
            self.beginning[k] = front[k];
            k += 1;
        }
        &raw const self.beginning[0]
    }

    /// Hash of the question's name, once it was read.
    #[inline(always)]
    pub fn name_hash(&self) -> u64 {
        self.name_hash
    }

    /// Type of the question, once it was read.
    #[inline(always)]
    pub fn question_type(&self) -> u16 {
        self.question_type as u16
    }

    /// The question's name reversed, with its NUL.
    pub fn reversed_name(&self) -> &[u8] {
        let end = NUL_AT + 1;
        let start = end.saturating_sub(self.name_len as usize);
        self.reversed.get(start..end).unwrap_or_default()
    }

    /// Adds an address; false where there is no room.
    #[inline(always)]
    pub(super) fn push(&mut self, found: Found) -> bool {
        let i = self.found_len;
        let Some(place) = self.found.get_mut(opaque(u64::from(i)) as usize) else {
            return false;
        };
        *place = found;
        self.found_len = i + 1;
        true
    }

    /// Keeps one more address if the question leads to its owner; false once all were looked at, and
    /// those that are kept are all that were found.
    #[inline(always)]
    pub(super) fn sift(&mut self) -> bool {
        let i = self.sifted;
        let Some(found) = self.found(i).copied() else {
            self.found_len = self.kept;
            return false;
        };
        self.sifted = i + 1;
        if self.names.is_linked(found.owner)
            && let Some(place) = self.found.get_mut(opaque(u64::from(self.kept)) as usize)
        {
            *place = found;
            self.kept += 1;
        }
        true
    }

    /// How many addresses were dropped because the question does not lead to their owners.
    #[inline(always)]
    pub fn unlinked(&self) -> u32 {
        self.sifted.wrapping_sub(self.kept)
    }

    /// How many addresses were found.
    #[inline(always)]
    pub fn found_len(&self) -> u32 {
        self.found_len
    }

    /// Address `i` of those found.
    #[inline(always)]
    pub fn found(&self, i: u32) -> Option<&Found> {
        if i >= self.found_len {
            return None;
        }
        self.found.get(opaque(u64::from(i)) as usize)
    }
}

impl Default for Message {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
