//! The change records that lead from one edition to another, in the service's manner: one record
//! for each set and impact.
//!
//! What is not documented is decided thus. An addition is effective 30 days after its version, as
//! announced. An item that leaves a set is moved if another set gains it, a duplicate if something
//! that stays covers it, and removed otherwise. A value that vanishes is null where its record has
//! nothing else in `current`, and missing there otherwise: both are in the real data. Wider ports are
//! `AddedIpAndUrl` without an `add`, as record 367 of the service has it.

use std::collections::BTreeSet;

use ipnet::IpNet;
use jiff::ToSpan as _;

use super::attribute::Attribute;
use super::change::{Added, Attributes, Change, Disposition, Items};
use super::edition::{Edition, Set};
use super::version::Version;

const NOTICE_DAYS: i32 = 30;

/// The records from one edition to the next, numbered from `first`.
pub fn changes(before: &Edition, after: &Edition, version: Version, first: u32) -> Vec<Change> {
    let step = Step {
        before,
        after,
        version,
    };
    let ids = before.sets().chain(after.sets()).map(|set| set.id);
    let ids: BTreeSet<u32> = ids.collect();
    let records = ids.into_iter().flat_map(|id| step.records(id));
    (first..)
        .zip(records)
        .map(|(id, record)| Change { id, ..record })
        .collect()
}

struct Step<'a> {
    before: &'a Edition,
    after: &'a Edition,
    version: Version,
}

impl Step<'_> {
    fn records(&self, id: u32) -> Vec<Change> {
        match (self.before.set(id), self.after.set(id)) {
            (None, None) => Vec::new(),
            (None, Some(set)) => vec![self.new_set(set)],
            (Some(set), None) => vec![self.lost_set(set)],
            (Some(old), Some(new)) => self.changed_set(old, new),
        }
    }

    fn new_set(&self, set: &Set) -> Change {
        let items = Items::of(set);
        let moved = items.all(|item| self.left_another(item, set.id));
        Change {
            disposition: Disposition::Add,
            current: Some(attributes(set)),
            ..self.addition(
                set.id,
                if moved { "MovedIpOrUrl" } else { added(&items) },
                items,
            )
        }
    }

    fn lost_set(&self, set: &Set) -> Change {
        let items = Items::of(set);
        let moved = items.all(|item| self.joined_another(item, set.id));
        Change {
            disposition: Disposition::Remove,
            previous: Some(attributes(set)),
            ..self.removal(
                set.id,
                if moved {
                    "MovedIpOrUrl"
                } else {
                    "RemovedIpOrUrl"
                },
                items,
            )
        }
    }

    fn changed_set(&self, old: &Set, new: &Set) -> Vec<Change> {
        let id = new.id;
        let (moved_in, come) = Items::of(new)
            .without(&Items::of(old))
            .split(|item| self.left_another(item, id));
        let (moved_out, gone) = Items::of(old)
            .without(&Items::of(new))
            .split(|item| self.joined_another(item, id));
        let (duplicate, lost) = gone.split(|item| self.is_still_covered(item));
        let additions = [("MovedIpOrUrl", moved_in), (added(&come), come)];
        let removals = [
            ("MovedIpOrUrl", moved_out),
            ("RemovedDuplicateIpOrUrl", duplicate),
            ("RemovedIpOrUrl", lost),
        ];
        let additions = additions
            .into_iter()
            .filter(|(_, items)| !items.is_empty())
            .map(|(impact, items)| self.addition(id, impact, items));
        let removals = removals
            .into_iter()
            .filter(|(_, items)| !items.is_empty())
            .map(|(impact, items)| self.removal(id, impact, items));
        let altered = self.altered(old, new);
        altered
            .into_iter()
            .chain(additions)
            .chain(removals)
            .collect()
    }

    fn altered(&self, old: &Set, new: &Set) -> Option<Change> {
        let differ = |attribute: &Attribute| attribute.of(old) != attribute.of(new);
        let differing: Vec<_> = Attribute::ALL.into_iter().filter(differ).collect();
        if differing.is_empty() {
            return None;
        }
        let values = |set: &Set| -> Attributes {
            let values = differing.iter().map(|key| (*key, key.of(set)));
            values.filter(|(_, value)| value.is_some()).collect()
        };
        let mut current = values(new);
        if current.is_empty() {
            current = differing.iter().map(|key| (*key, None)).collect();
        }
        let previous = Some(values(old)).filter(|values| !values.is_empty());
        Some(Change {
            previous,
            current: Some(current),
            ..self.blank(new.id, impact_of(&differing, old, new))
        })
    }

    fn addition(&self, set: u32, impact: &str, items: Items) -> Change {
        let add = (!items.is_empty()).then(|| Added {
            effective_date: self.effective_date(),
            items,
        });
        Change {
            add,
            ..self.blank(set, impact)
        }
    }

    fn removal(&self, set: u32, impact: &str, items: Items) -> Change {
        Change {
            remove: Some(items).filter(|items| !items.is_empty()),
            ..self.blank(set, impact)
        }
    }

    fn blank(&self, set: u32, impact: &str) -> Change {
        Change {
            id: 0,
            endpoint_set_id: set,
            disposition: Disposition::Change,
            impact: Some(impact.to_owned()),
            version: self.version,
            previous: None,
            current: None,
            add: None,
            remove: None,
        }
    }

    fn effective_date(&self) -> String {
        let day = self.version.day();
        let effective = day.and_then(|day| day.checked_add(NOTICE_DAYS.days()).ok());
        match effective {
            Some(day) => day.strftime("%Y%m%d").to_string(),
            None => self.version.to_string()[..8].to_owned(),
        }
    }

    /// Whether another set had it and has it no longer.
    fn left_another(&self, item: &str, id: u32) -> bool {
        let others = self
            .before
            .sets()
            .filter(|set| set.id != id && has(set, item));
        others
            .map(|set| self.after.set(set.id))
            .any(|now| now.is_none_or(|set| !has(set, item)))
    }

    /// Whether another set has it and did not have it.
    fn joined_another(&self, item: &str, id: u32) -> bool {
        let others = self
            .after
            .sets()
            .filter(|set| set.id != id && has(set, item));
        others
            .map(|set| self.before.set(set.id))
            .any(|then| then.is_none_or(|set| !has(set, item)))
    }

    fn is_still_covered(&self, item: &str) -> bool {
        let mut entries = self
            .after
            .sets()
            .flat_map(|set| set.ips.iter().chain(&set.urls));
        match item.parse::<IpNet>() {
            Ok(net) => entries.any(|entry| {
                let wider: Result<IpNet, _> = entry.parse();
                wider.is_ok_and(|wider| wider.contains(&net))
            }),
            Err(_) => entries.any(|entry| covers(entry, item)),
        }
    }
}

