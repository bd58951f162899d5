//! The first day: a router without a config, and one in mode audit that clients have used.

use std::net::SocketAddr;

use anyhow::Result;
use lab::address::CLIENT;
use lab::config::catalogue;
use lab::server::HTTPS;

use super::{connect, knock, resolve, staging};
use crate::readme::stage::Stage;

const NAME: &str = "enterpriseregistration.windows.net";
const UNLISTED_NAME: &str = "www.example.net";
/// Nobody listens there.
const CLOSED: u16 = 8080;
/// No name has it.
const NAMELESS: &str = "203.0.113.77:8080";

/// A router with dnsmasq, and no config.
pub fn with_dnsmasq() -> Result<Stage> {
    let site = staging::site()?;
    let settings = [("ipv4/conf/lan/rp_filter", "1")];
    site.lab.gateway.set(&settings)?;
    Ok(Stage::of(&site.lab).holding(site))
}

/// Everything passed, of which enforcing would have dropped some.
pub fn audited() -> Result<Stage> {
    let site = staging::site()?;
    let stage = Stage::with_daemon(&site.lab, &catalogue("audit"))?;
    let client = &site.lab.client;
    let name = resolve(client, NAME)?;
    connect(client, &SocketAddr::new(name, HTTPS).to_string())?;
    let unlisted = resolve(client, UNLISTED_NAME)?;
    for address in [name, unlisted, unlisted] {
        knock(
            client,
            CLIENT.v4,
            &SocketAddr::new(address, CLOSED).to_string(),
        )?;
    }
    for _ in 0..3 {
        knock(client, CLIENT.v4, NAMELESS)?;
    }
    Ok(stage.holding(site))
}
