//! Endpoint sets as text for people.
//!
//! In: sets. Out: tables of what they hold, or every fact of each.

use std::iter;

use super::{
    demand::Demand,
    page::{About, Reference},
    set::EndpointSet,
};
use crate::{explain::words::printable, sheet::sheet};

/// Columns that a table fills at most, where words allow it.
const TABLE_WIDTH: u16 = 120;

/// In a terminal of so many columns: one table a source, so that long keys of one do not squeeze the others, and the totals.
pub fn table(sets: &[&EndpointSet], room: Option<u16>) -> String {
    if sets.is_empty() {
        return "no endpoint set matches\n".to_owned();
    }
    let room = room.map_or(TABLE_WIDTH, |room| room.min(TABLE_WIDTH));
    let mut text = String::new();
    for of_source in sets.chunk_by(|a, b| a.source == b.source) {
        text += &source_table(of_source, room);
        text += "\n\n";
    }
    text + &totals(sets) + "\n"
}

fn source_table(sets: &[&EndpointSet], room: u16) -> String {
    let rows: Vec<_> = sets.iter().map(|set| row(set).to_vec()).collect();
    sheet(&HEADER, &rows, Some(room))
}

const HEADER: [&str; 7] = [
    "key",
    "category",
    "required",
    "names",
    "prefixes",
    "ports",
    "description",
];

fn row(set: &EndpointSet) -> [String; HEADER.len()] {
    [
        set.key.clone(),
        set.category.to_string(),
        yes_no(set.required).to_owned(),
        set.urls.len().to_string(),
        set.ips.len().to_string(),
        ports(set),
        printable(&set.description),
    ]
}

/// A line a protocol.
fn ports(set: &EndpointSet) -> String {
    let named = [("tcp", &set.tcp_ports), ("udp", &set.udp_ports)];
    let lines = named.iter().filter(|(_, ports)| !ports.is_empty());
    let lines: Vec<_> = lines
        .map(|(protocol, ports)| format!("{protocol} {ports}"))
        .collect();
    if lines.is_empty() {
        NO_PORTS.to_owned()
    } else {
        lines.join("\n")
    }
}

const NO_PORTS: &str = "none";

fn totals(sets: &[&EndpointSet]) -> String {
    let names: usize = sets.iter().map(|set| set.urls.len()).sum();
    let prefixes: usize = sets.iter().map(|set| set.ips.len()).sum();
    let counts = [
        counted(sets.len(), "endpoint set", "endpoint sets"),
        counted(names, "name", "names"),
        counted(prefixes, "prefix", "prefixes"),
    ];
    counts.join(", ")
}

fn counted(count: usize, one: &str, several: &str) -> String {
    let noun = if count == 1 { one } else { several };
    format!("{count} {noun}")
}

/// Every fact of every set, a line each.
pub fn details(sets: &[&EndpointSet]) -> String {
    let blocks: Vec<_> = sets.iter().map(|set| block(set)).collect();
    blocks.join("\n")
}

fn block(set: &EndpointSet) -> String {
    let id = set.id.map(|id| id.to_string());
    let one = |text: &str| vec![text.to_owned()];
    let maybe = |text: Option<&str>| text.map(one).unwrap_or_default();
    let some = |text: String| {
        Some(text)
            .filter(|text| !text.is_empty())
            .into_iter()
            .collect()
    };
    let facts = [
        ("source", one(&set.source)),
        ("id", maybe(id.as_deref())),
        ("section", maybe(set.section.as_deref())),
        ("service area", maybe(set.service_area.as_deref())),
        ("description", one(&set.description)),
        ("category", one(set.category.name())),
        ("required", one(yes_no(set.required))),
        ("lost without", maybe(set.lost.as_deref())),
        ("clouds", some(set.clouds.join(", "))),
        ("region", maybe(set.region.as_deref())),
        ("scale units", some(set.scale_units.join(", "))),
        ("ExpressRoute", one(yes_no(set.express_route))),
        ("ports", ports(set).lines().map(str::to_owned).collect()),
        ("names", set.urls.iter().map(ToString::to_string).collect()),
        (
            "prefixes",
            set.ips.iter().map(ToString::to_string).collect(),
        ),
        ("notes", maybe(set.notes.as_deref())),
        (
            "demands",
            set.demands.iter().map(ToString::to_string).collect(),
        ),
        ("selected", maybe(set.extra.then_some(ONLY_BY_NAME))),
        ("listed in", some(origin(set))),
    ];
    let lines = facts.iter().map(|(label, values)| fact(label, values));
    format!("{}\n{}", set.key, lines.collect::<String>())
}