impl Items {
    fn of(set: &Set) -> Self {
        Self {
            ips: set.ips.clone(),
            urls: set.urls.clone(),
        }
    }

    fn without(self, other: &Self) -> Self {
        Self {
            ips: &self.ips - &other.ips,
            urls: &self.urls - &other.urls,
        }
    }

    /// Those for which it holds, and the rest.
    fn split(self, holds: impl Fn(&str) -> bool) -> (Self, Self) {
        let halves = |items: BTreeSet<String>| items.into_iter().partition(|item| holds(item));
        let (ips, other_ips) = halves(self.ips);
        let (urls, other_urls) = halves(self.urls);
        let rest = Self {
            ips: other_ips,
            urls: other_urls,
        };
        (Self { ips, urls }, rest)
    }

    /// Whether there is something, and it holds for all of it.
    fn all(&self, holds: impl Fn(&str) -> bool) -> bool {
        !self.is_empty() && self.ips.iter().chain(&self.urls).all(|item| holds(item))
    }
}

fn has(set: &Set, item: &str) -> bool {
    set.ips.contains(item) || set.urls.contains(item)
}

/// Whether one url stands for the other as well.
fn covers(entry: &str, url: &str) -> bool {
    let tail = entry.strip_prefix('*');
    entry == url || tail.is_some_and(|tail| url.len() > tail.len() && url.ends_with(tail))
}

fn attributes(set: &Set) -> Attributes {
    let values = Attribute::ALL.map(|attribute| (attribute, attribute.of(set)));
    let present = values.into_iter().filter(|(_, value)| value.is_some());
    present.collect()
}

