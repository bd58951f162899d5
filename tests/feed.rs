//! A daemon that follows a folder of editions: what is decided takes effect, and what is damaged,
//! killed or refused does not.

use std::fs;
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::config;
use lab::gateway::Egress;
use lab::host::Life;
use lab::told;
use lab::topology::Lab;
use lab::wait;
use serde_json::json;

const INSTANCE: &str = "China";
const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn what_a_person_approves_is_in_force_at_once_and_can_be_undone() -> Result<()> {
    let stage = Stage::new()?;
    stage.publish("2026010100", &["52.96.0.0/14", "40.96.0.0/13"])?;
    let egress = stage.start("removals = \"ask\"\nmax-loss = 100\n")?;
    stage.wait_for(&egress, "40.96.0.1", "allow")?;
    stage.publish("2026020100", &["52.96.0.0/14", "13.107.6.0/24"])?;
    stage.wait_for(&egress, "13.107.6.1", "allow")?;
    ensure!(
        stage.verdict(&egress, "40.96.0.1")? == "allow",
        "a removal that waits"
    );
    let diff = stage.succeed(&egress, &["feed", "diff"])?;
    let expected = "id 1 Exchange/Optimize: -40.96.0.0/13 tcp 443\n";
    ensure!(diff.contains(expected), "{diff}");
    let approved = stage.succeed(&egress, &["feed", "approve"])?;
    ensure!(approved.contains("in force, in generation"), "{approved}");
    ensure!(stage.verdict(&egress, "40.96.0.1")? == "drop");
    let undone = stage.succeed(&egress, &["feed", "rollback", "1"])?;
    ensure!(undone.contains("in force, in generation"), "{undone}");
    ensure!(stage.verdict(&egress, "40.96.0.1")? == "allow");
    ensure!(stage.verdict(&egress, "13.107.6.1")? == "drop");
    let history = stage.succeed(&egress, &["feed", "history"])?;
    ensure!(
        history.contains("generation 4: back to generation 1"),
        "{history}"
    );
    Ok(())
}

#[test]
fn a_restart_has_what_was_in_force_whatever_is_damaged() -> Result<()> {
    let stage = Stage::new()?;
    stage.publish("2026010100", &["52.96.0.0/14", "40.96.0.0/13"])?;
    let mut egress = stage.start("poll = \"1h\"\n")?;
    stage.wait_for(&egress, "40.96.0.1", "allow")?;
    egress.kill()?;
    for state in ["state-0", "state-1"] {
        let path = stage.lab.path("state/feed/lab").join(state);
        if path.exists() {
            fs::write(path, "damaged")?;
        }
    }
    let egress = stage.start("poll = \"1h\"\n")?;
    ensure!(egress.log().contains("DAMAGED STATE"), "{}", egress.log());
    ensure!(stage.verdict(&egress, "40.96.0.1")? == "allow");
    // The next decision mends it.
    stage.publish(
        "2026020100",
        &["52.96.0.0/14", "40.96.0.0/13", "13.107.6.0/24"],
    )?;
    stage.succeed(&egress, &["sync", "--now"])?;
    ensure!(stage.verdict(&egress, "13.107.6.1")? == "allow");
    let status = stage.succeed(&egress, &["feed", "status"])?;
    ensure!(!status.contains("DAMAGED"), "{status}");
    Ok(())
}

#[test]
fn a_refusal_is_told_and_changes_nothing() -> Result<()> {
    let stage = Stage::new()?;
    stage.publish("2026010100", &["52.96.0.0/14"])?;
    let egress = stage.start("poll = \"1s\"\n")?;
    stage.wait_for(&egress, "52.96.0.1", "allow")?;
    fs::write(stage.edition("2026020100"), "<html>503</html>")?;
    let status = wait::until("the refusal", LIMIT, || {
        let output = stage.run(&egress, &["feed", "status", "--json"])?;
        Ok((output.status.code() == Some(3)).then_some(output.stdout))
    })?;
    let status = told::object(&status)?;
    ensure!(
        status["feeds"][0]["refusal"]["kind"] == "not-json",
        "{status}"
    );
    let output = stage.run(&egress, &["sync", "--now"])?;
    ensure!(output.status.code() == Some(3), "{output:?}");
    ensure!(egress.log().contains("REFUSED"), "{}", egress.log());
    ensure!(stage.verdict(&egress, "52.96.0.1")? == "allow");
    Ok(())
}

/// A lab and a folder of editions.
struct Stage {
    lab: Lab,
    folder: PathBuf,
}

impl Stage {
    fn new() -> Result<Self> {
        let lab = Lab::build(Life::Bound)?;
        let folder = lab.path("mirror");
        fs::create_dir_all(folder.join(INSTANCE))?;
        Ok(Self { lab, folder })
    }

    fn edition(&self, version: &str) -> PathBuf {
        self.folder.join(INSTANCE).join(format!("{version}.json"))
    }

    /// Publishes a version, whole or not at all.
    fn publish(&self, version: &str, ips: &[&str]) -> Result<()> {
        let set = json!({
            "id": 1, "serviceArea": "Exchange", "category": "Optimize", "required": true,
            "expressRoute": false, "tcpPorts": "443", "ips": ips, "urls": ["a.example.org"],
        });
        let new = self.folder.join("new");
        fs::write(&new, json!([set]).to_string())?;
        Ok(fs::rename(new, self.edition(version))?)
    }

    /// Starts a daemon that follows the folder; `keys` may set the time between two polls.
    fn start(&self, keys: &str) -> Result<Egress> {
        let url = format!("file://{}", self.folder.display());
        let poll = if keys.contains("poll") {
            ""
        } else {
            "poll = \"1s\"\n"
        };
        let config = config::web_service(INSTANCE, &url, &format!("{poll}{keys}"));
        Egress::start(&self.lab, &config)
    }

    fn run(&self, egress: &Egress, arguments: &[&str]) -> Result<Output> {
        let mut command = egress.command(arguments);
        command.output().context("cannot start egress-ctl")
    }

    fn succeed(&self, egress: &Egress, arguments: &[&str]) -> Result<String> {
        let output = self.run(egress, arguments)?;
        ensure!(output.status.success(), "{arguments:?}: {output:?}");
        Ok(String::from_utf8(output.stdout)?)
    }

    fn verdict(&self, egress: &Egress, address: &str) -> Result<String> {
        let said = egress.check(address, &[])?;
        let verdict = said["verdicts"][0]["verdict"].as_str();
        Ok(verdict.unwrap_or_default().to_owned())
    }

    fn wait_for(&self, egress: &Egress, address: &str, verdict: &str) -> Result<()> {
        let waited = wait::until(&format!("{verdict} for {address}"), LIMIT, || {
            Ok((self.verdict(egress, address)? == verdict).then_some(()))
        });
        waited.with_context(|| format!("egress-ctl said:\n{}", egress.log()))
    }
}
