//! bpf-linker, built in the checkout against the very LLVM of the pinned Rust.
//!
//! A stamp that is written last says what it was built with; without it nothing counts as installed.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{checkout::Checkout, step, tool::QUICKLY, toolchain};

const VERSION: &str = "0.13.0";

/// Builds the linker unless the one that is there fits; true if it did.
pub(crate) fn ensure(checkout: &Checkout) -> Result<bool> {
    let place = Place::new(checkout);
    let wanted = place.stamp_text()?;
    let Some(reason) = stale(
        place.stamped().as_deref(),
        &wanted,
        place.answer().as_deref(),
    ) else {
        return Ok(false);
    };
    eprintln!("setup: building bpf-linker {VERSION} ({reason}), about a minute");
    place.install()?;
    place.stamp(&wanted)?;
    Ok(true)
}

/// Why a linker must be built, or none if the one that is there fits.
fn stale(stamped: Option<&str>, wanted: &str, answer: Option<&str>) -> Option<&'static str> {
    match (stamped, answer) {
        (None, _) => Some("none is installed"),
        (Some(stamped), _) if stamped != wanted => {
            Some("the one in .tools is for another Rust, version or place")
        }
        (Some(_), Some(answer)) if answer.trim_end() == version_line() => None,
        (Some(_), _) => Some("the one in .tools does not run"),
    }
}

fn version_line() -> String {
    format!("bpf-linker {VERSION}")
}

struct Place {
    tools: PathBuf,
}

impl Place {
    fn new(checkout: &Checkout) -> Self {
        Self {
            tools: checkout.tools(),
        }
    }

    fn binary(&self) -> PathBuf {
        self.tools.join("bin/bpf-linker")
    }

    /// Holds links to the toolchain's LLVM. It becomes the linker's rpath, so it must stay.
    fn llvm(&self) -> PathBuf {
        self.tools.join("llvm")
    }

    /// egress-ctl's build script looks for its own `rustc -vV` in it.
    fn stamp_file(&self) -> PathBuf {
        self.tools.join("bpf-linker.stamp")
    }

    fn stamped(&self) -> Option<String> {
        fs::read_to_string(self.stamp_file()).ok()
    }

    fn stamp_text(&self) -> Result<String> {
        let rust = toolchain::identity()?;
        Ok(format!(
            "{rust}{}\n{}\n",
            version_line(),
            self.llvm().display()
        ))
    }

    /// Without LD_LIBRARY_PATH, in which cargo names the toolchain's folder and so hides a dead rpath.
    fn answer(&self) -> Option<String> {
        step::output(
            Command::new(self.binary())
                .arg("--version")
                .env_remove("LD_LIBRARY_PATH"),
        )
    }

    fn install(&self) -> Result<()> {
        remove(&self.stamp_file())?;
        self.link_llvm()?;
        step::run(
            toolchain::command("cargo")
                .args([
                    "install",
                    "bpf-linker",
                    "--version",
                    VERSION,
                    "--locked",
                    "--force",
                ])
                .args(QUICKLY)
                .arg("--root")
                .arg(&self.tools)
                .env("LLVM_PREFIX", self.llvm()),
        )?;
        let answer = self.answer().unwrap_or_default();
        ensure!(
            answer.trim_end() == version_line(),
            "the bpf-linker just built does not run"
        );
        Ok(())
    }

    fn link_llvm(&self) -> Result<()> {
        let library = llvm_library()?;
        let folder = self.llvm().join("lib");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let own_name = library.file_name().context("LLVM's library has no name")?;
        for name in ["libLLVM.so".as_ref(), own_name] {
            let link = folder.join(name);
            remove(&link)?;
            symlink(&library, &link).with_context(|| format!("cannot link {}", link.display()))?;
        }
        Ok(())
    }

    fn stamp(&self, text: &str) -> Result<()> {
        let draft = self.tools.join("bpf-linker.stamp.new");
        fs::write(&draft, text)?;
        fs::rename(&draft, self.stamp_file()).context("cannot write the linker's stamp")
    }
}

fn llvm_library() -> Result<PathBuf> {
    let sysroot = toolchain::sysroot().context("the pinned Rust names no sysroot")?;
    let folder = Path::new(&sysroot).join("lib");
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with("libLLVM.so.")
        {
            return Ok(entry.path());
        }
    }
    bail!("no libLLVM.so in {}", folder.display())
}

fn remove(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", file.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linker_is_built_when_it_does_not_fit() {
        let runs = Some("bpf-linker 0.13.0\n");
        let cases = [
            ("nothing there", None, None, false),
            ("interrupted before the stamp", None, runs, false),
            ("another rustc", Some("rustc 1.98.0"), runs, false),
            ("binary or its LLVM gone", Some("rustc 1.99.0"), None, false),
            (
                "another version in its place",
                Some("rustc 1.99.0"),
                Some("bpf-linker 0.12.0\n"),
                false,
            ),
            ("fits", Some("rustc 1.99.0"), runs, true),
        ];
        for (case, stamped, answer, fits) in cases {
            assert_eq!(
                stale(stamped, "rustc 1.99.0", answer).is_none(),
                fits,
                "{case}"
            );
        }
    }
}
