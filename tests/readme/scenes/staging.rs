//! The built-in catalogue, for one group in mode enforce.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use lab::address::{CLIENT, STRANGER};
use lab::announced;
use lab::config::catalogue;
use lab::host::{Host, Life};
use lab::site::Site;
use lab::topology::Lab;

use super::{knock, resolve};
use crate::readme::stage::Stage;

/// Inside of Intune's set 163: TCP 80 and 443.
const LISTED: &str = "104.46.162.100";
const UNLISTED: &str = "203.0.113.77";
const NAME: &str = "enterpriseregistration.windows.net";
const UNLISTED_NAME: &str = "www.example.net";
/// Its TTL is two seconds.
const SHORT_LIVED: &str = "shortlived.manage.microsoft.com";

/// Everything but the filter.
pub fn site() -> Result<Site> {
    let names = announced::certificate_names();
    Site::start(Life::Bound, &announced::zone(), &names)
}

fn filtered() -> Result<(Site, Stage)> {
    let site = site()?;
    let stage = Stage::with_daemon(&site.lab, &catalogue("enforce"))?;
    Ok((site, stage))
}

/// Nothing has happened.
pub fn set() -> Result<Stage> {
    let (site, stage) = filtered()?;
    Ok(stage.holding(site))
}

/// Packets are dropped while somebody watches.
pub fn dropping() -> Result<Stage> {
    let (site, stage) = filtered()?;
    let client = site.lab.client.clone();
    Ok(stage.meanwhile(move || drops(&client)).holding(site))
}

/// Packets were dropped before.
pub fn dropped() -> Result<Stage> {
    let (site, stage) = filtered()?;
    drops(&site.lab.client)?;
    Ok(stage.holding(site))
}

fn drops(client: &Host) -> Result<()> {
    let unlisted = resolve(client, UNLISTED_NAME)?;
    let learned = resolve(client, NAME)?;
    for (from, to) in [
        (CLIENT, format!("{LISTED}:8443")),
        (CLIENT, format!("{unlisted}:443")),
        (STRANGER, format!("{LISTED}:443")),
        (CLIENT, format!("{learned}:8080")),
    ] {
        knock(client, from.v4, &to)?;
    }
    Ok(())
}

/// The answer that gave an address has expired.
pub fn expired() -> Result<Stage> {
    let (site, stage) = filtered()?;
    resolve(&site.lab.client, SHORT_LIVED)?;
    thread::sleep(Duration::from_secs(4));
    Ok(stage.holding(site))
}

/// Two packets passed, and four did not.
pub fn counted() -> Result<Stage> {
    let lab = Lab::build(Life::Bound)?;
    let stage = Stage::with_daemon(&lab, &catalogue("enforce"))?;
    for to in [
        format!("{LISTED}:443"),
        format!("{LISTED}:8443"),
        format!("{UNLISTED}:443"),
    ] {
        for _ in 0..2 {
            knock(&lab.client, CLIENT.v4, &to)?;
        }
    }
    Ok(stage.holding(lab))
}
