//! Sizes of the kernel's tables: what a policy must fit into.

/// Client groups of one generation; a rule's groups are bits of a `u64`.
pub const GROUPS: usize = 64;
/// Names of client groups that have counters, since the maps were made.
pub const GROUP_NAMES: u32 = 127;
/// Places that a client can be at: combinations of interface, VLAN and listed machines.
pub const ZONES: u32 = 16_384;
/// Listed machines (MAC addresses), over both generations.
pub const MACHINES: u32 = 65_536;
/// Rules of one ruleset.
pub const RULES: usize = 64;
/// Distinct rulesets of one generation.
pub const RULESETS: u32 = 4096;
/// Name patterns that have an id, over all generations since the maps were made.
pub const PATTERNS: u32 = 65_536;
/// Heads of patterns with something before their star, in one generation: each counts once for every
/// pattern without a head below its tail, and once more for its own.
pub const HEADS: u32 = 65_536;
/// Endpoint sets that have a counter, over all generations since the maps were made.
pub const SETS: u32 = 8_192;
/// Different steerings of one generation.
pub const STEERINGS: u32 = 256;
/// LAN interfaces at the same time.
pub const LAN_INTERFACES: u32 = 256;
/// Prefixes of clients in one generation.
pub const CLIENTS: u32 = 65_536;
/// Prefixes of destinations in one generation.
pub const DESTINATIONS: u32 = 1_048_576;
/// Pages of the flat table of destinations and clients in one generation, 64 KiB each; a power of two.
pub const DESTINATION_PAGES: u32 = 2048;
/// Addresses that DNS answers gave; the least recently used one leaves first.
pub const LEARNED: u32 = 65_536;
/// Addresses remembered only to say that the name that gave them is not allowed.
pub const REFUSED: u32 = 16_384;
/// Destinations with counters of their own, by group and endpoint set; the least recently used one
/// leaves first.
pub const TRAFFIC: u32 = 32_768;
/// Those of them that a CPU counts without looking for their place; a power of two.
pub const RECENT_TRAFFIC: u32 = 4096;
/// Verdicts that a CPU keeps; a power of two.
pub const CACHED: u32 = 4096;
/// Connections to learned addresses; the least recently used one leaves first.
pub const FLOWS: u32 = 131_072;
/// Datagrams whose fragments are on their way; the least recently used one leaves first.
pub const FRAGMENTS: u32 = 16_384;
/// Queries that clients wait for an answer to; the oldest one leaves first. Some 17 MiB.
pub const QUERIES: u32 = 131_072;
/// TCP connections to resolvers; the least recently used one leaves first. Some 7 MiB.
pub const STREAMS: u32 = 65_536;
/// Shares of clients and machines, one of queries and one of new addresses; the least recently used one leaves
/// first.
pub const SHARES: u32 = 16_384;
/// Clients that are told of rejected packets; the least recently used one leaves first.
pub const REFUSALS: u32 = 16_384;
/// Patterns that can teach one address at the same time.
pub const TEACHERS: usize = 8;
/// Generations that the maps hold: the one in force and the one being filled.
pub const HALVES: u32 = 2;
/// Bytes of the ring buffer of events, a power of two: some 11,900 of them.
pub const EVENT_BYTES: usize = 1 << 20;
/// Clients and reasons whose events are limited at the same time; the least recently used one leaves first.
pub const EVENT_LIMITS: u32 = 16_384;
/// Resolvers that are reached directly over TCP for a while, because this machine does not reach them.
pub const DIRECT: u32 = 1024;
/// Clients and resolvers whose connections over TCP are on their way to the proxy; the least recently used
/// pair leaves first.
pub const GIVEN: u32 = 4096;
/// Bytes of the ring buffer of lessons, a power of two: some 9,000 of them, if an answer has 170 bytes.
pub const LESSON_BYTES: usize = 1 << 21;
/// Destinations that clients tried without an answer that allows them; the least recently used one leaves
/// first.
pub const MISSED: u32 = 16_384;
/// Pairs of interfaces that have a fast path.
pub const FORWARD_PAIRS: u32 = 256;
