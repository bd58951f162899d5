//! How long the daemon takes to start, and what of the processor.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use lab::gateway::Egress;
use lab::pins::PIN_DIR;
use lab::topology::Lab;
use lab::wait;
use serde::Serialize;

const LIMIT: Duration = Duration::from_secs(120);
/// Names of pins of what judges, behind the interface.
const JUDGES: [&str; 4] = [
    ":xdp-native",
    ":xdp-generic",
    ":tcx-ingress",
    ":clsact-ingress",
];

/// Medians of several starts.
#[derive(Clone, Copy, Default, Serialize)]
pub(super) struct Start {
    /// Until packets are judged; where programs ran already, they always are.
    pub(super) enforcing_ms: f64,
    /// Until it says that it is ready, with whatever answers questions.
    pub(super) ready_ms: f64,
    /// What its threads took until then.
    pub(super) cpu_ms: f64,
}

/// With nothing in the kernel, and where programs of this build run.
pub(super) struct Starts {
    pub(super) cold: Start,
    pub(super) again: Start,
}

pub(super) fn measure(program: &Path, lab: &Lab, config: &str, times: u32) -> Result<Starts> {
    let (mut cold, mut again) = (Vec::new(), Vec::new());
    for _ in 0..times {
        let (mut egress, start) = one(program, lab, config)?;
        cold.push(start);
        egress.kill()?;
        let (mut egress, start) = one(program, lab, config)?;
        again.push(start);
        egress.end()?;
        let detached = egress.command(&["detach"]).output()?;
        ensure!(detached.status.success(), "{detached:?}");
    }
    Ok(Starts {
        cold: Start::median(&cold),
        again: Start::median(&again),
    })
}

fn one(program: &Path, lab: &Lab, config: &str) -> Result<(Egress, Start)> {
    let began = Instant::now();
    let host = (&lab.gateway, lab.folder());
    let mut egress = Egress::launch(program, host, config, &[])?;
    lab.gateway.run_mounted(|| {
        wait::until(
            "a program that judges",
            LIMIT,
            || Ok(judges().then_some(())),
        )
    })??;
    let enforcing = began.elapsed();
    egress.ready()?;
    let ready = began.elapsed();
    let cpu = lab::usage::cpu_time(egress.id())?;
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    let start = Start {
        enforcing_ms: ms(enforcing),
        ready_ms: ms(ready),
        cpu_ms: ms(cpu),
    };
    Ok((egress, start))
}

/// Whether a program is pinned that judges. In a kernel without a generation, that comes after it.
fn judges() -> bool {
    let pins = Path::new(PIN_DIR).join("links").read_dir();
    let names = pins.into_iter().flatten().flatten();
    names.into_iter().any(|pin| {
        let name = pin.file_name();
        let name = name.to_string_lossy();
        JUDGES.iter().any(|judges| name.ends_with(judges))
    })
}

impl Start {
    fn median(starts: &[Self]) -> Self {
        let of = |field: fn(&Self) -> f64| {
            let mut sorted: Vec<f64> = starts.iter().map(field).collect();
            sorted.sort_by(f64::total_cmp);
            sorted.get(sorted.len() / 2).copied().unwrap_or_default()
        };
        Self {
            enforcing_ms: of(|start| start.enforcing_ms),
            ready_ms: of(|start| start.ready_ms),
            cpu_ms: of(|start| start.cpu_ms),
        }
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            enforcing_ms,
            ready_ms,
            cpu_ms,
        } = self;
        write!(
            f,
            "{enforcing_ms:.0} ms to enforcing, {ready_ms:.0} ms to ready, {cpu_ms:.0} ms of processor; limit {:.0}",
            super::START_MS
        )
    }
}
