//! Every way through the judge, on tables that hold just what it takes.

use super::{
    world::{CLIENT, EMPTY, GROUP, MISS, NOW_MS, SERVER, World, learned, policy, slot},
    *,
};
use crate::{
    flow::{ECHO_V4, proto},
    verdict::{NO_GROUP, NO_SET},
};

fn flow(proto: u8, dst_port: u16) -> Flow {
    Flow {
        src_port: 40_000,
        dst_port,
        proto,
        ..Flow::between(CLIENT, SERVER)
    }
}

fn https() -> Flow {
    flow(proto::TCP, 443)
}

/// Judges each; what is expected is the reason, and the set or rule, if there is one.
fn judge_all<const N: usize>(table: [(&str, World, Flow, Reason, u16); N]) {
    for (what, world, flow, reason, set) in table {
        let verdict = judge(&flow, &world);
        assert_eq!((verdict.reason, verdict.set), (reason, set), "{what}");
        let asked = !matches!(
            reason,
            Reason::LinkScope | Reason::Gateway | Reason::Internal | Reason::NoGroup
        );
        let group = if asked { GROUP as u8 } else { NO_GROUP };
        assert_eq!(verdict.group, group, "{what}");
    }
}

#[test]
fn destinations_that_need_no_policy() {
    let nobody = World {
        group: None,
        ..EMPTY
    };
    let marked = |marks| World {
        marks,
        ..nobody.clone()
    };
    let multicast = Flow {
        dst: Addr::v4([224, 0, 0, 251]),
        ..https()
    };
    judge_all([
        (
            "never routed",
            nobody.clone(),
            multicast,
            Reason::LinkScope,
            NO_SET,
        ),
        (
            "the gateway",
            marked(mark::GATEWAY),
            https(),
            Reason::Gateway,
            NO_SET,
        ),
        (
            "internal",
            marked(mark::INTERNAL),
            https(),
            Reason::Internal,
            NO_SET,
        ),
        (
            "a resolver is none of these",
            marked(mark::RESOLVER),
            https(),
            Reason::NoGroup,
            NO_SET,
        ),
        (
            "nobody's client",
            nobody.clone(),
            https(),
            Reason::NoGroup,
            NO_SET,
        ),
    ]);
}

#[test]
fn groups_and_fragments() {
    let of = |policy| World { policy, ..EMPTY };
    let later = Flow {
        later_fragment: true,
        ..https()
    };
    let listed = World {
        ruleset: Some(Some(Match::Set(7))),
        ..EMPTY
    };
    judge_all([
        ("no policy", of(None), https(), Reason::NoPolicy, NO_SET),
        (
            "off",
            of(policy(Mode::Off, DnsPolicy::Watch)),
            https(),
            Reason::GroupOff,
            NO_SET,
        ),
        (
            "off, a fragment",
            of(policy(Mode::Off, DnsPolicy::Watch)),
            later,
            Reason::GroupOff,
            NO_SET,
        ),
        (
            "audit is judged",
            of(policy(Mode::Audit, DnsPolicy::Watch)),
            https(),
            Reason::NeverResolved,
            NO_SET,
        ),
        (
            "a later fragment",
            listed.clone(),
            later,
            Reason::FragmentUnknown,
            NO_SET,
        ),
    ]);
}

#[test]
fn queries_to_resolvers() {
    let to = |marks, dns| World {
        marks,
        policy: policy(Mode::Enforce, dns),
        ruleset: Some(Some(Match::Set(7))),
        ..EMPTY
    };
    let query = flow(proto::UDP, 53);
    judge_all([
        (
            "a trusted one",
            to(mark::RESOLVER, DnsPolicy::Strict),
            query,
            Reason::Resolver,
            NO_SET,
        ),
        (
            "another one",
            to(0, DnsPolicy::Strict),
            query,
            Reason::ResolverNotTrusted,
            NO_SET,
        ),
        (
            "another one, over TCP",
            to(0, DnsPolicy::TrustedOnly),
            flow(proto::TCP, 53),
            Reason::ResolverNotTrusted,
            NO_SET,
        ),
        (
            "another one, which may be asked",
            to(0, DnsPolicy::Watch),
            query,
            Reason::Prefix,
            7,
        ),
        (
            "no query",
            to(mark::RESOLVER, DnsPolicy::Strict),
            https(),
            Reason::Prefix,
            7,
        ),
    ]);
}

