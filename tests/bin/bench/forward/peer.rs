//! Ways to filter on the gateway: a catalogue in; each is put there and taken away again.

mod fast;
mod program;
mod rules;
mod script;
mod xdp_filter;

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context as _, Result};
use lab::host::Host;

use self::fast::FastPath;
use self::program::{DropOnly, Egress};
use self::xdp_filter::XdpFilter;
use super::super::catalogue::Catalogue;
use super::Fate;

/// A way to filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    None,
    NftConntrack,
    NftIngress,
    IpsetConntrack,
    TcU32,
    TcFlower,
    XdpFilter,
    DropOnly,
    Egress,
    FastPath,
}

impl Peer {
    const ALL: [Self; 10] = [
        Self::None,
        Self::NftConntrack,
        Self::NftIngress,
        Self::IpsetConntrack,
        Self::TcU32,
        Self::TcFlower,
        Self::XdpFilter,
        Self::DropOnly,
        Self::Egress,
        Self::FastPath,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "no filter",
            Self::NftConntrack => "nftables set with conntrack",
            Self::NftIngress => "nftables ingress hook",
            Self::IpsetConntrack => "ipset with conntrack",
            Self::TcU32 => "tc u32",
            Self::TcFlower => "tc flower",
            Self::XdpFilter => "xdp-filter",
            Self::DropOnly => "drop-only XDP",
            Self::Egress => "egress",
            Self::FastPath => "egress with a fast path",
        }
    }

    /// Whether it comes with the bench, and has to work.
    pub(super) fn is_own(self) -> bool {
        matches!(self, Self::None | Self::DropOnly | Self::Egress)
    }

    /// Whether packets meet this fate with it.
    pub(super) fn meets(self, fate: Fate) -> bool {
        match self {
            Self::None | Self::FastPath => fate == Fate::Forwarded,
            Self::DropOnly => fate == Fate::Dropped,
            _ => true,
        }
    }
}

/// What can be put on the gateway that this thread is in, and taken away again.
trait Filter {
    /// Puts it there. Prefixes are known to it; these destinations are what it lists where it has no prefixes.
    fn put(&mut self, listed: &[Ipv4Addr]) -> Result<()>;

    /// Takes away whatever is there of it.
    fn take(&mut self) -> Result<()>;
}

/// Where nothing filters.
struct Nothing;

impl Filter for Nothing {
    fn put(&mut self, _listed: &[Ipv4Addr]) -> Result<()> {
        Ok(())
    }

    fn take(&mut self) -> Result<()> {
        Ok(())
    }
}

/// All ways to filter that this machine has.
pub(super) struct Peers {
    filters: Vec<(Peer, Box<dyn Filter>)>,
    missing: Vec<(&'static str, String)>,
}

impl Peers {
    /// Tries which there are; files that they need stand in this folder.
    pub(super) fn prepare(gateway: &Host, catalogue: &Catalogue, folder: &Path) -> Result<Self> {
        let mut peers = Self {
            filters: Vec::new(),
            missing: Vec::new(),
        };
        for peer in Peer::ALL {
            let mut filter = filter(peer, gateway, catalogue, folder)?;
            let tried = filter.put(&[Ipv4Addr::LOCALHOST]);
            let taken = filter.take();
            match tried.and(taken) {
                Ok(()) => peers.filters.push((peer, filter)),
                Err(error) if peer.is_own() => return Err(error.context(peer.name())),
                Err(error) => peers.missing.push((peer.name(), format!("{error:#}"))),
            }
        }
        Ok(peers)
    }

    /// Those that this machine has.
    pub(super) fn there(&self) -> Vec<Peer> {
        self.filters.iter().map(|(peer, _)| *peer).collect()
    }

    /// Those that it lacks, with reasons.
    pub(super) fn missing(&self) -> &[(&'static str, String)] {
        &self.missing
    }

    /// Puts one on the gateway.
    pub(super) fn put(&mut self, peer: Peer, listed: &[Ipv4Addr]) -> Result<()> {
        self.filter(peer)?.put(listed)
    }

    /// Takes it away again.
    pub(super) fn take(&mut self, peer: Peer) -> Result<()> {
        self.filter(peer)?.take()
    }

    fn filter(&mut self, peer: Peer) -> Result<&mut dyn Filter> {
        let found = self.filters.iter_mut().find(|(known, _)| *known == peer);
        let (_, filter) = found.with_context(|| format!("there is no {}", peer.name()))?;
        Ok(filter.as_mut())
    }
}

fn filter(
    peer: Peer,
    gateway: &Host,
    catalogue: &Catalogue,
    folder: &Path,
) -> Result<Box<dyn Filter>> {
    let nets = &catalogue.v4;
    Ok(match peer {
        Peer::None => Box::new(Nothing),
        Peer::NftConntrack => Box::new(rules::nft_conntrack(catalogue)?.on(gateway, folder)?),
        Peer::NftIngress => Box::new(rules::nft_ingress(catalogue)?.on(gateway, folder)?),
        Peer::IpsetConntrack => Box::new(rules::ipset_conntrack(nets).on(gateway, folder)?),
        Peer::TcU32 => Box::new(rules::tc_u32(nets).on(gateway, folder)?),
        Peer::TcFlower => Box::new(rules::tc_flower(nets).on(gateway, folder)?),
        Peer::XdpFilter => Box::new(XdpFilter::on(gateway)),
        Peer::DropOnly => Box::new(DropOnly::new()?),
        Peer::Egress => Box::new(Egress::new(catalogue)?),
        Peer::FastPath => Box::new(FastPath::new(gateway, catalogue)?),
    })
}
