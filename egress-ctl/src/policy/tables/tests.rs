//! What tables in user space know, and what they remember of frames.

use egress_common::{
    judge::judge,
    learned::Slot,
    parse::parse,
    verdict::{Mode, Reason},
};
use jiff::civil::Date;

use super::*;
use crate::{
    config::Config,
    policy::{
        compile::{Circumstances, compile},
        ids::Ids,
    },
};

const CONFIG: &str = r#"
[gateway]
mode = "audit"
lan = ["lan", "guest"]
[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
urls = ["*.x.y"]
ips = ["192.0.2.0/24"]
tcpPorts = "443"
[group.clients]
clients = ["10.20.0.0/16"]
allow = ["corp"]
[group.guests]
interfaces = ["guest"]
mode = "enforce"
[[group.guests.rule]]
action = "deny"
to = ["198.51.100.0/24"]
[group.machine]
macs = ["02:00:00:00:00:07"]
dns = "strict"
allow = ["corp"]
"#;

const GUEST: u32 = 7;
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 7];
const CLIENT: [u8; 4] = [10, 20, 0, 9];
const LEARNED: [u8; 4] = [203, 0, 113, 5];

fn generation(text: &str) -> Generation {
    let circumstances = Circumstances {
        own: &[],
        today: Date::constant(2026, 11, 22),
    };
    let config = Config::parse(text).unwrap();
    compile(&config, circumstances, &mut Ids::default()).unwrap()
}

/// To port 443 over TCP.
fn flow(dst: [u8; 4]) -> Flow {
    Flow {
        src_port: 40_000,
        dst_port: 443,
        proto: 6,
        ..Flow::between(Addr::v4(CLIENT), Addr::v4(dst))
    }
}

/// Tables in which a pattern taught an address up to a moment.
fn taught<'a>(generation: &'a Generation, name: &str, until_ms: u64) -> HostTables<'a> {
    let slot = Slot {
        pattern: generation.pattern_of(name).unwrap().id,
        expires_ms: until_ms,
    };
    let mut tables = HostTables::new(generation);
    let key = LearnedKey::for_all(Addr::v4(LEARNED));
    tables.learned.insert(key, Learned::first(slot, 0));
    tables
}

#[test]
fn a_group_is_found_by_machine_interface_and_address() {
    let generation = generation(CONFIG);
    let mut tables = HostTables::new(&generation);
    tables.interfaces.insert(GUEST, "guest".to_owned());
    let plain = flow(LEARNED);
    let guest = Flow {
        interface: GUEST,
        ..plain
    };
    let table = [
        (plain, Some("clients")),
        (guest, Some("guests")),
        (Flow { mac: MAC, ..plain }, Some("machine")),
        (Flow { mac: MAC, ..guest }, Some("machine")),
        (
            Flow {
                src: Addr::v4([10, 30, 0, 1]),
                ..plain
            },
            None,
        ),
    ];
    for (flow, expected) in table {
        let group = tables.group(&flow);
        let name = group.map(|group| generation.groups[group as usize].name.as_str());
        assert_eq!(name, expected, "{flow:?}");
    }
    let modes = [plain, guest].map(|flow| {
        let policy = tables.policy(tables.group(&flow).unwrap());
        policy.unwrap().mode
    });
    assert_eq!(modes, [Mode::Audit, Mode::Enforce]);
    assert_eq!(tables.policy(77), None);
}

#[test]
fn the_longest_of_all_prefixes_counts() {
    let prefixes = ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "::/0"];
    let table = prefixes.map(|text| (text.parse::<IpNet>().unwrap(), text));
    let found = |addr: &str| {
        let table = table.iter().map(|(prefix, text)| (prefix, text));
        longest(table, addr.parse().unwrap()).map(|(prefix, text)| (prefix.to_string(), *text))
    };
    for (addr, expected) in [
        ("10.1.2.3", "10.1.0.0/16"),
        ("10.2.2.3", "10.0.0.0/8"),
        ("192.0.2.1", "0.0.0.0/0"),
        ("2001:db8::1", "::/0"),
    ] {
        assert_eq!(found(addr), Some((expected.to_owned(), expected)), "{addr}");
    }
    assert!(longest::<()>([], LEARNED.into()).is_none());
}

#[test]
fn learned_addresses_are_reached_until_they_expire() {
    let generation = generation(CONFIG);
    let mut tables = taught(&generation, "a.x.y", 1000);
    let to = flow(LEARNED);
    assert_eq!(judge(&to, &tables).reason, Reason::Learned);
    let other_port = Flow { dst_port: 80, ..to };
    assert_eq!(judge(&other_port, &tables).reason, Reason::WrongPort);
    tables.now_ms = 1000;
    assert_eq!(judge(&to, &tables).reason, Reason::Expired);
    let prefix = flow([192, 0, 2, 1]);
    assert_eq!(judge(&prefix, &tables).reason, Reason::Prefix);
}

