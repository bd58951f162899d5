//! The token with which one may decide on the page.
//!
//! In: the file that holds it, and what somebody sent. Out: whether that is it. The file is read for each
//! decision, so that another token counts at once; it is told to nobody, and no log has it.

use std::{
    fmt, fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rustix::{fs::OFlags, process::geteuid};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

/// Fewer characters might be guessed.
const LEAST: usize = 20;
/// Of the file; longer ones are something else.
const MOST: u64 = 4096;
/// Bits by which others than the owner may do something.
const OTHERS: u32 = 0o077;

/// A token that may decide.
pub struct Token([u8; 32]);

/// Why nobody may decide.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It cannot be read or made.
    #[error("the token {}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read it, too.
    #[error(
        "the token {} may be read or written by others: chmod 600 it, and write another token into it",
        .0.display()
    )]
    Open(PathBuf),
    /// Somebody else may change it.
    #[error("the token {} belongs to user {uid}: chown it to root", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// Not a token.
    #[error("the token {} is none: write one line of at least {LEAST} letters and digits", .0.display())]
    Unfit(PathBuf),
}

impl Token {
    /// Reads the token in a file that nobody else may read.
    ///
    /// # Errors
    /// There is none, others may read it, or it is none.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let fault = |source| TokenError::File {
            path: path.to_owned(),
            source,
        };
        // What is no file must not make anybody wait.
        let wait_for_nobody = OFlags::NONBLOCK.bits().cast_signed();
        let mut options = fs::OpenOptions::new();
        let file = options.read(true).custom_flags(wait_for_nobody).open(path);
        let file = file.map_err(fault)?;
        let of_file = file.metadata().map_err(fault)?;
        if !of_file.is_file() {
            return Err(TokenError::Unfit(path.to_owned()));
        }
        check_owner(path, of_file.uid())?;
        if of_file.mode() & OTHERS != 0 {
            return Err(TokenError::Open(path.to_owned()));
        }
        let mut text = String::new();
        let read = file.take(MOST).read_to_string(&mut text);
        read.map_err(fault)?;
        of_text(&text).ok_or_else(|| TokenError::Unfit(path.to_owned()))
    }

    /// Makes a file with a token where there is none; whether it did.
    ///
    /// # Errors
    /// There is none, and it cannot be written.
    pub fn make(path: &Path) -> Result<bool, TokenError> {
        let made = try_make(path);
        made.map_err(|source| TokenError::File {
            path: path.to_owned(),
            source,
        })
    }

    /// Whether somebody sent this token; how long that takes says nothing of it.
    pub fn is(&self, sent: &str) -> bool {
        self.0.ct_eq(&digest(sent)).into()
    }
}

/// Root and the user that asks may say what the token is.
fn check_owner(path: &Path, uid: u32) -> Result<(), TokenError> {
    match uid == 0 || uid == geteuid().as_raw() {
        true => Ok(()),
        false => Err(TokenError::Foreign {
            path: path.to_owned(),
            uid,
        }),
    }
}

fn of_text(text: &str) -> Option<Token> {
    let token = text.trim();
    let is_one = token.len() >= LEAST && token.bytes().all(|c| c.is_ascii_graphic());
    is_one.then(|| Token(digest(token)))
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// A file is there whole or not at all, and one that came meanwhile stays.
fn try_make(path: &Path) -> io::Result<bool> {
    if path.try_exists()? {
        return Ok(false);
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    // For the owner alone, as all temporary files.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(file, "{}", random())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(fault) if fault.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(fault) => Err(fault.error),
    }
}

/// 244 bits of the kernel's random numbers, as hexadecimal digits.
fn random() -> String {
    [(); 2]
        .map(|()| Uuid::new_v4().simple().to_string())
        .concat()
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const GIVEN: &str = "correct-horse-battery-staple";

    #[test]
    fn only_the_token_is_the_token() {
        let token = of_text(&format!("{GIVEN}\n")).unwrap();
        let table = [
            (GIVEN, true),
            ("", false),
            ("correct-horse-battery-stapl", false),
            ("correct-horse-battery-staple ", false),
            ("Correct-horse-battery-staple", false),
        ];
        for (sent, is_it) in table {
            assert_eq!(token.is(sent), is_it, "{sent}");
        }
        assert_eq!(format!("{token:?}"), "Token(..)");
    }

    #[test]
    fn what_might_be_guessed_or_mistyped_is_no_token() {
        for text in [
            "",
            "\n",
            "short",
            "two words of more than twenty",
            "ü".repeat(30).as_str(),
        ] {
            assert!(of_text(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_token_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        assert!(matches!(Token::read(&path), Err(TokenError::File { .. })));
        assert!(Token::make(&path).unwrap());
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.trim().len(), 64, "{text}");
        assert!(Token::read(&path).unwrap().is(text.trim()));
        assert!(!Token::make(&path).unwrap(), "what is there stays");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        for (mode, may) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let read = Token::read(&path);
            match may {
                true => assert!(read.is_ok(), "{mode:o}"),
                false => assert!(matches!(read, Err(TokenError::Open(_))), "{mode:o}"),
            }
        }
        assert!(matches!(
            Token::read(folder.path()),
            Err(TokenError::Unfit(_))
        ));
    }
}
