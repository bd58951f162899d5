//! The gateway's own addresses, over netlink.

use std::{collections::BTreeSet, net::IpAddr};

use anyhow::{Context as _, Result};
use futures_util::TryStreamExt as _;
use rtnetlink::packet_route::address::AddressAttribute;

/// All addresses of all interfaces, and their broadcast addresses: packets there are for this machine.
pub(super) async fn own() -> Result<Vec<IpAddr>> {
    let (connection, handle, _) = rtnetlink::new_connection().context("cannot open netlink")?;
    let connection = tokio::spawn(connection);
    let mut replies = handle.address().get().execute();
    let mut own = BTreeSet::new();
    while let Some(address) = replies
        .try_next()
        .await
        .context("cannot list the gateway's addresses")?
    {
        for attribute in address.attributes {
            match attribute {
                AddressAttribute::Local(addr) | AddressAttribute::Address(addr) => {
                    own.insert(addr);
                }
                AddressAttribute::Broadcast(addr) => {
                    own.insert(addr.into());
                }
                _ => {}
            }
        }
    }
    connection.abort();
    Ok(own.into_iter().collect())
}
