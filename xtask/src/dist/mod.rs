//! What is handed out: one static program, as a Debian package and as a tarball for other distributions.
//!
//! ```text
//! egress-ctl ──> egress-manual ──> pages, completions ─┐
//!     └─────────────────────────────────── packaging ──┴─> cargo-deb ──> .deb ──> .tar.gz ──> SHA256SUMS
//! ```
//! In: a checkout. Out: the files, in `target/dist`.

pub(crate) mod boot;
pub(crate) mod clean_root;
pub(crate) mod cross;
mod deb;
mod manual;
pub(crate) mod sbom;
mod sums;
mod tarball;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    checkout::Checkout,
    command::build::{self, Profile},
    step,
    tool::Tool,
};

pub(crate) const CARGO_DEB: Tool = Tool {
    name: "cargo-deb",
    version: "3.8.0",
    takes: "a minute",
};

/// What the program may take, in bytes: routers have little room.
const PROGRAM_MAX: u64 = 15 << 20;
/// That of every crate of the workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What was made, by path.
pub(crate) struct Made {
    pub(crate) program: PathBuf,
    pub(crate) deb: PathBuf,
    pub(crate) tarball: PathBuf,
    pub(crate) sums: PathBuf,
}

pub(crate) fn make(checkout: &Checkout) -> Result<Made> {
    let profile = Profile::Packaged;
    let built = build(checkout, profile)?;
    let program = built.join("egress-ctl");
    check_size(&program)?;
    manual::write(&built)?;
    let out = emptied(&checkout.target().join("dist"))?;
    let epoch = epoch(checkout);
    let deb = deb::make(checkout, (&out, profile), &epoch)?;
    let tarball = tarball::make(checkout, &deb, &epoch)?;
    Ok(Made {
        program,
        sums: sums::write(&out, &[deb.as_path(), tarball.as_path()])?,
        deb,
        tarball,
    })
}

/// A package of a quick build, which is good for nothing but to try the checks.
pub(crate) fn quick(checkout: &Checkout) -> Result<PathBuf> {
    let profile = Profile::Quick;
    manual::write(&build(checkout, profile)?)?;
    let out = emptied(&checkout.target().join("dist-quick"))?;
    deb::make(checkout, (&out, profile), &epoch(checkout))
}

/// Builds the program as it is handed out, and says where it is.
pub(crate) fn program(checkout: &Checkout) -> Result<PathBuf> {
    Ok(build(checkout, Profile::Packaged)?.join("egress-ctl"))
}

/// Builds the program and what writes its manual, and says where they are.
fn build(checkout: &Checkout, profile: Profile) -> Result<PathBuf> {
    let mut cargo = build::cargo(checkout, "build");
    cargo.args(["-p", "egress-ctl", "-p", "egress-manual", "--bins"]);
    profile.choose(&mut cargo);
    step::run(&mut cargo)?;
    Ok(checkout.target().join(profile.folder()))
}

fn check_size(program: &Path) -> Result<()> {
    let about = fs::metadata(program).with_context(|| format!("no {}", program.display()))?;
    let bytes = about.len();
    ensure!(
        bytes <= PROGRAM_MAX,
        "{} takes {bytes} bytes, and may take {PROGRAM_MAX}: see what grew",
        program.display()
    );
    Ok(())
}

/// Without what an earlier run left.
fn emptied(folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder.to_owned())
}

/// The time that files are given, so that two builds of a commit give the same ones: the commit's.
fn epoch(checkout: &Checkout) -> String {
    let given = env::var("SOURCE_DATE_EPOCH").ok();
    let of_commit = || {
        let mut git = Command::new("git");
        git.args(["log", "-1", "--format=%ct"])
            .current_dir(checkout.root());
        step::output(&mut git).filter(|time| !time.trim().is_empty())
    };
    let epoch = given.or_else(of_commit);
    epoch.map_or_else(|| "0".to_owned(), |time| time.trim().to_owned())
}
