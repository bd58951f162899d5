//! A run through three editions under constant traffic to what stays: nothing of it is dropped; what
//! comes is reachable as soon as it is approved; what goes stays in quarantine, with its traffic told.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lab::feed::archive::{Archive, Shelf};
use lab::feed::edition::Edition;
use lab::feed::followed::{Followed, INSTANCE, Transport};
use lab::feed::made_up::VERSIONS;
use lab::flow::Family;
use lab::interrupt;
use lab::server::HTTPS;
use serde_json::Value;

use super::Shown;
use super::destination::{Protocol, find, holds as prefix_holds};
use crate::drill::overflow::overflows;
use crate::drill::traffic::{Counted, Traffic};

/// What comes is asked about; the first step loses more than a half.
const KEYS: &str = "additions = \"ask\"\nmax-loss = 70\n";
/// How soon after its approval something must be reachable.
const SOON: Duration = Duration::from_secs(2);
/// Traffic before the first step and after the last.
const STEADY: Duration = Duration::from_millis(500);
/// Connections to what goes.
const CONNECTS: usize = 3;

pub(super) fn show(archive: &Archive) -> Result<Vec<Shown>> {
    let shelf = archive
        .shelf("worldwide")
        .context("no edition of Worldwide")?;
    let run = Run::begin(shelf)?;
    let overflowed = overflows(&run.followed.site.lab.internet)?;
    let traffic = run.traffic()?;
    interrupt::sleep(STEADY)?;
    let came = run.first_step();
    let went = run.removed();
    let last = run.second_step();
    interrupt::sleep(STEADY)?;
    let counted = traffic.end()?;
    let overflowed = overflows(&run.followed.site.lab.internet)? - overflowed;
    Ok(vec![
        Shown::of("what comes, after its approval", came),
        Shown::of("what goes, in quarantine", went),
        Shown::of("the step that only loses names", last),
        Shown::of("traffic to what stays", undropped(&counted, overflowed)),
    ])
}

struct Run {
    followed: Followed,
    steady: Vec<SocketAddr>,
    steady_tcp: SocketAddr,
    comes: SocketAddr,
    goes: SocketAddr,
}

impl Run {
    fn begin(shelf: &Shelf) -> Result<Self> {
        let editions = VERSIONS.map(|version| edition(shelf, version));
        let [a, b, c] = editions;
        let (a, b, c) = (a?, b?, c?);
        let all = [a, b, c];
        let udp = |family| find(Protocol::Udp, family, None, &all, &[]);
        let tcp = |through: &[&Edition], not: &[&Edition]| {
            find(Protocol::Tcp, Family::Ipv4, Some(HTTPS), through, not)
        };
        let mut archive = Archive::default();
        for (version, edition) in VERSIONS.into_iter().zip(all) {
            archive.put(INSTANCE, version.parse()?, edition.clone());
        }
        Ok(Self {
            followed: Followed::start(archive, VERSIONS[0], KEYS, Transport::Tls)?,
            steady: [Family::Ipv4, Family::Ipv6]
                .into_iter()
                .filter_map(udp)
                .collect(),
            steady_tcp: tcp(&all, &[]).context("no destination stays")?,
            comes: tcp(&[b, c], &[a]).context("no destination comes")?,
            goes: tcp(&[a], &[b, c]).context("no destination goes")?,
        })
    }

    fn traffic(&self) -> Result<Traffic> {
        let lab = &self.followed.site.lab;
        Traffic::start(&lab.client, &lab.internet, &self.steady, self.steady_tcp)
    }

