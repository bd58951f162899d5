//! Metrics: what the daemon serves on loopback and what the command prints, the alerts and the dashboard that read
//! them, all of it in the eyes of Prometheus itself.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use lab::address::CLIENT;
use lab::config::custom;
use lab::gateway::Egress;
use lab::host::{Host, Life};
use lab::http::{Answer, ask, send};
use lab::process::Process;
use lab::topology::Lab;
use lab::wait;
use serde_json::Value;

const ALERTS: &str = include_str!("../egress-ctl/packaging/alerts.yml");
const ALERT_TESTS: &str = include_str!("metrics/alerts.test.yml");
const DASHBOARD: &str = include_str!("../egress-ctl/packaging/dashboard.json");

const LISTEN: &str = "127.0.0.1:9598";
const OPEN_METRICS: &str = "application/openmetrics-text";
/// In the one endpoint set, and nowhere.
const ALLOWED: &str = "203.0.113.7:443";
const DENIED: &str = "198.51.100.99:443";
const SETS: &str = r#"
[[source.lab.set]]
id = 1
ips = ["203.0.113.0/24"]
tcpPorts = "443"

[source.feed]
kind = "web-service"
url = "file:///nowhere"
"#;
const LIMIT: Duration = Duration::from_secs(30);

fn config(listen: &str) -> String {
    format!("{}\n[metrics]\nlisten = \"{listen}\"\n", custom(SETS))
}

/// A gateway that serves metrics, and has allowed and dropped something.
struct Stage {
    lab: Lab,
    egress: Egress,
}

impl Stage {
    fn new() -> Result<Self> {
        let lab = Lab::build(Life::Bound)?;
        let egress = Egress::start(&lab, &config(LISTEN))?;
        let stage = Self { lab, egress };
        stage.traffic()?;
        Ok(stage)
    }

    /// One connection that is refused by its destination, and one that the gateway drops.
    fn traffic(&self) -> Result<()> {
        for destination in [ALLOWED, DENIED] {
            let destination: SocketAddr = destination.parse()?;
            let tried = self.lab.client.run(|| {
                TcpStream::connect_timeout(&destination, Duration::from_millis(300)).is_ok()
            })?;
            ensure!(!tried, "somebody answers at {destination}");
        }
        Ok(())
    }

    fn ask(&self, accept: &str) -> Result<Answer> {
        let own = format!("Host: {LISTEN}\r\nAccept: {accept}");
        ask(&self.lab.gateway, LISTEN, "GET /metrics", &own)
    }
}

fn sample(text: &str, named: &str) -> Result<u64> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(named)?.strip_prefix(' '));
    let value = value.with_context(|| format!("no {named} in\n{text}"))?;
    Ok(value.parse()?)
}

fn is_there(program: &str, test: &str) -> bool {
    let there = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    if !there {
        println!("skipped: metrics::{test}: there is no {program}");
    }
    there
}

#[test]
fn what_was_counted_is_served_in_both_forms() -> Result<()> {
    let stage = Stage::new()?;
    let status = stage.egress.settled()?;
    // What was gathered before may be told for a second.
    std::thread::sleep(Duration::from_millis(1_100));
    let plain = stage.ask("*/*")?;
    ensure!(plain.status() == "200", "{plain:?}");
    ensure!(
        plain
            .head
            .contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
        "{}",
        plain.head
    );
    let open = stage.ask(OPEN_METRICS)?;
    ensure!(
        open.head
            .contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"),
        "{}",
        open.head
    );
    ensure!(open.body.ends_with("\n# EOF\n") && !plain.body.contains("# EOF"));
    let dropped = status.packets(lab::status::Action::Drop, "never-resolved");
    ensure!(dropped > 0, "{status:?}");
    for answer in [&plain, &open] {
        let drops = "egress_client_packets_total{group=\"staging\",action=\"drop\",reason=\"never-resolved\"}";
        ensure!(sample(&answer.body, drops)? == dropped);
        for (named, least) in [
            ("egress_set_packets_total{set=\"lab:1\"}", 1),
            ("egress_set_reply_packets_total{set=\"lab:1\"}", 1),
            ("egress_set_bytes_total{set=\"lab:1\"}", 40),
            ("egress_mode{mode=\"enforce\"}", 1),
            ("egress_generation", 1),
            (
                "egress_interface_attached{interface=\"lan\",role=\"judge\"}",
                1,
            ),
            (
                "egress_interface_attached{interface=\"lan\",role=\"learn\"}",
                1,
            ),
            ("egress_learned_addresses_limit", 1000),
            ("egress_daemon_running", 1),
            ("process_resident_memory_bytes", 1_000_000),
        ] {
            let seen = sample(&answer.body, named)?;
            ensure!(seen >= least, "{named} {seen}");
        }
        ensure!(sample(&answer.body, "egress_bypass")? == 0);
        ensure!(
            sample(
                &answer.body,
                "egress_feed_last_success_timestamp_seconds{source=\"feed\"}"
            )? == 0
        );
        for never in [CLIENT.v4.to_string(), "198.51.100.99".to_owned()] {
            ensure!(!answer.body.contains(&never), "{never} is told");
        }
    }
    Ok(())
}

