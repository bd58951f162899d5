//! One connection of a client.
//!
//! In: what the client sends and what the resolver answers. Out: the same to the other side, message by
//! message and in any order; an answer has taught before it goes on. The resolver is connected to when the
//! client has asked something.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    io,
    net::SocketAddr,
    pin::pin,
    time::Duration,
};

use hickory_proto::op::Message;
use tokio::{
    io::{AsyncWriteExt as _, copy, sink},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    select,
    time::{Instant, sleep_until, timeout},
};

use super::{asked::Asked, stream::Framed};

/// How long a resolver may take to take a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// How long a client may go on sending to a resolver that has ended.
const DRAIN: Duration = Duration::from_secs(1);

/// Who talks to whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) client: SocketAddr,
    pub(super) resolver: SocketAddr,
    /// Whether what the resolver answers teaches.
    pub(super) teaches: bool,
}

/// Who is told of what goes by.
pub(super) trait Witness {
    /// The client sent a message.
    fn asks(&self, ends: Ends);
    /// The resolver sent a message; `belongs` tells whether it answers a query of this connection.
    fn answers(&self, ends: Ends, answer: &[u8], belongs: impl FnOnce(&Message) -> bool);
}

/// Why a connection ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    /// Nothing was said for too long.
    #[error("nothing was said for too long")]
    Idle,
    /// The resolver took no connection.
    #[error("the resolver cannot be reached")]
    Unreached(#[source] io::Error),
    /// One side broke off.
    #[error("broken off")]
    Broken(#[from] io::Error),
}

/// Relays until both have ended, or one breaks off, or nothing was said for `idle`.
pub(super) async fn relay(
    client: &mut TcpStream,
    ends: Ends,
    idle: Duration,
    witness: &impl Witness,
) -> Result<(), End> {
    let said = Cell::new(Instant::now());
    let relayed = async {
        let mut first = Framed::default();
        if !first.read(client).await? {
            return Ok(());
        }
        let mut resolver = connected(ends.resolver).await.map_err(End::Unreached)?;
        let relay = Relay {
            ends,
            witness,
            asked: RefCell::default(),
            said: &said,
        };
        Ok(relay.run(client, &mut resolver, first).await?)
    };
    select! {
        done = relayed => done,
        () = silence(&said, idle) => Err(End::Idle),
    }
}

async fn connected(resolver: SocketAddr) -> io::Result<TcpStream> {
    let stream = timeout(CONNECT, TcpStream::connect(resolver)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Until nothing was said for so long.
async fn silence(said: &Cell<Instant>, idle: Duration) {
    loop {
        let due = said.get() + idle;
        if due <= Instant::now() {
            return;
        }
        sleep_until(due).await;
    }
}

struct Relay<'a, W> {
    ends: Ends,
    witness: &'a W,
    asked: RefCell<Asked>,
    /// When the last whole message went by.
    said: &'a Cell<Instant>,
}

impl<W: Witness> Relay<'_, W> {
    /// Both ways at once. When the client has ended, what it asked is still answered; when the resolver has,
    /// nothing is.
    async fn run(
        &self,
        client: &mut TcpStream,
        resolver: &mut TcpStream,
        first: Framed,
    ) -> io::Result<()> {
        let (mut from_client, to_client) = client.split();
        let (from_resolver, to_resolver) = resolver.split();
        {
            let mut queries = pin!(self.queries(first, &mut from_client, to_resolver));
            let mut answers = pin!(self.answers(from_resolver, to_client));
            first_of(queries.as_mut(), answers.as_mut()).await?;
        }
        drain(&mut from_client).await;
        Ok(())
    }

    async fn queries(
        &self,
        mut query: Framed,
        from: &mut ReadHalf<'_>,
        mut to: WriteHalf<'_>,
    ) -> io::Result<()> {
        loop {
            self.said.set(Instant::now());
            self.asked.borrow_mut().note(query.message());
            self.witness.asks(self.ends);
            query.write(&mut to).await?;
            if !query.read(from).await? {
                return to.shutdown().await;
            }
        }
    }

    async fn answers(&self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> io::Result<()> {
        let mut answer = Framed::default();
        while answer.read(&mut from).await? {
            self.said.set(Instant::now());
            let belongs = |answer: &Message| self.asked.borrow_mut().take(answer);
            self.witness.answers(self.ends, answer.message(), belongs);
            answer.write(&mut to).await?;
        }
        to.shutdown().await
    }
}

/// Until the answers have ended, or either has failed.
async fn first_of(
    mut queries: impl Future<Output = io::Result<()>> + Unpin,
    mut answers: impl Future<Output = io::Result<()>> + Unpin,
) -> io::Result<()> {
    select! {
        done = &mut answers => done,
        asked = &mut queries => {
            asked?;
            answers.await
        }
    }
}

/// Takes what a client still sends, so that the kernel need not reset the connection and with it what the
/// client has not read yet.
async fn drain(from: &mut ReadHalf<'_>) {
    // However it ends, the connection is closed next.
    let _: Result<io::Result<u64>, _> = timeout(DRAIN, copy(from, &mut sink())).await;
}
