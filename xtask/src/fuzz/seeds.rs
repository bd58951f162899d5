//! What fuzzing begins with: files of `tests/fuzz/seeds`, and what stands in the tree already. The packets of the
//! golden tables and every config of the README are written out, one file each.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

use super::{CRATE, folder};
use crate::checkout::Checkout;

#[path = "../../../tests/golden/frame.rs"]
mod frame;

/// A table of frames is named for what their Ethernet header says.
const TABLES: [&str; 2] = ["ipv4", "ipv6"];

/// One folder a target, as the other.
pub(super) fn committed(checkout: &Checkout) -> PathBuf {
    checkout.root().join(CRATE).join("seeds")
}

pub(super) fn written(checkout: &Checkout) -> PathBuf {
    folder(checkout).join("seeds")
}

pub(crate) fn write(checkout: &Checkout) -> Result<()> {
    let (root, to) = (checkout.root(), written(checkout));
    for table in TABLES {
        let text = read(&root.join("tests/golden").join(table))?;
        save(&to.join("packet"), table, frames(table, &text)?)?;
    }
    let policy = read(&root.join("tests/golden/policy.toml"))?;
    let readme = read(&root.join("README.md"))?;
    let configs = configs(&readme).chain([policy.as_str()]);
    save(&to.join("config"), "config", configs.map(Vec::from))
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// The bytes at the end of each line.
fn frames(family: &str, text: &str) -> Result<Vec<Vec<u8>>> {
    let lines = text.lines().filter_map(|line| line.rsplit_once('|'));
    let frames = lines.map(|(_, bytes)| frame::frame(family, bytes.trim()));
    let frames: Vec<_> = frames.collect::<Result<_>>()?;
    ensure!(
        !frames.is_empty(),
        "the golden table {family} has no packets"
    );
    Ok(frames)
}

fn configs(readme: &str) -> impl Iterator<Item = &str> {
    let blocks = readme.split("```toml\n").skip(1);
    blocks.filter_map(|behind| Some(behind.split_once("```")?.0))
}

fn save(folder: &Path, name: &str, seeds: impl IntoIterator<Item = Vec<u8>>) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (number, seed) in seeds.into_iter().enumerate() {
        let file = folder.join(format!("{name}-{number}"));
        fs::write(&file, seed).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_packets_are_seeds() -> Result<()> {
        for (family, text, kind) in [
            (
                "ipv4",
                include_str!("../../../tests/golden/ipv4"),
                [0x08, 0],
            ),
            (
                "ipv6",
                include_str!("../../../tests/golden/ipv6"),
                [0x86, 0xdd],
            ),
        ] {
            let frames = frames(family, text)?;
            assert!(frames.len() >= 200, "{family}: {}", frames.len());
            assert_eq!(frames[0][12..14], kind, "{family}");
        }
        Ok(())
    }

    #[test]
    fn configs_of_the_readme_are_seeds() {
        let configs: Vec<_> = configs(include_str!("../../../README.md")).collect();
        assert!(configs.len() > 3, "{}", configs.len());
        assert!(
            configs.iter().all(|config| config.contains('=')),
            "{configs:?}"
        );
    }
}
