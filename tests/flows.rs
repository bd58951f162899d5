//! End to end: real clients, servers and resolvers, with `egress-ctl` on the gateway between them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::address::LAN;
use lab::announced;
use lab::config::catalogue;
use lab::dns;
use lab::echo::Echo;
use lab::flow::{Family, Flow, Verdict};
use lab::gateway::Egress;
use lab::host::Life;
use lab::probe::Probe;
use lab::site::Site;
use lab::status::Action;

const LISTED: &str = "104.46.162.100";
const UNLISTED: &str = "203.0.113.77";
const NAME: &str = "enterpriseregistration.windows.net";
const ADDRESS_OF_NAME: &str = "198.51.100.10";

#[test]
fn flows_are_judged_as_announced() -> Result<()> {
    let stage = Stage::set("enforce")?;
    stage.run_all(&announced::flows())
}

#[test]
fn audit_lets_everything_pass_and_counts_what_it_would_drop() -> Result<()> {
    let stage = Stage::set("audit")?;
    let flows = announced::flows().into_iter().map(|mut flow| {
        if flow.expected.verdict == Action::Drop {
            flow.expected.verdict = Action::WouldDrop;
        }
        flow
    });
    stage.run_all(&flows.collect::<Vec<_>>())
}

#[test]
fn a_reload_keeps_what_was_learned() -> Result<()> {
    let mut stage = Stage::set("enforce")?;
    let resolve_and_reach = flow("a name", Probe::https(NAME), Verdict::allow("learned"));
    let reach = flow(
        "its address",
        Probe::https(ADDRESS_OF_NAME),
        Verdict::allow("learned"),
    );
    stage.run_all(&[resolve_and_reach])?;
    let before = stage.egress.status()?;

    let number = stage.egress.reload(&catalogue("enforce"))?;

    let after = stage.egress.status()?;
    ensure!(
        number == before.generation.number + 1,
        "the generation is {number}"
    );
    ensure!(
        after.generation.number == number,
        "status tells of another generation"
    );
    ensure!(
        after.learned.addresses == before.learned.addresses,
        "learned addresses are lost"
    );
    stage.run_all(&[reach])
}

#[test]
fn a_reload_revokes_what_the_new_config_does_not_allow() -> Result<()> {
    let mut stage = Stage::set("enforce")?;
    stage.run_all(&[flow(
        "a name",
        Probe::https(NAME),
        Verdict::allow("learned"),
    )])?;
    let only_intune = "allow = [\"power-automate:desktop-flows/public\"]";
    let config = catalogue("enforce");
    let allow = config.lines().find(|line| line.starts_with("allow"));
    stage
        .egress
        .reload(&config.replace(allow.unwrap_or_default(), only_intune))?;
    stage.refuses(ADDRESS_OF_NAME)?;
    stage.refuses(LISTED)
}

#[test]
fn a_connection_outlives_its_answer_and_a_new_one_does_not_begin() -> Result<()> {
    const SHORT_LIVED: &str = "shortlived.manage.microsoft.com";
    const TTL: Duration = Duration::from_secs(2);
    let stage = Stage::set("enforce")?;
    stage.site.lab.client.run(|| -> Result<()> {
        let limit = Duration::from_secs(2);
        let address = dns::resolve(LAN.v4.into(), SHORT_LIVED, Family::Ipv4, limit)?;
        let mut connection = TcpStream::connect_timeout(&(address, 80).into(), limit)?;
        connection.set_read_timeout(Some(limit))?;
        request(&mut connection).context("while the answer is valid")?;
        thread::sleep(TTL + Duration::from_secs(1));
        request(&mut connection).context("behind the end of the answer")?;
        let late = TcpStream::connect_timeout(&(address, 80).into(), limit / 3);
        ensure!(late.is_err(), "a new connection began");
        request(&mut connection).context("once more")
    })??;
    let status = stage.egress.status()?;
    ensure!(status.packets(Action::Allow, "established") > 0);
    ensure!(status.packets(Action::Drop, "expired") > 0);
    Ok(())
}

