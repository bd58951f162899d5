//! `egress-ctl doctor`: what of a machine helps or hinders filtering, and what to do about it.
//!
//! In: facts, which [`look`] gathers from the kernel, a few files and the network, and nothing of which it
//! changes. Out: a [`finding`] for each check. Judging facts is pure, and apart from gathering them.

pub mod caller;
pub mod clock;
pub mod feed;
pub mod finding;
pub mod interface;
pub mod kernel;
pub mod look;
pub mod resolver;
pub mod running;
pub mod storage;

use self::finding::Finding;
use crate::config::ConfigError;

/// All that is known of a machine.
pub struct Facts {
    /// What is said about the config, where one was looked for.
    pub config: ConfigSeen,
    /// The kernel.
    pub kernel: kernel::Kernel,
    /// Where state, pins and maps go.
    pub storage: storage::Storage,
    /// Who asks.
    pub caller: caller::Caller,
    /// What time it is.
    pub clock: clock::Clock,
    /// What runs.
    pub running: running::Running,
    /// The LAN interfaces, by their names.
    pub interfaces: Vec<interface::Lan>,
    /// Names of other interfaces that forward past the filter, where that is known.
    pub unfiltered: Vec<String>,
    /// Whose answers teach.
    pub resolvers: Vec<resolver::Resolver>,
    /// The web services that are followed.
    pub feeds: Vec<feed::Feed>,
}

/// The config that the checks are about.
pub enum ConfigSeen {
    /// It was read.
    Read {
        /// Where.
        path: String,
        /// What is hardly meant in it.
        warnings: usize,
    },
    /// A daemon would refuse it; the checks are about the machine as it was found.
    Wrong(ConfigError),
    /// There is none; likewise.
    Missing,
}

/// Judges everything.
pub fn examine(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![facts.config.judge()];
    findings.extend(facts.kernel.judge());
    findings.extend(facts.storage.judge());
    findings.push(facts.caller.judge());
    findings.push(facts.clock.judge());
    findings.extend(facts.running.judge());
    findings.extend(interface::judge(&facts.interfaces));
    findings.extend(facts.unfiltered.iter().map(|name| unfiltered(name)));
    findings.extend(facts.resolvers.iter().flat_map(resolver::Resolver::judge));
    findings.extend(feed::judge(&facts.feeds));
    findings
}

impl ConfigSeen {
    fn judge(&self) -> Finding {
        const CHECK: &str = "config";
        match self {
            Self::Read { path, warnings: 0 } => Finding::ok(CHECK, format!("{path} is good")),
            Self::Read { path, warnings } => Finding::warn(
                CHECK,
                format!("{path} is good, but {warnings} things in it are hardly meant"),
                format!("egress-ctl config check {path}"),
            ),
            Self::Wrong(ConfigError { path, problems }) => {
                let first = problems.first().map_or_else(String::new, |one| {
                    format!(", the first in line {}: {}", one.line, one.message)
                });
                Finding::fail(
                    CHECK,
                    format!("a daemon would refuse {}{first}", path.display()),
                    format!("egress-ctl config check {}", path.display()),
                )
            }
            Self::Missing => Finding::skipped(
                CHECK,
                "there is none, so that interfaces and resolvers are those that `egress-ctl init` would choose",
            ),
        }
    }
}

fn unfiltered(name: &str) -> Finding {
    Finding::warn(
        "unfiltered",
        "it forwards, is not in gateway.lan, and no default route leaves by it: what comes in there is not judged",
        format!("add \"{name}\" to gateway.lan, or: sysctl -w net.ipv4.conf.{name}.forwarding=0 net.ipv6.conf.{name}.forwarding=0"),
    )
    .about(name)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::{config::Problem, doctor::finding::Outcome};

    #[test]
    fn a_config_is_judged_by_what_a_daemon_would_say() {
        let problem = Problem {
            line: 2,
            key: "gateway.mode".to_owned(),
            message: "unknown mode".to_owned(),
        };
        let wrong = ConfigError {
            path: PathBuf::from("/e.toml"),
            problems: vec![problem],
        };
        let read = |warnings| ConfigSeen::Read {
            path: "/e.toml".to_owned(),
            warnings,
        };
        let table = [
            (read(0), Outcome::Ok, "/e.toml is good"),
            (read(2), Outcome::Warn, "2 things"),
            (
                ConfigSeen::Wrong(wrong),
                Outcome::Fail,
                "line 2: unknown mode",
            ),
            (ConfigSeen::Missing, Outcome::Skipped, "there is none"),
        ];
        for (config, outcome, seen) in table {
            let finding = config.judge();
            assert_eq!(finding.outcome, outcome, "{finding}");
            assert!(finding.seen.contains(seen), "{finding}");
        }
    }
}
