//! Daemons that end, start again, meet each other or cannot do what they should: what enforces goes on.

use std::fs;

use anyhow::{Result, ensure};
use lab::stage::Stage;

#[test]
fn a_new_daemon_takes_over_what_is_in_force() -> Result<()> {
    let stage = Stage::new()?;
    let first = stage.start(&[])?;
    let before = stage.status()?;
    first.kill()?;
    ensure!(
        stage.status()?["interfaces"] == before["interfaces"],
        "a killed daemon took its programs along"
    );
    let _second = stage.start(&[])?;
    let after = stage.status()?;
    ensure!(after["generation"]["number"] == 2, "{after}");
    ensure!(after["interfaces"] == before["interfaces"], "{after}");
    Ok(())
}

#[test]
fn a_lost_state_file_makes_everything_begin_anew() -> Result<()> {
    let stage = Stage::new()?;
    stage.start(&[])?.kill()?;
    fs::remove_file(stage.lab.path("state/generation-1.json"))?;
    let complaint = stage.refused(&["status"])?;
    ensure!(
        complaint.contains("generation 1 is in force, but"),
        "{complaint}"
    );
    let daemon = stage.start(&[])?;
    ensure!(daemon.log().contains("begin anew"), "{}", daemon.log());
    let status = stage.status()?;
    ensure!(status["generation"]["number"] == 2, "{status}");
    ensure!(status["interfaces"][0]["xdp"] == "native", "{status}");
    Ok(())
}

#[test]
fn a_damaged_state_file_is_no_obstacle() -> Result<()> {
    let stage = Stage::new()?;
    stage.start(&[])?.kill()?;
    fs::write(stage.lab.path("state/generation-1.json"), "{\"schema\":")?;
    let daemon = stage.start(&[])?;
    ensure!(
        daemon.log().contains("generation-1.json"),
        "{}",
        daemon.log()
    );
    ensure!(stage.status()?["generation"]["number"] == 2);
    Ok(())
}

#[test]
fn a_second_daemon_is_refused_whatever_its_state_folder() -> Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.start(&[])?;
    let config = stage.config();
    let run = ["run", "--config", config.as_str()];
    let complaint = stage.refused(&run)?;
    ensure!(
        complaint.contains(&format!("process {}", daemon.id())),
        "{complaint}"
    );
    let elsewhere = stage.lab.path("elsewhere").display().to_string();
    let complaint = stage.refused(&[&run[..], &["--state-dir", &elsewhere]].concat())?;
    ensure!(complaint.contains("on these pins"), "{complaint}");
    let complaint = stage.refused(&["detach", "--state-dir", &elsewhere])?;
    ensure!(complaint.contains("on these pins"), "{complaint}");
    ensure!(stage.status()?["interfaces"][0]["xdp"] == "native");
    Ok(())
}

#[test]
fn hooks_are_changed_by_hand_and_kept_otherwise() -> Result<()> {
    let stage = Stage::new()?;
    let table: [(&[&str], [&str; 2]); 5] = [
        (&[], ["native", "tcx"]),
        (&["--xdp", "generic"], ["generic", "tcx"]),
        (&["--tc", "clsact"], ["generic", "clsact"]),
        (&["--tc", "clsact"], ["generic", "clsact"]),
        (&["--xdp", "native", "--tc", "tcx"], ["native", "tcx"]),
    ];
    if !stage.has_tcx()? {
        println!("skipped: hooks_are_changed_by_hand_and_kept_otherwise: the kernel has no TCX");
        return Ok(());
    }
    for (options, [xdp, tc]) in table {
        let daemon = stage.start(options)?;
        let interface = &stage.status()?["interfaces"][0];
        ensure!(
            interface["xdp"] == xdp && interface["tc"] == tc,
            "{options:?}: {interface}"
        );
        daemon.kill()?;
    }
    Ok(())
}

#[test]
fn an_interface_that_was_replaced_is_told_and_attached_again() -> Result<()> {
    let stage = Stage::new()?;
    stage.start(&[])?.kill()?;
    stage.ip(&["link", "set", "lan", "down"])?;
    stage.ip(&["link", "set", "lan", "name", "old"])?;
    stage.ip(&["link", "add", "lan", "type", "veth", "peer", "name", "far"])?;
    let interface = &stage.status()?["interfaces"][0];
    ensure!(
        interface["name"] == "lan" && interface["xdp"].is_null(),
        "{interface}"
    );
    let _daemon = stage.start(&[])?;
    let interfaces = stage.status()?["interfaces"].clone();
    ensure!(
        interfaces[0]["xdp"] == "native" && interfaces[1].is_null(),
        "{interfaces}"
    );
    Ok(())
}

#[test]
fn an_interface_that_vanished_is_let_go() -> Result<()> {
    for tc in ["auto", "clsact"] {
        let stage = Stage::new()?;
        stage.ip(&[
            "link", "add", "lan.7", "type", "veth", "peer", "name", "far",
        ])?;
        stage.configure(&["lan", "lan.7"])?;
        stage.start(&["--tc", tc])?.kill()?;
        stage.ip(&["link", "del", "lan.7"])?;
        stage.configure(&["lan"])?;
        let daemon = stage.start(&["--tc", tc])?;
        let interfaces = stage.status()?["interfaces"].clone();
        ensure!(
            interfaces[0]["name"] == "lan" && interfaces[1].is_null(),
            "{tc}: {interfaces}"
        );
        daemon.kill()?;
        let said = stage.ask(&["detach"])?;
        ensure!(said.status.success(), "{tc}: {said:?}");
    }
    Ok(())
}

#[test]
fn what_cannot_be_attached_at_reload_changes_nothing() -> Result<()> {
    let stage = Stage::new()?;
    let mut daemon = stage.start(&["--xdp", "native"])?;
    let _foreign = stage.foreign("wan")?;
    stage.configure(&["lan", "wan"])?;
    daemon.hang_up()?;
    daemon.wait_for("stays in force")?;
    ensure!(
        daemon.log().contains("another XDP program"),
        "{}",
        daemon.log()
    );
    let status = stage.status()?;
    ensure!(status["generation"]["number"] == 1, "{status}");
    ensure!(status["interfaces"][1].is_null(), "{status}");
    Ok(())
}

#[test]
fn detach_removes_our_pins_and_nothing_else() -> Result<()> {
    let stage = Stage::new()?;
    stage.start(&[])?.kill()?;
    let foreign = stage.lab.path("folder");
    fs::create_dir(&foreign)?;
    fs::write(foreign.join("file"), "")?;
    let complaint = stage.refused(&["detach", "--pin-dir", &foreign.display().to_string()])?;
    ensure!(complaint.contains("BPF file system"), "{complaint}");
    ensure!(foreign.join("file").exists(), "a foreign file is gone");
    let said = stage.ask(&["detach"])?;
    let text = String::from_utf8_lossy(&said.stdout);
    ensure!(text.contains("detached from lan (XDP, native)"), "{text}");
    let complaint = stage.refused(&["status"])?;
    ensure!(complaint.contains("nothing is loaded"), "{complaint}");
    Ok(())
}
