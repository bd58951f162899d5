//! Compares what is shown with what was printed: both texts in, a difference out.
//!
//! Values that another run has otherwise are of a kind each ([`KINDS`]): one of a kind counts as equal to any of it,
//! on both sides. So the README shows real values instead of placeholders. Columns are as wide as their values, so
//! that blanks in a row count as two.

use std::sync::LazyLock;

use anyhow::Result;
use regex::Regex;
use snapbox::{Assert, Redactions};

/// What it stands for, and what it looks like: the group `redacted`, or all of it. Longer expressions come first.
const KINDS: [(&str, &str); 11] = [
    ("[TIMESTAMP]", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"),
    ("[TIME]", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"),
    ("[CLOCK]", r"\d\d:\d\d:\d\d\.\d{3}"),
    ("[AGO]", r"(?<redacted>\d+ (?:s|min|h|d|day|days)) ago"),
    ("[LEFT]", r"\d+m \d+s"),
    ("[MINUTES]", r"\d+ min"),
    // Not that of `TTL 300 s`.
    ("[SECONDS]", r"[^L] (?<redacted>\d+ s)\b"),
    ("[MILLISECONDS]", r"\d+ ms\b"),
    ("[KERNEL]", r"Linux (?<redacted>\d+\.\d+\S*?)[;,]"),
    ("[ID]", r"\bid (?<redacted>\d+)\)"),
    // Some of what `doctor` looks at is the machine's: its clock, its memory, its disks.
    ("[FOUND]", r"\d+ ok, \d+ warn, \d+ fail, \d+ skipped"),
];

static REDACTIONS: LazyLock<Redactions> = LazyLock::new(|| {
    let mut redactions = Redactions::new();
    for (placeholder, pattern) in KINDS {
        let pattern = Regex::new(pattern).expect("the table holds expressions");
        redactions
            .insert(placeholder, pattern)
            .expect("placeholders are in brackets and upper case");
    }
    redactions
});

/// Fails with the difference, if there is one.
pub fn same(shown: &str, printed: &str) -> Result<()> {
    let shown = REDACTIONS.redact(&even(shown));
    let shown = marks(&shown);
    let printed = REDACTIONS.redact(&even(printed));
    let compared = Assert::new().try_eq(None, printed.into(), shown.into());
    Ok(compared?)
}

/// The README's marks of what is left out, as snapbox writes them.
fn marks(shown: &str) -> String {
    let lines = shown.lines().map(|line| match line.trim() {
        "…" => "...\n".to_owned(),
        _ => line.replace('…', "[..]") + "\n",
    });
    lines.collect()
}

/// Blanks in a row become two, and none are left at the end of a line.
fn even(text: &str) -> String {
    let mut even = String::with_capacity(text.len());
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let (indent, rest) = line.split_at(indent);
        even.push_str(indent);
        let words: Vec<_> = rest.split("  ").map(str::trim).collect();
        let words = words.into_iter().filter(|word| !word.is_empty());
        even.push_str(&words.collect::<Vec<_>>().join("  "));
        even.push('\n');
    }
    even
}

#[test]
fn all_but_kinds_and_what_is_left_out_is_compared() {
    let printed =
        "10:01:02.345 lan 10.20.0.2 dropped\nid     hits  seen\n7         2  12 s ago\nthe end\n";
    for (shown, is_same) in [
        (printed, true),
        (
            "09:00:00.000 lan 10.20.0.2 dropped\nid  hits  seen\n7  2  1 min ago\nthe end\n",
            true,
        ),
        ("10:01:02.345 lan … dropped\n…\nthe end\n", true),
        ("10:01:02.345 lan 10.20.0.3 dropped\n…\nthe end\n", false),
        (
            "10:01:02.345 lan 10.20.0.2 dropped\nid  hits  seen\n7  3  12 s ago\nthe end\n",
            false,
        ),
        ("10:01:02.345 lan 10.20.0.2 dropped\n…\n", true),
        ("10:01:02.345 lan 10.20.0.2 dropped\n", false),
        ("…\nan end\n", false),
    ] {
        assert_eq!(same(shown, printed).is_ok(), is_same, "{shown}");
    }
    assert!(same("TTL 300 s, 2 s left", "TTL 300 s, 9 s left").is_ok());
    assert!(same("TTL 300 s, 2 s left", "TTL 200 s, 2 s left").is_err());
}
