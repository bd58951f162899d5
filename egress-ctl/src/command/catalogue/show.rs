//! `egress-ctl catalogue show`: all that is known of a source or of some endpoint sets.

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::{SCHEMA, Which};
use crate::catalogue::{
    Catalogue,
    listing::{about, details, table},
    page::About,
    selector::Selector,
    set::EndpointSet,
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

/// What `--json` prints.
#[derive(Serialize)]
struct Shown<'a> {
    schema: &'static str,
    /// Only of a source.
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<&'a About>,
    sets: Vec<&'a EndpointSet>,
}

impl Show {
    pub(super) fn render(&self, catalogue: &Catalogue) -> Result<String> {
        let (source, sets) = self.found(catalogue)?;
        let about_it = source.and_then(|source| catalogue.about(source));
        if self.json {
            let shown = Shown {
                schema: SCHEMA,
                about: about_it,
                sets,
            };
            return Ok(serde_json::to_string_pretty(&shown)? + "\n");
        }
        Ok(match (source, about_it) {
            (Some(source), Some(known)) => format!("{}\n{}", about(source, known), table(&sets)),
            (Some(_), None) => table(&sets),
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
