//! Debian packages of any release, through an apt of our own: nothing of the machine's changes.
//!
//! The mirror is the machine's own. Apt verifies what it fetches by the signatures of the archive.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};

use super::deb::{Deb, field};
use crate::step;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// An apt that knows some suites, such as `bookworm` and `bookworm-security`.
pub(crate) struct Apt {
    folder: PathBuf,
}

impl Apt {
    /// Learns what the suites hold now.
    pub(crate) fn update(folder: &Path, suites: &[&str]) -> Result<Self> {
        for name in ["lists/partial", "cache/archives/partial"] {
            let path = folder.join(name);
            fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        }
        fs::write(folder.join("sources.list"), sources_of(suites)?)?;
        let apt = Self {
            folder: folder.to_owned(),
        };
        step::run(apt.command("apt-get").args(["--quiet=2", "update"]))
            .context("the Debian mirror cannot be read")?;
        Ok(apt)
    }

    /// The newest package, as the mirror has it, if it has one.
    pub(crate) fn newest(&self, package: &str) -> Result<Option<Deb>> {
        let mut show = self.command("apt-cache");
        let shown = step::output(show.args(["show", "--no-all-versions", package]));
        shown.as_deref().map(Deb::read).transpose()
    }

    /// The package of exactly that version, if the mirror has it.
    pub(crate) fn version(&self, package: &str, version: &str) -> Result<Option<Deb>> {
        let mut show = self.command("apt-cache");
        let shown = step::output(show.arg("show").arg(format!("{package}={version}")));
        shown.as_deref().map(Deb::read).transpose()
    }

    /// What a package depends on.
    pub(crate) fn depends(&self, deb: &Deb) -> Result<Vec<String>> {
        let mut show = self.command("apt-cache");
        show.arg("show")
            .arg(format!("{}={}", deb.package, deb.version));
        let shown =
            step::output(&mut show).context("a package is gone from one moment to the next")?;
        let line = field(&shown, "Depends").unwrap_or_default();
        let names = line
            .split([',', '|'])
            .filter_map(|part| part.split_whitespace().next());
        Ok(names.map(str::to_owned).collect())
    }

    /// Fetches one package into the folder, and says under which name.
    pub(crate) fn download(&self, deb: &Deb, into: &Path) -> Result<PathBuf> {
        let mut get = self.command("apt-get");
        get.args(["--quiet=2", "download"])
            .arg(format!("{}={}", deb.package, deb.version))
            .current_dir(into);
        step::run(&mut get)
            .with_context(|| format!("{} {} cannot be fetched", deb.package, deb.version))?;
        let begin = format!("{}_", deb.package);
        for entry in fs::read_dir(into)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&begin) {
                return Ok(entry.path());
            }
        }
        bail!("apt-get fetched {} and left no file", deb.package)
    }

    /// Fetches a package of a suite and all that it needs and this machine does not have.
    pub(crate) fn download_all(&self, package: &str, suite: &str) -> Result<Vec<PathBuf>> {
        let mut get = self.command("apt-get");
        get.args(["--quiet=2", "--yes", "--download-only"])
            .args(["--no-install-recommends", "--target-release", suite])
            .args(["--reinstall", "install", package]);
        step::run(&mut get).with_context(|| format!("{package} cannot be fetched"))?;
        let mut debs = Vec::new();
        for entry in fs::read_dir(self.folder.join("cache/archives"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "deb") {
                debs.push(path);
            }
        }
        Ok(debs)
    }

    fn command(&self, program: &str) -> Command {
        let folder = self.folder.display();
        let mut command = Command::new(program);
        for option in [
            format!("Dir::Etc::SourceList={folder}/sources.list"),
            "Dir::Etc::SourceParts=-".to_owned(),
            format!("Dir::State::Lists={folder}/lists"),
            format!("Dir::Cache={folder}/cache"),
            // Only what says which packages there are.
            "Acquire::Languages=none".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
            "Acquire::Retries=3".to_owned(),
            // Root's folders are closed to the user that apt would fetch as, and nothing is installed.
            "APT::Sandbox::User=root".to_owned(),
            "Debug::NoLocking=true".to_owned(),
        ] {
            command.arg("--option").arg(option);
        }
        command.env("LC_ALL", "C");
        command
    }
}

/// Lines for apt's list of sources, with the mirrors of the machine.
pub(crate) fn sources_of(suites: &[&str]) -> Result<String> {
    sources(&mirrors()?, suites)
}

/// Where the machine gets a suite of Debian from: the plain archive, or that of security updates.
fn mirrors() -> Result<BTreeMap<&'static str, String>> {
    const FORMAT: &str = "$(REPO_URI) $(RELEASE)";

    let mut targets = Command::new("apt-get");
    targets.args(["indextargets", "--format", FORMAT, "Created-By: Packages"]);
    let told = step::output(&mut targets)
        .context("there is no apt-get, which knows where Debian is fetched from")?;
    Ok(mirrors_of(&told))
}

fn mirrors_of(told: &str) -> BTreeMap<&'static str, String> {
    let mut mirrors = BTreeMap::new();
    for line in told.lines() {
        let Some((uri, suite)) = line.split_once(' ') else {
            continue;
        };
        let is_debian = uri.trim_end_matches('/').ends_with("debian");
        if suite.ends_with("-security") {
            mirrors.entry("security").or_insert_with(|| uri.to_owned());
        } else if is_debian {
            mirrors.entry("archive").or_insert_with(|| uri.to_owned());
        }
    }
    mirrors
}

fn sources(mirrors: &BTreeMap<&'static str, String>, suites: &[&str]) -> Result<String> {
    let signed = if Path::new(KEYRING).exists() {
        format!("[signed-by={KEYRING}] ")
    } else {
        String::new()
    };
    let mut lines = String::new();
    for suite in suites {
        let kind = if suite.ends_with("-security") {
            "security"
        } else {
            "archive"
        };
        ensure!(
            mirrors.contains_key(kind),
            "apt of this machine names no Debian mirror for {suite}: kernels, QEMU and clean roots come from there"
        );
        lines.push_str(&format!("deb {signed}{} {suite} main\n", mirrors[kind]));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirrors_are_those_of_the_machine() {
        let told = "https://packages.example.org/apt stable\n\
            http://mirror.example.org/debian/ bookworm\n\
            http://other.example.org/debian/ bookworm-updates\n\
            http://mirror.example.org/debian-security/ bookworm-security\n";
        let mirrors = mirrors_of(told);
        let sources = sources(&mirrors, &["trixie", "trixie-security"]).expect("two mirrors");
        let lines: Vec<_> = sources.lines().collect();
        assert!(lines[0].ends_with("http://mirror.example.org/debian/ trixie main"));
        assert!(
            lines[1].ends_with("http://mirror.example.org/debian-security/ trixie-security main")
        );
    }

    #[test]
    fn a_machine_without_a_mirror_is_told_so() {
        let mirrors = mirrors_of("https://packages.example.org/apt stable\n");
        let error = sources(&mirrors, &["trixie"]).expect_err("no mirror");
        assert!(error.to_string().contains("no Debian mirror for trixie"));
    }
}
