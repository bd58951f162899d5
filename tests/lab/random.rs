//! Random policies and packets, as strategies of proptest: few distinct values, so that prefixes nest,
//! ports meet and clients belong to groups.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Result, anyhow};
use egress_common::learned::{LearnedKey, Scope};
use egress_ctl::config::Config;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use crate::frame::{Extension, Frame, Transport};
use crate::kernel::INTERFACE;

/// Patterns of a random policy; learned addresses name them.
pub const PATTERNS: [&str; 9] = [
    "x.y", "*.x.y", "*x.y", "a.x.y", "*.a.x.y", "z.y", "a*.x.y", "a*.y", "aa*.y",
];
/// Where some of them meet; learned addresses name these as well.
pub const MEETINGS: [&str; 3] = ["*.x.y & a*.y", "*.a.x.y & a*.x.y", "a*.x.y & aa*.y"];

/// What strict groups may ask for besides, in part the same.
const ASKED: [&str; 5] = ["q.y", "*.q.y", "a*.q.y", "*.x.y", "a*.y"];
/// Names to ask for: some that patterns match, in several ways, some that none does, and reverse lookups.
pub const NAMES: [&str; 14] = [
    "x.y",
    "nx.y",
    "a.x.y",
    "b.a.x.y",
    "ab.x.y",
    "aab.x.y",
    "ab.y",
    "z.y",
    "q.y",
    "b.q.y",
    "ab.q.y",
    "www.example",
    "1.112.0.203.in-addr.arpa",
    "8.b.d.0.1.0.0.2.ip6.arpa",
];

/// MAC addresses of frames; groups list some of them.
pub const MACS: [[u8; 6]; 3] = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 3]];
/// VLANs of frames; groups name some of them.
const VLANS: [u16; 3] = [5, 6, 7];

/// Random numbers that begin with a seed.
pub fn seeded(seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    TestRunner::new_with_rng(proptest::test_runner::Config::default(), rng)
}

/// One value of a strategy.
///
/// # Errors
/// The strategy gives none.
pub fn one<S: Strategy>(strategy: S, runner: &mut TestRunner) -> Result<S::Value> {
    let tree = strategy.new_tree(runner);
    Ok(tree.map_err(|reason| anyhow!("{reason}"))?.current())
}

/// A config as text.
pub fn policy() -> impl Strategy<Value = String> {
    (
        mode(),
        prop::collection::vec(set(), 1..6),
        prop::collection::vec(group(), 0..5),
        prop::collection::vec(prefix(), 0..2),
        resolvers(),
        prop::option::of(any::<Index>()),
        prop_oneof![3 => Just("policy"), 1 => Just("client")],
        prop_oneof![3 => Just("flat"), 1 => Just("trie")],
    )
        .prop_map(|(mode, sets, groups, internal, resolvers, default, scope, lookup)| {
            let mut text = format!(
                "[gateway]\nmode = \"{mode}\"\nlookup = \"{lookup}\"\nlan = [\"{INTERFACE}\"]\ninternal = {internal:?}\nresolvers = {resolvers:?}\n",
                internal = texts(&internal),
            );
            let default = default.filter(|_| !groups.is_empty());
            let default = default.map(|default| default.index(groups.len()));
            if let Some(number) = default {
                text += &format!("default-group = \"g{number}\"\n");
            }
            text += &format!("[dns]\nscope = \"{scope}\"\n");
            text += "[source.r]\nkind = \"custom\"\n";
            for (id, set) in sets.iter().enumerate() {
                text += &format!("[[source.r.set]]\nid = {id}\n{set}");
            }
            let mut taken: Vec<IpNet> = Vec::new();
            for (number, mut group) in groups.into_iter().enumerate() {
                group.clients.retain(|client| !taken.contains(client));
                taken.extend(&group.clients);
                if default != Some(number) && group.takes_nobody() {
                    group.clients.push(IpNet::V4(Ipv4Net::new(Ipv4Addr::new(9, 9, 9, number as u8), 32).expect("a length")));
                }
                text += &group.text(&format!("g{number}"), sets.len());
            }
            text
        })
}

/// Addresses, and the gateway itself or not.
fn resolvers() -> impl Strategy<Value = Vec<String>> {
    let addresses = prop::collection::vec(address(), 0..6);
    (addresses, any::<bool>()).prop_map(|(addresses, own)| {
        let own = own.then(|| "gateway".to_owned());
        texts(&addresses).into_iter().chain(own).collect()
    })
}

