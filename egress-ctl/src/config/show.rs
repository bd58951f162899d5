//! The effective config, with everything that a config leaves out.
//!
//! In: the text of a config that is right, and what it says. Out: a table that says the same and every
//! default, and how much each source holds; as TOML it can be read again.

use std::{collections::BTreeMap, fmt::Write as _};

use schemars::JsonSchema;
use serde::Serialize;
use toml::{Table, Value};

use super::{Config, Group};

/// A config with its defaults.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Effective {
    /// The config, as a table.
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub config: Table,
    /// How much the sources hold, by name.
    pub sources: Vec<SourceCount>,
}

/// How much a source holds.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct SourceCount {
    /// Its name.
    pub source: String,
    /// Endpoint sets.
    pub sets: usize,
    /// Those that some group may reach.
    pub selected: usize,
    /// Prefixes of all sets.
    pub prefixes: usize,
    /// Patterns of all sets.
    pub patterns: usize,
}

/// The effective config.
///
/// # Errors
/// The text is no TOML, which a text that was read as `config` is.
pub fn effective(text: &str, config: &Config) -> Result<Effective, toml::de::Error> {
    let mut table: Table = text.parse()?;
    within(&mut table, "gateway", |gateway| {
        default(gateway, "resolvers", Value::Array(Vec::new()));
        default(gateway, "internal", Value::Array(Vec::new()));
        default(
            gateway,
            "count-replies",
            Value::from(config.gateway.count_replies),
        );
        default(gateway, "lookup", Value::from(config.gateway.lookup.name()));
        default(gateway, "mark-mask", Value::from(i64::from(u32::MAX)));
        trust_nobody(gateway);
    });
    within(&mut table, "dns", |dns| {
        default(
            dns,
            "ttl-floor",
            Value::from(i64::from(config.dns.ttl_floor)),
        );
        default(dns, "ttl-cap", Value::from(i64::from(config.dns.ttl_cap)));
        default(dns, "grace", Value::from(i64::from(config.dns.grace)));
        default(dns, "scope", Value::from(config.dns.scope.name()));
        default(dns, "tcp-proxy", Value::from(config.dns.tcp_proxy));
        default(dns, "tcp-idle", Value::from(i64::from(config.dns.tcp_idle)));
        default(dns, "restore", Value::from(config.dns.restore));
    });
    within(&mut table, "group", |groups| {
        for group in &config.groups {
            within(groups, &group.name, |table| {
                group_defaults(table, group, config);
            });
        }
    });
    Ok(Effective {
        config: table,
        sources: sources(config),
    })
}

fn group_defaults(table: &mut Table, group: &Group, config: &Config) {
    let mode = group.mode.unwrap_or(config.gateway.mode);
    default(table, "mode", Value::from(mode.name()));
    default(table, "default", Value::from(group.denial.name()));
    default(table, "dns", Value::from(group.dns.name()));
    for key in [
        "clients",
        "interfaces",
        "vlans",
        "macs",
        "allow",
        "dns-names",
    ] {
        default(table, key, Value::Array(Vec::new()));
    }
    name_rules(table);
}

/// What a veth's other end sends is not trusted where nothing is said.
fn trust_nobody(gateway: &mut Table) {
    let Some(Value::Array(pairs)) = gateway.get_mut("fast-path") else {
        return;
    };
    for pair in pairs {
        if let Value::Table(pair) = pair {
            default(pair, "trust-checksums", Value::from(false));
        }
    }
}

/// Rules without a name are called by their place.
fn name_rules(group: &mut Table) {
    let Some(Value::Array(rules)) = group.get_mut("rule") else {
        return;
    };
    for (place, rule) in (1..).zip(rules) {
        if let Value::Table(rule) = rule {
            default(rule, "name", Value::from(format!("rule-{place}")));
        }
    }
}

/// Changes the table of a name, which is made where there is none.
fn within(table: &mut Table, name: &str, change: impl FnOnce(&mut Table)) {
    let value = table
        .entry(name)
        .or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(table) = value {
        change(table);
    }
}

fn default(table: &mut Table, key: &str, value: Value) {
    table.entry(key).or_insert(value);
}

