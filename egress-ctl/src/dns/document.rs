//! Learned addresses as a file: what `dns export` writes, `dns import` reads, and the daemon keeps for the time
//! after a reboot.
//!
//! JSON lines: a header, then an address a line, with patterns as texts and expiries as times of the wall
//! clock, so that it means the same on another machine. What comes in is somebody's file: every line is
//! checked, and one that is wrong keeps the whole file out.

use std::{
    fmt, iter,
    net::{IpAddr, SocketAddr},
};

use egress_common::pattern::NamePattern;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    known::Known,
    names::{Line, Naming},
};
use crate::schema::Kind;

/// Format of the file.
const SCHEMA: &str = "egress.dns/1";
/// Of the file, line by line.
pub(super) const KIND: Kind = Kind::of::<Row>(SCHEMA, "egress-ctl dns export, line by line");
/// Faults of one file that are told.
const FAULTS: usize = 20;

/// A line.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(untagged)]
enum Row {
    /// The first one.
    Header(Header),
    /// Any other.
    Address(Raw),
}

/// First line.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// `egress.dns/1`.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: String,
    /// When it was written.
    pub exported: Timestamp,
}

/// An address, as a line of the file.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    address: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client: Option<IpAddr>,
    teachings: Vec<RawTeaching>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    names: Vec<Naming>,
    /// For who reads it; an import counts anew.
    #[serde(default)]
    hits: u64,
    #[serde(default)]
    first_seen: Option<Timestamp>,
    #[serde(default)]
    last_seen: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTeaching {
    pattern: String,
    expires: String,
}

/// A file that was understood as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// When it was written.
    pub exported: Timestamp,
    /// Its addresses.
    pub addresses: Vec<Taught>,
}

/// An address, and what taught it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taught {
    /// The address.
    pub address: IpAddr,
    /// The client that it counts for; none where that is everybody.
    pub client: Option<IpAddr>,
    /// Patterns, and until when.
    pub teachings: Vec<(NamePattern, Timestamp)>,
    /// Its names.
    pub names: Vec<Naming>,
}

/// All that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct DocumentError {
    faults: Vec<Fault>,
    more: usize,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    line: usize,
    what: String,
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing is imported; correct these lines, or take them out:")?;
        for Fault { line, what } in &self.faults {
            write!(f, "\n  line {line}: {what}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

/// The file of these addresses.
pub fn write(addresses: &[Known], exported: Timestamp) -> String {
    let header = Row::Header(Header {
        schema: SCHEMA.to_owned(),
        exported,
    });
    let addresses = addresses.iter().map(|known| Row::Address(Raw::of(known)));
    let mut text = String::new();
    for row in iter::once(header).chain(addresses) {
        // It is data that JSON can always hold.
        text += &serde_json::to_string(&row).unwrap_or_default();
        text.push('\n');
    }
    text
}

impl Raw {
    fn of(known: &Known) -> Self {
        let teachings = known.teachings.iter().map(|teaching| RawTeaching {
            pattern: teaching.pattern.clone(),
            expires: teaching.expires.to_string(),
        });
        Self {
            address: known.address.to_string(),
            client: known.client,
            teachings: teachings.collect(),
            names: known.names.clone(),
            hits: known.hits,
            first_seen: Some(known.first_seen),
            last_seen: Some(known.last_seen),
        }
    }
}

/// Reads a file.
///
/// # Errors
/// All lines that are wrong, and in which key.
pub fn read(text: &str) -> Result<Document, DocumentError> {
    let mut faults = Vec::new();
    let mut lines = (1..).zip(text.lines());
    let exported = match lines.next() {
        Some((line, text)) => header(text).map_err(|what| faults.push(Fault { line, what })),
        None => {
            let what = format!("the file is empty; it begins with {{\"schema\":\"{SCHEMA}\",…}}");
            faults.push(Fault { line: 1, what });
            Err(())
        }
    };
    let mut addresses = Vec::new();
    // Without its header nobody knows what the lines mean.
    if exported.is_ok() {
        for (line, text) in lines.filter(|(_, text)| !text.trim().is_empty()) {
            match address(text) {
                Ok(taught) => addresses.push(taught),
                Err(what) => faults.push(Fault { line, what }),
            }
        }
    }
    match exported {
        Ok(exported) if faults.is_empty() => Ok(Document {
            exported,
            addresses,
        }),
        _ => {
            let more = faults.len().saturating_sub(FAULTS);
            faults.truncate(FAULTS);
            Err(DocumentError { faults, more })
        }
    }
}

fn header(text: &str) -> Result<Timestamp, String> {
    let header: Header = serde_json::from_str(text).map_err(|fault| {
        format!(
            "it is not the first line of an export ({fault}): write it by `egress-ctl dns export`"
        )
    })?;
    match header.schema == SCHEMA {
        true => Ok(header.exported),
        false => Err(format!(
            "`schema` is {}, and this version reads {SCHEMA}: export it again by the same version",
            header.schema
        )),
    }
}

fn address(text: &str) -> Result<Taught, String> {
    let Raw {
        address,
        client,
        teachings,
        names,
        hits: _,
        first_seen: _,
        last_seen: _,
    } = serde_json::from_str(text).map_err(|fault| fault.to_string())?;
    if teachings.is_empty() {
        return Err("`teachings` is empty: nothing taught the address".to_owned());
    }
    let teachings = teachings.into_iter().enumerate();
    let teachings = teachings.map(|(place, raw)| teaching(place, &raw));
    Ok(Taught {
        address: parsed_address(&address)?,
        client,
        teachings: teachings.collect::<Result<_, _>>()?,
        names,
    })
}

fn parsed_address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| {
        let has_port = text.parse::<SocketAddr>().is_ok();
        let port = if has_port { ", without a port" } else { "" };
        format!("`address`: `{text}` is no address; write one such as 203.0.113.7{port}")
    })
}