fn mode() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just("enforce"), 2 => Just("audit")]
}

/// A client group as its keys hold it.
#[derive(Clone, Debug)]
struct Group {
    clients: Vec<IpNet>,
    interfaces: Vec<&'static str>,
    vlans: Vec<u16>,
    macs: Vec<[u8; 6]>,
    mode: Option<&'static str>,
    default: &'static str,
    dns: &'static str,
    dns_names: Vec<&'static str>,
    picks: Vec<Index>,
    rules: Vec<String>,
}

impl Group {
    fn takes_nobody(&self) -> bool {
        let marks = self.interfaces.len() + self.vlans.len() + self.macs.len();
        self.clients.is_empty() && marks == 0
    }

    fn text(&self, name: &str, sets: usize) -> String {
        let picks = self.picks.iter().map(|i| format!("r:{}", i.index(sets)));
        let mut allow: Vec<_> = picks.collect();
        allow.dedup();
        let macs = self
            .macs
            .iter()
            .map(|mac| mac.map(|byte| format!("{byte:02x}")).join(":"));
        let mut text = format!(
            "[group.{name}]\nclients = {:?}\ninterfaces = {:?}\nvlans = {:?}\nmacs = {:?}\nallow = {allow:?}\ndefault = \"{}\"\ndns = \"{}\"\n",
            texts(&self.clients),
            self.interfaces,
            self.vlans,
            macs.collect::<Vec<_>>(),
            self.default,
            self.dns,
        );
        if self.dns == "strict" {
            text += &format!("dns-names = {:?}\n", self.dns_names);
        }
        if let Some(mode) = self.mode {
            text += &format!("mode = \"{mode}\"\n");
        }
        for rule in &self.rules {
            text += &format!("[[group.{name}.rule]]\n{rule}");
        }
        text
    }
}

fn texts<T: ToString>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

/// Keys of one endpoint set.
fn set() -> impl Strategy<Value = String> {
    let ports = || prop::option::of(prop::collection::vec(range(), 1..3));
    let names = prop::collection::vec(select(&PATTERNS[..]), 0..3);
    (
        prop::collection::vec(prefix(), 1..6),
        names,
        ports(),
        ports(),
    )
        .prop_map(|(ips, urls, tcp, udp)| {
            let mut text = format!("ips = {:?}\nurls = {urls:?}\n", texts(&ips));
            for (key, ports) in [("tcpPorts", tcp), ("udpPorts", udp)] {
                if let Some(ports) = ports {
                    text += &format!("{key} = \"{}\"\n", ports.join(","));
                }
            }
            text
        })
}

fn range() -> impl Strategy<Value = String> {
    (port(), 0..3u16).prop_map(|(low, more)| format!("{low}-{}", low.saturating_add(more)))
}

fn group() -> impl Strategy<Value = Group> {
    let some = |most| 0..=most;
    let mostly_none = prop_oneof![3 => Just(0..1usize), 1 => Just(1..3usize)];
    let marks =
        (mostly_none.clone(), mostly_none.clone(), mostly_none).prop_flat_map(|(i, v, m)| {
            (
                prop::collection::vec(select(vec![INTERFACE, "eth9"]), i),
                prop::collection::vec(select(&VLANS[..2]), v),
                prop::collection::vec(select(&MACS[..2]), m),
            )
        });
    (
        prop::collection::vec(prefix(), some(2)),
        marks,
        prop::option::weighted(0.2, select(vec!["enforce", "audit", "off"])),
        select(vec![
            ("drop", "watch"),
            ("reject", "watch"),
            ("drop", "trusted-only"),
            ("drop", "strict"),
        ]),
        prop::collection::vec(select(&ASKED[..]), 0..3),
        prop::collection::vec(any::<Index>(), 0..4),
        prop::collection::vec(rule(), 0..3),
    )
        .prop_map(
            |(
                clients,
                (interfaces, vlans, macs),
                mode,
                (default, dns),
                dns_names,
                picks,
                rules,
            )| Group {
                clients,
                interfaces,
                vlans,
                macs,
                mode,
                default,
                dns,
                dns_names,
                picks,
                rules,
            },
        )
}

