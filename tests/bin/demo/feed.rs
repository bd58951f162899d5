//! A change of the web service's list arrives: a prefix that is not listed, then a new version that
//! lists it, then the same prefix again.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use lab::address::INTERNET;
use lab::config;
use lab::feed::archive::Archive;
use lab::feed::followed::INSTANCE;
use lab::feed::made_up;
use lab::feed::server::Server;
use lab::feed::service::{MOST_AN_HOUR, Service};
use lab::flow::{Family, Flow, Outcome, Verdict};
use lab::gateway::Egress;
use lab::probe::Probe;
use lab::site::Site;
use lab::wait;

const PORT: u16 = 8365;
/// In 40.64.165.0/24, which comes with the second version.
const COMES: &str = "40.64.165.9";
const VERSIONS: [&str; 2] = ["2026060100", "2026070100"];
const LIMIT: Duration = Duration::from_secs(20);

/// What the web server's certificate must name as well.
pub(super) fn certificate_names() -> Vec<String> {
    vec![COMES.to_owned()]
}

/// Before and after.
pub(super) fn flows() -> [Flow; 2] {
    let flow = |what, expected| Flow::new(what, Family::Ipv4, Probe::https(COMES), expected);
    [
        flow(
            "a prefix of the next version",
            Verdict::drop("never-resolved"),
        ),
        flow("the same once that is published", Verdict::allow("prefix")),
    ]
}

/// Follows a feed, shows it before and after a change, and follows none any more.
pub(super) fn show(
    site: &Site,
    egress: &mut Egress,
    tell: impl Fn(&Outcome) -> Result<()>,
) -> Result<Vec<Outcome>> {
    let service = Arc::new(Service::new(editions()?, MOST_AN_HOUR));
    service.set_latest(VERSIONS[0].parse()?)?;
    let address = (INTERNET.v4, PORT).into();
    let server = Server::start(&site.lab.internet, address, service, None)?;
    let begun = egress.reload(&config::catalogue_and_feed(INSTANCE, server.url()))?;
    wait::until("the first version of the feed", LIMIT, || {
        Ok((egress.status()?.generation.number > begun).then_some(()))
    })?;
    let [before, after] = flows();
    let before = before.run(site, egress)?;
    tell(&before)?;
    server.service.set_latest(VERSIONS[1].parse()?)?;
    let output = egress.command(&["sync", "--now"]).output()?;
    ensure!(output.status.success(), "egress-ctl sync --now: {output:?}");
    let after = after.run(site, egress)?;
    tell(&after)?;
    egress.reload(&config::catalogue("enforce"))?;
    Ok(vec![before, after])
}

fn editions() -> Result<Archive> {
    let editions = [
        made_up::edition(80..165, 0..0),
        made_up::edition(80..173, 0..0),
    ];
    let mut archive = Archive::default();
    for (version, edition) in VERSIONS.into_iter().zip(editions) {
        archive.put(INSTANCE, version.parse()?, edition);
    }
    Ok(archive)
}
