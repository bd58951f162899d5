//! Events: packets that are really dropped appear in `egress-ctl watch`, with what they were judged by.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::{ChildStdout, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::address::{CLIENT, STRANGER};
use lab::announced;
use lab::config::catalogue;
use lab::flow::Family;
use lab::gateway::Egress;
use lab::host::Life;
use lab::probe::{Origin, Probe};
use lab::process::Process;
use lab::site::Site;
use lab::told;
use lab::topology::LAN_INTERFACE;
use lab::wait;
use rustix::process::Signal;
use serde_json::{Value, json};

/// Inside of Intune's set 163: TCP 80 and 443.
const LISTED: &str = "104.46.162.100";
const UNLISTED: &str = "203.0.113.77";
const UNLISTED_V6: &str = "2001:db8:dead::77";
const UNLISTED_NAME: &str = "www.example.net";
const NAME: &str = "enterpriseregistration.windows.net";
/// Below a wildcard.
const BELOW: &str = "contoso.servicebus.windows.net";
const WILDCARD: &str = "*.servicebus.windows.net";
/// A listed name that leads through two others.
const ALIAS: &str = "graph.windows.net";
const LIMIT: Duration = Duration::from_secs(20);
/// What commands exit with that were called in a wrong way.
const USAGE: i32 = 64;

#[test]
fn dropped_packets_are_told_of() -> Result<()> {
    let stage = Stage::set("enforce")?;
    let watch = stage.watch("told", &["--json", "--drop"])?;
    let client = CLIENT.v4.to_string();
    stage.send(CLIENT.v4, LISTED, 8443)?;
    stage.send(CLIENT.v4, UNLISTED, 443)?;
    stage.send(CLIENT.v6, UNLISTED_V6, 443)?;
    stage.send(STRANGER.v4, LISTED, 443)?;
    stage.try_https(UNLISTED_NAME)?;
    stage.try_https(&format!("{NAME}:8443"))?;
    let events = events(&watch, |events| {
        let reasons = [
            "wrong-protocol",
            "never-resolved",
            "no-group",
            "name-not-allowed",
            "wrong-port",
        ];
        reasons
            .iter()
            .all(|reason| events.iter().any(|event| event["reason"] == *reason))
    })?;

    let generation = stage.egress.status()?.generation.number;
    let of = |reason: &str, destination: &str| {
        let is_it =
            |event: &&Value| event["reason"] == reason && event["destination"] == destination;
        events
            .iter()
            .find(is_it)
            .with_context(|| format!("no {reason}: {events:#?}"))
    };
    let wrong = of("wrong-protocol", LISTED)?;
    let expected = json!({
        "schema": "egress.event/1", "interface": LAN_INTERFACE, "vlan": 0, "client": client,
        "group": "staging", "destination": LISTED, "names": [], "name_not_listed": false,
        "protocol": "udp", "port": 8443, "action": "drop", "set": null, "generation": generation,
        "suppressed": 0, "later_fragment": false, "opens": false,
        // Ethernet, IPv4, UDP, and six bytes.
        "bytes": 14 + 20 + 8 + 6,
        "nearest": {"set": "intune:163", "gap": "ports", "ports": "tcp 80,443"},
    });
    for (key, value) in expected.as_object().context("no object")? {
        ensure!(
            wrong[key] == *value,
            "{key} is {}, not {value}: {wrong}",
            wrong[key]
        );
    }
    ensure!(
        wrong["mac"] != "00:00:00:00:00:00" && wrong["source_port"] != 0,
        "{wrong}"
    );
    let time: jiff::Timestamp = serde_json::from_value(wrong["time"].clone())?;
    let age = jiff::Timestamp::now().duration_since(time).as_secs();
    ensure!((0..60).contains(&age), "{age} s old: {wrong}");

    of("never-resolved", UNLISTED_V6)?;
    let stranger = of("no-group", LISTED)?;
    ensure!(
        stranger["group"].is_null() && stranger["nearest"].is_null(),
        "{stranger}"
    );
    let unlisted = of("name-not-allowed", "198.51.100.99")?;
    ensure!(
        unlisted["name_not_listed"] == true && unlisted["opens"] == true,
        "{unlisted}"
    );
    let learned = of("wrong-port", "198.51.100.10")?;
    ensure!(learned["names"] == json!([NAME]), "{learned}");
    ensure!(learned["nearest"]["gap"] == "ports", "{learned}");
    ensure!(learned["name"] == NAME, "{learned}");
    ensure!(unlisted["name"] == UNLISTED_NAME, "{unlisted}");
    ensure!(wrong["name"].is_null(), "{wrong}");
    let lost = stage.egress.json(&["status", "--json"])?;
    let fates = lost["events"].as_array().context("no events in status")?;
    ensure!(fates.iter().all(|fate| fate["fate"] != "lost"), "{fates:?}");
    Ok(())
}

