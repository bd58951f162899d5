//! The page's service: who is answered, with what, and who decides. Requests are written byte by byte: no browser and
//! no library would send some of them.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::address::CLIENT;
use lab::config::custom;
use lab::gateway::Egress;
use lab::host::Life;
use lab::http::{Answer, ask};
use lab::process::Process;
use lab::topology::Lab;
use lab::wait;
use rustix::process::Signal;
use serde_json::Value;

const LISTEN: &str = "127.0.0.1:9599";
const OWN: &str = "Host: 127.0.0.1:9599";
/// In the one endpoint set, and nowhere.
const ALLOWED: &str = "203.0.113.7:443";
const DENIED: &str = "198.51.100.99:443";
const SETS: &str = r#"
[[source.lab.set]]
id = 1
ips = ["203.0.113.0/24"]
tcpPorts = "443"
description = "<img src=x>"
"#;
const TOKEN: &str = "a-token-that-nobody-guesses";
const LIMIT: Duration = Duration::from_secs(30);

/// A gateway that serves the page.
struct Stage {
    lab: Lab,
    egress: Egress,
}

impl Stage {
    fn new(more: &str) -> Result<Self> {
        let lab = Lab::build(Life::Bound)?;
        let egress = Egress::start(&lab, &config(more))?;
        Ok(Self { lab, egress })
    }

    fn ask(&self, request: &str, headers: &[&str]) -> Result<Answer> {
        let all = [&[OWN], headers].concat().join("\r\n");
        ask(&self.lab.gateway, LISTEN, request, &all)
    }

    fn json(&self, path: &str) -> Result<Value> {
        let answer = self.ask(&format!("GET {path}"), &[])?;
        ensure!(answer.status() == "200", "{path}: {answer:?}");
        answer.json()
    }

    /// A connection of the client, to where nobody answers.
    fn try_tcp(&self, to: &str) -> Result<()> {
        let to: SocketAddr = to.parse()?;
        let limit = Duration::from_millis(300);
        self.lab
            .client
            .run(|| drop(TcpStream::connect_timeout(&to, limit)))
    }

    fn send_udp(&self, to: &str) -> Result<()> {
        self.lab.client.run(|| -> Result<()> {
            UdpSocket::bind((CLIENT.v4, 0))?.send_to(b"egress", to)?;
            Ok(())
        })?
    }

    /// What the page would show of drops, once there are some that the filter means.
    fn drops(&self, filter: &str) -> Result<Vec<Value>> {
        let path = format!("/api/drops?after=0&filter={}", encoded(filter));
        wait::until("drops", LIMIT, || {
            let told = self.json(&path)?;
            let drops = told["drops"].as_array().cloned().unwrap_or_default();
            Ok((!drops.is_empty()).then_some(drops))
        })
    }

    /// Has events read, as the page does.
    fn begin_to_watch(&self) -> Result<()> {
        wait::until("events to be read", LIMIT, || {
            self.json("/api/drops")?;
            let status = self.egress.json(&["status", "--json"])?;
            Ok((status["watcher"] == self.egress.id()).then_some(()))
        })
    }
}

