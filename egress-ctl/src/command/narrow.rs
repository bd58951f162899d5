//! What a command is narrowed to: a filter, as words, as an option, and as options for its usual terms.

use anyhow::Result;
use clap::Args;
use clap_complete::ArgValueCompleter;

use super::{live, output::print};
use crate::filter::{Field, Filter, FilterError, term};

/// The grammar, for `--help`.
const GRAMMAR: &str = "Only what this filter means, as: client=10.20.0.0/16 and not port=53

Terms are FIELD=VALUE or FIELD!=VALUE, of several values also FIELD=A,B; they are joined by `and`, `or`, `not` and \
parentheses. Fields are client and address (an address or a prefix), group, set and name (with at most one `*`; \"\" \
is none), reason, action (allow, drop, would-drop, reject), port (or a range: 8000-8010) and proto (tcp, 47). What \
holds blanks or signs stands in quotation marks, which the shell has to leave alone";

/// A filter in several parts, all of which must hold.
#[derive(Args, Clone, Debug, Default)]
pub struct Narrow {
    /// Only what this filter means, as: client=10.20.0.0/16 and not port=53
    #[arg(value_name = "FILTER", long_help = GRAMMAR, add = ArgValueCompleter::new(live::terms))]
    words: Vec<String>,
    /// Only what this filter means as well
    #[arg(long, value_name = "FILTER", add = ArgValueCompleter::new(live::terms))]
    filter: Option<String>,
    /// Only packets of this client, or of these: client=…
    #[arg(long, value_name = "ADDRESS|PREFIX", value_parser = |text: &str| of(Field::Client, text), add = ArgValueCompleter::new(live::clients))]
    client: Option<String>,
    /// Only packets of this group: group=…
    #[arg(long, value_name = "NAME", value_parser = |text: &str| of(Field::Group, text), add = ArgValueCompleter::new(live::groups))]
    group: Option<String>,
    /// Only packets that this endpoint set or rule decided, or that it is nearest to: set=…
    #[arg(long, value_name = "KEY", value_parser = |text: &str| of(Field::Set, text), add = ArgValueCompleter::new(live::sets))]
    set: Option<String>,
    /// Only packets with this reason: reason=…
    #[arg(long, value_name = "REASON", value_parser = |text: &str| of(Field::Reason, text), add = ArgValueCompleter::new(live::reasons))]
    reason: Option<String>,
    /// Print the filter in its normal form, and end
    #[arg(long)]
    print_filter: bool,
}

/// The term that an option stands for.
fn of(field: Field, text: &str) -> Result<String, String> {
    term(field, text).map_err(|fault| fault.to_string())
}

impl Narrow {
    /// The filter of all parts.
    ///
    /// # Errors
    /// A part is no filter.
    pub fn filter(&self) -> Result<Filter, FilterError> {
        self.filter_and(&[])
    }

    /// The filter of all parts and these terms.
    ///
    /// # Errors
    /// A part is no filter.
    pub fn filter_and(&self, terms: &[&str]) -> Result<Filter, FilterError> {
        let words = self.words.join(" ");
        let free = [Some(words.as_str()), self.filter.as_deref()];
        let free = free
            .into_iter()
            .flatten()
            .filter(|text| !text.trim().is_empty());
        let options = [&self.client, &self.group, &self.set, &self.reason];
        let options = options.into_iter().flatten().map(String::as_str);
        let terms: Vec<_> = options.chain(terms.iter().copied()).collect();
        let free: Vec<&str> = free.collect();
        if let ([alone], []) = (free.as_slice(), terms.as_slice()) {
            return alone.parse();
        }
        // Each for itself first: what is wrong with one is shown as it was written.
        for text in &free {
            text.parse::<Filter>()?;
        }
        let free = free.iter().map(|text| format!("({text})"));
        let all = free.chain(terms.iter().map(|term| (*term).to_owned()));
        all.collect::<Vec<_>>().join(" and ").parse()
    }

    /// Prints the filter where that is all that is asked; tells whether it was.
    ///
    /// # Errors
    /// Output cannot be written.
    pub(super) fn prints(&self, filter: &Filter) -> Result<bool> {
        if self.print_filter {
            print(&format!("{filter}\n"))?;
        }
        Ok(self.print_filter)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Asked {
        #[command(flatten)]
        narrow: Narrow,
    }

    fn filter(args: &[&str]) -> Result<Filter, FilterError> {
        let args = ["test"].iter().chain(args);
        Asked::parse_from(args)
            .narrow
            .filter_and(&["not action=would-drop"])
    }

    #[test]
    fn options_and_words_are_one_filter() {
        let table: [(&[&str], &str); 4] = [
            (&[], "not action=would-drop"),
            (
                &["port=80", "or", "port=443"],
                "(port=80 or port=443) and not action=would-drop",
            ),
            (
                &[
                    "--client",
                    "10.20.0.7",
                    "--group=two words",
                    "--filter",
                    "port=1 or port=2",
                ],
                "(port=1 or port=2) and client=10.20.0.7 and group=\"two words\" and not action=would-drop",
            ),
            (
                &[
                    "port=1",
                    "--filter",
                    "port=2",
                    "--set=intune:163",
                    "--reason",
                    "no-rule",
                ],
                "port=1 and port=2 and set=intune:163 and reason=no-rule and not action=would-drop",
            ),
        ];
        for (args, expected) in table {
            assert_eq!(filter(args).unwrap().to_string(), expected, "{args:?}");
        }
        let alone = Asked::parse_from(["test", "port=1 or port=2"])
            .narrow
            .filter();
        assert_eq!(alone.unwrap().to_string(), "port=1 or port=2");
        let empty = Asked::parse_from(["test"]).narrow.filter();
        assert!(empty.unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_shown_as_it_was_written() {
        let fault = filter(&["prt=1", "--client", "10.20.0.7"]).unwrap_err();
        assert!(fault.to_string().ends_with("  prt=1\n  ^^^"), "{fault}");
        let wrong = Asked::try_parse_from(["test", "--reason", "wrong-prt"]);
        let said = wrong
            .err()
            .map(|fault| fault.to_string())
            .unwrap_or_default();
        assert!(said.contains("the nearest is `wrong-port`"), "{said}");
    }
}
