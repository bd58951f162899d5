//! Each rule on sets made for it, and on the built-in data.

use super::*;
use crate::catalogue::{Catalogue, source::format::Format};

const TODAY: Date = Date::constant(2026, 1, 1);

fn found(toml: &str) -> Vec<(&'static str, String)> {
    let page = Format::Toml.read(toml, "x").unwrap();
    let sets: Vec<_> = page.sets.iter().collect();
    lint(&sets, TODAY)
        .into_iter()
        .map(|f| (f.rule, f.message))
        .collect()
}

fn set(text: &str) -> String {
    format!("[[set]]\n{text}\n")
}

#[test]
fn rules_find_what_they_are_for() {
    let table: [(&[&str], &str, &str); 13] = [
        (
            &["id=1\nurls=['a.b','A.b']\ntcpPorts='1'"],
            "duplicate",
            "a.b stands here twice",
        ),
        (
            &["id=1\nips=['192.0.2.0/24','192.0.2.0/24']\ntcpPorts='1'"],
            "duplicate",
            "192.0.2.0/24",
        ),
        (
            &[
                "id=1\nurls=['a.b']\ntcpPorts='1'",
                "id=1\nurls=['a.b']\ntcpPorts='1'",
            ],
            "duplicate-id",
            "id 1 is that of x:1 too, with the same addresses",
        ),
        (&["id=1\nurls=['a.b']"], "gap", "names no port"),
        (&["id=1\ntcpPorts='1'"], "gap", "names no address"),
        (&["id=1"], "gap", "neither port nor address"),
        (
            &[
                "id=1\nurls=['a.b']\ntcpPorts='1'",
                "id=2\nurls=['a.b']\ntcpPorts='2'",
            ],
            "name-ports",
            "a.b has different ports in x:1 (tcp 1), x:2 (tcp 2)",
        ),
        (
            &[
                "id=1\nips=['192.0.2.0/24']\ntcpPorts='1'",
                "id=2\nips=['192.0.2.0/24']\nudpPorts='1'",
            ],
            "prefix-ports",
            "192.0.2.0/24 (udp 1) stands in x:1 too (tcp 1)",
        ),
        (
            &[
                "id=1\nips=['192.0.2.0/24']\ntcpPorts='1'",
                "id=2\nips=['192.0.2.8/32']\ntcpPorts='2'",
            ],
            "prefix-ports",
            "192.0.2.8/32 (tcp 2) lies in 192.0.2.0/24 of x:1 (tcp 1)",
        ),
        (
            &["id=1\nurls=['*.azureedge.net']\ntcpPorts='1'"],
            "broad",
            "*.azureedge.net",
        ),
        (
            &["id=1\nurls=['*.servicebus.windows.net']\ntcpPorts='1'"],
            "broad",
            "*.servicebus",
        ),
        (
            &["id=1\nurls=['somehotfix.b.c']\nstorage=['somehotifx']\ntcpPorts='1'"],
            "typo",
            "somehotifx is one edit away from somehotfix",
        ),
        (
            &[
                "id=1\nurls=['a.b']\ntcpPorts='1'\n[[set.demands]]\nwhat='ends'\nnames=['a.b']\nuntil='2025-03-31'",
            ],
            "expired",
            "a.b ended after 2025-03-31",
        ),
    ];
    for (sets, rule, message) in table {
        let toml: String = sets.iter().map(|text| set(text)).collect();
        let found = found(&toml);
        let is_it = |(r, m): &&(&str, String)| *r == rule && m.contains(message);
        assert_eq!(found.iter().filter(is_it).count(), 1, "{toml}{found:?}");
        assert_eq!(found.len(), 1, "{toml}{found:?}");
    }
}

#[test]
fn what_is_right_is_not_found() {
    let sets = [
        "id=1\nurls=['swda01-cdn.b.c','swdb01-cdn.b.c','swdc01-cdn.b.c','swdd01-cdn.b.c']\ntcpPorts='443'",
        "id=2\nurls=['*.manage.example.org','manage.example.org']\ntcpPorts='443'",
        "id=3\nips=['192.0.2.0/25','192.0.2.128/25']\ntcpPorts='443'",
    ];
    let toml: String = sets.iter().map(|text| set(text)).collect();
    assert_eq!(found(&toml), []);
}

#[test]
fn the_documents_have_what_they_are_known_for() {
    let catalogue = Catalogue::builtin().unwrap();
    let sets: Vec<_> = catalogue.sets().iter().collect();
    let findings = lint(&sets, TODAY);
    for (rule, key, message) in [
        ("duplicate", "intune:163", "20.43.129.0/24"),
        ("duplicate", "intune:win32-apps/1", "AMSUA0601"),
        ("duplicate-id", "intune:172.2", "id 172"),
        ("typo", "intune:win32-apps/3", "approdimedatahotifx"),
        ("expired", "intune:macos/1", "macsidecarprod.azureedge.net"),
        ("broad", "power-automate:required/8", "*.azureedge.net"),
        (
            "broad",
            "power-automate:desktop-flows/public/2",
            "*.servicebus.windows.net",
        ),
        ("gap", "intune:microsoft-store/1", "no port"),
        ("contradiction", "", "login.microsoftonline.com"),
        ("prefix-ports", "m365:2", ""),
    ] {
        let is_it = |f: &&Finding| {
            let of = f.set.as_deref().unwrap_or_default();
            f.rule == rule && (key.is_empty() || of == key) && f.message.contains(message)
        };
        assert!(
            findings.iter().any(|f| is_it(&f)),
            "{rule} {key}: {findings:#?}"
        );
    }
    let typos = findings.iter().filter(|f| f.rule == "typo").count();
    assert!(typos <= 2, "{typos}");
}
