//! The web service's own formats.
//!
//! In: endpoint sets. Out: JSON or CSV with the service's keys alone. A set without an id, which
//! the service does not know, gets a number above all others.

use serde::Serialize;

use crate::catalogue::{record::SetRecord, set::EndpointSet};

/// A set as the service writes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WebSet {
    id: u32,
    service_area: String,
    service_area_display_name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    urls: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ips: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tcp_ports: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    udp_ports: Option<String>,
    express_route: bool,
    category: String,
    required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<String>,
}

fn web_sets(sets: &[&EndpointSet]) -> Vec<WebSet> {
    let highest = sets.iter().filter_map(|set| set.id).max().unwrap_or(0);
    let mut next = highest.saturating_add(1).max(FIRST_OWN);
    let mut number = |id: Option<u32>| {
        id.unwrap_or_else(|| {
            next += 1;
            next - 1
        })
    };
    let web = |set: &&EndpointSet| {
        let record = SetRecord::from((*set).clone());
        WebSet {
            id: number(record.id),
            service_area: record.service_area.unwrap_or_else(|| record.source.clone()),
            service_area_display_name: record.description,
            urls: record.urls,
            ips: record.ips,
            tcp_ports: record.tcp_ports,
            udp_ports: record.udp_ports,
            express_route: record.express_route,
            category: record.category,
            required: record.required,
            notes: record.notes,
        }
    };
    sets.iter().map(web).collect()
}

/// The first number of a set without one, far above the service's own.
const FIRST_OWN: u32 = 100_001;

pub(super) fn json(sets: &[&EndpointSet]) -> String {
    // Strings, numbers and lists of them always become JSON.
    serde_json::to_string_pretty(&web_sets(sets)).unwrap_or_default() + "\n"
}

pub(super) fn csv(sets: &[&EndpointSet]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let head = [
        "id",
        "serviceArea",
        "serviceAreaDisplayName",
        "urls",
        "ips",
        "tcpPorts",
        "udpPorts",
        "expressRoute",
        "category",
        "required",
        "notes",
    ];
    let rows = web_sets(sets).into_iter().map(|set| {
        let yes = |yes: bool| if yes { "True" } else { "False" }.to_owned();
        [
            set.id.to_string(),
            set.service_area,
            set.service_area_display_name,
            set.urls.join(","),
            set.ips.join(","),
            set.tcp_ports.unwrap_or_default(),
            set.udp_ports.unwrap_or_default(),
            yes(set.express_route),
            set.category,
            yes(set.required),
            set.notes.unwrap_or_default(),
        ]
    });
    for row in std::iter::once(head.map(str::to_owned)).chain(rows) {
        // Into memory, where nothing fails.
        let _: csv::Result<()> = writer.write_record(&row);
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}
