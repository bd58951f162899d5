//! Endpoint sets in force, by what they hold.
//!
//! In: a word, a name, an address or nothing. Out: sets that hold it; of an address or a name those that cover it,
//! and by what.

use std::net::IpAddr;

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use super::json;
use crate::{
    catalogue::set::EndpointSet,
    command::force::Force,
    config::Config,
    explain::cover,
    schema::Kind,
    ui::{query::Query, site::Site},
};

/// Sets of one answer.
const MOST: usize = 100;

/// Of what the page is told.
pub(super) const KIND: Kind =
    Kind::of::<Catalogue<'_>>("egress.ui-catalogue/1", "the page: GET /api/catalogue");

#[derive(JsonSchema, Serialize)]
struct Catalogue<'a> {
    schema: &'static str,
    generation: u64,
    /// Sets in force.
    total: usize,
    /// Those that hold what was searched for.
    found: usize,
    /// The first of them.
    sets: Vec<Found<'a>>,
}

#[derive(JsonSchema, Serialize)]
struct Found<'a> {
    /// The prefix or pattern that covers what was searched for; null where a word is in it.
    via: Option<String>,
    /// Groups that may reach it.
    groups: Vec<String>,
    set: &'a EndpointSet,
}

pub(super) fn catalogue(site: &Site, query: &Query) -> Result<String> {
    let force = Force::read(&site.places)?;
    let all = force.config.catalogue.sets();
    let mut sets = found(&force.config, query.text("search").unwrap_or_default());
    let found = sets.len();
    sets.truncate(MOST);
    json(&Catalogue {
        schema: KIND.name,
        generation: force.snapshot.number,
        total: all.len(),
        found,
        sets,
    })
}

/// What covers comes before what only has the word in it.
fn found<'a>(config: &'a Config, search: &str) -> Vec<Found<'a>> {
    let search = search.trim().to_lowercase();
    let addr = search.parse().ok().map(|addr: IpAddr| addr.to_canonical());
    let via = |set: &EndpointSet| match addr {
        Some(addr) => cover::prefix_of(set, addr).map(|prefix| prefix.to_string()),
        None => cover::pattern_of(set, &search).map(ToString::to_string),
    };
    let sets = config.catalogue.sets().iter();
    let found = sets.filter_map(|set| {
        let via = via(set);
        (via.is_some() || has_word(set, &search)).then(|| Found {
            via,
            groups: cover::groups_of(config, set),
            set,
        })
    });
    let mut found: Vec<_> = found.collect();
    found.sort_by_key(|found| found.via.is_none());
    found
}

fn has_word(set: &EndpointSet, word: &str) -> bool {
    let has = |text: &str| text.to_lowercase().contains(word);
    let own = [
        Some(set.key.as_str()),
        Some(set.description.as_str()),
        Some(set.category.name()),
        set.service_area.as_deref(),
        set.section.as_deref(),
        set.region.as_deref(),
        set.notes.as_deref(),
    ];
    own.into_iter().flatten().any(has)
        || set.urls.iter().any(|url| has(&url.to_string()))
        || set.ips.iter().any(|prefix| has(&prefix.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key, and what covers.
    type Told<'a> = (&'a str, Option<&'a str>);

    const TEXT: &str = r#"
[gateway]
mode = "audit"
lan = ["lan"]
[source.lab]
kind = "custom"
[[source.lab.set]]
id = 1
urls = ["*.example.org"]
description = "printers"
[[source.lab.set]]
id = 2
ips = ["192.0.2.0/24"]
[[source.lab.set]]
id = 3
urls = ["www.example.org.invalid"]
[group.office]
clients = ["10.0.0.0/8"]
allow = ["lab:1"]
"#;

    #[test]
    fn sets_are_found_by_what_they_cover_and_by_words() {
        let config = Config::parse(TEXT).unwrap();
        let table: [(&str, &[Told<'_>]); 7] = [
            ("", &[("lab:1", None), ("lab:2", None), ("lab:3", None)]),
            ("192.0.2.7", &[("lab:2", Some("192.0.2.0/24"))]),
            ("192.0.2", &[("lab:2", None)]),
            (
                "WWW.example.org",
                &[("lab:1", Some("*.example.org")), ("lab:3", None)],
            ),
            ("PRINTER", &[("lab:1", None)]),
            ("lab:3", &[("lab:3", None)]),
            ("<img src=x>", &[]),
        ];
        for (search, expected) in table {
            let found = found(&config, search);
            let told: Vec<_> = found
                .iter()
                .map(|one| (one.set.key.as_str(), one.via.as_deref()))
                .collect();
            assert_eq!(told, expected, "{search}");
        }
        assert_eq!(found(&config, "lab:1")[0].groups, ["office"]);
        assert_eq!(found(&config, "lab:2")[0].groups, [""; 0]);
    }
}
