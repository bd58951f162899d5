//! An edition of the list: what the service published, or what of it is approved.
//!
//! In: the service's answer, or the file that egress stored. Out: endpoint sets in one order, so
//! that equal content has equal bytes and its hash names it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{piece::entries, refusal::Refusal, settings::Question, version::Version};
use crate::{
    catalogue::{
        record::SetRecord,
        set::EndpointSet,
        source::{
            Keys, SourceError,
            builtin::{self, Builtin},
            web_service::{self, PublishedError},
        },
    },
    prefix::canonical,
};

/// Format of the file; another one is refused.
const SCHEMA: &str = "egress.edition/1";

/// Endpoint sets of one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edition {
    pub(super) schema: String,
    /// The instance that it is of.
    pub instance: String,
    /// None of the data that egress brings along, whose version nobody wrote down.
    pub version: Option<Version>,
    /// The sets, by id.
    pub sets: Vec<EndpointSet>,
    /// What is no longer published and still passes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantine: Vec<Quarantined>,
    /// What is new in the answer's form, and harmless.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// Part of a set that is no longer published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// The part, known to selectors as the set was.
    pub set: EndpointSet,
    /// Since when.
    pub since: Timestamp,
    /// When it goes.
    pub until: Timestamp,
    /// The version that lacks it.
    pub version: Option<Version>,
}

impl Edition {
    /// No set at all.
    pub fn empty(instance: &str) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            instance: instance.to_owned(),
            version: None,
            sets: Vec::new(),
            quarantine: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// What egress brings along: the built-in data for Worldwide, nothing for other instances.
    ///
    /// # Errors
    /// Wrong data, which tests rule out.
    pub fn base(question: &Question, source: &str) -> Result<Self, SourceError> {
        let mut base = Self::empty(&question.instance);
        if question.is_worldwide() {
            base.sets = in_order(builtin::sets(Builtin::M365Worldwide, source)?, source);
        }
        Ok(base)
    }

    /// Reads an answer to `/endpoints`.
    ///
    /// # Errors
    /// It is not what the service publishes.
    pub fn published(
        json: &str,
        source: &str,
        instance: &str,
        version: Version,
    ) -> Result<Self, Refusal> {
        let read = web_service::published(json, source).map_err(|fault| match fault {
            PublishedError::Json(fault) => Refusal::from(fault),
            PublishedError::Set(fault) => Refusal::Schema(fault.to_string()),
        })?;
        Ok(Self {
            version: Some(version),
            sets: in_order(read.sets, source),
            remarks: read.remarks,
            ..Self::empty(instance)
        })
    }

    /// Reads what egress stored.
    ///
    /// # Errors
    /// It is no edition, or one of another version of egress.
    pub fn stored(json: &[u8]) -> Result<Self, serde_json::Error> {
        let edition: Self = serde_json::from_slice(json)?;
        if edition.schema != SCHEMA {
            let other = format!("its schema is {}, not {SCHEMA}", edition.schema);
            return Err(serde::de::Error::custom(other));
        }
        Ok(edition)
    }

    /// What of it answers a question: sets of the areas, without IPv6 where that is not wanted.
    #[must_use]
    pub fn restricted(mut self, question: &Question) -> Self {
        let wanted = |set: &EndpointSet| {
            let area = set.service_area.as_deref();
            area.is_none_or(|area| question.wants(area))
        };
        self.sets.retain(wanted);
        self.quarantine.retain(|part| wanted(&part.set));
        if !question.ipv6 {
            let parts = self.quarantine.iter_mut().map(|part| &mut part.set);
            for set in self.sets.iter_mut().chain(parts) {
                set.ips.retain(|prefix| prefix.addr().is_ipv4());
            }
        }
        self
    }

    /// All sets that pass, those in quarantine last.
    pub fn passing(self) -> Vec<EndpointSet> {
        let quarantined = self.quarantine.into_iter().map(|part| part.set);
        self.sets.into_iter().chain(quarantined).collect()
    }

    /// How many prefixes and names the sets list, each counted once.
    pub fn counts(&self) -> (usize, usize) {
        let all = self.sets.iter();
        let prefixes: BTreeSet<_> = all.clone().flat_map(|set| &set.ips).collect();
        let names: BTreeSet<_> = all.flat_map(|set| &set.urls).collect();
        (prefixes.len(), names.len())
    }

    /// Gives all sets their keys: `SOURCE:ID`, behind that `.kept` or `.removed`, and a number where
    /// several have one key.
    pub(super) fn name(&mut self, source: &str) {
        let mut keys = Keys::new(source);
        for set in &mut self.sets {
            let stays = [KEPT, DUPLICATE];
            let stays = stays
                .into_iter()
                .find(|stays| set.local_key().contains(stays));
            let stays = stays.unwrap_or_default();
            set.key = keys.next(format!("{}{stays}", id(set)));
        }
        for part in &mut self.quarantine {
            part.set.key = keys.next(format!("{}{REMOVED}", id(&part.set)));
        }
    }
}

