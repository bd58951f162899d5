//! The two resolvers, both real dnsmasq: one on the internet that serves a zone, and one on the
//! gateway that forwards to it and caches.

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::address::{INTERNET, LAN, LAN_OF_STRANGER};
use crate::dns;
use crate::flow::Family;
use crate::host::Host;
use crate::long::{LONG, ZONE};
use crate::process::Process;
use crate::topology::Lab;
use crate::unbound;
use crate::wait;
use crate::zone::Zone;

/// Every zone has this name, for asking whether a resolver is up.
pub(crate) const READY: &str = "ready.lab.example";
pub(crate) const LIMIT: Duration = Duration::from_secs(10);
/// No files of the machine, no daemon, no pid file, no names but our own.
const COMMON: &str = "no-resolv\nno-hosts\nbind-interfaces\n";

/// Which program is the resolver of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// dnsmasq.
    Dnsmasq,
    /// Unbound.
    Unbound,
}

impl Program {
    /// Starts it.
    pub fn start(self, lab: &Lab) -> Result<Process> {
        match self {
            Self::Dnsmasq => forwarder(lab),
            Self::Unbound => unbound::forwarder(lab),
        }
    }
}

/// Starts the resolver of the internet, on 192.0.2.2.
pub fn upstream(lab: &Lab, zone: &Zone) -> Result<Process> {
    let listen = format!("listen-address={},{}\n", INTERNET.v4, INTERNET.v6);
    let ready = format!("host-record={READY},{},{}\n", INTERNET.v4, INTERNET.v6);
    let config = format!("{listen}local=/#/\ncache-size=0\n{ready}{zone}");
    start(
        lab,
        &lab.internet,
        "dnsmasq-internet",
        INTERNET.v4.into(),
        &config,
    )
}

/// Starts the resolver of the gateway, which asks the one of the internet.
pub fn forwarder(lab: &Lab) -> Result<Process> {
    forwarder_with(lab, "")
}

/// The same, with more lines of configuration.
pub fn forwarder_with(lab: &Lab, more: &str) -> Result<Process> {
    let listen = format!(
        "listen-address=127.0.0.1,{},{},{},{}\n",
        LAN.v4, LAN.v6, LAN_OF_STRANGER.v4, LAN_OF_STRANGER.v6
    );
    let config = format!(
        "{listen}server={}\nserver=/{ZONE}/{LONG}\ncache-size=10000\ndns-forward-max=10000\n{more}",
        INTERNET.v4
    );
    start(lab, &lab.gateway, "dnsmasq-gateway", LAN.v4.into(), &config)
}

fn start(lab: &Lab, host: &Host, name: &str, at: IpAddr, config: &str) -> Result<Process> {
    let file = lab.path(format!("{name}.conf"));
    fs::write(&file, format!("{COMMON}{config}"))?;
    let mut command = host.command("dnsmasq");
    command
        .arg(format!("--conf-file={}", file.display()))
        .args([
            // Not `--no-daemon`: then a TCP connection would keep it from everything else.
            "--keep-in-foreground",
            "--pid-file=",
            // A process that changes its user or group no longer dies with the one that started it.
            "--user=root",
            "--group=root",
            "--log-facility=-",
        ]);
    let mut process = Process::spawn(name, command, lab.folder())
        .context("is the Debian package dnsmasq-base installed?")?;
    wait::until(&format!("{name} to answer"), LIMIT, || {
        process.alive()?;
        host.run(|| Ok(answers(at).then_some(())))?
    })?;
    Ok(process)
}

pub(crate) fn answers(at: IpAddr) -> bool {
    dns::resolve(at, READY, Family::Ipv4, Duration::from_millis(200)).is_ok()
}
