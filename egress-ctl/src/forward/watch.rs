//! Changes of what forwarding goes by, as the kernel announces them.
//!
//! A thread of its own hears of them, so that nothing that the daemon does meanwhile holds it up: next hops that
//! are remembered are taken back at once, and where more may have changed than routes and neighbours, nothing is
//! forwarded past the stack until the daemon has judged anew.

use std::{
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, eventfd, poll},
    io::{Errno, write},
    net::{Protocol, RecvFlags, bind, netlink, netlink::SocketAddrNetlink, recv},
};
use tokio::sync::Notify;
use tracing::{error, warn};

use super::epoch::Epoch;
use crate::{
    driver::netdev::Netdev,
    netlink::{ROUTE, messages, open},
};

/// Groups of rtnetlink (`RTNLGRP_*`, linux/rtnetlink.h): links, neighbours, traffic control, addresses, routes,
/// rules, forwarding, next hops.
const ROUTE_GROUPS: [u32; 12] = [1, 3, 4, 5, 7, 8, 9, 11, 19, 24, 25, 32];
/// `NFNLGRP_NFTABLES` (linux/netfilter/nfnetlink.h).
const NFTABLES: u32 = 7;
/// `XFRMNLGRP_POLICY` (linux/xfrm.h).
const POLICIES: u32 = 4;
/// Messages of rtnetlink that change where packets go, and not whether they may go past the stack: routes,
/// neighbours, next hops.
const ROUTES: [u16; 6] = [24, 25, 28, 29, 104, 105];

/// Hears of changes until it is dropped.
pub(super) struct Watching {
    stop: OwnedFd,
    thread: Option<JoinHandle<()>>,
}

impl Watching {
    /// Hears of them from now on; `changed` is told when there is something to judge anew.
    pub(super) fn start(epoch: Arc<Mutex<Epoch>>, changed: Arc<Notify>) -> Result<Self, Errno> {
        let stop = eventfd(0, EventfdFlags::CLOEXEC)?;
        let ends = stop.try_clone().map_err(|_| Errno::MFILE)?;
        let heard = Heard {
            routes: joined(ROUTE, &ROUTE_GROUPS)?,
            others: others(),
            epoch,
            changed,
        };
        let thread = thread::Builder::new().name("fast-path".to_owned());
        let thread = thread
            .spawn(move || heard.listen(&ends))
            .map_err(|_| Errno::AGAIN)?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _: Result<usize, Errno> = write(&self.stop, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _: Result<(), _> = thread.join();
        }
    }
}

/// What announces that there is something to judge anew: those that the kernel has.
fn others() -> Vec<OwnedFd> {
    let mut sockets = Vec::new();
    sockets.extend(joined(Some(netlink::NETFILTER), &[NFTABLES]));
    sockets.extend(joined(Some(netlink::XFRM), &[POLICIES]));
    if let Some(group) = Netdev::known().and_then(|netdev| netdev.group) {
        sockets.extend(joined(Some(netlink::GENERIC), &[group]));
    }
    sockets
}

/// A socket that hears of these groups.
fn joined(protocol: Option<Protocol>, groups: &[u32]) -> Result<OwnedFd, Errno> {
    let socket = open(protocol)?;
    bind(&socket, &SocketAddrNetlink::new(0, 0))?;
    for group in groups {
        join(&socket, *group)?;
    }
    Ok(socket)
}

fn join(socket: &OwnedFd, group: u32) -> Result<(), Errno> {
    // SAFETY: the option's value is a number that lives until the call returns.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_NETLINK,
            libc::NETLINK_ADD_MEMBERSHIP,
            (&raw const group).cast(),
            size_of::<u32>() as libc::socklen_t,
        )
    };
    if result == 0 {
        return Ok(());
    }
    let fault = std::io::Error::last_os_error();
    Err(Errno::from_raw_os_error(
        fault.raw_os_error().unwrap_or(libc::EIO),
    ))
}

/// What the thread has.
struct Heard {
    routes: OwnedFd,
    others: Vec<OwnedFd>,
    epoch: Arc<Mutex<Epoch>>,
    changed: Arc<Notify>,
}

/// What an announcement asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum News {
    Nothing,
    Routes,
    Others,
}

impl Heard {
    fn listen(&self, ends: &OwnedFd) {
        loop {
            match self.wait(ends) {
                Ok(true) => {}
                Ok(false) => return,
                Err(Errno::INTR) => {}
                Err(fault) => {
                    error!("fast paths are off: nothing is heard of changes any more: {fault}");
                    self.act(News::Others);
                    return;
                }
            }
        }
    }

    /// Waits for an announcement, and acts on it; false at the end.
    fn wait(&self, ends: &OwnedFd) -> Result<bool, Errno> {
        let sockets = std::iter::once(&self.routes).chain(&self.others);
        let all = std::iter::once(ends).chain(sockets);
        let mut ready: Vec<_> = all
            .map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN))
            .collect();
        poll(&mut ready, None)?;
        let is_ready: Vec<bool> = ready.iter().map(|fd| !fd.revents().is_empty()).collect();
        let [is_end, is_route, is_other @ ..] = is_ready.as_slice() else {
            return Ok(false);
        };
        if *is_end {
            return Ok(false);
        }
        let mut news = News::Nothing;
        if *is_route {
            news = drain(&self.routes, of_routes);
        }
        for (socket, _) in self
            .others
            .iter()
            .zip(is_other)
            .filter(|(_, ready)| **ready)
        {
            news = news.max(drain(socket, |_| News::Others));
        }
        self.act(news);
        Ok(true)
    }

    fn act(&self, news: News) {
        let mut epoch = self.epoch.lock().unwrap_or_else(PoisonError::into_inner);
        let done = match news {
            News::Nothing => Ok(()),
            News::Routes => epoch.raise(),
            News::Others => epoch.pause(),
        };
        if let Err(fault) = done {
            warn!("the kernel does not take back next hops: {fault}");
        }
        if news == News::Others {
            self.changed.notify_one();
        }
    }
}

/// Reads all that a socket has; where something was lost, anything may have changed.
fn drain(socket: &OwnedFd, of: impl Fn(&[u8]) -> News) -> News {
    let mut news = News::Nothing;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match recv(socket, &mut buffer, RecvFlags::DONTWAIT) {
            Ok((len, _)) => news = news.max(of(buffer.get(..len).unwrap_or_default())),
            Err(Errno::AGAIN) => return news,
            Err(Errno::INTR) => {}
            Err(_) => return News::Others,
        }
    }
}

/// What announcements of rtnetlink ask for.
fn of_routes(bytes: &[u8]) -> News {
    let mut news = News::Routes;
    for (kind, _) in messages(bytes) {
        if !ROUTES.contains(&kind) {
            news = News::Others;
        }
    }
    news
}
