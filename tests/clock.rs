//! The wall clock, set back and ahead while the daemon runs: only where the machine is made for that, for it is
//! everybody's clock.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use egress_ctl::dataplane::boot_ms;
use jiff::Zoned;
use lab::clock::Moved;
use lab::guard::{self, Guard};
use lab::guest;
use lab::pace;
use lab::stage::Stage;
use lab::wait;
use serde_json::Value;

const HOUR: Duration = Duration::from_secs(3_600);
const YEAR: Duration = Duration::from_secs(365 * 86_400);
const LIMIT: Duration = Duration::from_secs(120);

/// How the clock is set.
type Set = fn(Duration) -> Result<Moved>;
const JUMPS: [(&str, Set, Duration); 3] = [
    ("an hour back", Moved::back, HOUR),
    ("a year back", Moved::back, YEAR),
    ("a year ahead", Moved::ahead, YEAR),
];

/// Whether the clock may be set; where not, that is told.
fn may_set(test: &str) -> bool {
    let may = guest::is_disposable();
    if !may {
        println!("skipped: clock::{test}: only the clock of a guest may be set");
    }
    may
}

/// How late the end of something may be noticed, in ms: far less than any clock is set by.
fn late_ms() -> u64 {
    if pace::is_slow() { 20_000 } else { 2_000 }
}

/// Long enough for a slow machine to set its clock meanwhile.
fn within() -> &'static str {
    if pace::is_slow() { "15s" } else { "4s" }
}

/// The end of something, in boot-time ms, as a file of state notes it.
fn ends(stage: &Stage, file: &str, key: &str) -> Result<u64> {
    let text = fs::read(stage.lab.path("state").join(file))?;
    let noted: Value = serde_json::from_slice(&text)?;
    noted[key]["boot_ms"].as_u64().context("no end is noted")
}

/// Waits until it is over, and fails where that was not on time.
fn is_over_on_time(what: &str, ends: u64, is_over: impl Fn() -> Result<bool>) -> Result<()> {
    let mut before = boot_ms();
    let asked = || {
        let now = boot_ms();
        let is_over = is_over()?;
        if !is_over {
            before = now;
        }
        Ok(is_over.then(boot_ms))
    };
    let over = wait::until(what, LIMIT, asked)?;
    ensure!(
        before <= ends,
        "{what}: it went on until {before}, and ends at {ends}"
    );
    ensure!(
        (ends..ends + late_ms()).contains(&over),
        "{what}: over at {over}, not at {ends}"
    );
    Ok(())
}

#[test]
fn a_trial_ends_on_time_however_the_clock_is_set() -> Result<()> {
    if !may_set("a_trial_ends_on_time_however_the_clock_is_set") {
        return Ok(());
    }
    let stage = Stage::new()?;
    stage.write(&guard::config().replace("\"enforce\"", "\"audit\""))?;
    let mut daemon = stage.start(&[])?;
    for (what, set, by) in JUMPS {
        stage.done(&["enforce", "--confirm-within", within()])?;
        let ends = ends(&stage, "trial.json", "deadline")?;
        let moved = set(by)?;
        ensure!(
            stage.status()?["mode"] == "enforce",
            "{what}: it is over at once"
        );
        is_over_on_time(what, ends, || Ok(stage.status()?["mode"] == "audit"))?;
        daemon.wait_for("FELL BACK: mode enforce does not hold")?;
        ensure!(stage.status()?["trial"]["fell_back"].is_object(), "{what}");
        drop(moved);
    }
    Ok(())
}

#[test]
fn a_bypass_ends_on_time_however_the_clock_is_set() -> Result<()> {
    if !may_set("a_bypass_ends_on_time_however_the_clock_is_set") {
        return Ok(());
    }
    let stage = Stage::new()?;
    stage.start(&[])?.kill()?;
    for (what, set, by) in JUMPS {
        stage.done(&["bypass", "on", "--for", within()])?;
        let ends = ends(&stage, "bypass.json", "ends")?;
        let moved = set(by)?;
        ensure!(
            stage.status()?["bypass"].is_object(),
            "{what}: it is over at once"
        );
        is_over_on_time(what, ends, || Ok(stage.status()?["bypass"].is_null()))?;
        drop(moved);
    }
    Ok(())
}

#[test]
fn a_clock_that_jumps_is_told_and_moves_nothing_but_dates() -> Result<()> {
    if !may_set("a_clock_that_jumps_is_told_and_moves_nothing_but_dates") {
        return Ok(());
    }
    let stage = Stage::new()?;
    let today = Zoned::now().date();
    let rule = format!(
        "[[group.staging.rule]]\naction = \"allow\"\nto = [\"198.51.100.0/24\"]\nuntil = \"{today}\"\n"
    );
    stage.write(&(guard::config() + &rule))?;
    let mut daemon = stage.start(&[])?;
    let whole = prefixes(&stage)?;
    let guard = Guard::start(&stage.lab)?;
    let moved = Moved::back(YEAR)?;
    daemon.wait_for("the clock was set back by 8760h, to ")?;
    daemon.hang_up()?;
    has_prefixes(&stage, whole)?;
    drop(moved);
    daemon.wait_for("the clock was set ahead by 8760h, to ")?;
    let moved = Moved::ahead(YEAR)?;
    daemon.wait_for("rules that ended do not hold any more")?;
    has_prefixes(&stage, whole - 1)?;
    drop(moved);
    daemon.wait_for(&format!(
        "it is {today} again: rules that had ended hold once more"
    ))?;
    has_prefixes(&stage, whole)?;
    ensure!(stage.status()?["mode"] == "enforce");
    guard.end()
}

fn prefixes(stage: &Stage) -> Result<u64> {
    let status = stage.status()?;
    status["generation"]["prefixes"]
        .as_u64()
        .context("no prefixes")
}

/// Waits until so many are in force.
fn has_prefixes(stage: &Stage, count: u64) -> Result<()> {
    let what = format!("{count} prefixes");
    let held = || Ok((prefixes(stage)? == count).then_some(()));
    wait::until(&what, LIMIT, held)
}
