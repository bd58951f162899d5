//! What of the checkout runs in the guest: static binaries for musl, built as cargo builds tests.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{checkout::Checkout, command::build::cargo, step, toolchain};

const TARGET: &str = "x86_64-unknown-linux-musl";
/// Names the C compiler for that target; without it a musl-gcc is looked for.
const COMPILER: &str = "CC_x86_64_unknown_linux_musl";

/// Small and quick enough for an emulator, and with the checks of a debug build.
const PROFILE: [&str; 3] = [
    "profile.dev.opt-level=2",
    "profile.dev.debug=0",
    "profile.dev.strip=true",
];

/// Binaries by absolute path; they stand at the same paths in the guest.
pub(crate) struct Guest {
    pub(crate) init: PathBuf,
    pub(crate) controller: PathBuf,
    pub(crate) lab: PathBuf,
    /// The kernel programs, as they are embedded in the controller.
    pub(crate) object: PathBuf,
    /// Integration tests by name.
    pub(crate) tests: Vec<(String, PathBuf)>,
}

impl Guest {
    pub(crate) fn build(checkout: &Checkout, offline: bool) -> Result<Self> {
        add_target(offline)?;
        let packages = ["--package", "egress-ctl", "--package", "egress-tests"];
        let mut build = guest_cargo(checkout, "build", offline);
        build.args(packages).arg("--bins");
        let mut built = Built::by(&mut build)?;
        let mut tests = guest_cargo(checkout, "test", offline);
        tests.args(["--no-run", "--package", "egress-tests", "--test", "*"]);
        built.add(Built::by(&mut tests)?);
        Ok(Self {
            init: built.binary("egress-init")?,
            controller: built.binary("egress-ctl")?,
            lab: built.binary("egress-lab")?,
            object: built
                .object
                .clone()
                .context("cargo built no kernel object")?,
            tests: built.tests,
        })
    }
}

/// The standard library for static binaries, which the toolchain does not bring by itself.
fn add_target(offline: bool) -> Result<()> {
    let sysroot = toolchain::sysroot().context("the pinned Rust names no sysroot")?;
    let library = Path::new(&sysroot).join("lib/rustlib").join(TARGET);
    if library.exists() {
        return Ok(());
    }
    ensure!(
        !offline,
        "Rust for {TARGET} is missing: run once without --offline"
    );
    eprintln!("vm: installing Rust for {TARGET}");
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET, "--toolchain", toolchain::RUST]);
    step::run(&mut rustup)
}

fn guest_cargo(checkout: &Checkout, command: &str, offline: bool) -> Command {
    let mut cargo = cargo(checkout, command);
    // What TLS brings in C and assembly needs nothing of a C library's own, so any compiler will do.
    if env::var_os(COMPILER).is_none() {
        cargo.env(COMPILER, "cc");
    }
    cargo.args([
        "--target",
        TARGET,
        "--message-format",
        "json-render-diagnostics",
    ]);
    for setting in PROFILE {
        cargo.args(["--config", setting]);
    }
    if offline {
        cargo.arg("--offline");
    }
    cargo
}

/// What cargo says that it made.
#[derive(Debug, Default)]
struct Built {
    binaries: Vec<(String, PathBuf)>,
    tests: Vec<(String, PathBuf)>,
    object: Option<PathBuf>,
}

impl Built {
    fn by(cargo: &mut Command) -> Result<Self> {
        let output = cargo
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cannot start {}", step::line(cargo)))?;
        ensure!(output.status.success(), "the guest's binaries do not build");
        Self::read(&String::from_utf8(output.stdout)?)
    }

    fn read(messages: &str) -> Result<Self> {
        let mut built = Self::default();
        for line in messages.lines().filter(|line| line.starts_with('{')) {
            built.take(&serde_json::from_str(line).context("cargo writes broken JSON")?);
        }
        Ok(built)
    }

    fn take(&mut self, message: &Value) {
        match message["reason"].as_str() {
            Some("compiler-artifact") => self.take_artifact(message),
            Some("build-script-executed") if is_controller(message) => {
                let out = message["out_dir"].as_str().map(Path::new);
                self.object = out.map(|out| out.join("egress"));
            }
            _ => {}
        }
    }

    fn take_artifact(&mut self, message: &Value) {
        let target = &message["target"];
        let (Some(name), Some(file)) = (target["name"].as_str(), message["executable"].as_str())
        else {
            return;
        };
        let binary = (name.to_owned(), PathBuf::from(file));
        match target["kind"][0].as_str() {
            Some("test") => self.tests.push(binary),
            Some("bin") if message["profile"]["test"] == false => self.binaries.push(binary),
            _ => {}
        }
    }

    fn add(&mut self, other: Self) {
        self.binaries.extend(other.binaries);
        self.tests.extend(other.tests);
        self.tests.sort();
    }

    fn binary(&self, name: &str) -> Result<PathBuf> {
        let found = self.binaries.iter().find(|(known, _)| known == name);
        let (_, file) = found.with_context(|| format!("cargo built no {name}"))?;
        Ok(file.clone())
    }
}

fn is_controller(message: &Value) -> bool {
    message["package_id"]
        .as_str()
        .is_some_and(|id| id.contains("/egress-ctl#"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: &str = r#"
{"reason":"build-script-executed","package_id":"registry+x#libc@0.2","out_dir":"/t/libc/out"}
{"reason":"build-script-executed","package_id":"path+file:///w/egress-ctl#0.1.0","out_dir":"/t/ctl/out"}
{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"lab"},"profile":{"test":false},"executable":null}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"egress-ctl"},"profile":{"test":false},"executable":"/t/egress-ctl"}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"egress-init"},"profile":{"test":true},"executable":"/t/deps/egress_init-1"}
{"reason":"compiler-artifact","target":{"kind":["test"],"name":"flows"},"profile":{"test":true},"executable":"/t/deps/flows-1"}
{"reason":"build-finished","success":true}
"#;

    #[test]
    fn what_cargo_made_is_read() {
        let built = Built::read(MESSAGES).expect("messages");
        assert_eq!(
            built.object.as_deref(),
            Some(Path::new("/t/ctl/out/egress"))
        );
        assert_eq!(
            built.tests,
            [("flows".to_owned(), "/t/deps/flows-1".into())]
        );
        assert_eq!(
            built.binary("egress-ctl").expect("a binary"),
            Path::new("/t/egress-ctl")
        );
        assert!(
            built.binary("egress-init").is_err(),
            "only its tests were built"
        );
    }
}
