//! Man pages, packed as Debian has them, and completions: in `manual` beside the programs.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result};

use crate::step;

pub(super) fn write(built: &Path) -> Result<()> {
    let folder = built.join("manual");
    step::run(Command::new(built.join("egress-manual")).arg(&folder))?;
    let man = folder.join("man");
    let mut gzip = Command::new("gzip");
    // Without names and times, which would differ from build to build.
    gzip.args(["-9", "--no-name"]);
    for page in fs::read_dir(&man).with_context(|| format!("no {}", man.display()))? {
        gzip.arg(page?.path());
    }
    step::run(&mut gzip)
}
