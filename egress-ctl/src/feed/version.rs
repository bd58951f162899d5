//! The number of an edition: exactly ten digits, YYYYMMDDNN.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const DIGITS: usize = 10;

/// When an edition was published, and which of that day it is; later ones are greater.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Version(String);

/// A text that is no version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no version: the service writes exactly 10 digits, YYYYMMDDNN")]
pub struct VersionError(String);

impl TryFrom<String> for Version {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, VersionError> {
        if text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self(text));
        }
        Err(VersionError(text))
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_ten_digits() {
        let table = [
            ("2026053100", true),
            ("0000000000", true),
            ("202605310", false),
            ("20260531000", false),
            ("2026-05-31", false),
            ("", false),
            ("٢٠٢٦٠", false),
        ];
        for (text, is_one) in table {
            assert_eq!(Version::try_from(text.to_owned()).is_ok(), is_one, "{text}");
        }
    }
}