#[test]
fn the_last_name_is_told_beside_what_lists_it() -> Result<()> {
    let mut stage = Stage::set("enforce")?;
    let watch = stage.watch("names", &["--json", "--drop"])?;
    for host in [BELOW, ALIAS].map(|name| format!("{name}:8443")) {
        stage.try_https(&host)?;
    }
    stage.try_https(UNLISTED_NAME)?;
    let named =
        |events: &[Value], name: &str| events.iter().find(|event| event["name"] == name).cloned();
    let all = [BELOW, ALIAS, UNLISTED_NAME];
    let seen = events(&watch, |events| {
        all.iter().all(|name| named(events, name).is_some())
    })?;
    let below = named(&seen, BELOW).context("no event")?;
    ensure!(below["names"] == json!([WILDCARD]), "{below}");
    let through = named(&seen, ALIAS).context("no event")?;
    let chain = json!(["alias.lab.example", "edge.lab.example"]);
    ensure!(through["chain"] == chain, "{through}");
    drop(watch);

    // Without the daemon, the names that are on disk are told: at once those that are listed.
    for (name, daemon, destination, told) in [
        (
            "running",
            true,
            "198.51.100.12",
            format!("({BELOW} by {WILDCARD})"),
        ),
        (
            "unlisted",
            true,
            "198.51.100.99",
            format!("({UNLISTED_NAME}, not listed)"),
        ),
        (
            "killed",
            false,
            "198.51.100.12",
            format!("({BELOW} by {WILDCARD})"),
        ),
    ] {
        if !daemon {
            stage.egress.kill()?;
        }
        let watch = stage.watch(name, &["--count", "1"])?;
        stage.send(CLIENT.v4, destination, 8443)?;
        let line = wait::until("an event", LIMIT, || {
            Ok(Some(watch.output()).filter(|output| output.ends_with('\n')))
        })?;
        ensure!(line.contains(&told), "{name}: no {told} in {line}");
    }
    Ok(())
}

#[test]
fn what_nothing_has_is_not_watched_for() -> Result<()> {
    let stage = Stage::set("enforce")?;
    for (option, asked, said) in [
        (
            "--set",
            "intune:1630",
            "no endpoint set or rule `intune:1630`, the nearest is `intune:163`",
        ),
        (
            "--group",
            "stagin",
            "no group `stagin`, the nearest is `staging`",
        ),
        (
            "--filter",
            "port=443 and group=stagin",
            "  port=443 and group=stagin\n                     ^^^^^^\n",
        ),
        (
            "--filter",
            "prt=443",
            "there is no field `prt`, the nearest is `port`",
        ),
    ] {
        let output = stage.egress.command(&["watch", option, asked]).output()?;
        let error = String::from_utf8(output.stderr)?;
        ensure!(
            output.status.code() == Some(USAGE) && error.contains(said),
            "{option}: {error}"
        );
    }
    Ok(())
}

#[test]
fn audit_tells_what_would_be_dropped() -> Result<()> {
    let stage = Stage::set("audit")?;
    let watch = stage.watch("audit", &["--json"])?;
    stage.send(CLIENT.v4, UNLISTED, 443)?;
    let events = events(&watch, |events| !events.is_empty())?;
    ensure!(events[0]["action"] == "would-drop", "{events:?}");
    Ok(())
}

#[test]
fn a_flood_is_told_of_now_and_then_with_how_much_is_not_shown() -> Result<()> {
    const FLOOD: u64 = 300;
    let stage = Stage::set("enforce")?;
    let watch = stage.watch("flood", &["--json", "--reason", "never-resolved"])?;
    for _ in 0..FLOOD {
        stage.send(CLIENT.v4, UNLISTED, 443)?;
    }
    thread::sleep(Duration::from_millis(500));
    stage.send(CLIENT.v4, UNLISTED, 9)?;
    let events = events(&watch, |events| {
        events.iter().any(|event| event["port"] == 9)
    })?;
    let shown = events.len() as u64;
    let suppressed = events
        .iter()
        .filter_map(|event| event["suppressed"].as_u64());
    let suppressed: u64 = suppressed.sum();
    ensure!(
        shown + suppressed == FLOOD + 1,
        "{shown} shown, {suppressed} not"
    );
    ensure!((10..FLOOD / 4).contains(&shown), "{shown} shown");
    ensure!(
        events[..9].iter().all(|event| event["suppressed"] == 0),
        "{events:?}"
    );
    Ok(())
}

