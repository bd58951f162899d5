//! Whether all is well, in a word: what the exit code tells.

use std::fmt;

use super::{Report, interface::Interface};
use crate::doctor::finding::{Finding, Outcome, worst};

/// What starts the daemon again, where it is a service.
const RESTART: &str = "systemctl restart egress, and see journalctl -u egress";

/// What is not as it should be.
pub(super) fn findings(report: &Report) -> Vec<Finding> {
    let mut found = Vec::new();
    if report.bypass.is_some() {
        let seen = "the bypass is on, so that nothing is dropped";
        found.push(Finding::fail("bypass", seen, "egress-ctl bypass off"));
    }
    if report.mode == "off" {
        let fix = "gateway.mode = \"audit\" in the config, then systemctl reload egress";
        found.push(Finding::warn(
            "mode",
            "nothing is judged: the mode is off",
            fix,
        ));
    }
    found.extend(report.interfaces.iter().filter_map(interface));
    if !report.interfaces.iter().any(Interface::is_judged) {
        let seen = "no interface is judged";
        found.push(Finding::fail("ready", seen, "egress-ctl doctor"));
    }
    found.extend(daemon(report));
    if let Some(trial) = &report.trial {
        let fix = match trial.fell_back() {
            true => "egress-ctl enforce --confirm-within 5m, or egress-ctl config apply",
            false => "egress-ctl confirm",
        };
        found.push(Finding::warn("trial", trial.to_string(), fix));
    }
    found.extend(report.unfiltered.iter().map(|open| {
        Finding::warn(
            "unfiltered",
            open,
            "gateway.lan in the config, then systemctl reload egress",
        )
    }));
    found
}

fn interface(interface: &Interface) -> Option<Finding> {
    let finding = match (interface.waiting, interface.is_judged(), interface.learns()) {
        (true, ..) => Finding::warn("interface", "there is no such interface", "ip link"),
        (false, false, _) => Finding::fail("interface", "its packets are NOT JUDGED", RESTART),
        (false, true, false) => {
            Finding::fail("interface", "DNS answers do not teach there", RESTART)
        }
        (false, true, true) => return None,
    };
    Some(finding.about(&interface.name))
}

fn daemon(report: &Report) -> Option<Finding> {
    let daemon = &report.daemon;
    let warn = |seen: String| Some(Finding::warn("daemon", seen, RESTART));
    match (daemon.running, daemon.answers, &daemon.silent) {
        (false, ..) => {
            let seen = "none runs: no change of config, feed or interface is followed";
            Some(Finding::warn("daemon", seen, "systemctl start egress"))
        }
        (true, Some(false), Some(why)) => warn(why.clone()),
        _ if daemon.is_other() => warn("it is of another version than this command".to_owned()),
        _ => None,
    }
}

/// The first line.
pub(super) struct State<'a>(pub(super) &'a [Finding]);

impl fmt::Display for State<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |outcome| self.0.iter().filter(move |one| one.outcome == outcome);
        let (word, of) = match worst(self.0) {
            Outcome::Fail => ("CRITICAL", of(Outcome::Fail)),
            Outcome::Warn => ("WARNING", of(Outcome::Warn)),
            Outcome::Ok | Outcome::Skipped => return f.write_str("READY"),
        };
        let about: Vec<_> = of.map(what).collect();
        write!(f, "{word}: {}", about.join("; "))
    }
}

fn what(finding: &Finding) -> String {
    let about = match &finding.about {
        Some(about) => format!("{} {about}", finding.check),
        None => finding.check.to_owned(),
    };
    match &finding.fix {
        Some(fix) => format!("{about} (fix: {fix})"),
        None => about,
    }
}
