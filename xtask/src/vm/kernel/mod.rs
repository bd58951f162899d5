//! Kernels: in goes a name, out comes a kernel image and its modules, unpacked in the cache.

mod cache;

use anyhow::{Context as _, Result};

pub(crate) use self::cache::Kernel;
use self::cache::version;
use super::{
    apt::Apt,
    deb::{self, Deb},
    folder::Folder,
    pin::Pins,
};

/// A kernel by the name that it is asked for with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) name: &'static str,
    /// Whose `linux-image-cloud-amd64` it is.
    suites: &'static [&'static str],
}

/// From the oldest that can load the programs to the newest that Debian builds.
pub(crate) const LINES: [Line; 3] = [
    Line {
        name: "6.1",
        suites: &["bookworm", "bookworm-security"],
    },
    Line {
        name: "6.12",
        suites: &["trixie", "trixie-security"],
    },
    Line {
        name: "newest",
        suites: &["trixie-backports"],
    },
];

/// The floor: what the short selection runs on.
pub(crate) const FLOOR: Line = LINES[0];

/// Small, with all that a router's virtual devices take, and seconds to boot in an emulator.
const PACKAGE: &str = "linux-image-cloud-amd64";
/// How to come by a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fetch {
    /// The cache alone.
    Never,
    /// What is pinned, unless the cache has it.
    Missing,
    /// What the mirror has now; it is pinned.
    Newest,
}

impl Line {
    /// # Errors
    /// There is no such kernel; the error names those that there are.
    pub(crate) fn named(name: &str) -> Result<Self> {
        let line = LINES.into_iter().find(|line| line.name == name);
        let names = LINES.map(|line| line.name).join(", ");
        line.with_context(|| format!("there is no kernel `{name}`: there are {names}"))
    }

    /// Fetches and unpacks what is missing.
    pub(crate) fn obtain(self, folder: &Folder, pins: &mut Pins, fetch: Fetch) -> Result<Kernel> {
        let pinned = pins.of(self.name);
        if fetch != Fetch::Newest
            && let Some(kernel) = self.cached(folder, &pinned)
        {
            return Ok(kernel);
        }
        if fetch == Fetch::Never {
            return self.any_cached(folder);
        }
        self.fetch(folder, pins, fetch)
            .with_context(|| format!("kernel {}", self.name))
    }

    fn fetch(self, folder: &Folder, pins: &mut Pins, fetch: Fetch) -> Result<Kernel> {
        let apt = Apt::update(&folder.kept(&format!("apt/{}", self.name))?, self.suites)?;
        let newest = self.newest(&apt)?;
        let pinned = pins.of(self.name);
        let chosen = if fetch == Fetch::Newest {
            newest
        } else {
            self.choose(&pinned, newest, |deb| {
                Ok(apt.version(&deb.package, &deb.version)?.is_some())
            })?
        };
        if let Some(kernel) = self.cached(folder, &chosen) {
            pins.keep(self, fetch, &chosen)?;
            return Ok(kernel);
        }
        let draft = folder.draft()?;
        let unpacked = draft.path().join("kernel");
        for deb in &chosen {
            eprintln!("vm: fetching {} {}", deb.package, deb.version);
            let file = apt.download(deb, draft.path())?;
            deb::check(&file, &deb.sha256)?;
            deb::unpack(&file, &unpacked)?;
        }
        let kernel = self.install(folder, &unpacked, &chosen)?;
        pins.keep(self, fetch, &chosen)?;
        Ok(kernel)
    }

    /// The packages behind the name that always means the newest.
    fn newest(self, apt: &Apt) -> Result<Vec<Deb>> {
        let newest = |package: &str| {
            let deb = apt.newest(package)?;
            deb.with_context(|| {
                format!("the mirror has no {package} in {}", self.suites.join(", "))
            })
        };
        let image = apt
            .depends(&newest(PACKAGE)?)?
            .into_iter()
            .find(|name| name.starts_with("linux-image-"))
            .context("the newest kernel has no image")?;
        let image = newest(&image)?;
        let parts = parts(apt.depends(&image)?);
        if parts.is_empty() {
            return Ok(vec![image]);
        }
        parts.iter().map(|part| newest(part)).collect()
    }

    /// The pinned packages; where the mirror has dropped them, the newest.
    fn choose(
        self,
        pinned: &[Deb],
        newest: Vec<Deb>,
        is_there: impl Fn(&Deb) -> Result<bool>,
    ) -> Result<Vec<Deb>> {
        let name = self.name;
        let how = format!("`cargo xtask vm-test --kernel {name} --pin` pins it");
        let version = newest.first().map_or("none", |deb| &deb.version).to_owned();
        let Some(first) = pinned.first() else {
            eprintln!("vm: no kernel {name} is pinned, taking {version}: {how}");
            return Ok(newest);
        };
        for deb in pinned {
            if !is_there(deb)? {
                eprintln!(
                    "vm: WARNING: the mirror no longer has the pinned {} {}; taking {version}, by the archive's signature: {how}",
                    deb.package, deb.version
                );
                return Ok(newest);
            }
        }
        if first.version != version {
            eprintln!(
                "vm: kernel {name} is pinned at {}, the mirror has {version}: {how}",
                first.version
            );
        }
        Ok(pinned.to_vec())
    }
}

impl Pins {
    /// Pins what was asked to be the newest.
    fn keep(&mut self, line: Line, fetch: Fetch, debs: &[Deb]) -> Result<()> {
        if fetch != Fetch::Newest || self.of(line.name) == debs {
            return Ok(());
        }
        let version = version(debs).unwrap_or("nothing");
        eprintln!("vm: kernel {} is pinned at {version} now", line.name);
        self.replace(line.name, debs)
    }
}

/// An image that is split needs its parts, and nothing that would install them.
fn parts(depends: Vec<String>) -> Vec<String> {
    /// The image, the modules, and the list of those that are built in.
    const PARTS: [&str; 3] = ["linux-binary-", "linux-modules-", "linux-base-"];

    let is_part = |name: &String| PARTS.iter().any(|part| name.starts_with(part));
    depends.into_iter().filter(is_part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deb(version: &str) -> Deb {
        Deb {
            package: "linux-image".to_owned(),
            version: version.to_owned(),
            sha256: "0".repeat(64),
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_those_that_there_are() {
        let error = Line::named("5.10").expect_err("too old");
        assert_eq!(
            error.to_string(),
            "there is no kernel `5.10`: there are 6.1, 6.12, newest"
        );
    }

    #[test]
    fn the_pinned_version_is_taken_while_the_mirror_has_it() {
        for (what, pinned, is_there, expected) in [
            ("pinned and there", Some("6.1.192-2"), true, "6.1.192-2"),
            ("pinned and dropped", Some("6.1.192-2"), false, "6.1.195-1"),
            ("not pinned", None, true, "6.1.195-1"),
        ] {
            let pinned: Vec<_> = pinned.map(deb).into_iter().collect();
            let chosen = FLOOR.choose(&pinned, vec![deb("6.1.195-1")], |_| Ok(is_there));
            assert_eq!(chosen.expect(what), [deb(expected)], "{what}");
        }
    }

    #[test]
    fn a_split_image_needs_its_parts() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        assert!(parts(names(&["kmod", "linux-base", "initramfs-tools"])).is_empty());
        assert_eq!(
            parts(names(&[
                "linux-base-7.3.4",
                "linux-binary-7.3.4",
                "linux-modules-7.3.4"
            ])),
            [
                "linux-base-7.3.4",
                "linux-binary-7.3.4",
                "linux-modules-7.3.4"
            ]
        );
    }
}
