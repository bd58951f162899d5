//! The pinned maps, typed.
//!
//! Opened by their pins, so that commands read them with or without a daemon.

use std::path::{Path, PathBuf};

use aya::maps::{
    Array, ArrayOfMaps, HashMap, LpmTrie, Map, MapData, MapError, PerCpuArray, PerCpuHashMap,
    RingBuf, SockMap, lpm_trie, xdp::DevMapHash,
};
use egress_common::{
    divert::Pair,
    dns::asked::{Query, QueryKey},
    event::Watcher,
    flow::{Addr, FlowKey},
    forward::{Pair as Passage, PairKey},
    fragment::{DatagramKey, Seen},
    learned::{Learned, LearnedKey},
    limits,
    missed::{Missed, MissedKey},
    name::NAME_KEY_BYTES,
    rule::{MachineKey, PlaceKey, Ruleset, Settings},
    steer::Steering,
    traffic::TrafficKey,
    trial::Trial,
    verdict::Counter,
};

use super::{aside::MOVING, layout::Note};
pub use super::{pages::Places, recent::RecentTraffic};

/// Prefixes of addresses to numbers.
pub type AddrTrie = LpmTrie<MapData, Addr, u64>;
/// Prefixes of reversed names, or of lists and beginnings of names, to numbers.
pub type NameTrie = LpmTrie<MapData, [u8; NAME_KEY_BYTES], u64>;
/// Zones and prefixes of clients to numbers.
pub type ClientTrie = LpmTrie<MapData, ZonedAddr, u64>;
/// Zone, in network byte order, and address of a client.
pub type ZonedAddr = [u32; 5];
/// Key of [`ClientTrie`].
pub type ClientTrieKey = lpm_trie::Key<ZonedAddr>;
/// Key of [`AddrTrie`].
pub type AddrKey = lpm_trie::Key<Addr>;
/// Key of [`NameTrie`].
pub type NameTrieKey = lpm_trie::Key<[u8; NAME_KEY_BYTES]>;

/// Why a pinned map cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PinnedError {
    /// Nothing is pinned there.
    #[error("nothing is loaded: there is no {}; `egress-ctl run --config FILE` loads it", .0.display())]
    NotLoaded(PathBuf),
    /// Reading needs a right that this user does not have.
    #[error("{} cannot be opened (reading BPF maps needs root)", .path.display())]
    Denied {
        /// The pin.
        path: PathBuf,
        /// Why.
        source: MapError,
    },
    /// It is a map, but not the one that this version makes.
    #[error("{} is not the map that this version of egress makes", .path.display())]
    Foreign {
        /// The pin.
        path: PathBuf,
        /// Why.
        source: MapError,
    },
}

/// The pin directory, as a way to its maps.
#[derive(Clone, Copy)]
pub struct Pinned<'a>(pub &'a Path);

macro_rules! pinned {
    ($($(#[$doc:meta])* $function:ident: $pin:literal, $variant:ident => $kind:ty;)*) => {
        /// Names of the pins of all maps.
        pub(super) const PINS: &[&str] = &[$($pin),*];

        impl Pinned<'_> {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// It is not pinned, or not what this version makes.
                pub fn $function(self) -> Result<$kind, PinnedError> {
                    let path = there(self.0, $pin);
                    let map = Map::$variant(open(&path)?);
                    <$kind>::try_from(map).map_err(|source| PinnedError::Foreign { path, source })
                }
            )*
        }
    };
}

