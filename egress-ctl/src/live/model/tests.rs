use std::time::Duration;

use super::*;
use crate::{dataplane::counters::OfSet, live::testing};

const fn counter(packets: u64) -> Counter {
    Counter {
        packets,
        bytes: packets * 100,
    }
}

/// What was counted after so many seconds, if each second the same comes.
fn sight(second: u64) -> Sight {
    let verdict = |group: Option<&str>, action, reason, a_second| {
        testing::verdict(group, action, reason, counter(a_second * second))
    };
    let mut sight = testing::sight(second);
    sight.facts.verdicts = vec![
        verdict(Some("staging"), Action::Allow, Reason::Prefix, 10),
        verdict(Some("staging"), Action::Allow, Reason::Learned, 5),
        verdict(Some("staging"), Action::Drop, Reason::WrongPort, 2),
        verdict(None, Action::Reject, Reason::NoGroup, 1),
        verdict(None, Action::WouldDrop, Reason::NoGroup, 0),
    ];
    let staging = || Some("staging".to_owned());
    sight.facts.replies = vec![(staging(), Reason::Prefix, counter(7 * second))];
    let of = OfSet {
        sent: counter(15 * second),
        replies: counter(7 * second),
    };
    sight.facts.sets = vec![("intune:163".to_owned(), of)];
    sight.facts.dns = vec![("learned", 3 * second)];
    sight
}

#[test]
fn groups_and_sets_have_rates_once_it_was_looked_twice() {
    let mut live = Live::new(10);
    assert_eq!(live.picture(5, |_| true).gateway, None);
    live.see(sight(100));
    let first = live.picture(5, |_| true);
    assert_eq!(first.total.allowed.rate.packets, 0.0);
    assert_eq!(first.total.allowed.packets, 1500);
    live.see(sight(102));
    let picture = live.picture(5, |_| true);
    let rates = |packets: &Packets| {
        let all = [
            &packets.allowed,
            &packets.would_drop,
            &packets.denied,
            &packets.replies,
        ];
        all.map(|one| one.rate.packets)
    };
    let groups = picture.groups.iter();
    let groups: Vec<_> = groups
        .map(|group| (group.group.as_deref(), rates(&group.packets)))
        .collect();
    let expected = [
        (None, [0.0, 0.0, 1.0, 0.0]),
        (Some("staging"), [15.0, 0.0, 2.0, 7.0]),
    ];
    assert_eq!(groups, expected);
    assert_eq!(rates(&picture.total), [15.0, 0.0, 3.0, 7.0]);
    assert_eq!(picture.total.allowed.rate.bytes, 1500.0);
    assert_eq!(picture.sets[0].sent.rate.packets, 15.0);
    assert_eq!(picture.sets[0].replies.rate.packets, 7.0);
    assert_eq!(picture.dns[0].messages_per_second, 3.0);
    assert_eq!(picture.reasons.len(), 4, "what never was is not there");
}

#[test]
fn what_cannot_be_seen_leaves_what_was_seen() {
    let mut live = Live::new(10);
    live.see(sight(100));
    let gone = testing::sight(101).time;
    live.miss(gone, "nothing is loaded".to_owned());
    live.miss(testing::sight(102).time, "nothing is loaded".to_owned());
    let picture = live.picture(0, |_| true);
    assert_eq!(picture.fault.unwrap().since, gone);
    assert_eq!(picture.total.allowed.packets, 1500);
    live.see(sight(110));
    let picture = live.picture(0, |_| true);
    assert_eq!(picture.fault, None);
    assert_eq!(picture.total.allowed.rate.packets, 15.0);
}

#[test]
fn names_stay_until_newer_ones_take_their_place() {
    let mut live = Live::new(10);
    let named = |name: &str, second| Named {
        name: name.to_owned(),
        address: [203, 0, 113, 1].into(),
        pattern: None,
        client: None,
        last: testing::sight(second).time,
    };
    for (second, names) in [
        (1, Some(vec![named("a", 1), named("b", 0)])),
        (2, None),
        (3, Some(vec![named("b", 3)])),
    ] {
        let names = Sight {
            names,
            ..sight(second)
        };
        live.see(names);
    }
    let picture = live.picture(0, |_| true);
    let names: Vec<_> = picture.names.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["b", "a"]);
}

#[test]
fn a_picture_is_an_object_whose_unknowns_are_null() {
    let mut live = Live::new(10);
    live.see(sight(100));
    let json = serde_json::to_value(live.picture(0, |_| true)).unwrap();
    assert_eq!(json["schema"], "egress.live/1");
    assert!(json["fault"].is_null());
    let staging = &json["groups"][1];
    assert_eq!(staging["group"], "staging");
    assert_eq!(staging["allowed"]["packets"], 1500);
    assert_eq!(staging["allowed"]["packets_per_second"], 0.0);
    assert!(staging["allowed"]["history"].is_null());
    let _: Duration = testing::sight(0).at;
}
