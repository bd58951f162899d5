//! A daemon that runs and says nothing, or something else than it should: what asks it says so within seconds, and
//! shows what the maps hold; what came meanwhile is told once it answers.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::UdpSocket;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lab::address::CLIENT;
use lab::http::ask;
use lab::pace::is_slow;
use lab::process::Process;
use lab::stage::{Daemon, Stage};
use lab::wait;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

const UNLISTED: &str = "198.51.100.7:443";
const SILENT: &str = "the daemon does not answer";
const PAGE: &str = "127.0.0.1:9601";
const LIMIT: Duration = Duration::from_secs(30);
/// So soon a person is told.
const SOON: Duration = Duration::from_secs(10);

/// A daemon that was stopped, until this is dropped.
struct Stopped(Pid);

impl Stopped {
    fn begin(daemon: &Daemon) -> Result<Self> {
        let pid = i32::try_from(daemon.id()).ok().and_then(Pid::from_raw);
        let pid = pid.context("no daemon")?;
        kill_process(pid, Signal::STOP)?;
        Ok(Self(pid))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // If it has ended meanwhile, there is nothing left to do.
        let _ = kill_process(self.0, Signal::CONT);
    }
}

/// A datagram of the client that is denied.
fn knock(stage: &Stage) -> Result<()> {
    stage.lab.client.run(|| -> Result<()> {
        UdpSocket::bind((CLIENT.v4, 0))?.send_to(b"egress", UNLISTED)?;
        Ok(())
    })?
}

#[test]
fn one_that_is_stopped_is_told_of_within_seconds_and_the_maps_are_shown() -> Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.start(&[])?;
    knock(&stage)?;
    let stopped = Stopped::begin(&daemon)?;
    let began = Instant::now();
    let soon = |what: &str| {
        let took = began.elapsed();
        ensure!(is_slow() || took < 2 * SOON, "{what} took {took:?}");
        Ok(())
    };
    let status = String::from_utf8(stage.ask(&["status"])?.stdout)?;
    ensure!(
        status.contains("it does not answer") && status.contains("generation  1, loaded"),
        "{status}"
    );
    soon("status")?;
    let complaint = stage.refused(&["watch", "--last", "5"])?;
    ensure!(complaint.contains(SILENT), "{complaint}");
    soon("watch")?;
    // Packets are counted by the maps alone.
    let mut top = stage.command(&["top", "--json", "--every", "0.2"])?;
    let mut top = top.stdout(Stdio::piped()).spawn()?;
    let seen = until(&mut top, |seen| {
        let fault = seen["recent"]["fault"].as_str();
        fault.is_some_and(|fault| fault.contains(SILENT))
    });
    top.kill()?;
    top.wait()?;
    let seen = seen?;
    ensure!(seen["gateway"]["generation"] == 1, "{seen}");
    ensure!(
        seen["reasons"].to_string().contains("never-resolved"),
        "{seen}"
    );
    soon("top")?;
    let text = stage.done(&["metrics"])?;
    ensure!(text.contains("egress_client_packets_total"), "{text}");
    drop(stopped);
    Ok(())
}

#[test]
fn one_that_too_many_wait_for_is_told_of_as_well() -> Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.start(&[])?;
    let stopped = Stopped::begin(&daemon)?;
    let address = SocketAddrUnix::new(stage.lab.path("state/control.sock"))?;
    // Who has gone away still waits to be accepted.
    let full = (0..1_000_000).find_map(|_| {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let kind = SocketType::STREAM;
        let socket = socket_with(AddressFamily::UNIX, kind, flags, None);
        socket.and_then(|socket| connect(socket, &address)).err()
    });
    ensure!(full == Some(Errno::AGAIN), "{full:?}");
    let began = Instant::now();
    let status = String::from_utf8(stage.ask(&["status"])?.stdout)?;
    ensure!(status.contains("it does not answer"), "{status}");
    let complaint = stage.refused(&["watch", "--last", "5"])?;
    ensure!(complaint.contains(SILENT), "{complaint}");
    let took = began.elapsed();
    ensure!(is_slow() || took < 2 * SOON, "{took:?}");
    drop(stopped);
    wait::until("it to answer", LIMIT, || {
        let output = stage.ask(&["status"])?;
        Ok(output.status.success().then_some(()))
    })
}

/// The first object of a command that is as it should be.
fn until(command: &mut Child, is: impl Fn(&Value) -> bool) -> Result<Value> {
    let began = Instant::now();
    let lines = BufReader::new(command.stdout.take().context("no output")?).lines();
    let mut last = Value::Null;
    for line in lines {
        last = serde_json::from_str(&line?)?;
        if is(&last) {
            return Ok(last);
        }
        ensure!(began.elapsed() < LIMIT, "not within {LIMIT:?}: {last}");
    }
    anyhow::bail!("it ended: {last}")
}

