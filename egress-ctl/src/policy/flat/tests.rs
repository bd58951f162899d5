use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use egress_common::flat::{find, find_client};
use ipnet::{Ipv4Net, Ipv6Net};
use proptest::prelude::*;

use super::*;
use crate::policy::tables::longest;

type Destinations = BTreeMap<IpNet, Destination>;

/// What a linear scan finds.
fn expected(destinations: &Destinations, addr: IpAddr) -> Destination {
    longest(destinations, addr).map_or_else(Destination::default, |(_, said)| *said)
}

fn table(destinations: &Destinations) -> Table {
    Table::of(destinations, []).expect("fits")
}

/// Prefixes that say something else each.
fn numbered(prefixes: impl IntoIterator<Item = IpNet>) -> Destinations {
    let said = |number| Destination {
        ruleset: number % limits::RULESETS,
        marks: number % 31,
    };
    let prefixes = prefixes.into_iter().map(|prefix| prefix.trunc());
    prefixes.zip((1..).map(said)).collect()
}

/// Prefixes as they are written.
fn written(texts: &[&str]) -> Destinations {
    numbered(texts.iter().map(|text| text.parse().expect("a prefix")))
}

/// The first and the last address of each prefix, and those beside it.
fn edges(destinations: &Destinations) -> Vec<IpAddr> {
    let mut edges = Vec::new();
    for prefix in destinations.keys() {
        match prefix {
            IpNet::V4(v4) => {
                let (first, last) = (v4.network().to_bits(), v4.broadcast().to_bits());
                let near = [first.wrapping_sub(1), first, last, last.wrapping_add(1)];
                edges.extend(near.map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))));
            }
            IpNet::V6(v6) => {
                let (first, last) = (v6.network().to_bits(), v6.broadcast().to_bits());
                let near = [first.wrapping_sub(1), first, last, last.wrapping_add(1)];
                edges.extend(near.map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))));
            }
        }
    }
    edges
}

#[test]
fn shapes_that_a_table_treats_in_different_ways() {
    let shapes: &[(&str, &[&str])] = &[
        ("nothing", &[]),
        ("all of IPv4", &["0.0.0.0/0"]),
        ("all of IPv6", &["::/0"]),
        ("an entry of the root", &["13.107.0.0/16", "2600::/14"]),
        (
            "wider than an entry of the root",
            &["13.0.0.0/8", "2000::/3"],
        ),
        ("one address", &["13.107.6.152/32", "2603:1006::1/128"]),
        (
            "the last address",
            &[
                "255.255.255.255/32",
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
            ],
        ),
        ("the first address", &["0.0.0.0/32", "::/128"]),
        (
            "nested at every length",
            &[
                "0.0.0.0/0",
                "10.0.0.0/8",
                "10.1.0.0/16",
                "10.1.2.0/23",
                "10.1.2.0/24",
                "10.1.2.128/25",
                "10.1.2.192/26",
                "10.1.2.240/28",
                "10.1.2.254/31",
                "10.1.2.255/32",
            ],
        ),
        (
            "nested across both halves",
            &[
                "::/0",
                "2001:db8::/32",
                "2001:db8:0:1::/64",
                "2001:db8:0:1:8000::/65",
                "2001:db8:0:1:8000::/96",
                "2001:db8:0:1:8000::1/128",
                "2001:db8:0:1:8000::2/127",
            ],
        ),
        (
            "neighbours",
            &[
                "10.0.0.0/24",
                "10.0.1.0/24",
                "10.0.2.0/23",
                "10.0.4.0/32",
                "10.0.4.1/32",
            ],
        ),
        (
            "all bits of the first half in common",
            &[
                "2001:db8:1:2::/64",
                "2001:db8:1:2::1/128",
                "2001:db8:1:2:ffff::/80",
                "2001:db8:1:2:8000::/65",
            ],
        ),
        (
            "the first bit of the second half",
            &["2001:db8:1:2:8000::/65", "2001:db8:1:2::/65"],
        ),
        (
            "the edge between the halves",
            &[
                "2001:db8:1:2::/62",
                "2001:db8:1:3::/63",
                "2001:db8:1:3::/64",
                "2001:db8:1:2:8000::/66",
            ],
        ),
        (
            "mapped addresses are no IPv6",
            &["::/0", "::ffff:0:0/96", "1.2.3.4/32"],
        ),
    ];
    for (what, texts) in shapes {
        let destinations = written(texts);
        let table = table(&destinations);
        let mut asked = edges(&destinations);
        asked.extend(
            ["0.0.0.0", "128.0.0.1", "::", "::1", "8000::1"]
                .map(|text| text.parse::<IpAddr>().expect("an address")),
        );
        for addr in asked {
            let addr = addr.to_canonical();
            let seen = find(&&table, &addr.into());
            assert_eq!(seen, expected(&destinations, addr), "{what}: {addr}");
        }
    }
}

