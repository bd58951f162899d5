//! What a systemd unit says of its process, for where no systemd runs.

use anyhow::{Context, Result};

/// As far as it can be kept without systemd.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// The command, word by word.
    pub(super) command: Vec<String>,
    group: String,
    further_groups: Vec<String>,
    /// Capabilities that the process may have, as capabilities(7) names them.
    capabilities: Vec<String>,
    /// Without this file the unit is not started.
    pub(super) condition: String,
}

impl Unit {
    /// Reads it.
    pub(super) fn read(text: &str) -> Result<Self> {
        let value = |name: &str| {
            let found = text
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            found.with_context(|| format!("the unit has no {name}="))
        };
        let words = |name: &str| -> Result<Vec<String>> {
            Ok(value(name)?.split_whitespace().map(str::to_owned).collect())
        };
        Ok(Self {
            command: words("ExecStart")?,
            group: value("Group")?.to_owned(),
            further_groups: words("SupplementaryGroups")?,
            capabilities: words("CapabilityBoundingSet")?,
            condition: value("ConditionPathExists")?.to_owned(),
        })
    }

    /// The command behind setpriv(1), which gives it the unit's groups, capabilities and no way to more.
    pub(super) fn confined(&self) -> Vec<String> {
        let capabilities = self.capabilities.iter().map(|name| {
            let name = name.trim_start_matches("CAP_").to_lowercase();
            format!(",+{name}")
        });
        let mut words = vec![
            "setpriv".to_owned(),
            format!("--regid={}", self.group),
            format!("--groups={}", self.further_groups.join(",")),
            format!("--bounding-set=-all{}", capabilities.collect::<String>()),
            "--no-new-privs".to_owned(),
        ];
        words.extend(self.command.iter().cloned());
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_of_the_package_is_read() -> Result<()> {
        let unit = Unit::read(include_str!("../../../egress-ctl/packaging/egress.service"))?;
        assert_eq!(unit.command[..2], ["/usr/bin/egress-ctl", "run"]);
        assert_eq!(unit.condition, "/etc/egress/egress.toml");
        let words = unit.confined();
        assert!(
            words.contains(&"--bounding-set=-all,+bpf,+net_admin,+perfmon".to_owned()),
            "{words:?}"
        );
        assert!(Unit::read("[Service]\nExecStart=/bin/true\n").is_err());
        Ok(())
    }
}