#[test]
fn events_are_filtered() -> Result<()> {
    let stage = Stage::set("enforce")?;
    let other = CLIENT.v6.to_string();
    let watches = [stage.watch(
        "filtered",
        &["--json", "--client", &other, "--group", "staging"],
    )?];
    stage.send(CLIENT.v4, UNLISTED, 443)?;
    stage.send(CLIENT.v6, UNLISTED_V6, 443)?;
    let seen = events(&watches[0], |events| !events.is_empty())?;
    ensure!(
        seen.iter().all(|event| event["client"] == other.as_str()),
        "{seen:?}"
    );
    drop(watches);

    let filter = "set=intune:* and not port=443";
    let by_set = stage.watch("by-set", &[filter, "--set", "intune:163", "--count", "1"])?;
    stage.send(CLIENT.v4, UNLISTED, 443)?;
    stage.send(CLIENT.v4, LISTED, 8443)?;
    let line = wait::until("an event", LIMIT, || {
        Ok(Some(by_set.output()).filter(|output| output.ends_with('\n')))
    })?;
    let expected = format!("{} (staging) to {LISTED} udp/8443 dropped: ", CLIENT.v4);
    ensure!(
        line.lines().count() == 1 && line.contains(&expected),
        "{line}"
    );
    ensure!(
        line.contains("; intune:163 allows tcp 80,443 there"),
        "{line}"
    );
    Ok(())
}

#[test]
fn several_watch_at_once_and_end_when_told_so() -> Result<()> {
    let mut stage = Stage::set("enforce")?;
    let watches = [
        stage.watch("first", &["--json"])?,
        stage.watch("second", &["--json", "reason=never-resolved"])?,
    ];
    stage.send(CLIENT.v4, UNLISTED, 443)?;
    for watch in &watches {
        let seen = events(watch, |events| !events.is_empty())?;
        ensure!(seen[0]["destination"] == UNLISTED, "{seen:?}");
    }
    let [first, second] = watches;
    second.signal(Signal::INT)?;
    let code = second.terminate(LIMIT)?;
    ensure!(code == Some(0), "ended with {code:?}");

    // The daemon is gone: who watches reads from the kernel, and then there is one at a time.
    stage.egress.kill()?;
    let pid = u64::from(first.id());
    wait::until("the kernel to be read by watch", LIMIT, || {
        stage.send(CLIENT.v4, UNLISTED, 9)?;
        let status = stage.egress.json(&["status", "--json"])?;
        Ok((status["watcher"] == pid).then_some(()))
    })?;
    let output = stage.egress.command(&["watch"]).output()?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(
        !output.status.success() && said.contains(&format!("by process {pid}")),
        "{said}"
    );
    stage.send(CLIENT.v4, UNLISTED, 8443)?;
    events(&first, |events| {
        events.iter().any(|event| event["port"] == 8443)
    })
    .context("without the daemon")?;
    drop(first);

    let mut command = stage.egress.command(&["watch", "--json"]);
    let mut piped = command.stdout(Stdio::piped()).spawn()?;
    let stdout = piped.stdout.take().context("no pipe")?;
    stage.send(CLIENT.v4, UNLISTED, 443)?;
    let told = first_line(stdout, &stage)?;
    ensure!(told.contains("never-resolved"), "{told}");
    let status = wait::until("the end of watch", LIMIT, || Ok(piped.try_wait()?));
    if status.is_err() {
        piped.kill()?;
    }
    ensure!(status?.success(), "a closed output is no fault");
    Ok(())
}

#[test]
fn what_was_is_shown_for_as_long_as_it_is_held() -> Result<()> {
    let mut stage = Stage::set("enforce")?;
    for port in [1001, 1002, 1003] {
        stage.send(CLIENT.v4, UNLISTED, port)?;
    }
    stage.send(CLIENT.v6, UNLISTED_V6, 1004)?;
    let ports = |options: &[&str]| -> Result<Vec<u64>> {
        let lines = stage.past(options)?;
        let held = &lines[0];
        ensure!(
            held["schema"] == "egress.history/1" && held["held"] == 4 && held["gone"] == 0,
            "{held}"
        );
        ensure!(
            held["oldest"] == lines_of(&stage.past(&["--since", "1h"])?)[0]["time"],
            "{held}"
        );
        let events = lines_of(&lines);
        Ok(events
            .iter()
            .filter_map(|event| event["port"].as_u64())
            .collect())
    };
    let client = format!("client={}", CLIENT.v6);
    for (options, expected) in [
        (vec!["--last", "100"], vec![1001, 1002, 1003, 1004]),
        (vec!["--last", "2"], vec![1003, 1004]),
        (vec!["--last", "1", "port!=1004"], vec![1003]),
        (vec!["--since", "1h", "--count", "1"], vec![1001]),
        (
            vec!["--since", "2000-01-01T00:00:00Z", client.as_str()],
            vec![1004],
        ),
        (vec!["--until", "1h"], vec![]),
    ] {
        let seen = ports(&options)?;
        ensure!(seen == expected, "{options:?}: {seen:?}");
    }
    let text = stage.egress.command(&["watch", "--last", "1"]).output()?;
    let said = String::from_utf8(text.stderr)?;
    ensure!(said.contains("4 events are held, the oldest of "), "{said}");

    // What was first, then what comes.
    let watch = stage.watch("both", &["--json", "--last", "1", "--follow"])?;
    stage.send(CLIENT.v4, UNLISTED, 1005)?;
    let seen = events(&watch, |lines| lines.len() == 3)?;
    let seen: Vec<_> = seen.iter().map(|line| line["port"].as_u64()).collect();
    ensure!(seen == [None, Some(1004), Some(1005)], "{seen:?}");
    drop(watch);

    stage.egress.kill()?;
    let output = stage.egress.command(&["watch", "--last", "1"]).output()?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(
        output.status.code() == Some(1) && said.contains("no daemon runs, and so nothing is held"),
        "{said}"
    );
    Ok(())
}