fn teaching(place: usize, raw: &RawTeaching) -> Result<(NamePattern, Timestamp), String> {
    let RawTeaching { pattern, expires } = raw;
    let key = format!("teachings[{place}]");
    let named = pattern.parse();
    let named = named.map_err(|fault| format!("`{key}.pattern`: `{pattern}`: {fault}"))?;
    let until = expires.parse().map_err(|_| {
        format!("`{key}.expires`: `{expires}` is no time; write it as 2026-12-31T23:59:59Z")
    })?;
    Ok((named, until))
}

impl Document {
    /// The names in it.
    pub fn lines(&self) -> impl Iterator<Item = Line> {
        let named = self
            .addresses
            .iter()
            .filter(|taught| !taught.names.is_empty());
        named.map(|taught| Line::Address {
            address: taught.address,
            names: taught.names.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::known::Teaching;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn known() -> Known {
        let naming = Naming {
            name: "a.x.y".to_owned(),
            chain: vec!["edge.z".to_owned()],
            pattern: Some("*.x.y".to_owned()),
            ttl: 60,
            clients: vec!["10.0.0.1".parse().unwrap()],
            answers: 3,
            first: at("2026-11-22T08:00:00Z"),
            last: at("2026-11-22T08:10:00Z"),
        };
        Known {
            address: "203.0.113.7".parse().unwrap(),
            client: None,
            teachings: vec![Teaching {
                pattern: "*.x.y".to_owned(),
                groups: vec!["staging".to_owned()],
                sets: vec!["corp:1".to_owned()],
                expires: at("2026-11-22T09:00:00Z"),
                seconds_left: 3000,
            }],
            names: vec![naming],
            hits: 5,
            first_seen: at("2026-11-22T08:00:00Z"),
            last_seen: at("2026-11-22T08:10:00Z"),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let exported = at("2026-11-22T08:30:00Z");
        let document = read(&write(&[known()], exported)).unwrap();
        assert_eq!(document.exported, exported);
        let [taught] = document.addresses.as_slice() else {
            panic!("{document:?}");
        };
        assert_eq!(taught.address, known().address);
        assert_eq!(taught.names, known().names);
        let teaching = ("*.x.y".parse().unwrap(), at("2026-11-22T09:00:00Z"));
        assert_eq!(taught.teachings, [teaching]);
        assert_eq!(document.lines().count(), 1);
    }

    #[test]
    fn wrong_lines_are_named_with_their_keys() {
        let good = write(&[known()], at("2026-11-22T08:30:00Z"));
        let change = |from: &str, to: &str| good.replacen(from, to, 1);
        let table = [
            ("", "line 1: the file is empty"),
            ("<html>", "line 1: it is not the first line of an export"),
            ("{}", "line 1: it is not the first line"),
            (
                &change("dns/1", "dns/9"),
                "line 1: `schema` is egress.dns/9",
            ),
            (
                &change("203.0.113.7", "203.0.113.777"),
                "line 2: `address`: `203.0.113.777`",
            ),
            (&change("203.0.113.7", "203.0.113.7:443"), "without a port"),
            (
                &change("203.0.113.7", "203.0.113.0/24"),
                "line 2: `address`",
            ),
            (
                &change("\"*.x.y\",\"expires", "\"*\",\"expires"),
                "line 2: `teachings[0].pattern`: `*`",
            ),
            (
                &change("\"*.x.y\",\"expires", "\"a b\",\"expires"),
                "`teachings[0].pattern`: `a b`",
            ),
            (&change("T09:00:00Z", ""), "line 2: `teachings[0].expires`"),
            (
                &change("\"hits\"", "\"hit\""),
                "line 2: unknown field `hit`",
            ),
            (
                &change("\"address\"", "\"adress\""),
                "unknown field `adress`",
            ),
            (
                &change("\"hits\":5", "\"hits\":-5"),
                "line 2: invalid value",
            ),
            (&good[..good.len() - 9], "line 2: EOF while parsing"),
            (&format!("{good}null\n"), "line 3: invalid type: null"),
        ];
        for (text, expected) in table {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected} not in: {error}");
            assert!(error.contains("nothing is imported"), "{error}");
        }
        let none = good.replace(
            "[{\"pattern\":\"*.x.y\",\"expires\":\"2026-11-22T09:00:00Z\"}]",
            "[]",
        );
        let error = read(&none).unwrap_err().to_string();
        assert!(error.contains("`teachings` is empty"), "{error}");
    }

    #[test]
    fn of_many_faults_the_first_are_told() {
        let good = write(&[], at("2026-11-22T08:30:00Z"));
        let error = read(&format!("{good}{}", "x\n".repeat(50))).unwrap_err();
        assert_eq!((error.faults.len(), error.more), (FAULTS, 30));
        assert!(error.to_string().ends_with("and 30 more"), "{error}");
    }
}
