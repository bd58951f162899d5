//! Every map: who writes it, who reads it, how much it holds.
//!
//! User space fills half `number % 2` of the tables that have halves, then writes the generation's
//! number into [`GENERATION`]. A program reads the number once a packet and uses that half alone,
//! so no packet sees a part of a generation.

use aya_ebpf::{
    btf_maps::{
        Array, ArrayOfMaps, DevMapHash, HashMap, LpmTrie, LruHashMap, LruPerCpuHashMap,
        PerCpuArray, RingBuf, SockMap,
    },
    macros::btf_map,
};
use egress_common::{
    cache, divert,
    dns::{
        OUTCOMES,
        asked::{Query, QueryKey},
        message::Message,
    },
    event::{Event, FATES, Limit, LimitKey, Watcher},
    flat,
    flow::{Addr, Flow, FlowKey},
    forward,
    fragment::{DatagramKey, Seen},
    learned::{Learned, LearnedKey},
    lesson, limits,
    missed::{Missed, MissedKey},
    name::NAME_KEY_BYTES,
    parse::Datagram,
    rule::{ClientKey, MachineKey, PlaceKey, Ruleset, Settings},
    steer::Steering,
    traffic::{self, TrafficKey},
    trial::Trial,
    verdict::{Counter, REPLY_COUNTERS, VERDICT_COUNTERS},
};

use crate::forward::Asked;

/// `BPF_NOEXIST` (linux/bpf.h): an entry that another CPU made first stays as it is.
pub const NO_EXIST: u64 = 1;

const HALVES: usize = limits::HALVES as usize;

/// Zone and prefix of a client's address to a number; the value as of [`AddrTrie`].
pub type ClientTrie = LpmTrie<[u8; CLIENT_BYTES], u64, { limits::CLIENTS as usize }>;
/// Bytes of a zone and an address.
const CLIENT_BYTES: usize = size_of::<ClientKey>() - size_of::<u32>();
/// Prefix of an address to a number. The value is an integer: up to Linux 6.1 an inner map made
/// without BTF does not match a template with a struct value (`btf_record_equal`, map_in_map.c).
pub type AddrTrie<const ENTRIES: usize> = LpmTrie<[u8; size_of::<Addr>()], u64, ENTRIES>;
/// Prefix of a reversed name to what is listed there (`heads::Listed`), as a number.
pub type NameTrie = LpmTrie<[u8; NAME_KEY_BYTES], u64, { limits::PATTERNS as usize }>;

/// Number of a list and beginning of a name to what matches it (`heads::Headed`), as a number.
pub type HeadTrie = LpmTrie<[u8; NAME_KEY_BYTES], u64, { limits::HEADS as usize }>;

/// Number of the generation in force, 0 before the first. Written by user space, read by every program.
#[btf_map(pin_by_name)]
pub static GENERATION: Array<u64, 1> = Array::new();

/// The generation on trial, and when the one before holds again. Written by user space, read by every program.
#[btf_map(pin_by_name)]
pub static TRIAL: Array<Trial, 1> = Array::new();

/// Until when nothing is dropped, in boot-time ms; 0 is not at all. Written by user space, read at LAN ingress.
#[btf_map(pin_by_name)]
pub static BYPASS: Array<u64, 1> = Array::new();

/// What the clock of a replay is ahead of the boot-time clock, in ms modulo 2^64; 0 on a gateway. Written by
/// `replay` into maps of its own, read by every program.
#[btf_map(pin_by_name)]
pub static CLOCK: Array<u64, 1> = Array::new();

/// Mode and TTL bounds, by half. Written by user space, read by every program.
#[btf_map(pin_by_name)]
pub static SETTINGS: Array<Settings, HALVES> = Array::new();

/// What verdicts that are kept must carry, by half: no two generations have the same. Written by user space with each
/// change, read at LAN ingress.
#[btf_map(pin_by_name)]
pub static STAMPS: Array<u32, HALVES> = Array::new();

/// Verdicts that this CPU gave lately. Written and read at LAN ingress, whose programs do not interrupt each other.
#[btf_map]
pub static CACHE: PerCpuArray<cache::Chunk, { cache::CHUNKS }> = PerCpuArray::new();

/// Interface and VLAN to zone, for both halves. Written by user space, read at LAN ingress.
#[btf_map(pin_by_name)]
pub static PLACES: HashMap<PlaceKey, u32, { limits::ZONES as usize }> = HashMap::new();

/// Listed machine in a zone to its own zone, for both halves. Written by user space, read at LAN ingress.
#[btf_map(pin_by_name)]
pub static MACHINES: HashMap<MachineKey, u32, { limits::MACHINES as usize }> = HashMap::new();

