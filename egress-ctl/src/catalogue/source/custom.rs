//! Sets of the user's own, from `[[source.NAME.set]]` tables of the configuration.
//!
//! In: [`CustomSet`], a table as written. Out: endpoint sets.

use serde::Deserialize;

use super::{Keys, SourceError};
use crate::catalogue::{
    fault::Fault,
    record::SetRecord,
    set::{Category, EndpointSet},
};

/// One `[[source.NAME.set]]` table; the keys are those of the web service.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "a table")]
pub struct CustomSet {
    /// A number of the user's choice.
    pub id: u32,
    /// A few words.
    #[serde(default)]
    pub description: String,
    /// Patterns of host names.
    #[serde(default)]
    pub urls: Vec<String>,
    /// Prefixes or addresses.
    #[serde(default)]
    pub ips: Vec<String>,
    /// TCP ports.
    pub tcp_ports: Option<String>,
    /// UDP ports.
    pub udp_ports: Option<String>,
    /// `Optimize`, `Allow` or `Default`; without it `Default`.
    pub category: Option<String>,
    /// What the selectors `required` and `optional` go by.
    #[serde(default)]
    pub required: bool,
}

/// The sets of the source called `source`; each must name at least one destination.
pub fn sets(custom: Vec<CustomSet>, source: &str) -> Result<Vec<EndpointSet>, SourceError> {
    let mut keys = Keys::new(source);
    let parse = |set: CustomSet| {
        let key = keys.next(set.id.to_string());
        let record = set.into_record(source, key);
        if record.urls.is_empty() && record.ips.is_empty() {
            return Err(record.error("urls", "", Fault::NoDestination).into());
        }
        Ok(record.try_into()?)
    };
    custom.into_iter().map(parse).collect()
}

impl CustomSet {
    fn into_record(self, source: &str, key: String) -> SetRecord {
        let Self {
            id,
            description,
            urls,
            ips,
            tcp_ports,
            udp_ports,
            category,
            required,
        } = self;
        SetRecord {
            source: source.to_owned(),
            key,
            id: Some(id),
            description,
            section: None,
            service_area: None,
            category: category.unwrap_or_else(|| Category::Default.to_string()),
            required,
            express_route: false,
            urls,
            ips,
            tcp_ports,
            udp_ports,
            notes: None,
            ..SetRecord::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Source {
        set: Vec<CustomSet>,
    }

    fn read(toml: &str) -> Result<Vec<EndpointSet>, String> {
        let source: Source = toml::from_str(toml).map_err(|e| e.message().to_owned())?;
        sets(source.set, "corp").map_err(|e| e.to_string())
    }

    #[test]
    fn a_short_table_is_enough() {
        let sets = read("[[set]]\nid = 1\nurls = [\"*.example.org\"]\ntcpPorts = \"443\"").unwrap();
        let [set] = sets.as_slice() else {
            panic!("{sets:?}");
        };
        assert_eq!(
            (set.key.as_str(), set.id, set.category),
            ("corp:1", Some(1), Category::Default)
        );
        assert_eq!((set.required, set.express_route), (false, false));
        assert!(set.urls[0].matches("a.example.org") && set.tcp_ports.contains(443));
        assert!(set.udp_ports.is_empty());
    }

    #[test]
    fn a_full_table_is_read_whole() {
        let sets = read(
            "[[set]]\nid = 2\ndescription = \"voice\"\nips = [\"192.0.2.7/24\"]\nudpPorts = \"5060-5061\"\n\
             category = \"optimize\"\nrequired = true",
        );
        let set = &sets.unwrap()[0];
        assert_eq!(
            (set.description.as_str(), set.category, set.required),
            ("voice", Category::Optimize, true)
        );
        assert_eq!(set.ips[0].to_string(), "192.0.2.0/24");
        assert_eq!(set.udp_ports.to_string(), "5060-5061");
    }

    #[test]
    fn mistakes_in_tables_are_errors() {
        let table = [
            ("[[set]]\nurls = [\"a.b\"]", "missing field `id`"),
            (
                "[[set]]\nid = 1\nurls = [\"a.b\"]\nports = \"443\"",
                "unknown field `ports`",
            ),
            (
                "[[set]]\nid = 1\nurls = [\"a.b\"]\ntcp-ports = \"443\"",
                "unknown field `tcp-ports`",
            ),
            (
                "[[set]]\nid = 1\ntcpPorts = \"443\"",
                "set 1: urls \"\": a set needs at least one of urls and ips",
            ),
            (
                "[[set]]\nid = 1\nips = [\"10.0.0\"]",
                "set 1: ips \"10.0.0\"",
            ),
            (
                "[[set]]\nid = 1\nurls = [\"https://a.b\"]",
                "set 1: urls \"https://a.b\"",
            ),
            (
                "[[set]]\nid = 1\nurls = [\"a.b\"]\ncategory = \"\"",
                "set 1: category \"\"",
            ),
        ];
        for (toml, expected) in table {
            let error = read(toml).unwrap_err();
            assert!(error.contains(expected), "{error}\nshould say {expected}");
        }
    }

    #[test]
    fn an_id_used_twice_gives_two_keys() {
        let sets =
            read("[[set]]\nid = 1\nurls = [\"a.b\"]\n[[set]]\nid = 1\nurls = [\"c.d\"]").unwrap();
        let keys: Vec<_> = sets.iter().map(|set| set.key.as_str()).collect();
        assert_eq!(keys, ["corp:1", "corp:1.2"]);
    }
}
