//! Endpoint sets as text, with the web service's own keys.
//!
//! In: what a source wrote, or what egress itself stored. Out: an [`EndpointSet`], or a
//! [`SetError`] that says where and why the text is wrong. And back: an `EndpointSet` as a record.

use std::net::IpAddr;

use egress_common::pattern::NamePattern;
use ipnet::IpNet;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    demand::Demand,
    fault::{Fault, SetError},
    ports::Ports,
    set::EndpointSet,
};

/// One endpoint set, nothing parsed yet; what is left out is empty. All sources pass through it, so that all are parsed alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SetRecord {
    /// Name of the source.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// `source:id`, unique in the catalogue.
    pub key: String,
    /// The source's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u32>,
    /// A few words.
    pub description: String,
    /// Path of slugs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// Service area of the web service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_area: Option<String>,
    /// `Optimize`, `Allow` or `Default`.
    pub category: String,
    /// Whether the service as a whole fails without this set.
    pub required: bool,
    /// Whether the set is reachable over ExpressRoute.
    pub express_route: bool,
    /// Patterns of host names.
    pub urls: Vec<String>,
    /// Prefixes, or single addresses.
    pub ips: Vec<String>,
    /// TCP ports, none where the source names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_ports: Option<String>,
    /// UDP ports, none where the source names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub udp_ports: Option<String>,
    /// Remarks of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// What is lost without the set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
    /// Clouds, all where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clouds: Vec<String>,
    /// Region of the tenants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Scale units of the tenants.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scale_units: Vec<String>,
    /// Storage accounts, which are no names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub storage: Vec<String>,
    /// Whether only a selector that names the set selects it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub extra: bool,
    /// Title of the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// Day of the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
    /// Line of the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// What the source asks of the network.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub demands: Vec<Demand>,
}

impl TryFrom<SetRecord> for EndpointSet {
    type Error = SetError;

    fn try_from(record: SetRecord) -> Result<Self, SetError> {
        let category = record.parse("category", &record.category, str::parse)?;
        let urls = record.parse_each("urls", &record.urls, str::parse)?;
        let ips = record.parse_each("ips", &record.ips, prefix)?;
        let tcp_ports = record.parse_ports("tcpPorts", record.tcp_ports.as_deref())?;
        let udp_ports = record.parse_ports("udpPorts", record.udp_ports.as_deref())?;
        let SetRecord {
            source,
            key,
            id,
            description,
            section,
            service_area,
            category: _,
            required,
            express_route,
            urls: _,
            ips: _,
            tcp_ports: _,
            udp_ports: _,
            notes,
            lost,
            clouds,
            region,
            scale_units,
            storage,
            extra,
            document,
            date,
            line,
            demands,
        } = record;
        Ok(Self {
            source,
            key,
            id,
            description: plain(description),
            section: section.map(plain),
            service_area: service_area.map(plain),
            category,
            required,
            express_route,
            urls,
            ips,
            tcp_ports,
            udp_ports,
            notes: notes.map(plain),
            lost: lost.map(plain),
            clouds: clouds.into_iter().map(plain).collect(),
            region: region.map(plain),
            scale_units: scale_units.into_iter().map(plain).collect(),
            storage: storage.into_iter().map(plain).collect(),
            extra,
            document: document.map(plain),
            date,
            line,
            demands,
        })
    }
}

/// One line of text that a terminal prints as it is: feeds may hold line breaks and escapes.
fn plain(text: String) -> String {
    text.replace(char::is_control, " ")
}

/// A prefix, or an address as the prefix of itself alone. Host bits are cleared, as firewalls do.
pub(crate) fn prefix(text: &str) -> Result<IpNet, Fault> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let net = text.parse::<IpNet>().or_else(|_| address());
    net.map(|net| net.trunc()).map_err(|_| Fault::Prefix)
}

impl SetRecord {
    /// An error about one value of this record.
    pub(super) fn error(&self, field: &'static str, value: &str, fault: Fault) -> SetError {
        let local = self
            .key
            .split_once(':')
            .map_or(self.key.as_str(), |(_, local)| local);
        SetError {
            origin: self.source.clone(),
            set: local.to_owned(),
            field,
            value: value.to_owned(),
            fault,
        }
    }

    fn parse<T, E: Into<Fault>>(
        &self,
        field: &'static str,
        value: &str,
        parser: impl Fn(&str) -> Result<T, E>,
    ) -> Result<T, SetError> {
        parser(value).map_err(|fault| self.error(field, value, fault.into()))
    }

