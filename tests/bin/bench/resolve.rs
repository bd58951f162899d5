//! From a DNS question to the first packet through: names that nobody asked for before, and a datagram to each
//! as soon as the client has the answer. The filter beside none, and beside a set that dnsmasq fills.

mod way;

use anyhow::Result;

use self::way::{Kind, Lookups, Way};
use super::effort::Effort;
use super::measure::{Series, Subject, interleaved};
use super::report::Findings;

const SECTION: &str = "DNS lookups and first packets (three namespaces, dnsmasq)";

/// A column of what was measured.
type Column = (&'static str, fn(&Lookups) -> f64);

const COLUMNS: [Column; 3] = [
    ("question to first packet through", |seen| seen.through_us),
    ("answer to first packet through", |seen| seen.enforced_us),
    ("dnsmasq's CPU a question", |seen| seen.resolver_us),
];

/// Measures all that this machine has.
pub(super) fn measure(effort: Effort) -> Result<Findings> {
    let mut findings = Findings::default();
    let lookups = effort.lookups();
    let names = (effort.rounds() + 1) * lookups;
    let mut ways = Vec::new();
    for kind in Kind::ALL {
        match Way::start(kind, names) {
            Ok(way) => ways.push(way),
            Err(error) if kind.is_own() => return Err(error.context(kind.name())),
            Err(error) => findings.skip(kind.name(), format!("{error:#}")),
        }
    }
    let kinds: Vec<Kind> = ways.iter().map(Way::kind).collect();
    let subjects = ways
        .iter_mut()
        .map(|way| Subject::new(way.kind().name(), move || way.look_up(lookups)));
    let measured = interleaved(&mut subjects.collect::<Vec<_>>(), effort.rounds(), effort)?;
    for (what, value) in COLUMNS {
        for (kind, seen) in kinds.iter().zip(&measured) {
            let series = Series(seen.iter().map(value).collect());
            findings.row(SECTION, format!("{what}: {}", kind.name()), "µs", &series);
        }
    }
    for (kind, seen) in kinds.iter().zip(&measured) {
        let lost: usize = seen.iter().map(|seen| seen.lost).sum();
        let sent = seen.len() * lookups;
        let name = format!("first packets lost, of {sent}: {}", kind.name());
        findings.row(SECTION, name, "packets", &Series(vec![lost as f64]));
    }
    Ok(findings)
}
