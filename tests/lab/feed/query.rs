//! The parameters of a request: pairs in, in any case, what they ask for out; and an edition as they
//! ask for it.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::edition::{Edition, Set};

/// Is served only to those who ask for it by name.
const ON_DEMAND: &str = "MEM";
/// Comes along whatever is asked for.
const ALWAYS: &str = "Common";
/// Urls in which the service puts a tenant's name, and what becomes of them with one.
const TENANTED: [(&str, &[&str]); 4] = [
    (
        "*.sharepoint.com",
        &["{}.sharepoint.com", "{}-my.sharepoint.com"],
    ),
    ("*-files.sharepoint.com", &["{}-files.sharepoint.com"]),
    ("*-myfiles.sharepoint.com", &["{}-myfiles.sharepoint.com"]),
    (
        "autodiscover.*.onmicrosoft.com",
        &["autodiscover.{}.onmicrosoft.com"],
    ),
];

/// The form of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// What everybody asks for.
    #[default]
    Json,
    /// Comma-separated values.
    Csv,
    /// A feed; of versions only.
    Rss,
}

/// What a request asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// A GUID that stands for the machine.
    pub client: String,
    /// The form of the answer.
    pub format: Format,
    /// Whether earlier versions are listed too.
    pub all_versions: bool,
    /// Which endpoint sets.
    pub selection: Selection,
}

/// Which endpoint sets, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Service areas in lower case; all that come by default if there are none.
    pub areas: BTreeSet<String>,
    /// Replaces placeholders in urls.
    pub tenant: Option<String>,
    /// Leaves IPv6 prefixes out.
    pub no_ipv6: bool,
}

/// Why a request is answered with 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadQuery {
    /// Nobody in particular asks.
    #[error("ClientRequestId is missing: a GUID is required")]
    NoClient,
    /// A client that is no GUID.
    #[error("ClientRequestId {0:?} is not a GUID")]
    NoGuid(String),
    /// An unknown format.
    #[error("format {0:?} is not one of JSON, CSV, RSS")]
    Format(String),
    /// Neither true nor false.
    #[error("{0} must be true or false")]
    Flag(&'static str),
}

impl Query {
    /// Reads the pairs; what is not known is ignored, as the service does.
    pub fn parse(pairs: &[(String, String)]) -> Result<Self, BadQuery> {
        let value = |key: &str| {
            let mut pairs = pairs.iter();
            let found = pairs.find(|(name, _)| name.eq_ignore_ascii_case(key));
            found
                .map(|(_, value)| value.trim())
                .filter(|value| !value.is_empty())
        };
        let areas = value("ServiceAreas").unwrap_or_default().split(',');
        Ok(Self {
            client: guid(value("ClientRequestId"))?,
            format: format(value("format"))?,
            all_versions: flag("AllVersions", value("AllVersions"))?,
            selection: Selection {
                areas: areas
                    .map(|area| area.trim().to_ascii_lowercase())
                    .filter(|area| !area.is_empty())
                    .collect(),
                tenant: value("TenantName").map(str::to_owned),
                no_ipv6: flag("NoIPv6", value("NoIPv6"))?,
            },
        })
    }
}

impl Selection {
    /// The sets of an edition that it asks for.
    pub fn of(&self, edition: &Edition) -> Vec<Set> {
        let sets = edition
            .sets()
            .filter(|set| self.includes(&set.service_area));
        sets.filter_map(|set| self.shaped(set.clone())).collect()
    }

    /// Whether it asks for a service area.
    pub fn includes(&self, area: &str) -> bool {
        if self.areas.is_empty() {
            return area != ON_DEMAND;
        }
        area == ALWAYS || self.areas.contains(&area.to_ascii_lowercase())
    }

    /// A set without what is not asked for; none where nothing is left.
    fn shaped(&self, mut set: Set) -> Option<Set> {
        let had_ips = !set.ips.is_empty();
        if self.no_ipv6 {
            set.ips.retain(|ip| !is_ipv6(ip));
        }
        if let Some(tenant) = &self.tenant {
            set.urls = set
                .urls
                .iter()
                .flat_map(|url| of_tenant(url, tenant))
                .collect();
        }
        let lost_all = had_ips && set.ips.is_empty() && set.urls.is_empty();
        (!lost_all).then_some(set)
    }
}

fn guid(value: Option<&str>) -> Result<String, BadQuery> {
    let value = value.ok_or(BadQuery::NoClient)?;
    let lengths = value.split('-').map(str::len);
    let is_hex = value.chars().all(|c| c == '-' || c.is_ascii_hexdigit());
    if !is_hex || !lengths.eq([8, 4, 4, 4, 12]) {
        return Err(BadQuery::NoGuid(value.to_owned()));
    }
    Ok(value.to_ascii_lowercase())
}

