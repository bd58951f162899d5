//! Answers as text: JSON values in, JSON, CSV or RSS out.

use serde_json::Value;

use super::answer::Answer;
use super::query::Format;

/// What an answer is about; its columns in CSV.
pub const VERSION_COLUMNS: &[&str] = &["instance", "latest", "versions"];
/// As the service has them.
pub const SET_COLUMNS: &[&str] = &[
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
/// How the service flattens a record is not documented: what is nested stays JSON.
pub const CHANGE_COLUMNS: &[&str] = &[
    "id",
    "endpointSetId",
    "disposition",
    "impact",
    "version",
    "previous",
    "current",
    "add",
    "remove",
];

/// Values, one a row, as an answer.
pub fn rows(values: Vec<Value>, columns: &[&str], format: Format) -> Answer {
    match format {
        Format::Json => json(&Value::Array(values)),
        Format::Csv => Answer::of(200, "text/csv; charset=utf-8", csv(&values, columns)),
        Format::Rss => Answer::refusal(400, "format RSS: only /version has it"),
    }
}

/// One value as an answer.
pub fn json(value: &Value) -> Answer {
    Answer::of(200, "application/json; charset=utf-8", value.to_string())
}

/// The versions of instances as a feed of news.
pub fn rss(instances: &[Value]) -> Answer {
    let mut items = String::new();
    for instance in instances {
        let name = escaped(&text(&instance["instance"]));
        let versions = instance["versions"].as_array();
        let latest = std::slice::from_ref(&instance["latest"]);
        for version in versions.map_or(latest, Vec::as_slice) {
            let version = escaped(&text(version));
            items += &format!(
                "<item><guid isPermaLink=\"false\">{name}-{version}</guid>\
                 <title>{name} {version}</title>\
                 <description>Version {version} of {name}</description></item>"
            );
        }
    }
    let feed = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><rss version=\"2.0\"><channel>\
         <title>Versions of the endpoints</title><link>/version</link>\
         <description>New versions of the endpoints</description>{items}</channel></rss>"
    );
    Answer::of(200, "application/rss+xml; charset=utf-8", feed)
}

/// Lines under a head; a list stands in one field, behind commas.
fn csv(values: &[Value], columns: &[&str]) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    let head = columns.iter().map(ToString::to_string).collect();
    let rows = values.iter().map(|value| {
        let fields = columns.iter().map(|column| text(&value[column]));
        fields.collect::<Vec<_>>()
    });
    for row in std::iter::once(head).chain(rows) {
        writer
            .write_record(row)
            .expect("every row has as many fields, and a Vec takes all");
    }
    writer.into_inner().expect("a Vec takes all")
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        Value::Object(_) => value.to_string(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(answer: Answer) -> String {
        String::from_utf8(answer.body).unwrap()
    }

    #[test]
    fn lists_stand_in_one_field() {
        let sets = vec![
            json!({"id": 1, "urls": ["a.example", "*.b.example"], "required": true, "notes": "Some, notes"}),
        ];
        let answer = rows(sets, SET_COLUMNS, Format::Csv);
        assert_eq!(answer.content_type, "text/csv; charset=utf-8");
        let expected = "id,serviceArea,serviceAreaDisplayName,urls,ips,tcpPorts,udpPorts,expressRoute,category,required,notes\r\n\
                        1,,,\"a.example,*.b.example\",,,,,,True,\"Some, notes\"\r\n";
        assert_eq!(body(answer), expected);
    }

    #[test]
    fn a_feed_has_an_item_a_version() {
        let instances = [
            json!({"instance": "A&B", "latest": "2026053100"}),
            json!({"instance": "C", "latest": "2026053100", "versions": ["2026053100", "2026040500"]}),
        ];
        let feed = body(rss(&instances));
        assert_eq!(feed.matches("<item>").count(), 3);
        assert!(feed.contains("<title>A&amp;B 2026053100</title>"), "{feed}");
        assert!(feed.contains("C-2026040500"), "{feed}");
    }

    #[test]
    fn only_versions_are_news() {
        assert_eq!(rows(Vec::new(), SET_COLUMNS, Format::Rss).status, 400);
    }
}
