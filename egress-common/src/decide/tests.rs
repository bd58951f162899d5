//! Every way to a decision.

use core::cell::RefCell;

use super::*;
use crate::{
    dns::policy::DnsPolicy,
    fragment::Piece,
    judge::world::{EMPTY, GROUP, World, policy},
    parse::{
        frame::{CLIENT, L3, L4, SERVER, edit, ipv4, ipv6, tcp, udp},
        parse,
    },
    rule::{Match, mark},
    verdict::{Mode, NO_SET},
};

/// Steps that answer as they were told to, and note which were taken.
struct Told {
    options: Result<(), Reason>,
    alone: Verdict,
    quoted: Result<Flow, Reason>,
    about: Verdict,
    taken: RefCell<Vec<&'static str>>,
}

impl Told {
    fn alone(reason: Reason) -> Self {
        let alone = Verdict {
            admits: 7,
            ..Verdict::by(reason, 3).of_group(GROUP)
        };
        Self {
            options: Ok(()),
            alone,
            quoted: Err(Reason::Malformed),
            about: alone,
            taken: RefCell::default(),
        }
    }

    fn note(&self, step: &'static str) {
        self.taken.borrow_mut().push(step);
    }
}

impl Steps for Told {
    fn options(&self, _datagram: &Datagram) -> Result<(), Reason> {
        self.note("options");
        self.options
    }

    fn judge(&self, _flow: &Flow, remembers: bool) -> Verdict {
        self.note(if remembers {
            "judge"
        } else {
            "judge the quoted"
        });
        if remembers { self.alone } else { self.about }
    }

    fn quoted(&self, _datagram: &Datagram) -> Result<Flow, Reason> {
        self.note("quoted");
        self.quoted
    }

    fn query(&self, _datagram: &Datagram, alone: Verdict) -> Verdict {
        self.note("query");
        let reason = Reason::DnsNameRefused;
        Verdict { reason, ..alone }
    }

    fn follow(&self, _datagram: &Datagram, alone: Verdict) -> Verdict {
        self.note("follow");
        let reason = Reason::Fragment;
        Verdict { reason, ..alone }
    }
}

/// What becomes of a frame, and the steps that were taken to it.
fn decided(frame: &[u8], told: &Told) -> (Verdict, Vec<&'static str>) {
    let datagram = parse(frame).expect("a datagram");
    told.taken.borrow_mut().clear();
    let verdict = decide(&datagram, told);
    (verdict, told.taken.borrow().clone())
}

fn to_port(port: u8) -> Vec<u8> {
    edit(&ipv4(17, &udp(8, &[])), L4 + 2, &[0, port])
}

#[test]
fn options_come_first() {
    let options = edit(
        &ipv4(17, &[&[1; 4][..], &udp(8, &[])].concat()),
        L3,
        &[0x46],
    );
    let mut told = Told::alone(Reason::Prefix);
    assert_eq!(
        decided(&options, &told),
        (told.alone, vec!["options", "judge"])
    );
    assert_eq!(decided(&to_port(9), &told), (told.alone, vec!["judge"]));
    told.options = Err(Reason::SourceRoute);
    let refused = Verdict::because(Reason::SourceRoute);
    assert_eq!(decided(&options, &told), (refused, vec!["options"]));
}

#[test]
fn queries_that_pass_are_looked_into() {
    let told = Told::alone(Reason::Resolver);
    let (verdict, taken) = decided(&to_port(53), &told);
    assert_eq!(verdict.reason, Reason::DnsNameRefused);
    assert_eq!(taken, ["judge", "query"]);
    assert_eq!(decided(&to_port(54), &told), (told.alone, vec!["judge"]));
    let told = Told::alone(Reason::ResolverNotTrusted);
    assert_eq!(decided(&to_port(53), &told), (told.alone, vec!["judge"]));
}

/// A message of ICMP that a client sends, and one of ICMPv6.
fn messages(v4: u8, v6: u8) -> [Vec<u8>; 2] {
    let message = |kind| vec![kind, 0, 0, 0, 0, 0, 0, 0];
    [ipv4(1, &message(v4)), ipv6(58, &message(v6))]
}

