//! The formats of files that hold a source.
//!
//! In: the text of a file and its format. Out: a [`Page`].

use clap::ValueEnum;

use super::{SourceError, builtin, learn, service_tags, web_csv, web_service};
use crate::catalogue::page::Page;

/// Bytes of the largest page that is read: ten times the largest known one.
pub(super) const LARGEST_PAGE: usize = 2 << 20;

/// Formats of sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A page of Microsoft Learn, in Markdown
    Learn,
    /// JSON of the Microsoft 365 web service
    WebService,
    /// CSV of the Microsoft 365 web service
    WebServiceCsv,
    /// JSON of Azure's service tags
    ServiceTags,
    /// TOML of egress: `[[set]]` tables
    Toml,
}

impl Format {
    /// Reads a text as the source called `source`.
    ///
    /// # Errors
    /// A text that is something else.
    pub fn read(self, text: &str, source: &str) -> Result<Page, SourceError> {
        match self {
            Self::Learn if text.len() > LARGEST_PAGE => Err(SourceError::LargePage {
                origin: source.to_owned(),
            }),
            Self::Learn => Ok(learn::import(text, source)),
            Self::WebService => web_service::page(text, source),
            Self::WebServiceCsv => web_csv::page(text, source),
            Self::ServiceTags => service_tags::page(text, source),
            Self::Toml => builtin::toml_page(text, source),
        }
    }

    /// The format that a text seems to have.
    pub fn guessed(text: &str) -> Self {
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let first = text.lines().next().unwrap_or_default().to_lowercase();
        if text.starts_with('{') {
            Self::ServiceTags
        } else if text.starts_with("[[set]]") || text.contains("\n[[set]]") {
            Self::Toml
        } else if text.starts_with('[') && !first.contains("](") {
            Self::WebService
        } else if first.contains("servicearea") && first.contains(',') {
            Self::WebServiceCsv
        } else {
            Self::Learn
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_too_large_is_refused() {
        let text = "a".repeat(LARGEST_PAGE + 1);
        let error = Format::Learn.read(&text, "x").unwrap_err().to_string();
        assert_eq!(error, "source `x` has more than 2 MiB, which no page has");
    }

    #[test]
    fn formats_are_guessed() {
        let table = [
            ("[\n {\"id\": 1}]", Format::WebService),
            ("{\"changeNumber\": 1}", Format::ServiceTags),
            ("id,serviceArea,urls\n", Format::WebServiceCsv),
            ("# made\n\n[[set]]\nid = 1", Format::Toml),
            ("[[set]]\nid = 1", Format::Toml),
            ("---\ntitle: x\n---\n# Page", Format::Learn),
            ("[A link](x.md) begins the page", Format::Learn),
        ];
        for (text, expected) in table {
            assert_eq!(Format::guessed(text), expected, "{text}");
        }
    }
}
