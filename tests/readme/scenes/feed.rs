//! A gateway that follows a web service, of which the newest list lacks three names.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use lab::address::INTERNET;
use lab::config::custom;
use lab::feed::archive::Archive;
use lab::feed::edition::{Edition, Set};
use lab::feed::server::Server;
use lab::feed::service::Service;
use lab::host::Life;
use lab::topology::Lab;
use lab::wait;

use crate::readme::block::Shown;
use crate::readme::stage::Stage;

const PUBLISHED: &str = include_str!("../../../egress-ctl/data/m365-worldwide-2026-05-31.json");
const INSTANCE: &str = "Worldwide";
/// As it was, and as it is.
pub const VERSIONS: [&str; 2] = ["2026040500", "2026053100"];
/// Ports of a set, and what it had before; a set of this id and area is made where there is none.
const WENT: [(u32, &str, &str, &[&str]); 2] = [
    (
        33,
        "SharePoint",
        "443",
        &[
            "*.search.production.emea.trafficmanager.net",
            "*.search.production.us.trafficmanager.net",
        ],
    ),
    (92, "Common", "80,443", &[OLD_NAME]),
];
/// A name of those.
pub const OLD_NAME: &str = "officecdn.microsoft.com.edgesuite.net";
/// Where the lab serves it.
pub const SERVED: SocketAddr = SocketAddr::new(IpAddr::V4(INTERNET.v4), 8365);
const LIMIT: Duration = Duration::from_secs(60);

/// The list as it is, and before it as it was.
pub fn archive() -> Result<Archive> {
    let after = Edition::parse(PUBLISHED)?;
    let mut before = after.clone();
    for (id, area, ports, names) in WENT {
        let mut set = before.take(id).unwrap_or_else(|| Set::blank(id));
        set.belongs_to(area);
        set.category = "Default".to_owned();
        set.tcp_ports = Some(ports.to_owned());
        set.urls.extend(names.iter().map(|name| (*name).to_owned()));
        before.put(set);
    }
    let mut archive = Archive::default();
    for (version, edition) in VERSIONS.into_iter().zip([before, after]) {
        archive.put(INSTANCE, version.parse()?, edition);
    }
    Ok(archive)
}

/// Follows the first list, then the second.
fn followed(keys: &str) -> Result<Stage> {
    let lab = Lab::build(Life::Bound)?;
    let service = Arc::new(Service::new(archive()?, usize::MAX));
    service.set_latest(VERSIONS[0].parse()?)?;
    let server = Server::start(&lab.internet, SERVED, Arc::clone(&service), None)?;
    let source = format!(
        "[source.m365]\nkind = \"web-service\"\nurl = \"{}\"\n{keys}",
        server.url()
    );
    let config = custom("").replace("[source.lab]\nkind = \"custom\"\n", &source);
    let config = config.replace("allow = [\"lab\"]", "allow = [\"m365\"]");
    let url = server.url().to_owned();
    let mut stage = Stage::with_daemon(&lab, &config)?
        .calling(url, "https://endpoints.office.com")
        .holding(server)
        .holding(lab);
    wait_for(&mut stage, VERSIONS[0], 2)?;
    service.set_latest(VERSIONS[1].parse()?)?;
    silently(&mut stage, "egress-ctl sync --now")?;
    wait_for(&mut stage, VERSIONS[1], 3)?;
    Ok(stage)
}

/// What goes is in quarantine.
pub fn in_quarantine() -> Result<Stage> {
    followed("")
}

/// What goes waits for somebody's approval.
pub fn waiting() -> Result<Stage> {
    followed("removals = \"ask\"\n")
}

/// Until the version is polled, and what the rules let of it is in force.
fn wait_for(stage: &mut Stage, version: &str, generation: u64) -> Result<()> {
    let polled = format!("newest version {version}");
    let in_force = format!("in generation {generation} of the gateway");
    wait::until(&format!("{polled}, {in_force}"), LIMIT, || {
        let status = silently(stage, "egress-ctl feed status")?;
        let is_there = status.contains(&polled) && status.contains(&in_force);
        Ok(is_there.then_some(()))
    })
}

fn silently(stage: &mut Stage, line: &str) -> Result<String> {
    let output = String::new();
    stage.run(&Shown { line, output })
}
