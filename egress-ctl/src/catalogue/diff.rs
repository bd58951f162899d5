//! Two editions of a source, compared.
//!
//! In: the endpoint sets of both. Out: [`Change`]s of names and prefixes. Order, letter case and
//! duplicates do not matter; a set is the same in both where its id is, or without ids its section.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    record::SetRecord,
    set::{Category, EndpointSet},
};

/// One difference of one name or prefix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
pub struct Change {
    /// What happened.
    pub kind: Kind,
    /// The name or the prefix.
    pub what: String,
    /// The set of the old edition.
    pub from: Option<Place>,
    /// The set of the new edition.
    pub to: Option<Place>,
}

/// What can happen to a name or a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The new edition has it in a set where the old one had not.
    Added,
    /// The old edition has it in a set where the new one has not.
    Removed,
    /// It stands in another set.
    Moved,
    /// It stands in the same set, whose ports, category or need differ.
    Changed,
}

impl Kind {
    /// In lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Moved => "moved",
            Self::Changed => "changed",
        }
    }
}

/// The set in which something stands, and what the set says of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The id, or the section.
    pub set: String,
    /// TCP ports, empty for none.
    pub tcp_ports: String,
    /// UDP ports, empty for none.
    pub udp_ports: String,
    /// The category.
    pub category: String,
    /// Whether the service fails without it.
    pub required: bool,
}

/// Where each name and prefix stands, by set.
type Places = BTreeMap<String, BTreeMap<String, Place>>;

/// What differs between the editions, sorted by kind and name.
pub fn diff(old: &[EndpointSet], new: &[EndpointSet]) -> Vec<Change> {
    let (old, new) = (places(old), places(new));
    let all: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let none = BTreeMap::new();
    let mut changes: Vec<_> = all
        .into_iter()
        .flat_map(|what| {
            let (old, new) = (
                old.get(what).unwrap_or(&none),
                new.get(what).unwrap_or(&none),
            );
            changes(what, old, new)
        })
        .collect();
    changes.sort();
    changes
}

fn places(sets: &[EndpointSet]) -> Places {
    let mut places = Places::new();
    let mut all: Vec<&EndpointSet> = sets.iter().filter(|set| !set.extra).collect();
    // Where two sets of one name list the same, the order must not decide.
    all.sort_by_key(|set| {
        (
            set.tcp_ports.to_string(),
            set.udp_ports.to_string(),
            set.required,
        )
    });
    for set in all {
        let place = place(set);
        let names = set.urls.iter().map(ToString::to_string);
        let prefixes = set.ips.iter().map(ToString::to_string);
        for what in names.chain(prefixes) {
            let known = places.entry(what).or_default();
            known
                .entry(place.set.clone())
                .or_insert_with(|| place.clone());
        }
    }
    places
}

fn place(set: &EndpointSet) -> Place {
    let record = SetRecord::from(set.clone());
    let name = match set.id {
        Some(id) => id.to_string(),
        None => set
            .section
            .clone()
            .unwrap_or_else(|| set.local_key().to_owned()),
    };
    Place {
        set: name,
        tcp_ports: record.tcp_ports.unwrap_or_default(),
        udp_ports: record.udp_ports.unwrap_or_default(),
        category: record.category,
        required: record.required,
    }
}

fn changes(
    what: &str,
    old: &BTreeMap<String, Place>,
    new: &BTreeMap<String, Place>,
) -> Vec<Change> {
    let change = |kind, from: Option<&Place>, to: Option<&Place>| Change {
        kind,
        what: what.to_owned(),
        from: from.cloned(),
        to: to.cloned(),
    };
    let both = old
        .iter()
        .filter_map(|(set, from)| Some((from, new.get(set)?)));
    let mut changes: Vec<_> = both
        .filter(|(from, to)| from != to)
        .map(|(from, to)| change(Kind::Changed, Some(from), Some(to)))
        .collect();
    let mut gone = old
        .iter()
        .filter(|(set, _)| !new.contains_key(*set))
        .map(|(_, place)| place);
    let mut come = new
        .iter()
        .filter(|(set, _)| !old.contains_key(*set))
        .map(|(_, place)| place);
    loop {
        changes.push(match (gone.next(), come.next()) {
            (Some(from), Some(to)) => change(Kind::Moved, Some(from), Some(to)),
            (Some(from), None) => change(Kind::Removed, Some(from), None),
            (None, Some(to)) => change(Kind::Added, None, Some(to)),
            (None, None) => return changes,
        });
    }
}

