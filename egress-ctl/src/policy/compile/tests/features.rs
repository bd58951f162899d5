//! What a generation says that packets need to be asked about.

use super::*;

/// A config in which a gateway and a group have these lines too, and nothing else is made use of.
fn features_of(gateway: &str, group: &str) -> u32 {
    let text = format!(
        "[gateway]\nmode = \"enforce\"\nlan = [\"lan\"]\ncount-replies = false\n{gateway}\n\
         [source.corp]\nkind = \"custom\"\n[[source.corp.set]]\nid = 1\nips = [\"192.0.2.0/24\"]\n\
         category = \"Optimize\"\nurls = [\"*.x.y\"]\ntcpPorts = \"443\"\n\
         [group.a]\nclients = [\"172.16.0.0/16\"]\nallow = [\"corp\"]\n{group}\n"
    );
    let config = Config::parse(&text).unwrap();
    let compiled = compile(&config, on(&[]), &mut Ids::default()).unwrap();
    compiled.settings.features
}

#[test]
fn features_are_what_a_config_makes_use_of() {
    const TRIE: &str = "lookup = \"trie\"";
    let gateway = |more: &str| features_of(&format!("{TRIE}\n{more}"), "");
    let group = |more: &str| features_of(TRIE, more);
    let fast_path = "[[gateway.fast-path]]\nfrom = \"lan\"\nto = \"wan\"";
    let deny = "[[group.a.rule]]\naction = \"deny\"\nto =";
    let table = [
        ("none", gateway(""), 0),
        ("flat", features_of("", ""), feature::FLAT),
        ("a fast path", gateway(fast_path), feature::FORWARDS),
        (
            "scope",
            gateway("[dns]\nscope = \"client\""),
            feature::CLIENT_SCOPE,
        ),
        ("the usual scope", gateway("[dns]\nscope = \"policy\""), 0),
        ("a place", group("interfaces = [\"lan\"]"), feature::PLACES),
        (
            "a machine",
            group("macs = [\"02:00:00:00:00:01\"]"),
            feature::MACHINES,
        ),
        (
            "a strict group",
            group("dns = \"strict\""),
            feature::STRICT_DNS,
        ),
        ("a group that is not", group("dns = \"trusted-only\""), 0),
        (
            "steering",
            group("steer.optimize = { mark = 1 }"),
            feature::STEERS,
        ),
        (
            "a denied name",
            group(&format!("{deny} [\"a.x.y\"]")),
            feature::DENIED_NAMES,
        ),
        (
            "a denied prefix",
            group(&format!("{deny} [\"192.0.2.1\"]")),
            0,
        ),
    ];
    for (what, seen, expected) in table {
        assert_eq!(seen, expected, "{what}");
    }
}

#[test]
fn features_add_up() {
    let gateway = "[[gateway.fast-path]]\nfrom = \"lan\"\nto = \"wan\"\n[dns]\nscope = \"client\"";
    let group = "interfaces = [\"lan\"]\nmacs = [\"02:00:00:00:00:01\"]\ndns = \"strict\"\n\
                 steer.optimize = { mark = 1 }\n[[group.a.rule]]\naction = \"deny\"\nto = [\"a.x.y\"]";
    let all = feature::FLAT
        | feature::FORWARDS
        | feature::CLIENT_SCOPE
        | feature::PLACES
        | feature::MACHINES
        | feature::STRICT_DNS
        | feature::STEERS
        | feature::DENIED_NAMES;
    assert_eq!(features_of(gateway, group), all);
}

#[test]
fn replies_are_counted_unless_the_config_says_otherwise() {
    let counts = |text: &str| {
        let config = Config::parse(text).unwrap();
        let compiled = compile(&config, on(&[]), &mut Ids::default()).unwrap();
        compiled.settings.features & feature::COUNTS_REPLIES != 0
    };
    assert!(counts(CONFIG));
    let quiet = CONFIG.replace("mode =", "count-replies = false\nmode =");
    assert!(!counts(&quiet));
}
