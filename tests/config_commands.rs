//! `egress-ctl config check`, `config show` and `init` as commands: what they print, and their exit codes.

use std::fs;
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use lab::gateway;
use lab::stage::Stage;
use lab::told;
use tempfile::TempDir;

const GOOD: &str = r#"[gateway]
mode = "enforce"
lan = ["eth1"]
resolvers = ["gateway"]
internal = ["10.0.0.0/8"]

[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
ips = ["192.0.2.0/24"]
tcpPorts = "443"

[group.staging]
clients = ["172.20.0.0/16"]
allow = ["corp"]
"#;

/// A folder with a config, and the commands that read it; there is no daemon.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn with(config: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("egress.toml"), config)?;
        Ok(Self { folder })
    }

    fn file(&self) -> String {
        self.folder.path().join("egress.toml").display().to_string()
    }

    /// Runs `egress-ctl config ARGUMENTS`.
    fn config(&self, arguments: &[&str]) -> Result<Ran> {
        let mut command = Command::new(gateway::program()?);
        command.arg("config").args(arguments);
        command.env("EGRESS_STATE_DIR", self.folder.path().join("state"));
        command.env("EGRESS_PIN_DIR", self.folder.path().join("pins"));
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().context("cannot start egress-ctl")?;
        Ok(Ran {
            code: status.code(),
            printed: String::from_utf8(stdout)?,
            complaint: String::from_utf8(stderr)?,
        })
    }
}

/// What a command did.
#[derive(Debug, PartialEq, Eq)]
struct Ran {
    code: Option<i32>,
    printed: String,
    complaint: String,
}

#[test]
fn a_good_config_is_told_to_be_good() -> Result<()> {
    let desk = Desk::with(GOOD)?;
    let expected = Ran {
        code: Some(0),
        printed: format!("{} is good\n", desk.file()),
        complaint: String::new(),
    };
    ensure!(desk.config(&["check", &desk.file()])? == expected);
    let ran = desk.config(&["check", &desk.file(), "--json"])?;
    let report = told::object(ran.printed.as_bytes())?;
    ensure!(report["schema"] == "egress.config-check/1" && report["good"] == true);
    ensure!(report["warnings"] == serde_json::json!([]), "{report}");
    ensure!(ran.code == Some(0), "{ran:?}");
    Ok(())
}

#[test]
fn warnings_leave_a_config_good() -> Result<()> {
    let more = "\n[[group.staging.rule]]\naction = \"deny\"\nto = [\"10.1.0.0/16\"]\n\
                [group.idle]\nmode = \"audit\"\ninterfaces = [\"eth2\"]\nallow = [\"corp:1/optimize\"]\n";
    let desk = Desk::with(&(GOOD.replace("\"enforce\"", "\"off\"") + more))?;
    let file = desk.file();
    let ran = desk.config(&["check", &file])?;
    let expected = [
        "group `idle`: `corp:1/optimize` selects no endpoint set",
        "group `idle` may reach nothing",
        "group `idle`: mode = \"audit\" says nothing, since gateway.mode is \"off\" and no packet is judged",
        "group `idle`: interface `eth2` is not in gateway.lan, the nearest is `eth1`; nobody comes in by it",
        "rule staging:rule-1 decides nothing for 10.1.0.0/16: that is in gateway.internal, which is never judged",
    ];
    let lines = expected.map(|warning| format!("{file}: warning: {warning}\n"));
    let printed = lines.concat() + &format!("{file} is good, with 5 warnings\n");
    ensure!(ran.printed == printed, "{}", ran.printed);
    ensure!(ran.code == Some(0) && ran.complaint.is_empty(), "{ran:?}");
    Ok(())
}

#[test]
fn all_that_is_wrong_is_told_at_once_and_fails() -> Result<()> {
    let text = GOOD
        .replace("\"enforce\"", "\"enforced\"")
        .replace("lan = [\"eth1\"]", "lan = \"eth1\"")
        .replace("172.20.0.0/16", "172.20.0.1/16")
        .replace("[\"corp\"]", "[\"crop\"]");
    let desk = Desk::with(&text)?;
    let file = desk.file();
    let ran = desk.config(&["check", &file])?;
    let expected = [
        "2: gateway.mode: unknown mode `enforced`, the nearest is `enforce`; there are `audit`, `enforce` and `off`",
        "3: gateway.lan: invalid type: string \"eth1\", expected a sequence, the nearest is `[\"eth1\"]`",
        "15: group.staging.clients: `172.20.0.1/16` has bits behind its length, the nearest is `172.20.0.0/16`",
        "16: group.staging.allow: selector `crop`: unknown source `crop`, the nearest is `corp`; known: corp",
    ];
    let printed = expected.map(|line| format!("{file}:{line}\n")).concat();
    ensure!(ran.printed == printed, "{}", ran.printed);
    let complaint = "egress-ctl: 4 problems: a daemon would refuse this config\n";
    ensure!(ran.complaint == complaint && ran.code == Some(1), "{ran:?}");

    let ran = desk.config(&["check", &file, "--json"])?;
    let report = told::object(ran.printed.as_bytes())?;
    ensure!(report["good"] == false && ran.code == Some(1), "{ran:?}");
    ensure!(
        report["problems"].as_array().map(Vec::len) == Some(4),
        "{report}"
    );
    let first = &report["problems"][0];
    ensure!(
        first["line"] == 2 && first["key"] == "gateway.mode",
        "{report}"
    );
    Ok(())
}

