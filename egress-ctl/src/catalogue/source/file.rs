//! Files that hold a source, in any of the formats that egress reads.
//!
//! In: a path. Out: its text, or why it cannot be a source; and the format that the text has.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use thiserror::Error;

/// Largest file that is read: the largest known source, all of Azure's service tags, has 4 MB.
const LARGEST: u64 = 32 << 20;

/// Why a file is no source.
#[derive(Debug, Error)]
pub enum FileError {
    /// The file system's own words.
    #[error("{path}: {fault}")]
    Io {
        /// As given.
        path: String,
        /// What went wrong.
        fault: io::Error,
    },
    /// More than any source has.
    #[error("{path}: more than {} MiB, which no source of endpoints has; nothing is read", LARGEST >> 20)]
    TooLarge {
        /// As given.
        path: String,
    },
    /// Nothing but white space.
    #[error("{path}: empty")]
    Empty {
        /// As given.
        path: String,
    },
    /// Bytes that are no text.
    #[error("{path}:{line}: not UTF-8, so no page and no data of a service")]
    NotText {
        /// As given.
        path: String,
        /// Where the first such byte stands.
        line: usize,
    },
}

/// Reads a file; `-` is standard input.
///
/// # Errors
/// What cannot be read, is empty, too large or no text.
pub fn read(path: &Path) -> Result<String, FileError> {
    let name = path.display().to_string();
    let io = |fault| FileError::Io {
        path: name.clone(),
        fault,
    };
    let bytes = if path == Path::new("-") {
        bounded(io::stdin().lock())
    } else {
        File::open(path).and_then(bounded)
    };
    let bytes = bytes.map_err(io)?;
    if bytes.len() as u64 > LARGEST {
        return Err(FileError::TooLarge { path: name });
    }
    let text = String::from_utf8(bytes).map_err(|fault| {
        let good = fault.utf8_error().valid_up_to();
        let before = fault.as_bytes().iter().take(good);
        FileError::NotText {
            path: name.clone(),
            line: before.filter(|byte| **byte == b'\n').count() + 1,
        }
    })?;
    if text.trim().is_empty() {
        return Err(FileError::Empty { path: name });
    }
    Ok(text)
}

/// One byte more than the largest file has shows that it is too large.
fn bounded(from: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_is_no_source_is_refused_with_its_line() {
        let large = vec![b'a'; LARGEST as usize + 1];
        let table: [(&[u8], &str); 4] = [
            (b"", ": empty"),
            (b" \n\t", ": empty"),
            (b"a\nb\n\xff\xfe", ":3: not UTF-8"),
            (&large, ": more than 32 MiB"),
        ];
        for (bytes, expected) in table {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(bytes).unwrap();
            let error = read(file.path()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(read(Path::new("/does/not/exist")).is_err());
    }
}
