//! What filters mean, and what is said of texts that are none.

use egress_common::verdict::{Action, Reason};
use proptest::prelude::*;

use super::{lex::quoted, *};

fn subject() -> Subject<'static> {
    Subject {
        client: Some("10.20.0.7".parse().unwrap()),
        group: Some("kiosks"),
        sets: vec!["intune:163"],
        names: vec!["www.Example.com", "*.example.com"],
        reason: Some(Reason::WrongPort),
        action: Some(Action::Drop),
        address: Some("2001:db8::1".parse().unwrap()),
        port: Some(8443),
        proto: Some(6),
    }
}

#[test]
fn terms_compare_one_field() {
    let table = [
        ("client=10.20.0.7", true),
        ("client=10.20.0.0/16", true),
        ("client=::ffff:10.20.0.7", true),
        ("client=10.21.0.0/16,10.20.0.7", true),
        ("client=10.20.0.8", false),
        ("address=2001:db8::/32", true),
        ("destination=2001:db8:0::1", true),
        ("address=10.20.0.7", false),
        ("group=kiosks", true),
        ("group=kiosk*", true),
        ("group=Kiosks", false),
        ("group=\"\"", false),
        ("set=intune:163", true),
        ("set=intune:*", true),
        ("set=m365:*", false),
        ("name=www.example.com.", true),
        ("name=*.EXAMPLE.com", true),
        ("name=example.com", false),
        ("name=*.www.example.com", false),
        ("name=*", true),
        ("reason=wrong-port", true),
        ("reason=no-rule,WRONG-port", true),
        ("action!=would-drop", true),
        ("port=8443", true),
        ("port=80,8000-8999", true),
        ("port!=8443", false),
        ("proto=tcp", true),
        ("protocol==6", true),
        ("proto=udp", false),
        ("", true),
    ];
    for (text, expected) in table {
        let filter: Filter = text.parse().unwrap();
        assert_eq!(filter.matches(&subject()), expected, "{text}");
    }
}

#[test]
fn what_is_not_known_is_no_value() {
    let nothing = Subject::default();
    let table = [
        ("client=0.0.0.0/0", false),
        ("not client=0.0.0.0/0", true),
        ("group=*", false),
        ("group=\"\"", true),
        ("name=\"\" and set=\"\"", true),
        ("port=0-65535", false),
    ];
    for (text, expected) in table {
        let filter: Filter = text.parse().unwrap();
        assert_eq!(filter.matches(&nothing), expected, "{text}");
    }
}

