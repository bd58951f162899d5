//! One row or one item of a list, before it is parsed.
//!
//! In: what tables and lists hold. Out: a [`SetRecord`] with its place in the page.

use super::{place, port::RowPorts};
use crate::catalogue::{record::SetRecord, set::Category};

/// One row or item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) line: u32,
    pub(super) id: Option<u32>,
    pub(super) description: String,
    pub(super) category: Option<Category>,
    pub(super) required: Option<bool>,
    pub(super) express_route: bool,
    pub(super) names: Vec<String>,
    pub(super) prefixes: Vec<String>,
    pub(super) ports: RowPorts,
    /// Whether its table has a column of ports, so that the prose around it does not count.
    pub(super) has_ports: bool,
    pub(super) notes: Vec<String>,
    pub(super) lost: Option<String>,
    /// Remarks with the names that they stand beside.
    pub(super) remarks: Vec<(String, Vec<String>)>,
    pub(super) region: Option<String>,
    pub(super) cloud_text: String,
    pub(super) scale_units: Vec<String>,
    pub(super) storage: Vec<String>,
}

impl Entry {
    /// The record of the entry, but for its key, in the section of this path and headings.
    pub(super) fn into_record(self, source: &str, path: &str, required: bool) -> SetRecord {
        let text = format!(
            "{} {} {}",
            self.cloud_text,
            self.description,
            self.notes.join(" ")
        );
        let region = self.region.clone().or_else(|| {
            let names = self.storage.iter().chain(&self.names);
            let named = || place::region_of_names(names).map(str::to_owned);
            let tab = path.split('/').find_map(place::region).map(str::to_owned);
            tab.or_else(named)
        });
        let remarks = self.remarks.iter().map(|(remark, _)| remark.clone());
        let mut notes: Vec<_> = self.notes.iter().cloned().chain(remarks).collect();
        notes.dedup();
        SetRecord {
            source: source.to_owned(),
            id: self.id,
            description: self.description,
            section: Some(path.to_owned()).filter(|path| !path.is_empty()),
            category: self.category.unwrap_or(Category::Default).to_string(),
            required: self.required.unwrap_or(required),
            express_route: self.express_route,
            urls: self.names,
            ips: self.prefixes,
            tcp_ports: Some(self.ports.tcp).filter(|ports| !ports.is_empty()),
            udp_ports: Some(self.ports.udp).filter(|ports| !ports.is_empty()),
            notes: Some(notes.join("; ")).filter(|notes| !notes.is_empty()),
            lost: self.lost,
            clouds: place::clouds(path, &text),
            region,
            scale_units: self.scale_units,
            storage: self.storage,
            line: Some(self.line),
            ..SetRecord::default()
        }
    }
}
