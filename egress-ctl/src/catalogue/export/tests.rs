//! What other programs get.

use super::*;
use crate::catalogue::{Catalogue, selector, source::format::Format};

fn exported(target: Target, selectors: &[&str]) -> String {
    let catalogue = Catalogue::builtin().unwrap();
    let selectors: Vec<_> = selectors.iter().map(|text| text.parse().unwrap()).collect();
    let sets = selector::select(&selectors, &catalogue).unwrap();
    export(target, &sets, &"proxy.example:8080".parse().unwrap())
}

#[test]
fn lists_are_sorted_and_unique() {
    let text = exported(Target::Edl, &["intune:core"]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 19 + 83);
    assert!(lines[..19].is_sorted());
    let catalogue = Catalogue::builtin().unwrap();
    let sets = catalogue.sets_of("intune").unwrap();
    let sets: Vec<_> = sets.into_iter().filter(|set| set.id.is_some()).collect();
    assert_eq!(ports(&sets), ["tcp 80", "tcp 443", "tcp 5223", "udp 123"]);
}

#[test]
fn what_the_service_writes_is_read_again() {
    for (target, format) in [
        (Target::Json, Format::WebService),
        (Target::Csv, Format::WebServiceCsv),
    ] {
        let selectors = ["m365", "!m365:11"];
        let page = format.read(&exported(target, &selectors), "m365").unwrap();
        assert_eq!(page.findings, []);
        let catalogue = Catalogue::builtin().unwrap();
        let selectors: Vec<_> = selectors.iter().map(|text| text.parse().unwrap()).collect();
        let original = selector::select(&selectors, &catalogue).unwrap();
        assert_eq!(page.sets.len(), 62);
        for (read, written) in page.sets.iter().zip(original) {
            let same = |set: &EndpointSet| {
                (
                    set.id,
                    set.urls.clone(),
                    set.ips.clone(),
                    set.tcp_ports.clone(),
                    set.udp_ports.clone(),
                    set.category,
                )
            };
            assert_eq!(same(read), same(written));
        }
    }
}

#[test]
fn a_pac_file_sends_optimize_and_allow_directly() {
    let text = exported(Target::Pac, &["intune:core", "m365:optimize"]);
    assert!(
        text.contains("shExpMatch(host, \"*.manage.microsoft.com\") ||"),
        "{text}"
    );
    assert!(text.contains("host === \"manage.microsoft.com\""), "{text}");
    assert!(!text.contains("go.microsoft.com"), "{text}");
    assert!(
        text.contains("return \"PROXY proxy.example:8080\""),
        "{text}"
    );
    for bad in ["proxy", "a b:80", "x:99999", "\"; evil():80"] {
        assert!(bad.parse::<Proxy>().is_err(), "{bad}");
    }
}

#[test]
fn nftables_gets_prefixes_with_their_ports() {
    let text = exported(Target::Nft, &["m365:11", "intune:163"]);
    assert!(text.contains("udp dport { 3478-3481 } accept"), "{text}");
    assert!(text.contains("tcp dport { 80, 443 } accept"), "{text}");
    assert!(text.contains("type ipv6_addr"), "{text}");
    assert_eq!(text.matches('{').count(), text.matches('}').count());
}
