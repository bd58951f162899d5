//! Mutants, by cargo-mutants: in an area of the code each function in turn returns something else, each operator and
//! comparison becomes another, and unit tests run.
//!
//! In: an area, and the survivors that tests/mutants explains. Out: how many were caught, and who survived.

mod survivors;

use std::{fs, process::Command};

use anyhow::{Context as _, Result, ensure};

use crate::{checkout::Checkout, copy, tool::Tool};
use survivors::Explained;
pub(crate) use survivors::Found;

/// Not part of setup: building egress does not take it.
const CARGO_MUTANTS: Tool = Tool {
    name: "cargo-mutants",
    version: "27.1.0",
    takes: "four minutes",
};

/// Survivors and why they may, relative to the checkout.
const EXPLAINED: &str = "tests/mutants";
/// Seconds after which tests of a mutant are ended: it made something endless.
const TIMEOUT: &str = "120";

/// Some code, and whose unit tests watch it.
pub(crate) struct Area {
    pub(crate) name: &'static str,
    package: &'static str,
    /// As patterns of paths.
    files: &'static [&'static str],
}

pub(crate) const AREAS: [Area; 6] = [
    Area {
        name: "judge",
        package: "egress-common",
        files: &[
            "egress-common/src/decide.rs",
            "egress-common/src/judge.rs",
            "egress-common/src/parse.rs",
        ],
    },
    Area {
        name: "quote",
        package: "egress-common",
        files: &["egress-common/src/parse/*.rs"],
    },
    Area {
        name: "rule",
        package: "egress-common",
        files: &["egress-common/src/rule.rs", "egress-common/src/verdict.rs"],
    },
    Area {
        name: "dns",
        package: "egress-common",
        files: &["egress-common/src/dns/*.rs", "egress-common/src/pattern.rs"],
    },
    Area {
        name: "policy",
        package: "egress-ctl",
        files: &["egress-ctl/src/policy/*.rs"],
    },
    Area {
        name: "diff",
        package: "egress-ctl",
        files: &[
            "egress-ctl/src/catalogue/diff.rs",
            "egress-ctl/src/feed/difference.rs",
        ],
    },
];

/// Breaks an area in a copy of the checkout.
pub(crate) fn run(checkout: &Checkout, area: &Area, only: Option<&str>) -> Result<Found> {
    CARGO_MUTANTS.ensure(checkout)?;
    let explained = Explained::read(&checkout.root().join(EXPLAINED))?;
    let tree = copy::make(checkout, "mutants")?;
    let out = tree.join("target").join(area.name);
    fs::create_dir_all(&out)?;
    let status = command(checkout, area, only)
        .arg("--dir")
        .arg(&tree)
        .arg("--output")
        .arg(&out)
        .status()
        .context("cannot start cargo-mutants")?;
    // 2: some survived, 3: some took too long.
    ensure!(
        matches!(status.code(), Some(0 | 2 | 3)),
        "cargo-mutants ended with {status}"
    );
    Found::read(area.name, &out.join("mutants.out"), &explained)
}

fn command(checkout: &Checkout, area: &Area, only: Option<&str>) -> Command {
    let mut command = CARGO_MUTANTS.command(checkout);
    command
        .args(["--in-place", "--no-shuffle", "--annotations=none"])
        // Of building too, which would else build programs and integration tests for each mutant.
        .args(["--timeout", TIMEOUT, "--cargo-arg=--lib"])
        // What has a feature of its own is part of an area too.
        .args(["--package", area.package, "--all-features"])
        // Built hundreds of times, and never debugged.
        .env("CARGO_PROFILE_TEST_DEBUG", "0")
        .env("CARGO_PROFILE_DEV_DEBUG", "0");
    for file in area.files {
        command.args(["--file", file]);
    }
    if let Some(only) = only {
        command.args(["--re", only]);
    }
    command
}