/// Asks for a page on a connection that goes on.
fn request(connection: &mut TcpStream) -> Result<()> {
    connection.write_all(b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n")?;
    let mut answer = [0; 4096];
    let length = connection.read(&mut answer).context("no answer")?;
    let text = String::from_utf8_lossy(&answer[..length]);
    ensure!(text.starts_with("HTTP/1.1 "), "{text}");
    Ok(())
}

#[test]
fn a_broken_config_at_reload_is_reported_and_changes_nothing() -> Result<()> {
    let mut stage = Stage::set("enforce")?;
    let before = stage.egress.status()?;
    for (broken, blamed) in [
        (
            catalogue("enforce").replace("ttl-floor", "ttl-flour"),
            "ttl-flour",
        ),
        (
            catalogue("enforce").replace("m365:Common", "m365:Komm"),
            "m365:Komm",
        ),
        (
            catalogue("enforce").replace("fd00:20::/64", "fd00:20::/640"),
            "fd00:20::/640",
        ),
    ] {
        let complaint = stage.egress.reload_refused(&broken)?;
        ensure!(
            complaint.contains(blamed),
            "nothing about {blamed} in: {complaint}"
        );
    }
    let after = stage.egress.status()?;
    ensure!(after.generation.number == before.generation.number);
    stage.judges()
}

#[test]
fn a_broken_config_at_start_is_an_error_that_names_the_key() -> Result<()> {
    let site = site()?;
    let broken = catalogue("enforce").replace("resolvers", "resolver");
    let Err(error) = Egress::start(&site.lab, &broken) else {
        anyhow::bail!("a config with an unknown key was taken");
    };
    let text = format!("{error:#}");
    ensure!(text.contains("`resolver`"), "the key is not named: {text}");
    Ok(())
}

#[test]
fn a_daemon_that_ends_or_is_killed_leaves_the_filter_judging_and_learning() -> Result<()> {
    let mut stage = Stage::set("enforce")?;
    stage.egress.kill()?;
    stage.judges()?;
    stage.run_all(&[flow(
        "a name",
        Probe::https(NAME),
        Verdict::allow("learned"),
    )])
}

#[test]
fn check_says_what_the_filter_does() -> Result<()> {
    let stage = Stage::set("enforce")?;
    let mut complaints = Vec::new();
    for flow in announced::flows() {
        let (host, port, proto) = match &flow.probe {
            Probe::Https { host, port } => (host, port, "tcp"),
            Probe::Udp { host, port } => (host, port, "udp"),
            Probe::Resolve { .. } => continue,
        };
        let seen = flow.run(&stage.site, &stage.egress)?.seen;
        let client = flow.origin.address(flow.family).to_string();
        let options = [
            "--port",
            &port.to_string(),
            "--proto",
            proto,
            "--client",
            &client,
        ];
        let said = &stage.egress.check(host, &options)?["verdicts"][0];
        if said["verdict"] != seen.verdict.to_string() || said["reason"] != seen.reason {
            complaints.push(format!(
                "{} ({}): {said}, seen {seen}",
                flow.what, flow.probe
            ));
        }
    }
    ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
    Ok(())
}

/// The lab with the filter in it.
struct Stage {
    egress: Egress,
    _echo: Echo,
    site: Site,
}

impl Stage {
    fn set(mode: &str) -> Result<Self> {
        let site = site()?;
        Ok(Self {
            _echo: Echo::start(&site.lab.internet, &announced::echoes())?,
            egress: Egress::start(&site.lab, &catalogue(mode))?,
            site,
        })
    }

    /// Runs all flows before it complains of those that were judged otherwise.
    fn run_all(&self, flows: &[Flow]) -> Result<()> {
        let mut complaints = Vec::new();
        for flow in flows {
            let outcome = flow.run(&self.site, &self.egress)?;
            if !outcome.passed {
                complaints.push(format!(
                    "{} over {} ({}): expected {}, seen {}",
                    outcome.what, outcome.family, outcome.probe, outcome.expected, outcome.seen
                ));
            }
        }
        let log = self.egress.log();
        ensure!(complaints.is_empty(), "{}\n{log}", complaints.join("\n"));
        Ok(())
    }

    /// What is listed passes, what is not is dropped.
    fn judges(&self) -> Result<()> {
        self.run_all(&[
            flow(
                "a listed prefix",
                Probe::https(LISTED),
                Verdict::allow("prefix"),
            ),
            flow(
                "an unlisted address",
                Probe::https(UNLISTED),
                Verdict::drop("never-resolved"),
            ),
        ])
    }

    /// An address is dropped, for whatever reason.
    fn refuses(&self, address: &str) -> Result<()> {
        let expected = Verdict::drop("");
        let outcome =
            flow("an address", Probe::https(address), expected).run(&self.site, &self.egress)?;
        ensure!(
            outcome.seen.verdict == Action::Drop,
            "{address}: seen {}",
            outcome.seen
        );
        Ok(())
    }
}

fn site() -> Result<Site> {
    let mut names = announced::certificate_names();
    names.push(ADDRESS_OF_NAME.to_owned());
    Site::start(Life::Bound, &announced::zone(), &names)
}

fn flow(what: &'static str, probe: Probe, expected: Verdict) -> Flow {
    Flow::new(what, Family::Ipv4, probe, expected)
}
