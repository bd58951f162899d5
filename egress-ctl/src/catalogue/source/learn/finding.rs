//! What the importer says of lines that it cannot read, or not wholly.

use crate::catalogue::finding::{Finding, Severity};

pub(super) fn no_name(line: u32, text: &str) -> Finding {
    let message = format!("{text:?} looks like a name or a prefix and is none; it is left out");
    Finding::at(Severity::Error, "address", line, message)
}

pub(super) fn placeholder(line: u32, name: &str) -> Finding {
    let message = format!("a placeholder is read as a star: {name}");
    Finding::at(Severity::Note, "placeholder", line, message)
}

pub(super) fn no_port(line: u32, fault: &str) -> Finding {
    Finding::at(Severity::Error, "port", line, format!("ports: {fault}"))
}

pub(super) fn no_id(line: u32, text: &str) -> Finding {
    let message = format!("{text:?} is no number of an endpoint set");
    Finding::at(Severity::Warning, "id", line, message)
}

pub(super) fn no_category(line: u32, text: &str) -> Finding {
    let message = format!("{text:?} is no category; the row counts as Default and optional");
    Finding::at(Severity::Warning, "category", line, message)
}

pub(super) fn no_address(line: u32) -> Finding {
    let message = "a row of a table of endpoints names no address; it is left out";
    Finding::at(Severity::Warning, "no-address", line, message)
}

pub(super) fn words(line: u32, words: &str) -> Finding {
    let message = format!("words between addresses are kept as a remark: {words:?}");
    Finding::at(Severity::Note, "words", line, message)
}

pub(super) fn not_a_table(line: u32) -> Finding {
    let message = "lines with pipes that are no table: head and line of dashes differ in their \
                   columns, or an empty line is missing before or within; they are not read";
    Finding::at(Severity::Error, "table", line, message)
}

pub(super) fn names_in_prose(line: u32, names: &[String]) -> Finding {
    let message = format!(
        "names within a sentence are not taken: {}",
        names.join(", ")
    );
    Finding::at(Severity::Note, "prose", line, message)
}
