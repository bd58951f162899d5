//! What of the checkout runs in the guest: the static binaries that run on the host as well.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{
    checkout::Checkout,
    command::build::{Profile, cargo},
    step,
};

/// As tests/Cargo.toml names them.
const TESTS: &str = "integration";

/// Binaries by absolute path; they stand at the same paths in the guest.
pub(crate) struct Guest {
    pub(crate) init: PathBuf,
    pub(crate) controller: PathBuf,
    pub(crate) lab: PathBuf,
    /// The kernel programs, as they are embedded in the controller.
    pub(crate) object: PathBuf,
    /// The integration tests, in one program.
    pub(crate) tests: PathBuf,
}

impl Guest {
    pub(crate) fn build(checkout: &Checkout, offline: bool) -> Result<Self> {
        let packages = ["--package", "egress-ctl", "--package", "egress-tests"];
        let mut build = guest_cargo(checkout, "build", offline);
        build.args(packages).arg("--bins");
        let mut built = Built::by(&mut build)?;
        let mut tests = guest_cargo(checkout, "test", offline);
        tests.args(["--no-run", "--package", "egress-tests", "--test", TESTS]);
        built.add(Built::by(&mut tests)?);
        Ok(Self {
            init: built.binary("egress-init")?,
            controller: built.binary("egress-ctl")?,
            lab: built.binary("egress-lab")?,
            object: built
                .object
                .clone()
                .context("cargo built no kernel object")?,
            tests: built.tests.context("cargo built no integration tests")?,
        })
    }
}

fn guest_cargo(checkout: &Checkout, command: &str, offline: bool) -> Command {
    let mut cargo = cargo(checkout, command);
    Profile::Checked.choose(&mut cargo);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    if offline {
        cargo.arg("--offline");
    }
    cargo
}

/// What cargo says that it made.
#[derive(Debug, Default)]
struct Built {
    binaries: Vec<(String, PathBuf)>,
    tests: Option<PathBuf>,
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
        match target["kind"][0].as_str() {
            Some("test") => self.tests = Some(file.into()),
            Some("bin") if message["profile"]["test"] == false => {
                self.binaries.push((name.to_owned(), file.into()));
            }
            _ => {}
        }
    }

    fn add(&mut self, other: Self) {
        self.binaries.extend(other.binaries);
        self.tests = self.tests.take().or(other.tests);
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
{"reason":"compiler-artifact","target":{"kind":["test"],"name":"integration"},"profile":{"test":true},"executable":"/t/deps/integration-1"}
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
            built.tests.as_deref(),
            Some(Path::new("/t/deps/integration-1"))
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
