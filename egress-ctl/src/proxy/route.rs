//! Rules and routes that deliver marked packets here, whatever their destination.
//!
//! Of each family a policy rule and a table with one route. Nothing else is touched; what a daemon that was
//! killed left behind is the same, and is taken over or removed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use egress_common::divert::{MARK, PRIORITY, TABLE};
use futures_util::TryStreamExt as _;
use rtnetlink::{
    Handle, IpVersion, RouteMessageBuilder,
    packet_route::{
        route::{RouteMessage, RouteScope, RouteType},
        rule::{RuleAction, RuleAttribute, RuleMessage},
    },
};
use rustix::io::Errno;

/// Index of the loopback interface.
const LOOPBACK: u32 = 1;

/// Why marked packets are not delivered here.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// There is no netlink.
    #[error("cannot open netlink")]
    Open(#[from] std::io::Error),
    /// Somebody's rule takes the packets.
    #[error(
        "an {family} rule of this gateway in front of priority {PRIORITY} takes packets with the mark {MARK:#x}: see `ip rule`"
    )]
    Elsewhere {
        /// Of which family.
        family: &'static str,
    },
    /// The kernel refused.
    #[error(
        "cannot {what} the {family} rule and route of the proxy for DNS over TCP (`ip rule`, table {TABLE})"
    )]
    Refused {
        /// Which operation.
        what: &'static str,
        /// Of which family.
        family: &'static str,
        /// Why.
        source: rtnetlink::Error,
    },
}

/// A family that may have rules and routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Puts rules and routes of these families where they are missing; tells whether any was.
///
/// # Errors
/// The kernel refused.
pub(super) async fn ensure(families: &[Family]) -> Result<bool, RouteError> {
    with_netlink(async |handle| {
        let mut any = false;
        for family in families {
            if family.is_delivered(handle).await {
                continue;
            }
            let done = family.renew(handle).await;
            done.map_err(|source| family.refused("make", source))?;
            any = true;
            if !family.is_delivered(handle).await {
                let family = family.name();
                return Err(RouteError::Elsewhere { family });
            }
        }
        Ok(any)
    })
    .await
}

/// Removes all rules and routes.
///
/// # Errors
/// The kernel refused.
pub async fn remove() -> Result<(), RouteError> {
    with_netlink(async |handle| {
        for family in [Family::V4, Family::V6] {
            let done = family.remove(handle).await;
            done.map_err(|source| family.refused("remove", source))?;
        }
        Ok(())
    })
    .await
}

/// [`remove`], for commands that do nothing else at the same time.
///
/// # Errors
/// The kernel refused.
pub fn remove_now() -> Result<(), RouteError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime?.block_on(remove())
}

async fn with_netlink<T>(
    work: impl AsyncFnOnce(&Handle) -> Result<T, RouteError>,
) -> Result<T, RouteError> {
    let (connection, handle, _) = rtnetlink::new_connection()?;
    let connection = tokio::spawn(connection);
    let done = work(&handle).await;
    connection.abort();
    done
}

impl Family {
    const fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }

    const fn version(self) -> IpVersion {
        match self {
            Self::V4 => IpVersion::V4,
            Self::V6 => IpVersion::V6,
        }
    }

    /// An address that nobody has (RFC 5737, RFC 3849).
    const fn elsewhere(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::new(203, 0, 113, 53)),
            Self::V6 => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53)),
        }
    }

    fn refused(self, what: &'static str, source: rtnetlink::Error) -> RouteError {
        let family = self.name();
        RouteError::Refused {
            what,
            family,
            source,
        }
    }

    /// Whether the kernel delivers a marked packet here.
    async fn is_delivered(self, handle: &Handle) -> bool {
        let asked = match self.elsewhere() {
            IpAddr::V4(to) => {
                let to = RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(to, 32);
                to.mark(MARK).build()
            }
            IpAddr::V6(to) => {
                let to = RouteMessageBuilder::<Ipv6Addr>::new().destination_prefix(to, 128);
                to.mark(MARK).build()
            }
        };
        let mut told = handle.route().get(asked).execute();
        let route = told.try_next().await;
        matches!(route, Ok(Some(route)) if route.header.kind == RouteType::Local)
    }

    /// Puts rule and route in the place of what is left of them.
    async fn renew(self, handle: &Handle) -> Result<(), rtnetlink::Error> {
        self.remove(handle).await?;
        handle.route().add(self.route()).execute().await?;
        let rule = handle.rule().add();
        let rule = rule.table_id(TABLE).priority(PRIORITY).fw_mark(MARK);
        let rule = rule.action(RuleAction::ToTable);
        match self {
            Self::V4 => rule.v4().execute().await,
            Self::V6 => rule.v6().execute().await,
        }
    }

    async fn remove(self, handle: &Handle) -> Result<(), rtnetlink::Error> {
        let rules = handle.rule().get(self.version()).execute();
        let rules: Vec<RuleMessage> = match rules.try_collect().await {
            Err(fault) if is(&fault, &[Errno::AFNOSUPPORT, Errno::OPNOTSUPP]) => return Ok(()),
            rules => rules?,
        };
        for rule in rules.into_iter().filter(is_ours) {
            gone(handle.rule().del(rule).execute().await)?;
        }
        gone(handle.route().del(self.route()).execute().await)
    }

    /// Everything is local.
    fn route(self) -> RouteMessage {
        match self {
            Self::V4 => local(RouteMessageBuilder::<Ipv4Addr>::new()),
            Self::V6 => local(RouteMessageBuilder::<Ipv6Addr>::new()),
        }
    }
}

fn local<T>(builder: RouteMessageBuilder<T>) -> RouteMessage {
    let builder = builder.table_id(TABLE).kind(RouteType::Local);
    let builder = builder.scope(RouteScope::Host);
    builder.output_interface(LOOPBACK).build()
}

fn is_ours(rule: &RuleMessage) -> bool {
    let has = |wanted: RuleAttribute| rule.attributes.contains(&wanted);
    has(RuleAttribute::FwMark(MARK)) && has(RuleAttribute::Table(TABLE))
}

/// What is gone already need not be removed.
fn gone(done: Result<(), rtnetlink::Error>) -> Result<(), rtnetlink::Error> {
    match done {
        Err(fault) if is(&fault, &[Errno::SRCH, Errno::NOENT, Errno::AFNOSUPPORT]) => Ok(()),
        done => done,
    }
}

fn is(fault: &rtnetlink::Error, codes: &[Errno]) -> bool {
    let rtnetlink::Error::NetlinkError(message) = fault else {
        return false;
    };
    let code = message.raw_code();
    codes.iter().any(|errno| errno.raw_os_error() == -code)
}
