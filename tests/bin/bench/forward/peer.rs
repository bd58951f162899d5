//! Ways to filter on the gateway: a catalogue in; each is put there and taken away again.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use aya::Ebpf;
use aya::programs::{Xdp, XdpMode, xdp::XdpLink};
use lab::host::Host;
use lab::kernel::Kernel;
use lab::topology::LAN_INTERFACE;

use super::super::catalogue::{Catalogue, config_text, own, parse};
use super::super::feeder::{self, Values};
use super::pin_dir;

/// The interface that all of them filter at.
const LAN: &std::ffi::CStr = c"lan";

/// A way to filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    None,
    NftConntrack,
    NftIngress,
    DropOnly,
    Egress,
}

impl Peer {
    const ALL: [Self; 5] = [
        Self::None,
        Self::NftConntrack,
        Self::NftIngress,
        Self::DropOnly,
        Self::Egress,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "no filter",
            Self::NftConntrack => "nftables set with conntrack",
            Self::NftIngress => "nftables ingress hook",
            Self::DropOnly => "drop-only XDP",
            Self::Egress => "egress",
        }
    }

    /// Whether it lets packets pass, or drops them, as is asked for.
    pub(super) fn meets(self, pass: bool) -> bool {
        match self {
            Self::None => pass,
            Self::DropOnly => !pass,
            Self::NftConntrack | Self::NftIngress | Self::Egress => true,
        }
    }

    /// Its file of rules, where it has one. Nobody answers, so no packet belongs to a connection that conntrack
    /// calls established.
    fn rules(self, set: &str) -> Option<String> {
        match self {
            Self::NftConntrack => Some(format!(
                "table inet bench {{\n{set}\n chain forward {{\n  type filter hook forward priority 0; policy drop;\n  \
                 ct state established,related accept\n  ip daddr @listed udp dport 443 accept\n }}\n}}\n"
            )),
            Self::NftIngress => Some(format!(
                "table netdev bench {{\n{set}\n chain lan {{\n  type filter hook ingress device \"{LAN_INTERFACE}\" priority 0; \
                 policy drop;\n  ip daddr @listed udp dport 443 accept\n  meta protocol != ip accept\n }}\n}}\n"
            )),
            Self::None | Self::DropOnly | Self::Egress => None,
        }
    }
}

/// All ways to filter, ready to be put on the gateway that this thread is in.
pub(super) struct Peers {
    gateway: Host,
    /// Files of rules of those that have them and that this kernel takes.
    files: Vec<(Peer, PathBuf)>,
    missing: Vec<(&'static str, String)>,
    kernel: Kernel,
    floor: Ebpf,
    /// What of these is on the interface; it leaves when this is dropped.
    attached: Option<XdpLink>,
}

impl Peers {
    /// Tries which there are.
    pub(super) fn prepare(gateway: &Host, catalogue: &Catalogue, folder: &Path) -> Result<Self> {
        let mut kernel = Kernel::load(pin_dir())?;
        let text = config_text(&catalogue.texts(), &[]).replace("tcpPorts", "udpPorts");
        kernel.put_into_force(&parse(&text)?, &own())?;
        let mut floor = feeder::load(&Values::of(0, [[0; 2]]), 0)?;
        feeder::xdp(&mut floor, "drop_udp")?;
        let mut peers = Self {
            gateway: gateway.clone(),
            files: Vec::new(),
            missing: Vec::new(),
            kernel,
            floor,
            attached: None,
        };
        let set = set(catalogue)?;
        for peer in Peer::ALL {
            if let Some(rules) = peer.rules(&set) {
                let path = folder.join(format!("{peer:?}.nft"));
                fs::write(&path, rules)?;
                peers.files.push((peer, path));
                if let Err(error) = peers.put(peer).and_then(|()| peers.take(peer)) {
                    peers.files.retain(|(known, _)| *known != peer);
                    peers.missing.push((peer.name(), format!("{error:#}")));
                }
            }
        }
        Ok(peers)
    }

    /// Those that this machine has.
    pub(super) fn there(&self) -> impl Iterator<Item = Peer> {
        let is_there = |peer: &Peer| self.missing.iter().all(|(name, _)| *name != peer.name());
        Peer::ALL.into_iter().filter(is_there)
    }

    /// Those that it lacks, with reasons.
    pub(super) fn missing(&self) -> Vec<(&'static str, String)> {
        self.missing.clone()
    }

    /// Puts one on the gateway.
    pub(super) fn put(&mut self, peer: Peer) -> Result<()> {
        match peer {
            Peer::None => {}
            Peer::Egress => self.attached = attach(self.kernel.ingress()?)?,
            Peer::DropOnly => self.attached = attach(feeder::xdp(&mut self.floor, "drop_udp")?)?,
            Peer::NftConntrack | Peer::NftIngress => {
                let file = self.files.iter().find(|(known, _)| *known == peer);
                let (_, path) = file.context("no rules")?;
                self.nft(&["-f", &path.display().to_string()])?;
            }
        }
        Ok(())
    }

    /// Takes it away again.
    pub(super) fn take(&mut self, peer: Peer) -> Result<()> {
        match peer {
            Peer::None => Ok(()),
            Peer::Egress | Peer::DropOnly => {
                self.attached = None;
                Ok(())
            }
            // Of the gateway's own network.
            Peer::NftConntrack | Peer::NftIngress => self.nft(&["flush", "ruleset"]),
        }
    }

    fn nft(&self, words: &[&str]) -> Result<()> {
        let output = self.gateway.command("nft").args(words).output();
        let output = output.context("nft does not start")?;
        let said = String::from_utf8_lossy(&output.stderr);
        let first = said.lines().next().unwrap_or_default();
        ensure!(output.status.success(), "nft {}: {first}", words.join(" "));
        Ok(())
    }
}

fn attach(program: &mut Xdp) -> Result<Option<XdpLink>> {
    let id = program.attach(LAN, XdpMode::Driver)?;
    Ok(Some(program.take_link(id)?))
}

/// The prefixes of IPv4 as a set of nftables; those that others cover are left out, for it takes no overlaps.
fn set(catalogue: &Catalogue) -> Result<String> {
    let nets = ipnet::Ipv4Net::aggregate(&catalogue.v4);
    let mut text = " set listed {\n  type ipv4_addr; flags interval;\n  elements = {".to_owned();
    for net in nets {
        write!(text, " {net},")?;
    }
    Ok(text + " }\n }")
}
