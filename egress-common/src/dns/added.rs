//! How many addresses a client's answers may add to the map of learned ones.
//!
//! In: the shares of client and machine, as words of a map. Out: how many new addresses an answer may add now.
//! Whoever asks for names with many addresses would push out what others have learned and do not use at the
//! moment; so what his answers give beyond his share is not learned, while they refresh what is known all the
//! same. A client adds only so many ([`CLIENT_SHARE`]), and so does a machine that invents addresses
//! ([`MACHINE_SHARE`]).

use crate::{bucket::Rate, flow::Addr, limits::LEARNED};

/// New addresses of one client. All endpoints of Microsoft have some tens of thousands, and a client that is a
/// resolver of others soon knows those that they use.
pub const CLIENT_SHARE: Rate = Rate {
    every_ms: 100,
    burst: 8192,
};
/// New addresses of one machine, whatever addresses it asks from: it may be a router with an office behind it.
pub const MACHINE_SHARE: Rate = Rate {
    every_ms: 100,
    burst: 32_768,
};

const MINUTE_MS: u64 = 60_000;

// What is learned and not used stays longer than most TTLs, whatever one client does, or one machine; with five
// clients longer than the five minutes for which short ones count.
const _: () = assert!(CLIENT_SHARE.most(60 * MINUTE_MS) < LEARNED as u64);
const _: () = assert!(MACHINE_SHARE.most(45 * MINUTE_MS) < LEARNED as u64);
const _: () = assert!(5 * CLIENT_SHARE.most(5 * MINUTE_MS) < LEARNED as u64);

/// Under what the share of a client or machine stands, beside that of its queries.
#[inline(always)]
pub fn share_of(whose: Addr) -> Addr {
    whose.shadow().whole()
}

#[cfg(test)]
mod tests {
    use core::net::IpAddr;

    use super::*;
    use crate::dns::asked::machine;

    #[test]
    fn shares_of_answers_stand_beside_those_of_queries() {
        let clients = ["10.20.0.2", "2001:db8::1", "fd00:20::2", "fe80::1"];
        let clients = clients.map(|text| Addr::from(text.parse::<IpAddr>().unwrap()));
        let all = [clients.as_slice(), &[machine([2, 0, 0, 0, 0, 1])]].concat();
        for whose in &all {
            let share = share_of(*whose);
            assert!(!all.contains(&share), "{share:?}");
            assert_eq!(share_of(share), *whose, "no two have one");
        }
    }
}
