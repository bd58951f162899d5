//! `egress-ctl doctor` on gateways that are well, and on such that something is wrong with.

use std::net::UdpSocket;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lab::address::{CLIENT, LAN};
use lab::config::{custom, web_service};
use lab::feed::archive::Archive;
use lab::feed::followed::{Followed, INSTANCE, SOURCE, Transport};
use lab::feed::made_up;
use lab::stage::Stage;
use lab::told;
use rustix::process::{Resource, Rlimit, setrlimit};
use serde_json::Value;

/// Checks of the machine that the lab runs on, which nobody sets up for a test.
const MACHINE: [&str; 7] = ["kernel", "bpf", "btf", "jit", "memory", "state", "clock"];
const PORT: u16 = 53;
/// Where a machine that filters itself has its config.
const CONFIG: &str = "/etc/egress/egress.toml";
/// Longer than the doctor waits for everybody together.
const LIMIT: Duration = Duration::from_secs(20);

/// What the doctor found.
struct Found {
    code: Option<i32>,
    report: Value,
}

impl Found {
    fn of(output: &Output) -> Result<Self> {
        let complaint = String::from_utf8_lossy(&output.stderr);
        let report =
            told::object(&output.stdout).with_context(|| format!("doctor: {complaint}"))?;
        Ok(Self {
            code: output.status.code(),
            report,
        })
    }

    fn on(stage: &Stage, options: &[&str]) -> Result<Self> {
        Self::of(&stage.ask(&[&["doctor", "--json"], options].concat())?)
    }

    fn all(&self) -> impl Iterator<Item = &Value> {
        self.report["findings"].as_array().into_iter().flatten()
    }

    /// Outcomes of a check, and what was seen.
    fn check(&self, check: &str, about: &str) -> Result<(Vec<&str>, String)> {
        let is_it = |one: &&Value| {
            one["check"] == check && one["about"].as_str().unwrap_or_default() == about
        };
        let found: Vec<_> = self.all().filter(is_it).collect();
        ensure!(!found.is_empty(), "no {check} {about} in {}", self.report);
        let outcomes = found.iter().filter_map(|one| one["outcome"].as_str());
        let told = found.iter().map(|one| format!("{one}\n"));
        Ok((outcomes.collect(), told.collect()))
    }

    /// Fails unless a check ended so, and told that.
    fn expect(&self, check: &str, about: &str, outcome: &str, words: &[&str]) -> Result<()> {
        let (outcomes, told) = self.check(check, about)?;
        let has_words = words.iter().all(|words| told.contains(words));
        ensure!(
            outcomes.contains(&outcome) && has_words,
            "{check} {about}: {told}, expected {outcome} {words:?}"
        );
        Ok(())
    }
}

#[test]
fn a_healthy_gateway_is_told_to_be_healthy() -> Result<()> {
    let version = "2026010100";
    let mut archive = Archive::default();
    archive.put(INSTANCE, version.parse()?, made_up::edition(0..20, 0..20));
    let followed = Followed::start(archive, version, "", Transport::Http)?;
    let gateway = &followed.site.lab.gateway;
    gateway.set(&[("ipv4/conf/lan/rp_filter", "1")])?;
    let found = Found::of(&followed.run(&["doctor", "--json"])?)?;
    for one in found.all() {
        let is_machine = MACHINE.iter().any(|check| one["check"] == *check);
        ensure!(
            is_machine || one["outcome"] == "ok",
            "{one} of {}",
            found.report
        );
    }
    found.expect("feed", SOURCE, "ok", &["has version 2026010100"])?;
    found.expect("resolver", "gateway", "ok", &["dnsmasq", "answers in"])?;
    found.expect("xdp", "lan", "ok", &["native"])?;
    found.expect("daemon", "", "ok", &[&followed.egress.id().to_string()])?;
    let expected = match found.report["worst"].as_str() {
        Some("ok") => 0,
        Some("warn") => 1,
        _ => 2,
    };
    ensure!(
        found.code == Some(expected),
        "{:?}: {}",
        found.code,
        found.report
    );
    let text = String::from_utf8(followed.run(&["doctor"])?.stdout)?;
    let lines = found.all().count() + 1;
    ensure!(text.lines().count() == lines, "{text}");
    ensure!(
        text.contains("ok       forwarding lan         ipv4 and ipv6\n"),
        "{text}"
    );
    Ok(())
}

