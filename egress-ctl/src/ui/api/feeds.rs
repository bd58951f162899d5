//! Feeds: what they brought, what waits, and the decision about it. All of it is what the commands say and do.

use anyhow::{Context as _, Result, ensure};
use schemars::JsonSchema;
use serde::Serialize;
use tracing::info;

use super::json;
use crate::{
    command::feed::{Which, decide, diff, quarantine::Used, status::FeedReport},
    feed::{intake::Intake, person::By},
    schema::Kind,
    ui::{query::Query, route::Decision, site::Site},
};

/// Of the feeds.
pub(super) const FEEDS: Kind = Kind::of::<Feeds>("egress.ui-feeds/1", "the page: GET /api/feeds");

#[derive(JsonSchema, Serialize)]
struct Feeds {
    schema: &'static str,
    /// Why there are none.
    fault: Option<String>,
    feeds: Vec<Feed>,
}

#[derive(JsonSchema, Serialize)]
struct Feed {
    status: FeedReport,
    diff: diff::Report,
}

pub(super) fn feeds(site: &Site) -> Result<String> {
    let told = all(site);
    let (feeds, fault) = match told {
        Ok(feeds) => (feeds, None),
        Err(fault) => (Vec::new(), Some(format!("{fault:#}"))),
    };
    json(&Feeds {
        schema: FEEDS.name,
        fault,
        feeds,
    })
}

fn all(site: &Site) -> Result<Vec<Feed>> {
    let places = &site.places;
    let feeds = Which::default().feeds(places, None)?;
    let used = Used::read(places);
    let told = feeds.into_iter().map(|feed| {
        let diff = diff::Report::read(places, &feed.settings, None)?;
        let status = FeedReport::read(places, feed, &used)?;
        Ok(Feed { status, diff })
    });
    told.collect()
}

/// Of what became of a decision.
pub(super) const DECIDED: Kind = Kind::of::<Decided>(
    "egress.ui-decision/1",
    "the page: POST /api/feeds/approve and reject",
);

#[derive(JsonSchema, Serialize)]
struct Decided {
    schema: &'static str,
    /// In words.
    said: String,
    decision: decide::Report,
}

/// Decides about the version that somebody saw, and about no other one that came meanwhile.
///
/// # Errors
/// Nothing waits, another version does, or the files of the feed cannot be used.
pub fn decide(site: &Site, decision: Decision, query: &Query) -> Result<String> {
    let source = query.text("source").context("`source` is missing")?;
    let version = query.text("version").context("`version` is missing")?;
    let places = &site.places;
    let settings = Which::default().settings(places, Some(source))?;
    let mut report = decide::decide(places, settings, |intake| {
        check_version(intake, version)?;
        let decided = match decision {
            Decision::Approve => intake.approve_candidate(&By::Page, false),
            Decision::Reject => intake.reject_candidate(&By::Page, false),
        };
        Ok(decided?)
    })?;
    if decision == Decision::Approve {
        report.take_over(places);
    }
    let said = report.summary();
    info!("by the page's token: {}", said.trim_end());
    json(&Decided {
        schema: DECIDED.name,
        said,
        decision: report,
    })
}

fn check_version(intake: &Intake<'_>, seen: &str) -> Result<()> {
    let waits = intake.waiting().map(|waiting| waiting.version.to_string());
    ensure!(
        waits.as_deref().is_none_or(|waits| waits == seen),
        "version {seen} does not wait any more, but {}: look at that first",
        waits.unwrap_or_default()
    );
    Ok(())
}
