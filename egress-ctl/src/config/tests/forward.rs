//! Fast paths that a config names, well and badly.

use super::*;
use crate::config::forward::FastPath;

const PAIR: &str = "[[gateway.fast-path]]\nfrom = \"lan\"\nto = \"wan\"\n";

/// The good config with tables behind that of the gateway.
fn with(tables: &str) -> String {
    GOOD.replace("[source.intune]", &format!("{tables}\n[source.intune]"))
}

#[test]
fn pairs_are_understood() {
    assert_eq!(Config::parse(GOOD).unwrap().gateway.fast_paths, []);
    let trusted = PAIR.replace("wan", "ppp0") + "trust-checksums = true\n";
    let config = Config::parse(&with(&(PAIR.to_owned() + &trusted))).unwrap();
    let pair = |to: &str, trust_checksums| FastPath {
        from: "lan".to_owned(),
        to: to.to_owned(),
        trust_checksums,
    };
    assert_eq!(
        config.gateway.fast_paths,
        [pair("wan", false), pair("ppp0", true)]
    );
}

#[test]
fn what_cannot_have_one_is_named() {
    let table = [
        (
            "from = \"lan\"\n",
            "",
            "gateway.fast-path.from",
            "name a LAN interface",
        ),
        (
            "to = \"wan\"\n",
            "",
            "gateway.fast-path.to",
            "to = \"eth0\"",
        ),
        (
            "\"lan\"",
            "\"lam\"",
            "gateway.fast-path.from",
            "the nearest is `lan`",
        ),
        (
            "\"wan\"",
            "\"lan\"",
            "gateway.fast-path.to",
            "goes through the stack",
        ),
        (
            "\"wan\"",
            "\"w/n\"",
            "gateway.fast-path.to",
            "no interface name",
        ),
    ];
    for (from, to, key, message) in table {
        let problems = Config::parse(&with(&PAIR.replacen(from, to, 1))).unwrap_err();
        let [problem] = problems.as_slice() else {
            panic!("{to}: {problems:?}");
        };
        assert_eq!(problem.key, key, "{problem:?}");
        assert!(problem.message.contains(message), "{problem:?}");
    }
    let twice = PAIR.repeat(2);
    let problems = Config::parse(&with(&twice)).unwrap_err();
    assert!(problems[0].message.contains("twice"), "{problems:?}");
    let problems = Config::parse(&with(&(PAIR.to_owned() + "fast = true\n"))).unwrap_err();
    assert!(
        problems[0].message.contains("unknown field `fast`"),
        "{problems:?}"
    );
}

#[test]
fn the_effective_config_shows_whether_a_veth_is_trusted() {
    let text = with(PAIR);
    let config = Config::parse(&text).unwrap();
    let shown = show::effective(&text, &config).unwrap().text().unwrap();
    assert!(shown.contains("trust-checksums = false"), "{shown}");
    let again = Config::parse(&shown).unwrap();
    assert_eq!(again.gateway, config.gateway);
}
