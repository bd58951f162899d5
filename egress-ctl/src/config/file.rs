//! Sources of kind `file`: a page, or the data of a service, that lies on this machine.
//!
//! In: a `[source.NAME]` table. Out: what the file holds; problems name the table's keys.

use std::path::Path;

use clap::{ValueEnum as _, builder::PossibleValue};
use toml::Spanned;

use super::{problem::Problems, raw::RawSource};
use crate::catalogue::{
    finding::Severity,
    page::Page,
    ports::Ports,
    source::{file, format::Format},
};

/// The page of a source; nothing of one with problems.
pub(super) fn page(name: &str, raw: &RawSource, problems: &mut Problems<'_>) -> Page {
    let key = |key: &str| format!("source.{name}.{key}");
    let Some(path) = &raw.path else {
        if !problems.excuses(&key("path")) {
            let message = "is missing: name the file that holds the source";
            problems.add(raw.kind_span(), &key("path"), message);
        }
        return Page::default();
    };
    let format = match &raw.format {
        None => None,
        Some(word) => match Format::from_str(word.get_ref(), true) {
            Ok(format) => Some(format),
            Err(_) => {
                let known = Format::value_variants().iter();
                let known: Vec<_> = known.filter_map(Format::to_possible_value).collect();
                let known: Vec<_> = known.iter().map(PossibleValue::get_name).collect();
                problems.unknown(word, &key("format"), "format", &known);
                return Page::default();
            }
        },
    };
    let mut page = match read(Path::new(path.get_ref()), format, name) {
        Ok(page) => page,
        Err(fault) => {
            problems.add(path.span(), &key("path"), fault);
            return Page::default();
        }
    };
    add_ports(name, raw, &mut page, problems);
    page
}

/// Gives the ports of the table to the sets for which their source names none.
pub(super) fn add_ports(name: &str, raw: &RawSource, page: &mut Page, problems: &mut Problems<'_>) {
    let key = |key: &str| format!("source.{name}.{key}");
    let tcp = ports(raw.tcp_ports.as_ref(), &key("tcp-ports"), problems);
    let udp = ports(raw.udp_ports.as_ref(), &key("udp-ports"), problems);
    for set in page.sets.iter_mut().filter(|set| set.is_portless()) {
        set.tcp_ports.clone_from(&tcp);
        set.udp_ports.clone_from(&udp);
    }
}

/// The sets of a file. What it loses by a mistake would be missed, so mistakes refuse it.
fn read(path: &Path, format: Option<Format>, name: &str) -> Result<Page, String> {
    let text = file::read(path).map_err(|fault| fault.to_string())?;
    let format = format.unwrap_or_else(|| Format::guessed(&text));
    let page = format
        .read(&text, name)
        .map_err(|fault| fault.to_string())?;
    let worst = page
        .findings
        .iter()
        .find(|finding| finding.severity == Severity::Error);
    if let Some(finding) = worst {
        let line = finding
            .line
            .map(|line| format!(":{line}"))
            .unwrap_or_default();
        return Err(format!("{}{line}: {}", path.display(), finding.message));
    }
    if page.sets.is_empty() {
        return Err(format!("{}: no endpoints in it", path.display()));
    }
    Ok(page)
}

/// Ports for sets whose source names none.
fn ports(raw: Option<&Spanned<String>>, key: &str, problems: &mut Problems<'_>) -> Ports {
    let Some(raw) = raw else {
        return Ports::default();
    };
    raw.get_ref().parse().unwrap_or_else(|fault| {
        problems.add(raw.span(), key, fault);
        Ports::default()
    })
}
