//! The way of clients to the listeners: maps that the program at LAN ingress looks into.
//!
//! While a gate is closed, connections go to the resolver instead. The kernel closes it when the listener
//! ends, however that comes about.

use std::{net::IpAddr, path::Path, time::Duration};

use aya::maps::{HashMap, MapData, MapError, SockMap};
use egress_common::{divert::Pair, flow::Addr};
use socket2::Socket;
use tracing::warn;

use super::connection::Ends;
use crate::dataplane::{
    boot_ms,
    maps::{Pinned, PinnedError},
};

/// Why the kernel does not bring connections here.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// A map is not there.
    #[error(transparent)]
    Pinned(#[from] PinnedError),
    /// The map refuses the listener.
    #[error("the kernel takes no listener for DNS over TCP into its map (BPF_MAP_TYPE_SOCKMAP)")]
    Listener(#[source] MapError),
}

/// The way to the listener of one family.
pub(super) struct Gate {
    map: SockMap<MapData>,
    index: u32,
    listener: Socket,
}

impl Gate {
    /// An open one.
    ///
    /// # Errors
    /// The map is not there, or does not take the listener.
    pub(super) fn open(pin_dir: &Path, index: u32, listener: Socket) -> Result<Self, GateError> {
        let mut gate = Self {
            map: Pinned(pin_dir).listeners()?,
            index,
            listener,
        };
        gate.open_again()?;
        Ok(gate)
    }

    /// Lets connections come.
    ///
    /// # Errors
    /// The map does not take the listener.
    pub(super) fn open_again(&mut self) -> Result<(), GateError> {
        let listener = &self.listener;
        let set = self.map.set(self.index, listener, 0);
        set.map_err(GateError::Listener)
    }

    /// Lets no more connections come.
    pub(super) fn close(&mut self) {
        // Where it is closed already, there is nothing to remove.
        let _: Result<(), MapError> = self.map.clear_index(&self.index);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.close();
    }
}

/// What the program at LAN ingress knows of clients and resolvers.
pub(super) struct Direct {
    resolvers: HashMap<MapData, Addr, u64>,
    given: HashMap<MapData, Pair, u64>,
}

impl Direct {
    /// For how long one that this machine does not reach is left alone.
    const SPELL: Duration = Duration::from_secs(30);

    /// As it is now.
    ///
    /// # Errors
    /// A map is not there.
    pub(super) fn new(pin_dir: &Path) -> Result<Self, PinnedError> {
        let pinned = Pinned(pin_dir);
        Ok(Self {
            resolvers: pinned.direct()?,
            given: pinned.given()?,
        })
    }

    /// Notes that a connection has come that was given.
    pub(super) fn has_come(&mut self, ends: Ends) {
        let pair = Pair {
            client: Addr::from(ends.client.ip()),
            resolver: Addr::from(ends.resolver.ip()),
        };
        // Another connection of the pair may have come before.
        let _: Result<(), MapError> = self.given.remove(&pair);
    }

    /// Leaves a resolver to its clients for a while.
    pub(super) fn leave(&mut self, resolver: IpAddr) {
        let until = boot_ms() + Self::SPELL.as_millis() as u64;
        if let Err(fault) = self.resolvers.insert(&Addr::from(resolver), &until, 0) {
            warn!("cannot let clients reach {resolver} directly: {fault}");
        }
    }
}
