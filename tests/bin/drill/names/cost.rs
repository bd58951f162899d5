//! What the program at LAN egress takes for an answer whose name is not listed, with few patterns and with many.

use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Result;
use lab::interrupt;
use lab::kernel::Kernel;
use serde::Serialize;

use super::policy;

/// Rounds, in which few and many take turns; what counts is the median of them.
const ROUNDS: usize = 21;
/// Answers of a round, of which the fastest counts. An answer teaches once, so each is asked for.
const TIMES: u32 = 200;

/// Names that no pattern lists: of another zone, beside the names, and beside the heads.
const NOT_LISTED: [&str; 3] = [
    "www.contoso.example.net",
    "name3x.names.example",
    "head0.heads.example",
];

/// One name's answer.
#[derive(Serialize)]
pub(super) struct Cost {
    name: &'static str,
    few_ns: u128,
    many_ns: u128,
    pub(super) ratio: f64,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            few_ns,
            many_ns,
            ratio,
        } = self;
        write!(
            f,
            "{name}: {few_ns} ns with few patterns, {many_ns} ns with all, ratio {ratio:.2}"
        )
    }
}

/// Measures both in turn.
pub(super) fn compare(few: &mut Kernel, many: &mut Kernel) -> Result<Vec<Cost>> {
    let each = NOT_LISTED.into_iter();
    each.map(|name| cost(few, many, name)).collect()
}

fn cost(few: &mut Kernel, many: &mut Kernel, name: &'static str) -> Result<Cost> {
    let frame = policy::answer(name, [Ipv4Addr::new(203, 0, 113, 7)])?;
    let mut rounds = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        interrupt::check()?;
        for (kernel, took) in [&mut *few, &mut *many].into_iter().zip(&mut rounds) {
            took.push(kernel.answer_time(&frame, TIMES)?);
        }
    }
    let [few_ns, many_ns] = rounds.map(median);
    Ok(Cost {
        name,
        few_ns,
        many_ns,
        ratio: many_ns as f64 / few_ns.max(1) as f64,
    })
}

fn median(mut rounds: Vec<Duration>) -> u128 {
    rounds.sort_unstable();
    rounds.get(ROUNDS / 2).map_or(0, Duration::as_nanos)
}
