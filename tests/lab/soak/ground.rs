//! Where the soak happens: the lab with resolvers, a web server and a feed, a filter whose state has a small disk
//! of its own, and what is done to all of them.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::mount::{MountFlags, mount};

use super::ask;
use super::flood;
use super::way::{LEARNED, TOGGLED};
use crate::address::{INTERNET, LAN, WAN};
use crate::dns;
use crate::feed::archive::Archive;
use crate::feed::edition::{Edition, Set};
use crate::feed::made_up;
use crate::feed::server::Server;
use crate::feed::service::Service;
use crate::feed::version::Version;
use crate::flow::Family;
use crate::gateway::{Egress, program};
use crate::host::{Host, Life};
use crate::link;
use crate::other_build;
use crate::site::Site;
use crate::topology::LAN_INTERFACE;
use crate::wait;
use crate::zone::Zone;

/// The instance that is followed, of which egress brings nothing along.
const INSTANCE: &str = "China";
const FEED_PORT: u16 = 8365;
const UNLIMITED: usize = usize::MAX;
const FIRST: u64 = 2_026_060_100;
/// The set that the feed gives and takes.
const TOGGLED_SET: u32 = 999;
/// A name whose address lasts.
const STEADY: &str = "steady.soak.example";
const LASTING: u32 = 86_000;
/// An interface that comes and goes.
pub const GOING: &str = "eth7";
const LIMIT: Duration = Duration::from_secs(30);
const OWN: &str = r#"[[source.own.set]]
id = 1
urls = ["*.soak.example"]
udpPorts = "4500"

[[source.own.set]]
id = 2
ips = ["203.0.113.0/25", "2001:db8:5::/48"]
udpPorts = "4500"

[[source.own.set]]
id = 3
ips = ["203.0.113.128/25", "2001:db8:6::/48"]
tcpPorts = "443"

"#;
const SOMETIMES: &str = r#"[[source.own.set]]
id = 4
urls = ["*.other.soak.example", "www.example.com"]
ips = ["203.0.113.0/26", "192.88.0.0/16"]
tcpPorts = "8080"

"#;

/// Everything that takes part; the daemon ends before the hosts do.
#[derive(Debug)]
pub struct Ground {
    pub egress: Egress,
    pub site: Site,
    server: Server,
    /// Builds that take turns; the first one runs.
    builds: [PathBuf; 2],
    version: u64,
    has_toggled: bool,
    has_more: bool,
}

impl Ground {
    /// Builds everything, and lets the first edition be in force.
    pub fn prepare() -> Result<Self> {
        let zone = ask::names(Zone::new().host_v4(STEADY, LEARNED, LASTING));
        let site = Site::start(Life::Bound, &zone, &[])?;
        // What a link that goes down would take along.
        let kept = [("ipv6/conf/all/keep_addr_on_down", "1")];
        site.lab.gateway.set(&kept)?;
        link::addresses(&site.lab.client, "lo", &flood::everyone())?;
        small_disk(&site)?;
        let mut archive = Archive::default();
        archive.put(INSTANCE, version(FIRST)?, edition(false));
        let service = Arc::new(Service::new(archive, UNLIMITED));
        service.set_latest(version(FIRST)?)?;
        let at = (INTERNET.v4, FEED_PORT).into();
        let server = Server::start(&site.lab.internet, at, service, None)?;
        let program = program()?;
        let other = other_build::copy(&program, site.lab.folder())?;
        going(
            &site.lab.gateway,
            &[&["link", "add", GOING, "type", "veth", "peer", "name", "far"]],
        )?;
        let config = config(server.url(), false);
        let ground = Self {
            egress: Egress::start(&site.lab, &config)?,
            site,
            server,
            builds: [program, other],
            version: FIRST,
            has_toggled: false,
            has_more: false,
        };
        wait::until("the first edition to enforce", LIMIT, || {
            Ok((ground.egress.status()?.generation.prefixes > 100).then_some(()))
        })?;
        let asked = || dns::resolve(LAN.v4.into(), STEADY, Family::Ipv4, LIMIT);
        ground.site.lab.client.run(asked)??;
        Ok(ground)
    }

    /// Whether the feed gives its prefix.
    pub fn has_toggled(&self) -> bool {
        self.has_toggled
    }

