//! A package of an earlier version that holds another build of the program, made from the one that is tried.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;
use lab::other_build;

/// Maps of the version before: of other sizes, so that the upgrade makes them anew.
const RESIZED: [(&str, u32); 2] = [("MISSED", 12_288), ("VERDICTS", 65_536)];
/// What dpkg sorts before the version itself (deb-version(7)).
const EARLIER: &str = "~earlier";

#[derive(Args)]
pub(crate) struct Options {
    /// The package that it comes before
    #[arg(long, value_name = "FILE")]
    deb: PathBuf,
    /// Where it goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Makes one whose maps have other sizes.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let folder = tempfile::tempdir()?;
    let files = folder.path().join("this");
    let mut extract = Command::new("dpkg-deb");
    run_command(extract.arg("--extract").arg(&options.deb).arg(&files))?;
    let program = files.join("usr/bin/egress-ctl");
    let other = other_build::resized(&program, folder.path(), &RESIZED)?;
    let made = earlier(&options.deb, &other, folder.path())?;
    fs::copy(made, &options.out)
        .with_context(|| format!("cannot write {}", options.out.display()))?;
    Ok(true)
}

/// Makes it in the folder.
pub(crate) fn earlier(package: &Path, program: &Path, folder: &Path) -> Result<PathBuf> {
    let files = folder.join("earlier");
    let mut extract = Command::new("dpkg-deb");
    run_command(extract.arg("--raw-extract").arg(package).arg(&files))?;
    let ours = files.join("usr/bin/egress-ctl");
    fs::copy(program, &ours).with_context(|| format!("cannot copy {}", program.display()))?;
    fs::set_permissions(&ours, fs::Permissions::from_mode(0o755))?;
    let control = files.join("DEBIAN/control");
    let text = fs::read_to_string(&control)?;
    fs::write(&control, with_earlier_version(&text)?)?;
    let made = folder.join("earlier.deb");
    let mut build = Command::new("dpkg-deb");
    build.args(["--root-owner-group", "-Znone", "--build"]);
    run_command(build.arg(&files).arg(&made))?;
    fs::remove_dir_all(&files)?;
    Ok(made)
}

fn with_earlier_version(control: &str) -> Result<String> {
    let version = |line: &&str| line.starts_with("Version: ");
    let line = control.lines().find(version);
    let line = line.context("the package has no version")?;
    Ok(control.replacen(line, &format!("{line}{EARLIER}"), 1))
}

fn run_command(command: &mut Command) -> Result<()> {
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