fn config(more: &str) -> String {
    format!("{}\n[ui]\nlisten = \"{LISTEN}\"\n{more}", custom(SETS))
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

#[test]
fn only_this_machine_and_its_own_page_are_answered() -> Result<()> {
    let stage = Stage::new("")?;
    let gateway = &stage.lab.gateway;
    let table = [
        ("GET /", OWN, "200"),
        ("GET /", "Host: localhost:9599", "200"),
        ("GET /", "Host: [::1]:9599", "200"),
        ("GET /api/overview", OWN, "200"),
        ("GET /api/overview", "Host: rebound.example:9599", "421"),
        ("GET /", "Host: rebound.example:9599", "421"),
        ("GET /", "Host: 127.0.0.1.rebound.example:9599", "421"),
        ("GET /api/overview", "Host: 10.20.0.1:9599", "421"),
        ("GET /api/overview", "Host: 127.0.0.1", "421"),
        ("GET /api/overview", "Host: 127.0.0.1:80", "421"),
        ("GET http://rebound.example/", OWN, "421"),
        ("GET /api/overview", "Accept: */*", "400"),
        (
            "GET /api/overview",
            "Host: 127.0.0.1:9599\r\nHost: rebound.example",
            "400",
        ),
        (
            "GET /api/overview",
            "Host: 127.0.0.1:9599\r\nOrigin: http://evil.example",
            "403",
        ),
        (
            "GET /api/overview",
            "Host: 127.0.0.1:9599\r\nOrigin: null",
            "403",
        ),
        (
            "GET /api/overview",
            "Host: 127.0.0.1:9599\r\nOrigin: http://127.0.0.1:9600",
            "403",
        ),
        (
            "GET /api/overview",
            "Host: 127.0.0.1:9599\r\nSec-Fetch-Site: cross-site",
            "403",
        ),
        (
            "GET /api/overview",
            "Host: 127.0.0.1:9599\r\nSec-Fetch-Site: same-site",
            "403",
        ),
        (
            "GET /api/overview",
            "Host: 127.0.0.1:9599\r\nSec-Fetch-Site: same-origin",
            "200",
        ),
        ("GET /nothing", OWN, "404"),
        ("GET /api/../etc/passwd", OWN, "404"),
        ("POST /", OWN, "405"),
        ("OPTIONS /api/feeds/approve", OWN, "405"),
        ("GARBAGE", OWN, "400"),
    ];
    for (request, headers, status) in table {
        let answer = ask(gateway, LISTEN, request, headers)?;
        ensure!(answer.status() == status, "{request} {headers}: {answer:?}");
        let allows = answer.header("access-control-allow-origin");
        ensure!(allows.is_none(), "{request}: {answer:?}");
    }
    for elsewhere in ["10.20.0.1:9599", "[::1]:9599"] {
        ensure!(
            ask(gateway, elsewhere, "GET /", OWN).is_err(),
            "{elsewhere}"
        );
    }
    let page = stage.ask("GET /", &[])?;
    let policy = page
        .header("content-security-policy")
        .context("no policy")?;
    for part in [
        "default-src 'none'",
        "script-src 'nonce-",
        "frame-ancestors 'none'",
        "connect-src 'self'",
    ] {
        ensure!(policy.contains(part), "{policy}");
    }
    ensure!(!policy.contains("unsafe"), "{policy}");
    for (header, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        ensure!(
            page.header(header) == Some(value),
            "{header}: {}",
            page.head
        );
    }
    let log = stage.egress.log();
    ensure!(
        log.contains("the page refused a request for /api/overview"),
        "{log}"
    );
    Ok(())
}

#[test]
fn rates_drops_explanations_and_sets_are_told_as_the_commands_tell_them() -> Result<()> {
    let stage = Stage::new("")?;
    stage.begin_to_watch()?;
    for _ in 0..3 {
        stage.try_tcp(ALLOWED)?;
        stage.try_tcp(DENIED)?;
    }
    stage.send_udp("203.0.113.7:443")?;

    let staging = |told: &Value| {
        let groups = told["groups"].as_array().cloned().unwrap_or_default();
        groups.into_iter().find(|group| group["group"] == "staging")
    };
    let moved = wait::until("points that move", LIMIT, || {
        let told = stage.json("/api/overview")?;
        let group = staging(&told).unwrap_or_default();
        let moves = |part: &str| {
            let points = group[part].as_array().cloned().unwrap_or_default();
            points.iter().any(|point| point.as_f64() > Some(0.0))
        };
        Ok((moves("allowed") && moves("denied")).then_some(told))
    })?;
    ensure!(moved["schema"] == "egress.ui-overview/1", "{moved}");
    ensure!(moved["live"]["gateway"]["mode"] == "enforce", "{moved}");
    ensure!(
        moved["decides"] == false && moved["alarms"] == Value::Array(Vec::new()),
        "{moved}"
    );
    let points = moved["times"]
        .as_array()
        .map(Vec::len)
        .context("no times")?;
    let allowed = staging(&moved).unwrap_or_default()["allowed"].clone();
    ensure!(allowed.as_array().map(Vec::len) == Some(points), "{moved}");
    let last = moved["times"][points - 1].to_string();
    let later = stage.json(&format!("/api/overview?after={last}"))?;
    let more = later["times"].as_array().map_or(0, Vec::len);
    ensure!(more <= 2, "points are told again: {later}");

    let drops = stage.drops("address=198.51.100.99")?;
    let drop = &drops[0];
    ensure!(drop["event"]["schema"] == "egress.event/1", "{drop}");
    ensure!(
        drop["event"]["reason"] == "never-resolved" && drop["service"] == "tcp/443",
        "{drop}"
    );
    let wrong = stage.drops("proto=udp and not address=198.51.100.99")?;
    ensure!(
        wrong
            .iter()
            .all(|drop| drop["event"]["reason"] == "wrong-protocol"),
        "{wrong:?}"
    );
    let all = stage.json("/api/drops?after=0")?;
    let next = all["next"].to_string();
    let instance = all["instance"].as_str().context("no instance")?;
    let known = stage.json(&format!("/api/drops?after={next}&instance={instance}"))?;
    ensure!(
        known["drops"] == Value::Array(Vec::new()),
        "told twice: {known}"
    );
    let other = stage.json(&format!("/api/drops?after={next}&instance=another"))?;
    ensure!(
        other["drops"] == all["drops"],
        "after a restart all is told: {other}"
    );

    let asked = drop["ask"].as_object().context("nothing to ask")?;
    let asked = asked.iter().map(|(name, value)| {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        format!("{name}={}", encoded(&value))
    });
    let explained = stage.json(&format!(
        "/api/explain?{}",
        asked.collect::<Vec<_>>().join("&")
    ))?;
    ensure!(
        explained["answer"]["schema"] == "egress.explain/1",
        "{explained}"
    );
    ensure!(
        explained["answer"]["about"][0]["kernel"]["agrees"] == true,
        "{explained}"
    );
    let command = explained["command"].as_str().context("no command")?;
    let words: Vec<_> = command.split(' ').skip(1).collect();
    let output = stage.egress.command(&words).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(explained["text"] == *said, "{said} is not {explained}");

    let found = stage.json("/api/catalogue?search=203.0.113.9")?;
    ensure!(
        found["found"] == 1 && found["sets"][0]["set"]["key"] == "lab:1",
        "{found}"
    );
    ensure!(found["sets"][0]["via"] == "203.0.113.0/24", "{found}");
    let feeds = stage.json("/api/feeds")?;
    ensure!(feeds["feeds"] == Value::Array(Vec::new()), "{feeds}");
    Ok(())
}

#[test]
fn wrong_questions_are_answered_with_what_is_wrong() -> Result<()> {
    let stage = Stage::new("")?;
    let table = [
        (
            "/api/drops?filter=prt%3D443",
            "there is no field `prt`, the nearest is `port`",
        ),
        (
            "/api/drops?filter=group%3Dstagin",
            "there is no group `stagin`, the nearest is `staging`",
        ),
        ("/api/drops?after=x", "`after`"),
        ("/api/drops?after=1&after=2", "`after` is given twice"),
        ("/api/explain?client=10.20.0.2", "`destination` is missing"),
        (
            "/api/explain?client=laptop&destination=192.0.2.1",
            "`client`",
        ),
        (
            "/api/explain?client=10.20.0.2&destination=2001:db8::1",
            "another family",
        ),
        (
            "/api/explain?client=10.20.0.2&destination=192.0.2.1&interface=eth9",
            "no LAN interface",
        ),
    ];
    for (path, said) in table {
        let answer = stage.ask(&format!("GET {path}"), &[])?;
        let told = answer.json()?;
        ensure!(
            answer.status() == "400" && told["schema"] == "egress.ui-error/1",
            "{path}: {answer:?}"
        );
        let error = told["error"].as_str().context("no error")?;
        ensure!(error.contains(said), "{path}: {error}");
    }
    Ok(())
}

#[test]
fn nobody_decides_without_the_token() -> Result<()> {
    let mut stage = Stage::new("")?;
    let approve = "POST /api/feeds/approve?source=lab&version=2026060100";
    let bearer = format!("Authorization: Bearer {TOKEN}");
    ensure!(
        stage.ask(approve, &[&bearer])?.status() == "403",
        "it only reads"
    );

    let file = stage.lab.path("token");
    let with_token = config(&format!("token-file = \"{}\"\n", file.display()));
    stage.egress.reload(&with_token)?;
    ensure!(stage.json("/api/overview")?["decides"] == true);
    let made = fs::read_to_string(&file).context("no token was made")?;
    let mode = fs::metadata(&file)?.permissions().mode() & 0o777;
    ensure!(mode == 0o600 && made.trim().len() == 64, "{mode:o} {made}");
    ensure!(
        !stage.egress.log().contains(made.trim()),
        "the log has the token"
    );

    fs::write(&file, TOKEN)?;
    let table = [
        (vec![], "401"),
        (vec!["Authorization: Bearer wrong"], "403"),
        (vec![bearer.as_str(), "Origin: http://evil.example"], "403"),
        (vec![bearer.as_str(), "Sec-Fetch-Site: same-site"], "403"),
        // It is asked, and there is no such feed.
        (vec![bearer.as_str()], "400"),
        (
            vec![bearer.as_str(), "Origin: http://127.0.0.1:9599"],
            "400",
        ),
    ];
    for (headers, status) in table {
        for decision in [approve, "POST /api/feeds/reject?source=lab&version=1"] {
            let answer = stage.ask(decision, &headers)?;
            ensure!(answer.status() == status, "{headers:?}: {answer:?}");
        }
    }
    let in_query = format!("{approve}&token={TOKEN}");
    ensure!(
        stage.ask(&in_query, &[])?.status() == "401",
        "a query has no token"
    );
    fs::set_permissions(&file, Permissions::from_mode(0o640))?;
    ensure!(
        stage.ask(approve, &[&bearer])?.status() == "503",
        "others read it"
    );
    let log = stage.egress.log();
    ensure!(log.contains("may be read or written by others"), "{log}");
    ensure!(!log.contains(TOKEN), "the log has the token");
    Ok(())
}

#[test]
fn a_config_moves_the_page_and_refuses_what_nobody_may_reach() -> Result<()> {
    let mut stage = Stage::new("")?;
    let moved = config("").replace(LISTEN, "[::1]:9700");
    stage.egress.reload(&moved)?;
    let there = ask(
        &stage.lab.gateway,
        "[::1]:9700",
        "GET /",
        "Host: localhost:9700",
    )?;
    ensure!(there.status() == "200", "{there:?}");
    ensure!(stage.ask("GET /", &[]).is_err(), "it is still there");
    for (from, to, said) in [
        (
            LISTEN,
            "0.0.0.0:9599",
            "ui.listen: `0.0.0.0:9599` is not of this machine alone, the nearest is `127.0.0.1:9599`",
        ),
        (
            "[ui]",
            "[metrics]\nlisten = \"127.0.0.1:9599\"\n[ui]",
            "ui.listen: metrics are served there",
        ),
        (
            "listen = \"127.0.0.1:9599\"",
            "token-file = \"/x\"",
            "ui.token-file: is for nothing without a page",
        ),
        (
            "[ui]",
            "[ui]\ntoken-file = \"token\"",
            "ui.token-file: `token` is no path",
        ),
    ] {
        let refused = stage.egress.reload_refused(&config("").replace(from, to))?;
        ensure!(refused.contains(said), "{refused}");
    }
    stage.egress.reload(&custom(SETS))?;
    let gone = ask(
        &stage.lab.gateway,
        "[::1]:9700",
        "GET /",
        "Host: localhost:9700",
    );
    ensure!(gone.is_err(), "it is off where nothing is said");
    Ok(())
}

#[test]
fn the_command_serves_it_without_a_daemon_and_tells_what_is_wrong() -> Result<()> {
    let mut stage = Stage::new("")?;
    stage.egress.kill()?;
    let on = stage
        .egress
        .command(&["bypass", "on", "--for", "10m"])
        .output()?;
    ensure!(on.status.success(), "{on:?}");
    let served = stage.egress.command(&["ui", "--listen", "127.0.0.1:9700"]);
    let mut served = Process::spawn("ui", served, stage.lab.folder())?;
    wait::until("the page's address", LIMIT, || {
        served.alive()?;
        Ok((served.output() == "http://127.0.0.1:9700/\n").then_some(()))
    })?;
    let told = wait::until("a look", LIMIT, || {
        let told = ask(
            &stage.lab.gateway,
            "127.0.0.1:9700",
            "GET /api/overview",
            "Host: localhost:9700",
        )?;
        let told = told.json()?;
        Ok((!told["live"]["gateway"].is_null()).then_some(told))
    })?;
    let alarms = told["alarms"].to_string();
    ensure!(
        told["alarms"][0]["kind"] == "bypass" && told["alarms"][0]["loud"] == true,
        "{alarms}"
    );
    ensure!(
        alarms.contains("NOTHING IS DROPPED") && alarms.contains("the daemon does not run"),
        "{alarms}"
    );
    served.signal(Signal::INT)?;
    let code = served.terminate(LIMIT)?;
    ensure!(code == Some(0), "ended with {code:?}");
    for (arguments, said) in [
        (
            ["ui", "--listen", "0.0.0.0:9700"],
            "is not of this machine alone",
        ),
        (["ui", "--pin-dir", "/nowhere"], "nothing is loaded"),
    ] {
        let output = stage.egress.command(&arguments).output()?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(!output.status.success() && error.contains(said), "{error}");
    }
    Ok(())
}
