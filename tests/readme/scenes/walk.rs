//! A laptop that cannot sync, for five reasons: the cause and the fix stand in what two commands print.
//!
//! The laptop tries while the first command watches. What is printed is then taken at its word: the rule goes into
//! the config, or the laptop does what it is told to; and it syncs.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use egress_ctl::feed::store::Folder;
use jiff::{SignedDuration, Timestamp};
use lab::address::LAN;
use lab::config::catalogue;
use lab::dns;
use lab::feed::server::Server;
use lab::feed::service::Service;
use lab::flow::Family;
use lab::gateway::Egress;
use lab::host::{Host, Life};
use lab::link;
use lab::server::{HTTPS, WRONG_PORT};
use lab::site::Site;
use lab::topology::{LAN_INTERFACE, UPLINK};
use lab::wait;
use lab::zone::Zone;

use super::feed::{OLD_NAME, SERVED, VERSIONS, archive};
use super::{knock, staging};
use crate::readme::stage::Stage;

const LAPTOP: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 7);
const LISTED_NAME: &str = "enterpriseregistration.windows.net";
const UNLISTED_NAME: &str = "www.example.net";
/// No name has it.
const NAMELESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 77);
/// A resolver that speaks TLS.
const OTHER_RESOLVER: &str = "9.9.9.9:853";
/// Shorter than the second after which a SYN is repeated.
const IMPATIENT: Duration = Duration::from_millis(700);
const PATIENT: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_secs(60);
/// Generations of the feed that are kept.
const KEPT: usize = 20;
/// Longer than the quarantine.
const EIGHT_DAYS: SignedDuration = SignedDuration::from_hours(8 * 24);

/// How the laptop comes to an address.
#[derive(Clone, Copy)]
enum Lookup {
    /// It asks the gateway.
    Asks,
    /// It knows one, and asks nobody.
    Knows(Ipv4Addr),
    /// It asks over TLS, and nobody else.
    AsksOverTls,
}

/// A laptop, and what it syncs with.
#[derive(Clone)]
struct Laptop {
    host: Host,
    authority: PathBuf,
    name: String,
    port: u16,
    lookup: Lookup,
}

impl Laptop {
    /// Gives the lab's client a second address.
    fn on(site: &Site, name: &str, port: u16, lookup: Lookup) -> Result<Self> {
        let address = format!("{LAPTOP}/16").parse()?;
        link::addresses(&site.lab.client, UPLINK, &[address])?;
        Ok(Self {
            host: site.lab.client.clone(),
            authority: site.authority().to_owned(),
            name: name.to_owned(),
            port,
            lookup,
        })
    }

    /// Whether it gets what it wants.
    fn syncs(&self, limit: Duration) -> Result<bool> {
        let address = match self.lookup {
            Lookup::Asks => self.asks(limit)?,
            Lookup::Knows(address) => Some(address.to_string()),
            Lookup::AsksOverTls => {
                knock(&self.host, LAPTOP, OTHER_RESOLVER)?;
                None
            }
        };
        address.map_or(Ok(false), |address| self.fetches(&address, limit))
    }

    /// Waits until it does. Right behind a swap it once did not within its patience, and why is not known yet.
    fn is_synced(&self, what: &str) -> Result<()> {
        wait::until(what, LIMIT, || Ok(self.syncs(PATIENT)?.then_some(())))
    }

    fn asks(&self, limit: Duration) -> Result<Option<String>> {
        let ask = || {
            dns::ask_from(
                LAPTOP.into(),
                LAN.v4.into(),
                &self.name,
                Family::Ipv4,
                limit,
            )
        };
        let answer = self.host.run(ask)??;
        Ok(answer.address().map(|address| address.to_string()))
    }

    fn fetches(&self, address: &str, limit: Duration) -> Result<bool> {
        let Self { name, port, .. } = self;
        let mut curl = self.host.command("curl");
        curl.args(["-q", "--silent", "--noproxy", "*", "--interface"])
            .arg(LAPTOP.to_string())
            .args(["--max-time", &limit.as_secs_f64().to_string()])
            .args(["--resolve", &format!("{name}:{port}:{address}")])
            .arg("--cacert")
            .arg(&self.authority)
            .arg(format!("https://{name}:{port}/"));
        let output = curl
            .output()
            .context("is the Debian package curl installed?")?;
        Ok(output.status.success())
    }

    fn fails(&self) -> Result<()> {
        ensure!(!self.syncs(IMPATIENT)?, "it syncs as it is");
        Ok(())
    }
}