/// Zone and source prefix to client group, by half. Written by user space, read at LAN ingress.
#[btf_map(pin_by_name)]
pub static CLIENTS: ArrayOfMaps<ClientTrie, HALVES> = ArrayOfMaps::new();

/// Client group to its policy as a number, `limits::GROUPS` a half. Written by user space, read at LAN
/// ingress.
#[btf_map(pin_by_name)]
pub static GROUPS: Array<u32, { HALVES * limits::GROUPS }> = Array::new();

/// Destination prefix to ruleset and marks, by half; empty where there is a flat table. Written by user space, read
/// by every program.
#[btf_map(pin_by_name)]
pub static DESTINATIONS: ArrayOfMaps<AddrTrie<{ limits::DESTINATIONS as usize }>, HALVES> =
    ArrayOfMaps::new();

/// Pages of the flat table of destinations and clients, `limits::DESTINATION_PAGES` a half. Written by user space, read by
/// every program.
#[btf_map(pin_by_name)]
pub static FLAT: ArrayOfMaps<
    Array<flat::Page, 1>,
    { HALVES * limits::DESTINATION_PAGES as usize },
> = ArrayOfMaps::new();

/// Reversed name to what is listed there, by half. Written by user space, read at LAN egress.
#[btf_map(pin_by_name)]
pub static NAMES: ArrayOfMaps<NameTrie, HALVES> = ArrayOfMaps::new();

/// Beginnings of names that match by their heads, by half. Written by user space, read at LAN egress.
#[btf_map(pin_by_name)]
pub static HEADS: ArrayOfMaps<HeadTrie, HALVES> = ArrayOfMaps::new();

/// Rulesets, `limits::RULESETS` a half. Written by user space, read at LAN ingress.
#[btf_map(pin_by_name)]
pub static RULESETS: Array<Ruleset, { HALVES * limits::RULESETS as usize }> = Array::new();

/// Endpoint set to the number of the steering of each client group, `limits::SETS` a half; 0 is none.
/// Written by user space, read at LAN ingress.
#[btf_map(pin_by_name)]
pub static STEERED: Array<[u8; limits::GROUPS], { HALVES * limits::SETS as usize }> = Array::new();

/// Steerings, `limits::STEERINGS` a half. Written by user space, read at LAN ingress.
#[btf_map(pin_by_name)]
pub static STEERINGS: Array<Steering, { HALVES * limits::STEERINGS as usize }> = Array::new();

/// Pattern to ruleset, `limits::PATTERNS` a half. Written by user space, read at LAN ingress.
#[btf_map(pin_by_name)]
pub static PATTERNS: Array<u32, { HALVES * limits::PATTERNS as usize }> = Array::new();

/// Address, and whom it was taught for, to the patterns that taught it and how it is used. Written at LAN
/// egress, read at LAN ingress, where its use is noted; it outlives generations. When it is full, the address
/// that was used least recently leaves.
#[btf_map(pin_by_name)]
pub static LEARNED: LruHashMap<LearnedKey, Learned, { limits::LEARNED as usize }> =
    LruHashMap::new();

/// Address that an answer for a name that is not allowed gave, to the end of its TTL in boot-time ms.
/// Written at LAN egress, read at LAN ingress to name the reason of a drop; it allows nothing.
#[btf_map(pin_by_name)]
pub static REFUSED: LruHashMap<Addr, u64, { limits::REFUSED as usize }> = LruHashMap::new();

/// Connection to a learned address, to the pattern that admitted it and the end of its silence, as the
/// word of a slot. Written and read at LAN ingress; it outlives generations. When it is full, the
/// connection that was used least recently leaves.
#[btf_map(pin_by_name)]
pub static FLOWS: LruHashMap<FlowKey, u64, { limits::FLOWS as usize }> = LruHashMap::new();

/// Datagram in fragments, to what was seen of it. Written and read at LAN ingress; it outlives
/// generations. When it is full, the datagram that was used least recently leaves.
#[btf_map(pin_by_name)]
pub static FRAGMENTS: LruHashMap<DatagramKey, Seen, { limits::FRAGMENTS as usize }> =
    LruHashMap::new();

/// Client to how many more answers it gets to rejected packets, as the word of a bucket. Written and read
/// at LAN ingress. When it is full, the client that was used least recently leaves.
#[btf_map(pin_by_name)]
pub static REFUSALS: LruHashMap<Addr, u64, { limits::REFUSALS as usize }> = LruHashMap::new();

