//! A subcommand of cargo that only some tasks take: built into .tools in the version that is pinned.

use std::process::Command;

use anyhow::Result;

use crate::{checkout::Checkout, step, toolchain};

pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// How long it builds, in words.
    pub(crate) takes: &'static str,
}

/// Building a tool takes longer than it ever runs.
pub(crate) const QUICKLY: [&str; 4] = ["--profile", "dev", "--config", "profile.dev.debug=false"];

impl Tool {
    /// Builds it unless that version is there; true if it did.
    pub(crate) fn ensure(&self, checkout: &Checkout) -> Result<bool> {
        let Self {
            name,
            version,
            takes,
        } = self;
        let answer = step::output(self.command(checkout).arg("--version"));
        if answer.is_some_and(|answer| self.is_this(&answer)) {
            return Ok(false);
        }
        eprintln!("setup: building {name} {version}, about {takes}");
        let mut cargo = toolchain::command("cargo");
        cargo.args(["install", name, "--version", version, "--locked", "--force"]);
        cargo.args(QUICKLY).arg("--root").arg(checkout.tools());
        step::run(&mut cargo)?;
        Ok(true)
    }

    /// A command of it, in the checkout, as cargo starts it: some understand nothing without their own name.
    pub(crate) fn command(&self, checkout: &Checkout) -> Command {
        let mut command = toolchain::command(checkout.tools().join("bin").join(self.name));
        command.arg(self.name.trim_start_matches("cargo-"));
        command.current_dir(checkout.root());
        command
    }

    /// Some name themselves, others say their version alone.
    fn is_this(&self, answer: &str) -> bool {
        let words = answer.split_whitespace();
        words.last() == Some(self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_of_another_version_is_built_anew() {
        let tool = Tool {
            name: "cargo-deb",
            version: "3.8.0",
            takes: "a minute",
        };
        for (answer, is_this) in [
            ("cargo-deb 3.8.0\n", true),
            ("3.8.0\n", true),
            ("cargo-deb 3.8.1\n", false),
            ("", false),
        ] {
            assert_eq!(tool.is_this(answer), is_this, "{answer}");
        }
    }
}
