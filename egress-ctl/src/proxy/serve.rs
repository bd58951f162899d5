//! The proxy at work, on a thread of its own: a daemon that compiles a policy holds up no DNS.

use std::{
    cell::RefCell,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use egress_common::{divert::listener, dns::Outcome, flow::DNS_PORT};
use hickory_proto::op::Message;
use socket2::Socket;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime, select,
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    task::{LocalSet, spawn_local},
    time::{MissedTickBehavior, interval, sleep},
};
use tracing::{debug, error, warn};

use super::{
    ProxyError, Settings,
    answer::lessons,
    connection::{End, Ends, Witness, relay},
    gate::{Direct, Gate},
    listen,
    route::Family,
    share::{ALL, Place, Shares},
    side::Sides,
    tally::Tally,
};
use crate::dataplane::teach::{TeachError, Teacher};

/// How often counters are told.
const TELL: Duration = Duration::from_millis(500);
/// How long nothing is accepted where the process has no room for one more.
const BREATH: Duration = Duration::from_millis(100);

/// Listeners that nobody is brought to yet.
pub(super) struct Listeners {
    v4: Socket,
    v6: Option<Socket>,
}

impl Listeners {
    /// Makes them; where there is no IPv6, one is enough.
    pub(super) fn new() -> Result<Self, ProxyError> {
        let v6 = listen::v6().inspect_err(|fault| debug!("no listener of IPv6: {fault}"));
        Ok(Self {
            v4: listen::v4().map_err(ProxyError::Listen)?,
            v6: v6.ok(),
        })
    }

    /// Families that there is a listener of.
    pub(super) fn families(&self) -> &'static [Family] {
        match self.v6 {
            Some(_) => &[Family::V4, Family::V6],
            None => &[Family::V4],
        }
    }
}

/// All that the thread takes along.
pub(super) struct Prepared {
    settings: Settings,
    ways: Vec<(Gate, Socket)>,
    direct: Direct,
    teacher: Teacher,
    tally: Tally,
    pin_dir: PathBuf,
}

/// Opens the gates; what comes waits until the thread runs.
pub(super) fn prepare(
    settings: Settings,
    listeners: Listeners,
    pin_dir: &Path,
    tally: Tally,
) -> Result<Prepared, ProxyError> {
    let direct = Direct::new(pin_dir)?;
    let teacher = Teacher::pinned(pin_dir)?;
    let Listeners { v4, v6 } = listeners;
    let mut ways = Vec::new();
    for (index, socket) in [(listener(true), Some(v4)), (listener(false), v6)] {
        if let Some(socket) = socket {
            let same = socket.try_clone().map_err(ProxyError::Listen)?;
            ways.push((Gate::open(pin_dir, index, same)?, socket));
        }
    }
    Ok(Prepared {
        settings,
        ways,
        direct,
        teacher,
        tally,
        pin_dir: pin_dir.to_owned(),
    })
}

/// Serves until `ended` is; connections that there are then end with it.
pub(super) fn run(prepared: Prepared, ended: oneshot::Receiver<()>) {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let served = runtime.and_then(|runtime| {
        let local = LocalSet::new();
        runtime.block_on(local.run_until(serve(prepared, ended)))
    });
    if let Err(fault) = served {
        error!("the proxy for DNS over TCP has ended: {fault}");
    }
}

async fn serve(prepared: Prepared, mut ended: oneshot::Receiver<()>) -> io::Result<()> {
    let Prepared {
        settings,
        ways,
        direct,
        teacher,
        tally,
        pin_dir,
    } = prepared;
    let (connection, routes, _) = rtnetlink::new_connection()?;
    spawn_local(connection);
    let desk = Rc::new(Desk {
        settings,
        direct: RefCell::new(direct),
        teacher,
        sides: Sides::new(&pin_dir, routes).map_err(io::Error::other)?,
        tally: RefCell::new(tally),
        shares: Shares::default(),
        room: Arc::new(Semaphore::new(ALL)),
    });
    for (gate, socket) in ways {
        let listener = TcpListener::from_std(socket.into())?;
        spawn_local(accept(Rc::clone(&desk), gate, listener));
    }
    let mut timer = interval(TELL);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        select! {
            _ = timer.tick() => desk.tell(),
            _ = &mut ended => break,
        }
    }
    desk.tell();
    Ok(())
}

/// Accepts connections of one family. While there is no room, they go to the resolvers directly.
async fn accept(desk: Rc<Desk>, mut gate: Gate, listener: TcpListener) {
    loop {
        let Some(room) = room(&desk, &mut gate).await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, client)) => desk.take(stream, client, room),
            Err(fault) => {
                debug!("no connection was accepted: {fault}");
                sleep(BREATH).await;
            }
        }
    }
}

