//! Replaying the service's own change records on the oldest base must give the newer edition; and so
//! must those that the lab derives, from every edition there is to every newer one.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use lab::feed::apply::apply;
use lab::feed::archive::{Archive, Shelf};
use lab::feed::change::Change;
use lab::feed::edition::Edition;
use lab::feed::version::Version;

use super::Shown;

/// All records that the service had, as it answered at the version in the file's name.
const RECORDS: &str = "changes-worldwide-0000000000-at-2020012800.json";
const BASE: &str = "2018080200";
const TARGET: &str = "2020012800";
/// The base has it in the form that it has for a tenant.
const SET_ASIDE: u32 = 31;

/// The service's records, where there are snapshots, and derived ones.
pub(super) fn show(snapshots: Option<&Path>, archive: &Archive) -> Result<Vec<Shown>> {
    let mut shown = Vec::new();
    if let Some(folder) = snapshots {
        shown.push(Shown::of(
            "replay of the service's records",
            recorded(folder, archive),
        ));
    }
    shown.push(Shown::of("replay of derived records", derived(archive)));
    Ok(shown)
}

fn recorded(folder: &Path, archive: &Archive) -> Result<String> {
    let path = folder.join(RECORDS);
    let json =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let all: Vec<Change> = serde_json::from_str(&json).context(RECORDS)?;
    let (base, target): (Version, Version) = (BASE.parse()?, TARGET.parse()?);
    let shelf = archive
        .shelf("worldwide")
        .context("no edition of Worldwide")?;
    let edition = |version| {
        let edition = shelf.edition(version).cloned();
        edition.with_context(|| format!("no edition {version} of Worldwide"))
    };
    let newer = |change: &Change| change.version > base && change.endpoint_set_id != SET_ASIDE;
    let changes: Vec<_> = all.into_iter().filter(newer).collect();
    let replayed = apply(aside(edition(base)?), &changes)?.normal();
    let expected = aside(edition(target)?);
    let sets = compared(&replayed, &expected)?;
    Ok(format!(
        "{} records from {base} give {target}: {sets} sets equal, set {SET_ASIDE} aside",
        changes.len()
    ))
}

fn derived(archive: &Archive) -> Result<String> {
    let mut pairs = 0;
    let mut records = 0;
    for shelf in archive.shelves() {
        let versions: Vec<_> = shelf.versions().collect();
        for (at, base) in versions.iter().enumerate() {
            for target in &versions[at + 1..] {
                records += replayed(shelf, *base, *target)?;
                pairs += 1;
            }
        }
    }
    ensure!(pairs > 0, "there are no two editions of one instance");
    Ok(format!(
        "{records} records between {pairs} pairs of editions"
    ))
}

/// How many records lead from one edition to another.
fn replayed(shelf: &Shelf, base: Version, target: Version) -> Result<usize> {
    let editions = [base, target].map(|version| shelf.edition(version).cloned());
    let [Some(old), Some(new)] = editions else {
        anyhow::bail!("{}: no editions {base} and {target}", shelf.name)
    };
    let changes = shelf.changes(base, target);
    compared(&apply(old, &changes)?.normal(), &new.normal())
        .with_context(|| format!("{}, {base} to {target}", shelf.name))?;
    Ok(changes.len())
}

/// The edition as sets, without the one that cannot be compared.
fn aside(mut edition: Edition) -> Edition {
    edition.take(SET_ASIDE);
    edition.normal()
}

/// How many sets are equal, all being.
fn compared(replayed: &Edition, expected: &Edition) -> Result<usize> {
    let ids = |edition: &Edition| edition.sets().map(|set| set.id).collect::<Vec<_>>();
    ensure!(
        ids(replayed) == ids(expected),
        "other sets: {:?}, expected {:?}",
        ids(replayed),
        ids(expected)
    );
    for (is, should) in replayed.sets().zip(expected.sets()) {
        ensure!(
            is == should,
            "set {} differs: {is:?}, expected {should:?}",
            should.id
        );
    }
    Ok(expected.sets().count())
}
