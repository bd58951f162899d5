//! What commands print does nothing to a terminal but to stand there: wide or narrow, without colours, in a pipe, and
//! in one that nobody reads to its end; with names in it that were made to do more. `top` has tests of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::address::CLIENT;
use lab::anything;
use lab::config::custom;
use lab::frame::{Frame, Transport};
use lab::gateway::Egress;
use lab::host::Life;
use lab::pace::is_slow;
use lab::pcap;
use lab::pty;
use lab::site::Site;
use lab::told;
use lab::wait;
use lab::zone::Zone;

/// A resolver of the internet that is trusted, and answers whatever it is asked.
const RESOLVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 53);
const ANSWERED: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 66);
const SETS: &str = r#"
[[source.lab.set]]
id = 1
urls = ["*.corp.example"]
tcpPorts = "443"
"#;
/// What a service might answer.
const PAGE: &str = r#"[{"id": 1, "serviceArea": "Common",
"serviceAreaDisplayName": "\u001b[31m\u202e \u009b2J", "notes": "\u007f\u202e",
"ips": ["203.0.113.0/24"], "tcpPorts": "443", "expressRoute": false, "category": "Optimize", "required": true}]"#;
const LIMIT: Duration = Duration::from_secs(20);

/// Everything that is meant for people, and what goes wrong. Files are those of the lab's folder.
const SHOWN: &[&[&str]] = &[
    &["status"],
    &["watch", "--last", "50"],
    &["top", "--once"],
    &["explain", "10.20.0.2", "198.51.100.66:80"],
    &["explain", "10.20.0.2", "198.51.100.66:443"],
    &["check", "198.51.100.66"],
    &["dns", "list"],
    &["dns", "show", "198.51.100.66"],
    &["dns", "unresolved"],
    &["dns", "overruns"],
    &["dns", "refused"],
    &["doctor"],
    &["config", "check", "egress.toml"],
    &["config", "show"],
    &["catalogue", "list"],
    &["catalogue", "show", "intune"],
    &["catalogue", "diff", "intune", "m365"],
    &["catalogue", "import", "page.json"],
    &["catalogue", "import", "page.json", "--json"],
    &["catalogue", "lint"],
    &["catalogue", "names", "intune"],
    &["replay", "capture.pcap"],
    &["metrics"],
    &["schema"],
    &["feed", "status"],
    &["watch", "grp=staging"],
    &["sttus"],
    &["explain", "--help"],
    &["--help"],
];

#[test]
fn nothing_that_is_printed_does_something_to_a_terminal() -> Result<()> {
    let stage = Stage::set()?;
    let mut seen = String::new();
    for arguments in SHOWN {
        let said = stage.in_pipe(arguments)?;
        check(arguments, &said)?;
        seen += &said;
        for (columns, key, value) in [(80, "NO_COLOR", "1"), (20, "TERM", "dumb")] {
            if is_slow() && columns == 20 {
                continue;
            }
            let mut command = stage.command(arguments);
            command.env(key, value).env("COLUMNS", columns.to_string());
            let (said, status) = pty::run(command, columns)?;
            ensure!(status.code().is_some(), "{arguments:?}: {status}");
            // Terminals make this of the end of a line.
            check(arguments, &said.replace("\r\n", "\n"))?;
        }
    }
    for hostile in [r"\033\[2j\007\012\23331m.corp.example", r"[31m\u{202e}"] {
        ensure!(seen.contains(hostile), "no {hostile} in {seen}");
    }
    let import = ["catalogue", "import", "page.json", "--json"];
    let rows = told::lines(&stage.command(&import).output()?.stdout)?;
    let description = rows[0]["description"].as_str().unwrap_or_default();
    ensure!(description.contains('\u{202e}'), "{rows:?}");
    Ok(())
}

#[test]
fn a_pipe_that_nobody_reads_to_its_end_is_no_fault() -> Result<()> {
    let stage = Stage::set()?;
    let many: &[&[&str]] = &[
        &["catalogue", "list", "--json"],
        &["catalogue", "list"],
        &["metrics"],
        &["config", "show"],
        &["schema", "egress.live/1"],
        &["status"],
        &["watch", "--last", "50"],
        &["watch", "--last", "50", "--follow"],
        &["top", "--json"],
        &["dns", "list"],
        &["--help"],
        &["explain", "--help"],
    ];
    for arguments in many {
        for lines in [0, 1] {
            let mut command = stage.command(arguments);
            let mut child = command
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?;
            let mut pipe = BufReader::new(child.stdout.take().context("no pipe")?);
            for _ in 0..lines {
                pipe.read_line(&mut String::new())?;
            }
            drop(pipe);
            let output = wait::until(&format!("{arguments:?} to end"), LIMIT, || {
                // What goes on forever ends with the next line that it would write.
                stage.send()?;
                Ok(child.try_wait()?)
            });
            if output.is_err() {
                child.kill()?;
            }
            let status = output?;
            let said = child.wait_with_output()?.stderr;
            let said = String::from_utf8_lossy(&said);
            ensure!(
                status.code().is_some_and(|code| code < 3) && !said.contains("roken pipe"),
                "{arguments:?}: {status}: {said}"
            );
            check(arguments, &said)?;
        }
    }
    Ok(())
}

