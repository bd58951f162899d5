//! What a name finds in the tries, against the patterns that match it one by one.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// Each pattern says one rule, of the port that is its number.
fn rules(texts: &[String]) -> Rules {
    let rule = |port: usize| Rule {
        groups: 1,
        port_low: port as u16,
        port_high: port as u16,
        set: port as u16,
        proto: 6,
        effect: egress_common::rule::ALLOW,
    };
    let texts = texts.iter().enumerate();
    let rules = texts.filter_map(|(port, text)| Some((text.parse().ok()?, vec![rule(port)])));
    rules.collect()
}

/// The id that the kernel finds, by the longest key at the end and at the beginning of the name.
fn found(names: &Names, name: &str) -> Option<u32> {
    let reversed: Vec<u8> = name.bytes().rev().chain([0]).collect();
    let ending = names
        .listed
        .iter()
        .filter(|(key, _)| reversed.starts_with(key.prefix()));
    let (_, listed) = ending.max_by_key(|(key, _)| key.len)?;
    let mut list = listed.heads;
    while list != 0 {
        let longest = listed.longest.into();
        let beginning = name.get(..longest).unwrap_or(name);
        let heads = names
            .heads
            .iter()
            .filter(|((of, head), _)| *of == list && beginning.starts_with(head));
        let Some((_, headed)) = heads.max_by_key(|((_, head), _)| head.len()) else {
            break;
        };
        if name.len() >= headed.least.into() {
            return Some(headed.pattern);
        }
        list = headed.shorter;
    }
    (listed.pattern != 0).then_some(listed.pattern)
}

fn check(texts: &[String], names: &[String]) -> Result<(), TestCaseError> {
    let rules = rules(texts);
    let mut rulesets = Rulesets::new();
    let mut ids = Ids::default();
    let compiled = compiled(&rules, &mut rulesets, &mut ids).expect("compiles");
    let teachers: BTreeMap<u32, u32> = compiled
        .patterns
        .iter()
        .map(|one| (one.id, one.ruleset))
        .chain(compiled.meetings.iter().map(|one| (one.id, one.ruleset)))
        .collect();
    for name in names {
        let matching: Vec<&NamePattern> = rules.keys().filter(|p| p.matches(name)).collect();
        let expected = meet::text(&meet::narrowest(matching.iter().copied()));
        let id = found(&compiled.names, name);
        let text = id.and_then(|id| ids.pattern_named(id)).unwrap_or("");
        prop_assert_eq!(text, &expected, "{} in {:?}", name, texts);
        let ruleset = id.and_then(|id| teachers.get(&id)).copied().unwrap_or(0);
        let said: BTreeSet<u16> = rulesets.rules_of(ruleset).map(|rule| rule.set).collect();
        let of = |pattern: &&NamePattern| {
            rules
                .get(*pattern)
                .map(|rules| rules.iter().map(|rule| rule.set))
        };
        let expected: BTreeSet<u16> = matching.iter().filter_map(of).flatten().collect();
        prop_assert_eq!(said, expected, "{} in {:?}", name, texts);
    }
    for pattern in &compiled.patterns {
        let covering = rules
            .iter()
            .filter(|(wide, _)| wide.covers(&pattern.pattern));
        let expected: BTreeSet<u16> = covering
            .flat_map(|(_, rules)| rules)
            .map(|rule| rule.set)
            .collect();
        let said: BTreeSet<u16> = rulesets
            .rules_of(pattern.ruleset)
            .map(|rule| rule.set)
            .collect();
        prop_assert_eq!(said, expected, "{}", &pattern.pattern);
    }
    prop_assert_eq!(compiled.patterns.len(), rules.len());
    Ok(())
}

/// Texts of few letters, so that they begin and end like each other.
fn text(longest: usize) -> impl Strategy<Value = String> {
    let piece = select(vec!["a", "b", "aa", "ab", "a.", "b.", "-"]);
    prop::collection::vec(piece, 1..longest).prop_map(|pieces| pieces.concat())
}

fn pattern() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => text(5),
        2 => text(4).prop_map(|tail| format!("*{tail}")),
        2 => text(4).prop_map(|tail| format!("*.{tail}")),
        4 => (text(3), text(4)).prop_map(|(head, tail)| format!("{head}*{tail}")),
        4 => (text(3), text(4)).prop_map(|(head, tail)| format!("{head}*.{tail}")),
        1 => text(3).prop_map(|head| format!("{head}*")),
    ]
}

proptest! {
    #[test]
    fn a_name_finds_all_patterns_that_match_it(
        patterns in prop::collection::vec(pattern(), 1..20),
        names in prop::collection::vec(text(9), 40),
    ) {
        let names: Vec<String> = names.into_iter().map(|name| name.trim_matches('.').to_owned()).collect();
        check(&patterns, &names)?;
    }
}

#[test]
fn a_head_and_a_tail_that_overlap_do_not_match() {
    let texts = ["a*aaab.x", "aa*b.x", "*b.x"].map(str::to_owned);
    let names = [
        "ab.x",
        "aab.x",
        "aaab.x",
        "aaaab.x",
        "aaaaab.x",
        "aaaaaab.x",
    ]
    .map(str::to_owned);
    check(&texts, &names).unwrap();
}

