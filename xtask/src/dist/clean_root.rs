//! A clean Debian, as an archive in `.tools/root`: made once by mmdebstrap, then taken from there.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use crate::{checkout::Checkout, step, vm::apt};

const SUITE: &str = "bookworm";
const SUITES: [&str; 3] = [SUITE, "bookworm-updates", "bookworm-security"];
/// What maintainer scripts find on nearly every machine beside what Debian takes for required.
const INCLUDED: &str = "systemd";

/// Makes it where there is none, from the machine's mirror.
pub(crate) fn obtain(checkout: &Checkout) -> Result<PathBuf> {
    let folder = checkout.tools().join("root");
    let archive = folder.join(format!("{SUITE}.tar"));
    if archive.exists() {
        return Ok(archive);
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    eprintln!("dist: making a clean Debian {SUITE}, about a minute");
    let sources = folder.join("sources.list");
    fs::write(&sources, apt::sources_of(&SUITES)?)?;
    let draft = folder.join(format!("{SUITE}.new.tar"));
    let mut mmdebstrap = Command::new("mmdebstrap");
    mmdebstrap
        .args(["--quiet", "--mode=root", "--variant=minbase"])
        .arg(format!("--include={INCLUDED}"))
        .arg(SUITE)
        .arg(&draft)
        .arg(&sources);
    step::run(&mut mmdebstrap).context("the Debian mirror cannot be read")?;
    fs::rename(&draft, &archive)?;
    Ok(archive)
}
