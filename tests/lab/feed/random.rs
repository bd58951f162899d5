//! Random editions, as strategies of proptest: few distinct values, so that items move, repeat and
//! cover each other.

use std::collections::BTreeSet;

use proptest::collection::btree_set;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::edition::{Edition, Set};

const IPS: [&str; 8] = [
    "40.96.0.0/13",
    "40.96.0.0/14",
    "40.100.1.0/24",
    "52.112.0.0/14",
    "104.47.0.0/17",
    "2603:1006::/40",
    "2620:1ec:40::/42",
    "2620:1ec:42::/48",
];
const URLS: [&str; 7] = [
    "outlook.office.com",
    "*.office.com",
    "*cdn.onenote.net",
    "site-cdn.onenote.net",
    "*-files.sharepoint.com",
    "autodiscover.*.onmicrosoft.com",
    "teams.microsoft.com",
];
const PORTS: [&str; 5] = [
    "443",
    "80,443",
    "443, 80",
    "3478-3481",
    "143, 587, 993, 995",
];

/// An edition of a few sets.
pub fn edition() -> impl Strategy<Value = Edition> {
    prop::collection::vec((1..9u32, set()), 0..7).prop_map(|sets| {
        let mut edition = Edition::default();
        for (id, set) in sets {
            edition.put(Set { id, ..set });
        }
        edition
    })
}

fn set() -> impl Strategy<Value = Set> {
    (
        select(vec!["Common", "Exchange", "SharePoint", "Skype", "MEM"]),
        select(vec!["Optimize", "Allow", "Default"]),
        (items(&URLS), items(&IPS)),
        (
            option::of(select(&PORTS[..])),
            option::of(select(&PORTS[..])),
        ),
        (any::<bool>(), any::<bool>()),
        option::of(select(vec!["", "a note", "another, with a comma"])),
    )
        .prop_map(
            |(area, category, (urls, ips), (tcp, udp), (express, required), notes)| {
                let mut set = Set {
                    category: category.to_owned(),
                    urls,
                    ips,
                    tcp_ports: tcp.map(str::to_owned),
                    udp_ports: udp.map(str::to_owned),
                    express_route: express,
                    required,
                    notes: notes.map(str::to_owned),
                    ..Set::blank(0)
                };
                set.belongs_to(area);
                set
            },
        )
}

fn items(of: &'static [&'static str]) -> impl Strategy<Value = BTreeSet<String>> {
    btree_set(select(of).prop_map(str::to_owned), 0..5)
}
