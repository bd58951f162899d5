//! `drill answers`: random and damaged DNS answers. The program at LAN egress must learn of each exactly what
//! the readers of hickory-proto find in it; and how long it takes for answers that clients get every day.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use lab::answer::Answer;
use lab::fuzz::{self, Fuzzed};
use lab::kernel::{Kernel, inside};
use serde::Serialize;

use super::Report;

/// How often an answer is read for its time, and in how many rounds, of which the fastest counts.
const TIMES: u32 = 2_000;
const ROUNDS: usize = 5;

#[derive(Args)]
pub(crate) struct Options {
    /// How many messages
    #[arg(long, default_value_t = 1_000_000)]
    messages: u64,
    /// What the random numbers begin with
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct AnswersReport {
    schema: &'static str,
    drill: &'static str,
    seed: u64,
    messages: u64,
    /// Messages and addresses by what became of them.
    outcomes: BTreeMap<&'static str, u64>,
    addresses: u64,
    /// Messages that the library alone read as well, with the same addresses.
    by_library: u64,
    seconds: u64,
    /// Nanoseconds that the program takes for an answer.
    nanoseconds: BTreeMap<&'static str, u128>,
    differences: u64,
    shown: Vec<String>,
    passed: bool,
}

impl Report for AnswersReport {
    fn lines(&self) -> Vec<(&'static str, String)> {
        let list = |each: Vec<String>| each.join(", ");
        let outcomes = self.outcomes.iter().map(|(name, n)| format!("{name} {n}"));
        let times = self.nanoseconds.iter();
        let times = times.map(|(what, ns)| format!("{what} {ns} ns"));
        let mut lines = vec![
            ("seed", self.seed.to_string()),
            ("messages", self.messages.to_string()),
            ("outcomes", list(outcomes.collect())),
            ("addresses learned", self.addresses.to_string()),
            ("read by the library too", self.by_library.to_string()),
            ("took", format!("{} s", self.seconds)),
            ("an answer", list(times.collect())),
            ("differences", self.differences.to_string()),
        ];
        lines.extend(self.shown.iter().map(|shown| ("differs", shown.clone())));
        lines
    }
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let began = Instant::now();
    let (fuzzed, nanoseconds) = inside(|pin_dir| -> Result<_> {
        let mut kernel = Kernel::load(pin_dir)?;
        let fuzzed = fuzz::run(&mut kernel, options.messages, options.seed, None)?;
        Ok((fuzzed, times(&mut kernel)?))
    })??;
    let Fuzzed {
        messages,
        outcomes,
        addresses,
        by_library,
        differences,
        shown,
    } = fuzzed;
    let report = AnswersReport {
        schema: "egress.drill/1",
        drill: "answers",
        seed: options.seed,
        messages,
        outcomes,
        addresses,
        by_library,
        seconds: began.elapsed().as_secs(),
        nanoseconds,
        differences,
        shown,
        passed: differences == 0,
    };
    super::print(&report, options.json)?;
    Ok(report.passed)
}

/// How long the program takes for answers to names of the fuzzer's policy.
fn times(kernel: &mut Kernel) -> Result<BTreeMap<&'static str, u128>> {
    let longest = |tail: &str| {
        let labels = ["a".repeat(63), "b".repeat(63), "c".repeat(63)].join(".");
        let last = "d".repeat(253 - labels.len() - tail.len() - 2);
        format!("{labels}.{last}.{tail}")
    };
    let address = "203.0.113.7";
    let table = [
        (
            "one address",
            Answer::to("exact.example").address(address, 60),
        ),
        (
            "three aliases",
            Answer::to("a.below.example")
                .alias("a.trafficmanager.example.net", 60)
                .alias("shed.dual-low.part-0017.t-0009.t-msedge.example.org", 60)
                .alias("part-0017.t-0009.t-msedge.example.org", 60)
                .address(address, 60),
        ),
        (
            "253 bytes",
            Answer::to(&longest("below.example")).address(address, 60),
        ),
        (
            "by its head",
            Answer::to("head1.star.example").address(address, 60),
        ),
        (
            "not listed",
            Answer::to("www.example.net").address(address, 60),
        ),
        (
            "128 addresses",
            (0..128).fold(Answer::to("exact.example"), |answer, last| {
                answer.address(&format!("203.0.113.{last}"), 60)
            }),
        ),
    ];
    let mut fastest = BTreeMap::new();
    for _ in 0..ROUNDS {
        for (what, answer) in &table {
            let frame = fuzz::frame(answer.to_bytes())?;
            let took = kernel.answer_time(&frame, TIMES)?;
            let known = fastest.entry(*what).or_insert(Duration::MAX);
            *known = took.min(*known);
        }
    }
    let each = fastest.into_iter();
    Ok(each.map(|(what, took)| (what, took.as_nanos())).collect())
}
