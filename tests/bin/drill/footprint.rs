//! `drill footprint`: what the daemon takes of a machine with the whole built-in catalogue: memory and processor
//! while nothing happens, the size of its binary, and the time until it enforces.

mod binary;
mod start;

use std::path::{self, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use lab::gateway::{Egress, program};
use lab::host::Life;
use lab::site::Site;
use lab::usage::{Memory, cpu_time, memory};
use lab::zone::Zone;
use lab::{config, interrupt};
use serde::Serialize;

use self::binary::Binary;
use self::start::{Start, Starts};
use super::Report;

/// What it may take.
const RESIDENT_KIB: u64 = 30 << 10;
const IDLE_PERCENT: f64 = 0.5;
const BINARY_BYTES: u64 = 15 << 20;
const START_MS: f64 = 300.0;
/// What follows a start is not idle.
const SETTLED: Duration = Duration::from_secs(2);

#[derive(Args)]
pub(crate) struct Options {
    /// Seconds to look on while nothing happens
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// How often to start it, with nothing in the kernel and on what runs
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    starts: u32,
    /// The program to look at, instead of the one that was built for the drills; `cargo xtask` names the package's
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct FootprintReport {
    schema: &'static str,
    drill: &'static str,
    prefixes: u64,
    patterns: u64,
    seconds: f64,
    /// Per cent of one core.
    idle_percent: f64,
    memory: Memory,
    binary: Binary,
    /// With nothing in the kernel, and where programs of this build run.
    cold: Start,
    again: Start,
    limits: Limits,
    passed: bool,
}

#[derive(Serialize)]
struct Limits {
    idle_percent: f64,
    resident_kib: u64,
    binary_bytes: u64,
    start_ms: f64,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let program = match &options.binary {
        // A host of the lab begins at the root folder.
        Some(binary) => path::absolute(binary)?,
        None => program()?,
    };
    let site = Site::start(Life::Bound, &Zone::new(), &[])?;
    let config = whole_catalogue();
    let Starts { cold, again } = start::measure(&program, &site.lab, &config, options.starts)?;
    let host = (&site.lab.gateway, site.lab.folder());
    let mut egress = Egress::launch(&program, host, &config, &[])?;
    egress.ready()?;
    interrupt::sleep(SETTLED)?;
    let (began, before) = (Instant::now(), cpu_time(egress.id())?);
    interrupt::sleep(Duration::from_secs(options.seconds))?;
    let (took, used) = (began.elapsed(), cpu_time(egress.id())? - before);
    let memory = memory(egress.id())?;
    let status = egress.status()?;
    let report = FootprintReport {
        schema: "egress.drill/1",
        drill: "footprint",
        prefixes: status.generation.prefixes,
        patterns: status.generation.patterns,
        seconds: took.as_secs_f64(),
        idle_percent: 100.0 * used.as_secs_f64() / took.as_secs_f64(),
        memory,
        binary: Binary::of(&program, site.lab.folder())?,
        cold,
        again,
        limits: Limits {
            idle_percent: IDLE_PERCENT,
            resident_kib: RESIDENT_KIB,
            binary_bytes: BINARY_BYTES,
            start_ms: START_MS,
        },
        passed: false,
    };
    let report = FootprintReport {
        passed: report.holds(),
        ..report
    };
    super::print(&report, options.json)?;
    Ok(report.passed)
}

/// All three sources, all that they hold, for one group.
fn whole_catalogue() -> String {
    let config = config::catalogue("enforce");
    let some =
        r#"allow = ["intune", "power-automate:desktop-flows/public", "m365:Common/required"]"#;
    config.replace(some, r#"allow = ["intune", "power-automate", "m365"]"#)
}

impl FootprintReport {
    fn holds(&self) -> bool {
        let size = self.binary.stripped.unwrap_or(self.binary.bytes);
        self.idle_percent <= IDLE_PERCENT
            && self.memory.resident <= RESIDENT_KIB
            && size <= BINARY_BYTES
            && self.cold.enforcing_ms <= START_MS
            && self.again.ready_ms <= START_MS
    }
}

impl Report for FootprintReport {
    fn lines(&self) -> Vec<(&'static str, String)> {
        let Self {
            prefixes, patterns, ..
        } = self;
        let mib = |kib: u64| kib as f64 / 1024.0;
        let Memory {
            resident,
            anonymous,
            peak,
        } = self.memory;
        vec![
            (
                "catalogue",
                format!("{prefixes} prefixes, {patterns} patterns"),
            ),
            (
                "memory",
                format!(
                    "{:.1} MiB, {:.1} of it its own, {:.1} at most; limit {:.0}",
                    mib(resident),
                    mib(anonymous),
                    mib(peak),
                    mib(RESIDENT_KIB)
                ),
            ),
            (
                "processor, idle",
                format!(
                    "{:.2} % of a core over {:.0} s; limit {IDLE_PERCENT}",
                    self.idle_percent, self.seconds
                ),
            ),
            ("binary", self.binary.to_string()),
            ("start, nothing loaded", self.cold.to_string()),
            ("start, programs run", self.again.to_string()),
        ]
    }
}
