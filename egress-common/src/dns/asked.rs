//! Which answers were asked for.
//!
//! In: the queries that clients sent to trusted resolvers, noted at LAN ingress, and an answer on its way to
//! a client. Out: whether the client asked for exactly this, and has not had the answer yet.
//!
//! A note stands under the exact key of its query, so that two queries never share one. Notes leave when
//! their answer comes, or when the table is full and they are the oldest. So that a flood of queries cannot
//! evict what others wait for, each client adds only so many notes ([`CLIENT_SHARE`]), and so does each
//! machine that invents addresses ([`MACHINE_SHARE`]); beyond that its queries pass, and their answers teach
//! nothing. A client that forges both addresses and MAC addresses of others spends their shares: there the
//! switch (port security) and the reverse path filter are the defence.

use super::Outcome;
use crate::{
    bucket::Rate,
    flow::{Addr, Flow},
    limits::QUERIES,
};

/// What a query and its answer have in common on the wire.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryKey {
    /// Who asks.
    pub client: Addr,
    /// Who is asked.
    pub resolver: Addr,
    /// Port of the client.
    pub port: u16,
    /// Id of the message.
    pub id: u16,
    /// IP protocol number.
    pub proto: u32,
}

const _: () = assert!(size_of::<QueryKey>() == 40);

impl QueryKey {
    /// Of a query.
    #[inline(always)]
    pub const fn asked(flow: &Flow, id: u16) -> Self {
        Self {
            client: flow.src,
            resolver: flow.dst,
            port: flow.src_port,
            id,
            proto: flow.proto as u32,
        }
    }

    /// Of the query that an answer belongs to.
    #[inline(always)]
    pub const fn answered(flow: &Flow, id: u16) -> Self {
        Self {
            client: flow.dst,
            resolver: flow.src,
            port: flow.dst_port,
            id,
            proto: flow.proto as u32,
        }
    }
}

/// What was asked, and when.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// Hash of the name.
    pub name: u64,
    /// When it passed, in ms of the boot-time clock.
    pub at_ms: u64,
    /// Which machine asked: its MAC address; zeros where there is no link layer, and of an answer.
    pub mac: [u8; 6],
    /// Type of record.
    pub kind: u16,
}

const _: () = assert!(size_of::<Query>() == 24);

/// How long an answer may take; stub resolvers give up after 5 to 10 s, and ask anew.
pub const LIFE_MS: u64 = 30_000;

/// Notes that one client may add: a person's machine asks for some ten names a second at most.
pub const CLIENT_SHARE: Rate = Rate {
    every_ms: 5,
    burst: 1000,
};
/// Notes that one machine may add, whatever addresses it sends from: behind one MAC address may be a router
/// with an office of clients.
pub const MACHINE_SHARE: Rate = Rate {
    every_ms: 1,
    burst: 8000,
};

// While a note lives, three machines that invent addresses, or eighteen clients, cannot fill the table.
const _: () = assert!(3 * MACHINE_SHARE.most(LIFE_MS) < QUERIES as u64);
const _: () = assert!(18 * CLIENT_SHARE.most(LIFE_MS) < QUERIES as u64);

impl Query {
    /// Whether an answer to `answered` belongs to this note, which is none where no query was noted.
    ///
    /// # Errors
    /// How it does not.
    #[inline(always)]
    pub fn check(noted: Option<Self>, answered: &Self) -> Result<(), Outcome> {
        match noted {
            Some(noted) if answered.at_ms <= noted.at_ms + LIFE_MS => {
                if noted.name == answered.name && noted.kind == answered.kind {
                    Ok(())
                } else {
                    Err(Outcome::AskedOtherwise)
                }
            }
            _ => Err(Outcome::NotAsked),
        }
    }
}

/// Under what the share of a machine stands beside those of clients: no client has such an address.
#[inline(always)]
pub const fn machine([a, b, c, d, e, f]: [u8; 6]) -> Addr {
    Addr::v6([[0; 4], [0; 4], [0, 0, a, b], [c, d, e, f]])
}

#[cfg(test)]
mod tests {
    use core::net::IpAddr;

    use super::*;
    use crate::flow::proto;

    fn addr(text: &str) -> Addr {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn query_and_answer_have_one_key() {
        let query = Flow {
            src_port: 40_000,
            dst_port: 53,
            proto: proto::UDP,
            ..Flow::between(addr("10.20.0.2"), addr("192.0.2.53"))
        };
        let answer = Flow {
            src: query.dst,
            dst: query.src,
            src_port: query.dst_port,
            dst_port: query.src_port,
            ..query
        };
        let key = QueryKey::asked(&query, 7);
        assert_eq!(QueryKey::answered(&answer, 7), key);
        let others = [
            QueryKey::answered(&answer, 8),
            QueryKey::answered(
                &Flow {
                    dst_port: 40_001,
                    ..answer
                },
                7,
            ),
            QueryKey::answered(
                &Flow {
                    src: addr("192.0.2.54"),
                    ..answer
                },
                7,
            ),
            QueryKey::answered(
                &Flow {
                    dst: addr("10.20.0.3"),
                    ..answer
                },
                7,
            ),
            QueryKey::answered(
                &Flow {
                    proto: proto::TCP,
                    ..answer
                },
                7,
            ),
        ];
        assert!(!others.contains(&key));
    }

    #[test]
    fn an_answer_belongs_to_what_was_asked_and_not_too_long_ago() {
        let query = Query {
            name: 1,
            at_ms: 1000,
            mac: [2, 0, 0, 0, 0, 1],
            kind: 28,
        };
        let at = |at_ms| Query { at_ms, ..query };
        let table = [
            (Some(query), at(1000), Ok(())),
            (Some(query), at(31_000), Ok(())),
            (Some(query), at(31_001), Err(Outcome::NotAsked)),
            (Some(query), at(0), Ok(())),
            (None, at(1000), Err(Outcome::NotAsked)),
            (
                Some(query),
                Query { name: 2, ..query },
                Err(Outcome::AskedOtherwise),
            ),
            (
                Some(query),
                Query { kind: 1, ..query },
                Err(Outcome::AskedOtherwise),
            ),
        ];
        for (noted, answered, expected) in table {
            assert_eq!(Query::check(noted, &answered), expected, "{answered:?}");
        }
    }

    #[test]
    fn machines_are_no_clients() {
        let machine = machine([2, 0, 0x5e, 0x10, 0, 1]);
        assert_eq!(machine, addr("::200:5e10:1"));
        assert!(!machine.is_v4());
    }
}