/// What is done about it.
enum Fix {
    /// The rule that is printed goes to the end of the config.
    Rule,
    /// The laptop does what is printed.
    Laptop(&'static str),
}

/// The laptop tries while somebody watches; afterwards it is mended, and syncs.
fn walk(site: Site, egress: Egress, config: String, mut laptop: Laptop, fix: Fix) -> Stage {
    let trying = laptop.clone();
    let mut egress = egress;
    let stage = Stage::of(&site.lab);
    stage
        .meanwhile(move || trying.fails())
        .afterwards(move |printed| {
            let explained = printed.last().context("nothing was printed")?;
            match fix {
                Fix::Rule => {
                    let rule = rule(explained).context("no rule to allow it")?;
                    egress.reload(&format!("{config}\n{rule}"))?;
                }
                Fix::Laptop(does) => {
                    ensure!(explained.contains(does), "no `{does}`");
                    laptop.lookup = Lookup::Asks;
                }
            }
            ensure!(laptop.syncs(PATIENT)?, "it does not sync");
            Ok(())
        })
        .holding(site)
}

/// The lines behind `to allow it`, as a file has them.
fn rule(explained: &str) -> Option<String> {
    let (_, behind) = explained.split_once("\n  to allow it ")?;
    let lines = behind.lines().skip(1);
    let lines = lines.map_while(|line| line.strip_prefix("                "));
    Some(lines.map(|line| format!("{line}\n")).collect())
}

fn staged(name: &str, port: u16, lookup: Lookup, fix: Fix) -> Result<Stage> {
    let (site, config) = (staging::site()?, catalogue("enforce"));
    let egress = Egress::start(&site.lab, &config)?;
    let laptop = Laptop::on(&site, name, port, lookup)?;
    Ok(walk(site, egress, config, laptop, fix))
}

/// A listed name, on a port that its set does not have.
pub fn wrong_port() -> Result<Stage> {
    staged(LISTED_NAME, WRONG_PORT, Lookup::Asks, Fix::Rule)
}

/// A name of no list.
pub fn not_listed() -> Result<Stage> {
    staged(UNLISTED_NAME, HTTPS, Lookup::Asks, Fix::Rule)
}

/// An address that nobody asked for.
pub fn never_resolved() -> Result<Stage> {
    let name = NAMELESS.to_string();
    staged(&name, HTTPS, Lookup::Knows(NAMELESS), Fix::Rule)
}

/// A resolver over TLS.
pub fn encrypted_dns() -> Result<Stage> {
    let fix = Fix::Laptop("asks a resolver of gateway.resolvers at port 53");
    staged(LISTED_NAME, HTTPS, Lookup::AsksOverTls, fix)
}

/// A name that the web service does not list any more, and whose quarantine is over.
pub fn removed() -> Result<Stage> {
    let address = Ipv4Addr::new(198, 51, 100, 92);
    let zone = Zone::new().host_v4(OLD_NAME, address, 300);
    let site = Site::start(Life::Bound, &zone, &[OLD_NAME.to_owned()])?;
    let service = Arc::new(Service::new(archive()?, usize::MAX));
    service.set_latest(VERSIONS[0].parse()?)?;
    let server = Server::start(&site.lab.internet, SERVED, Arc::clone(&service), None)?;
    let url = server.url();
    let config = format!(
        "[gateway]\nmode = \"enforce\"\nlan = [\"{LAN_INTERFACE}\"]\nresolvers = [\"gateway\"]\n\
         [source.m365]\nkind = \"web-service\"\nurl = \"{url}\"\n\
         [group.staging]\nclients = [\"10.20.0.0/16\"]\nallow = [\"m365\"]\n"
    );
    let mut egress = Egress::start(&site.lab, &config)?;
    is_in_force(&egress, VERSIONS[0], 1)?;
    let laptop = Laptop::on(&site, OLD_NAME, HTTPS, Lookup::Asks)?;
    laptop.is_synced("it to sync to begin with")?;
    service.set_latest(VERSIONS[1].parse()?)?;
    follows(&egress, VERSIONS[1], 2)?;
    laptop.is_synced("what is in quarantine to be within reach")?;
    // The gateway is off meanwhile.
    egress.end()?;
    end_quarantine(&site.lab.path("state"))?;
    let egress = Egress::start(&site.lab, &config)?;
    is_in_force(&egress, VERSIONS[1], 3)?;
    // The answer of before counts until its end.
    egress.json(&["dns", "flush", "--all", "--connections", "--json"])?;
    Ok(walk(site, egress, config, laptop, Fix::Rule).holding(server))
}

/// Asks the service, and waits until the feed's generation is in force that comes of it.
fn follows(egress: &Egress, version: &str, generation: u64) -> Result<()> {
    let output = egress.command(&["sync", "--now"]).output()?;
    ensure!(output.status.success(), "{output:?}");
    is_in_force(egress, version, generation)
}

fn is_in_force(egress: &Egress, version: &str, generation: u64) -> Result<()> {
    wait::until(version, LIMIT, || {
        let status = egress.json(&["feed", "status", "--json"])?;
        let feed = &status["feeds"][0];
        let is_there = feed["version"] == version && feed["approved"]["number"] == generation;
        Ok((is_there && feed["in_force"].is_u64()).then_some(()))
    })
}

/// As if eight days had gone by: what is in quarantine was to leave it yesterday.
fn end_quarantine(state: &Path) -> Result<()> {
    let mut writer = Folder::of(state, "m365").write()?;
    let last = writer.state.generations.last().context("no generation")?;
    let mut edition = writer.folder().edition(&last.blob)?;
    for part in &mut edition.quarantine {
        part.until = part.until.checked_sub(EIGHT_DAYS)?;
        ensure!(part.until < Timestamp::now(), "{part:?}");
    }
    let blob = writer.put_edition(&edition)?;
    let last = writer.state.generations.last_mut();
    last.context("no generation")?.blob = blob;
    Ok(writer.commit(KEPT, None)?)
}
