//! Enforcing without fear: what nobody confirms is over on time, whatever becomes of the daemon.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use egress_common::trial::NEVER_MS;
use egress_common::verdict::Action;
use egress_ctl::control::{Request, client};
use egress_ctl::dataplane::{boot_ms, swap, trial};
use lab::config::custom;
use lab::frame::Frame;
use lab::gateway;
use lab::kernel::with;
use lab::pace;
use lab::stage::{Daemon, Stage};
use lab::table::config;
use lab::wait;
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_res_uid};
use serde_json::Value;

const SETS: &str = r#"
[[source.lab.set]]
id = 1
ips = ["203.0.113.0/24"]
tcpPorts = "443"
"#;
const LIMIT: Duration = Duration::from_secs(60);
/// Long enough for a slow machine to look at what is on trial.
const SHORT: &str = "6s";

fn audit() -> String {
    custom(SETS).replace("\"enforce\"", "\"audit\" # for now")
}

/// A gateway in mode audit, and its daemon.
fn audited() -> Result<(Stage, Daemon)> {
    let stage = Stage::new()?;
    stage.write(&audit())?;
    let daemon = stage.start(&[])?;
    Ok((stage, daemon))
}

fn text(stage: &Stage) -> Result<String> {
    fs::read_to_string(stage.config()).context("cannot read the config")
}

/// Waits for the end of a trial that nobody confirms, and returns what `status` says then.
fn fallen(stage: &Stage) -> Result<Value> {
    let over = || {
        let status = stage.status()?;
        Ok((status["mode"] == "audit").then_some(status))
    };
    let status = wait::until("the end of the trial", LIMIT, over)?;
    ensure!(
        status["trial"]["fell_back"].is_object(),
        "{}",
        status["trial"]
    );
    let told = String::from_utf8(stage.ask(&["status"])?.stdout)?;
    ensure!(told.contains("FELL BACK"), "{told}");
    Ok(status)
}

#[test]
fn a_generation_on_trial_ends_by_the_kernels_clock() -> Result<()> {
    let (audit, enforce) = (config(&audit())?, config(&custom(SETS))?);
    let frame = Frame::tcp("10.20.0.2", "203.0.113.5", 22).to_bytes();
    with(|kernel| {
        kernel.put_into_force(&audit, &[])?;
        let before = kernel.number();
        // Filling the tables takes an emulated machine some seconds.
        let until_ms = boot_ms() + if pace::is_slow() { 10_000 } else { 1_000 };
        kernel.try_out(&enforce, until_ms)?;
        let mut seen = Vec::new();
        while boot_ms() < until_ms + 1_000 {
            let (from, action, to) = (boot_ms(), kernel.judge(&frame)?.counted.0, boot_ms());
            let expected = match action {
                Action::Drop => from <= until_ms,
                Action::WouldDrop => to >= until_ms,
                _ => false,
            };
            ensure!(
                expected,
                "{action:?} between {from} and {to}, until {until_ms}"
            );
            seen.push(action);
        }
        seen.dedup();
        ensure!(seen == [Action::Drop, Action::WouldDrop], "{seen:?}");
        ensure!(swap::current(kernel.pinned())? == before);
        trial::confirm(kernel.pinned(), trial::known(kernel.pinned())?)?;
        ensure!(kernel.judge(&frame)?.counted.0 == Action::Drop);
        ensure!(swap::current(kernel.pinned())? == before + 1);
        ensure!(trial::known(kernel.pinned())?.until_ms == NEVER_MS);
        Ok(())
    })
}

#[test]
fn what_nobody_confirms_is_over_on_time() -> Result<()> {
    let (stage, mut daemon) = audited()?;
    let told = stage.done(&["enforce", "--confirm-within", SHORT])?;
    ensure!(told.contains("mode enforce is on trial"), "{told}");
    let status = stage.status()?;
    ensure!(status["mode"] == "enforce", "{status}");
    ensure!(status["trial"]["left"].is_u64(), "{}", status["trial"]);
    let told = String::from_utf8(stage.ask(&["status"])?.stdout)?;
    ensure!(told.contains("ON TRIAL"), "{told}");
    fallen(&stage)?;
    daemon.wait_for("FELL BACK: mode enforce does not hold")?;
    ensure!(text(&stage)? == audit(), "the file was changed");
    let late = stage.refused(&["confirm"])?;
    ensure!(
        late.contains("nothing is on trial: mode enforce fell back"),
        "{late}"
    );
    daemon.hang_up()?;
    fallen(&stage)?;
    Ok(())
}

