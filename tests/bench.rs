//! The bench says of every ratio that it is to measure what it is, or why it was not measured.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use lab::pace::is_slow;
use serde_json::Value;

/// What scripts rely on, by the names that they know.
const KEYS: [&str; 16] = [
    "allowed_500",
    "allowed_v6_500",
    "denied",
    "learned",
    "allowed_100k_over_500",
    "lpm_over_ours_500",
    "veth_drop_over_floor",
    "forward_pass_over_none",
    "forward_fast_over_none",
    "nft_ct_over_fast_forward",
    "nft_ct_over_drop",
    "dns_answer_cname_4a_over_floor",
    "flip_ms",
    "build_100k_ms",
    "memory_500_mb",
    "memory_100k_mb",
];

/// A slow machine would take half a minute to verify the programs, for each section that loads them.
fn sections() -> &'static [&'static str] {
    if is_slow() { &["--only", "user"] } else { &[] }
}

#[test]
fn every_ratio_is_measured_or_skipped_with_a_reason() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (json, plots) = (
        folder.path().join("bench.json"),
        folder.path().join("plots"),
    );
    let mut bench = Command::new(env!("CARGO_BIN_EXE_egress-lab"));
    bench.args(["bench", "--trial"]).args(sections());
    bench.arg("--json").arg(&json).arg("--svg").arg(&plots);
    let output = bench.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {said}", output.status);
    let report: Value = serde_json::from_str(&fs::read_to_string(&json)?)?;
    for key in KEYS {
        match (&report["ratios"][key], &report["skipped"][key]) {
            (Value::Number(ratio), Value::Null) => {
                let ratio = ratio.as_f64().unwrap_or_default();
                ensure!(ratio > 0.0, "{key} is {ratio}");
            }
            (Value::Null, Value::String(reason)) => ensure!(!reason.is_empty(), "{key}"),
            (ratio, reason) => anyhow::bail!("{key}: {ratio}, {reason}"),
        }
    }
    let ratios = report["ratios"].as_object().context("no ratios")?;
    ensure!(ratios.len() == KEYS.len(), "{ratios:?}");
    ensure!(is_slow() || ratios["allowed_500"].is_number(), "{ratios:?}");
    let drawn = fs::read_dir(&plots)?.count();
    ensure!(drawn > 0, "{drawn} plots");
    Ok(())
}
