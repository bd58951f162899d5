//! The number of an edition: exactly ten digits, YYYYMMDDNN.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

const DIGITS: usize = 10;

/// A version; later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(u64);

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("version {0:?}: a version has exactly 10 digits, YYYYMMDDNN")]
pub struct NoVersion(String);

impl Version {
    /// Before every edition: asks for all changes there are.
    pub const ZERO: Self = Self(0);

    /// The version right before this one.
    #[must_use]
    pub fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The day on which it was published, where its digits are one.
    pub fn day(self) -> Option<Date> {
        Date::strptime("%Y%m%d", &self.to_string()[..8]).ok()
    }
}

impl FromStr for Version {
    type Err = NoVersion;

    fn from_str(text: &str) -> Result<Self, NoVersion> {
        let whole = text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| whole);
        number.map(Self).ok_or_else(|| NoVersion(text.to_owned()))
    }
}

impl TryFrom<String> for Version {
    type Error = NoVersion;

    fn try_from(text: String) -> Result<Self, NoVersion> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0DIGITS$}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ten_digits_are_a_version() {
        for text in [
            "",
            "2020",
            "20200128",
            "202001280",
            "20200128000",
            "+202001280",
            "2020-01-28",
        ] {
            assert_eq!(text.parse::<Version>(), Err(NoVersion(text.to_owned())));
        }
        for text in ["0000000000", "2020012800", "9999999999"] {
            assert_eq!(text.parse::<Version>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_version_knows_its_day() {
        let version: Version = "2020012807".parse().unwrap();
        assert_eq!(version.day(), Some(jiff::civil::date(2020, 1, 28)));
        assert_eq!("2020139900".parse::<Version>().unwrap().day(), None);
        assert!(version > version.before());
    }
}