#[test]
fn it_is_over_on_time_without_any_daemon() -> Result<()> {
    let (stage, daemon) = audited()?;
    stage.done(&["enforce", "--confirm-within", SHORT])?;
    daemon.kill()?;
    ensure!(stage.status()?["mode"] == "enforce");
    fallen(&stage)?;
    let daemon = stage.start(&[])?;
    ensure!(daemon.log().contains("FELL BACK"), "{}", daemon.log());
    fallen(&stage)?;
    // The ids that the trial gave are given to nothing else.
    ensure!(stage.status()?["generation"]["number"].as_u64() > Some(2));
    Ok(())
}

#[test]
fn a_daemon_that_starts_goes_on_with_it() -> Result<()> {
    let (stage, daemon) = audited()?;
    stage.done(&["enforce", "--confirm-within", "20m"])?;
    daemon.kill()?;
    let mut daemon = stage.start(&[])?;
    daemon.wait_for("mode enforce is on trial for another 19m")?;
    ensure!(stage.status()?["generation"]["number"] == 2);
    stage.done(&["confirm", "--give-up"])?;
    fallen(&stage)?;
    stage.done(&["enforce", "--confirm-within", "20m"])?;
    daemon.kill()?;
    let daemon = stage.start(&[])?;
    stage.done(&["confirm"])?;
    daemon.kill()?;
    let _daemon = stage.start(&[])?;
    ensure!(stage.status()?["mode"] == "enforce");
    ensure!(stage.status()?["trial"].is_null());
    Ok(())
}

#[test]
fn what_is_confirmed_stays_and_stands_in_the_file() -> Result<()> {
    let (stage, daemon) = audited()?;
    fs::set_permissions(stage.config(), Permissions::from_mode(0o640))?;
    stage.done(&["enforce", "--confirm-within", SHORT])?;
    let told = stage.done(&["confirm"])?;
    ensure!(told.contains("mode enforce holds"), "{told}");
    let expected = audit().replace("\"audit\"", "\"enforce\"");
    ensure!(text(&stage)? == expected, "{}", text(&stage)?);
    let mode = fs::metadata(stage.config())?.permissions().mode() & 0o777;
    ensure!(mode == 0o640, "{mode:o}");
    thread::sleep(Duration::from_secs(7));
    ensure!(stage.status()?["mode"] == "enforce");
    daemon.kill()?;
    let _daemon = stage.start(&[])?;
    ensure!(stage.status()?["mode"] == "enforce");
    let again = stage.refused(&["enforce", "--confirm-within", "5m"])?;
    ensure!(again.contains("is enforce already"), "{again}");
    Ok(())
}

#[test]
fn the_session_that_began_it_does_not_confirm_it_by_accident() -> Result<()> {
    let (stage, _daemon) = audited()?;
    // Commands of the lab run in sessions of their own; these two share one, as in a terminal.
    let here = |arguments: &[&str]| -> Result<Output> {
        let mut command = Command::new(gateway::program()?);
        command.args(arguments);
        command.env("EGRESS_STATE_DIR", stage.lab.path("state"));
        Ok(command.output()?)
    };
    let began = here(&["enforce", "--confirm-within", "10m"])?;
    ensure!(began.status.success(), "{began:?}");
    let same = here(&["confirm"])?;
    let complaint = String::from_utf8_lossy(&same.stderr);
    ensure!(complaint.contains("from a new connection"), "{complaint}");
    ensure!(stage.status()?["trial"]["left"].is_u64());
    let meant = here(&["confirm", "--same-session"])?;
    ensure!(meant.status.success(), "{meant:?}");
    ensure!(stage.status()?["trial"].is_null());
    Ok(())
}

#[test]
fn a_config_is_tried_and_not_loaded_again_unless_it_was_confirmed() -> Result<()> {
    let (stage, daemon) = audited()?;
    // Edited in place, as one does.
    stage.write(&custom(SETS))?;
    let file = stage.config();
    stage.done(&["config", "apply", &file, "--confirm-within", SHORT])?;
    ensure!(stage.status()?["mode"] == "enforce");
    daemon.kill()?;
    fallen(&stage)?;
    let mut daemon = stage.start(&[])?;
    ensure!(
        daemon.log().contains("holds what nobody confirmed"),
        "{}",
        daemon.log()
    );
    fallen(&stage)?;
    stage
        .done(&["detach"])
        .err()
        .context("detached below a daemon")?;
    daemon.hang_up()?;
    daemon.wait_for("holds what nobody confirmed")?;
    fallen(&stage)?;
    stage.done(&["config", "apply", &file, "--confirm-within", "10m"])?;
    stage.done(&["confirm"])?;
    ensure!(stage.status()?["mode"] == "enforce");
    ensure!(stage.status()?["trial"].is_null());
    let wrong = stage.lab.path("wrong.toml");
    fs::write(&wrong, "[gateway]\nmode = \"enforc\"\n")?;
    let wrong = wrong.display().to_string();
    let refused = stage.refused(&["config", "apply", &wrong, "--confirm-within", "10m"])?;
    ensure!(refused.contains("wrong.toml:2"), "{refused}");
    Ok(())
}

