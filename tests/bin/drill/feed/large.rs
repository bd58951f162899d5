//! A catalogue of 100,000 prefixes, from a file to enforcing: how long it takes, and how much memory.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lab::config;
use lab::feed::made_up;
use lab::flow::Family;
use lab::gateway::Egress;
use lab::host::Life;
use lab::probe::{Origin, Probe};
use lab::site::Site;
use lab::zone::Zone;

use super::Shown;

const PREFIXES: u32 = 100_000;
const SECONDS: f64 = 5.0;
const MEBIBYTES: f64 = 300.0;
/// In the last IPv4 prefix of all.
const LAST: &str = "40.24.105.225";

pub(super) fn show() -> Result<Vec<Shown>> {
    Ok(vec![Shown::of("100,000 prefixes", measured())])
}

fn measured() -> Result<String> {
    let certificate = [LAST.to_owned()];
    let site = Site::start(Life::Bound, &Zone::new(), &certificate)?;
    let file = site.lab.path("large.json");
    fs::write(&file, made_up::large(PREFIXES).to_json())?;
    let begin = Instant::now();
    let egress = Egress::start(&site.lab, &config::file(&file))?;
    let seconds = begin.elapsed().as_secs_f64();
    let peak = peak(egress.id())?;
    let prefixes = egress.status()?.generation.prefixes;
    ensure!(
        prefixes >= PREFIXES.into(),
        "only {prefixes} prefixes are in force"
    );
    let limit = Duration::from_secs(5);
    let attempt = Probe::https(LAST).attempt(&site, Family::Ipv4, Origin::Client, limit)?;
    ensure!(
        attempt.reached,
        "{LAST} is not reached: {}",
        attempt.complaint
    );
    let seen = format!(
        "{prefixes} prefixes from file to enforcing in {seconds:.2} s with {peak:.0} MiB at most; \
         limits {SECONDS} s, {MEBIBYTES} MiB"
    );
    ensure!(seconds < SECONDS && peak < MEBIBYTES, "{seen}");
    Ok(seen)
}

/// The most memory that a process ever had, in MiB.
fn peak(process: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let line = line.context("the kernel does not tell VmHWM")?;
    let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes / 1024.0)
}