fn added(items: &Items) -> &'static str {
    match (items.ips.is_empty(), items.urls.is_empty()) {
        (false, true) => "AddedIp",
        (true, false) => "AddedUrl",
        _ => "AddedIpAndUrl",
    }
}

fn impact_of(differing: &[Attribute], old: &Set, new: &Set) -> &'static str {
    if differing.contains(&Attribute::ExpressRoute) {
        return "ChangedIsExpressRoute";
    }
    let ports = [Attribute::TcpPorts, Attribute::UdpPorts];
    let wider = |attribute: &Attribute| {
        let (then, now) = (attribute.of(old), attribute.of(new));
        differing.contains(attribute) && listed(&then).is_subset(&listed(&now))
    };
    if ports.iter().any(wider) {
        return "AddedIpAndUrl";
    }
    "OtherNonPriorityChanges"
}

fn listed(ports: &Option<String>) -> BTreeSet<&str> {
    let ports = ports.as_deref().unwrap_or_default().split(',');
    ports
        .map(str::trim)
        .filter(|range| !range.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::feed::apply::apply;
    use crate::feed::random;

    fn set(id: u32, ips: &[&str], urls: &[&str]) -> Set {
        let mut set = Set::blank(id);
        set.belongs_to("Common");
        set.category = "Allow".to_owned();
        set.tcp_ports = Some("443".to_owned());
        set.ips = ips.iter().map(ToString::to_string).collect();
        set.urls = urls.iter().map(ToString::to_string).collect();
        set
    }

    fn records(before: &[Set], after: &[Set]) -> Vec<Value> {
        let edition = |sets: &[Set]| Edition::of(sets.to_vec()).unwrap();
        let version = "2026053100".parse().unwrap();
        let changes = changes(&edition(before), &edition(after), version, 400);
        assert_eq!(apply(edition(before), &changes).unwrap(), edition(after));
        let json = |change: &Change| serde_json::to_value(change).unwrap();
        changes.iter().map(json).collect()
    }

    fn impacts(records: &[Value]) -> Vec<&str> {
        records
            .iter()
            .filter_map(|record| record["impact"].as_str())
            .collect()
    }

    #[test]
    fn items_come_and_go_in_records_of_their_own() {
        let old = set(1, &["40.96.0.0/13"], &["gone.example"]);
        let new = set(1, &["40.96.0.0/13", "52.96.0.0/14"], &["new.example"]);
        let records = records(&[old], &[new]);
        let expected = json!([
            {"id": 400, "endpointSetId": 1, "disposition": "Change", "impact": "AddedIpAndUrl", "version": "2026053100",
             "add": {"effectiveDate": "20260630", "ips": ["52.96.0.0/14"], "urls": ["new.example"]}},
            {"id": 401, "endpointSetId": 1, "disposition": "Change", "impact": "RemovedIpOrUrl", "version": "2026053100",
             "remove": {"urls": ["gone.example"]}},
        ]);
        assert_eq!(Value::from(records), expected);
    }

    #[test]
    fn booleans_are_text_and_a_change_of_express_route_is_named() {
        let old = set(1, &["40.96.0.0/13"], &[]);
        let new = Set {
            express_route: true,
            ..old.clone()
        };
        let record = &records(&[old], &[new])[0];
        assert_eq!(record["impact"], "ChangedIsExpressRoute");
        assert_eq!(record["previous"], json!({"expressRoute": "false"}));
        assert_eq!(record["current"], json!({"expressRoute": "true"}));
    }

    #[test]
    fn a_value_that_vanishes_alone_is_null_and_beside_others_is_left_out() {
        let noted = Set {
            notes: Some("n".to_owned()),
            ..set(1, &[], &["a.example"])
        };
        let bare = set(1, &[], &["a.example"]);
        let alone = &records(from_ref(&noted), from_ref(&bare))[0];
        assert_eq!(alone["current"], json!({"notes": null}));
        let other = Set {
            category: "Default".to_owned(),
            ..bare
        };
        let beside = &records(&[noted], &[other])[0];
        assert_eq!(
            beside["previous"],
            json!({"category": "Allow", "notes": "n"})
        );
        assert_eq!(beside["current"], json!({"category": "Default"}));
    }

    #[test]
    fn wider_ports_are_an_addition_that_adds_nothing() {
        let old = set(1, &[], &["a.example"]);
        let new = Set {
            tcp_ports: Some("80,443".to_owned()),
            ..old.clone()
        };
        let records = records(&[old], &[new]);
        assert_eq!(impacts(&records), ["AddedIpAndUrl"]);
        assert!(records[0].get("add").is_none(), "{records:?}");
    }

    #[test]
    fn what_changes_sets_is_moved_in_both() {
        let before = [
            set(1, &["52.108.0.0/14"], &["x.example"]),
            set(2, &[], &["y.example"]),
        ];
        let after = [
            set(1, &[], &["x.example"]),
            set(2, &["52.108.0.0/14"], &["y.example"]),
        ];
        let records = records(&before, &after);
        assert_eq!(impacts(&records), ["MovedIpOrUrl", "MovedIpOrUrl"]);
        assert_eq!(records[0]["remove"], json!({"ips": ["52.108.0.0/14"]}));
        assert_eq!(records[1]["add"]["ips"], json!(["52.108.0.0/14"]));
    }

    #[test]
    fn what_something_else_covers_is_a_duplicate() {
        let table: [(&[&str], &[&str]); 3] = [
            (&["40.96.1.0/24"], &[]),
            (&[], &["a.b.example"]),
            (&["40.96.1.0/24"], &["b-files.example"]),
        ];
        for (ips, urls) in table {
            let wide = set(2, &["40.96.0.0/13"], &["*.b.example", "*-files.example"]);
            let before = [
                set(1, &[&["20.0.0.0/16"], ips].concat(), urls),
                wide.clone(),
            ];
            let after = [set(1, &["20.0.0.0/16"], &[]), wide];
            assert_eq!(
                impacts(&records(&before, &after)),
                ["RemovedDuplicateIpOrUrl"]
            );
        }
    }

    #[test]
    fn whole_sets_come_and_go_with_all_they_have() {
        let stays = set(1, &[], &["a.example"]);
        let other = set(2, &["52.96.0.0/14"], &[]);
        let come = &records(from_ref(&stays), &[stays.clone(), other.clone()])[0];
        assert_eq!(
            (&come["disposition"], &come["impact"]),
            (&json!("Add"), &json!("AddedIp"))
        );
        assert_eq!(come["current"]["required"], "false");
        assert!(come.get("previous").is_none());
        let gone = &records(&[stays.clone(), other], &[stays])[0];
        assert_eq!(
            (&gone["disposition"], &gone["impact"]),
            (&json!("Remove"), &json!("RemovedIpOrUrl"))
        );
        assert_eq!(gone["remove"], json!({"ips": ["52.96.0.0/14"]}));
    }

    #[test]
    fn nothing_is_said_of_what_stays() {
        let sets = [set(1, &["52.96.0.0/14"], &["a.example"])];
        assert!(records(&sets, &sets).is_empty());
    }

    #[test]
    fn a_version_that_is_no_day_is_its_own_date() {
        let (before, after) = (
            Edition::default(),
            Edition::of([set(1, &["1.0.0.0/8"], &[])]).unwrap(),
        );
        let changes = changes(&before, &after, "2026999900".parse().unwrap(), 1);
        assert_eq!(changes[0].add.as_ref().unwrap().effective_date, "20269999");
    }

    proptest! {
        #[test]
        fn replaying_what_is_derived_gives_the_newer_edition(a in random::edition(), b in random::edition()) {
            let changes = changes(&a, &b, "2026053100".parse().unwrap(), 1);
            prop_assert_eq!(apply(a, &changes).unwrap(), b);
        }

        #[test]
        fn records_survive_being_written(a in random::edition(), b in random::edition()) {
            let changes = changes(&a, &b, "2026053100".parse().unwrap(), 1);
            let text = serde_json::to_string(&changes).unwrap();
            prop_assert_eq!(serde_json::from_str::<Vec<Change>>(&text).unwrap(), changes);
        }
    }
}
