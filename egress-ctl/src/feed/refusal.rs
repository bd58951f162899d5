//! Why an answer of the service is never applied.

use ipnet::IpNet;

use super::version::Version;

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The header says that it is something else.
    #[error("the answer is {0:?}, not application/json")]
    ContentType(String),
    /// More than any edition has.
    #[error("the answer has more than {} MiB", super::fetch::LARGEST >> 20)]
    TooLarge,
    /// Nested without need.
    #[error("the answer is nested deeper than {} levels", super::depth::DEEPEST)]
    TooDeep,
    /// No JSON, or truncated.
    #[error("the answer is not JSON: {0}")]
    NotJson(String),
    /// JSON, but not what was asked for.
    #[error("the answer is not what the service publishes: {0}")]
    Schema(String),
    /// No endpoint set, or none that lists anything.
    #[error("the answer is empty: no name and no prefix in {sets} endpoint sets")]
    Empty {
        /// How many sets there are.
        sets: usize,
    },
    /// Much of what is approved is missing.
    #[error(
        "the answer lacks {lost} of {of} {what} that are approved, more than {limit} %: \
         if that is meant, raise `max-loss`"
    )]
    Loses {
        /// Prefixes or names.
        what: &'static str,
        /// How many are lost.
        lost: usize,
        /// How many were there.
        of: usize,
        /// How many per cent may be lost.
        limit: u8,
    },
    /// `0.0.0.0/0` or `::/0`.
    #[error("set {set} lists {prefix}, which is everything")]
    Everything {
        /// The prefix.
        prefix: IpNet,
        /// The set.
        set: String,
    },
    /// Addresses that no service of the internet has.
    #[error("set {set} lists {prefix}, which meets {range}: {use_}")]
    Reserved {
        /// The prefix.
        prefix: IpNet,
        /// The set.
        set: String,
        /// The reserved range.
        range: IpNet,
        /// What that is for.
        use_: &'static str,
    },
    /// More addresses than a service has.
    #[error("set {set} lists {prefix}, which is shorter than /{shortest}")]
    Broad {
        /// The prefix.
        prefix: IpNet,
        /// The set.
        set: String,
        /// The shortest prefix that is believed.
        shortest: u8,
    },
    /// A name without a dot.
    #[error("set {set} lists {name:?}, a name without a dot")]
    Dotless {
        /// The name.
        name: String,
        /// The set.
        set: String,
    },
    /// A name below which everybody may have names.
    #[error("set {set} lists {name:?}, which covers the public suffix {suffix}")]
    PublicSuffix {
        /// The name.
        name: String,
        /// The set.
        set: String,
        /// The suffix.
        suffix: String,
    },
    /// An older version than before.
    #[error("the service offers version {offered} after {known}: it goes back")]
    GoesBack {
        /// What it offers.
        offered: Version,
        /// What it offered before.
        known: Version,
    },
    /// The version that is known says something else.
    #[error("the service repeats version {version} with other content")]
    SameVersion {
        /// The version.
        version: Version,
    },
}

impl Refusal {
    /// One word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ContentType(_) => "content-type",
            Self::TooLarge => "too-large",
            Self::TooDeep => "too-deep",
            Self::NotJson(_) => "not-json",
            Self::Schema(_) => "schema",
            Self::Empty { .. } => "empty",
            Self::Loses { .. } => "loses",
            Self::Everything { .. } => "everything",
            Self::Reserved { .. } => "reserved",
            Self::Broad { .. } => "broad",
            Self::Dotless { .. } => "dotless",
            Self::PublicSuffix { .. } => "public-suffix",
            Self::GoesBack { .. } => "goes-back",
            Self::SameVersion { .. } => "same-version",
        }
    }
}

/// JSON that does not parse, or that has another form.
impl From<serde_json::Error> for Refusal {
    fn from(fault: serde_json::Error) -> Self {
        match fault.classify() {
            serde_json::error::Category::Data => Self::Schema(fault.to_string()),
            _ => Self::NotJson(fault.to_string()),
        }
    }
}