/// Query that a client waits for an answer to, to what it asked. Written at LAN ingress, taken at LAN egress;
/// it outlives generations. When it is full, the oldest query leaves.
#[btf_map(pin_by_name)]
pub static QUERIES: LruHashMap<QueryKey, Query, { limits::QUERIES as usize }> = LruHashMap::new();

/// TCP connection of a client to a resolver, to where the next message of the resolver's stream begins. Written
/// and read at LAN egress. When it is full, the connection that was used least recently leaves.
#[btf_map(pin_by_name)]
pub static STREAMS: LruHashMap<FlowKey, u64, { limits::STREAMS as usize }> = LruHashMap::new();

/// Client or machine to when its next query is due, in boot-time ms, and under another key to when the next
/// address is that its answers add. Written and read at LAN ingress and egress. When it is full, the one that was
/// used least recently leaves.
#[btf_map(pin_by_name)]
pub static SHARES: LruHashMap<Addr, u64, { limits::SHARES as usize }> = LruHashMap::new();

/// What names are hashed with, so that nobody can prepare two names of one hash. Written by user space when
/// the maps are made, read by the programs that note queries and that learn.
#[btf_map(pin_by_name)]
pub static SEED: Array<u64, 1> = Array::new();

/// Indices of LAN interfaces. Written by user space, read at LAN egress.
#[btf_map(pin_by_name)]
pub static LAN: HashMap<u32, u32, { limits::LAN_INTERFACES as usize }> = HashMap::new();

/// Packets and bytes by group, action and reason. Written at LAN ingress, read by user space.
#[btf_map(pin_by_name)]
pub static VERDICTS: PerCpuArray<Counter, { VERDICT_COUNTERS as usize }> = PerCpuArray::new();

/// Packets and bytes by the endpoint set or rule that decided. Written at LAN ingress, read by user space.
#[btf_map(pin_by_name)]
pub static SETS: PerCpuArray<Counter, { limits::SETS as usize }> = PerCpuArray::new();

/// Packets and bytes to clients, by group and by the reason that holds for what they answer. Written at LAN
/// egress, read by user space.
#[btf_map(pin_by_name)]
pub static REPLIES: PerCpuArray<Counter, { REPLY_COUNTERS as usize }> = PerCpuArray::new();

/// Packets and bytes to clients, by the endpoint set or rule that decides about what they answer. Written at
/// LAN egress, read by user space.
#[btf_map(pin_by_name)]
pub static SET_REPLIES: PerCpuArray<Counter, { limits::SETS as usize }> = PerCpuArray::new();

/// Packets and bytes allowed, by destination, endpoint set and group. Written at LAN ingress, read by
/// user space. When it is full, the destination that was used least recently leaves; `SETS` never does.
#[btf_map(pin_by_name)]
pub static TRAFFIC: LruPerCpuHashMap<TrafficKey, Counter, { limits::TRAFFIC as usize }> =
    LruPerCpuHashMap::new();

/// The same of the destinations that a CPU met lately, which go into [`TRAFFIC`] when others take their places.
/// Written at LAN ingress, read by user space.
#[btf_map(pin_by_name)]
pub static RECENT_TRAFFIC: PerCpuArray<traffic::Chunk, { traffic::CHUNKS }> = PerCpuArray::new();

/// DNS messages by outcome. Written at LAN egress and ingress, read by user space.
#[btf_map(pin_by_name)]
pub static DNS: PerCpuArray<u64, OUTCOMES> = PerCpuArray::new();

/// The datagram being judged at LAN ingress, and the one at LAN egress.
#[btf_map]
pub static DATAGRAM: PerCpuArray<Datagram, 2> = PerCpuArray::new();

/// What the packet at LAN egress answers.
#[btf_map]
pub static ASKED: PerCpuArray<Flow, 1> = PerCpuArray::new();

/// The query being noted. Written and read at LAN ingress, whose programs do not interrupt each other.
#[btf_map]
pub static QUERY: PerCpuArray<Message, 1> = PerCpuArray::new();

/// The DNS message being read. Written and read at LAN egress.
#[btf_map]
pub static MESSAGE: PerCpuArray<Message, 1> = PerCpuArray::new();

/// The answer that user space hands over, and the datagram that it comes in: what reads them may be
/// interrupted by programs at LAN egress. Written and read by the program that is told.
#[btf_map]
pub static TOLD: PerCpuArray<Message, 1> = PerCpuArray::new();
#[btf_map]
pub static TOLD_IN: PerCpuArray<Datagram, 1> = PerCpuArray::new();

/// Listeners for DNS over TCP, one a family; there is none while nobody listens. Written by user space, read
/// at LAN ingress.
#[btf_map(pin_by_name)]
pub static LISTENERS: SockMap<{ divert::LISTENERS }> = SockMap::new();

