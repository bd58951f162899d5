//! What clients do in several drills: ask the gateway's resolver for a name, at a pace that no share of queries
//! limits, and connect.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::ValueEnum;
use lab::address::LAN;
use lab::dns;
use lab::flow::Family;
use lab::interrupt;
use lab::resolver::Program;
use lab::server::HTTPS;
use serde::Serialize;

/// One client's queries are noted 200 times a second, and 1,000 more at once (`CLIENT_SHARE` of egress-common).
pub(crate) const PACE: Duration = Duration::from_millis(6);
/// How long an answer or a connection may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(3);
/// A connect that takes so long was answered only after its SYN was repeated.
pub(crate) const REPEATED: Duration = Duration::from_millis(900);

/// The resolver on the gateway.
#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Resolver {
    Dnsmasq,
    Unbound,
}

impl Resolver {
    pub(crate) fn program(self) -> Program {
        match self {
            Self::Dnsmasq => Program::Dnsmasq,
            Self::Unbound => Program::Unbound,
        }
    }
}

/// Steps of one client that begin no sooner than the pace allows.
pub(crate) struct Paced(Instant);

impl Paced {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }

    /// Waits for the next step.
    pub(crate) fn wait(&mut self) -> Result<()> {
        interrupt::sleep(self.0.saturating_duration_since(Instant::now()))?;
        self.0 = Instant::now() + PACE;
        Ok(())
    }
}

/// Asks for a name that must have this address, and returns the TTL.
pub(crate) fn resolve(name: &str, address: Ipv4Addr) -> Result<u32, String> {
    let answer = dns::ask(LAN.v4.into(), name, Family::Ipv4, LIMIT);
    let answer = answer.map_err(|error| format!("{name}: {error}"))?;
    let mut records = answer.addresses.iter();
    let record = records.find(|(found, _)| *found == IpAddr::V4(address));
    record
        .map(|(_, ttl)| *ttl)
        .ok_or_else(|| format!("{name}: {answer:?} does not hold {address}"))
}

/// Connects over HTTPS's port; a first packet that is lost is a failure.
pub(crate) fn connect(address: Ipv4Addr) -> Result<Duration, String> {
    let begin = Instant::now();
    let target = SocketAddr::new(address.into(), HTTPS);
    TcpStream::connect_timeout(&target, LIMIT).map_err(|error| format!("{address}: {error}"))?;
    let took = begin.elapsed();
    if took >= REPEATED {
        return Err(format!("{address}: connected only after {took:?}"));
    }
    Ok(took)
}
