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
        own.extend(ours(&address.attributes));
    }
    connection.abort();
    Ok(own.into_iter().collect())
}

/// [`own`], for commands that do nothing else at the same time.
///
/// # Errors
/// Netlink cannot be used.
pub fn own_addresses() -> Result<Vec<IpAddr>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.context("cannot start")?.block_on(own())
}

/// The address itself, and its broadcast address. On a point-to-point link `Address` is the far end,
/// and `Local` ours (rtnetlink(7)).
fn ours(attributes: &[AddressAttribute]) -> Vec<IpAddr> {
    let mut local = None;
    let mut address = None;
    let mut ours = Vec::new();
    for attribute in attributes {
        match attribute {
            AddressAttribute::Local(addr) => local = Some(*addr),
            AddressAttribute::Address(addr) => address = Some(*addr),
            AddressAttribute::Broadcast(addr) => ours.push(IpAddr::V4(*addr)),
            _ => {}
        }
    }
    ours.extend(local.or(address));
    ours
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_far_end_of_a_link_is_not_ours() {
        let addr = |text: &str| text.parse::<IpAddr>().unwrap();
        let local = AddressAttribute::Local(addr("10.9.9.1"));
        let far = AddressAttribute::Address(addr("203.0.113.9"));
        let broadcast = AddressAttribute::Broadcast("10.9.9.255".parse().unwrap());
        let v6 = AddressAttribute::Address(addr("fd00::1"));
        assert_eq!(ours(&[far.clone(), local]), [addr("10.9.9.1")]);
        assert_eq!(ours(&[v6]), [addr("fd00::1")]);
        assert_eq!(
            ours(&[far, broadcast]),
            [addr("10.9.9.255"), addr("203.0.113.9")]
        );
    }
}
