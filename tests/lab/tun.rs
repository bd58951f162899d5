//! A tunnel between two hosts: a device without a link layer on each, and what one sends the other gets,
//! as with WireGuard, but without a cipher.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::ioctl::{IntegerSetter, Setter, ioctl};

use crate::host::Host;
use crate::link;

/// How often the threads look whether they should end.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// What a device without a link layer says that it is (linux/if_arp.h); its packets are the same.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `ARPHRD_NONE`, as WireGuard's devices.
    Plain,
    /// `ARPHRD_PPP`, as those of PPP. Its driver takes PPP's own bytes off before it hands a packet in, and puts
    /// them on behind TC (drivers/net/ppp/ppp_generic.c, Linux 6.1: `ppp_receive_nonmp_frame`, `ppp_start_xmit`).
    Ppp,
}

/// Both devices, which vanish when this is dropped.
#[derive(Debug)]
pub struct Tunnel {
    ended: Arc<AtomicBool>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl Tunnel {
    /// Makes a device on each host, both up. Fails where the kernel has no such devices.
    pub fn between(
        kind: Kind,
        (host, name): (&Host, &str),
        (peer, peer_name): (&Host, &str),
    ) -> Result<Self> {
        let near = device(host, name)?;
        let far = device(peer, peer_name)?;
        for device in [&near, &far] {
            pass_for(device, kind)?;
        }
        link::up(host, name)?;
        link::up(peer, peer_name)?;
        let ended = Arc::new(AtomicBool::new(false));
        let ways = [(near.try_clone()?, far.try_clone()?), (far, near)];
        let threads = ways.map(|(from, to)| {
            let ended = Arc::clone(&ended);
            thread::spawn(move || carry(from, to, &ended))
        });
        Ok(Self {
            ended,
            threads: threads.into(),
        })
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A tunnel that failed has shown itself in the flow that needed it.
            let _ = thread.join();
        }
    }
}

/// Makes a device, which lives as long as its file is open.
pub fn device(host: &Host, name: &str) -> Result<File> {
    host.run(|| open(name))?
        .with_context(|| format!("cannot make the tun device {name}"))
}

fn open(name: &str) -> io::Result<File> {
    /// `struct ifreq` (linux/if.h), as far as the request reads it.
    #[repr(C)]
    struct Request {
        name: [u8; 16],
        flags: u16,
        rest: [u8; 22],
    }
    /// `_IOW('T', 202, int)` (linux/if_tun.h).
    const TUNSETIFF: u32 = 0x4004_54ca;
    /// IFF_TUN and IFF_NO_PI.
    const FLAGS: u16 = 0x1001;

    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(nonblocking)
        .open("/dev/net/tun")?;
    let mut request = Request {
        name: [0; 16],
        flags: FLAGS,
        rest: [0; 22],
    };
    for (to, from) in request.name.iter_mut().zip(name.bytes().take(15)) {
        *to = from;
    }
    // SAFETY: the request takes a `struct ifreq`.
    unsafe {
        let make = Setter::<TUNSETIFF, Request>::new(request);
        ioctl(&file, make)?;
    }
    Ok(file)
}

/// Changes what a device that is down says that it is.
fn pass_for(device: &File, kind: Kind) -> Result<()> {
    /// `_IOW('T', 205, int)` (linux/if_tun.h).
    const TUNSETLINK: u32 = 0x4004_54cd;
    /// linux/if_arp.h.
    const ARPHRD_PPP: usize = 512;

    let number = match kind {
        Kind::Plain => return Ok(()),
        Kind::Ppp => ARPHRD_PPP,
    };
    // SAFETY: the request takes a number.
    unsafe {
        let change = IntegerSetter::<TUNSETLINK>::new_usize(number);
        ioctl(device, change)
    }
    .context("cannot change the type of a tun device")
}

/// Hands on every packet until it is told to end.
fn carry(mut from: File, mut to: File, ended: &AtomicBool) -> io::Result<()> {
    let mut packet = [0; 2048];
    while !ended.load(Ordering::Relaxed) {
        poll(
            &mut [PollFd::from_borrowed_fd(from.as_fd(), PollFlags::IN)],
            Some(&LOOK),
        )?;
        if let Ok(length) = from.read(&mut packet) {
            // What a device does not take is lost, as on any wire.
            let _ = to.write(&packet[..length]);
        }
    }
    Ok(())
}
