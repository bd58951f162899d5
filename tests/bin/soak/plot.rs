//! What a soak saw over time, as SVG: a report in, one lane a figure out, with faults as bands and violations as
//! lines through all of them.

use std::fmt::Write as _;

use lab::soak::{Report, Sample};

const WIDTH: f64 = 1000.0;
const LEFT: f64 = 130.0;
const TOP: f64 = 40.0;
const LANE: f64 = 110.0;
const PLOT: f64 = 80.0;
const LEGEND: f64 = 30.0;
/// Colours of faults, in the order in which their kinds happened first.
const COLOURS: [&str; 9] = [
    "#4878a8", "#e49444", "#d1615d", "#85b6b2", "#6a9f58", "#e7ca60", "#a87c9f", "#967662",
    "#b8b0ac",
];

/// A figure over time.
struct Lane {
    name: &'static str,
    /// Milliseconds and values.
    points: Vec<(u64, f64)>,
}

/// Draws a report.
pub(super) fn draw(report: &Report) -> String {
    let lanes = lanes(&report.samples);
    let scale = (WIDTH - LEFT - 20.0) / report.milliseconds.max(1) as f64;
    let x = |ms: u64| LEFT + ms as f64 * scale;
    let bottom = TOP + LANE * lanes.len() as f64;
    let kinds = kinds(report);
    let height = bottom + LEGEND + 20.0 * kinds.len().div_ceil(3) as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"22\" font-weight=\"bold\">{}</text>\n",
        title(report)
    );
    for fault in &report.faults {
        let (from, to) = (x(fault.at_ms), x(fault.until_ms));
        let (width, height) = ((to - from).max(1.0), bottom - TOP);
        let colour = colour(&kinds, fault.what);
        // Writing into a string cannot fail.
        let _ = writeln!(
            svg,
            "<rect x=\"{from:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\" fill=\"{colour}\" \
             opacity=\"0.3\"/>"
        );
    }
    for (at, lane) in lanes.iter().enumerate() {
        draw_lane(&mut svg, lane, TOP + LANE * at as f64, x);
    }
    for violation in &report.violations {
        let at = x(violation.at_ms);
        let _ = writeln!(
            svg,
            "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{bottom}\" stroke=\"red\" stroke-width=\"2\">\
             <title>{}</title></line>",
            escaped(&violation.what)
        );
    }
    legend(&mut svg, &kinds, bottom + LEGEND);
    svg + "</svg>\n"
}

fn title(report: &Report) -> String {
    let seconds = report.milliseconds as f64 / 1000.0;
    let (faults, violations) = (report.faults.len(), report.violations.len());
    format!("egress soak: {seconds:.0} s, {faults} faults, {violations} violations")
}

/// Kinds of faults that happened, each once.
fn kinds(report: &Report) -> Vec<&'static str> {
    let mut kinds = Vec::new();
    for fault in &report.faults {
        if !kinds.contains(&fault.what) {
            kinds.push(fault.what);
        }
    }
    kinds
}

fn colour(kinds: &[&str], what: &str) -> &'static str {
    let at = kinds.iter().position(|kind| *kind == what);
    COLOURS[at.unwrap_or_default() % COLOURS.len()]
}

fn lanes(samples: &[Sample]) -> Vec<Lane> {
    let each = |name, value: fn(&Sample) -> f64| Lane {
        name,
        points: samples.iter().map(|one| (one.at_ms, value(one))).collect(),
    };
    vec![
        rate("allowed arrived /s", samples, |one| one.arrived),
        rate("dropped /s", samples, |one| one.dropped),
        each("learned", |one| one.learned as f64),
        each("memory, MiB", |one| one.memory_kib as f64 / 1024.0),
        each("descriptors", |one| one.descriptors as f64),
    ]
}

/// By how much a count rose between two samples, a second.
fn rate(name: &'static str, samples: &[Sample], count: fn(&Sample) -> u64) -> Lane {
    let points = samples.windows(2).filter_map(|pair| {
        let [before, now] = pair else { return None };
        let seconds = now.at_ms.saturating_sub(before.at_ms) as f64 / 1000.0;
        let risen = count(now).saturating_sub(count(before)) as f64;
        (seconds > 0.0).then(|| (now.at_ms, risen / seconds))
    });
    Lane {
        name,
        points: points.collect(),
    }
}

/// A line from zero up to the highest value, which is named.
fn draw_lane(svg: &mut String, lane: &Lane, top: f64, x: impl Fn(u64) -> f64) {
    let values = lane.points.iter().map(|(_, value)| *value);
    let highest = values.fold(f64::MIN_POSITIVE, f64::max);
    let floor = top + PLOT;
    let mut line = String::new();
    for (ms, value) in &lane.points {
        let _ = write!(
            line,
            "{:.1},{:.1} ",
            x(*ms),
            floor - value / highest * (PLOT - 10.0)
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"10\" y=\"{:.1}\">{}</text><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{highest:.0}</text>\
         <line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{floor}\" y2=\"{floor}\" stroke=\"#999\"/>\
         <polyline fill=\"none\" stroke=\"black\" points=\"{}\"/>",
        floor - PLOT / 2.0,
        lane.name,
        LEFT - 8.0,
        top + 14.0,
        WIDTH - 20.0,
        line.trim_end(),
    );
}

fn legend(svg: &mut String, kinds: &[&str], top: f64) {
    for (at, kind) in kinds.iter().enumerate() {
        let (left, y) = (LEFT + (at % 3) as f64 * 280.0, top + (at / 3) as f64 * 20.0);
        let _ = writeln!(
            svg,
            "<rect x=\"{left}\" y=\"{:.1}\" width=\"12\" height=\"12\" fill=\"{}\" opacity=\"0.6\"/>\
             <text x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
            y - 11.0,
            colour(kinds, kind),
            left + 18.0,
            escaped(kind),
        );
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use lab::soak::{Happened, Violation};

    use super::*;

    fn sample(at_ms: u64, arrived: u64) -> Sample {
        Sample {
            at_ms,
            sent: arrived,
            arrived,
            dropped: 0,
            learned: 3,
            memory_kib: 2048,
            descriptors: 20,
            daemon: 0,
        }
    }

    #[test]
    fn a_rate_is_a_second_and_faults_and_violations_are_marked() {
        let report = Report {
            schema: "egress.soak/1",
            milliseconds: 2000,
            thrown: Vec::new(),
            skipped: Vec::new(),
            tallied: Vec::new(),
            faults: vec![Happened {
                at_ms: 500,
                until_ms: 1000,
                what: "daemon killed",
            }],
            samples: vec![sample(0, 0), sample(500, 100), sample(500, 100)],
            violations: vec![Violation {
                at_ms: 1000,
                what: "a < b".to_owned(),
                evidence: String::new(),
            }],
            passed: false,
        };
        let rates = rate("", &report.samples, |one| one.arrived);
        assert_eq!(rates.points, [(500, 200.0)]);
        let svg = draw(&report);
        assert_eq!(svg.matches("<polyline").count(), 5);
        assert!(
            svg.contains("daemon killed") && svg.contains("1 violations"),
            "{svg}"
        );
        assert!(svg.contains("<title>a &lt; b</title>"), "{svg}");
        assert!(svg.contains("stroke=\"red\""), "{svg}");
    }
}
