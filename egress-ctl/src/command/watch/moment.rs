//! Moments as people name them: 10m ago, 07:19, or a date and time.

use jiff::{SignedDuration, Timestamp, Zoned, civil};

/// The moment that a text names, as an option.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    at(text, &Zoned::now()).ok_or_else(|| {
        "write a time, as in 2026-11-22T07:19:00Z or 07:19, or how long ago, as in 10m".to_owned()
    })
}

fn at(text: &str, now: &Zoned) -> Option<Timestamp> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    let zone = now.time_zone();
    if let Ok(local) = text.parse::<civil::DateTime>() {
        return Some(local.to_zoned(zone.clone()).ok()?.timestamp());
    }
    // Before durations, which may be written as 07:19:30 too.
    if let Ok(time) = text.parse::<civil::Time>() {
        let today = now.date().to_datetime(time);
        return Some(today.to_zoned(zone.clone()).ok()?.timestamp());
    }
    let ago = text.parse::<SignedDuration>().ok()?;
    now.timestamp().checked_sub(ago.abs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_named_in_several_ways() {
        let now: Zoned = "2026-11-22T12:00:00+01:00[Europe/Berlin]".parse().unwrap();
        let table = [
            ("2026-11-22T07:19:00Z", Some("2026-11-22T07:19:00Z")),
            ("2026-11-22 07:19", Some("2026-11-22T06:19:00Z")),
            ("2026-11-20 07:19", Some("2026-11-20T06:19:00Z")),
            ("07:19:30", Some("2026-11-22T06:19:30Z")),
            ("10m", Some("2026-11-22T10:50:00Z")),
            ("1h 30m", Some("2026-11-22T09:30:00Z")),
            ("13:00", Some("2026-11-22T12:00:00Z")),
            ("yesterday", None),
            ("", None),
        ];
        for (text, expected) in table {
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(at(text, &now), expected, "{text}");
        }
    }
}
