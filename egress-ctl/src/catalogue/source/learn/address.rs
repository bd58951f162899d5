//! Host names and prefixes in the text of a page.
//!
//! In: lines of a cell or of an item. Out: names, prefixes, the remarks around them, and what
//! looks like an address but is none.

use std::net::IpAddr;

use egress_common::pattern::NamePattern;
use ipnet::{IpNet, IpSubnets, Ipv4Subnets, Ipv6Subnets};

/// What a cell of addresses holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Addresses {
    /// Names as written, in order, without quotes and schemes.
    pub(super) names: Vec<String>,
    /// Prefixes as written.
    pub(super) prefixes: Vec<String>,
    /// Words that are neither: single labels, such as names of storage accounts.
    pub(super) labels: Vec<String>,
    /// Remarks in parentheses, each with the names of its line.
    pub(super) remarks: Vec<(String, Vec<String>)>,
    /// What looks like an address and is none.
    pub(super) wrong: Vec<String>,
    /// Names with a placeholder, for which a star stands now.
    pub(super) placeholders: Vec<String>,
}

/// One word of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Name(String),
    Prefix(String),
    Wrong(String),
    Other(String),
}

/// Reads the lines of a cell.
pub(super) fn addresses(lines: &[String]) -> Addresses {
    let mut found = Addresses::default();
    for line in lines {
        line_of(line, &mut found);
    }
    found
}

fn line_of(line: &str, found: &mut Addresses) {
    let (text, remarks) = without_remarks(line);
    let before = found.names.len();
    let text = ranges_as_prefixes(&text);
    for word in text.split([' ', '\t', '\u{a0}', ',', ';', '、', '，']) {
        match word_of(word) {
            Word::Name(name) => {
                let (name, placeholder) = without_placeholder(&name);
                if placeholder {
                    found.placeholders.push(name.clone());
                }
                found.names.push(name);
            }
            Word::Prefix(prefix) => found.prefixes.push(prefix),
            Word::Wrong(text) => found.wrong.push(text),
            Word::Other(text) if !text.is_empty() => found.labels.push(text),
            Word::Other(_) => {}
        }
    }
    let names = found.names.get(before..).unwrap_or_default().to_vec();
    let remarks = remarks.into_iter().map(|remark| (remark, names.clone()));
    found.remarks.extend(remarks);
}

/// The text without what stands in parentheses, and that.
fn without_remarks(line: &str) -> (String, Vec<String>) {
    let mut text = String::new();
    let mut remarks = Vec::new();
    let mut rest = line;
    while let Some((before, inside)) = rest.split_once(['(', '（']) {
        let Some((remark, after)) = inside.split_once([')', '）']) else {
            break;
        };
        text.push_str(before);
        text.push(' ');
        remarks.push(remark.trim().to_owned());
        rest = after;
    }
    text.push_str(rest);
    (text, remarks)
}

/// `192.0.2.0 - 192.0.2.31` becomes the prefixes that cover it exactly.
fn ranges_as_prefixes(text: &str) -> String {
    if !text.contains('-') && !text.contains('–') {
        return text.to_owned();
    }
    let parts = text
        .split([',', ';'])
        .map(|part| range(part).map_or_else(|| part.to_owned(), |prefixes| prefixes.join(", ")));
    parts.collect::<Vec<_>>().join(",")
}

