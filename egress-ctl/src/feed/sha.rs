//! The name of content: its SHA-256.

use std::fmt::{self, Write as _};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

const DIGITS: usize = 64;

/// A hash, in lower-case hexadecimal digits.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Sha(String);

/// A text that is no hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no SHA-256")]
pub struct ShaError(String);

impl Sha {
    /// Of some content.
    pub fn of(bytes: &[u8]) -> Self {
        let mut text = String::with_capacity(DIGITS);
        for byte in Sha256::digest(bytes) {
            // Writing into a string cannot fail.
            let _: fmt::Result = write!(text, "{byte:02x}");
        }
        Self(text)
    }

    /// Its first digits, which are enough for people.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl TryFrom<String> for Sha {
    type Error = ShaError;

    fn try_from(text: String) -> Result<Self, ShaError> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == DIGITS && text.bytes().all(is_digit) {
            return Ok(Self(text));
        }
        Err(ShaError(text))
    }
}

impl From<Sha> for String {
    fn from(sha: Sha) -> Self {
        sha.0
    }
}

impl fmt::Display for Sha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_that_of_fips_180() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Sha::of(b"abc").to_string(), abc);
        assert!(Sha::try_from("../../etc/passwd".to_owned()).is_err());
    }
}