/// Keys of one rule of a group's own.
fn rule() -> impl Strategy<Value = String> {
    let target = prop_oneof![
        2 => prefix().prop_map(|prefix| prefix.to_string()),
        1 => select(&PATTERNS[..]).prop_map(str::to_owned),
    ];
    let ports = || prop::option::of(prop::collection::vec(range(), 1..3));
    let protocol = prop_oneof![
        2 => Just("\"tcp\"".to_owned()),
        2 => Just("\"udp\"".to_owned()),
        1 => Just("\"sctp\"".to_owned()),
    ];
    let service = prop_oneof![
        1 => Just(String::new()),
        1 => Just("protocol = \"icmp\"\n".to_owned()),
        1 => (0..=254u8).prop_map(|number| format!("protocol = {number}\n")),
        4 => (protocol, ports()).prop_map(|(protocol, ports)| {
            let ports = ports.map(|ports| format!("ports = \"{}\"\n", ports.join(",")));
            format!("protocol = {protocol}\n{}", ports.unwrap_or_default())
        }),
    ];
    (
        select(vec!["allow", "deny"]),
        prop::collection::vec(target, 0..3),
        service,
        select(vec![
            "",
            "until = \"2026-11-21\"\n",
            "until = \"2026-11-22\"\n",
        ]),
    )
        .prop_map(|(action, to, service, until)| {
            format!("action = \"{action}\"\nto = {to:?}\n{service}{until}")
        })
}

/// Prefixes of any length, the shortest too, around a few addresses.
pub fn prefix() -> impl Strategy<Value = IpNet> {
    prop_oneof![
        (v4(), prop_oneof![20..=32u8, 0..=32u8])
            .prop_map(|(addr, len)| IpNet::V4(Ipv4Net::new(addr, len).expect("a length").trunc())),
        (v6(), prop_oneof![116..=128u8, 0..=128u8])
            .prop_map(|(addr, len)| IpNet::V6(Ipv6Net::new(addr, len).expect("a length").trunc())),
    ]
}

/// An address out of few.
pub fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![v4().prop_map(IpAddr::V4), v6().prop_map(IpAddr::V6)]
}

fn v4() -> impl Strategy<Value = Ipv4Addr> {
    let near = (0..=0xfffu32).prop_map(|low| Ipv4Addr::from_bits(0xcb00_7000 | low & 0x30b));
    let special = select(vec![
        Ipv4Addr::BROADCAST,
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::new(224, 0, 0, 5),
        Ipv4Addr::new(239, 1, 2, 3),
    ]);
    prop_oneof![12 => near, 1 => special, 1 => any::<Ipv4Addr>()]
}

fn v6() -> impl Strategy<Value = Ipv6Addr> {
    let base = 0x2001_0db8_u128 << 96;
    let near = (0..=0xfffu128).prop_map(move |low| Ipv6Addr::from_bits(base | low & 0x30b));
    let special = select(vec![
        Ipv6Addr::UNSPECIFIED,
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1),
        Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
        Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0, 2),
        Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0xcb00, 0x7001),
        Ipv6Addr::new(0x2002, 0xcb00, 0x7001, 0, 0, 0, 0, 1),
        Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0xcb00, 0x7001),
    ]);
    let translated =
        v4().prop_map(|v4| Ipv6Addr::from_bits(0x0064_ff9b_u128 << 96 | u128::from(v4.to_bits())));
    prop_oneof![12 => near, 1 => special, 1 => translated, 1 => any::<Ipv6Addr>()]
}

fn port() -> impl Strategy<Value = u16> {
    prop_oneof![8 => select(vec![53, 80, 81, 443, 444, 853, 65_535]), 1 => 1..=u16::MAX]
}

/// About so many frames in the order in which a client sends them; fragments of a datagram follow each
/// other.
pub fn frames(about: usize) -> impl Strategy<Value = Vec<Vec<u8>>> {
    let some = prop_oneof![
        12 => frame().prop_map(|frame| vec![frame]),
        1 => fragments(),
    ];
    prop::collection::vec(some, about).prop_map(|frames| frames.concat())
}