fn range(text: &str) -> Option<Vec<String>> {
    let (first, last) = text.split_once(['-', '–'])?;
    let subnets = match (first.trim().parse().ok()?, last.trim().parse().ok()?) {
        (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => {
            IpSubnets::from(Ipv4Subnets::new(first, last, 0))
        }
        (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => {
            IpSubnets::from(Ipv6Subnets::new(first, last, 0))
        }
        _ => return None,
    };
    Some(subnets.map(|subnet| subnet.to_string()).collect())
}

const QUOTES: [char; 10] = ['\'', '"', '`', '‘', '’', '“', '”', '„', '«', '»'];

fn word_of(word: &str) -> Word {
    let word = word.trim_matches(QUOTES);
    let word = word
        .trim_end_matches([':', '.', '!', '?', '。'])
        .trim_matches(QUOTES);
    let Some(host) = host_part(word) else {
        return Word::Other(word.to_owned());
    };
    if word.parse::<IpNet>().is_ok() || word.parse::<IpAddr>().is_ok() {
        return Word::Prefix(word.to_owned());
    }
    if host.parse::<IpAddr>().is_ok() && !word.contains("://") && word.contains('/') {
        return Word::Wrong(word.to_owned());
    }
    if looks_numeric(host) {
        return Word::Wrong(word.to_owned());
    }
    if is_name(host) {
        return Word::Name(host.to_owned());
    }
    if looks_like_name(host) {
        return Word::Wrong(word.to_owned());
    }
    Word::Other(word.to_owned())
}

/// `https://host:443/path` without all but the host.
fn host_part(word: &str) -> Option<&str> {
    let host = match word.split_once("://") {
        Some(("http" | "https" | "HTTP" | "HTTPS" | "wss" | "ws", host)) => host,
        Some(_) => return None,
        None => word,
    };
    if host.contains("::") || host.matches(':').count() > 1 {
        return Some(host);
    }
    // `#-courier.example.org`: a leading `#` stands for a number.
    let end = host
        .char_indices()
        .find(|(at, c)| "/:?".contains(*c) || (*c == '#' && *at > 0));
    end.map_or(Some(host), |(at, _)| host.get(..at))
}

/// Digits and dots, or an IPv6 address with a length: an address that is wrong.
fn looks_numeric(host: &str) -> bool {
    let digits = |c: char| c.is_ascii_digit() || c == '.';
    let dotted = host.matches('.').count() >= 2 && host.chars().all(digits);
    let hex = |c: char| c.is_ascii_hexdigit() || ":./".contains(c);
    dotted || (host.matches(':').count() >= 2 && host.chars().all(hex))
}

/// Whether a word is a host name, by its form: it has a dot, and its last label is no number.
pub(super) fn is_name(word: &str) -> bool {
    let (plain, _) = without_placeholder(word);
    let Some((_, top)) = plain.trim_end_matches('.').rsplit_once('.') else {
        return false;
    };
    let top_is_name =
        top.len() >= 2 && (top.chars().all(|c| c.is_ascii_alphabetic()) || top.starts_with("xn--"));
    top_is_name && !FILES.contains(&top) && plain.parse::<NamePattern>().is_ok()
}

/// Endings of files, which prose names too.
const FILES: [&str; 12] = [
    "md", "exe", "dll", "msi", "ps1", "json", "xml", "png", "txt", "yml", "html", "csv",
];

/// Something with the domain of a name that is no name: `*.*.example.org`, `a..example.org`.
fn looks_like_name(host: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || "-_.*<>{}[]".contains(c);
    let top = host.rsplit('.').next().unwrap_or_default();
    host.matches('.').count() >= 2
        && host.chars().all(known)
        && top.len() >= 2
        && top.chars().all(|c| c.is_ascii_lowercase())
}

/// `<tenant>.example.org` with a star for its placeholder, and whether there was one.
fn without_placeholder(name: &str) -> (String, bool) {
    for (open, close) in [('<', '>'), ('{', '}'), ('[', ']')] {
        if let Some((head, rest)) = name.split_once(open)
            && let Some((_, tail)) = rest.split_once(close)
        {
            return (format!("{head}*{tail}"), true);
        }
    }
    match name.strip_prefix('#') {
        Some(tail) => (format!("*{tail}"), true),
        None => (name.to_owned(), false),
    }
}

/// The names in running text.
pub(super) fn names_in(text: &str) -> Vec<String> {
    let words = text.split(|c: char| c.is_whitespace() || ",;()".contains(c));
    words
        .filter_map(|word| match word_of(word) {
            Word::Name(name) => Some(without_placeholder(&name).0),
            _ => None,
        })
        .collect()
}

/// The names with which an item of a list begins, and its remark; none where it begins otherwise.
pub(super) fn entry(lines: &[String]) -> Option<(Vec<String>, Option<String>)> {
    let text = lines.join(" ");
    let mut rest = text.trim();
    let mut names = Vec::new();
    let mut colon = false;
    while let Some((word, after)) = first_word(rest) {
        match word_of(word.trim_end_matches([',', ';'])) {
            Word::Name(name) if names.is_empty() || is_entry_name(&name) => {
                if !is_entry_name(&name) {
                    return None;
                }
                names.push(without_placeholder(&name).0);
                rest = after;
                colon = word.ends_with(':');
                // Another name follows only behind a comma or where the item ends with names.
                if !word.ends_with([',', ';']) && !begins_with_name(after) {
                    break;
                }
            }
            _ => break,
        }
    }
    let remark = rest
        .trim_start_matches([' ', '-', '–', '—', ':', ','])
        .trim();
    let follows = rest.trim_start();
    let ends_well = colon || follows.is_empty() || follows.starts_with(['-', '–', '—', ':', '(']);
    if names.is_empty() || !ends_well {
        return None;
    }
    Some((names, (!remark.is_empty()).then(|| remark.to_owned())))
}

/// An item such as `Portal: https://host.example.org/path and https://other.example.org`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Labelled {
    pub(super) label: String,
    pub(super) names: Vec<String>,
    /// The ports of the schemes, `443` and `80`.
    pub(super) tcp_ports: String,
}

/// The URLs behind a label; none where the item says anything else.
pub(super) fn labelled(lines: &[String]) -> Option<Labelled> {
    /// Letters of a word that joins two URLs: and, und, oder.
    const JOINT_MAX: usize = 4;

    let text = lines.join(" ");
    let (label, rest) = text.split_once(": ")?;
    let (mut names, mut ports) = (Vec::new(), Vec::new());
    for word in rest.split_whitespace() {
        let word = word.trim_end_matches([',', ';']);
        let port = match word.split_once("://") {
            Some(("https" | "HTTPS", _)) => "443",
            Some(("http" | "HTTP", _)) => "80",
            Some(_) => return None,
            None if word.len() <= JOINT_MAX && word.chars().all(char::is_alphabetic) => continue,
            None => return None,
        };
        let Word::Name(name) = word_of(word) else {
            return None;
        };
        names.push(without_placeholder(&name).0);
        if !ports.contains(&port) {
            ports.push(port);
        }
    }
    if names.is_empty() || !names_in(label).is_empty() {
        return None;
    }
    Some(Labelled {
        label: label.trim().to_owned(),
        names,
        tcp_ports: ports.join(","),
    })
}

fn first_word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn begins_with_name(text: &str) -> bool {
    first_word(text).is_some_and(|(word, _)| matches!(word_of(word), Word::Name(_)))
}

/// Names in lists have three labels or are in lower case: `ASP.NET` begins a sentence.
fn is_entry_name(name: &str) -> bool {
    name.matches('.').count() >= 2 || !name.contains(|c: char| c.is_ascii_uppercase())
}

#[cfg(test)]
mod tests;
