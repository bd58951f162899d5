//! What runs: the daemon, what it left in the kernel, and other daemons.

use super::finding::Finding;

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Process of the daemon that holds the lock of the folder of state.
    pub daemon: Option<u32>,
    /// Whether a daemon holds the pins; nothing where they cannot be opened.
    pub pins_are_held: Option<bool>,
    /// Processes that look like further daemons of this network.
    pub others: Vec<u32>,
    /// What is in force.
    pub force: InForce,
    /// Whether the emergency lever is pulled.
    pub is_bypassed: bool,
}

/// The generation in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InForce {
    /// None.
    Nothing,
    /// One whose file says what it is.
    Known {
        /// Its number.
        number: u64,
        /// The gateway's mode in it.
        mode: String,
    },
    /// One whose file is missing or damaged.
    Unknown {
        /// Its number.
        number: u64,
        /// Why.
        why: String,
    },
    /// The kernel's maps cannot be read.
    Unreadable(String),
}

impl Running {
    /// Judges it.
    pub fn judge(&self) -> Vec<Finding> {
        let mut found = vec![self.generation(), self.daemon(), self.others()];
        found.extend(self.bypass());
        found
    }

    fn generation(&self) -> Finding {
        const CHECK: &str = "generation";
        match &self.force {
            InForce::Nothing => {
                Finding::skipped(CHECK, "none is in force: nothing was started here yet")
            }
            InForce::Known { number, mode } => {
                Finding::ok(CHECK, format!("{number} is in force, mode {mode}"))
            }
            InForce::Unknown { number, why } => Finding::fail(
                CHECK,
                format!("{number} enforces, but {why}: nobody knows what it means"),
                "systemctl restart egress, which makes the next one; what was learned begins anew",
            ),
            InForce::Unreadable(why) => Finding::skipped(CHECK, why.clone()),
        }
    }

    fn daemon(&self) -> Finding {
        const CHECK: &str = "daemon";
        match (self.daemon, self.pins_are_held, &self.force) {
            (Some(pid), ..) => Finding::ok(CHECK, format!("process {pid} runs")),
            (None, Some(true), _) => Finding::fail(
                CHECK,
                "a daemon with another folder of state holds the pins",
                "name its folder with --state-dir, or end it: pgrep -af 'egress-ctl.* run'",
            ),
            (None, _, InForce::Known { .. } | InForce::Unknown { .. }) => Finding::warn(
                CHECK,
                "none runs; what is attached goes on, but follows neither feeds nor interfaces",
                "systemctl start egress",
            ),
            (None, ..) => Finding::skipped(CHECK, "none runs"),
        }
    }

    fn others(&self) -> Finding {
        const CHECK: &str = "other-daemons";
        if self.others.is_empty() {
            return Finding::ok(CHECK, "none");
        }
        let pids: Vec<_> = self.others.iter().map(u32::to_string).collect();
        let pids = pids.join(" ");
        Finding::fail(
            CHECK,
            format!(
                "further daemons of egress run on this network, as process {pids}: each puts back what the other one takes off"
            ),
            format!("kill {pids}"),
        )
    }

    fn bypass(&self) -> Option<Finding> {
        let seen = "ON: nothing is dropped";
        self.is_bypassed
            .then(|| Finding::warn("bypass", seen, "egress-ctl bypass off"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Outcome::{self, Fail, Ok, Skipped, Warn};

    #[test]
    fn what_runs_is_judged() {
        let known = || InForce::Known {
            number: 3,
            mode: "enforce".to_owned(),
        };
        let unknown = || InForce::Unknown {
            number: 3,
            why: "its state file is missing".to_owned(),
        };
        let seen = |daemon, pins_are_held, others: &[u32], force, is_bypassed| Running {
            daemon,
            pins_are_held,
            others: others.to_vec(),
            force,
            is_bypassed,
        };
        let table: [(&str, Running, &[Outcome]); 8] = [
            (
                "all is well",
                seen(Some(7), Some(true), &[], known(), false),
                &[Ok, Ok, Ok],
            ),
            (
                "never started",
                seen(None, None, &[], InForce::Nothing, false),
                &[Skipped, Skipped, Ok],
            ),
            (
                "killed",
                seen(None, Some(false), &[], known(), false),
                &[Ok, Warn, Ok],
            ),
            (
                "somebody else's",
                seen(None, Some(true), &[8], known(), false),
                &[Ok, Fail, Fail],
            ),
            (
                "two",
                seen(Some(7), Some(true), &[8, 9], known(), false),
                &[Ok, Ok, Fail],
            ),
            (
                "a lost file",
                seen(Some(7), Some(true), &[], unknown(), false),
                &[Fail, Ok, Ok],
            ),
            (
                "bypassed",
                seen(Some(7), Some(true), &[], known(), true),
                &[Ok, Ok, Ok, Warn],
            ),
            (
                "without rights",
                seen(
                    None,
                    None,
                    &[],
                    InForce::Unreadable("needs root".to_owned()),
                    false,
                ),
                &[Skipped, Skipped, Ok],
            ),
        ];
        for (what, running, expected) in table {
            let found = running.judge();
            let outcomes: Vec<_> = found.iter().map(|one| one.outcome).collect();
            assert_eq!(outcomes, expected, "{what}: {found:?}");
        }
    }
}