impl Place {
    /// What the set says, in a few words.
    pub fn text(&self) -> String {
        let ports = [("tcp", &self.tcp_ports), ("udp", &self.udp_ports)];
        let ports = ports.iter().filter(|(_, ports)| !ports.is_empty());
        let ports: Vec<_> = ports
            .map(|(protocol, ports)| format!("{protocol} {ports}"))
            .collect();
        let ports = if ports.is_empty() {
            "no port".to_owned()
        } else {
            ports.join(" ")
        };
        let category: &str = self.category.parse().map_or("", Category::name);
        let need = if self.required {
            "required"
        } else {
            "optional"
        };
        format!("{}: {ports}, {category}, {need}", self.set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Catalogue, source::format::Format};

    fn sets(toml: &str) -> Vec<EndpointSet> {
        Format::Toml.read(toml, "x").unwrap().sets
    }

    const OLD: &str = "[[set]]\nid=1\nurls=['a.b','c.d','e.f']\nips=['192.0.2.0/24']\ntcpPorts='443'\n\
        [[set]]\nid=2\nurls=['g.h']\ntcpPorts='80'\n";

    #[test]
    fn changes_have_their_kinds() {
        type Expected<'a> = &'a [(Kind, &'a str)];
        let table: [(&str, &str, Expected<'_>); 8] = [
            ("'c.d',", "", &[(Kind::Removed, "c.d")]),
            ("'c.d'", "'c.d','i.j'", &[(Kind::Added, "i.j")]),
            ("'a.b','c.d'", "'C.D', 'a.b', 'a.b'", &[]),
            (
                "tcpPorts='80'",
                "tcpPorts='80,443'",
                &[(Kind::Changed, "g.h")],
            ),
            (
                "tcpPorts='80'",
                "tcpPorts='80'\ncategory='Allow'",
                &[(Kind::Changed, "g.h")],
            ),
            (
                "tcpPorts='80'",
                "tcpPorts='80'\nrequired=true",
                &[(Kind::Changed, "g.h")],
            ),
            ("id=2", "id=3", &[(Kind::Moved, "g.h")]),
            (
                "192.0.2.0/24",
                "192.0.2.0/25",
                &[
                    (Kind::Added, "192.0.2.0/25"),
                    (Kind::Removed, "192.0.2.0/24"),
                ],
            ),
        ];
        for (from, to, expected) in table {
            let new = OLD.replacen(from, to, 1);
            let found = diff(&sets(OLD), &sets(&new));
            let found: Vec<_> = found.iter().map(|c| (c.kind, c.what.as_str())).collect();
            assert_eq!(found, expected, "{from} to {to}");
        }
    }

    #[test]
    fn what_is_kept_besides_an_edition_is_not_compared() {
        let mut more = sets(OLD);
        let mut extra = sets(&OLD.replace("id=2", "id=3"));
        extra.iter_mut().for_each(|set| set.extra = true);
        more.extend(extra);
        assert_eq!(diff(&sets(OLD), &more), []);
        assert_eq!(diff(&more, &sets(OLD)), []);
    }

    #[test]
    fn places_say_their_ports_category_and_need() {
        let table = [
            ("id=7\ntcpPorts='443'", "7: tcp 443, Default, optional"),
            (
                "id=7\nudpPorts='53'\ncategory='Allow'\nrequired=true",
                "7: udp 53, Allow, required",
            ),
            (
                "id=7\ntcpPorts='80,443'\nudpPorts='443'",
                "7: tcp 80,443 udp 443, Default, optional",
            ),
            ("id=7", "7: no port, Default, optional"),
        ];
        for (set, expected) in table {
            let sets = sets(&format!("[[set]]\nurls=['a.b']\n{set}\n"));
            assert_eq!(place(&sets[0]).text(), expected);
        }
    }

    #[test]
    fn kinds_have_one_name_for_people_and_programs() {
        for kind in [Kind::Added, Kind::Removed, Kind::Moved, Kind::Changed] {
            let name = serde_json::to_value(kind).unwrap();
            assert_eq!(name.as_str(), Some(kind.name()));
        }
    }

    #[test]
    fn an_edition_equals_itself_in_any_order() {
        let catalogue = Catalogue::builtin().unwrap();
        let mut turned = catalogue.sets().to_vec();
        turned.reverse();
        for set in &mut turned {
            set.urls.reverse();
            set.ips.reverse();
        }
        let intune = |sets: &[EndpointSet]| -> Vec<EndpointSet> {
            sets.iter()
                .filter(|set| set.source == "intune")
                .cloned()
                .collect()
        };
        assert_eq!(diff(&intune(catalogue.sets()), &intune(&turned)), []);
    }
}
