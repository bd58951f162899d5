//! What is a name, a prefix, or neither.

use super::*;

fn read(lines: &[&str]) -> Addresses {
    addresses(&lines.iter().map(ToString::to_string).collect::<Vec<_>>())
}

#[test]
fn cells_give_names_and_prefixes() {
    let table: [(&str, &[&str], &[&str]); 10] = [
        ("*.a.example.org", &["*.a.example.org"], &[]),
        (
            " a.b.example , c.d.example",
            &["a.b.example", "c.d.example"],
            &[],
        ),
        (
            "192.0.2.0/24,198.51.100.7/32, 2001:db8::/32",
            &[],
            &["192.0.2.0/24", "198.51.100.7/32", "2001:db8::/32"],
        ),
        ("'https://a.b.example'", &["a.b.example"], &[]),
        ("https://a.b.example:8443/path?x", &["a.b.example"], &[]),
        ("a.b.example (until then)", &["a.b.example"], &[]),
        ("<tenant>.b.example", &["*.b.example"], &[]),
        ("192.0.2.0 - 192.0.2.31", &[], &["192.0.2.0/27"]),
        ("#-push.b.example", &["*-push.b.example"], &[]),
        (
            "*mobile.b.example and c.example.",
            &["*mobile.b.example", "c.example"],
            &[],
        ),
    ];
    for (line, names, prefixes) in table {
        let found = read(&[line]);
        assert_eq!(found.names, names, "{line}");
        assert_eq!(found.prefixes, prefixes, "{line}");
        assert_eq!(found.wrong, [""; 0], "{line}");
    }
}

#[test]
fn what_looks_like_an_address_and_is_none_is_wrong() {
    for text in [
        "300.1.1.1/33",
        "192.0.2.0/33",
        "1.2.3",
        "*.*.b.example",
        "2001:db8::1::/32",
    ] {
        assert_eq!(read(&[text]).wrong, [text], "{text}");
    }
}

#[test]
fn remarks_know_the_names_of_their_line() {
    let found = read(&["a.b.example", "c.d.example (ends soon)"]);
    let expected = ("ends soon".to_owned(), vec!["c.d.example".to_owned()]);
    assert_eq!(found.remarks, [expected]);
}

#[test]
fn items_that_begin_with_names_are_entries() {
    type Expected<'a> = Option<(&'a [&'a str], Option<&'a str>)>;
    let table: [(&str, Expected<'_>); 10] = [
        ("a.b.example", Some((&["a.b.example"], None))),
        ("'https://a.b.example'", Some((&["a.b.example"], None))),
        (
            "*.b.example - for enrolment",
            Some((&["*.b.example"], Some("for enrolment"))),
        ),
        (
            "a.b.example, c.example",
            Some((&["a.b.example", "c.example"], None)),
        ),
        ("*.b.example: sync", Some((&["*.b.example"], Some("sync")))),
        ("Varies, as a.b.example", None),
        ("ASP.NET - a framework", None),
        ("a.b.example is needed", None),
        ("setup.exe", None),
        ("", None),
    ];
    for (text, expected) in table {
        let found = entry(&[text.to_owned()]);
        let expected = expected.map(|(names, remark)| {
            (
                names.iter().map(ToString::to_string).collect(),
                remark.map(str::to_owned),
            )
        });
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn urls_behind_a_label_are_entries() {
    type Row<'a> = (&'a str, Option<(&'a [&'a str], &'a str)>);
    let table: [Row<'_>; 7] = [
        (
            "Portal: https://portal.example.org/",
            Some((&["portal.example.org"], "443")),
        ),
        (
            "Graphs: https://a.example.org and http://b.example.org/v1",
            Some((&["a.example.org", "b.example.org"], "443,80")),
        ),
        (
            "Verzeichnis: https://a.example.org und https://b.example.org",
            Some((&["a.example.org", "b.example.org"], "443")),
        ),
        ("See: https://docs.example.org for more information", None),
        ("Note that: portal.example.org is needed", None),
        ("a.example.org: https://b.example.org", None),
        ("Portal: ftp://a.example.org", None),
    ];
    for (text, expected) in table {
        let found = labelled(&[text.to_owned()]);
        let found = found
            .as_ref()
            .map(|item| (item.names.clone(), item.tcp_ports.as_str()));
        let expected = expected.map(|(names, ports)| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            (names, ports)
        });
        assert_eq!(found, expected, "{text}");
    }
}
