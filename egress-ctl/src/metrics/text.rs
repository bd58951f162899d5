//! Families as text.
//!
//! Prometheus text 0.0.4 and OpenMetrics 1.0.0 differ in what a family is called, in its unit, in what is
//! escaped, and in the end.

use std::fmt::{self, Write as _};

use super::family::{Family, Kind, Labels};

/// A form of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text 0.0.4.
    Prometheus,
    /// OpenMetrics text 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The form that an `Accept` header asks for; Prometheus text where it asks for none of them.
    pub fn accepted(header: &str) -> Self {
        super::accept::format(header)
    }

    /// What the text is called in HTTP.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Families as text; those without samples are left out.
    pub fn text(self, families: &[Family]) -> String {
        let mut text = String::new();
        for family in families.iter().filter(|family| !family.is_empty()) {
            // Writing into a string cannot fail.
            let _: fmt::Result = self.family(&mut text, family);
        }
        if self == Self::OpenMetrics {
            text.push_str("# EOF\n");
        }
        text
    }

    fn family(self, text: &mut String, family: &Family) -> fmt::Result {
        let name = format!("{}{}", family.name, family.kind.suffix());
        let (called, kind) = match self {
            Self::Prometheus => (name.as_str(), prometheus(family.kind)),
            Self::OpenMetrics => (family.name, open_metrics(family.kind)),
        };
        writeln!(text, "# HELP {called} {}", self.help(family.help))?;
        writeln!(text, "# TYPE {called} {kind}")?;
        if let (Self::OpenMetrics, Some(unit)) = (self, family.unit) {
            writeln!(text, "# UNIT {called} {}", unit.name())?;
        }
        for (labels, value) in family.samples() {
            writeln!(text, "{name}{} {value}", Braced(labels))?;
        }
        Ok(())
    }

    fn help(self, help: &str) -> String {
        let escaped = help.replace('\\', r"\\").replace('\n', r"\n");
        match self {
            Self::Prometheus => escaped,
            Self::OpenMetrics => escaped.replace('"', "\\\""),
        }
    }
}

fn prometheus(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge | Kind::Info => "gauge",
    }
}

fn open_metrics(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Info => "info",
    }
}

/// Labels in braces; nothing where there are none.
struct Braced<'a>(&'a Labels);

impl fmt::Display for Braced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (name, value)) in self.0.iter().enumerate() {
            let before = if place == 0 { '{' } else { ',' };
            write!(f, "{before}{name}=\"{}\"", escaped(value))?;
        }
        f.write_str(if self.0.is_empty() { "" } else { "}" })
    }
}

/// A label's value, as both forms want it.
fn escaped(value: &str) -> String {
    let value = value.replace('\\', r"\\").replace('"', "\\\"");
    value.replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::family::Unit;

    fn families() -> Vec<Family> {
        let by = |set: &str| vec![("set", set.to_owned()), ("way", "out".to_owned())];
        vec![
            Family::new("x_sent_bytes", Kind::Counter, "Bytes \"sent\".\nAll.")
                .in_unit(Unit::Bytes)
                .with(by("b\\c\"\n"), 7_u64)
                .with(by("a"), u64::MAX)
                .with(by("a"), 1_u64),
            Family::new("x_age_seconds", Kind::Gauge, "Age.")
                .in_unit(Unit::Seconds)
                .with(Vec::new(), 1.5),
            Family::new("x_build", Kind::Info, "Build.")
                .with(vec![("version", "1.0".to_owned())], 1_u64),
            Family::new("x_none", Kind::Gauge, "Nothing."),
        ]
    }

    #[test]
    fn prometheus_text_names_each_sample_as_its_family() {
        let expected = r#"# HELP x_sent_bytes_total Bytes "sent".\nAll.
# TYPE x_sent_bytes_total counter
x_sent_bytes_total{set="a",way="out"} 18446744073709551615
x_sent_bytes_total{set="b\\c\"\n",way="out"} 7
# HELP x_age_seconds Age.
# TYPE x_age_seconds gauge
x_age_seconds 1.5
# HELP x_build_info Build.
# TYPE x_build_info gauge
x_build_info{version="1.0"} 1
"#;
        assert_eq!(Format::Prometheus.text(&families()), expected);
    }

    #[test]
    fn open_metrics_has_units_and_an_end() {
        let expected = r#"# HELP x_sent_bytes Bytes \"sent\".\nAll.
# TYPE x_sent_bytes counter
# UNIT x_sent_bytes bytes
x_sent_bytes_total{set="a",way="out"} 18446744073709551615
x_sent_bytes_total{set="b\\c\"\n",way="out"} 7
# HELP x_age_seconds Age.
# TYPE x_age_seconds gauge
# UNIT x_age_seconds seconds
x_age_seconds 1.5
# HELP x_build Build.
# TYPE x_build info
x_build_info{version="1.0"} 1
# EOF
"#;
        assert_eq!(Format::OpenMetrics.text(&families()), expected);
    }
}