fn format(value: Option<&str>) -> Result<Format, BadQuery> {
    let value = value.unwrap_or("JSON");
    match value.to_ascii_uppercase().as_str() {
        "JSON" => Ok(Format::Json),
        "CSV" => Ok(Format::Csv),
        "RSS" => Ok(Format::Rss),
        _ => Err(BadQuery::Format(value.to_owned())),
    }
}

fn flag(key: &'static str, value: Option<&str>) -> Result<bool, BadQuery> {
    let value = value.unwrap_or("false").to_ascii_lowercase();
    value.parse().map_err(|_| BadQuery::Flag(key))
}

fn is_ipv6(ip: &str) -> bool {
    matches!(ip.parse(), Ok(IpNet::V6(_)))
}

fn of_tenant(url: &str, tenant: &str) -> Vec<String> {
    let known = TENANTED.iter().find(|(placeholder, _)| *placeholder == url);
    match known {
        Some((_, forms)) => forms
            .iter()
            .map(|form| form.replace("{}", tenant))
            .collect(),
        None => vec![url.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "B10C5ED1-bad1-445f-b386-b919946339a7";

    type Pairs<'a> = &'a [(&'a str, &'a str)];

    fn query(pairs: Pairs<'_>) -> Result<Query, BadQuery> {
        let owned = pairs
            .iter()
            .map(|(key, value)| (key.to_string(), value.to_string()));
        Query::parse(&owned.collect::<Vec<_>>())
    }

    fn selection(pairs: Pairs<'_>) -> Selection {
        query(&[&[("clientrequestid", GUID)], pairs].concat())
            .unwrap()
            .selection
    }

    fn edition() -> Edition {
        let set = |id, area: &str, urls: &[&str], ips: &[&str]| {
            let mut set = Set::blank(id);
            set.belongs_to(area);
            set.urls = urls.iter().map(ToString::to_string).collect();
            set.ips = ips.iter().map(ToString::to_string).collect();
            set
        };
        Edition::of([
            set(
                1,
                "Common",
                &["a.example"],
                &["40.96.0.0/13", "2603:1006::/40"],
            ),
            set(2, "Skype", &[], &["2620:1ec:40::/42"]),
            set(3, "SharePoint", &["*.sharepoint.com", "*.svc.ms"], &[]),
            set(4, "MEM", &["m.example"], &[]),
        ])
        .unwrap()
    }

    #[test]
    fn keys_and_values_come_in_any_case() {
        let pairs = [
            ("CLIENTREQUESTID", GUID),
            ("Format", "csv"),
            ("allversions", "True"),
            ("x", "y"),
        ];
        let query = query(&pairs).unwrap();
        assert_eq!(query.client, GUID.to_ascii_lowercase());
        assert_eq!((query.format, query.all_versions), (Format::Csv, true));
    }

    #[test]
    fn a_request_is_refused_in_words() {
        let table: [(Pairs<'_>, &str); 6] = [
            (&[], "ClientRequestId is missing: a GUID is required"),
            (
                &[("ClientRequestId", " ")],
                "ClientRequestId is missing: a GUID is required",
            ),
            (
                &[("ClientRequestId", "me")],
                "ClientRequestId \"me\" is not a GUID",
            ),
            (
                &[("ClientRequestId", "b10c5ed1bad1445fb386b919946339a7")],
                "is not a GUID",
            ),
            (
                &[("ClientRequestId", GUID), ("format", "xml")],
                "format \"xml\" is not one of JSON, CSV, RSS",
            ),
            (
                &[("ClientRequestId", GUID), ("NoIPv6", "1")],
                "NoIPv6 must be true or false",
            ),
        ];
        for (pairs, expected) in table {
            let error = query(pairs).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn areas_select_sets() {
        let table: [(Pairs<'_>, &[u32]); 4] = [
            (&[], &[1, 2, 3]),
            (&[("ServiceAreas", "skype")], &[1, 2]),
            (&[("ServiceAreas", "MEM")], &[1, 4]),
            (
                &[("ServiceAreas", "Common, Exchange,MEM,Skype")],
                &[1, 2, 4],
            ),
        ];
        for (pairs, expected) in table {
            let sets = selection(pairs).of(&edition());
            assert_eq!(
                sets.iter().map(|set| set.id).collect::<Vec<_>>(),
                expected,
                "{pairs:?}"
            );
        }
    }

    #[test]
    fn without_ipv6_sets_of_it_alone_are_gone() {
        let sets = selection(&[("NoIPv6", "true")]).of(&edition());
        assert_eq!(sets.iter().map(|set| set.id).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(sets[0].ips, BTreeSet::from(["40.96.0.0/13".to_owned()]));
    }

    #[test]
    fn a_tenant_fills_its_placeholders_only() {
        let sets = selection(&[("TenantName", "contoso")]).of(&edition());
        let urls = [
            "*.svc.ms",
            "contoso-my.sharepoint.com",
            "contoso.sharepoint.com",
        ];
        assert_eq!(sets[2].urls, urls.map(str::to_owned).into());
    }
}
