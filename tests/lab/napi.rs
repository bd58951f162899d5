//! Links whose receiving end is a kernel thread of its own, so that what a host does with packets can be kept
//! on one CPU and its time be read.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::ioctl::{Updater, ioctl};
use rustix::net::{AddressFamily, SocketType, socket};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::cpu;
use crate::host::Host;

/// The thread that takes in what comes over a link.
#[derive(Debug)]
pub struct NapiThread {
    id: i32,
}

impl NapiThread {
    /// Gives a link such a thread.
    pub fn of(host: &Host, link: &str) -> Result<Self> {
        let before = threads(link)?;
        receives_frames(host, link)?;
        host.run_mounted(|| fs::write(format!("/sys/class/net/{link}/threaded"), "1"))?
            .with_context(|| format!("threaded NAPI of {link}"))?;
        let after = threads(link)?;
        let mut new = after.difference(&before);
        let (Some(id), None) = (new.next(), new.next()) else {
            return Err(anyhow::anyhow!(
                "{link} has no thread of its own, or several"
            ));
        };
        Ok(Self { id: *id })
    }

    /// Keeps the thread on a CPU.
    pub fn pin(&self, cpu: usize) -> Result<()> {
        let mut one = CpuSet::new();
        one.set(cpu);
        sched_setaffinity(Pid::from_raw(self.id), &one).context("cannot pin a thread of NAPI")
    }

    /// CPU time that it has taken so far.
    pub fn cpu_time(&self) -> Result<Duration> {
        cpu::time_of(self.id.cast_unsigned())
    }
}

/// Lets a link's end take in what XDP programs redirect to the other end.
pub fn receives_frames(host: &Host, link: &str) -> Result<()> {
    host.run(|| receive_offload(link))?
        .with_context(|| format!("GRO of {link}"))
}

/// Threads of NAPI of links of this name, whosever they are.
fn threads(link: &str) -> Result<BTreeSet<i32>> {
    let name = format!("napi/{link}-");
    let mut threads = BTreeSet::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Ok(id) = entry.file_name().to_string_lossy().parse() else {
            continue;
        };
        // A process may have ended meanwhile.
        let comm = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        if comm.starts_with(&name) {
            threads.insert(id);
        }
    }
    Ok(threads)
}

/// Turns generic receive offload on: without it a veth end has no NAPI unless a program of XDP is there.
fn receive_offload(link: &str) -> io::Result<()> {
    /// `SIOCETHTOOL` (linux/sockios.h), `ETHTOOL_SGRO` (linux/ethtool.h).
    const ETHTOOL: u32 = 0x8946;
    const SET_GRO: u32 = 0x2c;

    /// `struct ethtool_value`.
    #[repr(C)]
    struct Value {
        command: u32,
        data: u32,
    }

    /// `struct ifreq` on a 64-bit machine.
    #[repr(C)]
    struct Request {
        name: [u8; 16],
        value: *mut Value,
        rest: [u64; 2],
    }

    let mut value = Value {
        command: SET_GRO,
        data: 1,
    };
    let mut request = Request {
        name: [0; 16],
        value: &raw mut value,
        rest: [0; 2],
    };
    // The last byte stays 0.
    request.name[..15]
        .iter_mut()
        .zip(link.bytes())
        .for_each(|(to, from)| *to = from);
    let any = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    // SAFETY: the request is laid out as the kernel wants it, and both live until the call returns.
    unsafe { ioctl(any, Updater::<ETHTOOL, Request>::new(&mut request)) }?;
    Ok(())
}

/// The hardware address of a link.
pub fn mac(host: &Host, link: &str) -> Result<[u8; 6]> {
    let text = host
        .run_mounted(|| fs::read_to_string(format!("/sys/class/net/{link}/address")))?
        .with_context(|| format!("address of {link}"))?;
    let bytes = text
        .trim()
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16));
    let bytes: Vec<u8> = bytes.collect::<Result<_, _>>()?;
    let len = bytes.len();
    bytes
        .try_into()
        .map_err(|_| anyhow::anyhow!("an address of {len} bytes"))
}

/// A neighbour that is never asked for.
pub fn neighbour(host: &Host, link: &str, address: IpAddr, mac: [u8; 6]) -> Result<()> {
    let mac = mac.map(|byte| format!("{byte:02x}")).join(":");
    let address = address.to_string();
    let words = [
        "neigh",
        "replace",
        &address,
        "lladdr",
        &mac,
        "dev",
        link,
        "nud",
        "permanent",
    ];
    let status = host.command("ip").args(words).status()?;
    ensure!(status.success(), "ip {}: {status}", words.join(" "));
    Ok(())
}

/// One of a link's counters, such as `rx_packets`.
pub fn counter(host: &Host, link: &str, name: &str) -> Result<u64> {
    let path = format!("/sys/class/net/{link}/statistics/{name}");
    let text = host
        .run_mounted(|| fs::read_to_string(&path))?
        .with_context(|| format!("cannot read {path}"))?;
    Ok(text.trim().parse()?)
}