const ONLY_BY_NAME: &str = "only by its own name";

/// Document, date and line, as far as they are known.
fn origin(set: &EndpointSet) -> String {
    let date = set.date.map(|date| date.to_string());
    let line = set.line.map(|line| format!("line {line}"));
    let parts = [set.document.clone(), date, line];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// What a source says as a whole: its document, its demands, and what it leaves to other pages.
pub fn about(source: &str, about: &About) -> String {
    let one = |text: String| vec![text];
    let facts = [
        ("document", about.document.iter().cloned().collect()),
        (
            "date",
            about.date.map(|d| one(d.to_string())).unwrap_or_default(),
        ),
        ("demands", about.demands.iter().map(demand).collect()),
        (
            "not covered",
            about.references.iter().map(reference).collect(),
        ),
    ];
    let lines = facts.iter().map(|(label, values)| fact(label, values));
    format!("{source}\n{}", lines.collect::<String>())
}

fn demand(demand: &Demand) -> String {
    match &demand.section {
        Some(section) if !section.is_empty() => format!("{demand}, for {section}"),
        _ => demand.to_string(),
    }
}

fn reference(reference: &Reference) -> String {
    let Reference {
        about, title, page, ..
    } = reference;
    let title = title
        .as_ref()
        .map(|title| format!(": {title}"))
        .unwrap_or_default();
    let page = page
        .as_ref()
        .map(|page| format!(" <{page}>"))
        .unwrap_or_default();
    format!("{about}{title}{page}")
}

/// The label before the first value, the others below it; nothing for no value.
fn fact(label: &str, values: &[String]) -> String {
    let labels = iter::once(label).chain(iter::repeat(""));
    let lines = labels
        .zip(values)
        .map(|(label, value)| format!("  {label:<14}{value}\n"));
    lines.collect()
}

fn yes_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;

    #[test]
    fn lists_fit_the_terminal_and_break_no_word() {
        let catalogue = Catalogue::builtin().unwrap();
        let text = table(&catalogue.sets().iter().collect::<Vec<_>>(), None);
        for line in text.lines() {
            assert!(line.len() <= usize::from(TABLE_WIDTH), "{line}");
        }
        for whole in [
            "power-automate:desktop-flows/us-gov/11 ",
            "Authentication",
            "tcp 143,587,993,995",
        ] {
            assert!(text.contains(whole), "{whole}");
        }
    }

    #[test]
    fn a_set_shows_all_its_facts() {
        let catalogue = Catalogue::builtin().unwrap();
        let text = details(&catalogue.find("intune:165").unwrap());
        let expected = "\
intune:165
  source        intune
  id            165
  section       autopilot
  description   Time synchronisation
  category      Default
  required      yes
  ExpressRoute  no
  ports         udp 123
  names         time.windows.com
  listed in     Network endpoints for Microsoft Intune, 2025-01-09, line 113
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_source_says_what_it_demands_and_what_it_leaves_to_others() {
        let catalogue = Catalogue::builtin().unwrap();
        let text = about("intune", catalogue.about("intune").unwrap());
        for expected in [
            "TLS inspection is not supported: *.manage.microsoft.com, *.dm.microsoft.com",
            "TLS inspection is not supported, for attestation",
            "proxies must not ask for a login: manage.microsoft.com",
            "partial answers of HTTP (byte ranges), for win32-apps",
            "Android Enterprise dependencies: FCM ports and your firewall <https://",
            "Windows Update for Business",
            "Endpoint analytics",
            "Win32 content download",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
        let text = about("power-automate", catalogue.about("power-automate").unwrap());
        assert!(
            text.contains("Logic Apps") && text.contains("Connectors"),
            "{text}"
        );
    }

    #[test]
    fn a_set_without_ports_says_so() {
        let json = r#"{"source":"x","key":"x:1","description":"","category":"Allow","required":false,
            "expressRoute":false,"urls":["a.b"],"ips":[]}"#;
        let set: EndpointSet = serde_json::from_str(json).unwrap();
        assert_eq!(ports(&set), NO_PORTS);
    }
}