/// Room for one more connection; none where there is no more to do.
async fn room(desk: &Desk, gate: &mut Gate) -> Option<OwnedSemaphorePermit> {
    if let Ok(room) = Arc::clone(&desk.room).try_acquire_owned() {
        return Some(room);
    }
    gate.close();
    let room = Arc::clone(&desk.room).acquire_owned().await.ok();
    match gate.open_again() {
        Ok(()) => room,
        Err(fault) => {
            error!("DNS over TCP goes to the resolvers directly: {fault}");
            None
        }
    }
}

/// What all connections share.
struct Desk {
    settings: Settings,
    direct: RefCell<Direct>,
    teacher: Teacher,
    sides: Sides,
    tally: RefCell<Tally>,
    shares: Shares,
    room: Arc<Semaphore>,
}

impl Desk {
    /// Begins a connection, unless the client has too many.
    fn take(self: &Rc<Self>, stream: TcpStream, client: SocketAddr, room: OwnedSemaphorePermit) {
        let Some(ends) = ends(&stream, client) else {
            return reset(&stream);
        };
        self.direct.borrow_mut().has_come(ends);
        let count = &mut self.tally.borrow_mut().count;
        let Some(place) = self.shares.take(client.ip()) else {
            count.refused += 1;
            return reset(&stream);
        };
        count.connections += 1;
        count.open += 1;
        spawn_local(Rc::clone(self).serve(stream, ends, (room, place)));
    }

    async fn serve(
        self: Rc<Self>,
        mut stream: TcpStream,
        mut ends: Ends,
        _held: (OwnedSemaphorePermit, Place),
    ) {
        ends.teaches = self.sides.is_elsewhere(ends.resolver.ip()).await;
        let ended = relay(&mut stream, ends, self.settings.idle, self.as_ref()).await;
        let count = &mut self.tally.borrow_mut().count;
        count.open -= 1;
        let Err(end) = ended else {
            return;
        };
        debug!("{} to {}: {end}", ends.client, ends.resolver);
        match end {
            End::Idle => count.idle += 1,
            End::Broken(_) => reset(&stream),
            End::Unreached(fault) => {
                count.unreached += 1;
                warn!(
                    "{} is not reached over TCP ({fault}): clients go there directly for a while",
                    ends.resolver
                );
                self.direct.borrow_mut().leave(ends.resolver.ip());
                reset(&stream);
            }
        }
    }

    fn tell(&self) {
        if let Err(fault) = self.tally.borrow_mut().tell() {
            debug!("cannot tell what the proxy did: {fault}");
        }
    }

    /// Tells the kernel what an answer teaches; whether it learned anything.
    fn teach(&self, ends: Ends, bytes: &[u8], answer: &Message) -> Result<bool, TeachError> {
        let mut any = false;
        for lesson in lessons(bytes, answer) {
            let outcome = self.teacher.teach(ends.resolver, ends.client, &lesson)?;
            any |= outcome == Outcome::Learned;
        }
        Ok(any)
    }
}

impl Witness for Desk {
    fn asks(&self, _: Ends) {
        self.tally.borrow_mut().count.queries += 1;
    }

    fn answers(&self, ends: Ends, bytes: &[u8], belongs: impl FnOnce(&Message) -> bool) {
        let count = &mut self.tally.borrow_mut().count;
        count.answers += 1;
        let Ok(answer) = Message::from_vec(bytes) else {
            count.unreadable += 1;
            return;
        };
        if !ends.teaches {
            return;
        }
        if !belongs(&answer) {
            count.unasked += 1;
            return;
        }
        match self.teach(ends, bytes, &answer) {
            Ok(any) => count.taught += u64::from(any),
            Err(fault) => warn!("nothing is learned: {:#}", anyhow::Error::from(fault)),
        }
    }
}

/// Who talks to whom. A process of this machine that connects to the listener itself means nobody.
fn ends(stream: &TcpStream, client: SocketAddr) -> Option<Ends> {
    let resolver = stream.local_addr().ok()?;
    stream.set_nodelay(true).ok()?;
    (resolver.port() == DNS_PORT).then_some(Ends {
        client,
        resolver,
        teaches: false,
    })
}

/// Lets the kernel reset a connection when it is dropped.
fn reset(stream: &TcpStream) {
    // Without it, the connection is closed politely.
    let _: io::Result<()> = stream.set_zero_linger();
}
