//! The flows that tell whether packets are judged and answers learned from, whatever they come through.

use anyhow::{Result, ensure};

use crate::flow::{Family, Flow, Verdict};
use crate::gateway::Egress;
use crate::probe::Probe;
use crate::site::Site;

const LISTED: [&str; 2] = ["104.46.162.100", "2603:1006:2000::10"];
const UNLISTED: [&str; 2] = ["203.0.113.77", "2001:db8:dead::77"];
const NAME: &str = "enterpriseregistration.windows.net";

/// A listed prefix, a name and an unlisted address, over IPv4 and IPv6.
pub fn flows() -> Vec<Flow> {
    let families = [Family::Ipv4, Family::Ipv6].into_iter().zip(0..);
    let flows = families.map(|(family, index)| {
        [
            (
                "a listed prefix",
                Probe::https(LISTED[index]),
                Verdict::allow("prefix"),
            ),
            ("a name", Probe::https(NAME), Verdict::allow("learned")),
            (
                "an unlisted address",
                Probe::https(UNLISTED[index]),
                Verdict::drop("never-resolved"),
            ),
        ]
        .map(|(what, probe, expected)| Flow::new(what, family, probe, expected))
    });
    flows.flatten().collect()
}

/// Tries them all.
pub fn run(site: &Site, egress: &Egress) -> Result<()> {
    for flow in flows() {
        let outcome = flow.run(site, egress)?;
        ensure!(
            outcome.passed,
            "{} over {}: {}, not {}",
            outcome.what,
            outcome.family,
            outcome.seen,
            outcome.expected
        );
    }
    Ok(())
}
