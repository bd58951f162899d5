//! Editions for tests.

use jiff::Timestamp;

use super::{edition::Edition, version::Version};

/// An edition of sets `ID AREA/CATEGORY PORTS: ENTRY ENTRY ..`, one a line; ports as `443` or
/// `80,443/3478` for UDP too; a `!` behind the category makes a set optional.
pub fn edition(version: &str, sets: &str) -> Edition {
    let version = Version::try_from(version.to_owned()).unwrap();
    Edition::published(&answer(sets), "m365", "Worldwide", version).unwrap()
}

/// The answer of the service that has these sets.
pub fn answer(sets: &str) -> String {
    let lines = sets.lines().map(str::trim).filter(|line| !line.is_empty());
    let sets: Vec<_> = lines.map(set).collect();
    serde_json::Value::Array(sets).to_string()
}

fn set(line: &str) -> serde_json::Value {
    let (head, entries) = line
        .split_once(": ")
        .unwrap_or((line.trim_end_matches(':'), ""));
    let [id, place, ports] = head.split(' ').collect::<Vec<_>>().try_into().unwrap();
    let (area, category) = place.split_once('/').unwrap();
    let (tcp, udp) = ports.split_once('/').unwrap_or((ports, ""));
    let is_prefix = |entry: &&str| entry.contains('/');
    let (ips, urls): (Vec<_>, Vec<_>) = entries.split_whitespace().partition(is_prefix);
    let some = |ports: &str| (!ports.is_empty()).then(|| ports.to_owned());
    serde_json::json!({
        "id": id.parse::<u32>().unwrap(), "serviceArea": area, "category": category.trim_end_matches('!'),
        "required": !category.ends_with('!'), "expressRoute": false,
        "tcpPorts": some(tcp), "udpPorts": some(udp), "ips": ips, "urls": urls,
    })
}

/// Noon of a day of June 2026.
pub fn noon(day: i8) -> Timestamp {
    let noon = jiff::civil::date(2026, 6, day).at(12, 0, 0, 0);
    noon.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp()
}

/// What passes: `KEY ENTRIES PORTS`, one a set.
pub fn passing(edition: &Edition) -> Vec<String> {
    let sets = edition.clone().passing().into_iter();
    sets.map(|set| {
        let entries: Vec<_> = super::piece::entries(&set).map(|e| e.to_string()).collect();
        format!(
            "{} {} {}",
            set.local_key(),
            entries.join(" "),
            super::reach::Reach::of(&set).text()
        )
    })
    .collect()
}