#[test]
fn the_deepest_way_ends_at_the_deepest_node() {
    // Beside every bit of an address one prefix ends, so that no node skips anything.
    for flipped in [0, u128::MAX] {
        let deep = (1..=128).map(|len| {
            let bits = flipped ^ 1 << (128 - len);
            IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from_bits(bits), len))
        });
        let shallow = (1..=32).map(|len| {
            let bits = (flipped as u32) ^ 1 << (32 - len);
            IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::from_bits(bits), len))
        });
        let destinations = numbered(deep.chain(shallow));
        let table = table(&destinations);
        for addr in edges(&destinations) {
            let addr = addr.to_canonical();
            let seen = find(&&table, &addr.into());
            assert_eq!(seen, expected(&destinations, addr), "{addr}");
        }
    }
}

#[test]
fn a_prefix_that_says_the_same_as_its_cover_takes_no_room() {
    let wide = written(&["10.0.0.0/8"]);
    let mut nested = wide.clone();
    for third in 0..=255 {
        let narrow = Ipv4Net::new_assert(Ipv4Addr::new(10, 0, third, 128), 25);
        nested.extend(wide.values().map(|said| (IpNet::V4(narrow), *said)));
    }
    let (wide, nested) = (table(&wide), table(&nested));
    assert_eq!(wide.pages(), nested.pages());
}

#[test]
fn a_node_has_no_more_bits_than_its_prefixes_tell_apart() {
    let nothing = table(&Destinations::new()).used;
    let words = |texts: &[&str]| {
        let table = table(&written(texts));
        assert_eq!(table.pages().len(), CLIENTS_PAGE as usize + 1);
        table.used - nothing
    };
    // Two words, a bitmap of one, and two entries.
    assert_eq!(words(&["10.0.0.1/32"]), 4);
    // Five entries.
    assert_eq!(words(&["10.0.0.1/32", "10.0.0.2/32"]), 6);
    // A bitmap of four words, and three entries.
    assert_eq!(words(&["10.0.0.0/24", "10.0.0.255/32"]), 8);
}

#[test]
fn pages_are_filled_to_their_last_word() {
    let host: IpNet = "10.0.0.1/32".parse().expect("a prefix");
    let prefixes = [Prefix::of(&host, 1)];
    let mut table = table(&Destinations::new());
    let (pages, used) = (table.pages().len(), table.used);
    let mut add = |from: u32| {
        table.used = from;
        table.below(&prefixes, 0, 0).expect("fits");
        (table.pages().len(), table.used)
    };
    let (_, behind) = add(used);
    let words = behind - used;
    assert_eq!(add(PAGE_WORDS - words), (pages, PAGE_WORDS));
    assert_eq!(add(PAGE_WORDS), (pages + 1, words));
}