/// Fragments of one datagram, in order or not, some of them over each other.
fn fragments() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let pieces = prop_oneof![
        2 => Just(vec![(0, true), (3, true), (6, false)]),
        1 => Just(vec![(0, true), (6, true), (9, false), (3, true)]),
        3 => prop::collection::vec((0..10u16, prop::bool::weighted(0.8)), 1..6).prop_map(|mut pieces| {
            pieces.insert(0, (0, true));
            pieces
        }),
    ];
    (
        sound_frame(),
        prop::collection::vec(extension(), 0..2),
        pieces,
    )
        .prop_map(|(frame, before, pieces)| {
            let piece = |(offset, more): (u16, bool)| {
                let header = Extension::Fragment(offset, more);
                let extensions = before.iter().copied().chain([header]).collect();
                Frame {
                    fragment: Some((offset, more)),
                    extensions,
                    options: Vec::new(),
                    ..frame.clone()
                }
            };
            pieces
                .into_iter()
                .map(|one| piece(one).to_bytes())
                .collect()
        })
}

/// A frame, most of them whole; some cut off or with bytes changed.
pub fn frame() -> impl Strategy<Value = Vec<u8>> {
    let damage = prop_oneof![
        8 => Just(Damage::None),
        1 => any::<Index>().prop_map(Damage::Cut),
        3 => prop::collection::vec((any::<Index>(), any::<u8>()), 1..4).prop_map(Damage::Bytes),
    ];
    let frame = prop_oneof![9 => sound_frame(), 1 => error()];
    let made = (frame, damage).prop_map(|(frame, damage)| damage.of(frame.to_bytes()));
    prop_oneof![40 => made, 1 => noise()]
}

/// Any bytes at all, of any length up to that of jumbo frames; most claim to be IP.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    const CLAIM_AT: usize = 12;

    let claim = select(vec![Some(0x0800u16), Some(0x86dd), Some(0x8100), None]);
    let len = prop_oneof![SHORTEST..200, SHORTEST..=LONGEST];
    (len, any::<u64>(), claim).prop_map(|(len, seed, claim)| {
        let mut bytes = vec![0; len];
        seeded(seed).rng().fill_bytes(&mut bytes);
        if let Some(claim) = claim {
            bytes[CLAIM_AT..SHORTEST].copy_from_slice(&claim.to_be_bytes());
        }
        bytes
    })
}

/// The kernel takes no frame for a test that is shorter than an Ethernet header.
const SHORTEST: usize = 14;
/// A jumbo frame; it lies in several buffers, of which the program sees the first.
const LONGEST: usize = 9000;

#[derive(Clone, Debug)]
enum Damage {
    None,
    Cut(Index),
    Bytes(Vec<(Index, u8)>),
}

impl Damage {
    fn of(&self, mut frame: Vec<u8>) -> Vec<u8> {
        frame.truncate(LONGEST);
        match self {
            Self::None => {}
            Self::Cut(at) => {
                let len = SHORTEST + at.index(frame.len() - SHORTEST);
                frame.truncate(len);
            }
            Self::Bytes(changes) => {
                for (at, byte) in changes {
                    let at = at.index(frame.len());
                    frame[at] = *byte;
                }
            }
        }
        frame
    }
}

fn sound_frame() -> BoxedStrategy<Frame> {
    let v4_ends = (v4(), v4()).prop_map(|(a, b)| (IpAddr::V4(a), IpAddr::V4(b)));
    let v6_ends = (v6(), v6()).prop_map(|(a, b)| (IpAddr::V6(a), IpAddr::V6(b)));
    let tag = select(vec![0x8100, 0x88a8]);
    let fragment = prop::option::weighted(0.1, (0..=0x1fffu16, any::<bool>()));
    (
        prop_oneof![v4_ends, v6_ends],
        transport(),
        prop::collection::vec(tag, 0..4),
        prop_oneof![4 => Just(Vec::new()), 1 => options()],
        fragment,
        prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(extension(), 1..10)],
        (select(&MACS[..]), select(&VLANS[..])),
    )
        .prop_map(
            |((src, dst), transport, mut tags, options, fragment, extensions, (mac, vlan))| {
                tags.truncate(tags.len().saturating_sub(1));
                Frame {
                    mac,
                    tags,
                    vlan,
                    options,
                    fragment,
                    extensions,
                    ..Frame::new(src, dst, transport)
                }
            },
        )
        .boxed()
}

/// An ICMP error, a redirect or another message, about a frame from a server.
fn error() -> impl Strategy<Value = Frame> {
    let kind = select(vec![1, 2, 3, 3, 4, 5, 11, 12, 137]);
    (sound_frame(), kind, 0..14u8).prop_map(|(mut about, kind, code)| {
        about.fragment = None;
        Frame::error(&about, kind, code)
    })
}

