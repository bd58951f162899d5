//! User space: what it takes to read a catalogue, to compile it and to compare two editions.

use std::fmt;
use std::time::Duration;

use anyhow::Result;
use egress_ctl::catalogue::diff::diff;
use egress_ctl::catalogue::set::EndpointSet;
use egress_ctl::catalogue::source::web_service;
use egress_ctl::policy::compile::{Circumstances, compile};
use egress_ctl::policy::ids::Ids;
use lab::kernel::TODAY;

use super::catalogue::{Catalogue, config_text, own, parse};
use super::effort::{Effort, Extent};
use super::measure::{Series, Subject, cpu_time, interleaved};
use super::report::Findings;

const SECTION: &str = "user space";
/// Of so many entries, one is in the new edition alone.
const ONE_IN: usize = 100;
/// Entries of one set of the web service.
const OF_A_SET: usize = 250;

/// Measures all sizes.
pub(super) fn measure(effort: Effort) -> Result<Findings> {
    let mut findings = Findings::default();
    let sizes = sizes(effort.extent());
    for (size, left) in sizes.iter().zip((1..=sizes.len()).rev()) {
        let material = size.material()?;
        let part = effort.part(1.0 / left as f64);
        findings.add(measured(&size.to_string(), &material, part)?);
    }
    Ok(findings)
}

/// How large a catalogue is.
enum Size {
    Prefixes(usize),
    Names(usize),
}

impl Size {
    fn material(&self) -> Result<Material> {
        match self {
            Self::Prefixes(count) => Material::of(Catalogue::of(*count).texts(), Vec::new()),
            Self::Names(count) => {
                let names = (0..*count).map(|i| format!("name{i}.bench.example"));
                Material::of(Vec::new(), names.collect())
            }
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefixes(count) => write!(f, "{count} prefixes"),
            Self::Names(count) => write!(f, "{count} names"),
        }
    }
}

fn sizes(extent: Extent) -> &'static [Size] {
    match extent {
        Extent::Full | Extent::Quick => &[
            Size::Prefixes(1000),
            Size::Prefixes(10_000),
            Size::Names(30_000),
            Size::Prefixes(100_000),
        ],
        Extent::Trial => &[Size::Prefixes(1000)],
    }
}

/// What one size is measured with.
struct Material {
    /// Two editions of the web service.
    json: [String; 2],
    config: String,
}

impl Material {
    fn of(prefixes: Vec<String>, names: Vec<String>) -> Result<Self> {
        Ok(Self {
            json: [
                json(&prefixes, &names)?,
                json(&thinned(&prefixes), &thinned(&names))?,
            ],
            config: config_text(&prefixes, &names),
        })
    }

    fn editions(&self) -> Result<[Vec<EndpointSet>; 2]> {
        let [new, old] = &self.json;
        Ok([
            web_service::sets(old, "bench")?,
            web_service::sets(new, "bench")?,
        ])
    }
}

/// Without one entry of so many.
fn thinned(entries: &[String]) -> Vec<String> {
    let kept = entries
        .chunks(ONE_IN)
        .flat_map(|some| some.iter().take(ONE_IN - 1));
    kept.cloned().collect()
}

/// An edition as the web service publishes it.
fn json(prefixes: &[String], names: &[String]) -> Result<String> {
    let mut sets = Vec::new();
    let lists = prefixes.chunks(OF_A_SET).map(|list| ("ips", list));
    let lists = lists.chain(names.chunks(OF_A_SET).map(|list| ("urls", list)));
    for (id, (kind, list)) in (1..).zip(lists) {
        sets.push(serde_json::json!({
            "id": id,
            "serviceArea": "Common",
            "serviceAreaDisplayName": "Microsoft 365 Common",
            kind: list,
            "tcpPorts": "443",
            "expressRoute": false,
            "category": "Allow",
            "required": true,
        }));
    }
    Ok(serde_json::to_string(&sets)?)
}

fn measured(size: &str, material: &Material, effort: Effort) -> Result<Findings> {
    let config = parse(&material.config)?;
    let [old, new] = material.editions()?;
    let addresses = own();
    let mut subjects = [
        Subject::new(format!("import, {size}"), || {
            let (read, took) = cpu_time(|| web_service::sets(&material.json[0], "bench"));
            read?;
            Ok(milliseconds(took))
        }),
        Subject::new(format!("config read, {size}"), || {
            let (read, took) = cpu_time(|| parse(&material.config));
            read?;
            Ok(milliseconds(took))
        }),
        Subject::new(format!("compile, {size}"), || {
            let own = &addresses;
            let circumstances = Circumstances { own, today: TODAY };
            let (compiled, took) =
                cpu_time(|| compile(&config, circumstances, &mut Ids::default()));
            compiled?;
            Ok(milliseconds(took))
        }),
        Subject::new(format!("diff, {size}"), || {
            let (_, took) = cpu_time(|| diff(&old, &new));
            Ok(milliseconds(took))
        }),
    ];
    let measured = interleaved(&mut subjects, effort.few_rounds(), effort)?;
    let mut findings = Findings::default();
    for (subject, values) in subjects.iter().zip(measured) {
        findings.row(SECTION, &subject.name, "ms", &Series(values));
    }
    Ok(findings)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_a_hundred_differs() -> Result<()> {
        let prefixes = Catalogue::of(1000).texts();
        let names = (0..500).map(|i| format!("name{i}.bench.example")).collect();
        let material = Material::of(prefixes, names)?;
        let [old, new] = material.editions()?;
        assert_eq!(
            diff(&old, &new)
                .iter()
                .filter(|change| change.from.is_none())
                .count(),
            15
        );
        assert_eq!(new.iter().map(|set| set.urls.len()).sum::<usize>(), 500);
        Ok(())
    }
}
