//! What somebody who helps needs to see, without what is nobody's business.
//!
//! In: texts that commands print ([`Part`]s). Out: a [`bundle::Bundle`], in which secrets are redacted ([`redact`])
//! and clients and names are masked ([`mask`]), and which says so.

pub mod bundle;
pub mod kernel_log;
pub mod mask;
pub mod redact;

/// One file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Its text.
    pub text: String,
    /// What was redacted in it; nothing where there was nothing to redact.
    pub redacted: Option<String>,
}
