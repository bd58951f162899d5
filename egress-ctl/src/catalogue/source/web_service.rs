//! The Microsoft 365 IP address and URL web service's answer to `/endpoints/{instance}`.
//!
//! In: its JSON, an array of sets. Out: endpoint sets. Keys that are not known here are ignored,
//! since the service may add some. A value that cannot be parsed refuses the whole answer of
//! [`sets`] and of [`published`]; to [`page`], which reads files of any origin, it is a finding with
//! its line.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::{Keys, SourceError};
use crate::catalogue::{
    fault::SetError,
    finding::{Finding, Severity},
    page::Page,
    record::SetRecord,
    set::{Category, EndpointSet},
    sound::sound,
};

/// What the service published, as far as it is understood.
#[derive(Debug)]
pub struct Published {
    /// The sets.
    pub sets: Vec<EndpointSet>,
    /// What is new in its form, and harmless.
    pub remarks: Vec<String>,
}

/// Why a text is not what the service publishes.
#[derive(Debug, thiserror::Error)]
pub enum PublishedError {
    /// No JSON, or JSON of another form.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A value cannot be parsed.
    #[error(transparent)]
    Set(#[from] SetError),
}

/// The sets of an answer of the service itself, which may have learned new words meanwhile.
///
/// # Errors
/// What is no such answer.
pub fn published(json: &str, source: &str) -> Result<Published, PublishedError> {
    let mut remarks = BTreeSet::new();
    for set in serde_json::from_str::<Vec<BTreeMap<String, IgnoredAny>>>(json)? {
        let unknown = set.into_keys().filter(|key| !KEYS.contains(&key.as_str()));
        remarks.extend(unknown.map(|key| format!("the key {key:?} is new and ignored")));
    }
    let sets: Vec<WireSet> = serde_json::from_str(json)?;
    let mut keys = Keys::new(source);
    let mut parse = |mut set: WireSet| -> Result<EndpointSet, SetError> {
        if set.category.parse::<Category>().is_err() {
            let (id, category) = (set.id, &set.category);
            remarks.insert(format!(
                "set {id}: the category {category:?} is new and counts as Default"
            ));
            set.category = Category::Default.to_string();
        }
        let key = keys.next(set.id.to_string());
        set.into_record(source, key).try_into()
    };
    let sets = sets.into_iter().map(&mut parse).collect::<Result<_, _>>()?;
    Ok(Published {
        sets,
        remarks: remarks.into_iter().collect(),
    })
}

/// The keys that are understood, which are those of [`WireSet`].
const KEYS: [&str; 11] = [
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

/// The sets of a JSON text, as sets of the source called `source`.
pub fn sets(json: &str, source: &str) -> Result<Vec<EndpointSet>, SourceError> {
    let sets: Vec<WireSet> = serde_json::from_str(json).map_err(|fault| {
        let origin = source.to_owned();
        SourceError::Json { origin, fault }
    })?;
    let mut keys = Keys::new(source);
    let parse = |set: WireSet| {
        let key = keys.next(set.id.to_string());
        Ok(set.into_record(source, key).try_into()?)
    };
    sets.into_iter().map(parse).collect()
}

/// All that can be read of a JSON text, as the source called `source`.
pub(super) fn page(json: &str, source: &str) -> Result<Page, SourceError> {
    let sets: Vec<&RawValue> = serde_json::from_str(json).map_err(|fault| {
        let origin = source.to_owned();
        SourceError::Json { origin, fault }
    })?;
    let mut page = Page::default();
    let mut keys = Keys::new(source);
    let mut lines = Lines::new(json);
    for set in sets {
        let line = lines.of(set.get());
        match serde_json::from_str::<WireSet>(set.get()) {
            Ok(set) => {
                let key = keys.next(set.id.to_string());
                let mut record = set.into_record(source, key);
                record.line = Some(line);
                page.sets.extend(sound(record, &mut page.findings));
            }
            Err(fault) => {
                let finding = Finding::at(Severity::Error, "set", line, fault.to_string());
                page.findings.push(finding);
            }
        }
    }
    Ok(page)
}

/// Lines of parts of a text, asked for in order.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: u32,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            line: 1,
        }
    }

    fn of(&mut self, part: &str) -> u32 {
        let at = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let between = self.text.get(self.at..at).unwrap_or_default();
        self.line += between.matches('\n').count() as u32;
        self.at = at;
        self.line
    }
}

/// One element of the array.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireSet {
    id: u32,
    service_area: String,
    service_area_display_name: Option<String>,
    #[serde(default)]
    urls: Vec<String>,
    #[serde(default)]
    ips: Vec<String>,
    tcp_ports: Option<String>,
    udp_ports: Option<String>,
    express_route: bool,
    category: String,
    required: bool,
    notes: Option<String>,
}

