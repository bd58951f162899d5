//! How many connections each client may have at once.

use std::{
    cell::RefCell,
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    rc::Rc,
};

/// Connections at once, of all clients.
pub(super) const ALL: usize = 256;
/// Connections at once of one client: an IPv4 address, or a /64 of IPv6, which one machine may have.
const OF_CLIENT: usize = 32;

/// The connections that there are, by client.
#[derive(Clone, Debug, Default)]
pub(super) struct Shares(Rc<RefCell<HashMap<IpAddr, usize>>>);

/// A place for one connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    shares: Shares,
    client: IpAddr,
}

impl Shares {
    /// A place for a client; none where it has all that are its due.
    pub(super) fn take(&self, client: IpAddr) -> Option<Place> {
        let client = holder(client);
        let mut held = self.0.borrow_mut();
        let count = held.entry(client).or_default();
        if *count == OF_CLIENT {
            return None;
        }
        *count += 1;
        Some(Place {
            shares: self.clone(),
            client,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.shares.0.borrow_mut();
        if let Some(count) = held.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.client);
            }
        }
    }
}

/// Who shares places with this address.
fn holder(client: IpAddr) -> IpAddr {
    const NETWORK: u128 = !0 << 64;
    match client.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & NETWORK).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_cannot_take_the_places_of_others() {
        let shares = Shares::default();
        let addr = |text: &str| text.parse::<IpAddr>().unwrap();
        for (one, same, other) in [
            ("10.20.0.2", "10.20.0.2", "10.20.0.3"),
            ("fd00:20::2", "fd00:20::ffff", "fd00:21::2"),
        ] {
            let held: Vec<_> = (0..OF_CLIENT)
                .map(|_| shares.take(addr(one)).unwrap())
                .collect();
            assert!(shares.take(addr(same)).is_none());
            assert!(shares.take(addr(other)).is_some());
            drop(held);
            assert!(shares.take(addr(same)).is_some());
        }
        assert!(shares.0.borrow().is_empty(), "nothing is remembered");
    }
}
