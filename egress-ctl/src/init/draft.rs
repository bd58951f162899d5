//! A first config: what is guessed, and what it is written as.

use std::fmt::{self, Write as _};

use toml::Value;

use super::surroundings::{Seen, Surroundings};
use crate::config::{Config, Problem};

/// What somebody may decide, each as it stands in the config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Interfaces with clients behind them.
    pub lan: Vec<String>,
    /// Addresses of the clients; everybody there if there are none.
    pub clients: Vec<String>,
    /// What they may reach.
    pub allow: Vec<String>,
    /// Resolvers whose answers teach.
    pub resolvers: Vec<String>,
    /// Whether the Microsoft 365 list is kept current from the web service.
    pub follows: bool,
}

/// What clients may reach where nobody says otherwise.
const ALLOW: [&str; 3] = ["intune", "m365", "power-automate:desktop-flows/public"];

impl Draft {
    /// Guesses: clients are where no default route leads, at the addresses on these links.
    pub fn of(around: &Surroundings) -> Self {
        let is_lan = |one: &&Seen| !one.leads_away && !one.prefixes.is_empty();
        let lan: Vec<_> = around.interfaces.iter().filter(is_lan).collect();
        let clients = lan.iter().flat_map(|one| &one.prefixes);
        let own = around.own_resolver.then(|| "gateway".to_owned());
        let others = around.resolvers.iter().map(ToString::to_string);
        let mut resolvers: Vec<_> = own.into_iter().chain(others).collect();
        if resolvers.is_empty() {
            resolvers.push("gateway".to_owned());
        }
        Self {
            lan: lan.iter().map(|one| one.name.clone()).collect(),
            clients: clients.map(ToString::to_string).collect(),
            allow: ALLOW.map(str::to_owned).to_vec(),
            resolvers,
            follows: true,
        }
    }

    /// What is wrong with it, if anything is.
    ///
    /// # Errors
    /// All that a daemon would refuse.
    pub fn check(&self) -> Result<Config, Vec<Problem>> {
        Config::parse(&self.to_string())
    }
}

impl fmt::Display for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            lan,
            clients,
            allow,
            resolvers,
            follows,
        } = self;
        f.write_str("[gateway]\n")?;
        f.write_str("mode = \"audit\"   # everything passes, what would be dropped is counted\n")?;
        writeln!(
            f,
            "lan = {}   # interfaces with clients behind them",
            list(lan)
        )?;
        writeln!(f, "resolvers = {}   # whose answers teach", list(resolvers))?;
        if clients.is_empty() {
            f.write_str("default-group = \"clients\"\n")?;
        }
        for source in ["intune", "power-automate"] {
            write!(f, "\n[source.{source}]\nkind = \"builtin\"\n")?;
        }
        f.write_str("\n[source.m365]\n")?;
        f.write_str(match follows {
            true => "kind = \"web-service\"   # Microsoft's list, kept current\ninstance = \"worldwide\"\n",
            false => "kind = \"builtin\"\n",
        })?;
        f.write_str("\n[group.clients]\n")?;
        if !clients.is_empty() {
            writeln!(f, "clients = {}", list(clients))?;
        }
        writeln!(f, "allow = {}", list(allow))
    }
}

fn list(items: &[String]) -> String {
    let quoted = items
        .iter()
        .map(|item| Value::from(item.as_str()).to_string());
    let mut text = String::new();
    // Writing into a string cannot fail.
    let _: fmt::Result = write!(text, "[{}]", quoted.collect::<Vec<_>>().join(", "));
    text
}

#[cfg(test)]
mod tests {
    use egress_common::verdict::Mode;

    use super::*;

    fn seen(name: &str, leads_away: bool, prefixes: &[&str]) -> Seen {
        Seen {
            name: name.to_owned(),
            index: 0,
            leads_away,
            prefixes: prefixes.iter().map(|net| net.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn clients_are_where_no_default_route_leads() {
        let around = Surroundings {
            interfaces: vec![
                seen("wan", true, &["203.0.113.0/24"]),
                seen("lan", false, &["10.1.0.0/16", "fd00:1::/64"]),
                seen("spare", false, &[]),
                seen("wg0", false, &["10.9.0.0/24"]),
            ],
            own_resolver: true,
            resolvers: vec!["9.9.9.9".parse().unwrap()],
        };
        let draft = Draft::of(&around);
        assert_eq!(draft.lan, ["lan", "wg0"]);
        assert_eq!(draft.clients, ["10.1.0.0/16", "fd00:1::/64", "10.9.0.0/24"]);
        assert_eq!(draft.resolvers, ["gateway", "9.9.9.9"]);
        let config = draft.check().unwrap();
        assert_eq!(config.gateway.mode, Mode::Audit);
        assert_eq!(config.gateway.lan, ["lan", "wg0"]);
        assert_eq!(config.feeds.len(), 1);
    }

    #[test]
    fn whatever_is_decided_becomes_a_config_or_is_told() {
        let draft = Draft {
            lan: vec!["eth1".to_owned()],
            clients: Vec::new(),
            resolvers: Draft::of(&Surroundings::default()).resolvers,
            allow: ALLOW.map(str::to_owned).to_vec(),
            follows: false,
        };
        let config = draft.check().unwrap();
        assert!(config.feeds.is_empty());
        assert_eq!(config.gateway.default_group.as_deref(), Some("clients"));
        let nobody = Draft {
            lan: Vec::new(),
            ..draft.clone()
        };
        let problems = nobody.check().unwrap_err();
        assert!(
            problems.iter().any(|one| one.key == "gateway.lan"),
            "{problems:?}"
        );
        let misspelt = Draft {
            allow: vec!["intun".to_owned()],
            ..draft
        };
        let problems = misspelt.check().unwrap_err();
        assert!(
            problems.iter().any(|one| one.message.contains("`intune`")),
            "{problems:?}"
        );
    }
}