/// The lines that are events.
fn lines_of(lines: &[Value]) -> Vec<Value> {
    let events = lines
        .iter()
        .filter(|line| line["schema"] == "egress.event/1");
    events.cloned().collect()
}

/// The first line, for which packets are sent until there is one; the reader then goes away.
fn first_line(stdout: ChildStdout, stage: &Stage) -> Result<String> {
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).map(|_| line)
        });
        while !reader.is_finished() {
            stage.send(CLIENT.v4, UNLISTED, 443)?;
            thread::sleep(Duration::from_millis(50));
        }
        Ok(reader.join().expect("reading does not panic")?)
    })
}

/// The lab with the filter in it.
struct Stage {
    egress: Egress,
    site: Site,
}

impl Stage {
    fn set(mode: &str) -> Result<Self> {
        let names = announced::certificate_names();
        let site = Site::start(Life::Bound, &announced::zone(), &names)?;
        let egress = Egress::start(&site.lab, &catalogue(mode))?;
        Ok(Self { egress, site })
    }

    /// Starts `watch` and returns once it is told of events: by the daemon, or by the kernel where none runs.
    fn watch(&self, name: &str, options: &[&str]) -> Result<Process> {
        let before = self.watchers()?;
        let command = self.egress.command(&[&["watch"], options].concat());
        let mut process = Process::spawn(name, command, self.site.lab.folder())?;
        wait::until("watch to begin", LIMIT, || {
            process.alive()?;
            let status = self.egress.json(&["status", "--json"])?;
            let begins = status["watcher"] == process.id() || self.watchers()? > before;
            Ok(begins.then_some(()))
        })?;
        Ok(process)
    }

    /// What `watch` says of the past.
    fn past(&self, options: &[&str]) -> Result<Vec<Value>> {
        let mut command = self
            .egress
            .command(&[&["watch", "--json"], options].concat());
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{options:?}: {said}");
        told::lines(&output.stdout)
    }

    /// How many follow what the daemon tells.
    fn watchers(&self) -> Result<u64> {
        let status = self.egress.json(&["status", "--json"])?;
        Ok(status["history"]["watchers"].as_u64().unwrap_or(0))
    }

    /// Sends a datagram of six bytes.
    fn send(&self, from: impl Into<IpAddr>, to: &str, port: u16) -> Result<()> {
        let (from, to) = (
            SocketAddr::new(from.into(), 0),
            SocketAddr::new(to.parse()?, port),
        );
        self.site.lab.client.run(|| -> Result<()> {
            let socket = UdpSocket::bind(from)?;
            socket.send_to(b"egress", to)?;
            Ok(())
        })?
    }

    /// Tries to connect by name, which fails.
    fn try_https(&self, host: &str) -> Result<()> {
        let (name, port) = match host.split_once(':') {
            Some((name, port)) => (name, port.parse()?),
            None => (host, 443),
        };
        let limit = Duration::from_millis(700);
        let probe = Probe::https_on(port, name);
        let attempt = probe.attempt(&self.site, Family::Ipv4, Origin::Client, limit)?;
        ensure!(!attempt.reached, "{host} was reached");
        Ok(())
    }
}

/// The events so far, once they are enough.
fn events(watch: &Process, enough: impl Fn(&[Value]) -> bool) -> Result<Vec<Value>> {
    let read = || -> Result<Vec<Value>> {
        let output = watch.output();
        let complete = output.rsplit_once('\n').map_or("", |(lines, _)| lines);
        told::lines(complete.as_bytes())
    };
    let seen = wait::until("events", LIMIT, || {
        let events = read()?;
        Ok(enough(&events).then_some(events))
    });
    seen.with_context(|| format!("{:#?}\n{}", read(), watch.complaints()))
}
