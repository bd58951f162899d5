//! `egress-ctl catalogue show`: all that is known of a source or of some endpoint sets.

use anyhow::Result;
use clap::Args;

use super::{Which, printed::json};
use crate::{
    catalogue::{
        Catalogue,
        listing::{about, details, table},
        selector::Selector,
        set::EndpointSet,
    },
    command::output::room,
};

/// What to show.
#[derive(Debug, Args)]
pub struct Show {
    /// A source (intune), the key of a set (intune:163), an id alone (163) or a selector
    id: String,
    #[command(flatten)]
    pub(super) which: Which,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) fn render(&self, catalogue: &Catalogue) -> Result<String> {
        let (source, sets) = self.found(catalogue)?;
        let about_it = source.and_then(|source| catalogue.about(source));
        if self.json {
            return json(about_it, &sets);
        }
        Ok(match (source, about_it) {
            (Some(source), Some(known)) => {
                format!("{}\n{}", about(source, known), table(&sets, room()))
            }
            (Some(_), None) => table(&sets, room()),
            (None, _) => details(&sets),
        })
    }

    /// The source, where one is named, and the sets.
    fn found<'a>(
        &self,
        catalogue: &'a Catalogue,
    ) -> Result<(Option<&'a str>, Vec<&'a EndpointSet>)> {
        let mut sources = catalogue.sources().iter();
        if let Some(source) = sources.find(|source| source.eq_ignore_ascii_case(&self.id)) {
            return Ok((Some(source), catalogue.sets_of(source)?));
        }
        let found = match catalogue.find(&self.id) {
            Ok(sets) => sets,
            // What is no key may be a selector; if it is none either, keys are what was meant.
            Err(unknown) => {
                let selector: Option<Selector> = self.id.parse().ok();
                let selected = selector.and_then(|selector| selector.select(catalogue).ok());
                selected.ok_or(unknown)?
            }
        };
        Ok((None, found))
    }
}
