//! A table of endpoints as rows.
//!
//! In: a table and the section that it stands in. Out: an [`Entry`] a row, and findings about what
//! could not be read.

use super::{
    address::{Addresses, addresses},
    block::{Row, Table},
    column::{Column, columns},
    entry::Entry,
    finding, place,
    port::{RowPorts, cell_ports},
    rich::Rich,
    word::{Need, category, need, yes},
};
use crate::catalogue::finding::Finding;

/// The entries of a table; nothing for a table that lists no endpoints.
pub(super) fn entries(table: &Table, findings: &mut Vec<Finding>) -> Vec<Entry> {
    let columns = columns(table);
    if !columns.contains(&Column::Addresses) {
        return Vec::new();
    }
    let rows = table.rows.iter().skip(1);
    rows.filter_map(|row| entry(row, &columns, findings))
        .collect()
}

/// The cells of a row by what they hold.
struct Cells<'a> {
    row: &'a Row,
    columns: &'a [Column],
}

impl<'a> Cells<'a> {
    fn of(&self, wanted: Column) -> impl Iterator<Item = &'a Rich> {
        let pairs = self.columns.iter().zip(&self.row.cells);
        pairs
            .filter(move |(column, _)| **column == wanted)
            .map(|(_, cell)| cell)
    }

    fn lines(&self, wanted: Column) -> Vec<String> {
        self.of(wanted)
            .flat_map(|cell| cell.lines.iter().cloned())
            .collect()
    }

    fn text(&self, wanted: Column) -> String {
        self.of(wanted)
            .map(Rich::joined)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

fn entry(row: &Row, columns: &[Column], findings: &mut Vec<Finding>) -> Option<Entry> {
    let cells = Cells { row, columns };
    let found = addresses(&cells.lines(Column::Addresses));
    wrong_addresses(&found, row.line, findings);
    if found.names.is_empty() && found.prefixes.is_empty() {
        if row.cells.iter().any(|cell| !cell.is_empty()) && found.wrong.is_empty() {
            findings.push(finding::no_address(row.line));
        }
        return None;
    }
    let mut entry = Entry {
        line: row.line,
        description: cells.text(Column::Description),
        names: found.names.clone(),
        prefixes: found.prefixes.clone(),
        remarks: found.remarks.clone(),
        express_route: yes(&cells.text(Column::ExpressRoute)),
        region: place::region(&cells.text(Column::Region)).map(str::to_owned),
        cloud_text: cells.text(Column::Cloud),
        scale_units: scale_units(&cells),
        storage: addresses(&cells.lines(Column::Storage)).labels,
        ports: ports(&cells, row.line, findings),
        has_ports: columns
            .iter()
            .any(|c| matches!(c, Column::Ports | Column::Protocols)),
        ..Entry::default()
    };
    entry.id = id(&cells.text(Column::Id), row.line, findings);
    take_category(&cells, &mut entry, findings);
    let notes = cells.text(Column::Notes);
    entry.notes.extend((!notes.is_empty()).then_some(notes));
    other_words(&found, &mut entry, findings);
    Some(entry)
}

fn wrong_addresses(found: &Addresses, line: u32, findings: &mut Vec<Finding>) {
    findings.extend(found.wrong.iter().map(|text| finding::no_name(line, text)));
    findings.extend(
        found
            .placeholders
            .iter()
            .map(|name| finding::placeholder(line, name)),
    );
}

fn id(text: &str, line: u32, findings: &mut Vec<Finding>) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    let id = text.parse().ok();
    if id.is_none() {
        findings.push(finding::no_id(line, text));
    }
    id
}

fn scale_units(cells: &Cells<'_>) -> Vec<String> {
    let words = addresses(&cells.lines(Column::ScaleUnits)).labels;
    words
        .into_iter()
        .filter(|word| place::is_scale_unit(word))
        .collect()
}

fn ports(cells: &Cells<'_>, line: u32, findings: &mut Vec<Finding>) -> RowPorts {
    // A protocol stands before its ports: `TCP` and `443` in two cells are `TCP 443`.
    let protocols = cells.text(Column::Protocols);
    let lines = cells.lines(Column::Ports);
    let lines = match protocols.as_str() {
        "" => lines,
        protocols if lines.iter().all(|line| line.trim().is_empty()) => vec![protocols.to_owned()],
        protocols => lines
            .iter()
            .map(|line| format!("{protocols} {line}"))
            .collect(),
    };
    let ports = cell_ports(&lines);
    findings.extend(
        ports
            .wrong
            .iter()
            .map(|fault| finding::no_port(line, fault)),
    );
    let said = lines.iter().any(|line| !line.trim().is_empty());
    if said && ports.is_empty() && ports.wrong.is_empty() {
        findings.push(finding::no_port(
            line,
            &format!("{:?} names no port", lines.join(" ")),
        ));
    }
    ports
}

/// The category cell: category, whether it is required, and what is lost without it.
fn take_category(cells: &Cells<'_>, entry: &mut Entry, findings: &mut Vec<Finding>) {
    let mut rest = Vec::new();
    for line in cells.lines(Column::Category) {
        for part in line
            .split([',', ';'])
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            match (category(part), need(part)) {
                (Some(category), _) if entry.category.is_none() => entry.category = Some(category),
                (_, Some(said)) if entry.required.is_none() => {
                    entry.required = Some(said == Need::Required);
                }
                _ => rest.push(part.to_owned()),
            }
        }
    }
    let required = cells.text(Column::Required);
    if let Some(said) = need(&required) {
        entry.required = Some(said == Need::Required);
    } else if !required.is_empty() {
        entry.required = Some(yes(&required));
    }
    let text = rest.join(", ");
    let text = text
        .split_once(':')
        .map_or(text.as_str(), |(_, lost)| lost)
        .trim();
    if !text.is_empty() {
        entry.lost = Some(text.to_owned());
    }
    if cells.of(Column::Category).any(|cell| !cell.is_empty())
        && entry.category.is_none()
        && entry.required.is_none()
    {
        findings.push(finding::no_category(
            entry.line,
            &cells.text(Column::Category),
        ));
    }
}

/// Words between addresses are remarks, unless they only join them.
fn other_words(found: &Addresses, entry: &mut Entry, findings: &mut Vec<Finding>) {
    let joint = |word: &&String| {
        !["and", "or", "und", "oder", "et", "y", "e", "-", "–", "&"].contains(&word.as_str())
    };
    let words: Vec<_> = found
        .labels
        .iter()
        .filter(joint)
        .map(String::as_str)
        .collect();
    if !words.is_empty() {
        let words = words.join(" ");
        findings.push(finding::words(entry.line, &words));
        entry.notes.push(words);
    }
}
