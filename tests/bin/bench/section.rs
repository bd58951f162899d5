//! The sections of the bench: which there are, how much of the time each gets, and where it is measured.

use anyhow::Result;
use clap::ValueEnum;
use lab::kernel::inside;

use super::effort::Effort;
use super::goal::GOALS;
use super::report::Findings;
use super::{forward, measure, packet, resolve, tables, user};

/// A part of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Section {
    /// Nanoseconds a packet in the kernel's programs
    Packet,
    /// The tables of a generation: time, memory, one prefix more
    Tables,
    /// Import, compile, diff
    User,
    /// A gateway's CPU a packet, beside what others use
    Forward,
    /// From a DNS question to the first packet through
    Resolve,
}

impl Section {
    /// How much time it gets in comparison with others.
    fn weight(self) -> f64 {
        match self {
            Self::Packet => 4.0,
            Self::Tables => 3.0,
            Self::User => 1.5,
            Self::Forward => 3.5,
            Self::Resolve => 1.0,
        }
    }

    /// None of its figures, for one reason.
    pub(super) fn left_out(self, reason: &str) -> Findings {
        let mut findings = Findings::default();
        let own = GOALS.iter().filter(|goal| goal.section == self);
        own.for_each(|goal| findings.skip(goal.key, reason));
        findings.skip(format!("section {self:?}").to_lowercase(), reason);
        findings
    }

    fn measure(self, effort: Effort) -> Result<Findings> {
        match self {
            Self::Packet => inside(|pin_dir| {
                measure::pin_apart()?;
                packet::measure(pin_dir, effort)
            })?,
            Self::Tables => inside(|pin_dir| {
                measure::pin_apart()?;
                tables::measure(pin_dir, effort)
            })?,
            Self::User => inside(|_| {
                measure::pin_apart()?;
                user::measure(effort)
            })?,
            Self::Forward => forward::measure(effort),
            Self::Resolve => resolve::measure(effort),
        }
    }
}

/// Measures these; says of the goals of others that nobody asked for them.
pub(super) fn measured(wanted: &[Section], effort: Effort) -> Result<Findings> {
    let mut findings = Findings::default();
    let mut weights: f64 = wanted.iter().map(|section| section.weight()).sum();
    for section in wanted {
        let part = effort.part(section.weight() / weights);
        weights -= section.weight();
        if part.is_over() {
            findings.add(section.left_out("no time was left for it"));
        } else {
            findings.add(section.measure(part)?);
        }
    }
    for section in Section::value_variants() {
        if !wanted.contains(section) {
            findings.add(section.left_out("only other sections were asked for"));
        }
    }
    Ok(findings)
}