#[test]
fn redirects_do_not_pass() {
    for frame in messages(5, 137) {
        for (alone, expected) in [
            (Reason::Prefix, Reason::Redirect),
            (Reason::NoRule, Reason::NoRule),
            (Reason::LinkScope, Reason::LinkScope),
            (Reason::Gateway, Reason::Gateway),
            (Reason::Internal, Reason::Internal),
            (Reason::GroupOff, Reason::GroupOff),
        ] {
            let told = Told::alone(alone);
            let (verdict, _) = decided(&frame, &told);
            assert_eq!(verdict.reason, expected);
            assert_eq!(u32::from(verdict.group), GROUP);
            if expected == Reason::Redirect {
                assert_eq!((verdict.set, verdict.admits), (NO_SET, 0));
            }
        }
    }
}

#[test]
fn errors_pass_with_the_flow_that_they_are_about() {
    let quoted = ["judge", "quoted", "judge the quoted"];
    for frame in messages(3, 1) {
        for reason in [
            Reason::Prefix,
            Reason::NoGroup,
            Reason::NoPolicy,
            Reason::Denied,
        ] {
            let told = Told::alone(reason);
            assert_eq!(
                decided(&frame, &told),
                (told.alone, vec!["judge"]),
                "{reason:?}"
            );
        }
        let mut told = Told::alone(Reason::NoRule);
        let refused = Verdict::because(Reason::Malformed).of_group(GROUP);
        assert_eq!(decided(&frame, &told), (refused, vec!["judge", "quoted"]));
        told.quoted = parse(&frame[..]).map(|datagram| datagram.flow);
        let miss = Verdict {
            admits: 0,
            ..told.alone
        };
        assert_eq!(decided(&frame, &told), (miss, quoted.to_vec()));
        told.about = Told::alone(Reason::Established).alone;
        let related = Verdict {
            reason: Reason::Related,
            ..miss
        };
        assert_eq!(decided(&frame, &told), (related, quoted.to_vec()));
    }
}

#[test]
fn fragments_follow_what_passes() {
    let first = edit(&ipv4(17, &udp(16, &[0; 8])), L3 + 6, &[0x20]);
    for (alone, follows) in [
        (Reason::Prefix, true),
        (Reason::FragmentUnknown, true),
        (Reason::NoRule, false),
        (Reason::Gateway, false),
        (Reason::GroupOff, false),
    ] {
        let told = Told::alone(alone);
        let (verdict, taken) = decided(&first, &told);
        assert_eq!(taken.contains(&"follow"), follows, "{alone:?}");
        assert_eq!(verdict.reason == Reason::Fragment, follows, "{alone:?}");
        let (_, taken) = decided(&to_port(9), &told);
        assert_eq!(taken, ["judge"], "a whole datagram");
    }
}

/// Decides by plain calls, of a datagram of which so much was seen.
fn decided_by_calls(frame: &[u8], world: &World, seen: Option<Seen>) -> Decision {
    let datagram = parse(frame).expect("a datagram");
    decide_packet(frame, &datagram, world, |_| seen)
}

fn listed() -> World {
    World {
        ruleset: Some(Some(Match::Set(7))),
        ..EMPTY
    }
}

#[test]
fn by_calls_options_are_read_from_the_packet() {
    let options =
        |bytes: [u8; 4]| edit(&ipv4(17, &[&bytes[..], &udp(8, &[])].concat()), L3, &[0x46]);
    for (bytes, reason) in [
        ([1, 1, 1, 0], Reason::Prefix),
        ([1, 131, 3, 4], Reason::SourceRoute),
        ([7, 5, 4, 0], Reason::Malformed),
        // What stands behind them is no option.
        ([1, 1, 1, 7], Reason::Malformed),
    ] {
        let decision = decided_by_calls(&options(bytes), &listed(), None);
        assert_eq!(decision.verdict.reason, reason, "{bytes:?}");
        assert_eq!(decision.noted, None);
    }
}

