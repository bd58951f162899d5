//! Numbers, names and places of verdicts.

use super::*;

#[test]
fn the_mode_decides_what_a_denial_means() {
    let table = [
        (Mode::Enforce, Reason::Prefix, Denial::Reject, Action::Allow),
        (Mode::Audit, Reason::Learned, Denial::Drop, Action::Allow),
        (Mode::Enforce, Reason::WrongPort, Denial::Drop, Action::Drop),
        (
            Mode::Enforce,
            Reason::Denied,
            Denial::Reject,
            Action::Reject,
        ),
        (
            Mode::Audit,
            Reason::WrongPort,
            Denial::Drop,
            Action::WouldDrop,
        ),
        (
            Mode::Audit,
            Reason::WrongPort,
            Denial::Reject,
            Action::WouldDrop,
        ),
        (Mode::Enforce, Reason::Malformed, Denial::Drop, Action::Drop),
        // Whoever asks for a name is always told.
        (
            Mode::Enforce,
            Reason::DnsNameRefused,
            Denial::Drop,
            Action::Reject,
        ),
        (
            Mode::Audit,
            Reason::DnsNameRefused,
            Denial::Drop,
            Action::WouldDrop,
        ),
    ];
    for (mode, reason, denial, action) in table {
        let seen = mode.action(reason, denial);
        assert_eq!(seen, action, "{mode:?} {reason:?} {denial:?}");
    }
}

#[test]
fn numbers_and_names_of_modes_denials_and_actions() {
    for (mode, name) in [
        (Mode::Off, "off"),
        (Mode::Audit, "audit"),
        (Mode::Enforce, "enforce"),
    ] {
        assert_eq!((Mode::from_number(mode as u32), mode.name()), (mode, name));
    }
    assert_eq!(Mode::from_number(77), Mode::Enforce);
    for (denial, name) in [(Denial::Drop, "drop"), (Denial::Reject, "reject")] {
        let seen = (Denial::from_number(denial as u32), denial.name());
        assert_eq!(seen, (denial, name));
    }
    assert_eq!(Denial::from_number(77), Denial::Drop);
    let actions: Vec<_> = Action::ALL.iter().map(|action| action.name()).collect();
    assert_eq!(actions, ["allow", "drop", "would-drop", "reject"]);
}

#[test]
fn counters_do_not_share_places() {
    let mut places = Vec::new();
    for group in 0..=GROUP_NAMES as u8 {
        for action in Action::ALL {
            places.extend(
                Reason::ALL
                    .iter()
                    .map(|r| counter_index(group, *action, *r)),
            );
        }
    }
    let all = places.len();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), all);
    assert!(places.iter().all(|p| *p < VERDICT_COUNTERS));
}

#[test]
fn counters_of_replies_do_not_share_places() {
    let groups = 0..=GROUP_NAMES as u8;
    let of = |group| Reason::ALL.iter().map(move |r| reply_index(group, *r));
    let mut places: Vec<_> = groups.flat_map(of).collect();
    let all = places.len();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), all);
    assert!(places.iter().all(|p| *p < REPLY_COUNTERS));
}

#[test]
fn a_verdict_names_the_pattern_that_admits_a_connection() {
    let learned = Verdict::by(Reason::Learned, 3);
    assert_eq!(learned.pattern(), 0);
    let slot = Slot {
        pattern: 77,
        expires_ms: 1000,
    };
    let admitted = Verdict {
        admits: slot.to_word(),
        ..learned
    };
    assert_eq!(admitted.pattern(), 77);
}

#[test]
fn verdicts_survive_a_global_function() {
    for reason in Reason::ALL {
        for (set, group) in [(0, 0), (7, 63), (NO_SET, NO_GROUP)] {
            let verdict = Verdict {
                reason: *reason,
                set,
                group,
                admits: 0,
            };
            assert_eq!(Verdict::from_code(verdict.to_code()), verdict);
        }
    }
    assert_eq!(Reason::from_number(200), Reason::NoPolicy);
}

#[test]
fn names_of_reasons_are_distinct() {
    let mut names: Vec<_> = Reason::ALL.iter().map(|r| r.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Reason::ALL.len());
}