#[test]
fn microsofts_patterns_with_a_star_inside_are_found() {
    let texts = [
        "autodiscover.*.onmicrosoft.com",
        "*.mail.onmicrosoft.com",
        "payloadprod*.blob.core.windows.net",
        "*.blob.core.windows.net",
    ]
    .map(str::to_owned);
    let names = [
        "autodiscover.contoso.onmicrosoft.com",
        "autodiscover.contoso.mail.onmicrosoft.com",
        "autodiscover.mail.onmicrosoft.com",
        "autodiscover.onmicrosoft.com",
        "payloadprod7.blob.core.windows.net",
        "payloadprod.blob.core.windows.net",
        "payload.blob.core.windows.net",
    ]
    .map(str::to_owned);
    check(&texts, &names).unwrap();
}

#[test]
fn heads_that_meet_in_too_many_ways_are_refused() {
    let overlapping = |count: usize| -> Vec<String> {
        let tail = "a".repeat(count);
        let heads = (1..=count).map(|bytes| "a".repeat(bytes));
        heads.map(|head| format!("{head}*{tail}.x")).collect()
    };
    let compile = |texts: &[String]| {
        compiled(&rules(texts), &mut Rulesets::new(), &mut Ids::default()).map(|_| ())
    };
    assert_eq!(compile(&overlapping(LISTS_MAX)), Ok(()));
    let refused = compile(&overlapping(LISTS_MAX + 1));
    assert!(
        matches!(refused, Err(CompileError::Heads(_))),
        "{refused:?}"
    );
}

#[test]
fn names_that_are_too_short_for_a_head_are_looked_up_in_lists_behind() {
    let texts = ["a*bb", "aa*bb", "aaaaa*bb"].map(str::to_owned);
    let names = (1..10).map(|count| "a".repeat(count) + "bb");
    check(&texts, &names.collect::<Vec<_>>()).unwrap();
    let compiled = compiled(&rules(&texts), &mut Rulesets::new(), &mut Ids::default());
    let heads = compiled.expect("compiles").names.heads;
    let heads: Vec<_> = heads
        .iter()
        .map(|((list, head), headed)| (*list, head.as_str(), headed.least, headed.shorter))
        .collect();
    // No name that begins with `aaaaa` and ends in `bb` is as short as for `a*bb` alone.
    let expected = [
        (1, "a", 4, 0),
        (1, "aa", 5, 2),
        (1, "aaaaa", 8, 2),
        (2, "aa", 4, 0),
        (2, "aaaaa", 5, 0),
    ];
    assert_eq!(heads, expected);
}

#[test]
fn there_are_only_so_many_heads() {
    const MANY: usize = 255;
    // Each tail below the first one has a list of all heads, and of its own.
    let common = (0..MANY).map(|number| format!("h{number:03}*.x"));
    let below = (0..MANY).map(|number| format!("z*.t{number:03}.x"));
    let nested: Vec<String> = common.chain(below).collect();
    assert_eq!(MANY + MANY * (MANY + 1), limits::HEADS as usize - 1);
    let compile = |more: &[&str]| {
        let more = more.iter().map(|text| (*text).to_owned());
        let texts: Vec<String> = nested.iter().cloned().chain(more).collect();
        let compiled = compiled(&rules(&texts), &mut Rulesets::new(), &mut Ids::default());
        compiled.map(|compiled| compiled.names.heads.len())
    };
    assert_eq!(compile(&["a*.y"]), Ok(limits::HEADS as usize));
    let refused = compile(&["a*.y", "b*.z"]);
    assert!(
        matches!(refused, Err(CompileError::Heads(_))),
        "{refused:?}"
    );
}

#[test]
fn a_meeting_of_which_nothing_is_left_is_forgotten() {
    let mut ids = Ids::default();
    let mut meetings = |texts: &[&str]| {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let compiled = compiled(&rules(&texts), &mut Rulesets::new(), &mut ids);
        compiled.expect("compiles").meetings.len()
    };
    assert_eq!(meetings(&["*.x.y", "a*.y"]), 1);
    assert_eq!(meetings(&["*.x.y"]), 1, "half of it is left");
    assert_eq!(meetings(&["*.z"]), 0);
}

#[test]
fn what_a_meeting_taught_is_allowed_by_the_patterns_that_are_left() {
    let mut ids = Ids::default();
    let mut allowed = |texts: &[&str]| -> BTreeSet<String> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let mut rulesets = Rulesets::new();
        let compiled = compiled(&rules(&texts), &mut rulesets, &mut ids).expect("compiles");
        let of_meeting = |meeting: &Meeting| meeting.text == "*.x.y & a*.y";
        let meeting = compiled.meetings.iter().find(|meeting| of_meeting(meeting));
        let rules = rulesets.rules_of(meeting.map_or(0, |meeting| meeting.ruleset));
        rules
            .filter_map(|rule| texts.get(usize::from(rule.set)).cloned())
            .collect()
    };
    let table: [(&[&str], &[&str]); 5] = [
        (&["*.x.y"], &[]),
        (&["*.x.y", "a*.y"], &["*.x.y", "a*.y"]),
        (&["*.x.y", "a*.y", "a*.x.y"], &["*.x.y", "a*.y"]),
        (&["a*.y", "*.y"], &["a*.y", "*.y"]),
        (&["*.y"], &[]),
    ];
    for (texts, expected) in table {
        let expected = expected.iter().map(|text| (*text).to_owned()).collect();
        assert_eq!(allowed(texts), expected, "{texts:?}");
    }
}
