//! The report: what each section found in, one object for JSON and for tables out.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Result, ensure};
use serde::Serialize;

use super::baseline::{FLOOR, Medians};
use super::effort::Extent;
use super::goal::GOALS;
use super::measure::{Series, Spread};

/// One measured value.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) section: &'static str,
    pub(super) name: String,
    pub(super) unit: &'static str,
    #[serde(flatten)]
    pub(super) spread: Spread,
    /// Of so many values.
    pub(super) rounds: usize,
}

/// What one section found.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) rows: Vec<Row>,
    ratios: Vec<(&'static str, Spread)>,
    skipped: Vec<(String, String)>,
    floor_ns: Option<f64>,
}

impl Findings {
    /// Adds a value; nothing where none was measured.
    pub(super) fn row(
        &mut self,
        section: &'static str,
        name: impl Into<String>,
        unit: &'static str,
        series: &Series,
    ) {
        let name = name.into();
        self.rows.extend(Spread::of(&series.0).map(|spread| Row {
            section,
            name,
            unit,
            spread,
            rounds: series.0.len(),
        }));
    }

    /// Adds one of the goals' ratios.
    pub(super) fn ratio(&mut self, key: &'static str, series: &Series) {
        self.ratios
            .extend(Spread::of(&series.0).map(|spread| (key, spread)));
    }

    /// Says why something was not measured.
    pub(super) fn skip(&mut self, what: impl Into<String>, reason: impl Into<String>) {
        self.skipped.push((what.into(), reason.into()));
    }

    /// Says how fast the machine is: how long the program takes that only returns.
    pub(super) fn floor(&mut self, series: &Series) {
        self.floor_ns = Spread::of(&series.0).map(|spread| spread.median);
    }

    /// What is compared with other runs.
    pub(super) fn medians(&self) -> Medians {
        let ratios = self.ratios.iter();
        let owned = ratios.map(|(key, spread)| ((*key).to_owned(), spread.median));
        let floor = self.floor_ns.map(|floor| (FLOOR.to_owned(), floor));
        owned.chain(floor).collect()
    }

    /// Adds what another section found.
    pub(super) fn add(&mut self, mut other: Self) {
        self.rows.append(&mut other.rows);
        self.ratios.append(&mut other.ratios);
        self.skipped.append(&mut other.skipped);
        self.floor_ns = self.floor_ns.or(other.floor_ns);
    }
}

/// What the figures were measured on.
#[derive(Serialize)]
pub(super) struct Machine {
    pub(super) kernel: String,
    pub(super) cpus: usize,
    /// Processes that wanted to run on average in the last minute when the bench began.
    pub(super) load: f64,
}

/// A whole run.
#[derive(Serialize)]
pub(super) struct Report {
    schema: &'static str,
    pub(super) effort: Extent,
    pub(super) machine: Machine,
    #[serde(rename = "measurements")]
    pub(super) rows: Vec<Row>,
    /// Medians by the goals' keys; null where it was skipped.
    ratios: BTreeMap<&'static str, Option<f64>>,
    /// Their lowest and highest values.
    pub(super) ranges: BTreeMap<&'static str, [f64; 2]>,
    /// What was not measured, and why.
    pub(super) skipped: BTreeMap<String, String>,
    floor_ns: Option<f64>,
    pub(super) seconds: u64,
}

impl Report {
    /// Fails where a goal was neither measured nor skipped.
    pub(super) fn of(effort: Extent, load: f64, findings: Findings, seconds: u64) -> Result<Self> {
        let ratios = findings.ratios.iter();
        let unknown = GOALS.iter().map(|goal| (goal.key, None));
        let report = Self {
            schema: "egress.bench/1",
            effort,
            machine: Machine {
                kernel: rustix::system::uname()
                    .release()
                    .to_string_lossy()
                    .into_owned(),
                cpus: std::thread::available_parallelism()?.get(),
                load,
            },
            rows: findings.rows,
            ratios: unknown
                .chain(
                    ratios
                        .clone()
                        .map(|(key, spread)| (*key, Some(spread.median))),
                )
                .collect(),
            ranges: ratios
                .map(|(key, spread)| (*key, [spread.low, spread.high]))
                .collect(),
            skipped: findings.skipped.into_iter().collect(),
            floor_ns: findings.floor_ns,
            seconds,
        };
        report.ensure_whole()?;
        Ok(report)
    }

    /// The median of a goal, unless it was skipped.
    pub(super) fn ratio(&self, key: &str) -> Option<f64> {
        self.ratios.get(key).copied().flatten()
    }

    fn ensure_whole(&self) -> Result<()> {
        for goal in GOALS {
            let measured = self.ratio(goal.key).is_some();
            let skipped = self.skipped.contains_key(goal.key);
            ensure!(
                measured != skipped,
                "{} was measured: {measured}, skipped: {skipped}",
                goal.key,
            );
        }
        Ok(())
    }
}

/// The load of the last minute.
pub(super) fn load() -> Result<f64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').next().unwrap_or_default().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(value: f64) -> Series {
        Series(vec![value])
    }

    fn all_but(missing: &str) -> Findings {
        let mut findings = Findings::default();
        for goal in GOALS.iter().filter(|goal| goal.key != missing) {
            findings.skip(goal.key, "not now");
        }
        findings
    }

    #[test]
    fn a_report_says_of_every_goal_what_became_of_it() {
        assert!(Report::of(Extent::Trial, 0.0, all_but("denied"), 0).is_err());
        let mut findings = all_but("denied");
        findings.ratio("denied", &one(1.5));
        findings.row("packet", "denied", "ns", &one(60.0));
        findings.skip("xdp-filter", "it is not installed");
        let report = Report::of(Extent::Trial, 0.0, findings, 0).unwrap();
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["ratios"]["denied"], 1.5);
        assert_eq!(json["ratios"]["learned"], serde_json::Value::Null);
        assert_eq!(json["ranges"], serde_json::json!({ "denied": [1.5, 1.5] }));
        assert_eq!(json["skipped"]["xdp-filter"], "it is not installed");
        assert_eq!(
            json["measurements"][0],
            serde_json::json!({
                "section": "packet", "name": "denied", "unit": "ns",
                "median": 60.0, "low": 60.0, "high": 60.0, "rounds": 1,
            })
        );
        let mut both = all_but("");
        both.ratio("denied", &one(1.5));
        assert!(Report::of(Extent::Trial, 0.0, both, 0).is_err());
    }

    #[test]
    fn medians_hold_the_machines_speed_as_well() {
        let mut packet = all_but("denied");
        packet.ratio("denied", &Series(vec![1.0, 3.0, 2.0]));
        packet.floor(&one(20.0));
        let mut findings = Findings::default();
        findings.add(packet);
        findings.add(Findings::default());
        let expected = [("denied".to_owned(), 2.0), (FLOOR.to_owned(), 20.0)];
        assert_eq!(findings.medians(), expected.into());
    }
}
