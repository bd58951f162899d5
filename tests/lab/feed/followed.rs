//! A gateway that follows a feed which the lab serves.

use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::archive::Archive;
use super::server::Server;
use super::service::Service;
use super::version::Version;
use crate::address::{CLIENT, INTERNET};
use crate::certificate::Certificate;
use crate::config;
use crate::gateway::Egress;
use crate::host::Life;
use crate::site::Site;
use crate::told;
use crate::wait;
use crate::zone::Zone;

/// The instance that is followed: a known one, of which egress brings nothing along.
pub const INSTANCE: &str = "China";
/// The source's name.
pub const SOURCE: &str = "lab";
const PORT: u16 = 8365;
/// More than any test asks.
const UNLIMITED: usize = usize::MAX;
const LIMIT: Duration = Duration::from_secs(20);

/// Everything that runs.
#[derive(Debug)]
pub struct Followed {
    /// The filter.
    pub egress: Egress,
    /// The feed.
    pub server: Server,
    /// Client, resolvers and web server.
    pub site: Site,
    config: String,
}

/// What enforces, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InForce {
    /// The kernel's generation.
    pub number: u64,
    /// Its prefixes.
    pub prefixes: u64,
    /// Its patterns of names.
    pub patterns: u64,
}

/// How a feed is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Plain HTTP.
    Http,
    /// TLS, by the lab's authority.
    Tls,
}

impl Followed {
    /// Serves an archive at a version and lets a gateway follow it; returns once that version
    /// enforces. The keys are further ones of the source's table.
    pub fn start(archive: Archive, at: &str, keys: &str, transport: Transport) -> Result<Self> {
        let site = Site::start(Life::Bound, &Zone::new(), &[])?;
        let service = Arc::new(Service::new(archive, UNLIMITED));
        service.set_latest(version(at)?)?;
        let certificate = match transport {
            Transport::Http => None,
            Transport::Tls => Some(certificate(&site)?),
        };
        let address = (INTERNET.v4, PORT).into();
        let server = Server::start(&site.lab.internet, address, service, certificate.as_ref())?;
        let trusted = certificate
            .map(|certificate| format!("ca-file = \"{}\"\n", certificate.authority.display()));
        let keys = trusted.unwrap_or_default() + keys;
        let config = config::web_service(INSTANCE, server.url(), &keys);
        let egress = Egress::start(&site.lab, &config)?;
        let followed = Self {
            egress,
            server,
            site,
            config,
        };
        followed.wait_for_sets()?;
        Ok(followed)
    }

    /// Ends the daemon at once and starts another, with the same configuration.
    pub fn restart(&mut self) -> Result<()> {
        self.egress.kill()?;
        self.egress = Egress::start(&self.site.lab, &self.config)?;
        Ok(())
    }

    /// Restarts with another configuration.
    pub fn reconfigure(&mut self, change: impl FnOnce(&str) -> String) -> Result<()> {
        self.config = change(&self.config);
        self.restart()
    }

    /// Makes a version the latest.
    pub fn serve(&self, latest: &str) -> Result<()> {
        Ok(self.server.service.set_latest(version(latest)?)?)
    }

    /// Asks the service now.
    pub fn sync(&self) -> Result<Output> {
        self.run(&["sync", "--now"])
    }

    /// A command of `egress-ctl` that may fail.
    pub fn run(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = self.egress.command(arguments);
        command.output().context("cannot start egress-ctl")
    }

    /// A command of `egress-ctl` that must not fail.
    pub fn succeed(&self, arguments: &[&str]) -> Result<String> {
        let output = self.run(arguments)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "egress-ctl {}: {said}",
            arguments.join(" ")
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What `egress-ctl feed ARGUMENTS --json` prints, whatever its exit code.
    pub fn feed(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.run(&[&["feed"], arguments, &["--json"]].concat())?;
        told::object(&output.stdout)
            .with_context(|| format!("egress-ctl feed {}: {output:?}", arguments.join(" ")))
    }

    /// What `egress-ctl feed status --json` says of the source.
    pub fn told(&self) -> Result<Value> {
        let mut status = self.feed(&["status"])?;
        Ok(status["feeds"][0].take())
    }

    /// What enforces now.
    pub fn in_force(&self) -> Result<InForce> {
        let generation = self.egress.status()?.generation;
        Ok(InForce {
            number: generation.number,
            prefixes: generation.prefixes,
            patterns: generation.patterns,
        })
    }

    /// What would become of the client's packet: `allow`, or a reason to drop it.
    pub fn verdict(&self, address: &str, port: u16) -> Result<String> {
        let (client, port) = (CLIENT.v4.to_string(), port.to_string());
        let said = self
            .egress
            .check(address, &["--client", &client, "--port", &port])?;
        let verdict = &said["verdicts"][0];
        let word = match verdict["verdict"].as_str() {
            Some("allow") => "allow",
            _ => verdict["reason"].as_str().unwrap_or_default(),
        };
        Ok(word.to_owned())
    }

    /// Waits until a packet would have that verdict.
    pub fn wait_for(&self, address: &str, port: u16, verdict: &str) -> Result<()> {
        wait::until(&format!("{verdict} for {address}"), LIMIT, || {
            Ok((self.verdict(address, port)? == verdict).then_some(()))
        })
    }

    fn wait_for_sets(&self) -> Result<()> {
        let waited = wait::until("the first edition to enforce", LIMIT, || {
            Ok((self.in_force()?.number > 1).then_some(()))
        });
        waited.with_context(|| format!("egress-ctl said:\n{}", self.egress.log()))
    }
}

fn certificate(site: &Site) -> Result<Certificate> {
    let folder = site.lab.path("feed");
    std::fs::create_dir_all(&folder)?;
    Certificate::issue(&folder, &[INTERNET.v4.to_string()])
}

fn version(text: &str) -> Result<Version> {
    Ok(text.parse()?)
}