/// Bytes of IPv4 options, a multiple of 4.
fn options() -> impl Strategy<Value = Vec<u8>> {
    let harmless = (1..=10usize).prop_map(|words| vec![1; 4 * words]);
    let first = select(vec![7, 7, 68, 130, 131, 137, 148]);
    let one = (first, 0..=9u8, 1..=10usize).prop_map(|(kind, len, words)| {
        let mut bytes = vec![1, kind, len, 4];
        bytes.resize(4 * words, 1);
        bytes
    });
    prop_oneof![2 => harmless, 1 => one]
}

fn transport() -> impl Strategy<Value = Transport> {
    prop_oneof![
        4 => (port(), port()).prop_map(|(from, to)| Transport::Tcp(from, to)),
        2 => (port(), port()).prop_map(|(from, to)| Transport::Syn(from, to)),
        3 => (port(), port(), prop_oneof![19 => Just(5), 1 => 5..=8900usize])
            .prop_map(|(from, to, len)| Transport::Udp(from, to, vec![0; len])),
        1 => (select(vec![33, 132, 136]), port(), port())
            .prop_map(|(number, from, to)| Transport::Ports(number, from, to)),
        1 => prop_oneof![any::<u8>(), select(vec![1, 58, 132])].prop_map(Transport::Other),
    ]
}

fn extension() -> impl Strategy<Value = Extension> {
    prop_oneof![
        (0..4u8).prop_map(Extension::HopByHop),
        prop_oneof![0..4u8, any::<u8>()].prop_map(Extension::Destination),
        prop_oneof![4 => Just(0), 1 => any::<u8>()].prop_map(Extension::Routing),
        (prop_oneof![4 => Just(0), 1 => 1..100u16], any::<bool>())
            .prop_map(|(offset, more)| Extension::Fragment(offset, more)),
        (0..6u8).prop_map(Extension::Auth),
    ]
}

/// A pattern that taught an address, and for how many more ms; negative if that is over.
#[derive(Clone, Debug)]
pub struct Teaching {
    /// The address.
    pub addr: IpAddr,
    /// The one client that it was taught for; none for the whole policy.
    pub client: Option<IpAddr>,
    /// The pattern's text.
    pub pattern: &'static str,
    /// Far enough from 0 that the time a test takes does not matter.
    pub left_ms: i64,
}

impl Teaching {
    /// Under what it stands in the table.
    pub fn key(&self) -> LearnedKey {
        let addr = self.addr.into();
        match self.client {
            Some(client) => LearnedKey::of(addr, client.into(), Scope::Client),
            None => LearnedKey::for_all(addr),
        }
    }
}

/// What an address was taught by, or a connection admitted.
fn teacher() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => select(&PATTERNS[..]), 1 => select(&MEETINGS[..])]
}

/// Some teachings.
pub fn teachings() -> impl Strategy<Value = Vec<Teaching>> {
    let one = (
        address(),
        prop::option::weighted(0.3, address()),
        teacher(),
        select(vec![-3_600_000, 3_600_000]),
    );
    let one = one.prop_map(|(addr, client, pattern, left_ms)| Teaching {
        // An IPv4-mapped address is the IPv4 address that it means.
        addr: addr.to_canonical(),
        client: client.map(|client| client.to_canonical()),
        pattern,
        left_ms,
    });
    prop::collection::vec(one, 0..40)
}

/// A connection that a pattern admitted, and for how many more ms it may be silent; negative if that
/// is over.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Which of the frames belongs to it.
    pub frame: Index,
    /// The pattern's text.
    pub pattern: &'static str,
    /// Far enough from 0 that the time a test takes does not matter.
    pub left_ms: i64,
}

/// Some admissions.
pub fn admissions() -> impl Strategy<Value = Vec<Admission>> {
    let left_ms = select(vec![-3_600_000, 3_600_000]);
    let one = (any::<Index>(), teacher(), left_ms);
    let one = one.prop_map(|(frame, pattern, left_ms)| Admission {
        frame,
        pattern,
        left_ms,
    });
    prop::collection::vec(one, 0..60)
}

/// The config of a text that [`policy`] made.
///
/// # Panics
/// It is not understood.
pub fn config(text: &str) -> Config {
    Config::parse(text).unwrap_or_else(|problems| panic!("{problems:?} in\n{text}"))
}