#[test]
fn other_changes_wait() -> Result<()> {
    let (stage, mut daemon) = audited()?;
    stage.done(&["enforce", "--confirm-within", "10m"])?;
    daemon.hang_up()?;
    daemon.wait_for("other changes wait for its end")?;
    ensure!(stage.status()?["generation"]["number"] == 2);
    let second = stage.refused(&["enforce", "--group", "staging", "--confirm-within", "5m"])?;
    ensure!(second.contains("is on trial: first"), "{second}");
    stage.write(&audit().replace("443", "444"))?;
    let refused = stage.refused(&["confirm"])?;
    ensure!(
        refused.contains("holds changes that are not in force"),
        "{refused}"
    );
    stage.write(&audit())?;
    stage.done(&["confirm"])?;
    daemon.wait_for("generation 3 is in force: mode enforce")?;
    Ok(())
}

#[test]
fn a_group_is_tried_alone() -> Result<()> {
    let (stage, _daemon) = audited()?;
    let group = "staging";
    let unknown = stage.refused(&["enforce", "--group", "stagin", "--confirm-within", "5m"])?;
    ensure!(unknown.contains("the nearest is `staging`"), "{unknown}");
    stage.done(&["enforce", "--group", group, "--confirm-within", "5m"])?;
    ensure!(
        stage.status()?["mode"] == "audit",
        "the gateway's own mode stays"
    );
    stage.done(&["confirm"])?;
    let written = text(&stage)?;
    ensure!(
        written.contains("[group.staging]\nmode = \"enforce\"\n"),
        "{written}"
    );
    let shown = stage.done(&["config", "show"])?;
    ensure!(shown.contains("mode = \"enforce\""), "{shown}");
    for (arguments, complaint) in [
        (["enforce", "--confirm-within", "0s"], "write a time"),
        (
            ["enforce", "--confirm-within", "25h"],
            "from a second to a day",
        ),
    ] {
        let refused = stage.refused(&arguments)?;
        ensure!(refused.contains(complaint), "{refused}");
    }
    Ok(())
}

#[test]
fn the_socket_is_for_root_and_a_group() -> Result<()> {
    /// Nobody and the group of nobody (Debian's base-passwd).
    const NOBODY: u32 = 65_534;

    let (stage, daemon) = audited()?;
    let socket = stage.lab.path("state/control.sock");
    let mode = fs::metadata(&socket)?.permissions().mode() & 0o777;
    ensure!(mode == 0o660, "{mode:o}");
    fs::set_permissions(&socket, Permissions::from_mode(0o666))?;
    fs::set_permissions(stage.lab.folder(), Permissions::from_mode(0o755))?;
    let state = stage.lab.path("state");
    let ask = move || {
        set_thread_groups(&[])?;
        set_thread_gid(Gid::from_raw(NOBODY))?;
        let nobody = Uid::from_raw(NOBODY);
        set_thread_res_uid(nobody, nobody, nobody)?;
        let same_session = true;
        Ok::<_, anyhow::Error>(client::ask(&state, &Request::Confirm { same_session }))
    };
    let asked = thread::spawn(ask)
        .join()
        .map_err(|_| anyhow!("it panicked"))??;
    let refused = asked.err().context("nobody may confirm")?.to_string();
    ensure!(
        refused.contains("user 65534 may not ask this daemon: root"),
        "{refused}"
    );
    ensure!(
        daemon.log().contains("user 65534 may not ask"),
        "{}",
        daemon.log()
    );
    daemon.kill()?;
    let gone = stage.refused(&["confirm"])?;
    ensure!(gone.contains("no daemon listens"), "{gone}");
    let _daemon = stage.start(&[])?;
    let unknown = stage.refused(&["run", "--config", &stage.config(), "--group", "no-such"])?;
    ensure!(unknown.contains("there is no group `no-such`"), "{unknown}");
    Ok(())
}
