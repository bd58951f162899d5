//! What is wrong, or worth a look, in a source of endpoint sets.
//!
//! Importers and the lint make findings; commands print them.

use schemars::JsonSchema;
use serde::Serialize;

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Which rule found it.
    pub rule: &'static str,
    /// Line of the document, counted from 1.
    pub line: Option<u32>,
    /// Key of the endpoint set.
    pub set: Option<String>,
    /// What it is.
    pub message: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Likely a mistake of the source, or a risk.
    Warning,
    /// Something of the source is lost.
    Error,
}

impl Severity {
    /// In lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl Finding {
    /// A finding about a line.
    pub fn at(
        severity: Severity,
        rule: &'static str,
        line: u32,
        message: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            rule,
            line: Some(line),
            set: None,
            message: message.into(),
        }
    }
}
