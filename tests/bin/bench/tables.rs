//! The kernel's tables by the size of the catalogue: how long they take to build and to flip, how much memory
//! they hold, and what one prefix more or less takes; beside a set of nftables.

mod nft;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use egress_ctl::config::Config;
use lab::kernel::Kernel;
use lab::memory;

use super::catalogue::{Catalogue, own};
use super::effort::Effort;
use super::measure::{Series, repeated};
use super::report::Findings;

const SECTION: &str = "tables of a generation";
/// Maps that hold prefixes, of both generations; one of them has to be there.
const PREFIXES: [&str; 2] = ["DESTINATIONS", "FLAT"];
const FEW: usize = 500;
const MANY: usize = 100_000;

/// Measures all sizes.
pub(super) fn measure(pin_dir: &Path, effort: Effort) -> Result<Findings> {
    let mut findings = Findings::default();
    for size in effort.sizes() {
        let pin_dir = pin_dir.with_file_name(format!("tables-{size}"));
        // The largest takes most, and nftables as long as all of them.
        let share = if *size == MANY { 0.6 } else { 0.1 };
        findings.add(of_size(&pin_dir, *size, effort.part(share))?);
    }
    match effort.leaves_out(MANY) {
        Some(reason) => {
            for key in ["flip_ms", "build_100k_ms", "memory_100k_mb"] {
                findings.skip(key, reason.clone());
            }
            findings.add(nft::measure(FEW, effort)?);
        }
        None => findings.add(nft::measure(MANY, effort)?),
    }
    Ok(findings)
}

fn of_size(pin_dir: &Path, size: usize, effort: Effort) -> Result<Findings> {
    let catalogue = Catalogue::of(size);
    let config = catalogue.config()?;
    let mut kernel = Kernel::load(pin_dir)?;
    let empty = memory::of_maps(pin_dir)?;
    let mut findings = Findings::default();
    // Both halves are filled behind this.
    built(&mut kernel, &config)?;
    let build = repeated(effort.few_rounds(), effort.part(0.4), || {
        built(&mut kernel, &config)
    })?;
    findings.row(SECTION, format!("build, {size} prefixes"), "ms", &build);
    let flip = flipped(&kernel, effort.rounds())?;
    findings.row(SECTION, format!("flip, {size} prefixes"), "ms", &flip);
    let full = memory::of_maps(pin_dir)?;
    let prefixes = held(of_prefixes(&full)?);
    let name = format!("memory of {size} prefixes, both halves");
    findings.row(SECTION, name, "MB", &prefixes);
    let name = format!("memory of all maps, {size} prefixes");
    findings.row(SECTION, name, "MB", &held(sum(&full)));
    if size == FEW {
        let name = "memory of all maps, no generation";
        findings.row(SECTION, name, "MB", &held(sum(&empty)));
        findings.ratio("memory_500_mb", &prefixes);
    }
    if size == MANY {
        findings.ratio("memory_100k_mb", &prefixes);
        findings.ratio("build_100k_ms", &build);
        findings.ratio("flip_ms", &flip);
        let more = catalogue.config_with_one_more()?;
        findings.add(changed(&mut kernel, [&more, &config], effort)?);
    }
    Ok(findings)
}

/// A compiled generation is written into the kernel's tables and put into force.
fn built(kernel: &mut Kernel, config: &Config) -> Result<f64> {
    let taken = kernel.put_into_force_timed(config, &own())?;
    Ok(milliseconds(taken.swap))
}

/// The word that says which generation is in force is written, where both halves are filled.
fn flipped(kernel: &Kernel, times: usize) -> Result<Series> {
    let mut series = Series(Vec::new());
    let number = kernel.number();
    ensure!(number > 1, "both halves are filled");
    for turn in 0..2 * times as u64 {
        let next = number - 1 + turn % 2;
        let began = Instant::now();
        let mut in_force = kernel.pinned().generation()?;
        in_force.set(0, &next, 0)?;
        series.0.push(milliseconds(began.elapsed()));
    }
    Ok(series)
}

/// From a config with one prefix more, and back: compiled and put into force, as a daemon does it.
fn changed(kernel: &mut Kernel, configs: [&Config; 2], effort: Effort) -> Result<Findings> {
    let mut findings = Findings::default();
    let mut removed = Series(Vec::new());
    let added = repeated(effort.few_rounds(), effort, || {
        let mut taken = [0.0; 2];
        for (config, taken) in configs.into_iter().zip(&mut taken) {
            let took = kernel.put_into_force_timed(config, &own())?;
            *taken = milliseconds(took.compile + took.swap);
        }
        removed.0.push(taken[1]);
        Ok(taken[0])
    })?;
    for (what, series) in [("added to", &added), ("removed from", &removed)] {
        let name = format!("one prefix {what} {MANY}, compiled as well");
        findings.row(SECTION, name, "ms", series);
    }
    Ok(findings)
}

fn of_prefixes(maps: &[(String, u64)]) -> Result<u64> {
    let is_one = |(name, _): &&(String, u64)| PREFIXES.contains(&name.as_str());
    let tables: Vec<_> = maps.iter().filter(is_one).cloned().collect();
    ensure!(!tables.is_empty(), "no map of {PREFIXES:?}");
    Ok(sum(&tables))
}

fn sum(maps: &[(String, u64)]) -> u64 {
    maps.iter().map(|(_, bytes)| bytes).sum()
}

/// Megabytes, which are the same each time.
fn held(bytes: u64) -> Series {
    Series(vec![bytes as f64 / 1e6])
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