#[test]
fn the_normal_form_is_one() {
    let table = [
        (" client = 10.20.3.4/16 ", "client=10.20.0.0/16"),
        ("src=10.20.0.7/32", "client=10.20.0.7"),
        ("PORT==443-443,443 AND Proto=6", "port=443 and proto=tcp"),
        ("proto=47", "proto=47"),
        ("port!=53", "not port=53"),
        ("! (not port=53)", "port=53"),
        (
            "(port=1 and (port=2 and port=3))",
            "port=1 and port=2 and port=3",
        ),
        ("port=1 or port=2 && port=3", "port=1 or port=2 and port=3"),
        (
            "(port=1 | port=2) & port=3",
            "(port=1 or port=2) and port=3",
        ),
        ("!(port=1 and port=2)", "not (port=1 and port=2)"),
        ("name=\"WWW.example.com.\"", "name=www.example.com"),
        ("group=\"and\"", "group=\"and\""),
        (r#"group="a \"b\" \\ c""#, r#"group="a \"b\" \\ c""#),
        ("", ""),
    ];
    for (text, expected) in table {
        let filter: Filter = text.parse().unwrap();
        assert_eq!(filter.to_string(), expected, "{text}");
    }
}

#[test]
fn a_text_that_is_no_filter_shows_where() {
    let table = [
        (
            "clint=10.20.0.7 and port=443",
            "filter: there is no field `clint`, the nearest is `client`; there are client, ",
            "^^^^^",
        ),
        (
            "client 10.20.0.7",
            "filter: expected `=` or `!=` behind `client`\n",
            "       ^^^^^^^^^",
        ),
        (
            "port=1 and client:10.20.0.7",
            "filter: expected `=` behind `client`\n",
            "                 ^",
        ),
        (
            "client=10.20.0.7 port=443",
            "filter: expected `and`, `or` or the end\n",
            "                 ^^^^",
        ),
        (
            "client=10.20.0",
            "filter: `10.20.0` is no client: write an address or a prefix, as in 10.20.0.0/16\n",
            "       ^^^^^^^",
        ),
        (
            "(port=443",
            "filter: expected `and`, `or` or `)`\n",
            "         ^",
        ),
        (
            "port=443 and",
            "filter: expected a field, `not` or `(`\n",
            "            ^",
        ),
        (
            "port=443-80",
            "filter: `443-80` is no port: write a port or a range of ports, as in 8000-8010\n",
            "     ^^^^^^",
        ),
        (
            "reason=wrong-prt",
            "filter: there is no reason `wrong-prt`, the nearest is `wrong-port`; there are ",
            "       ^^^^^^^^^",
        ),
        (
            "name=*.*.example.com",
            "filter: `*.*.example.com` is no name: write a name, with at most one `*`",
            "     ^^^^^^^^^^^^^^^",
        ),
        (
            "group=\"kiosks",
            "filter: this quotation mark is never closed\n",
            "      ^",
        ),
        (
            "group=a\u{1b}[2J",
            "filter: expected a word; other characters stand in quotation marks\n",
            "       ^^^^^^",
        ),
    ];
    for (text, said, carets) in table {
        let fault = text.parse::<Filter>().unwrap_err().to_string();
        assert!(fault.starts_with(said), "{fault}");
        assert!(!fault.contains('\u{1b}'), "{fault}");
        let last = fault.lines().last().unwrap();
        assert_eq!(last, format!("  {carets}"), "{fault}");
    }
}

#[test]
fn a_long_text_is_shown_around_the_spot() {
    let before = "port=1 and ".repeat(20);
    let behind = " and port=2".repeat(20);
    let fault = format!("{before}prt=1{behind}").parse::<Filter>();
    let fault = fault.unwrap_err();
    let (text, carets) = fault.excerpt();
    assert!(text.chars().count() < 80, "{text}");
    let spot: String = text
        .chars()
        .zip(carets.chars())
        .filter(|(_, below)| *below == '^')
        .map(|(c, _)| c)
        .collect();
    assert_eq!(spot, "prt", "{text}\n{carets}");
}

#[test]
fn what_is_too_deep_or_too_long_is_refused() {
    let deep = |levels| format!("{}port=1{}", "(".repeat(levels), ")".repeat(levels));
    assert!(deep(DEPTH_MAX).parse::<Filter>().is_ok());
    for text in [
        deep(DEPTH_MAX + 1),
        "not ".repeat(DEPTH_MAX + 1),
        "(".repeat(TEXT_MAX),
    ] {
        let fault = text.parse::<Filter>().unwrap_err();
        assert_eq!(fault.fault(), &Fault::Deep);
    }
    let long = "x".repeat(TEXT_MAX + 1).parse::<Filter>().unwrap_err();
    assert_eq!(long.fault(), &Fault::Long);
}

#[test]
fn groups_and_sets_that_nothing_has_are_told_with_the_nearest() {
    let known = Known {
        groups: vec!["kiosks", "staging"],
        sets: vec!["intune:163", "m365:8"],
    };
    for good in ["", "group=staging", "group=\"\"", "set=intune:*,m365:8"] {
        let filter: Filter = good.parse().unwrap();
        assert_eq!(filter.check(&known), Ok(()), "{good}");
    }
    let table = [
        (
            "port=443 and group=stagin",
            "filter: there is no group `stagin`, the nearest is `staging`; there are staging, kiosks\n  \
             port=443 and group=stagin\n                     ^^^^^^",
        ),
        (
            "set=m365:8,intune:1630",
            "filter: there is no endpoint set or rule `intune:1630`, the nearest is `intune:163`; \
             there are intune:163, m365:8\n  set=m365:8,intune:1630\n             ^^^^^^^^^^^",
        ),
    ];
    for (text, said) in table {
        let filter: Filter = text.parse().unwrap();
        assert_eq!(filter.check(&known).unwrap_err().to_string(), said);
    }
}

#[test]
fn options_become_terms() {
    let table = [
        (Field::Client, "10.20.0.9/16", "client=10.20.0.0/16"),
        (Field::Group, "two words", "group=\"two words\""),
        (Field::Group, "not", "group=\"not\""),
    ];
    for (field, value, expected) in table {
        assert_eq!(term(field, value).unwrap(), expected);
    }
    assert!(term(Field::Reason, "wrong").is_err());
}

/// A filter as a person might write it, with what it means said once more, in another way.
#[derive(Clone, Debug)]
enum Written {
    Is(&'static str, String),
    Not(Box<Self>),
    Both(Box<Self>, Box<Self>),
    Either(Box<Self>, Box<Self>),
}

impl Written {
    /// With signs or words, and all parentheses.
    fn text(&self, signs: bool) -> String {
        let joined = |a: &Self, b: &Self, sign, word| {
            let between = if signs { sign } else { word };
            format!("({}{between}{})", a.text(signs), b.text(signs))
        };
        match self {
            Self::Is(field, value) => format!("{field}={}", quoted(value)),
            Self::Not(of) if signs => format!("!{}", of.text(signs)),
            Self::Not(of) => format!("not {}", of.text(signs)),
            Self::Both(a, b) => joined(a, b, "&&", " AND "),
            Self::Either(a, b) => joined(a, b, "||", " or "),
        }
    }

    fn means(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::Is(field, value) => has(subject, field, value),
            Self::Not(of) => !of.means(subject),
            Self::Both(a, b) => a.means(subject) && b.means(subject),
            Self::Either(a, b) => a.means(subject) || b.means(subject),
        }
    }
}

fn has(subject: &Subject<'_>, field: &str, value: &str) -> bool {
    let text = |addr: &std::net::IpAddr| addr.to_string() == value;
    match field {
        "client" => subject.client.as_ref().is_some_and(text),
        "address" => subject.address.as_ref().is_some_and(text),
        "group" => subject.group.unwrap_or_default() == value,
        "set" => subject.sets.contains(&value),
        "name" => subject.names.contains(&value),
        "reason" => subject.reason.map(Reason::name) == Some(value),
        "action" => subject.action.map(Action::name) == Some(value),
        "port" => subject.port.map(|port| port.to_string()).as_deref() == Some(value),
        _ => panic!("{field}"),
    }
}

const VALUES: &[(&str, &[&str])] = &[
    ("client", &["10.20.0.7", "10.20.0.8", "2001:db8::7"]),
    ("address", &["192.0.2.1", "2001:db8::1"]),
    ("group", &["kiosks", "two words", "and", "\"\\", ""]),
    ("set", &["intune:163", "two words:rule-1"]),
    ("name", &["www.example.com", "a.b"]),
    ("reason", &["wrong-port", "no-rule"]),
    ("action", &["drop", "would-drop"]),
    ("port", &["80", "443"]),
];

fn written() -> impl Strategy<Value = Written> {
    let term = prop::sample::select(VALUES).prop_flat_map(|(field, values)| {
        prop::sample::select(values.to_vec())
            .prop_map(move |value| Written::Is(field, value.to_owned()))
    });
    term.prop_recursive(6, 40, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|of| Written::Not(Box::new(of))),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| Written::Both(Box::new(a), Box::new(b))),
            (inner.clone(), inner).prop_map(|(a, b)| Written::Either(Box::new(a), Box::new(b))),
        ]
    })
}

