//! Differences in words.

use super::*;
use crate::feed::sample::edition;

fn lines(old: &str, new: &str, records: &str) -> Vec<String> {
    let (old, new) = (edition("2026053100", old), edition("2026063000", new));
    let records = Records::read(records).unwrap();
    let difference = Difference::between(&old, &new, &records);
    difference.lines().iter().map(ToString::to_string).collect()
}

#[test]
fn changes_are_told_by_set() {
    const OLD: &str = "11 Skype/Optimize /3478-3481: 52.120.0.0/14\n\
        12 Skype/Allow 80,443: *.lync.com *.teams.microsoft.com 52.122.0.0/15";
    let table: [(&str, &str, &[&str]); 9] = [
        ("", "", &[]),
        ("52.120.0.0/14", "52.120.0.0/15 52.122.0.0/15", &[]),
        (
            "52.120.0.0/14",
            "52.112.0.0/14 52.120.0.0/14",
            &["id 11 Skype/Optimize: +52.112.0.0/14 udp 3478-3481"],
        ),
        (
            "3478-3481",
            "3478,3480-3482",
            &[
                "id 11 Skype/Optimize: +52.120.0.0/14 udp 3482",
                "id 11 Skype/Optimize: -52.120.0.0/14 udp 3479",
            ],
        ),
        (
            "80,443: *.lync",
            "443: *.lync",
            &[
                "id 12 Skype/Allow: -52.122.0.0/15 tcp 80",
                "id 12 Skype/Allow: -*.lync.com tcp 80",
                "id 12 Skype/Allow: -*.teams.microsoft.com tcp 80",
            ],
        ),
        (
            "Skype/Allow",
            "Skype/Default!",
            &["id 12 Skype/Default: category Allow to Default, need required to optional"],
        ),
        (
            "12 Skype/Allow 80,443:",
            "12 Skype/Allow 80,443: a.lync.com",
            &[],
        ),
        (
            "*.lync.com *.teams",
            "*.teams",
            &["id 12 Skype/Allow: -*.lync.com tcp 80,443"],
        ),
        (
            "52.122.0.0/15",
            "\n13 Common/Allow 1-1000: 52.122.0.0/15",
            &[
                "id 12 Skype/Allow: -52.122.0.0/15 tcp 80,443, reached through id 13 too",
                "id 13 Common/Allow: +52.122.0.0/15 tcp 1-1000",
            ],
        ),
    ];
    for (from, to, expected) in table {
        let new = match from {
            "52.122.0.0/15" => OLD.replacen(&format!(" {from}"), to, 1),
            from => OLD.replacen(from, to, 1),
        };
        assert_eq!(lines(OLD, &new, "[]"), expected, "{from:?} to {to:?}");
    }
}

#[test]
fn records_say_from_when_and_what_is_a_duplicate() {
    let records = r#"[
        {"id": 1, "endpointSetId": 11, "disposition": "Change", "add": {"effectiveDate": "20261201", "ips": ["52.112.0.0/14"]}},
        {"id": 2, "endpointSetId": 12, "disposition": "Change", "impact": "RemovedDuplicateIpOrUrl", "remove": {"urls": ["a.lync.com", "b.lync.com"]}}
    ]"#;
    let old =
        "11 Skype/Optimize /3478-3481: 52.120.0.0/14\n12 Skype/Allow 443: a.lync.com b.lync.com";
    let new = "11 Skype/Optimize /3478-3481: 52.112.0.0/14 52.120.0.0/14\n12 Skype/Allow 443: c.lync.com\n13 Skype/Allow 443: b.lync.com";
    assert_eq!(
        lines(old, new, records),
        [
            "id 11 Skype/Optimize: +52.112.0.0/14 udp 3478-3481, effective 2026-12-01",
            "id 12 Skype/Allow: +c.lync.com tcp 443",
            "id 12 Skype/Allow: -a.lync.com tcp 443, called a duplicate, but nothing else reaches it: it stays",
            "id 12 Skype/Allow: -b.lync.com tcp 443, reached through id 13 too",
            "id 13 Skype/Allow: +b.lync.com tcp 443",
        ]
    );
}

#[test]
fn a_date_holds_for_each_part_of_its_prefix_and_for_nothing_else() {
    let records = r#"[
        {"id": 1, "endpointSetId": 11, "disposition": "Change", "add": {"effectiveDate": "20261201", "ips": ["52.112.0.0/14"]}},
        {"id": 2, "endpointSetId": 12, "disposition": "Change", "add": {"effectiveDate": "20270101", "ips": ["52.120.0.0/14"]}}
    ]"#;
    let old = "11 Skype/Optimize /3478: 52.112.0.0/15";
    let new = "11 Skype/Optimize /3478: 52.112.0.0/14 52.120.0.0/16";
    assert_eq!(
        lines(old, new, records),
        [
            "id 11 Skype/Optimize: +52.114.0.0/15 udp 3478, effective 2026-12-01",
            "id 11 Skype/Optimize: +52.120.0.0/16 udp 3478",
        ]
    );
}

#[test]
fn there_is_no_difference_where_nothing_changes() {
    let of = |old: &str, new: &str| {
        let (old, new) = (edition("2026053100", old), edition("2026063000", new));
        Difference::between(&old, &new, &Records::read("[]").unwrap())
    };
    const SET: &str = "11 Skype/Optimize /3478: 52.112.0.0/15";
    assert!(of(SET, SET).is_empty());
    assert!(!of(SET, "11 Skype/Optimize /3479: 52.112.0.0/15").is_empty());
    assert!(!of(SET, "11 Skype/Allow /3478: 52.112.0.0/15").is_empty());
}
