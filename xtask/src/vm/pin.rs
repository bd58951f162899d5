//! The kernels that tests run on: package, version and checksum of each, checked in.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::deb::Deb;
use crate::checkout::Checkout;

const HEAD: &str = "\
# Kernels of `cargo xtask vm-test`: name, package, version, SHA-256.
# `cargo xtask vm-test --kernel NAME --pin` writes what the mirror has now.
";

/// The file of pins.
pub(crate) struct Pins {
    file: PathBuf,
    lines: Vec<(String, Deb)>,
}

impl Pins {
    pub(crate) fn read(checkout: &Checkout) -> Result<Self> {
        let file = checkout.root().join("tests/vm/kernels");
        let text = fs::read_to_string(&file).unwrap_or_default();
        let lines = parse(&text).with_context(|| format!("in {}", file.display()))?;
        Ok(Self { file, lines })
    }

    /// The packages that make up a kernel.
    pub(crate) fn of(&self, kernel: &str) -> Vec<Deb> {
        let own = self.lines.iter().filter(|(name, _)| name == kernel);
        own.map(|(_, deb)| deb.clone()).collect()
    }

    /// Replaces the packages of a kernel, in the file as well.
    pub(crate) fn replace(&mut self, kernel: &str, debs: &[Deb]) -> Result<()> {
        self.lines.retain(|(name, _)| name != kernel);
        let fresh = debs.iter().map(|deb| (kernel.to_owned(), deb.clone()));
        self.lines.extend(fresh);
        fs::write(&self.file, format(&self.lines))
            .with_context(|| format!("cannot write {}", self.file.display()))
    }
}

fn parse(text: &str) -> Result<Vec<(String, Deb)>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter(|line| !line.is_empty()).map(line).collect()
}

fn line(line: &str) -> Result<(String, Deb)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [name, package, version, sha256] = words.as_slice() else {
        anyhow::bail!("not name, package, version and SHA-256: {line}");
    };
    let is_hex = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
    ensure!(is_hex, "not a SHA-256: {sha256}");
    let deb = Deb {
        package: (*package).to_owned(),
        version: (*version).to_owned(),
        sha256: (*sha256).to_owned(),
    };
    Ok(((*name).to_owned(), deb))
}

fn format(lines: &[(String, Deb)]) -> String {
    let mut text = HEAD.to_owned();
    for (
        name,
        Deb {
            package,
            version,
            sha256,
        },
    ) in lines
    {
        text.push_str(&format!("{name} {package} {version} {sha256}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let deb = |package: &str| Deb {
            package: package.to_owned(),
            version: "7.3.4-1~bpo13+1".to_owned(),
            sha256: "4545cda1cab2f7e975e9b3ad1744b4a360092a85a793156bf48f1bdf02906cc9".to_owned(),
        };
        let lines = ["linux-binary", "linux-modules"].map(|name| ("newest".to_owned(), deb(name)));
        assert_eq!(parse(&format(&lines)).expect("pins"), lines);
    }

    #[test]
    fn a_damaged_line_is_named() {
        for damaged in ["6.1 linux-image 6.1.192-2", "6.1 linux-image 6.1.192-2 abc"] {
            assert!(parse(damaged).is_err(), "{damaged}");
        }
    }
}
