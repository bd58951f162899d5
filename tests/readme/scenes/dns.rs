//! Names of one pattern that were learned, and such as were not.

use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use lab::address::CLIENT;
use lab::config::custom;
use lab::host::Life;
use lab::site::Site;
use lab::zone::Zone;

use super::{connect, knock, resolve, send};
use crate::readme::stage::Stage;

const SETS: &str = r#"
[[source.lab.set]]
id = 1
urls = ["*.corp.example"]
tcpPorts = "443"
"#;
const NAME: &str = "www.corp.example";
const ALIAS: &str = "alias.corp.example";
const SHORT: &str = "short.corp.example";
const TTL: u32 = 300;
const SHORT_TTL: u32 = 1;

fn zone() -> Zone {
    let address = |last| Ipv4Addr::new(198, 51, 100, last);
    Zone::new()
        .host_v4(NAME, address(10), TTL)
        .host_v4("edge.cdn.example", address(11), TTL)
        .alias(ALIAS, "edge.cdn.example", TTL)
        .host_v4(SHORT, address(12), SHORT_TTL)
        .host_v4("www.other.example", address(99), TTL)
}

/// One client used a name, held on to another one, and tried what nobody asked for.
pub fn set() -> Result<Stage> {
    let site = Site::start(Life::Bound, &zone(), &[])?;
    let stage = Stage::with_daemon(&site.lab, &custom(SETS))?;
    let client = &site.lab.client;
    let short = format!("{}:443", resolve(client, SHORT)?);
    thread::sleep(Duration::from_secs(3));
    knock(client, CLIENT.v4, &short)?;
    for _ in 0..50 {
        send(client, "203.0.113.77:4433")?;
    }
    knock(client, CLIENT.v4, "198.51.100.99:443")?;
    resolve(client, ALIAS)?;
    let name = format!("{}:443", resolve(client, NAME)?);
    for _ in 0..2 {
        connect(client, &name)?;
    }
    Ok(stage.holding(site))
}
