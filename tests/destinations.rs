//! Tables of destinations in the kernel: large ones and small ones after each other, flat ones and tries.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result, ensure};
use egress_common::limits;
use egress_common::verdict::Reason;
use lab::frame::{Frame, Transport};
use lab::kernel::{Kernel, with};
use lab::{memory, pace, table};

const CLIENT_V4: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 2);
const CLIENT_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x20, 0, 0, 0, 0, 0, 2);
/// Prefixes of the large table; of both families as many.
fn many() -> u32 {
    if pace::is_slow() { 300 } else { 3000 }
}

/// A config that allows HTTPS to the first `count` addresses of each family.
fn config(lookup: &str, count: u32) -> String {
    let listed = (0..count).flat_map(listed).map(|addr| addr.to_string());
    let listed: Vec<_> = listed.collect();
    format!(
        "[gateway]\nmode = \"enforce\"\nlan = [\"lo\"]\nlookup = \"{lookup}\"\n\
         [source.s]\nkind = \"custom\"\n[[source.s.set]]\nid = 1\nips = {listed:?}\ntcpPorts = \"443\"\n\
         [group.all]\nclients = [\"10.20.0.0/16\", \"fd00:20::/64\"]\nallow = [\"s\"]\n"
    )
}

/// Addresses with a number, far from those with the next ones.
fn listed(number: u32) -> [IpAddr; 2] {
    let spread = number.wrapping_mul(0x9e37_79b1);
    let v6 = 0x2603_u128 << 112 | u128::from(spread) << 64 | u128::from(number);
    [
        Ipv4Addr::from_bits(0x0d00_0000 | spread >> 8).into(),
        Ipv6Addr::from_bits(v6).into(),
    ]
}

/// Whether HTTPS to the addresses with a number is allowed; it must be for both or for none.
fn reaches(kernel: &mut Kernel, number: u32) -> Result<bool> {
    let mut allowed = [false; 2];
    for (allowed, to) in allowed.iter_mut().zip(listed(number)) {
        let from: IpAddr = match to {
            IpAddr::V4(_) => CLIENT_V4.into(),
            IpAddr::V6(_) => CLIENT_V6.into(),
        };
        let frame = Frame::new(from, to, Transport::Tcp(40_000, 443)).to_bytes();
        let verdict = kernel.ask(&frame)?;
        *allowed = verdict.reason == Reason::Prefix;
    }
    ensure!(allowed[0] == allowed[1], "{number}: {allowed:?}");
    Ok(allowed[0])
}

/// Memory of a map and all maps in it, in bytes.
fn memory_of(kernel: &Kernel, name: &str) -> Result<u64> {
    let maps = memory::of_maps(kernel.pinned().0)?;
    let found = maps.iter().find(|(known, _)| known == name);
    Ok(found.with_context(|| format!("no map {name}"))?.1)
}

#[test]
fn tables_come_and_go_with_their_memory() -> Result<()> {
    let many = many();
    with(|kernel| {
        // Twice each, for both halves.
        for (lookup, count) in [
            ("flat", many),
            ("flat", many),
            ("flat", 2),
            ("flat", 1),
            ("trie", many),
            ("trie", many),
            ("flat", 3),
            ("trie", 2),
            ("flat", many),
            ("flat", 4),
            ("flat", 5),
        ] {
            kernel.put_into_force(&table::config(&config(lookup, count))?, &[])?;
            for number in [0, count / 2, count - 1] {
                ensure!(reaches(kernel, number)?, "{lookup} {count}: {number}");
            }
            for number in [count, count + 1, many] {
                ensure!(!reaches(kernel, number)?, "{lookup} {count}: {number}");
            }
        }
        // Two small tables in either map; the places alone take 32 KiB.
        let places = u64::from(limits::HALVES * limits::DESTINATION_PAGES) * 8;
        let flat = memory_of(kernel, "FLAT")?;
        ensure!(flat < places + 900_000, "{flat} bytes of flat tables");
        // Linux before 6.4 tells the memory of a trie as if it were full.
        let tries = kernel.pinned().destinations()?;
        for half in 0..limits::HALVES {
            let prefixes = tries.get(&half, 0)?.keys().count();
            ensure!(
                prefixes <= 1,
                "{prefixes} prefixes stay in the trie of half {half}"
            );
        }
        Ok(())
    })
}
