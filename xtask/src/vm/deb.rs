//! A Debian package: read from what apt shows, checked and unpacked.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::step;

/// A package of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deb {
    pub(crate) package: String,
    pub(crate) version: String,
    pub(crate) sha256: String,
}

impl Deb {
    pub(crate) fn read(shown: &str) -> Result<Self> {
        let field = |name| {
            field(shown, name)
                .map(str::to_owned)
                .with_context(|| format!("apt-cache shows a package without {name}"))
        };
        Ok(Self {
            package: field("Package")?,
            version: field("Version")?,
            sha256: field("SHA256")?,
        })
    }
}

/// The value of the first `Name: value`.
pub(crate) fn field<'a>(shown: &'a str, name: &str) -> Option<&'a str> {
    shown
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// A file that is not what was asked for is removed.
pub(crate) fn check(file: &Path, sha256: &str) -> Result<()> {
    let printed = step::output(Command::new("sha256sum").arg("--").arg(file));
    let printed = printed.context("sha256sum does not run")?;
    let found = printed
        .trim_start_matches('\\')
        .split(' ')
        .next()
        .unwrap_or_default();
    if found != sha256 {
        fs::remove_file(file)?;
        bail!(
            "{} is not what is pinned and was removed: its SHA-256 is {found}, not {sha256}",
            file.display()
        );
    }
    Ok(())
}

pub(crate) fn unpack(deb: &Path, into: &Path) -> Result<()> {
    let mut dpkg = Command::new("dpkg");
    dpkg.arg("--extract").arg(deb).arg(into);
    step::run(&mut dpkg).with_context(|| format!("cannot unpack {}", deb.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_read_from_what_apt_shows() {
        let shown = "Package: linux-image\nVersion: 6.1.192-2\nDepends: kmod\nSHA256: abcd\n";
        let deb = Deb::read(shown).expect("a package");
        assert_eq!(
            (deb.version.as_str(), deb.sha256.as_str()),
            ("6.1.192-2", "abcd")
        );
        assert!(Deb::read("Package: linux-image\n").is_err());
    }

    #[test]
    fn a_file_with_another_checksum_is_removed() {
        let file = std::env::temp_dir().join(format!("egress-deb-{}", std::process::id()));
        fs::write(&file, "not a kernel").expect("a file");
        let error = check(&file, &"0".repeat(64)).expect_err("another checksum");
        assert!(error.to_string().contains("was removed"), "{error}");
        assert!(!file.exists());
    }
}
