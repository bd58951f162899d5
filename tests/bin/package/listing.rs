//! What a root holds: every file, folder and link, and what two such listings do not agree about.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// What is not on its disk, and what other programs keep of what was: dpkg's records, groupdel's backups.
const LEFT_OUT: [&str; 12] = [
    "dev",
    "etc/group-",
    "etc/gshadow-",
    "proc",
    "run",
    "sys",
    "tmp",
    "var/lib/dpkg/lock",
    "var/lib/dpkg/lock-frontend",
    "var/lib/dpkg/status",
    "var/lib/dpkg/status-old",
    "var/log/dpkg.log",
];

/// Owner, group, kind with rights, and a hash of what it holds, of every path below a root.
pub(crate) struct Listing(BTreeMap<PathBuf, (u32, u32, u32, u64)>);

impl Listing {
    pub(crate) fn of(root: &Path) -> Result<Self> {
        let mut listing = Self(BTreeMap::new());
        listing.add(root, root)?;
        Ok(listing)
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// What is not the same in both: paths with `+` where this has more, `-` less, and `~` something else.
    pub(crate) fn since(&self, before: &Self) -> Vec<String> {
        let told = |sign: char, path: &Path| format!("{sign}{}", path.display());
        let gone = before.0.keys().filter(|path| !self.0.contains_key(*path));
        let here = self.0.iter().filter_map(|(path, now)| {
            let then = before.0.get(path);
            let sign = if then.is_some() { '~' } else { '+' };
            (then != Some(now)).then(|| told(sign, path))
        });
        gone.map(|path| told('-', path)).chain(here).collect()
    }

    fn add(&mut self, root: &Path, folder: &Path) -> Result<()> {
        let entries = fs::read_dir(folder);
        for entry in entries.with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry?.path();
            let name = path.strip_prefix(root)?.to_owned();
            if LEFT_OUT.iter().any(|out| name == Path::new(out)) {
                continue;
            }
            let about = path.symlink_metadata()?;
            let holds = hash(&path, &about)?;
            let entry = (about.uid(), about.gid(), about.mode(), holds);
            self.0.insert(name, entry);
            if about.is_dir() {
                self.add(root, &path)?;
            }
        }
        Ok(())
    }
}

fn hash(path: &Path, about: &fs::Metadata) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    if about.is_symlink() {
        fs::read_link(path)?.hash(&mut hasher);
    } else if about.is_file() {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        bytes.hash(&mut hasher);
    }
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_differs_is_named() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("etc"))?;
        for (name, text) in [("etc/kept", "a"), ("etc/changed", "b"), ("etc/gone", "c")] {
            fs::write(path(name), text)?;
        }
        let before = Listing::of(dir.path())?;
        assert!(Listing::of(dir.path())?.since(&before).is_empty());
        fs::write(path("etc/changed"), "d")?;
        fs::remove_file(path("etc/gone"))?;
        fs::create_dir(path("etc/egress"))?;
        fs::create_dir(path("run"))?;
        let after = Listing::of(dir.path())?;
        let expected = ["-etc/gone", "~etc/changed", "+etc/egress"];
        assert_eq!(after.since(&before), expected);
        Ok(())
    }
}
