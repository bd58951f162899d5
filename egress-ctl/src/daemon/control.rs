//! The daemon's ear: takes requests at its socket, and hands them on one by one.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use rustix::process::geteuid;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy, sink},
    net::{UnixListener, UnixStream},
    sync::{
        OwnedSemaphorePermit, Semaphore,
        mpsc::{Receiver, Sender, channel},
        oneshot,
    },
    task::JoinHandle,
    time::timeout,
};
use tracing::{info, warn};

use super::{Daemon, answer, history::Desk};
use crate::{
    control::{
        REQUEST_MAX, Reply, Request, path,
        peer::{Access, Peer, group_named, groups, session},
    },
    feed::person::{By, Person},
};

/// The group whose members may ask, where none is named.
const GROUP: &str = "egress";
/// How long somebody may take to say what is asked.
const LIMIT: Duration = Duration::from_secs(5);
/// Connections at once.
const AT_ONCE: usize = 16;
/// Those of them that follow events do not count, but among themselves.
const WATCHERS: usize = 16;
/// Root and the group may connect.
const MODE: u32 = 0o660;

/// A request that waits for its reply.
pub(super) struct Order {
    request: Request,
    who: Who,
    reply: oneshot::Sender<Reply>,
}

/// Who asks.
pub(super) struct Who {
    /// By name.
    pub(super) by: By,
    /// The session of the process.
    pub(super) session: Option<u32>,
}

/// The socket.
pub(super) struct Control {
    path: PathBuf,
    orders: Receiver<Order>,
    task: Option<JoinHandle<()>>,
}

impl Control {
    /// Listens from now on. Where that is not possible, all else goes on.
    pub(super) fn listen(state_dir: &Path, access: Access, desk: Option<Arc<Desk>>) -> Self {
        let path = path(state_dir);
        let (tell, orders) = channel(1);
        let task = match listener(&path, &access) {
            Ok(listener) => {
                let ear = Ear {
                    access,
                    tell,
                    desk,
                    watchers: Arc::new(Semaphore::new(WATCHERS)),
                };
                Some(tokio::spawn(serve(listener, Arc::new(ear))))
            }
            Err(fault) => {
                warn!(
                    "cannot listen at {}: {fault}; `enforce`, `confirm` and `config apply` do not work",
                    path.display()
                );
                None
            }
        };
        Self { path, orders, task }
    }

    /// Waits for the next request.
    pub(super) async fn order(&mut self) -> Order {
        match self.orders.recv().await {
            Some(order) => order,
            // Nobody listens any more.
            None => std::future::pending().await,
        }
    }

    /// Ends it.
    pub(super) fn end(&self) {
        if let Some(task) = &self.task {
            task.abort();
        }
        // A socket that stays is replaced by the next daemon's.
        let _: io::Result<()> = fs::remove_file(&self.path);
    }
}

impl Daemon {
    /// Does what is asked, and tells what came of it.
    pub(super) async fn obey(&mut self, order: Order) {
        let Order {
            request,
            who,
            reply,
        } = order;
        let done = self.carry_out(request, who).await;
        let told = match done {
            Ok(told) => Reply::Done { told },
            Err(fault) => Reply::Refused {
                why: format!("{fault:#}"),
            },
        };
        // Who asked may have gone; what was done stays.
        let _: Result<(), Reply> = reply.send(told);
    }
}

/// Root, this process's user, and the members of a group.
///
/// # Errors
/// There is no such group.
pub(super) fn access(group: Option<&str>) -> Result<Access> {
    let named = |name: &str| Some((name.to_owned(), group_named(name)?));
    let group = match group {
        Some(name) => Some(named(name).with_context(|| {
            format!("there is no group `{name}`: make it, or name another one with --group")
        })?),
        None => named(GROUP),
    };
    let own = geteuid().as_raw();
    Ok(Access { own, group })
}

