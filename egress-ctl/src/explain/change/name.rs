//! Changes that let a group ask for a name.

use toml::Value;

use super::{Proposal, selection};
use crate::{
    config::edit,
    explain::{
        cover::{self, Source},
        ground::Ground,
        query::Query,
    },
};

/// The group may ask for the name besides; it selects a set that names it; or it may use it.
pub(super) fn names(ground: &Ground<'_>, query: &Query, group: &str) -> Vec<Proposal> {
    let mut proposals = Vec::from_iter(besides(ground, query.name(), group));
    let covers = cover::of_name(ground.config, query.name());
    let sets = covers.iter().filter_map(|cover| match cover.source {
        Source::Set(set) if !set.is_portless() => selection(ground, group, set),
        Source::Set(_) | Source::Rule(..) => None,
    });
    proposals.extend(sets.take(1));
    proposals.extend(rule(ground, query.name(), group));
    proposals
}

fn besides(ground: &Ground<'_>, name: &str, group: &str) -> Option<Proposal> {
    const KEY: &str = "dns-names";

    let appended = edit::append(ground.text, group, KEY, name);
    let edited = appended.or_else(|| edit::add_list(ground.text, group, "dns", KEY, name))?;
    let what = format!("let group {group} ask for it, and no more");
    Proposal::of(ground, what, edited)
}

/// Who may use a name may ask for it: over HTTPS, where nothing else is said.
fn rule(ground: &Ground<'_>, name: &str, group: &str) -> Option<Proposal> {
    let entries = [
        ("action", Value::from("allow")),
        ("to", Value::from(vec![Value::from(name)])),
        ("protocol", Value::from("tcp")),
        ("ports", Value::from("443")),
    ];
    let edited = edit::add_rule(ground.text, group, &entries);
    let what = format!("let group {group} use it, by a rule of its own");
    Proposal::of(ground, what, edited)
}
