//! What `egress-lab` prints as data, and its exit codes.

use std::collections::HashSet;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use lab::pace::is_slow;
use serde_json::Value;

#[test]
fn the_demo_tells_every_outcome() -> Result<()> {
    let report = succeed(&["demo", "--json"])?;
    ensure!(report["schema"] == "egress.demo/1");
    ensure!(report["passed"] == true);
    let outcomes = report["outcomes"].as_array().context("no outcomes")?;
    ensure!(outcomes.len() >= 14, "{} outcomes", outcomes.len());
    let kinds: HashSet<_> = outcomes
        .iter()
        .map(|outcome| {
            (
                outcome["family"].as_str(),
                outcome["seen"]["verdict"].as_str(),
            )
        })
        .collect();
    for family in ["ipv4", "ipv6"] {
        for verdict in ["allow", "drop"] {
            let kind = (Some(family), Some(verdict));
            ensure!(kinds.contains(&kind), "no {verdict} over {family}");
        }
    }
    for outcome in outcomes {
        ensure!(outcome["seen"] == outcome["expected"], "{outcome}");
        ensure!(outcome["seen"]["reason"].is_string() && outcome["what"].is_string());
    }
    ensure!(
        report["counters"]
            .as_array()
            .is_some_and(|counters| !counters.is_empty())
    );
    Ok(())
}

#[test]
fn a_short_race_drops_no_first_packet() -> Result<()> {
    let report = succeed(&[
        "drill",
        "race",
        "--cycles",
        "300",
        "--threads",
        "2",
        "--json",
    ])?;
    ensure!(report["cycles"] == 300, "{report}");
    ensure!(report["first_packets_dropped"] == 0, "{report}");
    Ok(())
}

#[test]
fn a_few_swaps_drop_nothing() -> Result<()> {
    let report = succeed(&["drill", "swap", "--swaps", "20", "--json"])?;
    ensure!(report["swaps"] == 20, "{report}");
    ensure!(report["dropped_by_filter"] == 0, "{report}");
    ensure!(
        report["sent"].as_u64().is_some_and(|sent| sent > 1000),
        "{report}"
    );
    Ok(())
}

#[test]
fn a_few_restarts_and_an_upgrade_leave_no_gap() -> Result<()> {
    // An emulated machine verifies the programs of another build for a minute.
    let (kills, upgrades) = if is_slow() { (3, 0) } else { (8, 2) };
    let report = succeed(&[
        "drill",
        "restart",
        "--kills",
        &kills.to_string(),
        "--upgrades",
        &upgrades.to_string(),
        "--json",
    ])?;
    ensure!(
        report["kills"] == kills && report["upgrades"] == upgrades,
        "{report}"
    );
    for kind in ["allowed", "denied"] {
        let flow = &report[kind];
        ensure!(flow["sent"] == flow["counted"], "{report}");
    }
    ensure!(
        report["allowed"]["arrived"] == report["allowed"]["sent"]
            && report["denied"]["arrived"] == 0,
        "{report}"
    );
    Ok(())
}

#[test]
fn a_few_questions_are_answered_as_packets_are_judged() -> Result<()> {
    let report = succeed(&[
        "drill",
        "explain",
        "--questions",
        "150",
        "--seed",
        "7",
        "--json",
    ])?;
    ensure!(report["questions"] == 150, "{report}");
    ensure!(
        report["differences"] == 0 && report["passed"] == true,
        "{report}"
    );
    ensure!(
        report["events"].as_u64().is_some_and(|events| events > 50),
        "{report}"
    );
    Ok(())
}

#[test]
fn a_few_cycles_through_a_cache_lose_no_connection() -> Result<()> {
    let report = succeed(&[
        "drill", "cache", "--cycles", "200", "--names", "20", "--ttl", "1", "--json",
    ])?;
    ensure!(report["cycles"] == 200, "{report}");
    ensure!(
        report["failures"] == 0 && report["packets_dropped"] == 0,
        "{report}"
    );
    ensure!(
        report["shared_outlived"] == 2 && report["alone_expired"] == true,
        "{report}"
    );
    Ok(())
}

#[test]
fn a_short_download_outlives_its_answer() -> Result<()> {
    let report = succeed(&[
        "drill",
        "expiry",
        "--seconds",
        "2",
        "--ttl",
        "1",
        "--rounds",
        "50",
        "--json",
    ])?;
    ensure!(report["passed"] == true, "{report}");
    ensure!(
        report["download"]["was_cut"] == false && report["new_connection_expired"] == true,
        "{report}"
    );
    ensure!(
        report["expired"] == 50 && report["admitted_again"] == 50,
        "{report}"
    );
    Ok(())
}

#[test]
fn some_forged_answers_of_each_kind_teach_nothing() -> Result<()> {
    let report = succeed(&["drill", "forge", "--messages", "20", "--json"])?;
    let groups = report["groups"].as_array().context("no groups")?;
    ensure!(groups.len() == 20, "{report}");
    for group in groups {
        ensure!(group["seen"] == 20 && group["learned"] == 0, "{group}");
    }
    ensure!(
        report["honest"] == report["honest_learned"] && report["honest"] == 76,
        "{report}"
    );
    Ok(())
}

#[test]
fn more_addresses_than_there_is_room_for_end_no_connection() -> Result<()> {
    let report = succeed(&[
        "drill",
        "names",
        "--names",
        "500",
        "--addresses",
        "80000",
        "--used",
        "50",
        "--json",
    ])?;
    ensure!(
        report["learned"] == 500 && report["admitted"] == 500,
        "{report}"
    );
    let crowd = &report["crowd"];
    ensure!(
        crowd["lived_on_dropped"] == 0 && crowd["begun_dropped"] == 0,
        "{report}"
    );
    ensure!(
        crowd["held"].as_u64() <= report["bound"].as_u64(),
        "{report}"
    );
    ensure!(
        report["costs"]
            .as_array()
            .is_some_and(|costs| costs.len() == 3),
        "{report}"
    );
    Ok(())
}

#[test]
fn an_unknown_drill_is_answered_with_those_that_exist() -> Result<()> {
    let output = egress_lab(&["drill", "nonsense"])?;
    ensure!(!output.status.success());
    let said = String::from_utf8(output.stderr)?;
    for word in [
        "nonsense", "cache", "expiry", "explain", "forge", "race", "restart", "swap",
    ] {
        ensure!(said.contains(word), "nothing of {word} in: {said}");
    }
    Ok(())
}

/// Runs it and reads the one object that it prints.
fn succeed(arguments: &[&str]) -> Result<Value> {
    let output = egress_lab(arguments)?;
    let said = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "{}: {said}\n{printed}",
        output.status
    );
    serde_json::from_slice(&output.stdout).with_context(|| format!("not one object: {printed}"))
}

fn egress_lab(arguments: &[&str]) -> Result<Output> {
    let program = env!("CARGO_BIN_EXE_egress-lab");
    Ok(Command::new(program).args(arguments).output()?)
}
