//! The table: what cargo-llvm-cov counted in, a line for each file that decides out, and the sum of each crate.

use std::{
    fmt::{self, Display, Formatter},
    ops::Add,
    path::Path,
};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// Crates, by their folders.
const CRATES: [&str; 2] = ["egress-common/src", "egress-ctl/src"];

/// Files, or folders of them, that decide about packets: tests take every branch of theirs.
const WHOLE: [&str; 4] = [
    "egress-common/src/decide.rs",
    "egress-common/src/judge.rs",
    "egress-common/src/parse",
    "egress-common/src/dns",
];

/// Branches of theirs that nothing reaches, how many in each file, and why.
const UNREACHABLE: [(&str, u64, &str); 3] = [
    (
        "egress-common/src/dns/edns.rs",
        1,
        "a query with answers in it is not read as a query",
    ),
    (
        "egress-common/src/dns/message.rs",
        1,
        "fewer addresses are kept than were found",
    ),
    (
        "egress-common/src/dns/names.rs",
        3,
        "places and numbers are in bounds, which the verifier does not know",
    ),
];

pub(crate) struct Report {
    files: Vec<File>,
}

struct File {
    name: String,
    lines: Share,
    branches: Share,
}

/// How many of how many.
#[derive(Clone, Copy, Default)]
struct Share {
    covered: u64,
    count: u64,
}

impl Report {
    /// Reads llvm-cov's export; files are named as in the checkout.
    pub(crate) fn read(json: &str, root: &Path) -> Result<Self> {
        let export: Value = serde_json::from_str(json).context("not what llvm-cov exports")?;
        let files = export["data"][0]["files"].as_array();
        let files = files.context("llvm-cov exports no files")?;
        let files = files.iter().filter_map(|file| File::read(file, root));
        Ok(Self {
            files: files.collect(),
        })
    }

    /// Whether all branches are covered that must be.
    pub(crate) fn is_whole(&self) -> bool {
        self.deciding().all(File::is_whole)
    }

    fn deciding(&self) -> impl Iterator<Item = &File> {
        let files = self.files.iter();
        files.filter(|file| WHOLE.iter().any(|whole| file.name.starts_with(whole)))
    }

    fn sum(&self, folder: &str) -> File {
        let within = self
            .files
            .iter()
            .filter(|file| file.name.starts_with(folder));
        let empty = File {
            name: folder.to_owned(),
            lines: Share::default(),
            branches: Share::default(),
        };
        within.fold(empty, |sum, file| File {
            lines: sum.lines + file.lines,
            branches: sum.branches + file.branches,
            ..sum
        })
    }
}

impl File {
    /// None for what is no part of the checkout.
    fn read(file: &Value, root: &Path) -> Option<Self> {
        let path = Path::new(file["filename"].as_str()?);
        let summary = &file["summary"];
        Some(Self {
            name: path.strip_prefix(root).ok()?.to_str()?.to_owned(),
            lines: Share::read(&summary["lines"])?,
            branches: Share::read(&summary["branches"])?,
        })
    }

    fn unreachable(&self) -> Option<&'static (&'static str, u64, &'static str)> {
        UNREACHABLE.iter().find(|(name, ..)| *name == self.name)
    }

    /// Whether tests take every branch that can be taken. One that nobody thought could be is as wrong.
    fn is_whole(&self) -> bool {
        let unreachable = self.unreachable().map_or(0, |(_, count, _)| *count);
        self.branches.missing() == unreachable
    }
}

impl Share {
    fn read(share: &Value) -> Option<Self> {
        Some(Self {
            covered: share["covered"].as_u64()?,
            count: share["count"].as_u64()?,
        })
    }

    fn missing(self) -> u64 {
        self.count - self.covered
    }
}

impl Add for Share {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            covered: self.covered + other.covered,
            count: self.count + other.count,
        }
    }
}

impl Display for Report {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(out, "{:<36}{:>22}{:>22}", "", "lines", "branches")?;
        for file in self.deciding() {
            write!(out, "{file}")?;
            match file.unreachable() {
                _ if !file.is_whole() => writeln!(out, "  NOT ALL")?,
                Some((_, count, why)) => writeln!(out, "  {count} unreachable: {why}")?,
                None => writeln!(out)?,
            }
        }
        writeln!(out)?;
        for folder in CRATES {
            writeln!(out, "{}", self.sum(folder))?;
        }
        let all = File {
            name: "all".to_owned(),
            ..self.sum("")
        };
        writeln!(out, "{all}")
    }
}

impl Display for File {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            lines,
            branches,
        } = self;
        write!(out, "{name:<36}{lines:>22}{branches:>22}")
    }
}

impl Display for Share {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { covered, count } = *self;
        let tenths = (covered * 1000).checked_div(count).unwrap_or(1000);
        let text = format!("{covered}/{count} {}.{} %", tenths / 10, tenths % 10);
        out.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{"data": [{"files": [
        {"filename": "/x/egress-common/src/judge.rs",
         "summary": {"lines": {"count": 10, "covered": 10}, "branches": {"count": 4, "covered": COVERED}}},
        {"filename": "/x/egress-ctl/src/cli.rs",
         "summary": {"lines": {"count": 30, "covered": 15}, "branches": {"count": 2, "covered": 0}}},
        {"filename": "/elsewhere/core.rs",
         "summary": {"lines": {"count": 9, "covered": 0}, "branches": {"count": 9, "covered": 0}}}
    ]}]}"#;

    fn report(covered: &str) -> Result<Report> {
        Report::read(&JSON.replace("COVERED", covered), Path::new("/x"))
    }

    #[test]
    fn a_branch_that_decides_and_is_not_taken_is_told() -> Result<()> {
        let lacking = report("3")?;
        assert!(!lacking.is_whole());
        assert!(
            lacking.to_string().contains("3/4 75.0 %  NOT ALL\n"),
            "{lacking}"
        );
        assert!(report("4")?.is_whole());
        Ok(())
    }

    #[test]
    fn a_branch_that_nothing_reaches_is_explained() -> Result<()> {
        let json = JSON.replace("judge.rs", "dns/edns.rs");
        for (covered, is_whole) in [("3", true), ("4", false), ("2", false)] {
            let report = Report::read(&json.replace("COVERED", covered), Path::new("/x"))?;
            assert_eq!(report.is_whole(), is_whole, "{covered} of 4");
            let is_told = report
                .to_string()
                .contains("  1 unreachable: a query with answers");
            assert_eq!(is_told, is_whole, "{report}");
        }
        Ok(())
    }

    #[test]
    fn crates_are_summed_up_without_what_is_not_ours() -> Result<()> {
        let text = report("4")?.to_string();
        let sums: Vec<Vec<&str>> = text
            .lines()
            .skip(3)
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            sums,
            [
                [
                    "egress-common/src",
                    "10/10",
                    "100.0",
                    "%",
                    "4/4",
                    "100.0",
                    "%"
                ],
                ["egress-ctl/src", "15/30", "50.0", "%", "0/2", "0.0", "%"],
                ["all", "25/40", "62.5", "%", "4/6", "66.6", "%"],
            ]
        );
        Ok(())
    }
}
