//! The kernel's tables by the size of the catalogue: how long they take to build and to flip, how much memory
//! they hold, and what one prefix more or less takes.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use egress_ctl::config::Config;
use lab::kernel::Kernel;
use lab::memory;

use super::catalogue::{Catalogue, own};
use super::effort::Effort;
use super::measure::Series;
use super::report::Findings;

const SECTION: &str = "tables of a generation";
/// The map that holds prefixes, both generations.
const PREFIXES: &str = "DESTINATIONS";
const FEW: usize = 500;
const MANY: usize = 100_000;

/// Measures all sizes.
pub(super) fn measure(pin_dir: &Path, effort: Effort) -> Result<Findings> {
    let mut findings = Findings::default();
    for size in effort.sizes() {
        let pin_dir = pin_dir.with_file_name(format!("tables-{size}"));
        findings.add(of_size(&pin_dir, *size, effort)?);
    }
    if let Some(reason) = effort.leaves_out(MANY) {
        for key in ["flip_ms", "build_100k_ms", "memory_100k_mb"] {
            findings.skip(key, reason.clone());
        }
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
    let build = built(&mut kernel, &config, effort.few_rounds() + 1)?;
    findings.row(SECTION, format!("build, {size} prefixes"), "ms", &build);
    let flip = flipped(&kernel, effort.rounds())?;
    findings.row(SECTION, format!("flip, {size} prefixes"), "ms", &flip);
    let full = memory::of_maps(pin_dir)?;
    let prefixes = Series(vec![megabytes(bytes_of(&full, PREFIXES)?)]);
    findings.row(
        SECTION,
        format!("memory of {size} prefixes, both halves"),
        "MB",
        &prefixes,
    );
    let all = Series(vec![megabytes(full.iter().map(|(_, bytes)| bytes).sum())]);
    findings.row(
        SECTION,
        format!("memory of all maps, {size} prefixes"),
        "MB",
        &all,
    );
    let fixed = Series(vec![megabytes(empty.iter().map(|(_, bytes)| bytes).sum())]);
    if size == FEW {
        findings.row(SECTION, "memory of all maps, no generation", "MB", &fixed);
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

/// A compiled generation is written into the kernel's tables and put into force, again and again.
fn built(kernel: &mut Kernel, config: &Config, times: usize) -> Result<Series> {
    let built = (0..times).map(|_| {
        Ok(milliseconds(
            kernel.put_into_force_timed(config, &own())?.swap,
        ))
    });
    Ok(Series(built.collect::<Result<_>>()?))
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
    let mut taken = [Series(Vec::new()), Series(Vec::new())];
    for _ in 0..effort.few_rounds() {
        for (config, series) in configs.into_iter().zip(&mut taken) {
            let took = kernel.put_into_force_timed(config, &own())?;
            series.0.push(milliseconds(took.compile + took.swap));
        }
    }
    let [added, removed] = &taken;
    findings.row(
        SECTION,
        "one prefix added to 100000, compiled as well",
        "ms",
        added,
    );
    findings.row(
        SECTION,
        "one prefix removed from 100000, compiled as well",
        "ms",
        removed,
    );
    Ok(findings)
}

fn bytes_of(maps: &[(String, u64)], name: &str) -> Result<u64> {
    let map = maps.iter().find(|(known, _)| known == name);
    Ok(map.with_context(|| format!("no map {name}"))?.1)
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
