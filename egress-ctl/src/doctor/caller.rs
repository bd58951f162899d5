//! Who asks: whether the caller could run the daemon, and see all there is to see.

use super::finding::Finding;

/// What was seen of this process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// Capabilities of the daemon that this process does not have.
    pub lacks: Vec<&'static str>,
}

impl Caller {
    /// Judges it.
    pub fn judge(&self) -> Finding {
        const CHECK: &str = "rights";
        if self.lacks.is_empty() {
            return Finding::ok(CHECK, "all capabilities that the daemon needs");
        }
        Finding::warn(
            CHECK,
            format!(
                "without {} no daemon can be run, and not all can be looked at",
                self.lacks.join(", ")
            ),
            "sudo egress-ctl doctor",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Outcome;

    #[test]
    fn missing_rights_are_named() {
        assert_eq!(Caller::default().judge().outcome, Outcome::Ok);
        let lacks = vec!["CAP_BPF", "CAP_NET_ADMIN"];
        let finding = Caller { lacks }.judge();
        assert_eq!(finding.outcome, Outcome::Warn);
        assert!(finding.seen.contains("CAP_BPF, CAP_NET_ADMIN"), "{finding}");
    }
}
