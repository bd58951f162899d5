//! A page from its first block to its last.
//!
//! In: blocks. Out: a [`Page`].

use std::collections::HashMap;

use super::{
    address::{Labelled, entry, labelled, names_in},
    block::{Block, Content, blocks},
    entry::Entry,
    finding,
    front::front,
    place,
    port::{ProsePorts, prose_ports},
    prose,
    rich::{Link, Rich},
    section::Sections,
    table,
    word::{Need, need},
};
use crate::catalogue::{
    demand::Demand,
    page::{Page, Reference},
    record::SetRecord,
    set::EndpointSet,
    sound::sound,
    source::Keys,
};

/// Reads a page.
pub(super) fn read(text: &str, source: &str) -> Page {
    let front = front(text);
    let mut reader = Reader::new(source);
    reader.page.about.document = front.title;
    reader.page.about.date = front.date;
    for block in blocks(text, front.end) {
        reader.block(block);
    }
    reader.finish()
}

struct Reader<'a> {
    source: &'a str,
    keys: Keys<'a>,
    ordinals: HashMap<String, u32>,
    sections: Sections,
    page: Page,
    demands: Vec<Demand>,
    /// Demands of remarks, which hold for one set.
    own: Vec<(usize, Demand)>,
    /// The part of the page that may be a reference: a heading or a label, and its links.
    part: Part,
    /// Optional ports of sections.
    extras: Vec<(String, u32, ProsePorts)>,
}

/// A heading or a label, with what stands below it.
#[derive(Default)]
struct Part {
    about: String,
    line: u32,
    links: Vec<(u32, Link)>,
    has_sets: bool,
    has_text: bool,
    is_label: bool,
}

impl<'a> Reader<'a> {
    fn new(source: &'a str) -> Self {
        Self {
            source,
            keys: Keys::new(source),
            ordinals: HashMap::new(),
            sections: Sections::default(),
            page: Page::default(),
            demands: Vec::new(),
            own: Vec::new(),
            part: Part::default(),
            extras: Vec::new(),
        }
    }

    fn block(&mut self, Block { line, content }: Block) {
        match content {
            Content::Heading(level, text) => {
                self.sections.enter(level, &text);
                self.next_part(line, text.joined(), false);
            }
            Content::Rule => self.sections.end_tabs(),
            Content::Paragraph(text) if text.is_label() => {
                let about = text.joined().trim_end_matches(':').to_owned();
                self.next_part(line, about, true);
            }
            Content::Paragraph(text) => self.paragraph(line, &text),
            Content::Item(text) => self.item(line, &text),
            Content::Table(table) => {
                let entries = table::entries(&table, &mut self.page.findings);
                entries.into_iter().for_each(|entry| self.add(entry));
            }
        }
    }

    fn paragraph(&mut self, line: u32, text: &Rich) {
        let prose = text.joined();
        if is_table_like(&prose) {
            self.page.findings.push(finding::not_a_table(line));
        }
        self.prose(line, text, &prose);
        let ports = prose_ports(&prose);
        if !ports.optional.is_empty() {
            let path = self.sections.path();
            self.extras.push((path, line, ports.clone()));
        }
        if let Some(section) = self.sections.current().filter(|_| !ports.needed.is_empty()) {
            section.ports = ports;
        }
    }

    /// Demands and links of running text.
    fn prose(&mut self, line: u32, text: &Rich, prose: &str) {
        self.demands
            .extend(prose::demands(prose, &self.sections.path(), line));
        let outside = text
            .links
            .iter()
            .filter(|link| !link.url.starts_with('#') && !link.url.is_empty());
        self.part
            .links
            .extend(outside.map(|link| (line, link.clone())));
        self.part.has_text = true;
    }

    fn item(&mut self, line: u32, text: &Rich) {
        if let Some(Labelled {
            label,
            names,
            tcp_ports,
        }) = labelled(&text.lines)
        {
            let mut entry = Entry {
                line,
                names,
                description: label,
                ..Entry::default()
            };
            entry.ports.tcp = tcp_ports;
            return self.add(entry);
        }
        let Some((names, remark)) = entry(&text.lines) else {
            let prose = text.joined();
            let names = names_in(&prose);
            if !names.is_empty() {
                self.page
                    .findings
                    .push(finding::names_in_prose(line, &names));
            }
            self.prose(line, text, &prose);
            return;
        };
        let mut entry = Entry {
            line,
            names,
            notes: remark.into_iter().collect(),
            ..Entry::default()
        };
        // What an item says of itself counts more than what the section says.
        entry.ports = prose_ports(&entry.notes.join(" ")).needed;
        self.add(entry);
    }

    fn add(&mut self, mut entry: Entry) {
        if entry.ports.is_empty() && !entry.has_ports {
            entry.ports = self.sections.ports().needed;
        }
        let at = self.page.sets.len();
        for (remark, names) in &entry.remarks {
            let all = prose::demands(remark, "", entry.line).into_iter();
            self.own
                .extend(all.map(|demand| (at, beside(demand, names))));
        }
        let path = self.sections.path();
        let title = self.sections.title();
        let required = title.split_whitespace().next().and_then(need) == Some(Need::Required);
        let record = entry.into_record(self.source, &path, required);
        self.push(record);
        self.part.has_sets = true;
    }

