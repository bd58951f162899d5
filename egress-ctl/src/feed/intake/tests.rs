//! Answers, and what becomes of them.

use super::*;
use crate::feed::{
    decide::DecideError,
    sample::{answer, noon, passing},
    settings::{Consent, Question, Removals, Rules},
};

const OLD: &str = "1 Exchange/Optimize 443: 52.96.0.0/14 40.96.0.0/13 a.example.org b.example.org";

struct Stage {
    dir: tempfile::TempDir,
    settings: Settings,
}

impl Stage {
    fn new(rules: Rules) -> Self {
        let settings = Settings {
            source: "m365".to_owned(),
            question: Question {
                instance: "China".to_owned(),
                areas: vec!["Exchange".to_owned(), "Skype".to_owned()],
                tenant: None,
                ipv6: true,
            },
            url: "file:///nowhere".to_owned(),
            ca_file: None,
            poll: std::time::Duration::from_secs(3600),
            timeout: std::time::Duration::from_secs(1),
            rules,
        };
        let dir = tempfile::tempdir().unwrap();
        Self { dir, settings }
    }

    fn intake(&self, day: i8) -> Intake<'_> {
        Intake::new(self.dir.path(), &self.settings, noon(day)).unwrap()
    }

    fn take(&self, day: i8, version: &str, endpoints: &str) -> Outcome {
        self.take_with(day, version, endpoints, None)
    }

    fn take_with(&self, day: i8, version: &str, endpoints: &str, changes: Option<&str>) -> Outcome {
        let answer = Answer {
            latest: Version::try_from(version.to_owned()).unwrap(),
            tag: None,
            news: Some(News {
                endpoints: endpoints.as_bytes().to_vec(),
                changes: changes.map(|changes| Ok(changes.as_bytes().to_vec())),
            }),
        };
        self.intake(day).take(&answer).unwrap()
    }

    fn holds(&self) -> Vec<String> {
        let feeds = Feeds::approved(self.dir.path(), Default::default());
        passing(&feeds.edition(&self.settings).unwrap().1)
    }

    fn state(&self) -> crate::feed::state::State {
        Folder::of(self.dir.path(), "m365").read().unwrap().state
    }
}

fn approved(number: u64, waits: &[&str]) -> Outcome {
    let waits = waits.iter().map(|kind| (*kind).to_owned()).collect();
    Outcome::Approved { number, waits }
}

fn by() -> By {
    By::Person(crate::feed::person::Person {
        uid: 0,
        name: Some("ann".to_owned()),
        sudo_user: None,
    })
}

#[test]
fn answers_become_generations_by_the_rules() {
    let stage = Stage::new(Rules::default());
    assert_eq!(
        stage.holds(),
        Vec::<String>::new(),
        "another instance begins empty"
    );
    assert_eq!(stage.take(1, "2026010100", &answer(OLD)), approved(1, &[]));
    assert_eq!(
        stage.take(1, "2026010100", &answer(OLD)),
        Outcome::Unchanged
    );
    let new = OLD
        .replace(" b.example.org", "")
        .replace("52.96.0.0/14", "52.96.0.0/14 13.107.6.0/24");
    let lenient = Stage {
        settings: Settings {
            rules: Rules {
                max_loss: 50,
                ..Rules::default()
            },
            ..stage.settings.clone()
        },
        dir: stage.dir,
    };
    assert_eq!(
        lenient.take(2, "2026020100", &answer(&new)),
        approved(2, &[])
    );
    assert_eq!(
        lenient.holds(),
        [
            "1 13.107.6.0/24 40.96.0.0/13 52.96.0.0/14 a.example.org tcp 443",
            "1.removed b.example.org tcp 443"
        ]
    );
    assert_eq!(lenient.intake(8).expire().unwrap(), None);
    assert_eq!(lenient.intake(9).expire().unwrap(), Some(3));
    assert_eq!(lenient.holds().len(), 1);
    let history: Vec<_> = lenient
        .state()
        .history
        .into_iter()
        .map(|event| event.what)
        .collect();
    assert_eq!(
        history,
        [
            "generation 1: version 2026010100",
            "generation 2: version 2026020100",
            "generation 3: the quarantine of 1 parts of endpoint sets is over"
        ]
    );
}

