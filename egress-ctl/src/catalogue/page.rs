//! A source as a whole: its endpoint sets and what else it says.
//!
//! In: what an importer found, or the TOML that egress itself writes. Out: a [`Page`]; and back.

use std::collections::HashMap;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    demand::Demand,
    fault::SetError,
    finding::Finding,
    record::SetRecord,
    set::{Category, EndpointSet},
};

/// What is known of a source besides its endpoint sets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
pub struct About {
    /// Title of the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// Day of the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
    /// What the document asks, also for names that no set lists.
    #[serde(default, rename = "demand", skip_serializing_if = "Vec::is_empty")]
    pub demands: Vec<Demand>,
    /// What the document leaves to other pages.
    #[serde(default, rename = "reference", skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
}

/// Something that the source needs and that another page lists.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// What it is about: the heading.
    pub about: String,
    /// What the document calls the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Where it stands, as the document links it; none where the document only describes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// Line of the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// A source as an importer read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// What is known of it as a whole.
    pub about: About,
    /// Its endpoint sets, in its order.
    pub sets: Vec<EndpointSet>,
    /// The headings above each set, as the document words them; only of documents.
    pub headings: Vec<String>,
    /// What could not be read, or looks wrong.
    pub findings: Vec<Finding>,
}

/// A page in our TOML.
#[derive(Debug, Deserialize, Serialize)]
pub struct PageText {
    #[serde(flatten)]
    about: About,
    #[serde(default)]
    set: Vec<SetRecord>,
}

impl PageText {
    /// The text of the sets of a page: without what the reader adds again, and without the
    /// document's own words where `facts` alone are wanted.
    pub fn new(page: &Page, facts: bool) -> Self {
        let text = |set: &EndpointSet| {
            let mut record = SetRecord::from(set.clone());
            record.source.clear();
            record.key = set.local_key().to_owned();
            record.document = None;
            record.date = None;
            if facts {
                record.description.clear();
                record.notes = None;
                record.lost = None;
            }
            record
        };
        Self {
            about: page.about.clone(),
            set: page.sets.iter().map(text).collect(),
        }
    }

    /// The page, as the source called `source`.
    ///
    /// # Errors
    /// The first value that cannot be parsed.
    pub fn into_page(self, source: &str) -> Result<Page, SetError> {
        let Self { about, set } = self;
        let mut keys = super::source::Keys::new(source);
        let mut in_section = HashMap::new();
        let sets = set.into_iter().map(|mut record| {
            let local = local_key(&record, &mut in_section);
            record.key = keys.next(local);
            source.clone_into(&mut record.source);
            record.document.clone_from(&about.document);
            record.date = about.date;
            if record.category.is_empty() {
                record.category = Category::Default.to_string();
            }
            record.try_into()
        });
        Ok(Page {
            sets: sets.collect::<Result<_, _>>()?,
            about,
            headings: Vec::new(),
            findings: Vec::new(),
        })
    }
}

/// The key as written, else the id, else section and ordinal.
fn local_key(record: &SetRecord, in_section: &mut HashMap<String, u32>) -> String {
    if !record.key.is_empty() {
        return record.key.clone();
    }
    if let Some(id) = record.id {
        return id.to_string();
    }
    let section = record.section.clone().unwrap_or_default();
    let ordinal = in_section.entry(section.clone()).or_default();
    *ordinal += 1;
    if section.is_empty() {
        ordinal.to_string()
    } else {
        format!("{section}/{ordinal}")
    }
}
