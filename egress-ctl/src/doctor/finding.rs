//! What a check came to: what was seen, and what to do about it.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Nothing to do.
    Ok,
    /// It could not be checked here, or there is nothing to check.
    Skipped,
    /// It filters, but not as well as it could, or not for long.
    Warn,
    /// It does not filter, or not as its config says.
    Fail,
}

impl Outcome {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }

    /// The exit code, as monitoring plugins have them; 3 is for where nothing could be looked at.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok | Self::Skipped => 0,
            Self::Warn => 1,
            Self::Fail => 2,
        }
    }
}

/// What one check came to.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Finding {
    /// What was checked.
    pub check: &'static str,
    /// The interface, resolver or source that it was checked of.
    pub about: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// What was seen.
    pub seen: String,
    /// What helps: a command, or a line of a config.
    pub fix: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn ok(check: &'static str, seen: impl Into<String>) -> Self {
        Self::of(check, Outcome::Ok, seen)
    }

    /// It could not be checked.
    pub fn skipped(check: &'static str, why: impl Into<String>) -> Self {
        Self::of(check, Outcome::Skipped, why)
    }

    /// It could be better.
    pub fn warn(check: &'static str, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        let finding = Self::of(check, Outcome::Warn, seen);
        finding.fixed_by(fix)
    }

    /// It does not work.
    pub fn fail(check: &'static str, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        let finding = Self::of(check, Outcome::Fail, seen);
        finding.fixed_by(fix)
    }

    /// The same, of one thing of its kind.
    #[must_use]
    pub fn about(self, what: impl Into<String>) -> Self {
        Self {
            about: Some(what.into()),
            ..self
        }
    }

    fn of(check: &'static str, outcome: Outcome, seen: impl Into<String>) -> Self {
        Self {
            check,
            about: None,
            outcome,
            seen: seen.into(),
            fix: None,
        }
    }

    fn fixed_by(self, fix: impl Into<String>) -> Self {
        Self {
            fix: Some(fix.into()),
            ..self
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            check,
            about,
            outcome,
            seen,
            fix,
        } = self;
        let what = match about {
            Some(about) => format!("{check} {about}"),
            None => (*check).to_owned(),
        };
        write!(f, "{:<8} {what:<22} {seen}", outcome.name())?;
        match fix {
            Some(fix) => write!(f, "; fix: {fix}"),
            None => Ok(()),
        }
    }
}

/// The worst of all, which the exit code tells.
pub fn worst(findings: &[Finding]) -> Outcome {
    let outcomes = findings.iter().map(|finding| finding.outcome);
    let worst = outcomes.max().unwrap_or(Outcome::Ok);
    match worst {
        Outcome::Skipped => Outcome::Ok,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_one_counts_and_what_was_skipped_does_not() {
        let ok = || Finding::ok("a", "x");
        let skipped = || Finding::skipped("b", "x");
        let warn = || Finding::warn("c", "x", "y");
        let fail = || Finding::fail("d", "x", "y");
        let table = [
            (vec![], Outcome::Ok, 0),
            (vec![ok(), skipped()], Outcome::Ok, 0),
            (vec![warn(), ok()], Outcome::Warn, 1),
            (vec![skipped(), fail(), warn()], Outcome::Fail, 2),
        ];
        for (findings, expected, code) in table {
            let worst = worst(&findings);
            assert_eq!((worst, worst.code()), (expected, code), "{findings:?}");
        }
    }

    #[test]
    fn a_finding_is_one_line() {
        let finding = Finding::warn("mtu", "9000 bytes", "ip link set lan mtu 1500");
        assert_eq!(
            finding.about("lan").to_string(),
            "warn     mtu lan                9000 bytes; fix: ip link set lan mtu 1500"
        );
    }
}
