//! All parts, as one file.

use std::{fmt, io};

use tar::{Builder, Header};

use super::Part;

/// What is handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Name of the folder in it.
    pub folder: String,
    /// Its files.
    pub parts: Vec<Part>,
}

impl Bundle {
    /// As a tar archive.
    ///
    /// # Errors
    /// A name is too long.
    pub fn to_tar(&self) -> io::Result<Vec<u8>> {
        let mut archive = Builder::new(Vec::new());
        let contents = self.to_string();
        let parts = self
            .parts
            .iter()
            .map(|part| (part.name, part.text.as_str()));
        for (name, text) in [("contents.txt", contents.as_str())]
            .into_iter()
            .chain(parts)
        {
            let mut header = Header::new_ustar();
            header.set_size(text.len() as u64);
            header.set_mode(0o600);
            let path = format!("{}/{name}", self.folder);
            archive.append_data(&mut header, path, text.as_bytes())?;
        }
        archive.into_inner()
    }
}

/// What is in it, and what was redacted.
impl fmt::Display for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Part {
            name,
            about,
            text,
            redacted,
        } in &self.parts
        {
            write!(f, "{name:<14} {:>8} bytes  {about}", text.len())?;
            match redacted {
                Some(redacted) => writeln!(f, "; {redacted}")?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn an_archive_holds_all_parts_and_says_so() {
        let part = |name, text: &str| Part {
            name,
            about: "a part",
            text: text.to_owned(),
            redacted: None,
        };
        let bundle = Bundle {
            folder: "egress-support".to_owned(),
            parts: vec![part("a.txt", "one\n"), part("b.json", "{}")],
        };
        let bytes = bundle.to_tar().unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut seen = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            seen.push((entry.path().unwrap().display().to_string(), text));
        }
        let path = |name: &str| format!("egress-support/{name}");
        assert_eq!(
            seen,
            [
                (path("contents.txt"), bundle.to_string()),
                (path("a.txt"), "one\n".to_owned()),
                (path("b.json"), "{}".to_owned()),
            ]
        );
    }
}
