//! `egress-ctl catalogue`: shows the built-in endpoint sets.
//!
//! In: filters or an id. Out: a table, or one JSON object with all facts.

mod import;

use std::path::Path;

use clap::{Args, Subcommand};
use serde::Serialize;

use self::import::Import;
use super::output::print;
use crate::catalogue::{
    Catalogue,
    finding::Finding,
    listing::{details, table},
    set::{Category, EndpointSet},
};

/// Show what the built-in catalogue holds
#[derive(Debug, Subcommand)]
pub enum CatalogueCommand {
    /// List endpoint sets
    List(List),
    /// Show all facts of one endpoint set
    Show(Show),
    /// Read endpoint sets from a page or the data of a service
    Import(Import),
}

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
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Which set to show.
#[derive(Debug, Args)]
pub struct Show {
    /// Key of the set (intune:163), or an id alone (163) for all sets that have it
    id: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl CatalogueCommand {
    /// Prints what was asked for. A reader that closed the pipe has had enough: no error.
    pub fn run(self) -> anyhow::Result<()> {
        let text = match self {
            // Needs no other source, also not to make the built-in ones.
            Self::Import(import) => import.render()?,
            other => other.render(&Catalogue::builtin()?)?,
        };
        print(&text)
    }

    /// The text to print, with its final newline.
    fn render(self, catalogue: &Catalogue) -> anyhow::Result<String> {
        match self {
            Self::List(list) => {
                let sets = list.filter(catalogue)?;
                if list.json {
                    json(&sets)
                } else {
                    Ok(table(&sets))
                }
            }
            Self::Show(show) => {
                let sets = catalogue.find(&show.id)?;
                if show.json {
                    json(&sets)
                } else {
                    Ok(details(&sets))
                }
            }
            Self::Import(import) => import.render(),
        }
    }
}

impl List {
    fn filter<'a>(&self, catalogue: &'a Catalogue) -> anyhow::Result<Vec<&'a EndpointSet>> {
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

/// Tells on standard error what was found in a file.
fn say_findings(file: &Path, findings: &[Finding]) {
    for finding in findings {
        let line = finding
            .line
            .map(|line| format!("{line}:"))
            .unwrap_or_default();
        let Finding {
            severity, message, ..
        } = finding;
        eprintln!("{}:{line} {}: {message}", file.display(), severity.name());
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Listing<'a> {
    schema: &'static str,
    sets: &'a [&'a EndpointSet],
}

fn json(sets: &[&EndpointSet]) -> anyhow::Result<String> {
    let schema = "egress.catalogue/1";
    let mut text = serde_json::to_string_pretty(&Listing { schema, sets })?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(subcommand)]
        command: CatalogueCommand,
    }

    fn render(arguments: &str) -> Result<String, String> {
        let arguments = ["catalogue"]
            .into_iter()
            .chain(arguments.split_whitespace());
        let cli = Cli::try_parse_from(arguments).map_err(|e| e.to_string())?;
        let catalogue = Catalogue::builtin().unwrap();
        cli.command.render(&catalogue).map_err(|e| e.to_string())
    }

    #[test]
    fn lists_end_in_their_totals() {
        let table = [
            ("list", "167 endpoint sets, 408 names, 217 prefixes"),
            (
                "list --source intune",
                "53 endpoint sets, 143 names, 88 prefixes",
            ),
            (
                "list --source power-automate --required",
                "25 endpoint sets, 31 names, 0 prefixes",
            ),
            (
                "list --source intune --optional",
                "33 endpoint sets, 51 names, 4 prefixes",
            ),
            (
                "list --category optimize",
                "3 endpoint sets, 4 names, 40 prefixes",
            ),
            (
                "list --source intune --category Optimize",
                "no endpoint set matches",
            ),
        ];
        for (arguments, expected) in table {
            let text = render(arguments).unwrap();
            assert_eq!(text.lines().last(), Some(expected), "{arguments}");
        }
    }

    #[test]
    fn a_bare_id_shows_every_set_that_has_it() {
        let text = render("show 97").unwrap();
        let keys: Vec<_> = text.lines().filter(|line| line.contains(':')).collect();
        assert_eq!(keys[0], "intune:97");
        assert!(keys.contains(&"m365:97"), "{text}");
    }

    #[test]
    fn json_is_one_object_with_a_schema() {
        let table = [
            ("list --source m365 --json", 63),
            ("show 172 --json", 2),
            ("list --source intune --category Optimize --json", 0),
        ];
        for (arguments, expected) in table {
            let json: serde_json::Value =
                serde_json::from_str(&render(arguments).unwrap()).unwrap();
            assert_eq!(json["schema"], "egress.catalogue/1", "{arguments}");
            assert_eq!(
                json["sets"].as_array().unwrap().len(),
                expected,
                "{arguments}"
            );
        }
        let json: serde_json::Value =
            serde_json::from_str(&render("show m365:11 --json").unwrap()).unwrap();
        let set = &json["sets"][0];
        assert_eq!(
            (&set["serviceArea"], &set["udpPorts"]),
            (&"Skype".into(), &"3478-3481".into())
        );
    }

    #[test]
    fn what_is_unknown_is_an_error_with_the_nearest() {
        let table = [
            (
                "show intune:1633",
                "unknown endpoint set `intune:1633`, the nearest are `intune:163`",
            ),
            (
                "list --source intun",
                "unknown source `intun`, the nearest is `intune`; known: intune",
            ),
            (
                "list --category best",
                "a category is Optimize, Allow or Default",
            ),
            ("list --required --optional", "cannot be used with"),
        ];
        for (arguments, expected) in table {
            let error = render(arguments).unwrap_err();
            assert!(error.contains(expected), "{error}\nshould say {expected}");
        }
    }
}
