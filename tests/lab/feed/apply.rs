//! Replaying: an edition and the change records after it in, the newer edition out.
//!
//! Strict, so that a replay that works is a proof: what a record changes must be there.

use super::attribute::BadValue;
use super::change::{Attributes, Change, Disposition, Items};
use super::edition::{Edition, Set};

/// A record that does not fit the edition.
#[derive(Debug, thiserror::Error)]
#[error("change record {record}, endpoint set {set}: {misfit}")]
pub struct ApplyError {
    record: u32,
    set: u32,
    misfit: Misfit,
}

/// Why a record does not fit.
#[derive(Debug, thiserror::Error)]
pub enum Misfit {
    /// It adds what is there.
    #[error("it adds a set that is there already")]
    Present,
    /// It changes what is not there.
    #[error("it is about a set that is not there")]
    Absent,
    /// It removes what is not there.
    #[error("it removes {0}, which the set does not have")]
    NotThere(String),
    /// It gives an attribute an impossible value.
    #[error(transparent)]
    Value(#[from] BadValue),
}

/// The edition after all records, in their order.
pub fn apply(mut edition: Edition, changes: &[Change]) -> Result<Edition, ApplyError> {
    for change in changes {
        one(&mut edition, change).map_err(|misfit| ApplyError {
            record: change.id,
            set: change.endpoint_set_id,
            misfit,
        })?;
    }
    Ok(edition)
}

fn one(edition: &mut Edition, change: &Change) -> Result<(), Misfit> {
    let id = change.endpoint_set_id;
    match change.disposition {
        Disposition::Remove => edition.take(id).map(drop).ok_or(Misfit::Absent),
        Disposition::Change => alter(edition.set_mut(id).ok_or(Misfit::Absent)?, change),
        Disposition::Add if edition.set(id).is_some() => Err(Misfit::Present),
        Disposition::Add => {
            let mut set = Set::blank(id);
            alter(&mut set, change)?;
            edition.put(set);
            Ok(())
        }
    }
}

fn alter(set: &mut Set, change: &Change) -> Result<(), Misfit> {
    let none = Attributes::new();
    let previous = change.previous.as_ref().unwrap_or(&none);
    let current = change.current.as_ref().unwrap_or(&none);
    let gone = previous.keys().filter(|key| !current.contains_key(key));
    for attribute in gone {
        attribute.put(set, None)?;
    }
    for (attribute, value) in current {
        attribute.put(set, value.clone())?;
    }
    if let Some(items) = &change.remove {
        remove(set, items)?;
    }
    if let Some(added) = &change.add {
        set.ips.extend(added.items.ips.iter().cloned());
        set.urls.extend(added.items.urls.iter().cloned());
    }
    Ok(())
}

fn remove(set: &mut Set, items: &Items) -> Result<(), Misfit> {
    for (from, gone) in [(&mut set.ips, &items.ips), (&mut set.urls, &items.urls)] {
        for item in gone {
            if !from.remove(item) {
                return Err(Misfit::NotThere(item.clone()));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn edition() -> Edition {
        let mut set = Set::blank(11);
        set.belongs_to("Skype");
        set.category = "Optimize".to_owned();
        set.ips
            .extend(["52.112.0.0/14".to_owned(), "52.120.0.0/14".to_owned()]);
        set.udp_ports = Some("3478".to_owned());
        set.notes = Some("some".to_owned());
        Edition::of([set]).unwrap()
    }

    fn change(rest: Value) -> Change {
        let mut record =
            json!({"id": 7, "endpointSetId": 11, "disposition": "Change", "version": "2026053100"});
        let object = record.as_object_mut().unwrap();
        object.extend(rest.as_object().unwrap().clone());
        serde_json::from_value(record).unwrap()
    }

    fn after(rest: Value) -> Result<Edition, String> {
        apply(edition(), &[change(rest)]).map_err(|error| error.to_string())
    }

    #[test]
    fn a_value_is_removed_by_null_and_by_standing_in_previous_only() {
        for rest in [
            json!({"previous": {"notes": "some"}, "current": {"notes": null}}),
            json!({"previous": {"notes": "some", "required": "false"}, "current": {"required": "true"}}),
            json!({"previous": {"notes": "some"}}),
        ] {
            let edition = after(rest.clone()).unwrap();
            assert_eq!(edition.set(11).unwrap().notes, None, "{rest}");
        }
    }

    #[test]
    fn booleans_are_text() {
        let edition = after(
            json!({"previous": {"expressRoute": "false"}, "current": {"expressRoute": "true"}}),
        );
        assert!(edition.unwrap().set(11).unwrap().express_route);
    }

    #[test]
    fn an_addition_may_lack_what_it_adds() {
        let edition = after(
            json!({"impact": "AddedIpAndUrl", "previous": {"udpPorts": "3478"},
            "current": {"udpPorts": "3478-3481"}}),
        );
        assert_eq!(
            edition.unwrap().set(11).unwrap().udp_ports.as_deref(),
            Some("3478-3481")
        );
    }

    #[test]
    fn a_new_set_comes_whole() {
        let edition = after(json!({"endpointSetId": 12, "disposition": "Add",
            "current": {"expressRoute": "false", "serviceArea": "Common", "category": "Default", "required": "true",
                        "tcpPorts": "443"},
            "add": {"effectiveDate": "20260630", "urls": ["a.example"]}}))
        .unwrap();
        let set = edition.set(12).unwrap();
        assert_eq!((set.required, set.category.as_str()), (true, "Default"));
        assert_eq!(
            set.service_area_display_name,
            "Microsoft 365 Common and Office Online"
        );
        assert!(set.urls.contains("a.example"));
        assert!(
            after(json!({"disposition": "Remove"}))
                .unwrap()
                .set(11)
                .is_none()
        );
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let table = [
            (
                json!({"disposition": "Add"}),
                "it adds a set that is there already",
            ),
            (
                json!({"endpointSetId": 9}),
                "endpoint set 9: it is about a set that is not there",
            ),
            (
                json!({"remove": {"ips": ["10.0.0.0/8"]}}),
                "removes 10.0.0.0/8, which",
            ),
            (
                json!({"current": {"required": "yes"}}),
                "Required cannot be Some(\"yes\")",
            ),
        ];
        for (rest, expected) in table {
            let error = after(rest).unwrap_err();
            assert!(
                error.starts_with("change record 7, ") && error.contains(expected),
                "{error}"
            );
        }
    }
}
