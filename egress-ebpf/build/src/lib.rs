//! Builds kernel programs, for the build scripts of the crates that embed them.
//!
//! In: the name of a crate of kernel programs and what it is made from. Out: its object in the folder that
//! Cargo gives the build script (`OUT_DIR`).
//!
//! Their flags and linker stand in .cargo/config.toml; aya-build would replace them.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

const TARGET: &str = "bpfel-unknown-none";

/// What every object is made from, relative to the checkout.
const SOURCES: [&str; 4] = [
    "Cargo.toml",
    "Cargo.lock",
    ".cargo/config.toml",
    LINKER_STAMP,
];

/// `cargo xtask setup` writes into it what the linker was built with.
const LINKER_STAMP: &str = ".tools/bpf-linker.stamp";

/// A binary of kernel programs.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a> {
    /// Its crate.
    pub package: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Features of the crate that it is built with.
    pub features: &'a [&'a str],
    /// What it alone is made from, relative to the checkout.
    pub sources: &'a [&'a str],
}

impl Object<'_> {
    /// Builds it, and leaves it at `OUT_DIR/name`. Called by a build script of a crate that stands right in
    /// the checkout.
    ///
    /// # Errors
    /// What failed. A linker that is missing or does not fit is told to Cargo instead.
    pub fn build(self) -> Result<()> {
        let package = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
        let checkout = package
            .parent()
            .context("the crate stands in no checkout")?;
        for source in SOURCES.iter().chain(self.sources) {
            println!(
                "cargo::rerun-if-changed={}",
                checkout.join(source).display()
            );
        }
        if let Some(misfit) = misfit(checkout)? {
            println!("cargo::error={misfit}");
            return Ok(());
        }
        self.build_in(checkout)
    }

    fn build_in(self, checkout: &Path) -> Result<()> {
        let out = PathBuf::from(variable("OUT_DIR")?);
        let target = target_folder(&out).join(self.folder());
        let mut cargo = Command::new(variable("CARGO")?);
        cargo
            .args([
                "build",
                "--locked",
                "--release",
                "--package",
                self.package,
                "--bin",
                self.name,
            ])
            .args(["--features", &self.features.join(",")])
            .args(["--target", TARGET, "-Z", "build-std=core", "--target-dir"])
            .arg(&target)
            .current_dir(checkout)
            // For this child alone: dependencies of the host crates would see it and decide otherwise.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("AYA_BPF_TARGET_ARCH", variable("CARGO_CFG_TARGET_ARCH")?);
        // Clippy's wrapper, and flags for the host, which would replace those of .cargo/config.toml.
        for name in [
            "RUSTC_WORKSPACE_WRAPPER",
            "CARGO_ENCODED_RUSTFLAGS",
            "RUSTFLAGS",
        ] {
            cargo.env_remove(name);
        }
        let status = cargo
            .status()
            .context("cannot start cargo for the kernel programs")?;
        ensure!(
            status.success(),
            "the kernel programs do not build: cargo ended with {status}"
        );
        let object = target.join(TARGET).join("release").join(self.name);
        strip(&object, &out.join(self.name))
    }
}

impl Object<'_> {
    /// Where cargo builds it: builds with other features would put their objects in the place of this one, between
    /// its making and its taking.
    fn folder(&self) -> String {
        let features = self.features.iter();
        features.fold("bpf".to_owned(), |folder, feature| {
            format!("{folder}-{feature}")
        })
    }
}

/// Leaves out what only debuggers read, three quarters of it: loaders and the kernel take types and lines from BTF.
fn strip(object: &Path, to: &Path) -> Result<()> {
    let sysroot = PathBuf::from(printed(&["--print", "sysroot"])?.trim_end());
    let host = variable("HOST")?;
    let objcopy = sysroot
        .join("lib/rustlib")
        .join(host)
        .join("bin/rust-objcopy");
    let status = Command::new(&objcopy)
        .arg("--strip-debug")
        .arg(object)
        .arg(to)
        .env("LD_LIBRARY_PATH", sysroot.join("lib"))
        .status()
        .with_context(|| format!("cannot start {}", objcopy.display()))?;
    ensure!(
        status.success(),
        "{} cannot be stripped: rust-objcopy ended with {status}",
        object.display()
    );
    Ok(())
}

/// What the compiler answers.
fn printed(arguments: &[&str]) -> Result<String> {
    let output = Command::new(variable("RUSTC")?).args(arguments).output()?;
    Ok(String::from_utf8(output.stdout)?)
}

/// Why the BPF linker cannot link what this compiler makes, and what to do about it.
fn misfit(checkout: &Path) -> Result<Option<String>> {
    let Ok(stamp) = fs::read_to_string(checkout.join(LINKER_STAMP)) else {
        return Ok(Some(
            "the BPF linker is missing: run `cargo xtask setup`".into(),
        ));
    };
    let rust = printed(&["-vV"])?;
    if stamp.starts_with(&rust) {
        return Ok(None);
    }
    let version = rust.lines().next().unwrap_or("this compiler");
    Ok(Some(format!(
        "the BPF linker was built for another Rust than {version}: run `cargo xtask setup`, then build with `cargo xtask build`"
    )))
}

/// Cargo's own, so that debug, release, clippy and guest builds share one build of `core` for BPF; a
/// build for a named target has a folder in it that is tagged as well.
fn target_folder(out: &Path) -> &Path {
    let is_tagged = |folder: &&Path| folder.join("CACHEDIR.TAG").exists();
    let nearest = out.ancestors().find(is_tagged).unwrap_or(out);
    nearest.parent().filter(is_tagged).unwrap_or(nearest)
}

fn variable(name: &str) -> Result<OsString> {
    env::var_os(name).with_context(|| format!("cargo did not set {name}"))
}
