//! One real connection by the client: what is tried goes in, whether it got through comes out.

use std::fmt;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::address::{CLIENT, LAN, STRANGER};
use crate::dns;
use crate::flow::Family;
use crate::server::HTTPS;
use crate::site::Site;

/// What the client tries.
#[derive(Debug, Clone)]
pub enum Probe {
    /// `curl https://HOST:PORT/`, the host being a name or an address.
    Https {
        /// Name or address.
        host: String,
        /// Where to connect.
        port: u16,
    },
    /// A datagram that must come back.
    Udp {
        /// Name or address.
        host: String,
        /// Where to send.
        port: u16,
    },
    /// A question to the gateway's resolver.
    Resolve {
        /// The name asked for.
        name: String,
    },
}

/// Which of the client's addresses is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The one in the group.
    Client,
    /// The one in no group.
    Stranger,
}

/// How it went.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Whether an answer came back.
    pub reached: bool,
    /// How long it took to get the answer or to give up.
    pub elapsed: Duration,
    /// What went wrong, for messages.
    pub complaint: String,
}

impl Probe {
    /// `https://HOST/`.
    pub fn https(host: &str) -> Self {
        Self::https_on(HTTPS, host)
    }

    /// `https://HOST:PORT/`.
    pub fn https_on(port: u16, host: &str) -> Self {
        let host = host.to_owned();
        Self::Https { host, port }
    }

    /// A datagram to a port of a host.
    pub fn udp(host: &str, port: u16) -> Self {
        let host = host.to_owned();
        Self::Udp { host, port }
    }

    /// A question for a name.
    pub fn resolve(name: &str) -> Self {
        let name = name.to_owned();
        Self::Resolve { name }
    }

    /// Tries it from the client of a site, and gives up at the limit.
    pub fn attempt(
        &self,
        site: &Site,
        family: Family,
        origin: Origin,
        limit: Duration,
    ) -> Result<Attempt> {
        let begin = Instant::now();
        let failure = match self {
            Self::Https { host, port } => https(site, &url(host, *port), family, origin, limit)?,
            Self::Udp { host, port } => site
                .lab
                .client
                .run(|| datagram(host, *port, family, origin, limit))?
                .err()
                .map(|error| format!("{error:#}")),
            Self::Resolve { name } => site
                .lab
                .client
                .run(|| dns::resolve(LAN.of(family), name, Family::Ipv4, limit))?
                .err()
                .map(|error| error.to_string()),
        };
        Ok(Attempt {
            reached: failure.is_none(),
            elapsed: begin.elapsed(),
            complaint: failure.unwrap_or_default(),
        })
    }
}

impl Origin {
    /// The address of one family.
    pub fn address(self, family: Family) -> IpAddr {
        match self {
            Self::Client => CLIENT.of(family),
            Self::Stranger => STRANGER.of(family),
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Https { host, port } => f.write_str(&url(host, *port)),
            Self::Udp { host, port } => write!(f, "udp {host} {port}"),
            Self::Resolve { name } => write!(f, "dns {name}"),
        }
    }
}

/// Runs curl; the answer is its complaint, if any.
fn https(
    site: &Site,
    url: &str,
    family: Family,
    origin: Origin,
    limit: Duration,
) -> Result<Option<String>> {
    let mut command = site.lab.client.command("curl");
    command
        .args(["-q", "--silent", "--show-error", "--noproxy", "*"])
        .arg(match family {
            Family::Ipv4 => "--ipv4",
            Family::Ipv6 => "--ipv6",
        })
        .args(["--max-time", &limit.as_secs_f64().to_string()])
        .args(["--interface", &origin.address(family).to_string()])
        .arg("--cacert")
        .arg(site.authority())
        .arg(url);
    let output = command
        .output()
        .context("is the Debian package curl installed?")?;
    let said = String::from_utf8_lossy(&output.stderr);
    Ok((!output.status.success()).then(|| said.trim().to_owned()))
}

fn datagram(host: &str, port: u16, family: Family, origin: Origin, limit: Duration) -> Result<()> {
    let address = match host.parse::<IpAddr>() {
        Ok(address) => address,
        Err(_) => dns::resolve(LAN.of(Family::Ipv4), host, family, limit)?,
    };
    let socket = UdpSocket::bind(SocketAddr::new(origin.address(family), 0))?;
    socket.set_read_timeout(Some(limit))?;
    socket.connect((address, port))?;
    socket.send(b"egress")?;
    socket.recv(&mut [0; 16])?;
    Ok(())
}

fn url(host: &str, port: u16) -> String {
    let host = match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        _ => host.to_owned(),
    };
    match port {
        HTTPS => format!("https://{host}/"),
        _ => format!("https://{host}:{port}/"),
    }
}
