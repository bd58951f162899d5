//! Programs of XDP that come with this tree: the filter itself, and the least that drops.

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::Result;
use aya::Ebpf;
use aya::programs::{Xdp, XdpMode, xdp::XdpLink};
use lab::kernel::Kernel;

use super::super::super::catalogue::{Catalogue, config_text, own, parse};
use super::super::super::feeder::{self, Values};
use super::Filter;

/// The interface that they filter at.
const LAN: &std::ffi::CStr = c"lan";
/// Where the filter's maps are pinned.
const PIN_DIR: &str = "/sys/fs/bpf/egress";

/// The filter.
pub(super) struct Egress {
    kernel: Kernel,
    /// It leaves the interface when this is dropped.
    attached: Option<XdpLink>,
}

impl Egress {
    /// With a catalogue in force.
    pub(super) fn new(catalogue: &Catalogue) -> Result<Self> {
        let mut kernel = Kernel::load(Path::new(PIN_DIR))?;
        let text = config_text(&catalogue.texts(), &[]).replace("tcpPorts", "udpPorts");
        kernel.put_into_force(&parse(&text)?, &own())?;
        Ok(Self {
            kernel,
            attached: None,
        })
    }
}

impl Filter for Egress {
    fn put(&mut self, _listed: &[Ipv4Addr]) -> Result<()> {
        self.attached = Some(attach(self.kernel.ingress()?)?);
        Ok(())
    }

    fn take(&mut self) -> Result<()> {
        self.attached = None;
        Ok(())
    }
}

/// The least that drops.
pub(super) struct DropOnly {
    bench: Ebpf,
    attached: Option<XdpLink>,
}

impl DropOnly {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            bench: feeder::load(&Values::of(0, [[0; 2]]), 0)?,
            attached: None,
        })
    }
}

impl Filter for DropOnly {
    fn put(&mut self, _listed: &[Ipv4Addr]) -> Result<()> {
        self.attached = Some(attach(feeder::xdp(&mut self.bench, "drop_udp")?)?);
        Ok(())
    }

    fn take(&mut self) -> Result<()> {
        self.attached = None;
        Ok(())
    }
}

/// Puts a program on the interface, in the driver.
pub(super) fn attach(program: &mut Xdp) -> Result<XdpLink> {
    let id = program.attach(LAN, XdpMode::Driver)?;
    Ok(program.take_link(id)?)
}