#[test]
fn a_file_that_is_not_there_is_a_problem() -> Result<()> {
    let desk = Desk::with(GOOD)?;
    let ran = desk.config(&["check", "/nonexistent/egress.toml"])?;
    ensure!(
        ran.printed
            .starts_with("/nonexistent/egress.toml:1: cannot be read"),
        "{ran:?}"
    );
    ensure!(ran.code == Some(1), "{ran:?}");
    Ok(())
}

#[test]
fn a_config_is_shown_with_its_defaults() -> Result<()> {
    let desk = Desk::with(GOOD)?;
    let ran = desk.config(&["show", &desk.file()])?;
    ensure!(ran.code == Some(0) && ran.complaint.is_empty(), "{ran:?}");
    for part in [
        "mode = \"enforce\"\n",
        "count-replies = true\n",
        "lookup = \"flat\"\n",
        "[dns]\n",
        "ttl-cap = 86400\n",
        "tcp-idle = 30\n",
        "# 1 endpoint sets, of which groups select 1; 1 prefixes, 0 patterns\n[source.corp]\n",
        "[group.staging]\n",
        "default = \"drop\"\n",
    ] {
        ensure!(ran.printed.contains(part), "no {part} in\n{}", ran.printed);
    }
    let again = Desk::with(&ran.printed)?;
    ensure!(again.config(&["check", &again.file()])?.code == Some(0));
    ensure!(again.config(&["show", &again.file()])?.printed == ran.printed);

    let ran = desk.config(&["show", &desk.file(), "--json"])?;
    let shown = told::object(ran.printed.as_bytes())?;
    ensure!(
        shown["schema"] == "egress.config/1" && shown["config"]["dns"]["grace"] == 5,
        "{shown}"
    );
    ensure!(shown["sources"][0]["selected"] == 1, "{shown}");
    Ok(())
}

#[test]
fn what_cannot_be_shown_fails() -> Result<()> {
    let desk = Desk::with(&GOOD.replace("[\"corp\"]", "[\"crop\"]"))?;
    let ran = desk.config(&["show", &desk.file()])?;
    ensure!(ran.code == Some(1) && ran.printed.is_empty(), "{ran:?}");
    ensure!(
        ran.complaint
            .contains("egress.toml:16: group.staging.allow: "),
        "{ran:?}"
    );
    // No daemon ever put one in force here.
    let ran = desk.config(&["show"])?;
    ensure!(ran.code == Some(1) && ran.printed.is_empty(), "{ran:?}");
    ensure!(ran.complaint.starts_with("egress-ctl: "), "{ran:?}");
    Ok(())
}

#[test]
fn a_first_config_is_written_for_this_machine_and_filters_in_mode_audit() -> Result<()> {
    let stage = Stage::new()?;
    let file = stage.lab.path("first/egress.toml").display().to_string();
    let init = ["init", "--output", &file];
    let silent = stage.refused(&init)?;
    ensure!(silent.contains("nobody is there to answer"), "{silent}");
    let decided = ["--yes", "--lan", "lan", "--follow", "no"];
    let said = stage.done(&[&init[..], &decided].concat())?;
    ensure!(said.contains("in mode audit: nothing is dropped"), "{said}");
    ensure!(said.contains("10.20.0.0/"), "{said}");
    let good = stage.done(&["config", "check", &file])?;
    ensure!(good.contains("is good"), "{good}");
    stage.write(&fs::read_to_string(&file)?)?;
    let _daemon = stage.start(&[])?;
    let status = stage.status()?;
    ensure!(
        status["mode"] == "audit" && status["interfaces"][0]["xdp"] == "native",
        "{status}"
    );
    let again = stage.refused(&[&init[..], &["--yes"]].concat())?;
    ensure!(again.contains("is there already"), "{again}");
    let wrong = ["--yes", "--force", "--lan", "lan", "--allow", "intun"];
    let wrong = stage.refused(&[&init[..], &wrong].concat())?;
    ensure!(wrong.contains("the nearest is `intune`"), "{wrong}");
    ensure!(
        stage.done(&["config", "check", &file])? == good,
        "a wrong answer changed the file"
    );
    Ok(())
}
