//! Unpacked kernels in `.tools/vm/kernels/NAME/VERSION`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use super::Line;
use crate::vm::{deb::Deb, folder::Folder};

/// Written when everything else is there.
const STAMP: &str = "packages";

/// A kernel in the cache.
pub(crate) struct Kernel {
    pub(crate) line: Line,
    folder: PathBuf,
}

impl Kernel {
    /// What QEMU starts.
    pub(crate) fn image(&self) -> Result<PathBuf> {
        let places = [self.folder.join("boot"), self.modules()?];
        for place in places {
            for entry in fs::read_dir(&place).into_iter().flatten() {
                let entry = entry?;
                if entry.file_name().to_string_lossy().starts_with("vmlinuz") {
                    return Ok(entry.path());
                }
            }
        }
        bail!("kernel {} has no vmlinuz", self.line.name)
    }

    /// `lib/modules/RELEASE`.
    pub(crate) fn modules(&self) -> Result<PathBuf> {
        for place in ["usr/lib/modules", "lib/modules"] {
            let mut entries = fs::read_dir(self.folder.join(place)).into_iter().flatten();
            if let Some(entry) = entries.next() {
                return Ok(entry?.path());
            }
        }
        bail!("kernel {} has no modules", self.line.name)
    }
}

impl Line {
    fn place(self, folder: &Folder) -> PathBuf {
        folder.path().join("kernels").join(self.name)
    }

    /// The kernel in the cache, if it is of just these packages.
    pub(super) fn cached(self, folder: &Folder, debs: &[Deb]) -> Option<Kernel> {
        let place = self.place(folder).join(version(debs)?);
        let stamp = fs::read_to_string(place.join(STAMP)).ok()?;
        (stamp == text(debs)).then_some(Kernel {
            line: self,
            folder: place,
        })
    }

    /// Without the pinned one, the newest that was fetched in its place.
    pub(super) fn any_cached(self, folder: &Folder) -> Result<Kernel> {
        let name = self.name;
        let mut found: Vec<_> = fs::read_dir(self.place(folder))
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|place| place.join(STAMP).exists())
            .collect();
        found.sort_by_key(|place| {
            fs::metadata(place.join(STAMP))
                .and_then(|stamp| stamp.modified())
                .ok()
        });
        let Some(place) = found.pop() else {
            bail!("kernel {name} is not in .tools/vm: run once without --offline");
        };
        let version = place.file_name().unwrap_or_default().display().to_string();
        eprintln!(
            "vm: WARNING: the pinned kernel {name} is not in .tools/vm; taking {version}, which is"
        );
        Ok(Kernel {
            line: self,
            folder: place,
        })
    }

    pub(super) fn install(self, folder: &Folder, unpacked: &Path, debs: &[Deb]) -> Result<Kernel> {
        let version = version(debs).context("a kernel of no package")?;
        let place = self.place(folder).join(version);
        fs::create_dir_all(self.place(folder))?;
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
        fs::rename(unpacked, &place).with_context(|| format!("cannot make {}", place.display()))?;
        fs::write(place.join(STAMP), text(debs))?;
        Ok(Kernel {
            line: self,
            folder: place,
        })
    }
}

pub(super) fn version(debs: &[Deb]) -> Option<&str> {
    debs.first().map(|deb| deb.version.as_str())
}

fn text(debs: &[Deb]) -> String {
    let lines = debs
        .iter()
        .map(|deb| format!("{} {} {}\n", deb.package, deb.version, deb.sha256));
    lines.collect()
}
