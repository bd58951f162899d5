//! Bars with their ranges: rows in, one SVG file a section out.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::report::Row;

const LABEL: usize = 420;
const BARS: usize = 420;
const VALUE: usize = 130;
const LINE: usize = 22;
const HEAD: usize = 40;

/// Draws each section into a file of its own, named after it.
pub(super) fn draw(rows: &[Row], folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for section in rows.chunk_by(|one, next| (one.section, one.unit) == (next.section, next.unit)) {
        let Some(first) = section.first() else {
            continue;
        };
        let path = folder.join(format!("{}.svg", file_name(first)));
        fs::write(&path, chart(first.section, section))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The section's words and the unit, of which more than one may stand in a section.
fn file_name(row: &Row) -> String {
    let text = format!("{} {}", row.section, row.unit).to_lowercase();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}

fn chart(title: &str, rows: &[Row]) -> String {
    let highest = rows
        .iter()
        .map(|row| row.spread.high)
        .fold(f64::MIN_POSITIVE, f64::max);
    let (width, height) = (LABEL + BARS + VALUE, HEAD + LINE * rows.len() + 10);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"24\" font-weight=\"bold\">{}</text>\n",
        escaped(title)
    );
    for (i, row) in rows.iter().enumerate() {
        bar(&mut svg, HEAD + LINE * i, row, highest);
    }
    svg + "</svg>\n"
}

/// A bar up to the median, a line over the range, and the median as text.
fn bar(svg: &mut String, top: usize, row: &Row, highest: f64) {
    let place = |value: f64| LABEL as f64 + value / highest * BARS as f64;
    let (left, middle) = (LABEL as f64, top + LINE / 2);
    let spread = row.spread;
    // Writing into a string cannot fail.
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\
         <rect x=\"{LABEL}\" y=\"{}\" width=\"{:.1}\" height=\"{}\" fill=\"#4878a8\"/>\
         <line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle}\" y2=\"{middle}\" stroke=\"black\"/>\
         <text x=\"{:.1}\" y=\"{}\">{:.2} {}</text>",
        LABEL - 8,
        middle + 5,
        escaped(&row.name),
        top + 3,
        place(spread.median) - left,
        LINE - 6,
        place(spread.low),
        place(spread.high),
        place(spread.high) + 6.0,
        middle + 5,
        spread.median,
        row.unit,
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::super::measure::Spread;
    use super::*;

    fn row(name: &str, median: f64) -> Row {
        Row {
            section: "ns a packet",
            name: name.to_owned(),
            unit: "ns",
            spread: Spread {
                median,
                low: median / 2.0,
                high: median * 2.0,
            },
            rounds: 3,
        }
    }

    #[test]
    fn the_highest_value_ends_where_bars_end() {
        let svg = chart("a < b", &[row("small", 10.0), row("large & slow", 100.0)]);
        assert!(
            svg.contains("a &lt; b") && svg.contains("large &amp; slow"),
            "{svg}"
        );
        // 100 of 200, and 10 of 200.
        for width in [210.0, 21.0] {
            assert!(svg.contains(&format!("width=\"{width:.1}\"")), "{svg}");
        }
        assert!(svg.contains(&format!("x2=\"{}.0\"", LABEL + BARS)), "{svg}");
    }

    #[test]
    fn every_section_and_unit_has_a_file() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let other = Row {
            unit: "MB",
            ..row("memory", 1.0)
        };
        draw(&[row("one", 1.0), row("two", 2.0), other], folder.path())?;
        for name in ["ns-a-packet-ns.svg", "ns-a-packet-mb.svg"] {
            assert!(folder.path().join(name).is_file(), "{name}");
        }
        Ok(())
    }
}