#[test]
fn whoever_follows_one_that_stops_is_told_so_and_of_what_came() -> Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.start(&[])?;
    let watch = stage.command(&["watch", "--follow", "--last", "5", "--json"])?;
    let mut watch = Process::spawn("watch", watch, stage.lab.folder())?;
    let mut top = stage.command(&["top", "--json", "--every", "0.2"])?;
    let mut top = top.stdout(Stdio::piped()).spawn()?;
    let page = stage.command(&["ui", "--listen", PAGE])?;
    let mut page = Process::spawn("ui", page, stage.lab.folder())?;
    wait::until("the page's address", LIMIT, || {
        page.alive()?;
        Ok(page.output().ends_with('\n').then_some(()))
    })?;
    let drops = || -> Result<Value> {
        let own = format!("Host: {PAGE}");
        ask(&stage.lab.gateway, PAGE, "GET /api/drops", &own)?.json()
    };
    knock(&stage)?;
    wait::until("the page to see it", LIMIT, || {
        Ok((!drops()?["drops"].as_array().is_none_or(Vec::is_empty)).then_some(()))
    })?;
    let stopped = Stopped::begin(&daemon)?;
    wait::until("watch to say so", SOON, || {
        watch.alive()?;
        Ok(watch.complaints().contains(SILENT).then_some(()))
    })?;
    wait::until("the page to say so", SOON, || {
        let fault = drops()?["fault"].to_string();
        Ok(fault.contains(SILENT).then_some(()))
    })?;
    let seen = until(&mut top, |seen| {
        let fault = seen["recent"]["fault"].as_str();
        fault.is_some_and(|fault| fault.contains(SILENT))
    });
    top.kill()?;
    top.wait()?;
    seen?;
    drop(stopped);
    wait::until("watch to go on", SOON, || {
        let said = watch.complaints();
        Ok(said.contains("the daemon answers again").then_some(()))
    })?;
    wait::until("the page to go on", SOON, || {
        Ok(drops()?["fault"].is_null().then_some(()))
    })?;
    let before = watch.output().lines().count();
    wait::until("the next event", LIMIT, || {
        knock(&stage)?;
        thread::sleep(Duration::from_millis(300));
        Ok((watch.output().lines().count() > before).then_some(()))
    })?;
    watch.terminate(LIMIT)?;
    page.terminate(LIMIT)?;
    Ok(())
}

/// Answers in a daemon's place, always the same.
fn answers(socket: &Path, reply: &Value) -> Result<()> {
    fs::remove_file(socket)?;
    let listener = UnixListener::bind(socket)?;
    let line = format!("{reply}\n");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let line = line.clone();
            thread::spawn(move || -> Result<()> {
                let mut stream = stream?;
                let mut asked = [0; 1024];
                let _: usize = stream.read(&mut asked)?;
                Ok(stream.write_all(line.as_bytes())?)
            });
        }
    });
    Ok(())
}

#[test]
fn one_of_another_version_is_said_to_be_and_the_kernel_is_read() -> Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.start(&[])?;
    let socket = stage.lab.path("state/control.sock");
    let hello = json!({
        "outcome": "hello", "version": "99.0.0", "pid": 1, "history": null, "watchers": 0, "later": true,
    });
    answers(&socket, &hello)?;
    let status = String::from_utf8(stage.ask(&["status"])?.stdout)?;
    ensure!(
        status.contains("of version 99.0.0") && status.contains("generation  1, loaded"),
        "{status}"
    );
    daemon.kill()?;
    let older = json!({
        "outcome": "refused", "why": "the request cannot be read: unknown variant `events`",
    });
    for (reply, said) in [
        (&older, "the daemon is of an older version"),
        (
            &json!({"outcome": "later"}),
            "the daemon is of another version: restart it",
        ),
    ] {
        answers(&socket, reply)?;
        let complaint = stage.refused(&["watch", "--last", "5"])?;
        ensure!(complaint.contains(said), "{complaint}");
        let watch = stage.command(&["watch", "--count", "1", "--json"])?;
        let mut watch = Process::spawn("watch", watch, stage.lab.folder())?;
        wait::until("an event of the kernel", LIMIT, || {
            knock(&stage)?;
            thread::sleep(Duration::from_millis(300));
            Ok(watch.output().contains("198.51.100.7").then_some(()))
        })?;
        ensure!(watch.complaints().contains(said), "{}", watch.complaints());
        watch.end(LIMIT)?;
    }
    Ok(())
}