fn listener(path: &Path, access: &Access) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
        // One that a daemon before left; none runs, since this one has its lock.
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    if let Some((name, gid)) = &access.group
        && let Err(fault) = chown(path, None, Some(*gid))
    {
        warn!("the group `{name}` cannot ask this daemon: {fault}");
    }
    fs::set_permissions(path, Permissions::from_mode(MODE))?;
    Ok(listener)
}

/// What a connection is answered with.
struct Ear {
    access: Access,
    tell: Sender<Order>,
    /// Where events are held, if they are.
    desk: Option<Arc<Desk>>,
    watchers: Arc<Semaphore>,
}

async fn serve(listener: UnixListener, ear: Arc<Ear>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            // Too many files are open: others may close some.
            tokio::time::sleep(LIMIT / 10).await;
            continue;
        };
        let ear = Arc::clone(&ear);
        // Who goes away has no answer, and others have theirs.
        tokio::spawn(async move { ear.answer(stream, place).await });
    }
}

impl Ear {
    async fn answer(&self, mut stream: UnixStream, place: OwnedSemaphorePermit) -> io::Result<()> {
        let credentials = stream.peer_cred()?;
        let peer = Peer {
            pid: credentials.pid(),
            uid: credentials.uid(),
            gid: credentials.gid(),
        };
        let groups = peer.pid.map(groups).unwrap_or_default();
        let reply = match self.access.check(&peer, &groups) {
            Err(why) => {
                warn!("{why}");
                Reply::Refused { why }
            }
            Ok(()) => match timeout(LIMIT, request(&mut stream)).await {
                Ok(Ok(Request::Events { last, follow })) => match self.watches() {
                    Ok((desk, _watcher)) => {
                        drop(place);
                        return answer::events(stream, desk, last, follow).await;
                    }
                    Err(why) => Reply::Refused { why },
                },
                Ok(Ok(Request::Hello)) => answer::hello(self.desk.as_ref()),
                Ok(Ok(request)) => obeyed(request, &peer, &self.tell).await,
                Ok(Err(fault)) => Reply::Refused {
                    why: format!("the request cannot be read: {fault}"),
                },
                Err(_) => return Ok(()),
            },
        };
        let text = serde_json::to_vec(&reply)?;
        timeout(LIMIT, hang_up(stream, &text)).await?
    }

    /// Where events are held, and leave to follow them.
    fn watches(&self) -> Result<(&Desk, OwnedSemaphorePermit), String> {
        let none = "this daemon keeps no events: it was started with --events 0";
        let desk = self.desk.as_deref().ok_or(none)?;
        let watcher = Arc::clone(&self.watchers).try_acquire_owned();
        let many = |_| format!("{WATCHERS} watch already: end one of them first");
        Ok((desk, watcher.map_err(many)?))
    }
}

/// Sends a reply, and reads what is still to come: a socket that is closed before loses the reply with it.
async fn hang_up(mut stream: UnixStream, reply: &[u8]) -> io::Result<()> {
    stream.write_all(reply).await?;
    stream.shutdown().await?;
    let mut rest = stream.take(REQUEST_MAX);
    copy(&mut rest, &mut sink()).await.map(drop)
}

async fn request(stream: &mut UnixStream) -> io::Result<Request> {
    let mut line = Vec::new();
    let mut reader = BufReader::new(stream.take(REQUEST_MAX));
    reader.read_until(b'\n', &mut line).await?;
    Ok(serde_json::from_slice(&line)?)
}

async fn obeyed(request: Request, peer: &Peer, tell: &Sender<Order>) -> Reply {
    let ended = || Reply::Refused {
        why: "the daemon ends".to_owned(),
    };
    info!("user {} asks: {}", peer.uid, request.name());
    let who = Who {
        by: By::Person(Person::of(peer.uid)),
        session: peer.pid.and_then(session),
    };
    let (reply, told) = oneshot::channel();
    let order = Order {
        request,
        who,
        reply,
    };
    match tell.send(order).await {
        Ok(()) => told.await.unwrap_or_else(|_| ended()),
        Err(_) => ended(),
    }
}