    fn parse_each<T, E: Into<Fault>>(
        &self,
        field: &'static str,
        values: &[String],
        parser: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Vec<T>, SetError> {
        values
            .iter()
            .map(|value| self.parse(field, value, &parser))
            .collect()
    }

    fn parse_ports(&self, field: &'static str, value: Option<&str>) -> Result<Ports, SetError> {
        match value {
            Some(text) => self.parse(field, text, str::parse),
            None => Ok(Ports::default()),
        }
    }
}

impl From<EndpointSet> for SetRecord {
    fn from(set: EndpointSet) -> Self {
        let EndpointSet {
            source,
            key,
            id,
            description,
            section,
            service_area,
            category,
            required,
            express_route,
            urls,
            ips,
            tcp_ports,
            udp_ports,
            notes,
            lost,
            clouds,
            region,
            scale_units,
            storage,
            extra,
            document,
            date,
            line,
            demands,
        } = set;
        Self {
            source,
            key,
            id,
            description,
            section,
            service_area,
            category: category.to_string(),
            required,
            express_route,
            urls: urls.iter().map(NamePattern::to_string).collect(),
            ips: ips.iter().map(IpNet::to_string).collect(),
            tcp_ports: written(&tcp_ports),
            udp_ports: written(&udp_ports),
            notes,
            lost,
            clouds,
            region,
            scale_units,
            storage,
            extra,
            document,
            date,
            line,
            demands,
        }
    }
}

/// The text of ports; the empty set is written as no key at all.
fn written(ports: &Ports) -> Option<String> {
    (!ports.is_empty()).then(|| ports.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;

    /// A record that is right.
    fn record() -> SetRecord {
        SetRecord {
            source: "corp".to_owned(),
            key: "corp:7".to_owned(),
            id: Some(7),
            category: "Default".to_owned(),
            tcp_ports: Some("443".to_owned()),
            ..SetRecord::default()
        }
    }

    #[test]
    fn an_error_says_source_set_field_value_and_reason() {
        let text = |s: &str| Some(s.to_owned());
        let table = [
            (
                SetRecord {
                    urls: vec!["a.b".to_owned(), "x y".to_owned()],
                    ..record()
                },
                "source `corp`, set 7: urls \"x y\": ' ' does not occur in host names: \
                 write letters, digits, `-`, `_`, `.` and one `*`",
            ),
            (
                SetRecord {
                    ips: vec!["10.0.0.0/33".to_owned()],
                    ..record()
                },
                "source `corp`, set 7: ips \"10.0.0.0/33\": \
                 write a prefix as in 192.0.2.0/24 or 2001:db8::/32",
            ),
            (
                SetRecord {
                    tcp_ports: text("80;443"),
                    ..record()
                },
                "source `corp`, set 7: tcpPorts \"80;443\": \"80;443\" is not a port number",
            ),
            (
                SetRecord {
                    udp_ports: text("0"),
                    ..record()
                },
                "source `corp`, set 7: udpPorts \"0\": \"0\" holds port 0, the lowest port is 1",
            ),
            (
                SetRecord {
                    category: "Best".to_owned(),
                    ..record()
                },
                "source `corp`, set 7: category \"Best\": a category is Optimize, Allow or Default",
            ),
        ];
        for (record, expected) in table {
            assert_eq!(
                EndpointSet::try_from(record).unwrap_err().to_string(),
                expected
            );
        }
    }

    #[test]
    fn prefixes_lose_their_host_bits_and_addresses_become_prefixes() {
        let table = [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("2001:db8::1/32", "2001:db8::/32"),
            ("10.1.2.3", "10.1.2.3/32"),
            ("2001:db8::1", "2001:db8::1/128"),
        ];
        for (text, expected) in table {
            assert_eq!(prefix(text).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn texts_of_a_source_cannot_steer_a_terminal() {
        let hostile = "a\x1b[2Jb\nc\u{9b}d";
        let record = SetRecord {
            description: hostile.to_owned(),
            section: Some(hostile.to_owned()),
            service_area: Some(hostile.to_owned()),
            notes: Some(hostile.to_owned()),
            ..record()
        };
        let set = EndpointSet::try_from(record).unwrap();
        let texts = [
            Some(set.description),
            set.section,
            set.service_area,
            set.notes,
        ];
        assert_eq!(
            texts,
            std::array::from_fn(|_| Some("a [2Jb c d".to_owned()))
        );
    }

    #[test]
    fn a_set_without_ports_is_reachable_on_none() {
        let table = [
            (None, None, true),
            (Some("443"), None, false),
            (None, Some("443"), false),
        ];
        for (tcp, udp, portless) in table {
            let record = SetRecord {
                tcp_ports: tcp.map(str::to_owned),
                udp_ports: udp.map(str::to_owned),
                ..record()
            };
            let set = EndpointSet::try_from(record).unwrap();
            assert_eq!(set.is_portless(), portless, "{tcp:?} {udp:?}");
            assert_eq!(set.tcp_ports.contains(443), tcp.is_some());
        }
    }

    #[test]
    fn every_built_in_set_survives_json() {
        for set in Catalogue::builtin().unwrap().sets() {
            let json = serde_json::to_string(set).unwrap();
            assert_eq!(
                serde_json::from_str::<EndpointSet>(&json).unwrap(),
                *set,
                "{json}"
            );
        }
    }

    #[test]
    fn json_keys_are_the_web_service_s() {
        let set = EndpointSet::try_from(record()).unwrap();
        let expected = serde_json::json!({
            "source": "corp", "key": "corp:7", "id": 7, "description": "",
            "category": "Default", "required": false, "expressRoute": false,
            "urls": [], "ips": [], "tcpPorts": "443",
        });
        assert_eq!(serde_json::to_value(set).unwrap(), expected);
    }
}
