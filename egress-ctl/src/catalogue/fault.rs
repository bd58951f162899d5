//! Why the text of an endpoint set is wrong, and where.

use egress_common::pattern::PatternError;
use thiserror::Error;

use super::{ports::PortsError, set::CategoryError};

/// A value of a set that cannot be parsed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("source `{origin}`, set {set}: {field} {value:?}: {fault}")]
pub struct SetError {
    /// Name of the source.
    pub origin: String,
    /// Key of the set behind the source.
    pub set: String,
    /// Key of the field.
    pub field: &'static str,
    /// The text that is wrong.
    pub value: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a value.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Fault {
    /// No pattern of host names.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// Neither a prefix nor an address.
    #[error("write a prefix as in 192.0.2.0/24 or 2001:db8::/32")]
    Prefix,
    /// No list of ports.
    #[error(transparent)]
    Ports(#[from] PortsError),
    /// No category.
    #[error(transparent)]
    Category(#[from] CategoryError),
    /// A set of the user's own that reaches nothing.
    #[error("a set needs at least one of urls and ips")]
    NoDestination,
}
