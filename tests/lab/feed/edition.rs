//! One edition of the list: endpoint sets by id, whose urls and prefixes have no order, as those of
//! the service have none.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// An endpoint set, with the service's own keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Set {
    /// Its number, which it keeps.
    pub id: u32,
    /// Common, Exchange, SharePoint, Skype or MEM.
    pub service_area: String,
    /// What people read.
    pub service_area_display_name: String,
    /// Names and patterns of names.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub urls: BTreeSet<String>,
    /// Prefixes.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ips: BTreeSet<String>,
    /// Ports and ranges behind commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_ports: Option<String>,
    /// Ports and ranges behind commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub udp_ports: Option<String>,
    /// Whether it is routed over ExpressRoute.
    pub express_route: bool,
    /// Optimize, Allow or Default.
    pub category: String,
    /// Whether anything works without it.
    pub required: bool,
    /// What does not work without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

/// All endpoint sets of one version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edition(BTreeMap<u32, Set>);

/// A text that is no edition.
#[derive(Debug, thiserror::Error)]
pub enum NoEdition {
    /// Not an array of endpoint sets.
    #[error("not an array of endpoint sets: {0}")]
    Form(#[from] serde_json::Error),
    /// Two sets of one id.
    #[error("endpoint set {0} stands there twice")]
    Twice(u32),
}

impl Set {
    /// A set that has nothing but its number.
    pub fn blank(id: u32) -> Self {
        Self {
            id,
            service_area: String::new(),
            service_area_display_name: String::new(),
            urls: BTreeSet::new(),
            ips: BTreeSet::new(),
            tcp_ports: None,
            udp_ports: None,
            express_route: false,
            category: String::new(),
            required: false,
            notes: None,
        }
    }

    /// Puts the set into a service area, whose name for people change records do not tell.
    pub fn belongs_to(&mut self, area: &str) {
        area.clone_into(&mut self.service_area);
        display_name(area).clone_into(&mut self.service_area_display_name);
    }

    /// What matters of it: without the name for people, empty notes and the order of ports.
    #[must_use]
    pub fn normal(mut self) -> Self {
        self.service_area_display_name.clear();
        self.notes = self.notes.filter(|notes| !notes.is_empty());
        self.tcp_ports = self.tcp_ports.map(|ports| sorted(&ports));
        self.udp_ports = self.udp_ports.map(|ports| sorted(&ports));
        self
    }
}

impl Edition {
    /// Reads what `/endpoints` answers.
    pub fn parse(json: &str) -> Result<Self, NoEdition> {
        Self::of(serde_json::from_str::<Vec<Set>>(json)?)
    }

    /// An edition of these sets.
    pub fn of(sets: impl IntoIterator<Item = Set>) -> Result<Self, NoEdition> {
        let mut edition = Self::default();
        for set in sets {
            let id = set.id;
            if edition.put(set).is_some() {
                return Err(NoEdition::Twice(id));
            }
        }
        Ok(edition)
    }

    /// The sets by id.
    pub fn sets(&self) -> impl Iterator<Item = &Set> {
        self.0.values()
    }

    /// The set of an id.
    pub fn set(&self, id: u32) -> Option<&Set> {
        self.0.get(&id)
    }

    /// The set of an id, to be changed.
    pub fn set_mut(&mut self, id: u32) -> Option<&mut Set> {
        self.0.get_mut(&id)
    }

    /// Puts a set in, and returns the one that was there.
    pub fn put(&mut self, set: Set) -> Option<Set> {
        self.0.insert(set.id, set)
    }

    /// Takes a set out.
    pub fn take(&mut self, id: u32) -> Option<Set> {
        self.0.remove(&id)
    }

    /// All prefixes, each once.
    pub fn ips(&self) -> BTreeSet<&str> {
        let ips = self.sets().flat_map(|set| &set.ips);
        ips.map(String::as_str).collect()
    }

    /// The edition of [`Set::normal`] sets, for comparing what matters.
    #[must_use]
    pub fn normal(self) -> Self {
        let sets = self.0.into_iter();
        Self(sets.map(|(id, set)| (id, set.normal())).collect())
    }

    /// The array that `/endpoints` answers.
    pub fn to_json(&self) -> String {
        let sets: Vec<&Set> = self.sets().collect();
        serde_json::to_string(&sets).expect("a set has nothing that JSON has not")
    }
}

/// What the service calls an area.
fn display_name(area: &str) -> &str {
    match area {
        "Common" => "Microsoft 365 Common and Office Online",
        "Exchange" => "Exchange Online",
        "SharePoint" => "SharePoint Online and OneDrive for Business",
        "Skype" => "Microsoft Teams",
        other => other,
    }
}

fn sorted(ports: &str) -> String {
    let mut ports: Vec<&str> = ports.split(',').map(str::trim).collect();
    ports.sort_unstable();
    ports.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETS: &str = r#"[
        {"id": 2, "serviceArea": "Skype", "serviceAreaDisplayName": "Microsoft Teams", "ips": ["52.112.0.0/14"],
         "udpPorts": "3478-3481", "expressRoute": true, "category": "Optimize", "required": true, "notes": ""},
        {"id": 1, "serviceArea": "Common", "serviceAreaDisplayName": "x", "urls": ["b.example", "a.example"],
         "tcpPorts": "443, 80", "expressRoute": false, "category": "Default", "required": false, "new": 1}]"#;

    #[test]
    fn an_edition_is_read_and_written() {
        let edition = Edition::parse(SETS).unwrap();
        assert_eq!(edition.sets().map(|set| set.id).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(edition.ips(), BTreeSet::from(["52.112.0.0/14"]));
        assert_eq!(Edition::parse(&edition.to_json()).unwrap(), edition);
    }

    #[test]
    fn what_does_not_matter_is_not_compared() {
        let edition = Edition::parse(SETS).unwrap().normal();
        assert_eq!(edition.set(1).unwrap().tcp_ports.as_deref(), Some("443,80"));
        assert_eq!(edition.set(2).unwrap().notes, None);
        let swapped = SETS.replace("443, 80", "80,443").replace("\"x\"", "\"y\"");
        assert_eq!(Edition::parse(&swapped).unwrap().normal(), edition);
    }

    #[test]
    fn a_number_that_stands_there_twice_is_an_error() {
        let twice = SETS.replace("\"id\": 2", "\"id\": 1");
        assert!(matches!(Edition::parse(&twice), Err(NoEdition::Twice(1))));
    }
}
