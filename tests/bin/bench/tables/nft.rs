//! nftables' sets: how long one takes to load, and one prefix more or less in it. It merges prefixes that touch,
//! so here none does.

use std::fs;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use super::super::catalogue::Catalogue;
use super::super::effort::Effort;
use super::super::measure::{Series, repeated};
use super::super::report::Findings;
use super::{SECTION, milliseconds};
use crate::bench::ruleset;

/// What no prefix of a catalogue covers.
const ONE_MORE: &str = "{ 8.8.8.0/24 }";

/// Measures it in this thread's network with so many prefixes, or says why not.
pub(super) fn measure(size: usize, effort: Effort) -> Result<Findings> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("set.nft");
    let set = ruleset::set_v4(&Catalogue::apart(size))?;
    fs::write(
        &path,
        format!("flush ruleset\ntable inet bench {{\n{set}}}\n"),
    )?;
    let file = path.to_string_lossy();
    let mut findings = Findings::default();
    let loaded = match repeated(effort.few_rounds(), effort.part(0.3), || {
        timed(&["-f", &file])
    }) {
        Ok(loaded) => loaded,
        Err(reason) => {
            let what = format!("nftables: {size} prefixes, and one more");
            findings.skip(what, format!("{reason:#}"));
            return Ok(findings);
        }
    };
    let one = |what| timed(&[what, "element", "inet", "bench", ruleset::SET_V4, ONE_MORE]);
    let mut removed = Series(Vec::new());
    let added = repeated(effort.few_rounds(), effort, || {
        let added = one("add")?;
        removed.0.push(one("delete")?);
        Ok(added)
    })?;
    for (what, series) in [
        (format!("nftables: {size} prefixes loaded anew"), &loaded),
        (format!("nftables: one prefix added to {size}"), &added),
        (
            format!("nftables: one prefix removed from {size}"),
            &removed,
        ),
    ] {
        findings.row(SECTION, what, "ms", series);
    }
    Ok(findings)
}

/// Milliseconds until the program has ended.
fn timed(words: &[&str]) -> Result<f64> {
    let began = Instant::now();
    let output = Command::new("nft").args(words).output();
    let output = output.context("nft does not start")?;
    let took = began.elapsed();
    let said = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().next().unwrap_or_default();
    ensure!(output.status.success(), "nft {}: {first}", words.join(" "));
    Ok(milliseconds(took))
}
