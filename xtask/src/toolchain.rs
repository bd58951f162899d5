//! The pinned Rust: installed through rustup, and the way to run everything of it.

use std::{env, ffi::OsStr, fs, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};

use crate::{checkout::Checkout, step};

pub(crate) const RUST: &str = "1.99.0";

const COMPONENTS: [Component; 3] = [
    Component {
        name: "rust-src",
        file: "lib/rustlib/src/rust/library/core/src/lib.rs",
    },
    Component {
        name: "clippy",
        file: "bin/cargo-clippy",
    },
    Component {
        name: "rustfmt",
        file: "bin/rustfmt",
    },
];

/// The target of static binaries, whose standard library the toolchain does not bring by itself.
pub(crate) const STATIC: &str = if cfg!(target_arch = "aarch64") {
    "aarch64-unknown-linux-musl"
} else {
    "x86_64-unknown-linux-musl"
};

struct Component {
    name: &'static str,
    /// A file of the toolchain that this component brings.
    file: &'static str,
}

/// Installs what is missing, then lets a plain `cargo` in the checkout use it; true if it did anything.
pub(crate) fn ensure(checkout: &Checkout) -> Result<bool> {
    let installed = !is_complete();
    if installed {
        install()?;
    }
    let chosen = choose(checkout.root())?;
    Ok(installed || chosen)
}

/// `program` of the pinned toolchain.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", RUST]).arg(program);
    forget_cargo_run(&mut command);
    command
}

/// Takes away what `cargo run` told xtask about xtask: it is wrong for every other program.
pub(crate) fn forget_cargo_run(command: &mut Command) {
    let names = env::vars_os().map(|(name, _)| name);
    for name in names.filter(|name| name.to_str().is_some_and(is_about_xtask)) {
        command.env_remove(name);
    }
}

fn is_about_xtask(name: &str) -> bool {
    const EXACT: [&str; 6] = [
        "CARGO",
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_PATH",
        "LD_LIBRARY_PATH",
        "OUT_DIR",
        "RUSTUP_TOOLCHAIN",
    ];
    EXACT.contains(&name) || name.starts_with("CARGO_PKG_")
}

/// The whole `rustc -vV` of the pinned toolchain.
pub(crate) fn identity() -> Result<String> {
    step::output(command("rustc").arg("-vV"))
        .with_context(|| format!("Rust {RUST} is installed but does not run"))
}

/// The target that the pinned toolchain runs on.
pub(crate) fn host() -> Result<String> {
    let identity = identity()?;
    let host = identity
        .lines()
        .find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names no host")?.to_owned())
}

pub(crate) fn sysroot() -> Option<String> {
    let printed = step::output(command("rustc").args(["--print", "sysroot"]))?;
    Some(printed.trim_end().to_owned())
}

fn is_complete() -> bool {
    sysroot().is_some_and(|root| {
        let root = Path::new(&root);
        let files = COMPONENTS.map(|component| component.file);
        files.iter().all(|file| root.join(file).exists())
            && root.join("lib/rustlib").join(STATIC).exists()
    })
}

fn install() -> Result<()> {
    let rustup_answers = step::output(Command::new("rustup").arg("--version")).is_some();
    ensure!(
        rustup_answers,
        "rustup is missing: it installs Rust {RUST}, which egress is built with"
    );
    eprintln!("setup: installing Rust {RUST}");
    let mut rustup = Command::new("rustup");
    rustup.args([
        "toolchain",
        "install",
        RUST,
        "--profile",
        "minimal",
        "--no-self-update",
        "--target",
        STATIC,
    ]);
    for component in COMPONENTS {
        rustup.args(["--component", component.name]);
    }
    step::run(&mut rustup)
}

/// The file is not committed: a machine that lacks this Rust could then not build xtask.
fn choose(root: &Path) -> Result<bool> {
    let file = root.join("rust-toolchain.toml");
    let wanted = choice();
    if fs::read_to_string(&file).is_ok_and(|found| found == wanted) {
        return Ok(false);
    }
    eprintln!("setup: writing rust-toolchain.toml, so that a plain `cargo` here uses Rust {RUST}");
    fs::write(&file, wanted).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(true)
}

fn choice() -> String {
    let components = COMPONENTS
        .map(|component| format!("{:?}", component.name))
        .join(", ");
    format!(
        "# Written by `cargo xtask setup`; remove it if this toolchain is gone, and run setup again.\n\
         [toolchain]\n\
         channel = \"{RUST}\"\n\
         components = [{components}]\n\
         targets = [\"{STATIC}\"]\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cargo_run_set_is_forgotten() {
        for name in [
            "CARGO",
            "CARGO_PKG_NAME",
            "RUSTUP_TOOLCHAIN",
            "LD_LIBRARY_PATH",
        ] {
            assert!(is_about_xtask(name), "{name}");
        }
        for name in [
            "CARGO_HOME",
            "CARGO_TARGET_DIR",
            "CARGO_NET_OFFLINE",
            "RUSTUP_HOME",
            "PATH",
        ] {
            assert!(!is_about_xtask(name), "{name}");
        }
    }

    #[test]
    fn the_choice_names_channel_and_components() {
        let choice = choice();
        assert!(choice.contains("channel = \"1.99.0\"\n"), "{choice}");
        assert!(
            choice.contains("components = [\"rust-src\", \"clippy\", \"rustfmt\"]\n"),
            "{choice}"
        );
    }
}
