//! The emergency lever: while it is pulled nothing is dropped, whoever runs or does not run meanwhile.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};
use egress_common::trial::NEVER_MS;
use egress_common::verdict::{Action, Reason};
use egress_ctl::dataplane::{boot_ms, bypass};
use lab::frame::{Frame, Transport};
use lab::kernel::with;
use lab::stage::Stage;
use lab::table::config;
use lab::wait;
use serde_json::Value;

const CONFIG: &str = r#"
[gateway]
mode = "enforce"
lan = ["lan"]
resolvers = ["192.0.2.53"]

[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
ips = ["203.0.113.0/24"]
tcpPorts = "443"

[group.a]
clients = ["10.20.0.0/16"]
allow = ["corp"]
default = "reject"

[group.b]
clients = ["10.30.0.0/16"]
allow = ["corp"]
"#;

const LIMIT: Duration = Duration::from_secs(60);

/// Frames that are allowed, rejected, dropped, of no group, and damaged; and for which reasons.
fn frames() -> [(Vec<u8>, Action, Reason); 5] {
    let syn = |src: &str, port| {
        let frame = Frame::tcp(src, "203.0.113.5", port);
        let transport = Transport::Syn(40_000, port);
        Frame { transport, ..frame }.to_bytes()
    };
    let mut damaged = syn("10.20.0.2", 443);
    damaged.truncate(40);
    [
        (syn("10.20.0.2", 443), Action::Allow, Reason::Prefix),
        (syn("10.20.0.2", 22), Action::Reject, Reason::WrongPort),
        (syn("10.30.0.2", 22), Action::Drop, Reason::WrongPort),
        (syn("10.99.0.2", 443), Action::Drop, Reason::NoGroup),
        (damaged, Action::Drop, Reason::Malformed),
    ]
}

#[test]
fn nothing_is_dropped_while_the_lever_is_pulled_and_all_is_counted() -> Result<()> {
    let config = config(CONFIG)?;
    with(|kernel| {
        kernel.put_into_force(&config, &[])?;
        let later = boot_ms() + 3_600_000;
        let table = [
            ("never pulled", 0, false),
            ("until it is put back", NEVER_MS, true),
            ("for a time", later, true),
            ("whose time is over", boot_ms() - 1, false),
            ("pulled again", NEVER_MS, true),
            ("put back", 0, false),
        ];
        for (what, until_ms, is_on) in table {
            bypass::set(kernel.pinned(), until_ms)?;
            for (frame, action, reason) in frames() {
                let expected = match action {
                    Action::Drop | Action::Reject if is_on => Action::WouldDrop,
                    action => action,
                };
                let seen = kernel.judge(&frame)?;
                ensure!(
                    seen.counted == (expected, reason)
                        && kernel.judge_tc(&frame)?.passes == (is_on || action == Action::Allow),
                    "{what}: {seen:?}, expected {expected:?} {reason:?}"
                );
            }
        }
        Ok(())
    })
}

#[test]
fn a_lever_ends_by_the_kernels_clock() -> Result<()> {
    let config = config(CONFIG)?;
    with(|kernel| {
        kernel.put_into_force(&config, &[])?;
        let (frame, ..) = &frames()[2];
        let until_ms = boot_ms() + 300;
        bypass::set(kernel.pinned(), until_ms)?;
        while boot_ms() < until_ms {
            let before = boot_ms();
            let passes = kernel.passes(frame)?;
            ensure!(
                passes || boot_ms() >= until_ms,
                "dropped at {before} of {until_ms}"
            );
            sleep(Duration::from_millis(10));
        }
        ensure!(!kernel.passes(frame)?, "it goes on after its time");
        bypass::set(kernel.pinned(), 0)?;
        Ok(())
    })
}

/// What `status` says of the lever, as data, and whether its text does.
fn told(stage: &Stage) -> Result<Value> {
    let bypass = stage.status()?["bypass"].clone();
    let text = String::from_utf8(stage.ask(&["status"])?.stdout)?;
    ensure!(
        text.contains("NOTHING IS DROPPED") != bypass.is_null(),
        "{text}"
    );
    Ok(bypass)
}

#[test]
fn it_outlives_the_daemon_and_its_maps() -> Result<()> {
    let stage = Stage::new()?;
    let said = stage.done(&["bypass", "on"])?;
    ensure!(said.contains("nothing is loaded"), "{said}");
    let daemon = stage.start(&[])?;
    ensure!(daemon.log().contains("BYPASS is on"), "{}", daemon.log());
    ensure!(told(&stage)?["noted"] == true);
    daemon.kill()?;
    ensure!(told(&stage)?["left"].is_null(), "it ends by itself");
    stage.start(&[])?.kill()?;
    ensure!(told(&stage)?["noted"] == true, "a new daemon put it back");
    // As after a reboot: maps and programs are gone, the disk is not.
    stage.done(&["detach"])?;
    let daemon = stage.start(&[])?;
    ensure!(daemon.log().contains("BYPASS is on"), "{}", daemon.log());
    ensure!(
        told(&stage)?["noted"] == true,
        "new maps know nothing of it"
    );
    stage.done(&["bypass", "off"])?;
    ensure!(told(&stage)?.is_null());
    daemon.kill()?;
    let daemon = stage.start(&[])?;
    ensure!(!daemon.log().contains("BYPASS"), "{}", daemon.log());
    ensure!(told(&stage)?.is_null());
    Ok(())
}

#[test]
fn a_timed_one_ends_by_itself_with_a_daemon_and_without() -> Result<()> {
    let stage = Stage::new()?;
    let mut daemon = stage.start(&[])?;
    let ends = || {
        let gone = || Ok(stage.status()?["bypass"].is_null().then_some(()));
        wait::until("the end of the bypass", LIMIT, gone)
    };
    let said = stage.done(&["bypass", "on", "--for", "2s"])?;
    ensure!(said.contains("for 2s"), "{said}");
    ends()?;
    daemon.wait_for("the time of the bypass is over")?;
    ensure!(
        !stage.lab.path("state/bypass.json").exists(),
        "it is still noted"
    );
    stage.done(&["bypass", "on", "--for", "1h"])?;
    let left = told(&stage)?["left"].as_u64();
    ensure!(
        left.is_some_and(|left| (3_500..=3_600).contains(&left)),
        "{left:?}"
    );
    stage.done(&["bypass", "on", "--for", "2s"])?;
    daemon.kill()?;
    ends()?;
    let daemon = stage.start(&[])?;
    ensure!(!daemon.log().contains("BYPASS"), "{}", daemon.log());
    ensure!(told(&stage)?.is_null());
    ensure!(
        !stage.lab.path("state/bypass.json").exists(),
        "it is still noted"
    );
    Ok(())
}

#[test]
fn what_the_disk_does_not_take_acts_all_the_same() -> Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.start(&[])?;
    // Not even root can put a file in the place of a folder that is not empty.
    fs::create_dir_all(stage.lab.path("state/bypass.json/in-the-way"))?;
    let complaint = stage.refused(&["bypass", "on"])?;
    ensure!(complaint.contains("bypass.json"), "{complaint}");
    ensure!(told(&stage)?["noted"] == false);
    daemon.kill()?;
    fs::remove_dir_all(stage.lab.path("state/bypass.json"))?;
    let daemon = stage.start(&[])?;
    ensure!(daemon.log().contains("BYPASS is on"), "{}", daemon.log());
    ensure!(
        told(&stage)?["noted"] == true,
        "it would not outlive a reboot"
    );
    fs::write(stage.lab.path("state/bypass.json"), "{")?;
    daemon.kill()?;
    let daemon = stage.start(&[])?;
    ensure!(daemon.log().contains("bypass.json"), "{}", daemon.log());
    ensure!(
        told(&stage)?["noted"] == false,
        "the kernel's word was lost"
    );
    stage.done(&["bypass", "off"])?;
    ensure!(told(&stage)?.is_null());
    Ok(())
}
