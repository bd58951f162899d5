//! Interfaces that come, go and change, addresses that do, and programs that others put on or take off:
//! the daemon follows without being told.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aya::programs::TcAttachType;
use aya::programs::tc::qdisc_detach_program;
use egress_ctl::dataplane::hook::LINKS;
use jiff::Zoned;
use jiff::tz::TimeZone;
use lab::config::custom;
use lab::stage::Stage;
use lab::told;
use lab::wait;
use serde_json::Value;

/// Longer than the daemon waits before it looks by itself.
const LIMIT: Duration = Duration::from_secs(20);
const PINS: &str = "/sys/fs/bpf/egress";

#[test]
fn an_interface_that_comes_later_is_waited_for() -> Result<()> {
    let stage = Stage::new()?;
    stage.configure(&["lan", "eth7"])?;
    let mut daemon = stage.start(&[])?;
    daemon.wait_for("waiting for eth7")?;
    let text = stage.ask(&["status"])?.stdout;
    let text = String::from_utf8(text)?;
    ensure!(text.contains("WAITING for eth7"), "{text}");
    stage.ip(&["link", "add", "eth7", "type", "veth", "peer", "name", "far"])?;
    until(&stage, "eth7 to be judged", |status| is_judged(status, 1))?;
    stage.ip(&["link", "delete", "eth7"])?;
    until(&stage, "eth7 to be waited for", |status| {
        status["interfaces"][1]["waiting"] == true
    })
}

#[test]
fn a_gateway_none_of_whose_interfaces_is_there_waits() -> Result<()> {
    let stage = Stage::new()?;
    stage.configure(&["eth7"])?;
    let _daemon = stage.start(&[])?;
    stage.ip(&["link", "set", "lan", "down"])?;
    stage.ip(&["link", "set", "lan", "name", "eth7"])?;
    until(&stage, "eth7 to be judged", |status| is_judged(status, 0))
}

#[test]
fn an_interface_that_forwards_past_the_filter_is_warned_of() -> Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.start(&[])?;
    let warnings = || -> Result<Vec<String>> {
        let warnings = stage.status()?["warnings"].clone();
        let all: Vec<String> = serde_json::from_value(warnings)?;
        Ok(all
            .into_iter()
            .filter(|one| one.contains("NOT FILTERED"))
            .collect())
    };
    // The uplink has the default route.
    ensure!(warnings()?.is_empty(), "{:?}", warnings()?);
    stage.ip(&[
        "link", "add", "guest", "type", "veth", "peer", "name", "far",
    ])?;
    ensure!(warnings()?.is_empty(), "it is down: {:?}", warnings()?);
    stage.ip(&["link", "set", "guest", "up"])?;
    let told = warnings()?;
    ensure!(
        told.len() == 1 && told[0].contains("what comes in by `guest` is forwarded"),
        "{told:?}"
    );
    let text = String::from_utf8(stage.ask(&["status"])?.stdout)?;
    ensure!(text.contains("NOT FILTERED"), "{text}");
    let gateway = &stage.lab.gateway;
    gateway.set(&[
        ("ipv4/conf/guest/forwarding", "0"),
        ("ipv6/conf/guest/forwarding", "0"),
    ])?;
    ensure!(warnings()?.is_empty(), "{:?}", warnings()?);
    stage.configure(&["lan", "guest"])?;
    gateway.set(&[("ipv4/conf/guest/forwarding", "1")])?;
    ensure!(
        warnings()?.len() == 1,
        "the config in force does not name it"
    );
    daemon.hang_up()?;
    until(&stage, "it to be judged", |status| {
        is_judged(status, 1) && !status["warnings"].to_string().contains("NOT FILTERED")
    })
}

#[test]
fn renames_and_flaps_change_nothing() -> Result<()> {
    let stage = Stage::new()?;
    let _daemon = stage.start(&[])?;
    for words in [
        "set lan down",
        "set lan name old",
        "set old up",
        "set old down",
        "set old up",
    ] {
        let words: Vec<_> = std::iter::once("link").chain(words.split(' ')).collect();
        stage.ip(&words)?;
    }
    until(&stage, "its new name", |status| {
        status["interfaces"][0]["called"] == "old" && is_judged(status, 0)
    })?;
    // Another interface takes the name.
    stage.ip(&["link", "add", "lan", "type", "veth", "peer", "name", "far"])?;
    until(&stage, "the new one to be judged", |status| {
        let interfaces = &status["interfaces"];
        is_judged(status, 0) && interfaces[0]["called"].is_null() && interfaces[1].is_null()
    })
}

#[test]
fn an_address_that_comes_is_the_gateways_own() -> Result<()> {
    let stage = Stage::new()?;
    let _daemon = stage.start(&[])?;
    for (addr, prefix) in [("203.0.113.9", "32"), ("2001:db8:7::9", "128")] {
        let net = format!("{addr}/{prefix}");
        let is_own = || Ok::<_, anyhow::Error>(gateway_has(&stage, addr)?.then_some(()));
        ensure!(!gateway_has(&stage, addr)?, "{addr} before");
        stage.ip(&["address", "add", &net, "dev", "wan"])?;
        wait::until(addr, LIMIT, is_own)?;
        stage.ip(&["address", "delete", &net, "dev", "wan"])?;
        wait::until("it to go", LIMIT, || {
            Ok((!gateway_has(&stage, addr)?).then_some(()))
        })?;
    }
    Ok(())
}