#[test]
fn tables_are_as_wide_as_the_terminal_and_rows_stand_below_each_other_where_it_is_narrow()
-> Result<()> {
    let stage = Stage::set()?;
    for arguments in [&["schema"][..], &["dns", "unresolved"]] {
        let of = |columns: u16| -> Result<String> {
            let mut command = stage.command(arguments);
            command.env("NO_COLOR", "1");
            Ok(pty::run(command, columns)?.0.replace("\r\n", "\n"))
        };
        let (wide, narrow) = (of(80)?, of(20)?);
        ensure!(
            wide.lines().all(|line| line.chars().count() <= 80),
            "{wide}"
        );
        ensure!(wide.lines().count() > 1 && !wide.contains("\n\n"), "{wide}");
        let first = wide.split_whitespace().next().context("nothing")?;
        let rows = narrow.lines().filter(|line| line.starts_with(first));
        ensure!(rows.count() == wide.lines().count() - 1, "{wide}\n{narrow}");
    }
    Ok(())
}

/// Fails where a text has more than lines of characters that are seen, or tells of a panic.
fn check(arguments: &[&str], said: &str) -> Result<()> {
    let acts = |c: &char| c.is_control() && *c != '\n' || ('\u{202a}'..='\u{202e}').contains(c);
    let found = said.chars().find(acts);
    ensure!(found.is_none(), "{arguments:?}: {found:?} in {said:?}");
    ensure!(!said.contains("panicked"), "{arguments:?}: {said}");
    Ok(())
}

/// A gateway with hostile names behind it.
struct Stage {
    egress: Egress,
    site: Site,
}

impl Stage {
    fn set() -> Result<Self> {
        let site = Site::start(Life::Bound, &Zone::new(), &[])?;
        let resolvers = format!("[\"gateway\", \"{RESOLVER}\"]");
        let config = custom(SETS).replace("[\"gateway\"]", &resolvers);
        let egress = Egress::start(&site.lab, &config)?;
        let stage = Self { egress, site };
        let client = CLIENT.v4.to_string();
        let packet = Frame::new(client.parse()?, ANSWERED.into(), Transport::Syn(40_000, 80));
        let packets = pcap::file(&vec![(0, packet.to_bytes())])?;
        fs::write(stage.site.lab.path("capture.pcap"), packets)?;
        fs::write(stage.site.lab.path("page.json"), PAGE)?;
        stage.make_traffic()?;
        Ok(stage)
    }

    fn make_traffic(&self) -> Result<()> {
        let lab = &self.site.lab;
        anything::answer(&lab.internet, RESOLVER.into(), ANSWERED)?;
        let label = b"\x1b[2J\x07\n\x9b31m";
        for name in [
            [&label[..], b"corp", b"example"],
            [&label[..], b"other", b"example"],
        ] {
            anything::ask(&lab.client, RESOLVER.into(), &name)?;
        }
        self.send()?;
        wait::until("names and events", LIMIT, || {
            let list = self.egress.json(&["dns", "list", "--json"])?;
            let held = self.egress.json(&["status", "--json"])?["history"]["held"].as_u64();
            let is_named = list["addresses"][0]["names"][0].is_object();
            Ok((is_named && held >= Some(2)).then_some(()))
        })
    }

    /// What is not allowed.
    fn send(&self) -> Result<()> {
        self.site.lab.client.run(|| -> Result<()> {
            let socket = UdpSocket::bind((CLIENT.v4, 0))?;
            let to = ["203.0.113.7:9".parse()?, SocketAddr::from((ANSWERED, 80))];
            for to in to {
                socket.send_to(b"egress", to)?;
            }
            Ok(())
        })?
    }

    /// A command on a terminal with everything.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.egress.command(&[]);
        for argument in arguments {
            let file = self.site.lab.path(argument);
            match file.is_file() {
                true => command.arg(file),
                false => command.arg(argument),
            };
        }
        for asks in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            command.env_remove(asks);
        }
        // Libraries take this for a wish to see colours.
        command.env("CI", "true").env("TERM", "xterm-256color");
        command
    }

    /// What it prints and complains of into pipes.
    fn in_pipe(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command(arguments).output()?;
        ensure!(output.status.code().is_some(), "{arguments:?}: {output:?}");
        Ok(String::from_utf8([output.stdout, output.stderr].concat())?)
    }
}
