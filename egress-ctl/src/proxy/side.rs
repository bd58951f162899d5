//! On which side of the gateway a resolver stands.
//!
//! What comes from a LAN interface is no answer of a resolver: a client forges it. As little does one teach
//! that this machine would have to fetch there.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
};

use aya::maps::{HashMap, MapData};
use futures_util::TryStreamExt as _;
use rtnetlink::{Handle, RouteMessageBuilder, packet_route::route::RouteAttribute};

use crate::dataplane::maps::{Pinned, PinnedError};

/// LAN interfaces and routes.
pub(super) struct Sides {
    lan: HashMap<MapData, u32, u32>,
    routes: Handle,
}

impl Sides {
    /// Those of this machine; the handle's connection must run.
    ///
    /// # Errors
    /// The map of LAN interfaces is not there.
    pub(super) fn new(pin_dir: &Path, routes: Handle) -> Result<Self, PinnedError> {
        let lan = Pinned(pin_dir).lan()?;
        Ok(Self { lan, routes })
    }

    /// Whether an address is reached by another interface than those of clients; where the kernel does not
    /// tell, it is not.
    pub(super) async fn is_elsewhere(&self, resolver: IpAddr) -> bool {
        match self.interface(resolver).await {
            Some(index) => self.lan.get(&index, 0).is_err(),
            None => false,
        }
    }

    /// Index of the interface that an address is reached by.
    async fn interface(&self, to: IpAddr) -> Option<u32> {
        let asked = match to {
            IpAddr::V4(to) => RouteMessageBuilder::<Ipv4Addr>::new()
                .destination_prefix(to, 32)
                .build(),
            IpAddr::V6(to) => RouteMessageBuilder::<Ipv6Addr>::new()
                .destination_prefix(to, 128)
                .build(),
        };
        let mut told = self.routes.route().get(asked).execute();
        let route = told.try_next().await.ok()??;
        route
            .attributes
            .iter()
            .find_map(|attribute| match attribute {
                RouteAttribute::Oif(index) => Some(*index),
                _ => None,
            })
    }
}
