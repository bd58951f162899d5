//! Numbers as people read them: short, and of one width.

/// A number of packets, events or messages, or how many there are a second.
pub(super) fn number(of: f64) -> String {
    match of {
        of if of < 0.05 => "0".to_owned(),
        of if of < 9.95 && of.fract() > 0.0 => format!("{of:.1}"),
        of => scaled(of),
    }
}

/// A number of bytes, or how many there are a second.
pub(super) fn bytes(of: f64) -> String {
    match of {
        of if of < 0.5 => "0".to_owned(),
        of => scaled(of),
    }
}

/// Three digits and a unit.
fn scaled(of: f64) -> String {
    const UNITS: [&str; 6] = ["", "k", "M", "G", "T", "P"];
    let (mut of, mut unit) = (of, 0);
    while of >= 999.5 && unit + 1 < UNITS.len() {
        of /= 1000.0;
        unit += 1;
    }
    let suffix = UNITS.get(unit).copied().unwrap_or_default();
    match of < 9.95 && unit > 0 {
        true => format!("{of:.1}{suffix}"),
        false => format!("{of:.0}{suffix}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let table = [
            (0.0, "0"),
            (0.04, "0"),
            (0.4, "0.4"),
            (3.0, "3"),
            (9.94, "9.9"),
            (12.4, "12"),
            (999.4, "999"),
            (999.6, "1.0k"),
            (12_345.0, "12k"),
            (9_951_000.0, "10M"),
            (1.5e9, "1.5G"),
            (2.0e21, "2000000P"),
        ];
        for (of, text) in table {
            assert_eq!(number(of), text);
        }
        assert_eq!(bytes(0.4), "0");
        assert_eq!(bytes(7.6), "8");
        assert_eq!(bytes(1234.0), "1.2k");
    }
}