#[test]
fn a_program_of_somebody_else_is_named() -> Result<()> {
    let stage = Stage::new()?;
    let _foreign = stage.foreign("lan")?;
    let _daemon = stage.start(&[])?;
    let found = Found::on(&stage, &[])?;
    let words = ["`lan_ingress` (id ", "ip link set dev lan xdp off"];
    found.expect("programs", "lan", "warn", &words)?;
    ensure!(found.code >= Some(1), "{}", found.report);
    Ok(())
}

#[test]
fn a_missing_bpf_file_system_is_a_failure() -> Result<()> {
    let stage = Stage::new()?;
    let elsewhere = stage.lab.path("pins").display().to_string();
    let found = Found::on(&stage, &["--pin-dir", &elsewhere])?;
    found.expect("bpffs", "", "fail", &["mount -t bpf bpf /sys/fs/bpf"])?;
    ensure!(found.code == Some(2), "{:?}", found.code);
    ensure!(found.report["worst"] == "fail", "{}", found.report);
    ensure!(!stage.lab.path("pins").exists(), "it made something");
    ensure!(!stage.lab.path("state").exists(), "it made something");
    Ok(())
}

#[test]
fn resolvers_that_do_not_answer_are_failures() -> Result<()> {
    let stage = Stage::new()?;
    let config = stage.config();
    let options = ["--config", &config];
    let nobody = Found::on(&stage, &options)?;
    nobody.expect(
        "resolver",
        "gateway",
        "fail",
        &["nobody listens on port 53"],
    )?;
    let _silent = stage
        .lab
        .gateway
        .run(|| UdpSocket::bind((LAN.v4, PORT)))??;
    let silent = Found::on(&stage, &options)?;
    let words = ["10.20.0.1 does not answer: nothing came within"];
    silent.expect("resolver", "gateway", "fail", &words)?;
    let client = format!("resolvers = [\"{}\"]", CLIENT.v4);
    stage.write(&custom("").replace("resolvers = [\"gateway\"]", &client))?;
    let behind = Found::on(&stage, &options)?;
    let about = CLIENT.v4.to_string();
    behind.expect("resolver", &about, "fail", &["does not answer"])?;
    behind.expect(
        "resolver",
        &about,
        "warn",
        &["reached by the LAN interface lan"],
    )?;
    Ok(())
}

#[test]
fn a_feed_that_cannot_be_reached_is_not_waited_for() -> Result<()> {
    let stage = Stage::new()?;
    let config = stage.config();
    let _silent = stage
        .lab
        .gateway
        .run(|| UdpSocket::bind(("127.0.0.1", PORT)))??;
    for (url, why) in [
        ("http://192.0.2.2:9", "Connection refused"),
        ("http://feed.example", "did not answer within 5s"),
    ] {
        stage.write(&web_service("China", url, ""))?;
        let began = Instant::now();
        let found = Found::on(&stage, &["--config", &config])?;
        found.expect("feed", SOURCE, "warn", &["no answer", why])?;
        ensure!(began.elapsed() < LIMIT, "{url}: {:?}", began.elapsed());
    }
    Ok(())
}

#[test]
fn interfaces_that_are_not_there_are_told_with_the_nearest() -> Result<()> {
    let stage = Stage::new()?;
    let config = stage.config();
    let options = ["--config", &config];
    stage.configure(&["lan", "wam"])?;
    let one = Found::on(&stage, &options)?;
    one.expect("interface", "lan", "ok", &["lan is up, driver veth"])?;
    one.expect("interface", "wam", "warn", &["the daemon waits for it"])?;
    stage.configure(&["lam"])?;
    let none = Found::on(&stage, &options)?;
    let words = ["nor any other one", "gateway.lan = [\\\"lan\\\"]"];
    none.expect("interface", "lam", "fail", &words)?;
    ensure!(none.code == Some(2), "{:?}", none.code);
    Ok(())
}

