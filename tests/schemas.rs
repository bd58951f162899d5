//! What commands print as JSON is what the schemas in packages promise, field by field, of real traffic and feeds.
//! Other tests hold what they read against the same schemas: the lab does that wherever it reads JSON.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::CommandFactory as _;
use egress_ctl::cli::Cli;
use lab::address::{CLIENT, LAN};
use lab::config::custom;
use lab::dns;
use lab::feed::followed::{Followed, INSTANCE, SOURCE, Transport};
use lab::feed::made_up;
use lab::flow::Family;
use lab::frame::{Frame, Transport as Carries};
use lab::gateway::Egress;
use lab::host::Life;
use lab::http;
use lab::pcap;
use lab::site::Site;
use lab::told;
use lab::topology::Lab;
use lab::wait;
use lab::zone::Zone;
use serde_json::Value;

const NAME: &str = "www.corp.example";
const REBIND: &str = "rebind.corp.example";
const ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);
const PRIVATE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 9);
const CLIENT_V4: &str = "10.20.0.2";
const SETS: &str = r#"
[[source.lab.set]]
id = 1
ips = ["203.0.113.0/24"]
tcpPorts = "443"
[[source.lab.set]]
id = 2
urls = ["*.corp.example"]
tcpPorts = "443"
"#;
/// An answer of the web service.
const PAGE: &str = r#"[{"id": 1, "serviceArea": "Common", "serviceAreaDisplayName": "Common",
"urls": ["*.example.org"], "ips": ["203.0.113.0/24"], "tcpPorts": "443", "expressRoute": false,
"category": "Optimize", "required": true}]"#;
const VERSIONS: [&str; 3] = ["2026060100", "2026070100", "2026080100"];
const LISTEN: &str = "127.0.0.1:9599";
const TOKEN: &str = "a-token-that-nobody-guesses";
const LIMIT: Duration = Duration::from_secs(20);

