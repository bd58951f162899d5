//! The standard lab: client, gateway and internet, addressed, routed and ready for traffic.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use ipnet::IpNet;
use rustix::process::geteuid;
use tempfile::TempDir;

use crate::address::{CLIENT, INTERNET, LAN, LAN_OF_STRANGER, Pair, STRANGER, WAN};
use crate::flow::Family;
use crate::host::{Host, Life};
use crate::link;

/// The gateway's interface towards the client.
pub const LAN_INTERFACE: &str = "lan";
/// The gateway's interface towards the internet.
pub const WAN_INTERFACE: &str = "wan";
/// The only interface of the client and of the internet.
pub const UPLINK: &str = "uplink";

/// What the internet host routes rather than answers: the networks of the lab.
const ELSEWHERE: [&str; 5] = [
    "10.0.0.0/8",
    "192.0.2.0/24",
    "fd00::/8",
    "fe80::/10",
    "2001:db8:ffff::/64",
];

/// Three hosts and the folder for the files of everything that runs on them.
#[derive(Debug)]
pub struct Lab {
    /// Where connections begin: [`CLIENT`], and [`STRANGER`] for what belongs to no group.
    pub client: Host,
    /// Where the filter runs.
    pub gateway: Host,
    /// Every other address there is.
    pub internet: Host,
    folder: TempDir,
}

impl Lab {
    /// Builds it; takes some ten milliseconds.
    pub fn build(life: Life) -> Result<Self> {
        ensure!(
            geteuid().is_root(),
            "the lab makes network namespaces and needs root: run it with sudo"
        );
        Self::around(life, |resolv_conf| {
            fs::write(resolv_conf, "nameserver 127.0.0.1\n")?;
            Host::new("gateway", resolv_conf, life)
        })
    }

    /// Builds the others around this machine, which becomes the gateway: one that is for nothing else.
    pub fn around_this(life: Life) -> Result<Self> {
        Self::around(life, |_| Host::this("gateway", life))
    }

    fn around(life: Life, gateway: impl FnOnce(&Path) -> Result<Host>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("egress-lab-").tempdir()?;
        let resolv_conf = |name| folder.path().join(format!("{name}-resolv.conf"));
        let host = |name, resolver| {
            fs::write(resolv_conf(name), format!("nameserver {resolver}\n"))?;
            Host::new(name, &resolv_conf(name), life)
        };
        let lab = Self {
            client: host("client", LAN.v4)?,
            gateway: gateway(&resolv_conf("gateway"))?,
            internet: host("internet", INTERNET.v4)?,
            folder,
        };
        lab.wire()?;
        Ok(lab)
    }

    /// The folder for the files of everything that runs in the lab.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file in the lab's folder.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// All hosts.
    pub fn hosts(&self) -> [&Host; 3] {
        [&self.client, &self.gateway, &self.internet]
    }

    /// Lets go without removing the folder, and says where it is.
    pub fn leave(self) -> PathBuf {
        self.folder.keep()
    }

    fn wire(&self) -> Result<()> {
        for host in self.hosts() {
            quiet(host).with_context(|| format!("settings of {}", host.name()))?;
            link::up(host, "lo")?;
        }
        self.gateway
            .set(&[("ipv4/ip_forward", "1"), ("ipv6/conf/all/forwarding", "1")])?;
        self.internet.set(&[
            ("ipv4/ip_nonlocal_bind", "1"),
            ("ipv6/ip_nonlocal_bind", "1"),
        ])?;
        self.join()?;
        self.route()
    }

    fn join(&self) -> Result<()> {
        let (lan, wan) = (
            (&self.gateway, LAN_INTERFACE),
            (&self.gateway, WAN_INTERFACE),
        );
        link::veth(lan, (&self.client, UPLINK))?;
        link::veth(wan, (&self.internet, UPLINK))?;
        let both = |pairs: [Pair; 2]| pairs.map(Pair::networks).concat();
        link::addresses(&self.client, UPLINK, &both([CLIENT, STRANGER]))?;
        link::addresses(&self.gateway, LAN_INTERFACE, &both([LAN, LAN_OF_STRANGER]))?;
        link::addresses(&self.gateway, WAN_INTERFACE, &WAN.networks())?;
        link::addresses(&self.internet, UPLINK, &INTERNET.networks())
    }

    fn route(&self) -> Result<()> {
        for family in [Family::Ipv4, Family::Ipv6] {
            link::default_route(&self.client, LAN.of(family), CLIENT.of(family))?;
            link::default_route(&self.gateway, INTERNET.of(family), WAN.of(family))?;
            link::default_route(&self.internet, WAN.of(family), INTERNET.of(family))?;
        }
        let elsewhere: Vec<IpNet> = ELSEWHERE
            .iter()
            .map(|net| net.parse().expect("the table holds prefixes"))
            .collect();
        link::any_address(&self.internet, &elsewhere)
    }
}

/// No address probing, no router solicitations, no filter by source: nothing to wait for, and no
/// traffic that nobody asked for.
fn quiet(host: &Host) -> Result<()> {
    host.set(&[
        ("ipv4/conf/all/rp_filter", "0"),
        ("ipv4/conf/default/rp_filter", "0"),
        ("ipv6/conf/all/disable_ipv6", "0"),
        ("ipv6/conf/default/disable_ipv6", "0"),
        ("ipv6/conf/default/accept_dad", "0"),
        ("ipv6/conf/default/accept_ra", "0"),
        ("ipv6/conf/default/router_solicitations", "0"),
    ])
}