#[test]
fn without_a_config_it_looks_at_what_init_would_choose() -> Result<()> {
    if Path::new(CONFIG).exists() {
        println!("skipped: without_a_config_it_looks_at_what_init_would_choose: there is {CONFIG}");
        return Ok(());
    }
    let stage = Stage::new()?;
    let found = Found::on(&stage, &[])?;
    found.expect("config", "", "skipped", &["there is none"])?;
    found.expect("interface", "lan", "ok", &["lan is up"])?;
    found.expect("feed", "", "skipped", &["no source follows"])?;
    stage.write(&custom("").replace("\"enforce\"", "\"enforced\""))?;
    let wrong = Found::on(&stage, &["--config", &stage.config()])?;
    wrong.expect("config", "", "fail", &["a daemon would refuse", "line 2"])?;
    wrong.expect("interface", "lan", "ok", &["lan is up"])?;
    ensure!(wrong.code == Some(2), "{:?}", wrong.code);
    Ok(())
}

#[test]
fn other_daemons_and_a_pulled_lever_are_told() -> Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.start(&[])?;
    stage.done(&["bypass", "on"])?;
    let found = Found::on(&stage, &[])?;
    found.expect("bypass", "", "warn", &["egress-ctl bypass off"])?;
    found.expect("other-daemons", "", "ok", &["none"])?;
    let elsewhere = stage.lab.path("elsewhere").display().to_string();
    let found = Found::on(&stage, &["--state-dir", &elsewhere])?;
    let kill = format!("kill {}", daemon.id());
    found.expect("other-daemons", "", "fail", &[&kill])?;
    found.expect("daemon", "", "fail", &["another folder of state"])?;
    daemon.kill()?;
    stage.done(&["bypass", "off"])?;
    let found = Found::on(&stage, &[])?;
    found.expect("daemon", "", "warn", &["systemctl start egress"])?;
    found.expect("generation", "", "ok", &["1 is in force, mode enforce"])?;
    Ok(())
}

/// The exit code where a process may have so many files open.
fn code_with_files(stage: &Stage, files: u64) -> Result<(Option<i32>, String)> {
    let mut command = stage.command(&["doctor", "--json"])?;
    let limit = Rlimit {
        current: Some(files),
        maximum: Some(files),
    };
    // SAFETY: between fork and exec only a system call is made.
    unsafe { command.pre_exec(move || Ok(setrlimit(Resource::Nofile, limit)?)) };
    let output = command.output()?;
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.stdout.is_empty(), "{output:?}");
    Ok((output.status.code(), complaint))
}

#[test]
fn where_nothing_can_be_looked_at_it_says_so_by_its_code() -> Result<()> {
    /// Enough to start, and not for netlink.
    const FILES: u64 = 4;

    let stage = Stage::new()?;
    let (code, complaint) = code_with_files(&stage, FILES)?;
    ensure!(code == Some(3), "{code:?}: {complaint}");
    // EMFILE, whose words are those of the C library.
    ensure!(
        complaint.starts_with("egress-ctl: cannot") && complaint.contains("(os error 24)"),
        "{complaint}"
    );
    Ok(())
}

#[test]
fn wrong_words_exit_otherwise_than_what_was_found() -> Result<()> {
    let stage = Stage::new()?;
    let output = stage.ask(&["doctor", "--jsno"])?;
    ensure!(output.status.code() == Some(64), "{output:?}");
    ensure!(output.stdout.is_empty(), "{output:?}");
    let output = stage.ask(&["doctor", "--help"])?;
    ensure!(output.status.code() == Some(0), "{output:?}");
    Ok(())
}