#[test]
fn nothing_else_is_answered() -> Result<()> {
    let stage = Stage::new()?;
    let gateway = &stage.lab.gateway;
    let own = format!("Host: {LISTEN}");
    let table = [
        ("GET /metrics", own.as_str(), "200"),
        ("GET /metrics", "Host: LOCALHOST:1", "200"),
        ("GET /metrics", "Host: rebound.example:9598", "421"),
        ("GET /metrics", "Host: 192.0.2.1:9598", "421"),
        ("GET http://rebound.example/metrics", own.as_str(), "421"),
        ("GET /metrics", "Accept: */*", "400"),
        ("POST /metrics", own.as_str(), "405"),
        ("GET /", own.as_str(), "404"),
        ("GET /metrics/../x", own.as_str(), "404"),
        ("GARBAGE", own.as_str(), "400"),
    ];
    for (request, headers, status) in table {
        let answer = ask(gateway, LISTEN, request, headers)?;
        ensure!(answer.status() == status, "{request} {headers}: {answer:?}");
    }
    // Who says nothing takes a place, and not the last one.
    let silent = gateway.run(|| -> Result<Vec<TcpStream>> {
        let connect = |_| Ok(TcpStream::connect(LISTEN)?);
        (0..15).map(connect).collect()
    })??;
    ensure!(stage.ask("")?.status() == "200");
    drop(silent);
    for address in ["10.20.0.1:9598", "[::1]:9598"] {
        ensure!(
            ask(gateway, address, "GET /metrics", &own).is_err(),
            "answered at {address}"
        );
    }
    Ok(())
}

#[test]
fn a_config_that_changes_moves_it() -> Result<()> {
    let mut stage = Stage::new()?;
    stage.egress.reload(&config("[::1]:8080"))?;
    let host = "Host: localhost";
    let moved = ask(&stage.lab.gateway, "[::1]:8080", "GET /metrics", host)
        .with_context(|| stage.egress.log())?;
    ensure!(sample(&moved.body, "egress_generation")? == 2, "{moved:?}");
    ensure!(stage.ask("").is_err());
    let refused = stage.egress.reload_refused(&config("0.0.0.0:9598"))?;
    ensure!(
        refused.contains("metrics.listen: `0.0.0.0:9598` is not of this machine alone, the nearest is `127.0.0.1:9598`"),
        "{refused}"
    );
    // Somebody else is there: all else goes on.
    let taken = stage
        .lab
        .gateway
        .run(|| std::net::TcpListener::bind(LISTEN))??;
    stage.egress.reload(&config(LISTEN))?;
    let log = stage.egress.log();
    ensure!(
        log.contains("metrics cannot be served at 127.0.0.1:9598"),
        "{log}"
    );
    drop(taken);
    stage.egress.reload(&config(LISTEN))?;
    let back = stage.ask("").with_context(|| stage.egress.log())?;
    ensure!(sample(&back.body, "egress_generation")? == 4, "{back:?}");
    stage.egress.reload(&custom(SETS))?;
    ensure!(stage.ask("").is_err(), "it is off where nothing is said");
    Ok(())
}

#[test]
fn the_command_prints_the_same_without_a_daemon() -> Result<()> {
    let mut stage = Stage::new()?;
    let print = |egress: &Egress, arguments: &[&str]| -> Result<String> {
        let output = egress.command(arguments).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{said}");
        Ok(String::from_utf8(output.stdout)?)
    };
    let with = print(&stage.egress, &["metrics"])?;
    ensure!(sample(&with, "egress_daemon_running")? == 1);
    let waiting = custom(SETS).replace("[\"lan\"]", "[\"lan\", \"eth7\"]");
    stage.egress.reload(&waiting)?;
    let absent = "egress_interface_attached{interface=\"eth7\",role=\"judge\"}";
    ensure!(sample(&print(&stage.egress, &["metrics"])?, absent)? == 0);
    stage.egress.kill()?;
    let bypass = stage
        .egress
        .command(&["bypass", "on", "--for", "10m"])
        .output()?;
    ensure!(bypass.status.success(), "{bypass:?}");
    stage.traffic()?;
    let without = print(&stage.egress, &["metrics"])?;
    ensure!(sample(&without, "egress_daemon_running")? == 0);
    ensure!(sample(&without, "egress_bypass")? == 1);
    ensure!(!without.contains("process_"), "{without}");
    let would = "egress_client_packets_total{group=\"staging\",action=\"would-drop\",reason=\"never-resolved\"}";
    ensure!(sample(&without, would)? > 0);
    ensure!(sample(&without, "egress_set_packets_total{set=\"lab:1\"}")? > 0);
    let open = print(&stage.egress, &["metrics", "--openmetrics"])?;
    ensure!(open.ends_with("# EOF\n"), "{open}");
    Ok(())
}

