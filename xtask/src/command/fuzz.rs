//! `cargo xtask fuzz`: targets of libFuzzer over whatever reads what others wrote.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};

use super::setup;
use crate::{
    checkout::Checkout,
    fuzz::{build, lanes, outcome::Outcome, seeds, target::Target},
};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Kernel programs are compared with the pure judge by `cargo xtask drill differential`, and with \
                  hickory-proto by `cargo xtask drill answers`."
)]
pub(crate) struct Args {
    /// Targets; all of them if none is named
    targets: Vec<String>,
    /// Seconds for each
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    time: u32,
    /// Repeat one input, such as one that broke the target
    #[arg(long, value_name = "FILE", requires = "targets")]
    input: Option<PathBuf>,
}

pub(crate) fn run(checkout: &Checkout, args: &Args) -> Result<ExitCode> {
    setup::for_building(checkout)?;
    let targets = chosen(checkout, &args.targets)?;
    if let Some(input) = &args.input {
        let [target] = &targets[..] else {
            bail!("an input is for one target, not for {}", targets.len());
        };
        target.repeat(input)?;
        println!("fuzz: {} takes {}", target.name(), input.display());
        return Ok(ExitCode::SUCCESS);
    }
    seeds::write(checkout)?;
    let outcomes = lanes::run(&targets, |target| target.fuzz(args.time))?;
    Ok(report(&outcomes, args.time))
}

/// Builds what is named.
fn chosen(checkout: &Checkout, named: &[String]) -> Result<Vec<Target>> {
    let known = build::targets(checkout)?;
    if let Some(stranger) = named.iter().find(|name| !known.contains(name)) {
        bail!("no target {stranger}; there are: {}", known.join(", "));
    }
    let names = if named.is_empty() { &known } else { named };
    let programs = build::build(checkout, names)?;
    let targets = names
        .iter()
        .map(|name| Target::new(checkout, &programs, name));
    Ok(targets.collect())
}

fn report(outcomes: &[Outcome], seconds: u32) -> ExitCode {
    for outcome in outcomes {
        println!("{outcome}");
    }
    let broken = outcomes.iter().filter(|outcome| outcome.is_broken());
    let (count, broken) = (outcomes.len(), broken.count());
    println!("fuzz: {count} targets, {seconds} s each, {broken} broken");
    if broken == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
