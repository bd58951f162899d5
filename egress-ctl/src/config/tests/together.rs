//! All problems come together: none hides another one, and none is told twice.

use super::*;

/// What is told of a config: keys in the order of the lines.
fn keys(text: &str) -> Vec<String> {
    let problems = Config::parse(text).unwrap_err();
    problems.into_iter().map(|problem| problem.key).collect()
}

/// A line, and what stands there instead.
type Change<'a> = (&'a str, &'a str);

/// The good config with other lines; each must be there.
fn with(lines: &[Change<'_>]) -> String {
    lines.iter().fold(GOOD.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "no {from}");
        text.replacen(from, to, 1)
    })
}

/// A prefix and a selector that are wrong.
const MORE: [Change<'static>; 2] = [
    ("\"10.0.0.0/8\"", "\"10.0.0.0/80\""),
    ("\"intune:163\"", "\"intune:nothing\""),
];

#[test]
fn nothing_wrong_with_the_gateway_hides_the_rest() {
    let table: [(&[Change<'_>], &[&str]); 9] = [
        (
            &[("mode = \"enforce\"", "mode = \"enforced\"")],
            &["gateway.mode"],
        ),
        (&[("mode = \"enforce\"", "mode = 5")], &["gateway.mode"]),
        (
            &[("mode = \"enforce\"", "mod = \"enforce\"")],
            &["gateway.mod"],
        ),
        (&[("mode = \"enforce\"\n", "")], &["gateway.mode"]),
        (&[("lan = [\"lan\"]", "lan = \"lan\"")], &["gateway.lan"]),
        (
            &[("lan = [\"lan\"]", "lan = [1, 2]")],
            &["gateway.lan", "gateway.lan"],
        ),
        (&[("lan = [\"lan\"]\n", "")], &["gateway.lan"]),
        (
            &[("mode = \"enforce\"\nlan = [\"lan\"]\n", "")],
            &["gateway.mode", "gateway.lan"],
        ),
        (
            &[
                ("mode = \"enforce\"", "mode = []"),
                ("lan = [\"lan\"]", "lan = 1"),
            ],
            &["gateway.mode", "gateway.lan"],
        ),
    ];
    for (wrong, told) in table {
        let text = with(&[wrong, &MORE].concat());
        let expected = [told, &["gateway.internal", "group.staging.allow"]].concat();
        assert_eq!(keys(&text), expected, "{wrong:?}");
    }
}

#[test]
fn a_line_that_is_no_toml_hides_no_other_problem() {
    let table: [(Change<'_>, &[&str]); 6] = [
        (("mode = \"enforce\"", "mode = enforce"), &["gateway.mode"]),
        (("mode = \"enforce\"", "mode ="), &["gateway.mode"]),
        (
            ("mode = \"enforce\"", "mode = \"enforce"),
            &["gateway.mode"],
        ),
        (
            ("mode = \"enforce\"", "mode = \"enforce\"\nmode = \"off\""),
            &["gateway.mode"],
        ),
        (("id = 1", "id = 1x"), &["source.corp.set.id"]),
        (("default = \"drop\"", "default: \"drop\""), &[""]),
    ];
    for (wrong, told) in table {
        let text = with(&[&[wrong][..], &MORE].concat());
        let found = keys(&text);
        for key in ["gateway.internal", "group.staging.allow"] {
            assert!(
                found.iter().any(|found| found == key),
                "{wrong:?}: {found:?}"
            );
        }
        assert_eq!(
            found.len(),
            told.len() + 2,
            "{wrong:?}: {:#?}",
            Config::parse(&text)
        );
        let is_told = |key: &&str| key.is_empty() || found.iter().any(|found| found == *key);
        assert!(told.iter().all(is_told), "{wrong:?}: {found:?}");
    }
    // The keys below a broken header would be those of another table.
    assert_eq!(
        keys(&with(&[("[group.staging]", "[group.staging"), MORE[0]])).len(),
        1
    );
}

#[test]
fn a_config_without_a_gateway_is_checked_as_well() {
    let (_, rest) = GOOD.split_once("[source.intune]").unwrap();
    let rest = rest.replace("intune:163", "intune:nothing");
    let bare = format!("[source.intune]{rest}");
    assert_eq!(keys(&bare), ["gateway", "group.staging.allow"]);
    let other = format!("gateway = 5\n{bare}");
    assert_eq!(keys(&other), ["gateway", "group.staging.allow"]);
}

#[test]
fn what_a_wrong_source_lacks_is_not_told_of_groups() {
    let selects = ("\"intune:163\"", "\"corp:1\", \"corp:2/optimize\"");
    let table = [
        (
            ("kind = \"custom\"", "kind = \"costum\""),
            "source.corp.kind",
        ),
        (("kind = \"custom\"", "kind = 5"), "source.corp.kind"),
        (("kind = \"custom\"", "kin = \"custom\""), "source.corp.kin"),
        (("kind = \"custom\"\n", ""), "source.corp.kind"),
        (("id = 1", "id = \"1\""), "source.corp.set.id"),
        (("id = 1\n", ""), "source.corp.set"),
        (("192.0.2.0/24", "192.0.2.0/33"), "source.corp.set.ips"),
        (("tcpPorts", "ports"), "source.corp.set.ports"),
        (
            (
                "urls = [\"*.example.org\"]\nips = [\"192.0.2.0/24\"]",
                "urls = \"*.example.org\"",
            ),
            "source.corp.set.urls",
        ),
    ];
    for (wrong, key) in table {
        assert_eq!(keys(&with(&[wrong, selects])), [key], "{wrong:?}");
    }
    let all = GOOD
        .replace("[source.", "[sources.")
        .replace("[[source.", "[[sources.");
    assert_eq!(keys(&all), ["sources"]);
}

#[test]
fn keys_of_an_unknown_kind_are_not_judged() {
    let source = "[source.azure]\nkind = \"fiel\"\npath = \"/x\"\npoll = \"1h\"\n";
    assert_eq!(keys(&format!("{GOOD}{source}")), ["source.azure.kind"]);
    let source =
        "[source.azure]\nkind = \"web-service\"\npath = \"/x\"\n[[source.azure.set]]\nid = 1\n";
    let expected = ["source.azure.path", "source.azure.set"];
    assert_eq!(keys(&format!("{GOOD}{source}")), expected);
}

#[test]
fn a_group_that_may_name_somebody_is_not_said_to_name_nobody() {
    let clients = "clients = [\"10.20.0.0/16\", \"fd00:20::/64\"]";
    let table: [(&str, &[&str]); 6] = [
        ("", &["group.staging"]),
        ("clients = 5", &["group.staging.clients"]),
        ("clients = [5]", &["group.staging.clients"]),
        ("client = [\"10.20.0.0/16\"]", &["group.staging.client"]),
        ("vlans = [\"30\"]", &["group.staging.vlans"]),
        ("mode = 5", &["group.staging", "group.staging.mode"]),
    ];
    for (line, expected) in table {
        assert_eq!(keys(&with(&[(clients, line)])), expected, "{line}");
    }
    let bare = format!("{GOOD}[group.\"x.y\"]\n");
    let problems = Config::parse(&bare).unwrap_err();
    assert_eq!(
        (problems[0].line, problems[0].key.as_str()),
        (23, "group.x.y")
    );
    let named = with(&[
        (clients, ""),
        ("lan = [", "default-group = \"stagin\"\nlan = ["),
    ]);
    assert_eq!(keys(&named), ["gateway.default-group"]);
    let named = with(&[
        (clients, ""),
        ("lan = [", "default-grup = \"staging\"\nlan = ["),
    ]);
    assert_eq!(keys(&named), ["gateway.default-grup"]);
}

#[test]
fn a_rule_is_read_whole_whatever_is_wrong_in_it() {
    let rule = "[[group.staging.rule]]\naction = \"deni\"\nto = [\"10.0.0.0/80\"]\nprotocol = \"tpc\"\nuntil = \"2026\"\n\
                [[group.staging.rule]]\nto = [\"10.0.0.0/80\"]\n";
    let expected = ["action", "to", "protocol", "until", "action", "to"];
    let expected = expected.map(|key| format!("group.staging.rule.{key}"));
    assert_eq!(keys(&format!("{GOOD}{rule}")), expected);
}

#[test]
fn sixty_five_groups_are_refused_with_the_limit() {
    let group = |n: u8| format!("[group.g{n:02}]\nclients = [\"172.16.{n}.0/24\"]\n");
    let (head, _) = GOOD.split_once("[group.staging]").unwrap();
    let of = |count: u8| head.to_owned() + &(0..count).map(group).collect::<String>();
    assert_eq!(Config::parse(&of(64)).unwrap().groups.len(), 64);
    let problems = Config::parse(&of(66)).unwrap_err();
    let [problem] = problems.as_slice() else {
        panic!("{problems:?}");
    };
    let line = 1 + head.matches('\n').count() + 2 * 64;
    assert_eq!((problem.line, problem.key.as_str()), (line, "group.g64"));
    let expected = "`66` groups are too many, the nearest is `64`, which is the most";
    assert_eq!(problem.message, expected);
}
