//! `drill differential`: random packets on random policies. The kernel's program, the pure judge and the
//! policy as it is written must agree about every one.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use egress_common::verdict::{Action, Reason};
use lab::agreement::{Case, agree, cases};
use lab::interrupt;
use lab::kernel::{Kernel, inside};
use lab::random::{one, seeded};
use serde::Serialize;

use super::Report;

/// Packets of one policy.
const A_POLICY: usize = 1000;
/// Differences that are shown; after so many there is nothing to learn from more.
const SHOWN: usize = 10;

/// Characters of one that are shown: the begin of a frame holds its headers.
const WIDTH: usize = 1200;

#[derive(Args)]
pub(crate) struct Options {
    /// How many packets, at least
    #[arg(long, default_value_t = 1_000_000)]
    packets: usize,
    /// What the random numbers begin with
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct DifferentialReport {
    schema: &'static str,
    drill: &'static str,
    seed: u64,
    packets: usize,
    policies: usize,
    /// Bytes of the longest packet.
    longest: usize,
    actions: BTreeMap<&'static str, usize>,
    reasons: BTreeMap<&'static str, usize>,
    seconds: u64,
    differences: usize,
    shown: Vec<String>,
    passed: bool,
}

impl Report for DifferentialReport {
    fn lines(&self) -> Vec<(&'static str, String)> {
        let counts = |counts: &BTreeMap<&str, usize>| {
            let each = counts.iter().map(|(name, count)| format!("{name} {count}"));
            each.collect::<Vec<_>>().join(", ")
        };
        let mut lines = vec![
            ("seed", self.seed.to_string()),
            (
                "packets",
                format!("{} on {} policies", self.packets, self.policies),
            ),
            ("longest", format!("{} bytes", self.longest)),
            ("actions", counts(&self.actions)),
            ("reasons", counts(&self.reasons)),
            ("took", format!("{} s", self.seconds)),
            ("differences", self.differences.to_string()),
        ];
        lines.extend(self.shown.iter().map(|shown| ("differs", shown.clone())));
        lines
    }
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let report = inside(|pin_dir| ask(&mut Kernel::load(pin_dir)?, options))??;
    super::print(&report, options.json)?;
    Ok(report.passed)
}

fn ask(kernel: &mut Kernel, options: &Options) -> Result<DifferentialReport> {
    let began = Instant::now();
    let mut runner = seeded(options.seed);
    let mut report = DifferentialReport {
        schema: "egress.drill/1",
        drill: "differential",
        seed: options.seed,
        packets: 0,
        policies: 0,
        longest: 0,
        actions: BTreeMap::new(),
        reasons: BTreeMap::new(),
        seconds: 0,
        differences: 0,
        shown: Vec::new(),
        passed: false,
    };
    while report.packets < options.packets && report.differences < SHOWN {
        interrupt::check()?;
        let about = A_POLICY.min(options.packets - report.packets);
        let case = one(cases(about), &mut runner)?;
        report.add(&case, agree(kernel, &case));
    }
    report.seconds = began.elapsed().as_secs();
    report.passed = report.differences == 0;
    Ok(report)
}

impl DifferentialReport {
    fn add(&mut self, case: &Case, agreed: Result<Vec<(Action, Reason)>>) {
        let longest = case.frames.iter().map(Vec::len).max().unwrap_or(0);
        self.policies += 1;
        self.packets += case.frames.len();
        self.longest = self.longest.max(longest);
        match agreed {
            Ok(judged) => {
                for (action, reason) in judged {
                    *self.actions.entry(action.name()).or_default() += 1;
                    *self.reasons.entry(reason.name()).or_default() += 1;
                }
            }
            Err(difference) => {
                self.differences += 1;
                let shown: String = format!("{difference:#}").chars().take(WIDTH).collect();
                self.shown
                    .push(format!("{shown}\non the policy\n{}", case.policy));
            }
        }
    }
}
