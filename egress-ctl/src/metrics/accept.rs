//! Which form of the text a reader would rather have (RFC 9110, 12.5.1).

use super::Format;

const OPEN_METRICS: &str = "application/openmetrics-text";
const PLAIN: &str = "text/plain";

/// The form with the higher weight. OpenMetrics only where it is named, and without a version or in 1.0.0.
pub(super) fn format(header: &str) -> Format {
    let ranges: Vec<Range<'_>> = header.split(',').map(Range::read).collect();
    let open_metrics = weight(&ranges, OPEN_METRICS, "1.0.0");
    let plain = weight(&ranges, PLAIN, "0.0.4");
    match open_metrics {
        Some(weight) if weight > 0.0 && weight >= plain.unwrap_or(0.0) => Format::OpenMetrics,
        _ => Format::Prometheus,
    }
}

/// What a header says of a kind of text; nothing where it does not name it.
fn weight(ranges: &[Range<'_>], kind: &str, version: &str) -> Option<f64> {
    let named = ranges.iter().filter(|range| {
        range.kind.eq_ignore_ascii_case(kind) && range.version.is_none_or(|named| named == version)
    });
    named.map(|range| range.weight).reduce(f64::max)
}

/// One of the kinds in a header.
struct Range<'a> {
    kind: &'a str,
    version: Option<&'a str>,
    weight: f64,
}

impl<'a> Range<'a> {
    fn read(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let mut range = Self {
            kind: parts.next().unwrap_or_default(),
            version: None,
            weight: 1.0,
        };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim() {
                "version" => range.version = Some(value),
                // A weight that is none counts as the least: whoever writes it gets the plain text.
                "q" | "Q" => range.weight = value.parse().unwrap_or(0.0),
                _ => {}
            }
        }
        range
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_with_the_higher_weight_is_taken() {
        use Format::{OpenMetrics, Prometheus};
        let table = [
            ("", Prometheus),
            ("*/*", Prometheus),
            ("text/html, */*;q=0.1", Prometheus),
            ("application/openmetrics-text", OpenMetrics),
            ("Application/OpenMetrics-Text; version=1.0.0", OpenMetrics),
            (
                "application/openmetrics-text; version=\"1.0.0\"",
                OpenMetrics,
            ),
            ("application/openmetrics-text;version=0.0.1", Prometheus),
            ("application/openmetrics-text;version=2.0.0", Prometheus),
            ("application/openmetrics-text;q=0", Prometheus),
            ("application/openmetrics-text;q=x", Prometheus),
            (
                "application/openmetrics-text;q=0.3,text/plain;q=0.4",
                Prometheus,
            ),
            // Prometheus 2.42.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OpenMetrics,
            ),
            // Prometheus 3.
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                OpenMetrics,
            ),
        ];
        for (header, expected) in table {
            assert_eq!(format(header), expected, "{header}");
        }
    }
}
