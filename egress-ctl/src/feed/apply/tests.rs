//! What the rules make of candidates.

use super::*;
use crate::feed::{
    record::Records,
    sample::{edition, noon, passing},
};

const OLD: &str = "1 Exchange/Optimize 80,443: 52.96.0.0/14 40.96.0.0/13 a.example.org";
const NEW: &str = "1 Exchange/Optimize 443,587: 52.96.0.0/14 13.107.6.0/24 a.example.org";

fn rules(additions: Consent, removals: Removals, changes: Consent) -> Rules {
    Rules {
        additions,
        removals,
        changes,
        ..Rules::default()
    }
}

fn applied(old: &Edition, new: &Edition, rules: &Rules, day: i8) -> Applied {
    let difference = Difference::between(old, new, &Records::default());
    apply("m365", old, new, &difference, rules, noon(day))
}

#[test]
fn rules_say_what_applies_by_itself() {
    use Consent::{Apply, Ask};
    use Removals::After;
    const WHOLE: &str = "1 13.107.6.0/24 52.96.0.0/14 a.example.org tcp 443,587";
    let table: [(Rules, &[&str], &[&str]); 4] = [
        (rules(Apply, After(0), Apply), &[WHOLE], &[]),
        (
            rules(Apply, After(7), Apply),
            &[
                WHOLE,
                "1.removed 52.96.0.0/14 a.example.org tcp 80",
                "1.removed.2 40.96.0.0/13 tcp 80,443",
            ],
            &[],
        ),
        (
            rules(Apply, Removals::Ask, Apply),
            &[
                WHOLE,
                "1.kept 52.96.0.0/14 a.example.org tcp 80",
                "1.kept.2 40.96.0.0/13 tcp 80,443",
            ],
            &["removals"],
        ),
        (
            rules(Ask, After(0), Apply),
            &["1 52.96.0.0/14 a.example.org tcp 443"],
            &["additions"],
        ),
    ];
    let (old, new) = (edition("2026053100", OLD), edition("2026063000", NEW));
    for (rules, passes, waits) in table {
        let applied = applied(&old, &new, &rules, 1);
        assert_eq!(passing(&applied.edition), passes, "{rules:?}");
        assert_eq!(applied.waits, waits, "{rules:?}");
        // What waits is still a difference; what applied is none.
        let left = Difference::between(&applied.edition, &new, &Records::default());
        assert_eq!(left.is_empty(), waits.is_empty(), "{left:?}");
    }
}

#[test]
fn what_waits_applies_once_it_is_approved() {
    let (old, new) = (edition("2026053100", OLD), edition("2026063000", NEW));
    let asks = rules(Consent::Ask, Removals::Ask, Consent::Ask);
    let waiting = applied(&old, &new, &asks, 1);
    assert_eq!(waiting.waits, ["additions", "removals"]);
    // Asked again, nothing changes.
    assert_eq!(applied(&waiting.edition, &new, &asks, 2), waiting);
    let approved = applied(&waiting.edition, &new, &asks.approved(), 3);
    assert_eq!(passing(&approved.edition), passing(&new));
}

#[test]
fn a_set_with_other_words_is_known_by_the_old_ones_for_a_while() {
    let old = edition("2026053100", OLD);
    let new = edition("2026063000", &OLD.replace("Optimize", "Allow!"));
    let seen = |edition: &Edition| -> Vec<(String, &str, bool)> {
        let sets = edition.clone().passing().into_iter();
        sets.map(|set| {
            (
                set.local_key().to_owned(),
                set.category.name(),
                set.required,
            )
        })
        .collect()
    };
    let after = applied(&old, &new, &Rules::default(), 1).edition;
    let expected = [
        ("1".to_owned(), "Allow", false),
        ("1.removed".to_owned(), "Optimize", true),
    ];
    assert_eq!(seen(&after), expected);
    let asks = rules(Consent::Apply, Removals::After(7), Consent::Ask);
    let waiting = applied(&old, &new, &asks, 1);
    assert_eq!(seen(&waiting.edition), [("1".to_owned(), "Optimize", true)]);
    assert_eq!(waiting.waits, ["changes"]);
}

#[test]
fn quarantine_ends_by_itself_or_by_a_return() {
    let (old, new) = (edition("2026053100", OLD), edition("2026063000", NEW));
    let first = applied(&old, &new, &Rules::default(), 1).edition;
    assert_eq!(expired("m365", &first, noon(7)), None);
    let over = expired("m365", &first, noon(8)).unwrap();
    assert_eq!(passing(&over), passing(&new));
    // Half of what is gone comes back, and something else goes.
    let third = edition(
        "2026070100",
        "1 Exchange/Optimize 443,587: 52.96.0.0/14 40.96.0.0/14 a.example.org",
    );
    let second = applied(&first, &third, &Rules::default(), 3).edition;
    let until: Vec<_> = second.quarantine.iter().map(|part| part.until).collect();
    assert_eq!(
        passing(&second).split_off(1),
        [
            "1.removed 52.96.0.0/14 a.example.org tcp 80",
            "1.removed.2 40.96.0.0/14 tcp 80",
            "1.removed.3 40.100.0.0/14 tcp 80,443",
            "1.removed.4 13.107.6.0/24 tcp 443,587",
        ]
    );
    assert_eq!(until, [noon(8), noon(8), noon(8), noon(10)]);
}

#[test]
fn a_duplicate_that_nothing_else_covers_stays() {
    let records = r#"[{"id": 1, "endpointSetId": 1, "disposition": "Change", "impact": "RemovedDuplicateIpOrUrl",
        "remove": {"ips": ["40.96.0.0/13"], "urls": ["a.example.org"]}}]"#;
    let records = Records::read(records).unwrap();
    let old = edition("2026053100", OLD);
    let new = edition(
        "2026063000",
        "1 Exchange/Optimize 80,443: 52.96.0.0/14\n2 Common/Default 1-65535: *.example.org",
    );
    let difference = Difference::between(&old, &new, &records);
    let rules = rules(Consent::Apply, Removals::After(0), Consent::Apply);
    let next = apply("m365", &old, &new, &difference, &rules, noon(1)).edition;
    let kept = [
        "1 52.96.0.0/14 tcp 80,443",
        "1.duplicate 40.96.0.0/13 tcp 80,443",
        "2 *.example.org tcp 1-65535",
    ];
    assert_eq!(passing(&next), kept);
    // Later editions have no such record any more.
    let newer = edition("2026070100", "1 Exchange/Optimize 80,443: 52.96.0.0/14");
    let later = applied(&next, &newer, &rules, 2).edition;
    assert_eq!(passing(&later)[1], "1.duplicate 40.96.0.0/13 tcp 80,443");
    let covered = edition("2026070200", "3 Common/Default 80,443: 40.0.0.0/8");
    let last = applied(&later, &covered, &rules, 3).edition;
    assert_eq!(passing(&last), ["3 40.0.0.0/8 tcp 80,443"]);
}

#[test]
fn a_set_that_is_gone_goes_to_quarantine_as_a_whole() {
    let old = edition(
        "2026053100",
        &format!("{OLD}\n7 Skype/Allow 443: 52.112.0.0/14"),
    );
    let new = edition("2026063000", OLD);
    let next = applied(&old, &new, &Rules::default(), 1).edition;
    assert_eq!(passing(&next)[1], "7.removed 52.112.0.0/14 tcp 443");
    let back = applied(&next, &old, &Rules::default(), 2).edition;
    assert_eq!(passing(&back), passing(&old));
}