    /// What comes waits for its approval, and then does not wait.
    fn first_step(&self) -> Result<String> {
        let followed = &self.followed;
        followed.serve(VERSIONS[1])?;
        let output = followed.sync()?;
        ensure!(output.status.success(), "sync failed: {output:?}");
        let address = self.comes.ip().to_string();
        let before = followed.verdict(&address, HTTPS)?;
        ensure!(
            before != "allow",
            "{address} is reachable before its approval"
        );
        let waiting = followed.feed(&["diff"])?;
        let changes = waiting["changes"].as_array().map_or(0, Vec::len);
        let begin = Instant::now();
        followed.succeed(&["feed", "approve"])?;
        self.connect(self.comes)
            .with_context(|| format!("{address} after its approval"))?;
        let elapsed = begin.elapsed();
        let milliseconds = elapsed.as_millis();
        ensure!(
            elapsed < SOON,
            "{address} was reachable only after {milliseconds} ms"
        );
        Ok(format!(
            "{changes} changes waited; {address} was {before} before, reachable {milliseconds} ms after \
             `feed approve` was called"
        ))
    }

    /// What goes is still reachable, and that is told.
    fn removed(&self) -> Result<String> {
        for _ in 0..CONNECTS {
            self.connect(self.goes)
                .context("what goes is not reachable any more")?;
        }
        let told = self.followed.told()?;
        let parts = told["quarantine"].as_array().context("no quarantine")?;
        let packets = |part: &Value| part["packets"].as_u64().unwrap_or_default();
        let holding = parts.iter().filter(|part| holds(part, self.goes.ip()));
        let part = holding.max_by_key(|part| packets(part));
        let part = part.with_context(|| format!("{} is not in quarantine", self.goes.ip()))?;
        let packets = packets(part);
        ensure!(packets > 0, "no traffic is told of {part}");
        Ok(format!(
            "{} parts of endpoint sets; {} of {} until {}, used by {packets} packets",
            parts.len(),
            self.goes.ip(),
            part["set"].as_str().unwrap_or_default(),
            part["until"].as_str().unwrap_or_default(),
        ))
    }

    fn second_step(&self) -> Result<String> {
        let before = self.followed.in_force()?;
        self.followed.serve(VERSIONS[2])?;
        let output = self.followed.sync()?;
        ensure!(output.status.success(), "sync failed: {output:?}");
        let told = self.followed.told()?;
        ensure!(
            told["version"] == VERSIONS[2],
            "version {}",
            told["version"]
        );
        let after = self.followed.in_force()?;
        ensure!(
            (after.prefixes, after.patterns) == (before.prefixes, before.patterns),
            "{before:?} became {after:?}: what goes should stay in quarantine"
        );
        Ok(format!(
            "version {} by the rules, with all {} prefixes and {} patterns",
            VERSIONS[2], after.prefixes, after.patterns
        ))
    }

    fn connect(&self, target: SocketAddr) -> Result<()> {
        let client = &self.followed.site.lab.client;
        client.run(|| TcpStream::connect_timeout(&target, SOON))??;
        Ok(())
    }
}

fn edition<'a>(shelf: &'a Shelf, version: &str) -> Result<&'a Edition> {
    let edition = shelf.edition(version.parse()?);
    edition.with_context(|| format!("no edition {version} of {}", shelf.name))
}

/// Whether a part in quarantine has a prefix that holds the address.
fn holds(part: &Value, address: IpAddr) -> bool {
    let entries = part["entries"].as_array().into_iter().flatten();
    let mut entries = entries.filter_map(Value::as_str);
    entries.any(|entry| prefix_holds(entry, address))
}

fn undropped(counted: &Counted, overflowed: u64) -> Result<String> {
    let Counted {
        sent,
        received,
        connects,
        failed_connects,
        ..
    } = *counted;
    let dropped = (sent - received).saturating_sub(overflowed);
    let seen = format!(
        "{}: {dropped} of {sent} datagrams dropped, {failed_connects} of {connects} connections failed or repeated",
        VERSIONS.join(" → ")
    );
    ensure!(sent > 0 && connects > 0, "no traffic: {seen}");
    ensure!(dropped == 0 && failed_connects == 0, "{seen}");
    Ok(seen)
}