impl WireSet {
    fn into_record(self, source: &str, key: String) -> SetRecord {
        let Self {
            id,
            service_area,
            service_area_display_name,
            urls,
            ips,
            tcp_ports,
            udp_ports,
            express_route,
            category,
            required,
            notes,
        } = self;
        SetRecord {
            source: source.to_owned(),
            key,
            id: Some(id),
            description: service_area_display_name.unwrap_or_else(|| service_area.clone()),
            section: None,
            service_area: Some(service_area),
            category,
            required,
            express_route,
            urls,
            ips,
            tcp_ports,
            udp_ports,
            notes: notes.filter(|notes| !notes.is_empty()),
            ..SetRecord::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A set as the service writes it, with `key` set to `value`, or left out where that is null.
    fn answer(key: &str, value: Value) -> String {
        let mut set = json!({
            "id": 11, "serviceArea": "Skype", "serviceAreaDisplayName": "Microsoft Teams",
            "ips": ["52.112.0.0/14"], "udpPorts": "3478,3479",
            "expressRoute": true, "category": "Optimize", "required": true,
        });
        let keys = set.as_object_mut().unwrap();
        match value {
            Value::Null => keys.remove(key),
            value => keys.insert(key.to_owned(), value),
        };
        json!([set]).to_string()
    }

    #[test]
    fn a_set_is_read_whole() {
        let sets = sets(&answer("notes", json!("")), "m365").unwrap();
        let set = &sets[0];
        assert_eq!((set.key.as_str(), set.id), ("m365:11", Some(11)));
        assert_eq!(set.service_area.as_deref(), Some("Skype"));
        assert_eq!(set.description, "Microsoft Teams");
        assert_eq!(
            (set.udp_ports.to_string().as_str(), set.tcp_ports.is_empty()),
            ("3478-3479", true)
        );
        assert_eq!(
            (set.required, set.express_route, &set.notes),
            (true, true, &None)
        );
    }

    #[test]
    fn what_may_be_missing_may_be_missing() {
        for key in [
            "serviceAreaDisplayName",
            "urls",
            "ips",
            "tcpPorts",
            "udpPorts",
            "notes",
        ] {
            assert!(sets(&answer(key, Value::Null), "m365").is_ok(), "{key}");
        }
        assert!(sets(&answer("udpPorts", Value::Null), "m365").unwrap()[0].is_portless());
        assert!(sets(&answer("somethingNew", json!({"a": 1})), "m365").is_ok());
        assert_eq!(sets("[]", "m365").unwrap(), []);
    }

    #[test]
    fn what_is_new_and_harmless_is_told() {
        let table = [
            ("notes", json!("x"), None),
            (
                "colour",
                json!([1]),
                Some("the key \"colour\" is new and ignored"),
            ),
            (
                "category",
                json!("Best"),
                Some("set 11: the category \"Best\" is new and counts as Default"),
            ),
        ];
        for (key, value, remark) in table {
            let read = published(&answer(key, value), "m365").unwrap();
            assert_eq!(read.sets.len(), 1, "{key}");
            assert_eq!(
                read.remarks.iter().map(String::as_str).next(),
                remark,
                "{key}"
            );
        }
        assert!(published(&answer("id", json!("x")), "m365").is_err());
        assert!(published(&answer("ips", json!(["x"])), "m365").is_err());
    }

    #[test]
    fn what_must_be_there_must_be_there() {
        for key in ["id", "serviceArea", "expressRoute", "category", "required"] {
            let error = sets(&answer(key, Value::Null), "m365")
                .unwrap_err()
                .to_string();
            assert!(error.contains(&format!("missing field `{key}`")), "{error}");
        }
    }

    #[test]
    fn wrong_values_are_refused_with_their_place() {
        let table = [
            (
                "tcpPorts",
                json!("443,"),
                "source `m365`, set 11: tcpPorts \"443,\"",
            ),
            (
                "udpPorts",
                json!("70000"),
                "source `m365`, set 11: udpPorts \"70000\"",
            ),
            (
                "ips",
                json!(["52.112.0.0/140"]),
                "source `m365`, set 11: ips \"52.112.0.0/140\"",
            ),
            (
                "urls",
                json!(["a.b", "<b>"]),
                "source `m365`, set 11: urls \"<b>\"",
            ),
            (
                "category",
                json!("Blocked"),
                "source `m365`, set 11: category \"Blocked\"",
            ),
            (
                "required",
                json!("true"),
                "source `m365` is not a JSON array of endpoint sets",
            ),
            (
                "id",
                json!(-1),
                "source `m365` is not a JSON array of endpoint sets",
            ),
        ];
        for (key, value, expected) in table {
            let error = sets(&answer(key, value), "m365").unwrap_err().to_string();
            assert!(
                error.starts_with(expected),
                "{error}\nshould begin with {expected}"
            );
        }
    }

    #[test]
    fn a_page_keeps_what_can_be_read_and_says_the_rest_with_lines() {
        let json = r#"[
{"id": 1, "serviceArea": "X", "urls": ["a.example", "<b>"], "tcpPorts": "443,99999",
 "ips": ["300.1.1.1/33", "192.0.2.1/24"], "expressRoute": false, "category": "Allow", "required": true},
{"id": "two"}
]"#;
        let page = page(json, "m365").unwrap();
        assert_eq!(page.sets.len(), 1);
        let set = &page.sets[0];
        let counts = (set.urls.len(), set.ips.len(), set.tcp_ports.to_string());
        assert_eq!(counts, (1, 1, "443".to_owned()));
        let found: Vec<_> = page.findings.iter().map(|f| (f.rule, f.line)).collect();
        let expected = [
            ("address", 2),
            ("address", 2),
            ("host-bits", 2),
            ("port", 2),
            ("set", 4),
        ];
        assert_eq!(found, expected.map(|(rule, line)| (rule, Some(line))));
    }

    #[test]
    fn an_answer_that_is_no_list_of_sets_is_refused() {
        for text in [
            "",
            "<html><body>503</body></html>",
            "{}",
            "null",
            "[1]",
            "[{}",
        ] {
            let error = sets(text, "m365").unwrap_err().to_string();
            assert!(
                error.starts_with("source `m365` is not a JSON array"),
                "{text}: {error}"
            );
        }
    }
}