/// What a subject may have of a field, or nothing.
fn value(field: &str) -> impl Strategy<Value = Option<&'static str>> + use<> {
    let of_field = VALUES.iter().find(|(name, _)| *name == field);
    let values = of_field.map_or(&[][..], |(_, values)| values);
    let values = values.iter().copied().filter(|value| !value.is_empty());
    prop::option::of(prop::sample::select(values.collect::<Vec<_>>()))
}

fn subjects() -> impl Strategy<Value = Subject<'static>> {
    let ends = (value("client"), value("address"), value("port"));
    let words = (value("group"), value("set"), value("name"));
    (ends, words, value("reason"), value("action")).prop_map(
        |((client, address, port), (group, set, name), reason, action)| Subject {
            client: client.map(|text| text.parse().unwrap()),
            address: address.map(|text| text.parse().unwrap()),
            port: port.map(|text| text.parse().unwrap()),
            group,
            sets: set.into_iter().collect(),
            names: name.into_iter().collect(),
            reason: Reason::ALL
                .iter()
                .copied()
                .find(|it| Some(it.name()) == reason),
            action: Action::ALL
                .iter()
                .copied()
                .find(|it| Some(it.name()) == action),
            proto: None,
        },
    )
}

proptest! {
    #[test]
    fn a_filter_means_what_a_naive_reader_takes_it_for(
        written in written(), signs: bool, subjects in prop::collection::vec(subjects(), 20),
    ) {
        let filter: Filter = written.text(signs).parse().unwrap();
        for subject in &subjects {
            prop_assert_eq!(filter.matches(subject), written.means(subject), "{:?}", subject);
        }
    }

    #[test]
    fn what_is_printed_is_read_as_the_same_filter(written in written(), signs: bool) {
        let filter: Filter = written.text(signs).parse().unwrap();
        let printed = filter.to_string();
        let again: Filter = printed.parse().unwrap();
        prop_assert_eq!(again.to_string(), printed);
        prop_assert_eq!(again, filter);
    }

    #[test]
    fn no_text_breaks_the_parser(text in "[ -~é\u{1b}]{0,80}") {
        if let Err(fault) = text.parse::<Filter>() {
            prop_assert!(text.get(fault.at()).is_some(), "{fault}");
            let is_raw = fault.to_string().contains('\u{1b}');
            prop_assert!(!is_raw);
        }
    }
}