#[test]
fn promtool_accepts_metrics_and_alerts() -> Result<()> {
    if !is_there("promtool", "promtool_accepts_metrics_and_alerts") {
        return Ok(());
    }
    let stage = Stage::new()?;
    let mut check = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let metrics = stage.ask("")?.body;
    let mut input = check.stdin.take().context("no input")?;
    input.write_all(metrics.as_bytes())?;
    drop(input);
    let output = check.wait_with_output()?;
    ensure!(
        output.status.success() && output.stderr.is_empty(),
        "{}{}\n{metrics}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    fs::write(stage.lab.path("alerts.yml"), ALERTS)?;
    fs::write(stage.lab.path("alerts.test.yml"), ALERT_TESTS)?;
    for arguments in [
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts.test.yml"],
    ] {
        let output = Command::new("promtool")
            .args(arguments)
            .current_dir(stage.lab.folder())
            .output()?;
        ensure!(
            output.status.success(),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
    }
    Ok(())
}

#[test]
fn every_query_of_the_dashboard_is_answered() -> Result<()> {
    if !is_there("prometheus", "every_query_of_the_dashboard_is_answered") {
        return Ok(());
    }
    let stage = Stage::new()?;
    let prometheus = Prometheus::start(&stage.lab)?;
    // Two looks at each, for rates.
    wait::until("Prometheus to have looked twice", LIMIT, || {
        let looked = prometheus.query("count_over_time(egress_generation[1m]) >= 3")?;
        Ok((!looked.is_empty()).then_some(()))
    })?;
    let queries = queries()?;
    ensure!(queries.len() > 20, "{queries:?}");
    for query in queries {
        let answered = prometheus.query(&query)?;
        ensure!(!answered.is_empty(), "nothing answers {query}");
    }
    // Names in alerts are those that there are.
    let text = stage.ask("")?.body;
    for name in ALERTS.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')) {
        let is_name = name.starts_with("egress_");
        ensure!(
            !is_name || text.contains(&format!("# TYPE {name} ")),
            "{name}"
        );
    }
    Ok(())
}

/// All queries of the dashboard, as it would ask them for all gateways.
fn queries() -> Result<Vec<String>> {
    let dashboard: Value = serde_json::from_str(DASHBOARD)?;
    let panels = dashboard["panels"].as_array().context("no panels")?;
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array());
    let queries = targets.flatten().map(|target| {
        let query = target["expr"]
            .as_str()
            .context("a target without a query")?;
        let query = query.replace("$instance", ".*");
        Ok(query.replace("$__rate_interval", "1m"))
    });
    queries.collect()
}

/// Prometheus on the gateway, which looks at the daemon.
struct Prometheus {
    host: Host,
    _process: Process,
}

impl Prometheus {
    const AT: &'static str = "127.0.0.1:9090";

    fn start(lab: &Lab) -> Result<Self> {
        let config = format!(
            "global: {{scrape_interval: 300ms, scrape_timeout: 300ms}}\nscrape_configs: [{{job_name: egress, static_configs: [{{targets: ['{LISTEN}']}}]}}]\n"
        );
        fs::write(lab.path("prometheus.yml"), config)?;
        let mut command = lab.gateway.command("prometheus");
        command
            .arg(format!(
                "--config.file={}",
                lab.path("prometheus.yml").display()
            ))
            .arg(format!(
                "--storage.tsdb.path={}",
                lab.path("tsdb").display()
            ))
            .arg(format!("--web.listen-address={}", Self::AT));
        let mut process = Process::spawn("prometheus", command, lab.folder())?;
        wait::until("Prometheus to be ready", LIMIT, || {
            process.alive()?;
            let ready = send(&lab.gateway, Self::AT, "GET /-/ready HTTP/1.0\r\n\r\n");
            Ok(ready
                .is_ok_and(|ready| ready.status() == "200")
                .then_some(()))
        })?;
        Ok(Self {
            host: lab.gateway.clone(),
            _process: process,
        })
    }

    /// What an instant query finds.
    fn query(&self, query: &str) -> Result<Vec<Value>> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        // In HTTP 1.0 the body comes in one piece.
        let request = format!("GET /api/v1/query?query={encoded} HTTP/1.0\r\n\r\n");
        let answer = send(&self.host, Self::AT, &request)?;
        let body: Value =
            serde_json::from_str(&answer.body).with_context(|| format!("{query}: {answer:?}"))?;
        match &body["data"]["result"] {
            Value::Array(found) if body["status"] == "success" => Ok(found.clone()),
            _ => bail!("{query}: {body}"),
        }
    }
}
