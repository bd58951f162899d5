//! Changes of interfaces and addresses, as the kernel announces them.

use std::{io, pin::Pin, time::Duration};

use anyhow::{Context as _, Result};
use futures_util::{Stream, StreamExt as _};
use rtnetlink::MulticastGroup;
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout},
};

/// Changes come in bursts: they are over when nothing came for so long,
const QUIET: Duration = Duration::from_millis(20);
/// and what came is acted on after so long at the latest.
const LIMIT: Duration = Duration::from_millis(500);

/// The announcements.
pub(super) struct Watch {
    announced: Pin<Box<dyn Stream<Item = ()>>>,
    /// When the first announcement came that nobody was told of yet.
    since: Option<Instant>,
    connection: JoinHandle<()>,
}

impl Watch {
    /// Listens from now on.
    pub(super) fn open() -> Result<Self> {
        let groups = [
            MulticastGroup::Link,
            MulticastGroup::Ipv4Ifaddr,
            MulticastGroup::Ipv6Ifaddr,
            MulticastGroup::Ipv4Rule,
            MulticastGroup::Ipv6Rule,
        ];
        let opened: io::Result<_> = rtnetlink::new_multicast_connection(&groups);
        let (connection, _, messages) = opened.context("cannot open netlink")?;
        Ok(Self {
            announced: Box::pin(messages.map(drop)),
            since: None,
            connection: tokio::spawn(connection),
        })
    }

    /// Waits until something has changed, and the burst of changes is over. Nothing is lost where the wait
    /// is given up.
    pub(super) async fn changed(&mut self) {
        let since = match self.since {
            Some(since) => since,
            None => {
                if self.announced.next().await.is_none() {
                    // The connection broke: the daemon looks from time to time anyway.
                    std::future::pending::<()>().await;
                }
                *self.since.insert(Instant::now())
            }
        };
        while since.elapsed() < LIMIT {
            match timeout(QUIET, self.announced.next()).await {
                Ok(Some(())) => {}
                Ok(None) | Err(_) => break,
            }
        }
        self.since = None;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
