//! What holds when files are damaged.

use std::fs;

use super::*;
use crate::feed::{
    person::By,
    sample::{edition, noon},
    settings::{Question, Rules},
    state::Event,
    store::Writer,
};

fn settings(instance: &str) -> Settings {
    Settings {
        source: "m365".to_owned(),
        question: Question {
            instance: instance.to_owned(),
            areas: vec!["Exchange".to_owned()],
            tenant: None,
            ipv6: true,
        },
        url: "file:///nowhere".to_owned(),
        ca_file: None,
        poll: std::time::Duration::from_secs(3600),
        timeout: std::time::Duration::from_secs(1),
        rules: Rules::default(),
    }
}

fn approve(writer: &mut Writer, version: &str) -> Sha {
    let edition = edition(version, "1 Exchange/Optimize 443: 52.96.0.0/14");
    let blob = writer.put_edition(&edition).unwrap();
    let event = Event {
        at: noon(1),
        by: By::Rule,
        what: version.to_owned(),
    };
    writer.state.approve(edition.version, blob.clone(), event);
    writer.commit(20, None).unwrap();
    blob
}

#[test]
fn a_damage_leads_to_the_edition_before_and_never_to_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::of(dir.path(), "m365");
    let mut writer = folder.write().unwrap();
    let blobs = ["2026010100", "2026020100", "2026030100"].map(|v| approve(&mut writer, v));
    drop(writer);
    let held = |in_force: Option<&Sha>| {
        let in_force = in_force.map(|sha| ("m365".to_owned(), sha.clone()));
        let feeds = Feeds::approved(dir.path(), in_force.into_iter().collect());
        let (feed, edition) = feeds.edition(&settings("Worldwide")).unwrap();
        let version = edition.version.map(|version| version.to_string());
        (version.unwrap_or_default(), feed.warnings.len())
    };
    let break_blob =
        |blob: &Sha| fs::write(folder.path().join(format!("blobs/{blob}")), "x").unwrap();
    assert_eq!(held(None), ("2026030100".to_owned(), 0));
    break_blob(&blobs[2]);
    assert_eq!(held(None), ("2026020100".to_owned(), 1));
    fs::write(folder.path().join("state-1"), "x").unwrap();
    assert_eq!(held(None).0, "2026020100");
    fs::write(folder.path().join("state-0"), "x").unwrap();
    assert_eq!(held(Some(&blobs[0])), ("2026010100".to_owned(), 1));
    assert_eq!(held(None).0, "2026020100", "the newest that can be read");
    break_blob(&blobs[1]);
    break_blob(&blobs[0]);
    let (version, warnings) = held(None);
    assert_eq!(
        (version.as_str(), warnings),
        ("", 2),
        "what egress brings along"
    );
}

#[test]
fn a_generation_s_own_edition_is_asked_for_or_missing() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::of(dir.path(), "m365");
    let first = approve(&mut folder.write().unwrap(), "2026010100");
    approve(&mut folder.write().unwrap(), "2026020100");
    let of = |sha: &Sha| Feeds::Of {
        state_dir: dir.path().to_owned(),
        editions: BTreeMap::from([("m365".to_owned(), sha.clone())]),
    };
    let (feed, edition) = of(&first).edition(&settings("Worldwide")).unwrap();
    assert_eq!(edition.version.unwrap().to_string(), "2026010100");
    assert_eq!(feed.blob, Some(first));
    assert!(
        of(&Sha::of(b"lost"))
            .edition(&settings("Worldwide"))
            .is_err()
    );
}

#[test]
fn another_instance_has_the_old_data_until_it_was_fetched() {
    let dir = tempfile::tempdir().unwrap();
    approve(
        &mut Folder::of(dir.path(), "m365").write().unwrap(),
        "2026010100",
    );
    let feeds = Feeds::approved(dir.path(), BTreeMap::new());
    let (feed, edition) = feeds.edition(&settings("China")).unwrap();
    assert_eq!(edition.sets.len(), 1);
    assert!(feed.warnings[0].contains("still that of instance Worldwide"));
}