/// A command, and what it is asked besides `--json`. Files are those of the lab's folder.
type Asked = (&'static str, &'static [&'static str]);

/// Of traffic, in this order: the last ones change something.
const OF_TRAFFIC: &[Asked] = &[
    ("status", &[]),
    ("doctor", &["--config", "egress.toml"]),
    ("explain", &[CLIENT_V4, "203.0.113.7:8443"]),
    ("explain", &[CLIENT_V4, NAME]),
    ("explain", &["192.0.2.9", "198.51.100.77"]),
    ("check", &[NAME]),
    ("check", &["203.0.113.7"]),
    ("top", &["--count", "2", "--every", "0.2"]),
    ("watch", &["--last", "100"]),
    ("replay", &["capture.pcap"]),
    (
        "replay",
        &["capture.pcap", "--config", "other.toml", "--compare"],
    ),
    ("config check", &["egress.toml"]),
    ("config show", &[]),
    ("catalogue list", &["--source", "intune"]),
    ("catalogue show", &["intune"]),
    ("catalogue show", &["m365:46"]),
    ("catalogue import", &["page.json"]),
    ("catalogue lint", &[]),
    ("catalogue diff", &["intune", "m365"]),
    ("dns list", &[]),
    ("dns show", &[NAME]),
    ("dns unresolved", &["--reverse"]),
    ("dns overruns", &[]),
    ("dns refused", &[]),
    ("dns import", &["learned.jsonl"]),
    ("dns flush", &[NAME]),
];

/// Of a feed, while something waits.
const OF_A_FEED: &[Asked] = &[
    ("sync", &["--now"]),
    ("feed status", &[]),
    ("feed diff", &["--against-traffic"]),
    ("feed approve", &["--dry-run"]),
    ("feed approve", &[]),
    ("feed rollback", &["1"]),
    ("feed history", &[]),
];

/// What a command prints, which must be JSON of known kinds: those.
fn asked(egress: &Egress, lab: &Lab, (name, arguments): Asked) -> Result<BTreeSet<String>> {
    let mut command = egress.command(&[]);
    command.args(name.split(' ')).arg("--json");
    for argument in arguments {
        let file = lab.path(argument);
        match file.is_file() {
            true => command.arg(file),
            false => command.arg(argument),
        };
    }
    let output = command.output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    let context = || format!("{name} {arguments:?}: {complaint}");
    let objects = match told::lines(&output.stdout) {
        Ok(objects) if !objects.is_empty() => objects,
        _ => vec![told::object(&output.stdout).with_context(context)?],
    };
    let kind = |object: &Value| object["schema"].as_str().map(str::to_owned);
    let kinds: Option<BTreeSet<_>> = objects.iter().map(kind).collect();
    kinds.with_context(context)
}

#[test]
fn every_command_that_prints_json_is_asked() -> Result<()> {
    let mut below = vec![(String::new(), Cli::command())];
    let mut printing = BTreeSet::new();
    while let Some((name, command)) = below.pop() {
        if command
            .get_arguments()
            .any(|argument| argument.get_id() == "json")
        {
            printing.insert(name.clone());
        }
        for one in command.get_subcommands() {
            let name = format!("{name} {}", one.get_name());
            below.push((name.trim_start().to_owned(), one.clone()));
        }
    }
    // What becomes of a candidate is one kind, whoever decides.
    ensure!(printing.remove("feed reject"), "{printing:?}");
    let all = OF_TRAFFIC.iter().chain(OF_A_FEED);
    let asked: BTreeSet<_> = all.map(|(name, _)| (*name).to_owned()).collect();
    ensure!(asked == printing, "{asked:?} are not {printing:?}");
    Ok(())
}

#[test]
fn what_is_told_of_traffic_is_as_promised() -> Result<()> {
    let stage = Stage::set()?;
    let mut seen = BTreeSet::new();
    for row in OF_TRAFFIC {
        seen.extend(asked(&stage.egress, &stage.site.lab, *row)?);
    }
    for kind in ["egress.event/1", "egress.live/1", "egress.replay/1"] {
        ensure!(seen.contains(kind), "no {kind} in {seen:?}");
    }
    Ok(())
}

#[test]
fn what_is_told_of_a_feed_is_as_promised() -> Result<()> {
    let mut followed = follow()?;
    let token = followed.site.lab.path("token");
    fs::write(&token, TOKEN)?;
    fs::set_permissions(&token, Permissions::from_mode(0o600))?;
    let token = token.display();
    let ui = format!("\n[ui]\nlisten = \"{LISTEN}\"\ntoken-file = \"{token}\"\n");
    followed.reconfigure(|config| format!("{config}{ui}"))?;
    followed.serve(VERSIONS[1])?;
    for row in OF_A_FEED {
        asked(&followed.egress, &followed.site.lab, *row)?;
    }
    followed.serve(VERSIONS[2])?;
    followed.sync()?;
    let bearer = format!("Host: {LISTEN}\r\nAuthorization: Bearer {TOKEN}");
    for (request, kind) in [
        ("GET /api/feeds", "egress.ui-feeds/1"),
        (
            "POST /api/feeds/reject?source=lab&version=2026080100",
            "egress.ui-decision/1",
        ),
    ] {
        let told = http::ask(&followed.site.lab.gateway, LISTEN, request, &bearer)?.json()?;
        ensure!(told["schema"] == kind, "{request}: {told}");
    }
    ensure!(followed.told()?["source"] == SOURCE);
    Ok(())
}

/// A gateway with traffic of all kinds behind it.
struct Stage {
    egress: Egress,
    site: Site,
}

impl Stage {
    fn set() -> Result<Self> {
        let zone = Zone::new()
            .host_v4(NAME, ADDRESS, 300)
            .host_v4(REBIND, PRIVATE, 300);
        let site = Site::start(Life::Bound, &zone, &[NAME.to_owned()])?;
        let egress = Egress::start(&site.lab, &custom(SETS))?;
        let stage = Self { egress, site };
        stage.write_files()?;
        stage.make_traffic()?;
        Ok(stage)
    }

    fn write_files(&self) -> Result<()> {
        let lab = &self.site.lab;
        let other = custom(SETS).replace("203.0.113.0/24", "192.0.2.0/24");
        fs::write(lab.path("other.toml"), other)?;
        fs::write(lab.path("page.json"), PAGE)?;
        let syn = |to: &str, port| -> Result<_> {
            let carries = Carries::Syn(40_000, port);
            Ok((
                0,
                Frame::new(CLIENT_V4.parse()?, to.parse()?, carries).to_bytes(),
            ))
        };
        let packets = vec![syn("203.0.113.7", 443)?, syn("203.0.113.7", 8443)?];
        Ok(fs::write(lab.path("capture.pcap"), pcap::file(&packets)?)?)
    }

    /// What is allowed, what is not, and what may not be learned.
    fn make_traffic(&self) -> Result<()> {
        self.site.lab.client.run(|| -> Result<()> {
            for name in [NAME, REBIND] {
                dns::resolve(LAN.v4.into(), name, Family::Ipv4, LIMIT)?;
            }
            TcpStream::connect_timeout(&SocketAddr::new(ADDRESS.into(), 443), LIMIT)?;
            let socket = UdpSocket::bind((CLIENT.v4, 0))?;
            socket.send_to(b"egress", "198.51.100.77:9")?;
            socket.send_to(b"egress", "203.0.113.7:8443")?;
            Ok(())
        })??;
        wait::until("names and events", LIMIT, || {
            let list = self.egress.json(&["dns", "list", "--json"])?;
            let held = self.egress.json(&["status", "--json"])?["history"]["held"].as_u64();
            let is_known = list["addresses"][0]["names"][0].is_object() && held >= Some(2);
            Ok(is_known.then_some(()))
        })?;
        let file = self.site.lab.path("learned.jsonl");
        let mut export = self.egress.command(&["dns", "export"]);
        export.arg(&file).output()?;
        for line in fs::read_to_string(&file)?.lines() {
            told::check_as("egress.dns/1", &serde_json::from_str(line)?)?;
        }
        Ok(())
    }
}

/// A gateway that follows a feed of which every change waits.
fn follow() -> Result<Followed> {
    let archive = made_up::three_small_steps(INSTANCE, VERSIONS)?;
    let keys = "additions = \"ask\"\nremovals = \"ask\"\n";
    Followed::start(archive, VERSIONS[0], keys, Transport::Http)
}