#[test]
fn a_pattern_that_the_generation_does_not_know_allows_nothing() {
    let generation = generation(CONFIG);
    let known = generation.pattern_of("a.x.y").unwrap().id;
    let tables = HostTables::new(&generation);
    let decide = |pattern| tables.decide_taught(pattern, &flow(LEARNED), 0);
    assert!(matches!(decide(known), Match::Set(_)));
    assert_eq!(decide(known + 100), Match::Not(Misses::NONE));
}

#[test]
fn an_address_of_another_name_is_told_as_long_as_its_answer_counts() {
    let generation = generation(CONFIG);
    let mut tables = HostTables::new(&generation);
    tables.refused.insert(Addr::v4(LEARNED), 500);
    let to = flow(LEARNED);
    tables.now_ms = 499;
    assert_eq!(judge(&to, &tables).reason, Reason::NameNotAllowed);
    tables.now_ms = 500;
    assert_eq!(judge(&to, &tables).reason, Reason::NeverResolved);
}

#[test]
fn a_denied_name_wins_over_a_prefix_that_allows() {
    let deny = "[[group.clients.rule]]\naction = \"deny\"\nto = [\"b.x.y\"]\n";
    let in_prefix = CONFIG.replace("192.0.2.0/24", "203.0.113.0/24");
    let of = |text: &str, name: &str| {
        let generation = generation(text);
        let tables = taught(&generation, name, 1000);
        assert_eq!(tables.denies_names(), text.contains("b.x.y"));
        judge(&flow(LEARNED), &tables).reason
    };
    let (before, after) = in_prefix.split_once("[group.guests]").unwrap();
    let denied = format!("{before}{deny}[group.guests]{after}");
    assert_eq!(of(&in_prefix, "b.x.y"), Reason::Prefix);
    assert_eq!(of(&denied, "b.x.y"), Reason::Denied);
    assert_eq!(of(&denied, "a.x.y"), Reason::Prefix);
}

#[test]
fn what_frames_leave_behind_is_remembered() {
    let generation = generation(CONFIG);
    let mut tables = taught(&generation, "a.x.y", 1000);
    // TCP with ACK, first as a first fragment, then as its later one.
    let frame = |fragment: [u8; 2], dst: [u8; 4]| {
        let ether = [&[2, 0, 0, 0, 0, 2][..], &[2, 0, 0, 0, 0, 1], &[8, 0]].concat();
        let ip = [0x45, 0, 0, 44, 0, 7, fragment[0], fragment[1], 64, 6, 0, 0];
        let tcp = [
            0x9c, 0x40, 1, 0xbb, 0, 0, 0, 7, 0, 0, 0, 0, 0x50, 0x10, 0, 0, 0, 0, 0, 0,
        ];
        [&ether[..], &ip, &CLIENT, &dst, &tcp, &[0; 4]].concat()
    };
    let judged = |tables: &mut HostTables<'_>, frame: &[u8]| {
        let datagram = parse(frame).expect("a datagram");
        tables.judge_frame(frame, &datagram).reason
    };
    let prefix = frame([0, 0], [192, 0, 2, 1]);
    assert_eq!(judged(&mut tables, &prefix), Reason::Prefix);
    assert!(tables.admitted.is_empty(), "a prefix needs no memory");
    let (first, later) = (frame([0x20, 0], LEARNED), frame([0, 3], LEARNED));
    assert_eq!(judged(&mut tables, &later), Reason::FragmentUnknown);
    assert_eq!(judged(&mut tables, &first), Reason::Learned);
    assert_eq!(judged(&mut tables, &later), Reason::Fragment);
    assert_eq!(tables.admitted.len(), 1);
    tables.now_ms = 1000;
    let whole = frame([0, 0], LEARNED);
    assert_eq!(judged(&mut tables, &whole), Reason::Established);
}

#[test]
fn a_client_of_its_own_scope_learns_nothing_from_others() {
    let text = format!("[dns]\nscope = \"client\"\n{CONFIG}");
    let generation = generation(&text);
    let tables = taught(&generation, "a.x.y", 1000);
    assert_eq!(judge(&flow(LEARNED), &tables).reason, Reason::NeverResolved);
}

#[test]
fn names_may_be_asked_for_that_a_rule_lists() {
    let generation = generation(CONFIG);
    let tables = HostTables::new(&generation);
    let may_ask = |name: &[u8]| {
        let header = [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        let mut message = Message::new();
        message.fill(&[&header[..], name, &[0, 1, 0, 1]].concat());
        assert!(egress_common::dns::query::read_query::<
            egress_common::dns::Direct,
        >(&mut message));
        let machine = generation.groups.iter().position(|g| g.name == "machine");
        tables.may_ask(&mut message, machine.unwrap() as u32)
    };
    assert!(may_ask(b"\x01a\x01x\x01y\0"));
    assert!(!may_ask(b"\x01a\x01z\x01y\0"));
}
