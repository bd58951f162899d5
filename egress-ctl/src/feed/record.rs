//! The service's change records.
//!
//! In: an answer to `/changes`, and the edition before. Out: what the records say of single entries,
//! and where they disagree with the edition that they should lead to.

use std::collections::{BTreeMap, BTreeSet};

use egress_common::pattern::NamePattern;
use ipnet::IpNet;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{
    edition::{Edition, id},
    piece::{Entry, entries},
    refusal::Refusal,
    settings::Question,
};
use crate::{catalogue::record::prefix, prefix::canonical};

/// The impact of a removal that must not shrink what is reachable.
const DUPLICATE: &str = "RemovedDuplicateIpOrUrl";

/// Impacts that are documented.
const IMPACTS: [&str; 9] = [
    "AddedIp",
    "AddedUrl",
    "AddedIpAndUrl",
    "AddedSubstituteUrl",
    "RemovedIpOrUrl",
    "ChangedIsExpressRoute",
    "MovedIpOrUrl",
    DUPLICATE,
    "OtherNonPriorityChanges",
];

/// All records between two editions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records(Vec<Record>);

/// One change of one set, as far as it is used; keys that come to it are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    endpoint_set_id: u32,
    disposition: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    impact: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<Said>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<Said>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    add: Option<Items>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remove: Option<Items>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Items {
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_date: Option<String>,
    ips: Vec<String>,
    urls: Vec<String>,
}

/// What a set is or was, as far as it is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Said {
    #[serde(skip_serializing_if = "Option::is_none")]
    service_area: Option<String>,
}

impl Record {
    /// Whether it may be about a set of the areas that are asked for.
    fn is_of(&self, question: &Question) -> bool {
        let areas = [&self.current, &self.previous];
        let mut areas = areas
            .into_iter()
            .flatten()
            .filter_map(|said| said.service_area.as_ref());
        let first = areas.next();
        first.is_none_or(|area| question.wants(area) || areas.any(|area| question.wants(area)))
    }
}

impl Items {
    /// What can be parsed; the rest shows as a difference to the edition.
    fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        let ips = self.ips.iter().filter_map(|text| prefix(text).ok());
        let urls = self
            .urls
            .iter()
            .filter_map(|text| text.parse::<NamePattern>().ok());
        let ips = ips.map(|prefix| Entry::Prefix(canonical(prefix)));
        ips.chain(urls.map(Entry::Name))
    }

    fn effective(&self) -> Option<Date> {
        Date::strptime("%Y%m%d", self.effective_date.as_deref()?).ok()
    }
}