#[test]
fn what_is_refused_is_kept_aside_and_changes_nothing() {
    let stage = Stage::new(Rules::default());
    stage.take(1, "2026010100", &answer(OLD));
    let holds = stage.holds();
    let table = [
        ("2026020100", "<html>503</html>".to_owned(), "not-json"),
        ("2026020100", answer(OLD)[..40].to_owned(), "not-json"),
        (
            "2026020100",
            format!("[{{\"x\":{}", "[".repeat(1000)),
            "not-json",
        ),
        ("2026020100", "{}".to_owned(), "schema"),
        (
            "2026020100",
            answer(OLD).replace("40.96.0.0/13", "40.96.0.0/99"),
            "schema",
        ),
        ("2026020100", "[]".to_owned(), "empty"),
        ("2026020100", answer("1 Exchange/Optimize 443:"), "empty"),
        (
            "2026020100",
            answer(&OLD.replace("40.96.0.0/13 ", "")),
            "loses",
        ),
        (
            "2026020100",
            answer(&OLD.replace("40.96.0.0/13", "0.0.0.0/0")),
            "everything",
        ),
        (
            "2026020100",
            answer(&OLD.replace("40.96.0.0/13", "40.96.0.0/13 10.0.0.0/8")),
            "reserved",
        ),
        (
            "2026020100",
            answer(&OLD.replace("a.example.org", "a.example.org *.org")),
            "public-suffix",
        ),
        ("2025120100", answer(OLD), "goes-back"),
        (
            "2026010100",
            answer(&OLD.replace("40.96.0.0/13", "40.96.0.0/12")),
            "same-version",
        ),
    ];
    for (version, endpoints, kind) in &table {
        let Outcome::Refused(refusal) = stage.take(2, version, endpoints) else {
            panic!("{kind}: {endpoints} was not refused");
        };
        assert_eq!(refusal.name(), *kind, "{refusal}");
        let state = stage.state();
        assert_eq!(state.refusal().unwrap().kind, *kind);
        let file = stage
            .dir
            .path()
            .join("feed/m365/refused")
            .join(&state.refusal().unwrap().file);
        assert!(file.is_file(), "{kind}");
        assert_eq!(stage.holds(), holds, "{kind}");
    }
    assert_eq!(stage.state().refusals.len(), 10);
    let kept = std::fs::read_dir(stage.dir.path().join("feed/m365/refused")).unwrap();
    assert!(kept.count() <= 10);
    // The same again is the same refusal; a good answer ends it.
    stage.take(3, "2026010100", &table[12].1);
    assert_eq!(stage.state().refusal().unwrap().times, 2);
    stage.take(4, "2026020100", &answer(&format!("{OLD} c.example.org")));
    assert!(stage.state().refusal().is_none());
}