    fn push(&mut self, mut record: SetRecord) {
        let section = record.section.clone().unwrap_or_default();
        let local = match record.id {
            Some(id) => id.to_string(),
            None => {
                let ordinal = self.ordinals.entry(section.clone()).or_default();
                *ordinal += 1;
                let dash = if section.is_empty() { "" } else { "/" };
                format!("{section}{dash}{ordinal}")
            }
        };
        record.key = self.keys.next(local);
        if record.clouds.is_empty() {
            let title = self.page.about.document.as_deref().unwrap_or_default();
            record.clouds = place::clouds("", title);
        }
        record.document.clone_from(&self.page.about.document);
        record.date = self.page.about.date;
        if let Some(set) = sound(record, &mut self.page.findings) {
            let headings = self.sections.titles().join(" > ");
            self.page.sets.push(set);
            self.page.headings.push(headings);
        }
    }

    /// Ends a part. What lists no endpoints but links to pages is a reference, and so is a label
    /// below which there is only text.
    fn next_part(&mut self, line: u32, about: String, is_label: bool) {
        let next = Part {
            about,
            line,
            is_label,
            ..Part::default()
        };
        let part = std::mem::replace(&mut self.part, next);
        if part.has_sets || part.about.is_empty() {
            return;
        }
        let references = &mut self.page.about.references;
        if part.links.is_empty() && part.is_label && part.has_text {
            references.push(Reference {
                about: part.about.clone(),
                title: None,
                page: None,
                line: Some(part.line),
            });
        }
        for (line, Link { text, url }) in part.links {
            // What an introduction links too is listed where it belongs.
            references.retain(|known| known.page.as_deref().map(document) != Some(document(&url)));
            references.push(Reference {
                about: part.about.clone(),
                title: Some(text).filter(|text| !text.is_empty()),
                page: Some(url),
                line: Some(line),
            });
        }
    }

    fn finish(mut self) -> Page {
        self.next_part(0, String::new(), false);
        self.add_extras();
        regions_of_scale_units(&mut self.page.sets);
        for (at, set) in self.page.sets.iter_mut().enumerate() {
            let own = self
                .own
                .iter()
                .filter(|(of, _)| *of == at)
                .map(|(_, demand)| demand);
            let of_page = self.demands.iter().filter_map(|demand| demand.of_set(set));
            let all: Vec<_> = own.cloned().chain(of_page).collect();
            set.demands = all;
        }
        self.page.about.demands = self.demands;
        self.page.findings.sort_by_key(|finding| finding.line);
        self.page
    }

    /// Optional ports become a set of their own in sections that list endpoints.
    fn add_extras(&mut self) {
        for (path, line, ports) in std::mem::take(&mut self.extras) {
            let listed = |set: &EndpointSet| set.section.as_deref() == Some(path.as_str());
            if path.is_empty() || !self.page.sets.iter().any(listed) {
                continue;
            }
            let text = |ports: String| Some(ports).filter(|ports| !ports.is_empty());
            let record = SetRecord {
                source: self.source.to_owned(),
                key: self.keys.next(format!("{path}/{PEERS}")),
                section: Some(format!("{path}/{PEERS}")),
                category: "Default".to_owned(),
                ips: PRIVATE.map(str::to_owned).to_vec(),
                tcp_ports: text(ports.optional.tcp),
                udp_ports: text(ports.optional.udp),
                extra: true,
                line: Some(line),
                document: self.page.about.document.clone(),
                date: self.page.about.date,
                ..SetRecord::default()
            };
            if let Ok(set) = EndpointSet::try_from(record) {
                self.page.sets.push(set);
                self.page.headings.push(String::new());
            }
        }
    }
}

/// The name of a set of optional ports.
const PEERS: &str = "peers";
/// Where peers of a client stand, as long as they share its site: the document names ports alone.
const PRIVATE: [&str; 4] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

/// A remark's demand holds for the names beside it that it means.
fn beside(mut demand: Demand, names: &[String]) -> Demand {
    demand.section = None;
    let meant = names.iter().filter(|name| match name.parse() {
        Ok(pattern) => demand.names.is_empty() || demand.concerns(&pattern),
        Err(_) => false,
    });
    let meant: Vec<_> = meant.cloned().collect();
    demand.names = meant;
    demand
}

/// A scale unit lies in one region, so a row without a region has that of its units.
fn regions_of_scale_units(sets: &mut [EndpointSet]) {
    let mut regions: HashMap<String, String> = HashMap::new();
    for set in sets.iter() {
        for unit in &set.scale_units {
            if let Some(region) = &set.region {
                regions.insert(unit.clone(), region.clone());
            }
        }
    }
    for set in sets.iter_mut().filter(|set| set.region.is_none()) {
        set.region = set
            .scale_units
            .iter()
            .find_map(|unit| regions.get(unit))
            .cloned();
    }
}

/// An address without its fragment.
fn document(url: &str) -> &str {
    url.split('#').next().unwrap_or(url)
}

/// Lines of cells and a line of dashes that the parser did not take for a table.
fn is_table_like(text: &str) -> bool {
    text.matches('|').count() >= 3
        && (text.contains("--|") || text.contains("-- |") || text.contains("|--"))
}
