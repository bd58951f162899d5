//! A flow with the verdict announced for it: run on a site, it becomes an outcome that says what
//! the client saw and which of the filter's counters rose.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::gateway::Egress;
use crate::interrupt;
use crate::probe::{Attempt, Origin, Probe};
use crate::site::Site;
use crate::status::{Action, Count};

/// Shorter than the second after which a SYN is repeated.
const PATIENCE: Duration = Duration::from_millis(700);
/// For what should pass: only a broken lab or a loaded machine needs so long.
const MORE_PATIENCE: Duration = Duration::from_secs(5);
/// What passes beside every flow, and is not what the flow was tried for.
const BACKGROUND: [&str; 3] = ["gateway", "link-scope", "link-control"];

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// What was or should be done with a flow, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// allow, drop or would-drop.
    pub verdict: Action,
    /// The filter's reason.
    pub reason: String,
}

/// One line of a table of announced flows.
#[derive(Debug, Clone)]
pub struct Flow {
    /// What it shows.
    pub what: &'static str,
    /// Over which family.
    pub family: Family,
    /// What the client does.
    pub probe: Probe,
    /// Origin which address.
    pub origin: Origin,
    /// How long to wait before, for something to expire.
    pub pause: Duration,
    /// What must come of it.
    pub expected: Verdict,
}

/// What came of a flow.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// What it shows.
    pub what: &'static str,
    /// What the client did.
    pub probe: String,
    /// Over which family.
    pub family: Family,
    /// What was announced.
    pub expected: Verdict,
    /// What the client and the counters say.
    pub seen: Verdict,
    /// How long the client needed or waited.
    pub milliseconds: u64,
    /// Whether it was as announced.
    pub passed: bool,
}

impl Flow {
    /// A flow of the client that runs at once.
    pub fn new(what: &'static str, family: Family, probe: Probe, expected: Verdict) -> Self {
        Self {
            what,
            family,
            probe,
            origin: Origin::Client,
            pause: Duration::ZERO,
            expected,
        }
    }

    /// Tries it, with the counters read before and after.
    pub fn run(&self, site: &Site, egress: &Egress) -> Result<Outcome> {
        interrupt::sleep(self.pause)?;
        // What came before has settled at its own end.
        let before = egress.status()?;
        let attempt = self.attempt(site)?;
        let seen = Verdict::seen(&attempt, &egress.settled()?.since(&before));
        Ok(Outcome {
            what: self.what,
            probe: self.probe.to_string(),
            family: self.family,
            passed: seen == self.expected,
            expected: self.expected.clone(),
            seen,
            milliseconds: attempt.elapsed.as_millis().try_into()?,
        })
    }

    /// Tries it without looking at any counters.
    pub fn attempt(&self, site: &Site) -> Result<Attempt> {
        let limit = match self.expected.verdict {
            Action::Drop | Action::Reject => PATIENCE,
            Action::Allow | Action::WouldDrop => MORE_PATIENCE,
        };
        self.probe.attempt(site, self.family, self.origin, limit)
    }
}

impl Verdict {
    /// The verdict for a reason.
    pub fn new(verdict: Action, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { verdict, reason }
    }

    /// It passes for that reason.
    pub fn allow(reason: &str) -> Self {
        Self::new(Action::Allow, reason)
    }

    /// It is dropped for that reason.
    pub fn drop(reason: &str) -> Self {
        Self::new(Action::Drop, reason)
    }

    /// The client says whether it got through, the counters say why; where they contradict each
    /// other, the reason says so and equals none that was announced.
    fn seen(attempt: &Attempt, risen: &[Count]) -> Self {
        if let (false, Some(rejected)) = (attempt.reached, reasons(risen, Action::Reject)) {
            return Self::new(Action::Reject, rejected);
        }
        let dropped = reasons(risen, Action::Drop);
        let would_drop = reasons(risen, Action::WouldDrop);
        match (attempt.reached, dropped, would_drop) {
            (false, Some(dropped), _) => Self::new(Action::Drop, dropped),
            (false, None, _) => {
                let reason = format!("no counter rose ({})", attempt.complaint);
                Self::new(Action::Drop, reason)
            }
            (true, None, Some(would_drop)) => Self::new(Action::WouldDrop, would_drop),
            (true, None, None) => {
                let allowed = reasons(risen, Action::Allow);
                Self::new(
                    Action::Allow,
                    allowed.as_deref().unwrap_or("no counter rose"),
                )
            }
            (true, Some(dropped), _) => {
                Self::new(Action::Allow, format!("but dropped at first: {dropped}"))
            }
        }
    }
}

/// The reasons of one action, without what passes beside every flow unless there is nothing else.
fn reasons(risen: &[Count], action: Action) -> Option<String> {
    let mut reasons: Vec<&str> = risen
        .iter()
        .filter(|count| count.action == action)
        .map(|count| count.reason.as_str())
        .collect();
    let telling = |reason: &&str| !BACKGROUND.contains(reason);
    if reasons.iter().any(telling) {
        reasons.retain(telling);
    } else {
        reasons.sort_by_key(|reason| BACKGROUND.iter().position(|name| name == reason));
        reasons.truncate(1);
    }
    (!reasons.is_empty()).then(|| reasons.join("+"))
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }

    /// Any address of this family, to bind to.
    pub fn any(self, port: u16) -> SocketAddr {
        match self {
            Self::Ipv4 => (Ipv4Addr::UNSPECIFIED, port).into(),
            Self::Ipv6 => (Ipv6Addr::UNSPECIFIED, port).into(),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} {}", self.verdict, self.reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_needs_the_client_and_the_counters_to_agree() {
        use Action::{Allow, Drop, WouldDrop};
        for (what, reached, risen, expected) in [
            ("passes", true, &[(Allow, "prefix")][..], "allow prefix"),
            (
                "is resolved too",
                true,
                &[(Allow, "gateway"), (Allow, "learned")],
                "allow learned",
            ),
            (
                "is only resolved",
                true,
                &[(Allow, "link-scope"), (Allow, "gateway")],
                "allow gateway",
            ),
            ("is not counted", true, &[], "allow no counter rose"),
            (
                "passes at last",
                true,
                &[(Drop, "expired"), (Allow, "learned")],
                "allow but dropped at first: expired",
            ),
            (
                "is audited",
                true,
                &[(WouldDrop, "no-group")],
                "would-drop no-group",
            ),
            (
                "is dropped",
                false,
                &[(Allow, "gateway"), (Drop, "expired")],
                "drop expired",
            ),
            (
                "is dropped twice",
                false,
                &[(Drop, "expired"), (Drop, "no-rule")],
                "drop expired+no-rule",
            ),
            (
                "is lost",
                false,
                &[(Allow, "learned")],
                "drop no counter rose (timeout)",
            ),
        ] {
            let attempt = Attempt {
                reached,
                elapsed: Duration::ZERO,
                complaint: "timeout".to_owned(),
            };
            let count = |(action, reason): &(Action, &str)| Count {
                action: *action,
                reason: (*reason).to_owned(),
                packets: 1,
            };
            let risen: Vec<Count> = risen.iter().map(count).collect();
            assert_eq!(
                Verdict::seen(&attempt, &risen).to_string(),
                expected,
                "{what}"
            );
        }
    }
}