#[test]
fn prefixes() {
    let says = |said| World {
        ruleset: Some(said),
        ..EMPTY
    };
    let not = |misses| says(Some(Match::Not(misses)));
    judge_all([
        (
            "a set",
            says(Some(Match::Set(7))),
            https(),
            Reason::Prefix,
            7,
        ),
        (
            "a denial",
            says(Some(Match::Denied(8))),
            https(),
            Reason::Denied,
            8,
        ),
        (
            "a ruleset that is missing",
            says(None),
            https(),
            Reason::NoPolicy,
            NO_SET,
        ),
        (
            "no rule",
            not(Misses::NONE),
            https(),
            Reason::NoRule,
            NO_SET,
        ),
        (
            "a wrong protocol",
            not(Misses::PROTOCOL),
            https(),
            Reason::WrongProtocol,
            NO_SET,
        ),
        (
            "a wrong port",
            not(Misses::PORT.and(Misses::PROTOCOL)),
            https(),
            Reason::WrongPort,
            NO_SET,
        ),
        (
            "nothing known",
            EMPTY,
            https(),
            Reason::NeverResolved,
            NO_SET,
        ),
    ]);
}

#[test]
fn names_that_are_not_allowed() {
    let refused = |until| World {
        refused_until_ms: Some(until),
        ..EMPTY
    };
    judge_all([
        (
            "given for another name",
            refused(NOW_MS + 1),
            https(),
            Reason::NameNotAllowed,
            NO_SET,
        ),
        (
            "until now",
            refused(NOW_MS),
            https(),
            Reason::NeverResolved,
            NO_SET,
        ),
    ]);
}

#[test]
fn encrypted_dns_is_named_for_its_port() {
    let tls = flow(proto::TCP, 853);
    let world = |said| World {
        ruleset: Some(Some(said)),
        ..EMPTY
    };
    let expired = World {
        learned: learned(&[slot(1, -1)]),
        taught: [Match::Set(7), MISS, MISS],
        ..EMPTY
    };
    let refused = World {
        refused_until_ms: Some(NOW_MS + 1),
        ..EMPTY
    };
    judge_all([
        (
            "nobody resolved it",
            EMPTY,
            tls,
            Reason::EncryptedDns,
            NO_SET,
        ),
        (
            "over QUIC",
            EMPTY,
            flow(proto::UDP, 853),
            Reason::EncryptedDns,
            NO_SET,
        ),
        ("no rule", world(MISS), tls, Reason::EncryptedDns, NO_SET),
        (
            "a wrong protocol",
            world(Match::Not(Misses::PROTOCOL)),
            tls,
            Reason::EncryptedDns,
            NO_SET,
        ),
        (
            "a wrong port",
            world(Match::Not(Misses::PORT)),
            tls,
            Reason::EncryptedDns,
            NO_SET,
        ),
        ("expired", expired, tls, Reason::EncryptedDns, NO_SET),
        (
            "a name that is not allowed",
            refused,
            tls,
            Reason::EncryptedDns,
            NO_SET,
        ),
        (
            "denied stays denied",
            world(Match::Denied(8)),
            tls,
            Reason::Denied,
            8,
        ),
        (
            "allowed stays allowed",
            world(Match::Set(7)),
            tls,
            Reason::Prefix,
            7,
        ),
        (
            "another port",
            world(Match::Not(Misses::PORT)),
            flow(proto::TCP, 854),
            Reason::WrongPort,
            NO_SET,
        ),
        (
            "another protocol",
            world(Match::Not(Misses::PORT)),
            flow(proto::SCTP, 853),
            Reason::WrongPort,
            NO_SET,
        ),
    ]);
}

#[test]
fn answers() {
    let taught = |left_ms, said| World {
        learned: learned(&[slot(1, left_ms)]),
        taught: [said, MISS, MISS],
        ..EMPTY
    };
    let besides = |ruleset, denies_names, world| World {
        ruleset: Some(Some(ruleset)),
        denies_names,
        ..world
    };
    let (port, protocol) = (Match::Not(Misses::PORT), Match::Not(Misses::PROTOCOL));
    judge_all([
        (
            "allowed",
            taught(1, Match::Set(7)),
            https(),
            Reason::Learned,
            7,
        ),
        (
            "ended now",
            taught(0, Match::Set(7)),
            https(),
            Reason::Expired,
            NO_SET,
        ),
        (
            "denied",
            taught(1, Match::Denied(8)),
            https(),
            Reason::Denied,
            8,
        ),
        (
            "a denial that ended",
            taught(0, Match::Denied(8)),
            https(),
            Reason::NoRule,
            NO_SET,
        ),
        (
            "another port",
            taught(1, port),
            https(),
            Reason::WrongPort,
            NO_SET,
        ),
        (
            "another port than a prefix's protocol",
            besides(protocol, false, taught(1, port)),
            https(),
            Reason::WrongPort,
            NO_SET,
        ),
        (
            "another protocol than a prefix's port",
            besides(port, false, taught(1, protocol)),
            https(),
            Reason::WrongPort,
            NO_SET,
        ),
        (
            "beside a prefix that does not allow it",
            besides(port, false, taught(1, Match::Set(7))),
            https(),
            Reason::Learned,
            7,
        ),
        (
            "a prefix is asked first",
            besides(Match::Set(6), false, taught(1, Match::Denied(8))),
            https(),
            Reason::Prefix,
            6,
        ),
        (
            "unless names are denied",
            besides(Match::Set(6), true, taught(1, Match::Denied(8))),
            https(),
            Reason::Denied,
            8,
        ),
        (
            "a prefix without a denied name",
            besides(Match::Set(6), true, taught(1, Match::Set(7))),
            https(),
            Reason::Prefix,
            6,
        ),
        (
            "a prefix of which no answer told",
            besides(Match::Set(6), true, EMPTY),
            https(),
            Reason::Prefix,
            6,
        ),
        (
            "a denying prefix",
            besides(Match::Denied(8), true, taught(1, Match::Set(7))),
            https(),
            Reason::Denied,
            8,
        ),
    ]);
}

