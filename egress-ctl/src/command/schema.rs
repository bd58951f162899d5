//! `egress-ctl schema`: what is printed as JSON, and what it looks like.

use anyhow::{Result, bail};
use clap::{Args, builder::StyledStr};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};

use super::{
    output::{print, print_json},
    table::table,
};
use crate::{
    catalogue::nearest::nearest,
    schema::{Kind, kinds},
};

/// Show the JSON Schema of what commands print as JSON.
///
/// Objects name their kind in `schema`. Within a kind's number fields and values are added, and nothing else changes:
/// whoever reads them leaves alone what it does not know. What is unknown is null.
#[derive(Args)]
pub struct Schema {
    /// A kind, such as egress.status/1; without it all kinds are listed
    #[arg(add = ArgValueCandidates::new(candidates))]
    kind: Option<String>,
}

impl Schema {
    /// Runs the command.
    ///
    /// # Errors
    /// There is no such kind.
    pub fn run(self) -> Result<()> {
        match self.kind {
            Some(name) => print_json(&found(&name)?.schema()),
            None => print(&listed()),
        }
    }
}

fn found(name: &str) -> Result<Kind> {
    let is_short = !name.contains(['.', '/']);
    let mut near = nearest(name, kinds(), |kind| match is_short {
        true => short(kind).to_owned(),
        false => kind.name.to_owned(),
    });
    match near.next() {
        Some(kind) if kind.name == name => Ok(kind),
        Some(kind) => bail!(
            "there is no kind of JSON `{name}`, the nearest is `{}`; `egress-ctl schema` lists them all",
            kind.name
        ),
        None => bail!("there is no kind of JSON `{name}`"),
    }
}

/// A name without what all of them begin and end with.
fn short(kind: &Kind) -> &str {
    let name = kind.name.trim_start_matches("egress.");
    name.split_once('/').map_or(name, |(name, _)| name)
}

fn listed() -> String {
    let mut text = String::new();
    table(&mut text, &["kind", "printed by"], &kinds(), |kind| {
        [kind.name.to_owned(), kind.printed_by.to_owned()]
    });
    text.trim_start().to_owned()
}

/// For shells to complete.
fn candidates() -> Vec<CompletionCandidate> {
    let all = kinds().into_iter();
    all.map(|kind| CompletionCandidate::new(kind.name).help(Some(StyledStr::from(kind.printed_by))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_kind_is_told_with_the_nearest() {
        for (name, near) in [
            ("egress.statu/1", "egress.status/1"),
            ("statu", "egress.status/1"),
            ("feed-histry", "egress.feed-history/1"),
        ] {
            let told = found(name).err().map(|fault| fault.to_string());
            let told = told.unwrap_or_default();
            assert!(told.contains(&format!("the nearest is `{near}`")), "{told}");
        }
        assert!(found("egress.status/1").is_ok());
    }
}