#[test]
fn a_person_decides_about_what_waits() {
    let stage = Stage::new(Rules {
        removals: Removals::Ask,
        additions: Consent::Ask,
        max_loss: 100,
        ..Rules::default()
    });
    stage.take(1, "2026010100", &answer(OLD));
    let holds = stage.holds();
    let new = answer(&OLD.replace("b.example.org", "c.example.org"));
    assert_eq!(
        stage.take(2, "2026020100", &new),
        approved(2, &["additions", "removals"])
    );
    assert_eq!(stage.holds()[1..], ["1.kept b.example.org tcp 443"]);
    let dry = stage.intake(3).approve_candidate(&by(), true).unwrap();
    assert_eq!((dry.number, dry.difference.lines().len()), (3, 2));
    assert!(
        stage.state().candidate.is_some(),
        "a dry run changes nothing"
    );
    assert_eq!(
        stage
            .intake(3)
            .approve_candidate(&by(), false)
            .unwrap()
            .number,
        3
    );
    assert_eq!(
        stage.holds(),
        ["1 40.96.0.0/13 52.96.0.0/14 a.example.org c.example.org tcp 443"]
    );
    let nothing = stage.intake(3).approve_candidate(&by(), false);
    assert!(matches!(nothing, Err(DecideError::NothingWaits)));
    assert_eq!(
        stage.intake(4).roll_back(1, &by(), false).unwrap().number,
        4
    );
    assert_eq!(stage.holds(), holds);
    assert_eq!(
        stage.take(5, "2026020100", &new),
        Outcome::Unchanged,
        "what was undone is not done again"
    );
    let newer = answer(&format!("{OLD} d.example.org"));
    assert_eq!(
        stage.take(6, "2026030100", &newer),
        Outcome::Waits(vec!["additions".to_owned()])
    );
    assert_eq!(
        stage.intake(6).reject_candidate(&by(), false).unwrap().what,
        "version 2026030100 rejected"
    );
    assert_eq!(stage.take(6, "2026030100", &newer), Outcome::Unchanged);
    assert_eq!(stage.holds(), holds);
    assert!(matches!(
        stage.intake(7).roll_back(9, &by(), false),
        Err(DecideError::NoGeneration { .. })
    ));
    let last = stage.state().history.pop().unwrap();
    assert_eq!(
        (last.by.to_string().as_str(), last.what.as_str()),
        ("ann", "version 2026030100 rejected")
    );
}

#[test]
fn change_records_are_checked_against_the_answer() {
    let stage = Stage::new(Rules {
        max_loss: 100,
        ..Rules::default()
    });
    stage.take(1, "2026010100", &answer(OLD));
    let records = r#"[{"id": 1, "endpointSetId": 1, "disposition": "Change", "impact": "New", "version": "2026020100",
        "add": {"effectiveDate": "20260301", "urls": ["c.example.org"]}},
        {"id": 2, "endpointSetId": 7, "disposition": "Add", "version": "2026020100", "current": {"serviceArea": "MEM"},
        "add": {"effectiveDate": "20260301", "urls": ["mem.example.org"]}}]"#;
    stage.take_with(
        2,
        "2026020100",
        &answer(&format!("{OLD} d.example.org")),
        Some(records),
    );
    assert_eq!(
        stage.state().published.unwrap().disagreements,
        [
            "the impact \"New\" is new",
            "id 1: d.example.org is in the answer, but the change records do not lead to it",
            "id 1: c.example.org is not in the answer, but the change records leave it there",
        ]
    );
    stage.take_with(3, "2026030100", &answer(OLD), Some("<html>"));
    let told = stage.state().published.unwrap().disagreements;
    assert!(
        told[0].starts_with("the change records cannot be read"),
        "{told:?}"
    );
}

#[test]
fn another_question_may_have_another_answer_of_the_same_version() {
    let mut stage = Stage::new(Rules::default());
    let both = format!("{OLD}\n2 Skype/Allow 443: c.example.org");
    stage.take(1, "2026010100", &answer(&both));
    assert_eq!(stage.holds().len(), 2);
    stage.settings.question.areas.pop();
    assert_eq!(
        stage.holds().len(),
        1,
        "what is not asked for does not pass"
    );
    assert_eq!(stage.take(2, "2026010100", &answer(OLD)), approved(2, &[]));
    stage.settings.question.instance = "Worldwide".to_owned();
    let other = answer("1 Exchange/Optimize 443: 20.0.0.0/16 z.example.org");
    assert_eq!(
        stage.take(3, "2025010100", &other),
        approved(3, &[]),
        "another instance, taken as a whole"
    );
    assert_eq!(stage.holds(), ["1 20.0.0.0/16 z.example.org tcp 443"]);
}

#[test]
fn worldwide_begins_with_what_egress_brings_along() {
    let mut stage = Stage::new(Rules::default());
    stage.settings.question.instance = "Worldwide".to_owned();
    let holds = stage.holds().len();
    assert!(holds > 10, "{holds}");
    let Outcome::Refused(refusal) = stage.take(1, "2026060100", &answer(OLD)) else {
        panic!("an answer that lacks most of it was taken");
    };
    assert_eq!(refusal.name(), "loses");
    assert_eq!(stage.holds().len(), holds);
}