    /// The feed gives its prefix, or takes it away; returns once that is in force.
    pub fn toggle(&mut self) -> Result<()> {
        self.has_toggled = !self.has_toggled;
        self.version += 1;
        let (service, version) = (&self.server.service, version(self.version)?);
        service.publish(INSTANCE, version, edition(self.has_toggled));
        service.set_latest(version)?;
        let output = self.egress.command(&["sync", "--now"]).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "sync --now: {said}");
        let expected = if self.has_toggled { "allow" } else { "drop" };
        wait::until(&format!("the feed's prefix to {expected}"), LIMIT, || {
            let said = self
                .egress
                .check(&TOGGLED.to_string(), &["--proto", "udp", "--port", "4500"])?;
            Ok((said["verdicts"][0]["verdict"] == expected).then_some(()))
        })
    }

    /// Swaps to a config with more, or back.
    pub fn swap(&mut self) -> Result<u64> {
        self.has_more = !self.has_more;
        let config = self.config();
        self.egress.reload(&config)
    }

    /// Kills the daemon; starts it again after a while, as another build where that is asked for.
    pub fn kill(&mut self, dead: Duration, upgrades: bool) -> Result<()> {
        self.egress.kill()?;
        crate::interrupt::sleep(dead)?;
        if upgrades {
            self.builds.reverse();
        }
        let (config, lab) = (self.config(), &self.site.lab);
        let host = (&lab.gateway, lab.folder());
        self.egress = Egress::launch(&self.builds[0], host, &config, &[])?;
        self.egress.ready()?;
        Ok(())
    }

    /// Fills the disk, asks for a swap, which must be refused, and makes room again.
    pub fn fill_disk(&mut self) -> Result<()> {
        let ballast = self.site.lab.path("state/ballast");
        let gateway = self.site.lab.gateway.clone();
        gateway.run_mounted(|| fill(&ballast))??;
        let other = config(self.server.url(), !self.has_more);
        let refused = self.egress.reload_refused(&other);
        gateway.run_mounted(|| fs::remove_file(&ballast))??;
        let complaint = refused?;
        ensure!(complaint.contains("No space left on device"), "{complaint}");
        self.swap()?;
        Ok(())
    }

    /// Takes a link of the gateway down for a while and brings back what went with it.
    pub fn flap(&self, name: &str, down: Duration) -> Result<()> {
        let gateway = &self.site.lab.gateway;
        going(gateway, &[&["link", "set", name, "down"]])?;
        crate::interrupt::sleep(down)?;
        link::up(gateway, name)?;
        if name == LAN_INTERFACE {
            return Ok(());
        }
        for family in [Family::Ipv4, Family::Ipv6] {
            let (to, from) = (INTERNET.of(family), WAN.of(family));
            wait::until("a route back to the internet", LIMIT, || {
                Ok(link::default_route(gateway, to, from).ok())
            })?;
        }
        Ok(())
    }

    /// Takes an interface away and makes one of its name again; it must be judged again.
    pub fn replace_interface(&self) -> Result<()> {
        let gateway = &self.site.lab.gateway;
        let is_judged = |judged: bool| {
            let what = format!("{GOING} to be judged: {judged}");
            wait::until(&what, LIMIT, || {
                let status = self.egress.status()?;
                let mut interfaces = status.interfaces.iter();
                let one = interfaces.find(|one| one.name == GOING);
                let now = one.is_some_and(|one| one.xdp.is_some() || one.ingress.is_some());
                Ok((now == judged).then_some(()))
            })
        };
        going(gateway, &[&["link", "delete", GOING]])?;
        is_judged(false)?;
        going(
            gateway,
            &[&["link", "add", GOING, "type", "veth", "peer", "name", "far"]],
        )?;
        is_judged(true)
    }

    fn config(&self) -> String {
        config(self.server.url(), self.has_more)
    }
}

/// Runs `ip` on a host.
fn going(host: &Host, commands: &[&[&str]]) -> Result<()> {
    for arguments in commands {
        let output = host.command("ip").args(*arguments).output()?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "ip {arguments:?}: {complaint}");
    }
    Ok(())
}

/// Gives the filter's state a disk of its own, which ends with the gateway.
fn small_disk(site: &Site) -> Result<()> {
    let state = site.lab.path("state");
    fs::create_dir(&state)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    let mounted = || mount("tmpfs", &state, "tmpfs", flags, Some(c"size=24m"));
    let mounted = site.lab.gateway.run_mounted(mounted)?;
    mounted.context("cannot mount a disk for the state")
}

fn fill(ballast: &PathBuf) -> Result<()> {
    let mut file = fs::File::create(ballast)?;
    loop {
        match file.write_all(&[0; 4096]) {
            Err(fault) if fault.kind() == io::ErrorKind::StorageFull => return Ok(()),
            written => written?,
        }
    }
}

/// One that is as large as a real one, with or without the set that comes and goes.
fn edition(has_toggled: bool) -> Edition {
    let mut edition = made_up::edition(80..573, 150..344);
    if has_toggled {
        let mut set = Set::blank(TOGGLED_SET);
        set.belongs_to("Common");
        set.ips.insert("40.99.0.0/24".to_owned());
        set.udp_ports = Some("4500".to_owned());
        set.category = "Default".to_owned();
        edition.put(set);
    }
    edition
}

fn config(url: &str, has_more: bool) -> String {
    let more = if has_more { SOMETIMES } else { "" };
    let resolver = flood::RESOLVER;
    format!(
        r#"[gateway]
mode = "enforce"
lan = ["{LAN_INTERFACE}", "{GOING}"]
resolvers = ["gateway", "{resolver}"]

[dns]
ttl-floor = 1
grace = 0

[source.feed]
kind = "web-service"
instance = "{INSTANCE}"
url = "{url}"
removals = "0d"
keep = 3

[source.own]
kind = "custom"

{OWN}{more}[group.staging]
clients = ["10.20.0.0/16", "fd00:20::/64"]
allow = ["own", "feed"]
default = "drop"
"#
    )
}

fn version(number: u64) -> Result<Version> {
    Ok(number.to_string().parse()?)
}