#[test]
fn several_teachers() {
    let all = |denies_names, slots: &[Slot], taught| World {
        learned: learned(slots),
        denies_names,
        taught,
        ..EMPTY
    };
    let three = [slot(1, 1), slot(2, 1), slot(3, 1)];
    let (six, seven, no) = (Match::Set(6), Match::Set(7), Match::Denied(8));
    judge_all([
        (
            "the first one counts",
            all(false, &three, [MISS, six, seven]),
            https(),
            Reason::Learned,
            6,
        ),
        (
            "a denial behind it, where none may be",
            all(false, &three, [six, no, MISS]),
            https(),
            Reason::Learned,
            6,
        ),
        (
            "a denial behind it",
            all(true, &three, [six, MISS, no]),
            https(),
            Reason::Denied,
            8,
        ),
        (
            "the first one, though all are asked",
            all(true, &three, [six, seven, MISS]),
            https(),
            Reason::Learned,
            6,
        ),
        (
            "one that ended, then one that holds",
            all(false, &[slot(1, 0), slot(2, 1)], [six, seven, MISS]),
            https(),
            Reason::Learned,
            7,
        ),
        (
            "the nearest miss",
            all(
                false,
                &[slot(1, 0), slot(2, 1)],
                [six, Match::Not(Misses::PORT), MISS],
            ),
            https(),
            Reason::Expired,
            NO_SET,
        ),
    ]);
    let mut gap = all(false, &[slot(1, 1), slot(2, 1)], [MISS, seven, MISS]);
    let slots = gap.learned.as_mut().map(|learned| &mut learned.slots);
    slots.expect("slots")[0] = 0;
    judge_all([("behind an empty slot", gap, https(), Reason::Learned, 7)]);
}

#[test]
fn connections_outlive_their_answers() {
    let of = |left_ms, said| World {
        admitted: Some(slot(2, left_ms)),
        taught: [MISS, said, MISS],
        learned: learned(&[slot(1, -1)]),
        ..EMPTY
    };
    let opens = Flow {
        opens: true,
        ..https()
    };
    let set = Match::Set(7);
    judge_all([
        ("it goes on", of(1, set), https(), Reason::Established, 7),
        (
            "silent for too long",
            of(0, set),
            https(),
            Reason::NoRule,
            NO_SET,
        ),
        ("it opens anew", of(1, set), opens, Reason::NoRule, NO_SET),
        (
            "its pattern denies now",
            of(1, Match::Denied(8)),
            https(),
            Reason::Denied,
            8,
        ),
        (
            "its pattern allows no more",
            of(1, MISS),
            https(),
            Reason::NoRule,
            NO_SET,
        ),
        (
            "nothing was learned",
            World {
                learned: None,
                ..of(1, set)
            },
            https(),
            Reason::Established,
            7,
        ),
        (
            "a prefix misses",
            World {
                learned: None,
                ruleset: Some(Some(Match::Not(Misses::PORT))),
                ..of(0, set)
            },
            https(),
            Reason::WrongPort,
            NO_SET,
        ),
    ]);
}

#[test]
fn what_is_admitted_lasts_as_long_as_its_protocol_may_be_silent() {
    let world = World {
        learned: learned(&[slot(2, 1)]),
        taught: [MISS, Match::Set(7), MISS],
        ..EMPTY
    };
    let established = World {
        learned: None,
        admitted: Some(slot(2, 1)),
        ..world.clone()
    };
    for (flow, idle_ms) in [
        (https(), Some(7_440_000)),
        (flow(proto::UDP, 443), Some(120_000)),
        (flow(proto::ICMP, ECHO_V4), None),
    ] {
        let expected = idle_ms.map(|idle_ms| slot(2, idle_ms));
        for world in [&world, &established] {
            let verdict = judge(&flow, world);
            assert_eq!(Slot::from_word(verdict.admits), expected, "{verdict:?}");
            assert_eq!(verdict.pattern(), if expected.is_some() { 2 } else { 0 });
        }
    }
    let by_prefix = World {
        ruleset: Some(Some(Match::Set(7))),
        ..EMPTY
    };
    assert_eq!(judge(&https(), &by_prefix).admits, 0);
}
