//! `drill names`: very many names, and very many addresses. What an answer costs whose name is not listed, whether
//! all that is listed is learned, and what leaves when the map of learned addresses is full.

mod cost;
mod crowd;
mod memory;
mod policy;

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use clap::Args;
use egress_common::limits::LEARNED;
use lab::interrupt;
use lab::kernel::{Kernel, inside};
use serde::Serialize;

use self::cost::Cost;
use self::crowd::Crowd;
use self::memory::Memory;
use super::Report;

/// What the cost of many patterns is compared with.
const FEW: u32 = 300;
/// How much more an answer may cost with many.
const RATIO: f64 = 1.2;
/// Addresses that push out all that is idle where all names were used before.
const ENOUGH: u32 = 4 * LEARNED;
/// From here on, addresses that names teach; far from any that no name may.
const FIRST: Ipv4Addr = Ipv4Addr::new(20, 0, 0, 0);

#[derive(Args)]
pub(crate) struct Options {
    /// How many patterns are in force
    #[arg(long, default_value_t = 30_000, value_parser = clap::value_parser!(u32).range(300..=50_000))]
    names: u32,
    /// How many addresses are learned behind those of the names
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1000..=10_000_000))]
    addresses: u32,
    /// How many of the names' addresses are in use meanwhile
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    used: u32,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct NamesReport {
    schema: &'static str,
    drill: &'static str,
    names: u32,
    /// Answers for names that are not listed, with few patterns and with all.
    costs: Vec<Cost>,
    /// Names whose address was learned.
    learned: u32,
    /// More addresses than there is room for, behind those of the names, of which a few are in use.
    crowd: Crowd,
    /// Names whose address admitted a connection.
    admitted: u32,
    /// The same where all of the names' addresses were used before.
    among_used: Crowd,
    used: u32,
    bound: u32,
    #[serde(flatten)]
    memory: Memory,
    seconds: u64,
    passed: bool,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    ensure!(
        options.used <= options.names,
        "--used {} is more than --names {}",
        options.used,
        options.names
    );
    let began = Instant::now();
    let mut report = inside(|pin_dir| measured(pin_dir, options))??;
    report.seconds = began.elapsed().as_secs();
    report.passed = report.holds(options);
    super::print(&report, options.json)?;
    Ok(report.passed)
}

fn measured(pin_dir: &Path, options: &Options) -> Result<NamesReport> {
    let few_dir = pin_dir.with_file_name("egress-few");
    let (mut few, mut many) = (Kernel::load(&few_dir)?, Kernel::load(pin_dir)?);
    policy::put_into_force(&mut few, FEW)?;
    policy::put_into_force(&mut many, options.names)?;
    let costs = cost::compare(&mut few, &mut many)?;
    let before = memory::of_all(pin_dir)?;
    learn_all(&mut many, options.names)?;
    let learned = learned(&many, options.names)?;
    let crowd = crowd::pass(&mut many, options, options.addresses)?;
    many.forget()?;
    learn_all(&mut many, options.names)?;
    let admitted = use_all(&mut many, options.names)?;
    let some = options.addresses.min(ENOUGH);
    let among_used = crowd::pass(&mut many, options, some)?;
    Ok(NamesReport {
        schema: "egress.drill/1",
        drill: "names",
        names: options.names,
        costs,
        learned,
        crowd,
        admitted,
        among_used,
        used: options.used,
        bound: LEARNED,
        memory: Memory::since(before, pin_dir)?,
        seconds: 0,
        passed: false,
    })
}

/// Learns one address by each name.
fn learn_all(kernel: &mut Kernel, names: u32) -> Result<()> {
    for i in 0..names {
        interrupt::check()?;
        kernel.answer(&policy::answer(&policy::name(i), [address(i)])?)?;
    }
    Ok(())
}

/// How many of them are learned; looked up without using them.
fn learned(kernel: &Kernel, names: u32) -> Result<u32> {
    let held = (0..names).map(|i| kernel.learned(address(i).into()));
    held.map(|held| Ok(u32::from(held?.is_some()))).sum()
}

/// Begins a connection to each, and counts those that pass.
fn use_all(kernel: &mut Kernel, names: u32) -> Result<u32> {
    let used = (0..names).map(|i| kernel.passes(&crowd::begin(address(i), 0)?));
    used.map(|passes| Ok(u32::from(passes?))).sum()
}

impl NamesReport {
    fn holds(&self, options: &Options) -> bool {
        self.costs.iter().all(|cost| cost.ratio <= RATIO)
            && self.learned == options.names
            && self.crowd.holds()
            && self.admitted == options.names
            && self.among_used.holds_among_used()
            && self.memory.holds()
    }
}

impl Report for NamesReport {
    fn lines(&self) -> Vec<(&'static str, String)> {
        let costs = self.costs.iter();
        let mut lines: Vec<_> = costs.map(|cost| ("not listed", cost.to_string())).collect();
        lines.push((
            "learned",
            format!("{} of {} names", self.learned, self.names),
        ));
        lines.extend(self.crowd.lines());
        lines.push((
            "admitted",
            format!("connections to {} of {} names", self.admitted, self.names),
        ));
        lines.extend(self.among_used.lines_among_used());
        lines.extend(self.memory.lines());
        lines.push(("took", format!("{} s", self.seconds)));
        lines
    }
}

/// The address that a name teaches; from the number of names on, those that come in a crowd.
fn address(i: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(FIRST.to_bits() + i)
}