/// Behind the key of what is in quarantine.
pub const REMOVED: &str = ".removed";
/// Behind the key of what is no longer published and stays.
pub const KEPT: &str = ".kept";

/// Behind the key of what the service calls a duplicate and nothing else reaches.
pub const DUPLICATE: &str = ".duplicate";

/// Whether the set is what stays because nothing else reaches it.
pub fn is_duplicate(set: &EndpointSet) -> bool {
    set.local_key().contains(DUPLICATE)
}

/// The service's number of a set.
pub fn id(set: &EndpointSet) -> u32 {
    set.id.unwrap_or_default()
}

/// By id and content, each set once, each entry once.
fn in_order(mut sets: Vec<EndpointSet>, source: &str) -> Vec<EndpointSet> {
    for set in &mut sets {
        set.key.clear();
        set.line = None;
        set.ips = set.ips.iter().copied().map(canonical).collect();
        set.ips.sort_unstable();
        set.ips.dedup();
        set.urls.sort_unstable();
        set.urls.dedup();
    }
    sets.sort_by_cached_key(|set| (id(set), content(set)));
    sets.dedup();
    let mut keys = Keys::new(source);
    for set in &mut sets {
        set.key = keys.next(id(set).to_string());
    }
    sets
}

/// All of a set as one text.
fn content(set: &EndpointSet) -> String {
    let entries: Vec<_> = entries(set).map(|entry| entry.to_string()).collect();
    let SetRecord {
        description,
        service_area,
        category,
        required,
        express_route,
        tcp_ports,
        udp_ports,
        notes,
        ..
    } = SetRecord::from(set.clone());
    format!(
        "{service_area:?} {category} {required} {express_route} {tcp_ports:?} {udp_ports:?} {entries:?} {description} {notes:?}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"{"id": 1, "serviceArea": "Exchange", "ips": ["52.96.0.0/14", "40.96.0.0/13", "2603:1006::/40"],
        "urls": ["b.example.org", "a.example.org"], "tcpPorts": "443,80", "expressRoute": true, "category": "Optimize", "required": true}"#;
    const TWO: &str = r#"{"id": 2, "serviceArea": "Skype", "urls": ["c.example.org"], "tcpPorts": "443",
        "expressRoute": false, "category": "Default", "required": false}"#;

    fn edition(sets: &[&str]) -> Edition {
        let json = format!("[{}]", sets.join(","));
        let version = Version::try_from("2026053100".to_owned()).unwrap();
        Edition::published(&json, "m365", "Worldwide", version).unwrap()
    }

    #[test]
    fn order_and_repetition_make_no_difference() {
        let turned = ONE
            .replace(
                "\"b.example.org\", \"a",
                "\"a.example.org\", \"b.example.org\", \"a",
            )
            .replace(
                "\"52.96.0.0/14\", \"40.96.0.0/13\"",
                "\"40.96.0.0/13\", \"52.96.0.0/14\"",
            )
            .replace("443,80", "80, 443");
        let one = edition(&[ONE, TWO]);
        assert_eq!(edition(&[TWO, &turned, TWO, ONE]), one);
        let keys: Vec<_> = one.sets.iter().map(|set| set.key.as_str()).collect();
        assert_eq!(keys, ["m365:1", "m365:2"]);
        assert_eq!(one.counts(), (3, 3));
    }

    #[test]
    fn a_question_restricts_what_passes() {
        let question = |areas: &[&str], ipv6| Question {
            instance: "Worldwide".to_owned(),
            areas: areas.iter().map(|area| (*area).to_owned()).collect(),
            tenant: None,
            ipv6,
        };
        let table = [
            (question(&["exchange", "Skype"], true), 2, 3),
            (question(&["Skype"], true), 1, 0),
            (question(&["Exchange"], false), 1, 2),
        ];
        for (question, sets, prefixes) in table {
            let left = edition(&[ONE, TWO]).restricted(&question);
            assert_eq!(
                (left.sets.len(), left.counts().0),
                (sets, prefixes),
                "{question:?}"
            );
        }
    }

    #[test]
    fn what_was_stored_comes_back() {
        let one = edition(&[ONE, TWO]);
        let json = serde_json::to_vec(&one).unwrap();
        assert_eq!(Edition::stored(&json).unwrap(), one);
        let other = String::from_utf8(json)
            .unwrap()
            .replace("edition/1", "edition/9");
        assert!(Edition::stored(other.as_bytes()).is_err());
    }

    #[test]
    fn other_instances_begin_empty() {
        let question = |instance: &str| Question {
            instance: instance.to_owned(),
            areas: vec!["Exchange".to_owned()],
            tenant: None,
            ipv6: true,
        };
        assert_eq!(
            Edition::base(&question("worldwide"), "m")
                .unwrap()
                .sets
                .len(),
            63
        );
        assert_eq!(
            Edition::base(&question("China"), "m").unwrap().sets.len(),
            0
        );
    }
}
