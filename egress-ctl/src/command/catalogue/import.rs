//! `egress-ctl catalogue import`: reads a source from a file.
//!
//! In: a page or the data of a service. Out: a table, one JSON object a row, or TOML that egress
//! reads again; findings on standard error.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::say_findings;
use crate::{
    catalogue::{
        listing::table,
        page::{Page, PageText},
        record::SetRecord,
        set::EndpointSet,
        source::{file, format::Format},
    },
    command::output::{json_line, room},
    schema::Kind,
};

/// Which file to read, and how.
#[derive(Debug, Args)]
pub struct Import {
    /// File to read; - is standard input
    file: PathBuf,
    /// What the file is; without it what it seems to be
    #[arg(long, value_enum)]
    from: Option<Format>,
    /// Name of the source; without it the name of the file
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Print one JSON object a row, a line each
    #[arg(long, conflicts_with = "toml")]
    json: bool,
    /// Print TOML that egress reads again
    #[arg(long)]
    toml: bool,
    /// With --toml: leave out the document's own words, descriptions and remarks
    #[arg(long, requires = "toml")]
    facts: bool,
}

impl Import {
    /// The text to print.
    pub(super) fn render(&self) -> Result<String> {
        let page = read(&self.file, self.from, self.source.as_deref())?;
        say_findings(&self.file, &page.findings);
        if self.json {
            return lines(&page);
        }
        if self.toml {
            let text = PageText::new(&page, self.facts);
            let head = if self.facts { HEAD } else { "" };
            return Ok(format!("{head}{}", toml::to_string_pretty(&text)?));
        }
        Ok(table(&page.sets.iter().collect::<Vec<_>>(), room()))
    }
}

/// Reads a source from a file, in the format that its text seems to have where none is given.
pub(super) fn read(path: &Path, format: Option<Format>, source: Option<&str>) -> Result<Page> {
    let text = file::read(path)?;
    let source = source.map_or_else(|| source_name(path), str::to_owned);
    let format = format.unwrap_or_else(|| Format::guessed(&text));
    let page = format.read(&text, &source);
    let page = page.with_context(|| path.display().to_string())?;
    if page.sets.iter().all(|set| set.extra) {
        let first = page
            .findings
            .first()
            .map(|finding| format!(": {}", finding.message));
        bail!(
            "{}: no endpoints in it{}",
            path.display(),
            first.unwrap_or_default()
        );
    }
    Ok(page)
}

/// Above data without words.
const HEAD: &str =
    "# Made by `egress-ctl catalogue import PAGE --from learn --toml --facts`: do not edit.\n\n";

/// The name of a file as the name of a source.
fn source_name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name: String = stem
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let name = name.trim_matches('-').to_lowercase();
    if name.is_empty() {
        "import".to_owned()
    } else {
        name
    }
}

/// Of what `--json` prints.
pub(super) const KIND: Kind = Kind::of::<Row<'_>>(
    "egress.catalogue-row/1",
    "egress-ctl catalogue import --json, a line a row",
);

/// One row as JSON; every key is always there.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    schema: &'static str,
    /// Headings above the row, from the outermost.
    section: &'a str,
    /// The path that selectors know.
    path: Option<String>,
    key: String,
    id: Option<u32>,
    description: String,
    category: String,
    required: bool,
    express_route: bool,
    urls: Vec<String>,
    ips: Vec<String>,
    tcp_ports: String,
    udp_ports: String,
    notes: Option<String>,
    lost: Option<String>,
    cloud: Option<String>,
    region: Option<String>,
    scale_units: Vec<String>,
    demands: Vec<String>,
    line: Option<u32>,
}

impl<'a> Row<'a> {
    fn new(set: &EndpointSet, section: &'a str) -> Self {
        let demands = set.demands.iter().map(ToString::to_string).collect();
        let record = SetRecord::from(set.clone());
        Self {
            schema: KIND.name,
            section,
            path: record.section,
            key: record.key,
            id: record.id,
            description: record.description,
            category: record.category,
            required: record.required,
            express_route: record.express_route,
            urls: record.urls,
            ips: record.ips,
            tcp_ports: record.tcp_ports.unwrap_or_default(),
            udp_ports: record.udp_ports.unwrap_or_default(),
            notes: record.notes,
            lost: record.lost,
            cloud: (!record.clouds.is_empty()).then(|| record.clouds.join(",")),
            region: record.region,
            scale_units: record.scale_units,
            demands,
            line: record.line,
        }
    }
}

fn lines(page: &Page) -> Result<String> {
    let mut text = String::new();
    let empty = String::new();
    for (at, set) in page.sets.iter().enumerate().filter(|(_, set)| !set.extra) {
        let section = page.headings.get(at).unwrap_or(&empty);
        text += &json_line(&Row::new(set, section))?;
        text.push('\n');
    }
    Ok(text)
}