pinned! {
    /// Which layout the maps have.
    layout: "LAYOUT", Array => Array<MapData, Note>;
    /// Number of the generation in force.
    generation: "GENERATION", Array => Array<MapData, u64>;
    /// The generation on trial.
    trial: "TRIAL", Array => Array<MapData, Trial>;
    /// Until when nothing is dropped, in boot-time ms.
    bypass: "BYPASS", Array => Array<MapData, u64>;
    /// What the clock of a replay is ahead of the boot-time clock, in ms.
    clock: "CLOCK", Array => Array<MapData, u64>;
    /// Mode and TTL bounds, by half.
    settings: "SETTINGS", Array => Array<MapData, Settings>;
    /// What verdicts that are kept carry, by half.
    stamps: "STAMPS", Array => Array<MapData, u32>;
    /// Zones of interfaces and VLANs.
    places: "PLACES", HashMap => HashMap<MapData, PlaceKey, u32>;
    /// Zones of listed machines.
    machines: "MACHINES", HashMap => HashMap<MapData, MachineKey, u32>;
    /// Clients, by half.
    clients: "CLIENTS", ArrayOfMaps => ArrayOfMaps<MapData, ClientTrie>;
    /// Policies of client groups, by half.
    groups: "GROUPS", Array => Array<MapData, u32>;
    /// Destinations, by half.
    destinations: "DESTINATIONS", ArrayOfMaps => ArrayOfMaps<MapData, AddrTrie>;
    /// Pages of flat tables of destinations, by half.
    flat: "FLAT", ArrayOfMaps => Places;
    /// Names, by half.
    names: "NAMES", ArrayOfMaps => ArrayOfMaps<MapData, NameTrie>;
    /// Heads, by half.
    heads: "HEADS", ArrayOfMaps => ArrayOfMaps<MapData, NameTrie>;
    /// Rulesets, by half.
    rulesets: "RULESETS", Array => Array<MapData, Ruleset>;
    /// Numbers of the steerings of groups, by half and endpoint set.
    steered: "STEERED", Array => Array<MapData, [u8; limits::GROUPS]>;
    /// Steerings, by half.
    steerings: "STEERINGS", Array => Array<MapData, Steering>;
    /// Rulesets of patterns, by half.
    patterns: "PATTERNS", Array => Array<MapData, u32>;
    /// Learned addresses.
    learned: "LEARNED", LruHashMap => HashMap<MapData, LearnedKey, Learned>;
    /// Connections to learned addresses, and the words of their slots.
    flows: "FLOWS", LruHashMap => HashMap<MapData, FlowKey, u64>;
    /// What was seen of datagrams in fragments.
    fragments: "FRAGMENTS", LruHashMap => HashMap<MapData, DatagramKey, Seen>;
    /// Clients that were told of rejected packets, and the words of their buckets.
    refusals: "REFUSALS", LruHashMap => HashMap<MapData, Addr, u64>;
    /// Queries that clients wait for an answer to.
    queries: "QUERIES", LruHashMap => HashMap<MapData, QueryKey, Query>;
    /// TCP connections to resolvers, and where the next message begins.
    streams: "STREAMS", LruHashMap => HashMap<MapData, FlowKey, u64>;
    /// Clients and machines, and when their next query is due.
    shares: "SHARES", LruHashMap => HashMap<MapData, Addr, u64>;
    /// What names are hashed with.
    seed: "SEED", Array => Array<MapData, u64>;
    /// Indices of LAN interfaces.
    lan: "LAN", HashMap => HashMap<MapData, u32, u32>;
    /// Addresses of names that are not allowed, and until when in boot-time ms.
    refused: "REFUSED", LruHashMap => HashMap<MapData, Addr, u64>;
    /// Counters by group, action and reason.
    verdicts: "VERDICTS", PerCpuArray => PerCpuArray<MapData, Counter>;
    /// Counters by endpoint set.
    sets: "SETS", PerCpuArray => PerCpuArray<MapData, Counter>;
    /// Counters of replies by group and reason.
    replies: "REPLIES", PerCpuArray => PerCpuArray<MapData, Counter>;
    /// Counters of replies by endpoint set.
    set_replies: "SET_REPLIES", PerCpuArray => PerCpuArray<MapData, Counter>;
    /// Counters of allowed packets by destination, set and group.
    traffic: "TRAFFIC", PerCpuLruHashMap => PerCpuHashMap<MapData, TrafficKey, Counter>;
    /// Those of the destinations that each CPU met lately.
    recent_traffic: "RECENT_TRAFFIC", PerCpuArray => RecentTraffic;
    /// Counters by outcome of DNS messages.
    dns: "DNS", PerCpuArray => PerCpuArray<MapData, u64>;
    /// Listeners of the proxy for DNS over TCP.
    listeners: "LISTENERS", SockMap => SockMap<MapData>;
    /// Resolvers that clients reach directly over TCP, and until when in boot-time ms.
    direct: "DIRECT", LruHashMap => HashMap<MapData, Addr, u64>;
    /// Connections that were given to a listener which has not taken them, in boot-time ms.
    given: "GIVEN", LruHashMap => HashMap<MapData, Pair, u64>;
    /// Events of packets that are not allowed.
    events: "EVENTS", RingBuf => RingBuf<MapData>;
    /// Who reads events.
    watcher: "WATCHER", Array => Array<MapData, Watcher>;
    /// Counters of events by fate.
    event_fates: "EVENT_FATES", PerCpuArray => PerCpuArray<MapData, u64>;
    /// DNS messages that taught or were refused.
    lessons: "LESSONS", RingBuf => RingBuf<MapData>;
    /// Counters of these by fate.
    lesson_fates: "LESSON_FATES", PerCpuArray => PerCpuArray<MapData, u64>;
    /// The word under which next hops are remembered.
    forward_epoch: "FORWARD_EPOCH", Array => Array<MapData, u64>;
    /// Pairs of interfaces between which packets are forwarded past the stack.
    forward_pairs: "FORWARD_PAIRS", HashMap => HashMap<MapData, PairKey, Passage>;
    /// Interfaces that packets may leave by past the stack.
    forward_to: "FORWARD_TO", DevMapHash => DevMapHash<MapData>;
    /// Counters of packets by what became of them where there is a fast path.
    forwards: "FORWARDS", PerCpuArray => PerCpuArray<MapData, u64>;
    /// Destinations that clients tried and no answer allowed.
    missed: "MISSED", LruHashMap => HashMap<MapData, MissedKey, Missed>;
}

/// Where a pin is: a daemon that was killed while it moved them left some where they were on their way.
pub(super) fn there(pin_dir: &Path, name: &str) -> PathBuf {
    let moving = pin_dir.join(MOVING).join(name);
    match moving.exists() {
        true => moving,
        false => pin_dir.join(name),
    }
}

fn open(path: &Path) -> Result<MapData, PinnedError> {
    if matches!(path.try_exists(), Ok(false)) {
        return Err(PinnedError::NotLoaded(path.to_owned()));
    }
    MapData::from_pin(path).map_err(|source| PinnedError::Denied {
        path: path.to_owned(),
        source,
    })
}
