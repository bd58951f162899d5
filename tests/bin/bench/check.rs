//! A run compared with earlier ones: their file and the run's medians in, a trend out.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;

use super::baseline::{Baseline, Medians, Trend, better};
use super::effort::Effort;
use super::section::{self, Section};
use super::{print, write};

/// What a run is compared with.
#[derive(Args)]
pub(super) struct Against {
    /// Ratios of earlier runs
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Fail where a ratio is more than 30 % worse than that of the last run in the baseline, also when it is
    /// measured once more
    #[arg(long, requires = "baseline")]
    check: bool,
    /// Add this run to the baseline
    #[arg(long, requires = "baseline", conflicts_with = "only")]
    update_baseline: bool,
}

/// What became of all ratios.
pub(super) struct Trends {
    baseline: Baseline,
    all: Vec<Trend>,
    /// Sections that must be as good as before.
    checked: Vec<Section>,
}

impl Against {
    /// Compares the medians of these sections, unless nobody asked for it. What seems worse is measured again
    /// with another effort, for whatever else the machine did made it look so.
    pub(super) fn trend(
        &self,
        medians: Medians,
        sections: &[Section],
        effort: impl FnOnce() -> Effort,
    ) -> Result<Option<Trends>> {
        let file = match &self.baseline {
            Some(file) if self.check || self.update_baseline => file,
            _ => return Ok(None),
        };
        let text = fs::read_to_string(file).with_context(|| format!("no {}", file.display()))?;
        let baseline = Baseline::parse(&text).with_context(|| format!("in {}", file.display()))?;
        let mut trends = Trends {
            all: of(sections, &baseline, &medians),
            baseline,
            checked: if self.check {
                sections.to_vec()
            } else {
                Vec::new()
            },
        };
        let suspects = trends.suspects();
        let mut medians = medians;
        if !suspects.is_empty() {
            eprintln!("measuring again what seems worse: {suspects:?}");
            let again = section::measured(&suspects, effort())?;
            medians = better(medians, &again.medians());
            trends.all = of(sections, &trends.baseline, &medians);
        }
        if self.update_baseline {
            let today = jiff::Zoned::now().date().to_string();
            let next = trends.baseline.clone().with(&today, medians);
            write(file, &next.to_string())?;
        }
        Ok(Some(trends))
    }
}

/// What became of the ratios of these sections.
fn of(sections: &[Section], baseline: &Baseline, medians: &Medians) -> Vec<Trend> {
    let mut trends = baseline.compare(medians);
    trends.retain(|trend| sections.contains(&trend.goal.section));
    trends
}

impl Trends {
    /// Whether no ratio that is checked is worse.
    pub(super) fn is_good(&self) -> bool {
        self.suspects().is_empty()
    }

    /// Sections with ratios that are worse.
    fn suspects(&self) -> Vec<Section> {
        let is_bad = |section: &&Section| {
            let mut own = self
                .all
                .iter()
                .filter(|trend| trend.goal.section == **section);
            own.any(|trend| !trend.change.is_good())
        };
        self.checked.iter().filter(is_bad).copied().collect()
    }
}

impl fmt::Display for Trends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", print::trends(&self.baseline, &self.all))
    }
}
