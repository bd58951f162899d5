//! What commands tell of themselves: by exit codes, to shells, and to whoever helps.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::address::CLIENT;
use lab::config::custom;
use lab::stage::Stage;
use lab::wait;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const SETS: &str = r#"
[[source.lab.set]]
id = 1
ips = ["203.0.113.0/24"]
tcpPorts = "443"
"#;
const UNLISTED: &str = "198.51.100.7";
const SECRET: &str = "f00tprint";
const LIMIT: Duration = Duration::from_secs(20);

/// Exit code and words of `status`.
fn status(stage: &Stage) -> Result<(i32, String)> {
    let output = stage.ask(&["status"])?;
    let code = output.status.code().context("status was killed")?;
    let said = [output.stdout, output.stderr].concat();
    Ok((code, String::from_utf8(said)?))
}

#[test]
fn status_exits_as_monitoring_plugins_do() -> Result<()> {
    let stage = Stage::new()?;
    let expect = |code: i32, words: &str| {
        let (seen, said) = status(&stage)?;
        ensure!(
            seen == code && said.contains(words),
            "{seen}: no {words} in {said}"
        );
        Ok(())
    };
    expect(3, "egress-ctl run")?;
    let usage = stage.ask(&["status", "--jsn"])?.status.code();
    ensure!(usage == Some(64), "{usage:?}");
    let daemon = stage.start(&[])?;
    let pid = i32::try_from(daemon.id()).ok().and_then(Pid::from_raw);
    let pid = pid.context("no daemon")?;
    expect(0, "state       READY\n")?;
    stage.done(&["bypass", "on"])?;
    expect(
        2,
        "state       CRITICAL: bypass (fix: egress-ctl bypass off)\n",
    )?;
    stage.done(&["bypass", "off"])?;

    // One that is slow, and one that is older: what the maps hold is shown all the same.
    kill_process(pid, Signal::STOP)?;
    let slow = status(&stage);
    kill_process(pid, Signal::CONT)?;
    let (code, said) = slow?;
    ensure!(
        code == 1 && said.contains("it does not answer"),
        "{code}: {said}"
    );
    ensure!(said.contains("generation  1, loaded"), "{said}");
    older(&stage.lab.path("state/control.sock"))?;
    expect(
        1,
        "the daemon is of an older version than this command: restart it",
    )?;
    daemon.kill()?;
    expect(
        1,
        "state       WARNING: daemon (fix: systemctl start egress)\n",
    )
}

/// Answers once in the daemon's place, as one does that knows of no greeting.
fn older(socket: &Path) -> Result<()> {
    fs::remove_file(socket)?;
    let listener = UnixListener::bind(socket)?;
    thread::spawn(move || -> Result<()> {
        let (mut stream, _) = listener.accept()?;
        // A socket that is closed before all was read loses the reply.
        stream.read_to_end(&mut Vec::new())?;
        let why = "the request cannot be read: unknown variant `hello`, expected one of `enforce`";
        let reply = serde_json::json!({"outcome": "refused", "why": why});
        stream.write_all(reply.to_string().as_bytes())?;
        Ok(())
    });
    Ok(())
}

#[test]
fn shells_complete_what_there_is() -> Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.start(&[])?;
    send(&stage)?;
    for (words, expected) in [
        (vec!["watch", "--set", "la"], vec!["lab:1"]),
        (vec!["watch", "--group", ""], vec!["staging"]),
        (vec!["enforce", "--group", "st"], vec!["staging"]),
        (vec!["watch", "gr"], vec!["group="]),
        (vec!["replay", "file", "group=s"], vec!["group=staging"]),
        (
            vec!["watch", "--reason", "wrong-p"],
            vec!["wrong-port", "wrong-protocol"],
        ),
        (vec!["watch", "--client", ""], vec!["10.20.0.2"]),
    ] {
        let mut command = stage.command(&["--", "egress-ctl"])?;
        command.args(&words).env("COMPLETE", "bash");
        command.env("_CLAP_COMPLETE_INDEX", words.len().to_string());
        command.env("_CLAP_IFS", "\n");
        let output = command.output()?;
        let said = String::from_utf8(output.stdout)?;
        let seen: Vec<_> = said.lines().filter(|line| !line.starts_with('-')).collect();
        ensure!(seen == expected, "{words:?}: {seen:?}");
    }
    drop(daemon);
    Ok(())
}

#[test]
fn support_is_shown_first_and_holds_no_secret() -> Result<()> {
    let stage = Stage::new()?;
    stage.write(&format!("{}\n# token = \"{SECRET}\"\n", custom(SETS)))?;
    let daemon = stage.start(&[])?;
    send(&stage)?;
    let file = stage.lab.path("support.tar");
    let name = file.display().to_string();
    let complaint = stage.refused(&["support", "--output", &name])?;
    ensure!(
        complaint.contains("say --yes") && !file.exists(),
        "{complaint}"
    );
    let said = stage.done(&["support", "--yes", "--output", &name])?;
    for told in [
        "config.toml",
        "1 secrets are redacted",
        "interfaces and names are numbers",
    ] {
        ensure!(said.contains(told), "no {told} in {said}");
    }
    ensure!(
        fs::metadata(&file)?.mode() & 0o777 == 0o600,
        "others may read it"
    );
    let parts = parts(&file)?;
    let named = |name: &str| {
        let mut of = parts.iter().filter(|(path, _)| path.ends_with(name));
        of.next()
            .map(|(_, text)| text.as_str())
            .with_context(|| format!("no {name}"))
    };
    for (name, text) in &parts {
        ensure!(!text.contains(SECRET), "{name} has the secret");
    }
    let status: Value = serde_json::from_str(named("status.json")?)?;
    ensure!(status["schema"] == "egress.status/1", "{status}");
    ensure!(named("metrics.txt")?.contains("egress_client_packets_total"));
    ensure!(named("contents.txt")?.contains("doctor.json"));
    let client = CLIENT.v4.to_string();
    let events = named("events.jsonl")?;
    ensure!(
        events.contains("\"client\":\"client-1\"") && !events.contains(&client),
        "{events}"
    );
    let again = stage.refused(&["support", "--yes", "--output", &name])?;
    ensure!(again.contains("cannot make"), "{again}");
    drop(daemon);
    Ok(())
}

/// Names and texts of an archive.
fn parts(file: &Path) -> Result<Vec<(String, String)>> {
    let mut archive = tar::Archive::new(fs::File::open(file)?);
    let part = |entry: std::io::Result<tar::Entry<fs::File>>| {
        let mut entry = entry?;
        let mut text = String::new();
        entry.read_to_string(&mut text)?;
        Ok((entry.path()?.display().to_string(), text))
    };
    archive.entries()?.map(part).collect()
}

/// Sends a datagram that is not allowed, and waits until the daemon holds its event.
fn send(stage: &Stage) -> Result<()> {
    stage.lab.client.run(|| -> Result<()> {
        let socket = UdpSocket::bind(SocketAddr::new(CLIENT.v4.into(), 0))?;
        socket.send_to(b"egress", SocketAddr::new(UNLISTED.parse()?, 9))?;
        Ok(())
    })??;
    wait::until("an event", LIMIT, || {
        let held = stage.status()?["history"]["held"].as_u64();
        Ok(held.is_some_and(|held| held > 0).then_some(()))
    })
}
