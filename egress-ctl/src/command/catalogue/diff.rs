//! `egress-ctl catalogue diff`: two editions of a source, compared.

use std::path::Path;

use anyhow::{Context as _, Result};
use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Which, import};
use crate::{
    catalogue::{
        diff::{Change, Kind, Place, diff},
        set::EndpointSet,
        source::format::Format,
    },
    command::output::{json, room},
    schema,
    sheet::sheet,
};

/// What to compare.
#[derive(Debug, Args)]
pub struct Diff {
    /// The older edition: a file, or the name of a source
    old: String,
    /// The newer edition: a file, or the name of a source
    new: String,
    /// What the files are; without it what they seem to be
    #[arg(long, value_enum)]
    from: Option<Format>,
    #[command(flatten)]
    pub(super) which: Which,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Of what `--json` prints.
pub(super) const KIND: schema::Kind =
    schema::Kind::of::<Report<'_>>("egress.diff/1", "egress-ctl catalogue diff --json");

/// What `--json` prints.
#[derive(JsonSchema, Serialize)]
struct Report<'a> {
    schema: &'static str,
    added: usize,
    removed: usize,
    moved: usize,
    changed: usize,
    changes: &'a [Change],
}

impl Diff {
    pub(super) fn render(&self) -> Result<String> {
        let changes = diff(&self.sets(&self.old)?, &self.sets(&self.new)?);
        let count = |kind| changes.iter().filter(|change| change.kind == kind).count();
        let report = Report {
            schema: KIND.name,
            added: count(Kind::Added),
            removed: count(Kind::Removed),
            moved: count(Kind::Moved),
            changed: count(Kind::Changed),
            changes: &changes,
        };
        if self.json {
            return json(&report);
        }
        let Report {
            added,
            removed,
            moved,
            changed,
            ..
        } = report;
        let totals =
            format!("{added} added, {removed} removed, {moved} moved, {changed} changed\n");
        if changes.is_empty() {
            return Ok(totals);
        }
        Ok(format!("{}\n\n{totals}", table(&changes)))
    }

    /// A file that is there, else a source.
    fn sets(&self, named: &str) -> Result<Vec<EndpointSet>> {
        let path = Path::new(named);
        if path.exists() {
            return Ok(import::read(path, self.from, None)?.sets);
        }
        let catalogue = self.which.catalogue()?;
        let sets = catalogue.sets_of(named);
        let sets = sets.with_context(|| format!("`{named}` is neither a file nor a source"))?;
        Ok(sets.into_iter().cloned().collect())
    }
}

fn table(changes: &[Change]) -> String {
    let rows = changes.iter().map(|change| {
        let text = |place: &Option<Place>| place.as_ref().map(Place::text).unwrap_or_default();
        let (from, to) = (text(&change.from), text(&change.to));
        vec![change.kind.name().to_owned(), change.what.clone(), from, to]
    });
    let rows: Vec<_> = rows.collect();
    sheet(&["", "name or prefix", "from", "to"], &rows, room())
}