#[test]
fn by_calls_an_error_is_about_what_it_quotes() {
    // The server's answer, that the client cannot take.
    let answer = ipv4(17, &[1, 0xbb, 0x9c, 0x40, 0, 8, 0, 0]).split_off(L3);
    let answer = edit(&edit(&answer, 12, &SERVER), 16, &CLIENT);
    let error = |quoted: &[u8]| ipv4(1, &[&[3, 3, 0, 0, 0, 0, 0, 0][..], quoted].concat());
    let icmp = World {
        ruleset: Some(Some(Match::Set(7))),
        ..EMPTY
    };
    let decision = decided_by_calls(&error(&answer), &icmp, None);
    assert_eq!(decision.verdict.reason, Reason::Prefix, "a rule allows it");
    let nothing = decided_by_calls(&error(&answer), &EMPTY, None);
    assert_eq!(nothing.verdict.reason, Reason::NeverResolved);
    let forged = decided_by_calls(&error(&edit(&answer, 12, &CLIENT)), &EMPTY, None);
    assert_eq!(forged.verdict.reason, Reason::Malformed);
}

#[test]
fn by_calls_queries_may_not_ask_for_names() {
    const QUERY: &[u8] = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01";
    let len = QUERY.len() as u8;
    let resolver = |dns| World {
        marks: mark::RESOLVER,
        policy: policy(Mode::Enforce, dns),
        ..EMPTY
    };
    let over_udp = edit(&ipv4(17, &udp(8 + u16::from(len), QUERY)), L4 + 2, &[0, 53]);
    let over_tcp = |payload: &[u8]| {
        edit(
            &ipv4(6, &[&tcp(5, 0x10)[..], payload].concat()),
            L4 + 2,
            &[0, 53],
        )
    };
    let framed = over_tcp(&[&[0, len][..], QUERY].concat());
    // The world's tables let nobody ask for anything.
    for (what, frame, dns, reason) in [
        (
            "strict",
            &over_udp,
            DnsPolicy::Strict,
            Reason::DnsNameRefused,
        ),
        (
            "not strict",
            &over_udp,
            DnsPolicy::TrustedOnly,
            Reason::Resolver,
        ),
        (
            "over TCP",
            &framed,
            DnsPolicy::Strict,
            Reason::DnsNameRefused,
        ),
        (
            "an empty segment",
            &over_tcp(&[]),
            DnsPolicy::Strict,
            Reason::Resolver,
        ),
        (
            "half a length",
            &over_tcp(&[0]),
            DnsPolicy::Strict,
            Reason::DnsNameRefused,
        ),
    ] {
        let decision = decided_by_calls(frame, &resolver(dns), None);
        assert_eq!(decision.verdict.reason, reason, "{what}");
    }
    let fragment = edit(&ipv4(17, &udp(40, &[0; 32])), L4 + 2, &[0, 53]);
    let fragment = edit(&fragment, L3 + 6, &[0x20]);
    let decision = decided_by_calls(&fragment, &resolver(DnsPolicy::Strict), None);
    assert_eq!(
        decision.verdict.reason,
        Reason::DnsNameRefused,
        "a fragment"
    );
}

#[test]
fn by_calls_fragments_are_noted() {
    let first = edit(&ipv4(17, &udp(16, &[0; 8])), L3 + 6, &[0x20]);
    let later = edit(&ipv4(17, &[0; 8]), L3 + 6, &[0, 2]);
    let begun = decided_by_calls(&first, &listed(), None);
    assert_eq!(begun.verdict.reason, Reason::Prefix);
    let (key, seen) = begun.noted.expect("a datagram that begins");
    let piece = Piece {
        id: 0x1234,
        ..Piece::WHOLE
    };
    let flow = parse(&later[..]).expect("a datagram").flow;
    assert_eq!(key, DatagramKey::of(&flow, &piece));
    let followed = decided_by_calls(&later, &listed(), Some(seen));
    assert_eq!(followed.verdict.reason, Reason::Fragment);
    let (_, grown) = followed.noted.expect("a datagram that goes on");
    assert_ne!(grown.extent, seen.extent);
    assert_eq!(
        Seen {
            extent: seen.extent,
            ..grown
        },
        seen
    );
    let unknown = decided_by_calls(&later, &listed(), None);
    assert_eq!(
        (unknown.verdict.reason, unknown.noted),
        (Reason::FragmentUnknown, None)
    );
    let v6 = parse(&ipv6(17, &udp(8, &[]))[..]).expect("a datagram").flow;
    assert_eq!(DatagramKey::of(&v6, &piece).proto, 0);
}