fn sources(config: &Config) -> Vec<SourceCount> {
    let names: std::collections::BTreeSet<_> = config
        .catalogue
        .sets()
        .iter()
        .map(|set| &set.source)
        .collect();
    let count = |source: &String| {
        let sets = || {
            config
                .catalogue
                .sets()
                .iter()
                .filter(|set| set.source == *source)
        };
        let is_selected =
            |key: &String| config.groups.iter().any(|group| group.allow.contains(key));
        SourceCount {
            source: source.clone(),
            sets: sets().count(),
            selected: sets().filter(|set| is_selected(&set.key)).count(),
            prefixes: sets().map(|set| set.ips.len()).sum(),
            patterns: sets().map(|set| set.urls.len()).sum(),
        }
    };
    names.into_iter().map(count).collect()
}

impl Effective {
    /// As TOML: gateway, DNS, metrics, page, sources, groups.
    ///
    /// # Errors
    /// It cannot be written as TOML, which it was read from.
    pub fn text(&self) -> Result<String, toml::ser::Error> {
        let mut text = String::new();
        for part in ["gateway", "dns", "metrics", "ui"] {
            if let Some(value) = self.config.get(part) {
                text += &table(&[part], value)?;
            }
        }
        for part in ["source", "group"] {
            let named = self.config.get(part).and_then(Value::as_table);
            for (name, value) in named.into_iter().flatten() {
                let count = self
                    .sources
                    .iter()
                    .find(|count| part == "source" && count.source == *name);
                if let Some(SourceCount {
                    sets,
                    selected,
                    prefixes,
                    patterns,
                    ..
                }) = count
                {
                    // Writing into a string cannot fail.
                    let _: std::fmt::Result = writeln!(
                        text,
                        "# {sets} endpoint sets, of which groups select {selected}; {prefixes} prefixes, {patterns} patterns"
                    );
                }
                text += &table(&[part, name], value)?;
            }
        }
        Ok(text)
    }
}

/// A table under its path, and an empty line.
fn table(path: &[&str], value: &Value) -> Result<String, toml::ser::Error> {
    let nested = path.iter().rev().fold(value.clone(), |inner, name| {
        Value::Table(Table::from_iter([((*name).to_owned(), inner)]))
    });
    let text = toml::to_string(&nested)?;
    Ok(format!("{text}\n"))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use jiff::civil::Date;

    use super::*;
    use crate::policy::{
        compile::{Circumstances, compile},
        generation::Generation,
        ids::Ids,
    };

    const TEXT: &str = r#"
[gateway]
mode = "audit"
lan = ["lan"]
default-group = "b.c"
[metrics]
listen = "127.0.0.1:9598"
[ui]
listen = "127.0.0.1:9599"
token-file = "/etc/egress/ui-token"
[source.intune]
kind = "builtin"
[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
urls = ["*.example.org"]
[group.a]
clients = ["10.0.0.0/8"]
allow = ["intune:163"]
[[group.a.rule]]
action = "deny"
protocol = 47
[group."b.c"]
mode = "enforce"
allow = ["corp"]
"#;

    fn compiled(text: &str) -> Generation {
        let own: [IpAddr; 1] = ["192.0.2.1".parse().unwrap()];
        let circumstances = Circumstances {
            own: &own,
            today: Date::constant(2026, 11, 22),
        };
        compile(
            &Config::parse(text).unwrap(),
            circumstances,
            &mut Ids::default(),
        )
        .unwrap()
    }

    #[test]
    fn what_is_shown_is_the_same_policy() {
        let config = Config::parse(TEXT).unwrap();
        let shown = effective(TEXT, &config).unwrap().text().unwrap();
        assert_eq!(compiled(&shown), compiled(TEXT), "{shown}");
        for part in [
            "ttl-floor = 60\n",
            "grace = 5\n",
            "scope = \"policy\"\n",
            "dns = \"watch\"\n",
            "restore = true\n",
            "[metrics]\nlisten = \"127.0.0.1:9598\"\n",
            "[ui]\nlisten = \"127.0.0.1:9599\"\ntoken-file = \"/etc/egress/ui-token\"\n",
            "mode = \"audit\"\n",
            "default = \"drop\"\n",
            "name = \"rule-1\"\n",
            "[group.\"b.c\"]\n",
            "# 1 endpoint sets, of which groups select 1; 0 prefixes, 1 patterns\n[source.corp]\n",
        ] {
            assert!(shown.contains(part), "no {part} in\n{shown}");
        }
        let again = effective(&shown, &Config::parse(&shown).unwrap()).unwrap();
        assert_eq!(again.text().unwrap(), shown, "nothing is left to be shown");
    }
}
