//! Sources of endpoint sets.
//!
//! In: `[source.NAME]` tables. Out: a [`Catalogue`], and what follows the web service.

use std::collections::BTreeMap;

use toml::Spanned;

use super::{feed, file, kind::Kind, problem::Problems, raw::RawSource, valid::unknown};
use crate::{
    catalogue::{
        Catalogue,
        fault::Fault,
        nearest::nearest,
        page::Page,
        set::EndpointSet,
        source::{
            SourceError,
            builtin::{self, Builtin},
            custom,
        },
    },
    feed::standing::{Feed, Feeds},
};

/// The endpoint sets of all sources; a source with problems has none, or not all of them.
pub(super) fn catalogue(
    raw: BTreeMap<String, Spanned<RawSource>>,
    feeds: &Feeds,
    problems: &mut Problems<'_>,
) -> (Catalogue, Vec<Feed>) {
    let mut catalogue = Catalogue::default();
    let mut followed = Vec::new();
    for (name, source) in raw {
        let kind = Kind::of(&name, &source, problems);
        let raw = source.get_ref();
        let page = match kind {
            None => Page::default(),
            Some(Kind::WebService) => {
                let (page, feed) = feed::page(&name, raw, feeds, problems);
                followed.extend(feed);
                page
            }
            Some(Kind::File) => file::page(&name, raw, problems),
            Some(Kind::Builtin) => builtin_page(&name, raw, problems),
            Some(Kind::Custom) => Page {
                sets: custom_sets(&name, &raw.set, problems),
                ..Page::default()
            },
        };
        if let Err(fault) = catalogue.add_page(&name, page) {
            problems.add(raw.kind_span(), &format!("source.{name}"), fault);
        }
    }
    (catalogue, followed)
}

/// Keys of what is wrong with sources or is missing there, in small letters: what selectors do not find there may be a
/// consequence.
pub(super) fn faults(problems: &Problems<'_>) -> Vec<String> {
    let keys = problems.keys().filter(|key| key.starts_with("source"));
    keys.map(str::to_lowercase).collect()
}

fn builtin_page(name: &str, raw: &RawSource, problems: &mut Problems<'_>) -> Page {
    let key = format!("source.{name}.kind");
    let mut page = match Builtin::named(name) {
        None => {
            let known = Builtin::ALL.map(Builtin::name);
            problems.add(
                raw.kind_span(),
                &key,
                unknown("built-in source", name, &known),
            );
            if let Some(meant) = nearest(name, known, ToString::to_string).next() {
                problems.excuse(format!("source.{meant}"));
            }
            return Page::default();
        }
        Some(builtin) => builtin::page(builtin, name).unwrap_or_else(|fault| {
            problems.add(raw.kind_span(), &key, fault);
            Page::default()
        }),
    };
    file::add_ports(name, raw, &mut page, problems);
    page
}

fn custom_sets(
    name: &str,
    raw: &[Spanned<custom::CustomSet>],
    problems: &mut Problems<'_>,
) -> Vec<EndpointSet> {
    let mut good = Vec::new();
    let excused = |key: &&str| problems.excuses(&format!("source.{name}.set.{key}"));
    let may_have_some = ["urls", "ips"].iter().any(excused);
    for set in raw {
        let span = set.span();
        // One at a time, so that each set's problem is reported.
        match custom::sets(vec![set.get_ref().clone()], name) {
            Ok(_) => good.push(set.get_ref().clone()),
            Err(SourceError::Set(fault))
                if fault.fault == Fault::NoDestination && may_have_some =>
            {
                // What it has is a problem already.
            }
            Err(SourceError::Set(fault)) => {
                let key = format!("source.{name}.set.{}", fault.field);
                problems.add_in_table(span, &fault.value, &key, &fault);
            }
            Err(fault) => problems.add(span, &format!("source.{name}.set"), fault),
        }
    }
    custom::sets(good, name).unwrap_or_default()
}
