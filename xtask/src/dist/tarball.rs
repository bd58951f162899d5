//! The tarball: the package's files and the licences, below one folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::VERSION;
use crate::{checkout::Checkout, step, toolchain};

/// Debian has the texts of licences elsewhere.
const LICENCES: [&str; 3] = ["LICENSE-APACHE", "LICENSE-MIT", "LICENSE-GPL-2.0"];
/// What only Debian knows.
const OF_DEBIAN: &str = "usr/share/lintian";

pub(super) fn make(checkout: &Checkout, deb: &Path, epoch: &str) -> Result<PathBuf> {
    let out = deb.parent().context("the package stands in no folder")?;
    let name = name();
    let files = out.join(&name);
    let mut extract = Command::new("dpkg-deb");
    step::run(extract.arg("--extract").arg(deb).arg(&files))?;
    fs::remove_dir_all(files.join(OF_DEBIAN))?;
    for licence in LICENCES {
        let to = files.join("usr/share/doc/egress").join(licence);
        fs::copy(checkout.root().join(licence), &to)
            .with_context(|| format!("cannot write {}", to.display()))?;
    }
    let tarball = out.join(format!("{name}.tar.gz"));
    step::run(&mut tar(out, &name, &tarball, epoch))?;
    fs::remove_dir_all(&files)?;
    Ok(tarball)
}

/// `egress-VERSION-ARCHITECTURE-linux-musl`.
fn name() -> String {
    let target = toolchain::STATIC.replace("-unknown-", "-");
    format!("egress-{VERSION}-{target}")
}

/// Of the same files the same bytes.
fn tar(out: &Path, name: &str, tarball: &Path, epoch: &str) -> Command {
    let mut tar = Command::new("tar");
    tar.args(["--create", "--sort=name", "--format=gnu"])
        .args(["--owner=0", "--group=0", "--numeric-owner"])
        .args(["--mode=u=rwX,go=rX", &format!("--mtime=@{epoch}")])
        .arg("--use-compress-program=gzip -9n")
        .arg("--file")
        .arg(tarball)
        .arg("--directory")
        .arg(out)
        .arg(name);
    tar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_version_and_system() {
        let name = name();
        assert!(name.starts_with("egress-0."), "{name}");
        assert!(name.ends_with("-linux-musl"), "{name}");
        assert!(!name.contains("unknown"), "{name}");
    }
}