#[test]
fn what_is_taken_off_comes_back() -> Result<()> {
    let stage = Stage::new()?;
    let mut daemon = stage.start(&["--tc", "clsact"])?;
    take_filter_off(&stage)?;
    // It can be taken off once more when it is there again.
    wait::until("the filter to come back", LIMIT, || {
        Ok(take_filter_off(&stage).ok())
    })?;
    daemon.wait_for("the program that learns was taken off")?;
    // A link lives by its pin.
    remove_pins(&stage, "xdp")?;
    until(&stage, "XDP to come back", |status| is_judged(status, 0))?;
    until(&stage, "a note of it", |status| {
        let notes = status["interfaces"][0]["notes"].to_string();
        notes.contains("the program that judges was taken off, and is put back")
    })
}

#[test]
fn xdp_of_somebody_else_is_kept_unless_forced() -> Result<()> {
    let stage = Stage::new()?;
    let _foreign = stage.foreign("lan")?;
    let complaint = stage.refused(&["run", "--config", &stage.config(), "--xdp", "native"])?;
    ensure!(
        complaint.contains("another XDP program `lan_ingress` (id "),
        "{complaint}"
    );
    // Where it may, it judges behind the other one.
    let daemon = stage.start(&[])?;
    let interface = stage.status()?["interfaces"][0].clone();
    ensure!(
        interface["xdp"].is_null() && !interface["ingress"].is_null(),
        "{interface}"
    );
    let notes = interface["notes"].to_string();
    ensure!(notes.contains("judged at TC ingress"), "{notes}");
    daemon.kill()?;
    let daemon = stage.start(&["--xdp", "native", "--force"])?;
    ensure!(is_judged(&stage.status()?, 0), "{}", daemon.log());
    let notes = stage.status()?["interfaces"][0]["notes"].to_string();
    ensure!(
        notes.contains("replaced the XDP program `lan_ingress`"),
        "{notes}"
    );
    Ok(())
}

#[test]
fn a_rule_ends_at_midnight() -> Result<()> {
    let stage = Stage::new()?;
    // Where it is almost midnight.
    let now = jiff::Timestamp::now().to_zoned(TimeZone::UTC);
    let left = 86_400
        - i64::from(now.hour()) * 3600
        - i64::from(now.minute()) * 60
        - i64::from(now.second());
    let ahead = left - 10;
    let zone = format!(
        "LAB-{:02}:{:02}:{:02}",
        ahead / 3600,
        ahead / 60 % 60,
        ahead % 60
    );
    let here = TimeZone::posix(&zone).context("no time zone")?;
    let today = Zoned::now().with_time_zone(here).date();
    let rule = format!(
        "[[group.staging.rule]]\naction = \"allow\"\nto = [\"198.51.100.0/24\"]\nuntil = \"{today}\"\n"
    );
    stage.write(&format!("{}{rule}", custom(SETS)))?;
    let config = stage.config();
    let mut command = stage.command(&["run", "--config", &config])?;
    command.env("TZ", &zone);
    let mut daemon = stage.spawn(command)?;
    let before = prefixes(&stage)?;
    daemon.wait_for("rules that ended do not hold any more")?;
    until(&stage, "the rule to end", |status| {
        status["generation"]["prefixes"].as_u64() == Some(before - 1)
    })
}

const SETS: &str = r#"
[[source.lab.set]]
id = 1
ips = ["203.0.113.0/24"]
tcpPorts = "443"
"#;

fn prefixes(stage: &Stage) -> Result<u64> {
    let status = stage.status()?;
    status["generation"]["prefixes"]
        .as_u64()
        .context("no prefixes")
}

/// Asks `status` until something holds.
fn until(stage: &Stage, what: &str, holds: impl Fn(&Value) -> bool) -> Result<()> {
    let mut last = Value::Null;
    let done = wait::until(what, LIMIT, || {
        last = stage.status()?;
        std::thread::sleep(Duration::from_millis(50));
        Ok(holds(&last).then_some(()))
    });
    done.with_context(|| last.to_string())
}

/// Whether XDP judges on an interface, and TC learns, as the kernel says and not only the pins.
fn is_judged(status: &Value, place: usize) -> bool {
    let interface = &status["interfaces"][place];
    interface["waiting"] == false && !interface["xdp"].is_null() && !interface["tc"].is_null()
}

/// Whether an address is marked as the gateway's in the generation in force.
fn gateway_has(stage: &Stage, addr: &str) -> Result<bool> {
    let answer = stage.ask(&["check", addr, "--port", "22", "--json"])?;
    let answer = told::object(&answer.stdout)?;
    Ok(answer["verdicts"][0]["reason"] == "gateway")
}

fn remove_pins(stage: &Stage, what: &str) -> Result<()> {
    stage.lab.gateway.run_mounted(|| -> Result<()> {
        for entry in fs::read_dir(Path::new(PINS).join(LINKS))? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().contains(what) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    })?
}

fn take_filter_off(stage: &Stage) -> Result<()> {
    stage.lab.gateway.run(|| {
        let egress = TcAttachType::Egress.into();
        qdisc_detach_program(c"lan", egress, "lan_egress").context("no filter")
    })?
}
