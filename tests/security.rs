//! SECURITY.md names a test for every attempt: each must be there, and none of the adversaries may be missing. And
//! what the workflows run is what was looked at.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};

const DOCUMENT: &str = include_str!("../SECURITY.md");
/// Attempts are numbered from 1 on.
const ATTEMPTS: usize = 28;
/// Files of tests that the table names, and whether it must name all of theirs.
const FILES: [(&str, bool, &str); 10] = [
    ("adversaries", true, include_str!("adversaries.rs")),
    (
        "adversaries::answers",
        true,
        include_str!("adversaries/answers.rs"),
    ),
    (
        "adversaries::senders",
        true,
        include_str!("adversaries/senders.rs"),
    ),
    ("asked", false, include_str!("asked.rs")),
    ("devices", false, include_str!("devices.rs")),
    ("interfaces", false, include_str!("interfaces.rs")),
    ("metrics", false, include_str!("metrics.rs")),
    ("abuse", false, include_str!("abuse.rs")),
    ("trial", false, include_str!("trial.rs")),
    ("ui", false, include_str!("ui.rs")),
];

/// What the public's CI runs.
const WORKFLOWS: [&str; 3] = [
    include_str!("../.github/workflows/ci.yml"),
    include_str!("../.github/workflows/mutants.yml"),
    include_str!("../.github/workflows/release.yml"),
];
/// Digits of a commit.
const COMMIT: usize = 40;

/// A row of the table.
struct Row {
    number: usize,
    tests: BTreeSet<String>,
}

#[test]
fn every_attempt_has_its_row_and_a_test() -> Result<()> {
    let rows = rows()?;
    let numbers: Vec<usize> = rows.iter().map(|row| row.number).collect();
    let all: Vec<usize> = (1..=ATTEMPTS).collect();
    ensure!(numbers == all, "{numbers:?}");
    let bare = rows.iter().find(|row| row.tests.is_empty());
    ensure!(bare.is_none(), "a row names no test");
    Ok(())
}

#[test]
fn the_tests_that_it_names_are_there_and_no_adversary_is_missing() -> Result<()> {
    let named: BTreeSet<String> = rows()?.into_iter().flat_map(|row| row.tests).collect();
    let there: BTreeSet<String> = FILES
        .iter()
        .flat_map(|(file, _, text)| tests(file, text))
        .collect();
    let gone: Vec<_> = named.difference(&there).collect();
    ensure!(gone.is_empty(), "SECURITY.md names no real test: {gone:?}");
    let adversaries = FILES.iter().filter(|(_, is_whole, _)| *is_whole);
    let adversaries: BTreeSet<String> = adversaries
        .flat_map(|(file, _, text)| tests(file, text))
        .collect();
    let missing: Vec<_> = adversaries.difference(&named).collect();
    ensure!(missing.is_empty(), "SECURITY.md lacks {missing:?}");
    Ok(())
}

#[test]
fn workflows_pin_what_they_use_by_its_commit() -> Result<()> {
    let lines = WORKFLOWS.iter().flat_map(|text| text.lines());
    let used: Vec<&str> = lines
        .filter_map(|line| line.split("uses: ").nth(1))
        .collect();
    ensure!(!used.is_empty(), "no workflow uses anything");
    for action in used {
        let pin = action.split_once('@').map(|(_, pin)| pin);
        let (commit, version) = pin
            .and_then(|pin| pin.split_once(" # "))
            .with_context(|| format!("{action} names no commit and version"))?;
        let is_commit = commit.len() == COMMIT && commit.bytes().all(|c| c.is_ascii_hexdigit());
        ensure!(is_commit && version.starts_with('v'), "{action}");
    }
    Ok(())
}

/// Rows of the table whose first column is a number.
fn rows() -> Result<Vec<Row>> {
    let lines = DOCUMENT.lines().filter(|line| line.starts_with("| "));
    let cells = lines.map(|line| line.trim_matches('|').split('|').map(str::trim));
    let rows = cells.filter_map(|mut cells| {
        let number = cells.next()?.parse().ok()?;
        Some((number, cells.next_back()))
    });
    rows.map(|(number, tests)| {
        let tests = tests.context("a row without tests")?;
        let tests = tests.split(',').map(|test| test.trim().trim_matches('`'));
        Ok(Row {
            number,
            tests: tests
                .filter(|test| !test.is_empty())
                .map(str::to_owned)
                .collect(),
        })
    })
    .collect()
}

/// Names of a file's tests.
fn tests<'a>(file: &'a str, text: &'a str) -> impl Iterator<Item = String> + 'a {
    let mut lines = text.lines().skip_while(|line| line.trim() != "#[test]");
    std::iter::from_fn(move || {
        let function = lines.find(|line| line.starts_with("fn "))?;
        for line in lines.by_ref() {
            if line.trim() == "#[test]" {
                break;
            }
        }
        let name = function.strip_prefix("fn ")?.split('(').next()?;
        Some(format!("{file}::{name}"))
    })
}