impl Records {
    /// Reads an answer to `/changes`.
    ///
    /// # Errors
    /// It is no list of change records.
    pub fn read(json: &str) -> Result<Self, Refusal> {
        Ok(serde_json::from_str(json)?)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// From when each added entry of a set should be used: advice.
    pub fn effective(&self) -> BTreeMap<(u32, Entry), Date> {
        let mut dates = BTreeMap::new();
        for record in &self.0 {
            let Some((add, date)) = record
                .add
                .as_ref()
                .and_then(|add| Some((add, add.effective()?)))
            else {
                continue;
            };
            dates.extend(
                add.entries()
                    .map(|entry| ((record.endpoint_set_id, entry), date)),
            );
        }
        dates
    }

    /// Entries of sets that are called duplicates of what stays.
    pub fn duplicates(&self) -> BTreeSet<(u32, Entry)> {
        let records = self.0.iter();
        let such = records.filter(|record| record.impact.as_deref() == Some(DUPLICATE));
        such.flat_map(|record| {
            let removed = record.remove.iter().flat_map(Items::entries);
            removed.map(|entry| (record.endpoint_set_id, entry))
        })
        .collect()
    }

    /// Impacts that nobody documents.
    pub fn unknown_impacts(&self) -> BTreeSet<&str> {
        let impacts = self.0.iter().filter_map(|record| record.impact.as_deref());
        impacts.filter(|impact| !IMPACTS.contains(impact)).collect()
    }

    /// Where the records, replayed on `old`, do not give `new`; both are answers to `question`, which
    /// records are not.
    pub fn disagree(&self, old: &Edition, new: &Edition, question: &Question) -> Vec<String> {
        let mut replayed = listed(old);
        let wanted = |entry: &Entry| {
            let ipv6 = matches!(entry, Entry::Prefix(IpNet::V6(_)));
            question.ipv6 || !ipv6
        };
        for record in self.0.iter().filter(|record| record.is_of(question)) {
            let id = record.endpoint_set_id;
            if record.disposition.eq_ignore_ascii_case("remove") {
                replayed.remove(&id);
                continue;
            }
            let set = replayed.entry(id).or_default();
            for entry in record.remove.iter().flat_map(Items::entries) {
                set.remove(&entry);
            }
            set.extend(record.add.iter().flat_map(Items::entries).filter(wanted));
        }
        disagreements(&replayed, &listed(new))
    }
}

type Listed = BTreeMap<u32, BTreeSet<Entry>>;

fn listed(edition: &Edition) -> Listed {
    let mut listed = Listed::new();
    for set in &edition.sets {
        listed.entry(id(set)).or_default().extend(entries(set));
    }
    listed
}

fn disagreements(records: &Listed, answer: &Listed) -> Vec<String> {
    let none = BTreeSet::new();
    let ids: BTreeSet<_> = records.keys().chain(answer.keys()).collect();
    ids.into_iter()
        .flat_map(|id| {
            let [said, is] = [records, answer].map(|listed| listed.get(id).unwrap_or(&none));
            let only_answer = is.difference(said);
            let only_answer = only_answer.map(move |entry| {
                format!(
                    "id {id}: {entry} is in the answer, but the change records do not lead to it"
                )
            });
            let only_records = said.difference(is);
            let only_records = only_records.map(move |entry| {
                format!(
                    "id {id}: {entry} is not in the answer, but the change records leave it there"
                )
            });
            only_answer.chain(only_records)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::version::Version;

    fn edition(sets: &[(u32, &str)]) -> Edition {
        let set = |(id, urls): &(u32, &str)| {
            let urls: Vec<_> = urls
                .split_whitespace()
                .map(|url| format!("{url:?}"))
                .collect();
            format!(
                r#"{{"id": {id}, "serviceArea": "X", "urls": [{}], "tcpPorts": "443", "expressRoute": false, "category": "Allow", "required": true}}"#,
                urls.join(",")
            )
        };
        let json = format!("[{}]", sets.iter().map(set).collect::<Vec<_>>().join(","));
        let version = Version::try_from("2026053100".to_owned()).unwrap();
        Edition::published(&json, "m365", "X", version).unwrap()
    }

    const RECORDS: &str = r#"[
        {"id": 1, "endpointSetId": 1, "disposition": "Change", "impact": "AddedUrl", "version": "2026063000",
         "add": {"effectiveDate": "20261201", "urls": ["new.b.c"]}},
        {"id": 2, "endpointSetId": 1, "disposition": "change", "impact": "RemovedDuplicateIpOrUrl", "version": "2026063000",
         "remove": {"urls": ["old.b.c"]}},
        {"id": 3, "endpointSetId": 2, "disposition": "Remove", "version": "2026063000", "previous": {"category": "Allow"}},
        {"id": 4, "endpointSetId": 3, "disposition": "Change", "impact": "Tomorrow", "version": "2026063000", "add": null}
    ]"#;

    #[test]
    fn records_say_when_and_why() {
        let records = Records::read(RECORDS).unwrap();
        let name = |text: &str| Entry::Name(text.parse().unwrap());
        let date = records.effective()[&(1, name("new.b.c"))];
        assert_eq!(date.to_string(), "2026-12-01");
        assert!(records.duplicates().contains(&(1, name("old.b.c"))));
        assert_eq!(records.unknown_impacts(), BTreeSet::from(["Tomorrow"]));
        assert!(Records::read("<html>").is_err());
    }

    #[test]
    fn records_are_checked_against_the_answer() {
        let records = Records::read(RECORDS).unwrap();
        let question = Question {
            instance: "X".to_owned(),
            areas: vec!["X".to_owned()],
            tenant: None,
            ipv6: true,
        };
        let old = edition(&[(1, "a.b.c old.b.c"), (2, "g.h.i"), (3, "x.y.z")]);
        let new = edition(&[(1, "a.b.c new.b.c"), (3, "x.y.z")]);
        assert_eq!(
            records.disagree(&old, &new, &question),
            Vec::<String>::new()
        );
        let other = edition(&[(1, "a.b.c new.b.c more.b.c"), (3, "")]);
        assert_eq!(
            records.disagree(&old, &other, &question),
            [
                "id 1: more.b.c is in the answer, but the change records do not lead to it",
                "id 3: x.y.z is not in the answer, but the change records leave it there",
            ]
        );
    }
}