#[test]
fn what_needs_too_many_pages_is_an_error() {
    // Pairs of addresses whose second halves differ in their first bits: a node for each pair and more.
    let many = (0..1000_u32).map(|i| {
        let bits = u128::from(i.reverse_bits()) << 96 | u128::from(i) << 64 | 1 << (i % 64);
        IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from_bits(bits), 128))
    });
    let mut limited = Table::of(&Destinations::new(), []).expect("fits");
    limited
        .pages
        .resize_with(limits::DESTINATION_PAGES as usize, empty);
    let destinations = numbered(many);
    let prefixes: Vec<_> = destinations
        .iter()
        .map(|(prefix, said)| Prefix::of(prefix, saying(*said)))
        .collect();
    assert_eq!(
        limited.root(ROOT_V6, &prefixes, ROOT_BITS_V6),
        Err(TooLarge)
    );
    let told = TooLarge.to_string();
    assert!(
        told.contains("128 MiB") && told.contains("lookup"),
        "{told}"
    );
}

#[test]
fn clients_and_destinations_share_pages_and_nothing_else() {
    let destinations = written(&["10.0.0.0/8", "fd00::/8", "192.0.2.1/32"]);
    let clients = ["0.0.0.0/0", "10.20.0.0/16", "10.20.7.7/32", "fd00:20::/64"];
    let clients = clients.map(|text| text.parse::<IpNet>().expect("a prefix"));
    let table = Table::of(&destinations, clients.iter().zip(1..)).expect("fits");
    for (text, number) in [
        ("10.20.7.6", 2),
        ("10.20.7.7", 3),
        ("192.0.2.1", 1),
        ("fd00:20::1", 4),
        ("fd00:21::1", 0),
    ] {
        let addr: IpAddr = text.parse().expect("an address");
        assert_eq!(find_client(&&table, &addr.into()), number, "{addr}");
        let said = expected(&destinations, addr);
        assert_eq!(find(&&table, &addr.into()), said, "{addr}");
    }
    let nobody = Table::of(&destinations, []).expect("fits");
    let addr = IpAddr::from([10, 20, 7, 7]);
    assert_eq!(find_client(&&nobody, &addr.into()), 0);
}

/// A prefix whose address has few bits that are not zero, so that prefixes nest and stand side by side.
fn prefix() -> impl Strategy<Value = IpNet> {
    let v4 = (any::<u32>(), any::<u32>(), any::<u32>(), 0..=32_u8).prop_map(|(a, b, c, len)| {
        IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::from_bits(a & b & c), len))
    });
    let v6 =
        (any::<u128>(), any::<u128>(), any::<u128>(), 0..=128_u8).prop_map(|(a, b, c, len)| {
            IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from_bits(a & b & c), len))
        });
    let near = (0..=255_u8, 24..=32_u8)
        .prop_map(|(last, len)| IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, last), len)));
    prop_oneof![3 => v4, 3 => v6, 2 => near].prop_map(|net| net.trunc())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_table_says_what_a_linear_scan_says(
        prefixes in prop::collection::vec(prefix(), 0..80),
        few in 1..6_u32,
        addrs in prop::collection::vec(prefix(), 0..60),
    ) {
        // Prefixes that say the same stand side by side too.
        let mut destinations = numbered(prefixes);
        for said in destinations.values_mut() {
            said.ruleset %= few;
            said.marks %= 2;
        }
        // The same prefixes say who clients are.
        let clients: BTreeMap<_, _> = destinations.keys().copied().zip(1..).collect();
        let numbered = clients.iter().map(|(prefix, number)| (prefix, *number));
        let table = Table::of(&destinations, numbered).expect("fits");
        let asked = addrs.into_iter().map(|net| net.addr());
        for addr in edges(&destinations).into_iter().chain(asked) {
            let addr = addr.to_canonical();
            let seen = find(&&table, &addr.into());
            prop_assert_eq!(seen, expected(&destinations, addr), "{}", addr);
            let client = longest(&clients, addr).map_or(0, |(_, number)| *number);
            prop_assert_eq!(find_client(&&table, &addr.into()), client, "client {}", addr);
        }
    }
}
