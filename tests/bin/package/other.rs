//! A package of an earlier version that holds another build of the program, made from the one that is tried.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// What dpkg sorts before the version itself (deb-version(7)).
const EARLIER: &str = "~earlier";

/// Makes it in the folder.
pub(super) fn earlier(package: &Path, program: &Path, folder: &Path) -> Result<PathBuf> {
    let files = folder.join("earlier");
    let mut extract = Command::new("dpkg-deb");
    run(extract.arg("--raw-extract").arg(package).arg(&files))?;
    let ours = files.join("usr/bin/egress-ctl");
    fs::copy(program, &ours).with_context(|| format!("cannot copy {}", program.display()))?;
    fs::set_permissions(&ours, fs::Permissions::from_mode(0o755))?;
    let control = files.join("DEBIAN/control");
    let text = fs::read_to_string(&control)?;
    fs::write(&control, with_earlier_version(&text)?)?;
    let made = folder.join("earlier.deb");
    let mut build = Command::new("dpkg-deb");
    build.args(["--root-owner-group", "-Znone", "--build"]);
    run(build.arg(&files).arg(&made))?;
    fs::remove_dir_all(&files)?;
    Ok(made)
}

fn with_earlier_version(control: &str) -> Result<String> {
    let version = |line: &&str| line.starts_with("Version: ");
    let line = control.lines().find(version);
    let line = line.context("the package has no version")?;
    Ok(control.replacen(line, &format!("{line}{EARLIER}"), 1))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().context("cannot start dpkg-deb")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {complaint}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_version_changes() -> Result<()> {
        let control = "Package: egress\nVersion: 0.1.0\nArchitecture: amd64\n";
        assert_eq!(
            with_earlier_version(control)?,
            "Package: egress\nVersion: 0.1.0~earlier\nArchitecture: amd64\n"
        );
        assert!(with_earlier_version("Package: egress\n").is_err());
        Ok(())
    }
}
