//! `egress-ctl catalogue list`: endpoint sets as a table.

use anyhow::Result;
use clap::Args;

use super::{Which, printed::json};
use crate::{
    catalogue::{
        Catalogue,
        listing::table,
        set::{Category, EndpointSet},
    },
    command::output::room,
};

/// Which sets to list.
#[derive(Debug, Args)]
pub struct List {
    /// Only sets of this source: intune, power-automate or m365
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only sets of this category: Optimize, Allow or Default
    #[arg(long)]
    category: Option<Category>,
    /// Only sets without which the service fails
    #[arg(long, conflicts_with = "optional")]
    required: bool,
    /// Only sets without which the service still works
    #[arg(long)]
    optional: bool,
    #[command(flatten)]
    pub(super) which: Which,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) fn render(&self, catalogue: &Catalogue) -> Result<String> {
        let sets = self.filter(catalogue)?;
        if !self.json {
            return Ok(table(&sets, room()));
        }
        json(None, &sets)
    }

    fn filter<'a>(&self, catalogue: &'a Catalogue) -> Result<Vec<&'a EndpointSet>> {
        let mut sets = match &self.source {
            Some(source) => catalogue.sets_of(source)?,
            None => catalogue.sets().iter().collect(),
        };
        sets.retain(|set| {
            self.category
                .is_none_or(|category| set.category == category)
        });
        sets.retain(|set| !self.required || set.required);
        sets.retain(|set| !self.optional || !set.required);
        Ok(sets)
    }
}
