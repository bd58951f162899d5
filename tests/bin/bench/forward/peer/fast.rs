//! The filter with a path past the stack.

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Result, ensure};
use aya::programs::xdp::XdpLink;
use egress_common::forward::{Fate, Pair, PairKey, family};
use egress_ctl::dataplane::counters;
use egress_ctl::forward::{feed, forward_now};
use lab::host::Host;
use lab::kernel::Kernel;
use lab::link;
use lab::napi::mac;
use lab::topology::{LAN_INTERFACE, WAN_INTERFACE};

use super::super::super::catalogue::{Catalogue, config_text, own, parse};
use super::Filter;
use super::program::attach;

/// Where its maps are pinned.
const PIN_DIR: &str = "/sys/fs/bpf/egress-fast";
/// Longest packet of the lab's links.
const MTU: u32 = 1500;

/// The filter, and the one pair of interfaces that it may forward between.
pub(super) struct FastPath {
    kernel: Kernel,
    /// It leaves the interface when this is dropped.
    attached: Option<XdpLink>,
    seen: Seen,
}

/// Packets so far. The first one of each destination goes up the stack, and is no other one.
#[derive(Clone, Copy, Default)]
struct Seen {
    forwarded: u64,
    others: u64,
}

impl FastPath {
    /// With a catalogue in force.
    pub(super) fn new(gateway: &Host, catalogue: &Catalogue) -> Result<Self> {
        let mut kernel = Kernel::load(Path::new(PIN_DIR))?;
        let text = config_text(&catalogue.texts(), &[]).replace("tcpPorts", "udpPorts");
        let pair = format!(
            "[[gateway.fast-path]]\nfrom = \"lo\"\nto = \"{WAN_INTERFACE}\"\n[source.bench]"
        );
        kernel.put_into_force(&parse(&text.replace("[source.bench]", &pair))?, &own())?;
        let key = PairKey {
            from: link::index(gateway, LAN_INTERFACE)?,
            to: link::index(gateway, WAN_INTERFACE)?,
        };
        let pair = Pair {
            until_ms: u64::MAX,
            families: family::V4,
            mtu: MTU,
            own: mac(gateway, LAN_INTERFACE)?,
            pad: [0; 2],
        };
        feed(kernel.pinned(), &[(key, pair)].into())?;
        forward_now(kernel.pinned())?;
        Ok(Self {
            kernel,
            attached: None,
            seen: Seen::default(),
        })
    }

    fn seen(&self) -> Result<Seen> {
        let mut seen = Seen::default();
        for (fate, packets) in counters::forwards(self.kernel.pinned())? {
            match fate {
                Fate::Forwarded => seen.forwarded += packets,
                Fate::Refresh => {}
                _ => seen.others += packets,
            }
        }
        Ok(seen)
    }
}

impl Filter for FastPath {
    fn put(&mut self, _listed: &[Ipv4Addr]) -> Result<()> {
        self.seen = self.seen()?;
        self.attached = Some(attach(self.kernel.ingress()?)?);
        Ok(())
    }

    fn take(&mut self) -> Result<()> {
        self.attached = None;
        let now = self.seen()?;
        let forwarded = now.forwarded - self.seen.forwarded;
        let others = now.others - self.seen.others;
        ensure!(
            others * 10 <= forwarded,
            "only {forwarded} packets left past the stack, and {others} did not"
        );
        Ok(())
    }
}
