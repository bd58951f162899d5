//! All ways of asking: races by every resolver and transport, with one thread and with four, each in a lab of its
//! own.

use std::time::Instant;

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;

use super::{Options, RaceReport, Resolver, Transport, measured};
use crate::table::line;

const THREADS: [u16; 2] = [1, 4];

#[derive(Serialize)]
struct MatrixReport {
    schema: &'static str,
    drill: &'static str,
    runs: Vec<RaceReport>,
    cycles: usize,
    first_packets_dropped: u64,
    repeated_first_packets: usize,
    failures: usize,
    seconds: u64,
    passed: bool,
}

/// Prints a row as soon as its race is over, or all in the end as JSON.
pub(super) fn run(options: &Options) -> Result<bool> {
    let began = Instant::now();
    if !options.json {
        head()?;
    }
    let mut runs = Vec::new();
    for options in all(options) {
        let report = measured(&options)?;
        if !options.json {
            row(&report)?;
        }
        runs.push(report);
    }
    let report = MatrixReport {
        schema: "egress.drill/1",
        drill: "race",
        cycles: runs.iter().map(|run| run.cycles).sum(),
        first_packets_dropped: runs.iter().map(|run| run.first_packets_dropped).sum(),
        repeated_first_packets: runs.iter().map(|run| run.repeated_first_packets).sum(),
        failures: runs.iter().map(|run| run.failures).sum(),
        seconds: began.elapsed().as_secs(),
        passed: runs.iter().all(|run| run.passed),
        runs,
    };
    report.print(options.json)?;
    Ok(report.passed)
}

fn all(options: &Options) -> impl Iterator<Item = Options> {
    let resolvers = Resolver::value_variants().iter();
    resolvers.flat_map(move |resolver| {
        let transports = Transport::value_variants().iter();
        transports.flat_map(move |transport| {
            THREADS.map(|threads| Options {
                resolver: *resolver,
                transport: *transport,
                threads,
                ..options.clone()
            })
        })
    })
}

fn head() -> Result<()> {
    line(format_args!(
        "{:9}  {:9}  {:>7}  {:>7}  {:>8}  {:>7}  {:>8}  {:>8}  connect",
        "resolver", "transport", "threads", "cycles", "a second", "dropped", "repeated", "failures"
    ))
}

fn row(report: &RaceReport) -> Result<()> {
    line(format_args!(
        "{:9}  {:9}  {:>7}  {:>7}  {:>8}  {:>7}  {:>8}  {:>8}  {}",
        name(report.resolver),
        name(report.transport),
        report.threads,
        report.cycles,
        report.cycles_per_second,
        report.first_packets_dropped,
        report.repeated_first_packets,
        report.failures,
        report.connect,
    ))
}

/// As it is typed.
fn name(value: impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

impl MatrixReport {
    fn print(&self, json: bool) -> Result<()> {
        if json {
            return line(format_args!("{}", serde_json::to_string(self)?));
        }
        line(format_args!(
            "{} cycles in {} s: {} first packets dropped, {} repeated, {} failures",
            self.cycles,
            self.seconds,
            self.first_packets_dropped,
            self.repeated_first_packets,
            self.failures
        ))
    }
}
