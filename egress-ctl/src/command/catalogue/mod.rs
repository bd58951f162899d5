//! `egress-ctl catalogue`: endpoint sets, built in or of other sources.
//!
//! In: filters, selectors or files. Out: tables, lines for scripts, or JSON.

mod diff;
mod import;
mod lint;
mod list;
mod select;
mod show;

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use clap::{Args, Subcommand};

use self::{
    diff::Diff,
    import::Import,
    lint::Lint,
    list::List,
    select::{Export, Part, Selection},
    show::Show,
};
use super::output::print;
use crate::{
    catalogue::{Catalogue, finding::Finding},
    config::Config,
};

/// Show, read and compare endpoint sets
#[derive(Debug, Subcommand)]
pub enum CatalogueCommand {
    /// List endpoint sets
    List(List),
    /// Show all that is known of a source or of endpoint sets
    Show(Show),
    /// Read endpoint sets from a page or the data of a service
    Import(Import),
    /// Report what is wrong with a catalogue or a file; fails on errors
    Lint(Lint),
    /// Compare two files or sources
    Diff(Diff),
    /// Print the prefixes of a selection, one a line
    Ips(Selection),
    /// Print the names of a selection, one a line
    Names(Selection),
    /// Print the ports of a selection, one a line
    Ports(Selection),
    /// Write a selection for another program
    Export(Export),
}

/// Whose catalogue is meant.
#[derive(Debug, Args)]
pub struct Which {
    /// The sources of this config rather than all built-in ones
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Which {
    fn catalogue(&self) -> Result<Catalogue> {
        match &self.config {
            Some(path) => Ok(Config::read(path)?.0.catalogue),
            None => Ok(Catalogue::builtin()?),
        }
    }
}

/// Of what `--json` prints.
const SCHEMA: &str = "egress.catalogue/1";

impl CatalogueCommand {
    /// Prints what was asked for. A reader that closed the pipe has had enough: no error.
    ///
    /// # Errors
    /// What is unknown, and files that cannot be read.
    pub fn run(self) -> Result<()> {
        match self {
            Self::Lint(lint) => {
                if !lint.run()? {
                    bail!("the findings above are reason to look");
                }
                Ok(())
            }
            other => print(&other.render()?),
        }
    }

    /// The text to print, with its final newline.
    fn render(self) -> Result<String> {
        match self {
            Self::List(list) => list.render(&list.which.catalogue()?),
            Self::Show(show) => show.render(&show.which.catalogue()?),
            Self::Import(import) => import.render(),
            Self::Lint(lint) => lint.render(),
            Self::Diff(diff) => diff.render(),
            Self::Ips(selection) => selection.render(Part::Ips),
            Self::Names(selection) => selection.render(Part::Names),
            Self::Ports(selection) => selection.render(Part::Ports),
            Self::Export(export) => export.render(),
        }
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
        // Nobody may be listening; the result counts.
        let _: io::Result<()> = writeln!(
            io::stderr(),
            "{}:{line} {}: {message}",
            file.display(),
            severity.name()
        );
    }
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
        cli.command.render().map_err(|e| e.to_string())
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
