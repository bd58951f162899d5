//! The files of a feed, whatever happens to them.

use jiff::Timestamp;

use super::*;
use crate::feed::{
    person::By,
    sample::edition,
    state::{Event, State},
};

fn approve(writer: &mut Writer, version: &str) -> u64 {
    let edition = edition(version, "1 Exchange/Optimize 443: 52.96.0.0/14");
    let blob = writer.put_edition(&edition).unwrap();
    let event = Event {
        at: Timestamp::UNIX_EPOCH,
        by: By::Rule,
        what: version.to_owned(),
    };
    writer.state.approve(edition.version, blob, event)
}

fn version(number: u64) -> String {
    format!("{:010}", 2_026_000_000 + number)
}

#[test]
fn a_state_comes_back_and_old_content_goes() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::of(dir.path(), "m365");
    assert_eq!(folder.read().unwrap().state, State::default());
    let mut first = None;
    for number in 1..=9 {
        let mut writer = folder.write().unwrap();
        assert_eq!(approve(&mut writer, &version(number)), number);
        first = first.or_else(|| writer.state.approved().map(|one| one.blob.clone()));
        let needed = BTreeSet::from_iter(first.clone());
        writer.commit(3, Some(&needed)).unwrap();
    }
    let read = folder.read().unwrap();
    let numbers: Vec<_> = read
        .state
        .generations
        .iter()
        .map(|one| one.number)
        .collect();
    assert_eq!(numbers, [7, 8, 9]);
    for generation in &read.state.generations {
        folder.edition(&generation.blob).unwrap();
    }
    // Three that are kept, one that the state before names, and one that the kernel's tables need.
    assert_eq!(fs::read_dir(folder.blobs()).unwrap().count(), 5);
    folder.edition(&first.unwrap()).unwrap();
}

#[test]
fn a_damaged_state_leaves_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::of(dir.path(), "m365");
    for number in 1..=2 {
        let mut writer = folder.write().unwrap();
        approve(&mut writer, &version(number));
        writer.commit(20, Some(&BTreeSet::new())).unwrap();
    }
    let text = fs::read_to_string(folder.turn(2)).unwrap();
    let damages = [
        String::new(),
        text[..text.len() / 2].to_owned(),
        text.replace("rule", "Rule"),
    ];
    for damage in damages {
        fs::write(folder.turn(2), damage).unwrap();
        let read = folder.read().unwrap();
        assert_eq!(read.state.approved().unwrap().number, 1);
        assert_eq!(read.damaged.len(), 1);
    }
    let mut writer = folder.write().unwrap();
    assert_eq!(approve(&mut writer, &version(3)), 2);
    writer.commit(20, None).unwrap();
    assert!(
        folder.read().unwrap().damaged.is_empty(),
        "the next write mends it"
    );
    for turn in 0..TURNS {
        fs::write(folder.turn(turn), "x").unwrap();
    }
    assert!(folder.read().is_err());
}

#[test]
fn damaged_content_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::of(dir.path(), "m365");
    let mut writer = folder.write().unwrap();
    approve(&mut writer, &version(1));
    let blob = writer.state.approved().unwrap().blob.clone();
    let path = folder.blobs().join(blob.to_string());
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("52.96", "52.97")).unwrap();
    let error = folder.edition(&blob).unwrap_err().to_string();
    assert!(error.contains("is damaged"), "{error}");
    // Putting it again mends it.
    approve(&mut writer, &version(1));
    folder.edition(&blob).unwrap();
}

#[test]
fn a_disk_that_cannot_be_written_leaves_everything_readable() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::of(dir.path(), "m365");
    let mut writer = folder.write().unwrap();
    approve(&mut writer, &version(1));
    writer.commit(20, None).unwrap();
    // Root may write anywhere, but not where a folder should be and is none.
    let aside = dir.path().join("aside");
    fs::rename(folder.path(), &aside).unwrap();
    approve_fails(&mut writer);
    fs::rename(&aside, folder.path()).unwrap();
    assert_eq!(folder.read().unwrap().state.approved().unwrap().number, 1);
}

fn approve_fails(writer: &mut Writer) {
    let edition = edition(&version(2), "1 Exchange/Optimize 443: 52.96.0.0/15");
    assert!(writer.put_edition(&edition).is_err());
    assert!(writer.commit(20, None).is_err());
}

/// Where the child of the next test writes.
const CHILD: &str = "EGRESS_FEED_KILLED";

/// Writes until it is killed; nothing where no test asks for it.
#[test]
fn child_that_is_killed() {
    let Some(dir) = std::env::var_os(CHILD) else {
        return;
    };
    let folder = Folder::of(Path::new(&dir), "m365");
    for number in 1..u64::MAX {
        let mut writer = folder.write().unwrap();
        approve(&mut writer, &version(number));
        writer.commit(3, Some(&BTreeSet::new())).unwrap();
    }
}

#[test]
fn a_kill_at_any_moment_leaves_what_was_approved_last() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::of(dir.path(), "m365");
    let mut last = 0;
    for round in 0..40 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let child = child.args(["--exact", "feed::store::tests::child_that_is_killed"]);
        let child = child
            .env(CHILD, dir.path())
            .stdout(std::process::Stdio::null());
        let mut child = child.spawn().unwrap();
        thread::sleep(Duration::from_micros(12_000 + fastrand::u64(..30_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        let read = folder.read().unwrap();
        assert!(read.damaged.is_empty(), "round {round}: {:?}", read.damaged);
        for generation in &read.state.generations {
            folder.edition(&generation.blob).unwrap();
        }
        let number = read.state.approved().map_or(0, |one| one.number);
        assert!(number >= last, "round {round}: {number} after {last}");
        last = number;
    }
    assert!(last > 0, "no child came far enough");
    let unfinished = || {
        let all = fs::read_dir(folder.blobs()).unwrap().flatten();
        let all = all.filter(|e| e.file_name().to_string_lossy().starts_with('.'));
        all.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    for path in unfinished() {
        let long_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
        File::open(path).unwrap().set_modified(long_ago).unwrap();
    }
    folder.write().unwrap();
    assert_eq!(unfinished(), Vec::<PathBuf>::new());
}