/// Resolver to the time until which clients reach it directly over TCP, in boot-time ms. Written by user
/// space, read at LAN ingress.
#[btf_map(pin_by_name)]
pub static DIRECT: LruHashMap<Addr, u64, { limits::DIRECT as usize }> = LruHashMap::new();

/// Client and resolver to when a connection of theirs was given to a listener that has not taken it, in
/// boot-time ms. Written at LAN ingress, removed by user space that takes it. When it is full, the pair that
/// was used least recently leaves.
#[btf_map(pin_by_name)]
pub static GIVEN: LruHashMap<divert::Pair, u64, { limits::GIVEN as usize }> = LruHashMap::new();

/// Events of packets that are not allowed. Written at LAN ingress, read by the one watcher that there is.
#[btf_map(pin_by_name)]
pub static EVENTS: RingBuf<Event, { limits::EVENT_BYTES }> = RingBuf::new();

/// Who reads events. Written by the watcher, read at LAN ingress.
#[btf_map(pin_by_name)]
pub static WATCHER: Array<Watcher, 1> = Array::new();

/// The event being made. Written and read at LAN ingress.
#[btf_map]
pub static EVENT: PerCpuArray<Event, 1> = PerCpuArray::new();

/// Client and reason to the limit of their events. Written and read at LAN ingress. When it is full, the
/// limit that was used least recently leaves.
#[btf_map]
pub static EVENT_LIMITS: LruHashMap<LimitKey, Limit, { limits::EVENT_LIMITS as usize }> =
    LruHashMap::new();

/// When the next event of this CPU is due, in boot-time ms. Written and read at LAN ingress.
#[btf_map]
pub static EVENT_DUE: PerCpuArray<u64, 1> = PerCpuArray::new();

/// Events by fate. Written at LAN ingress, read by user space.
#[btf_map(pin_by_name)]
pub static EVENT_FATES: PerCpuArray<u64, FATES> = PerCpuArray::new();

/// DNS messages that taught or were refused, with what became of them. Written at LAN egress, read by the
/// daemon. When it is full, the next ones are lost.
#[btf_map(pin_by_name)]
pub static LESSONS: RingBuf<lesson::Head, { limits::LESSON_BYTES }> = RingBuf::new();

/// Records of lessons by fate. Written at LAN egress, read by user space.
#[btf_map(pin_by_name)]
pub static LESSON_FATES: PerCpuArray<u64, { lesson::FATES }> = PerCpuArray::new();

/// Destination that a client tried and no answer allowed, to how often. Written at LAN ingress, read by
/// user space. When it is full, the one that was tried least recently leaves.
#[btf_map(pin_by_name)]
pub static MISSED: LruHashMap<MissedKey, Missed, { limits::MISSED as usize }> = LruHashMap::new();

/// The word under which next hops are remembered; 0 while nothing is forwarded past the stack. Written by user
/// space whenever anything changes that forwarding goes by, read at LAN ingress.
#[btf_map(pin_by_name)]
pub static FORWARD_EPOCH: Array<u64, 1> = Array::new();

/// Pairs of interfaces between which packets are forwarded past the stack. Written by user space again and again,
/// read at LAN ingress.
#[btf_map(pin_by_name)]
pub static FORWARD_PAIRS: HashMap<
    forward::PairKey,
    forward::Pair,
    { limits::FORWARD_PAIRS as usize },
> = HashMap::new();

/// Interfaces that packets may leave by past the stack, by their indices. Written by user space, read at LAN
/// ingress.
#[btf_map(pin_by_name)]
pub static FORWARD_TO: DevMapHash<{ limits::FORWARD_PAIRS as usize }> = DevMapHash::new();

/// Packets by what became of them where there is a fast path. Written at LAN ingress, read by user space.
#[btf_map(pin_by_name)]
pub static FORWARDS: PerCpuArray<u64, { forward::FATES }> = PerCpuArray::new();

/// Next hops of this CPU's packets. Written and read at LAN ingress, whose programs do not interrupt each other.
#[btf_map]
pub static HOPS: PerCpuArray<forward::Hop, { forward::PLACES as usize }> = PerCpuArray::new();

/// When this CPU says the next line of a kind. Written and read by every program that says something.
#[cfg(feature = "log")]
#[btf_map]
pub static LOG_PACES: PerCpuArray<crate::log::Pace, { crate::log::KINDS }> = PerCpuArray::new();

/// The question for a next hop. Written and read at LAN ingress.
#[btf_map]
pub static ROUTE_ASKED: PerCpuArray<Asked, 1> = PerCpuArray::new();
