//! Good and bad configurations.

mod forward;
mod nearest;
mod together;

use super::*;

const GOOD: &str = r#"
[gateway]
mode = "enforce"
lan = ["lan"]
resolvers = ["gateway", "10.0.0.53"]
internal = ["10.0.0.0/8", "fd00::/8"]

[source.intune]
kind = "builtin"

[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
urls = ["*.example.org"]
ips = ["192.0.2.0/24"]
tcpPorts = "443"

[group.staging]
clients = ["10.20.0.0/16", "fd00:20::/64"]
allow = ["intune:163", "corp"]
default = "drop"
"#;

#[test]
fn a_good_config_is_understood() {
    let config = Config::parse(GOOD).unwrap();
    assert_eq!(config.gateway.mode, Mode::Enforce);
    assert!(config.gateway.own_resolver);
    assert_eq!(
        config.gateway.resolvers,
        ["10.0.0.53".parse::<IpAddr>().unwrap()]
    );
    assert_eq!(config.dns, Dns::DEFAULT);
    let [group] = config.groups.as_slice() else {
        panic!("one group");
    };
    assert_eq!(group.name, "staging");
    assert_eq!(group.members.clients.len(), 2);
    assert_eq!(group.allow, ["corp:1", "intune:163"]);
}

#[test]
fn problems_name_line_and_key() {
    let table = [
        (
            "mode = \"enforce\"",
            "mode = \"enforced\"",
            3,
            "gateway.mode",
            "unknown mode `enforced`, the nearest is `enforce`; there are `audit`, `enforce` and `off`",
        ),
        (
            "lan = [\"lan\"]",
            "lan = []",
            4,
            "gateway.lan",
            "name at least one interface",
        ),
        (
            "lan = [\"lan\"]",
            "lans = [\"lan\"]",
            4,
            "gateway.lans",
            "unknown field `lans`",
        ),
        (
            "\"10.0.0.53\"",
            "\"10.0.0.530\"",
            5,
            "gateway.resolvers",
            "`10.0.0.530` is neither `gateway` nor an address",
        ),
        (
            "\"10.0.0.0/8\"",
            "\"10.0.0.1/8\"",
            6,
            "gateway.internal",
            "`10.0.0.1/8` has bits behind its length, the nearest is `10.0.0.0/8`",
        ),
        (
            "[source.intune]",
            "[source.entune]",
            9,
            "source.entune.kind",
            "unknown built-in source `entune`, the nearest is `intune`; there are `intune`, `power-automate` and `m365`",
        ),
        (
            "kind = \"custom\"",
            "kind = \"costum\"",
            12,
            "source.corp.kind",
            "unknown kind `costum`",
        ),
        (
            "*.example.org",
            "*.*.example.org",
            15,
            "source.corp.set.urls",
            "may hold one `*`",
        ),
        (
            "192.0.2.0/24",
            "192.0.2.0/33",
            16,
            "source.corp.set.ips",
            "write a prefix",
        ),
        (
            "tcpPorts = \"443\"",
            "tcpPorts = \"0\"",
            17,
            "source.corp.set.tcpPorts",
            "holds port 0",
        ),
        (
            "tcpPorts",
            "ports",
            17,
            "source.corp.set.ports",
            "unknown field `ports`",
        ),
        (
            "\"10.20.0.0/16\"",
            "\"10.20.0.0\\\\16\"",
            20,
            "group.staging.clients",
            "is no prefix",
        ),
        (
            "intune:163",
            "intun:163",
            21,
            "group.staging.allow",
            "unknown source `intun`, the nearest is `intune`",
        ),
        (
            "intune:163",
            "intune:999",
            21,
            "group.staging.allow",
            "no set of the source knows `999`",
        ),
        (
            "intune:163",
            "intune:",
            21,
            "group.staging.allow",
            "empty segment",
        ),
        (
            "default = \"drop\"",
            "default = \"refuse\"",
            22,
            "group.staging.default",
            "there are `drop` and `reject`",
        ),
        (
            "default = \"drop\"",
            "steers = 1",
            22,
            "group.staging.steers",
            "unknown field `steers`",
        ),
    ];
    for (from, to, line, key, message) in table {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD, "{from}");
        let problems = Config::parse(&text).unwrap_err();
        let found = problems
            .iter()
            .any(|p| p.line == line && p.key == key && p.message.contains(message));
        assert!(found, "{to}: {problems:?}");
    }
}

#[test]
fn a_web_service_is_described_by_its_keys() {
    use crate::feed::settings::{Consent, Removals, SERVICE};
    let source = "[source.m365]\nkind = \"web-service\"\n";
    let config = Config::parse(&format!("{GOOD}{source}")).unwrap();
    let settings = &config.feeds[0].settings;
    let asked = (settings.question.instance.as_str(), settings.url.as_str());
    assert_eq!(asked, ("Worldwide", SERVICE));
    assert_eq!(
        settings.question.areas,
        ["Common", "Exchange", "SharePoint", "Skype"]
    );
    assert_eq!(config.catalogue.sets_of("m365").unwrap().len(), 63);
    let all = "instance = \"china\"\nservice-areas = [\"mem\", \"Skype\"]\ntenant = \"contoso\"\nipv6 = false\n\
        url = \"http://mirror.example/m365/\"\nca-file = \"/etc/ca.pem\"\npoll = \"90s\"\ntimeout = \"5s\"\n\
        additions = \"ask\"\nremovals = \"0d\"\nchanges = \"ask\"\nmax-loss = 50\nkeep = 5\n";
    let config = Config::parse(&format!("{GOOD}{source}{all}")).unwrap();
    let settings = &config.feeds[0].settings;
    assert_eq!(settings.question.areas, ["MEM", "Skype"]);
    assert_eq!(settings.url, "http://mirror.example/m365");
    let rules = settings.rules;
    let decided = (rules.additions, rules.removals, rules.changes);
    assert_eq!(decided, (Consent::Ask, Removals::After(0), Consent::Ask));
    assert_eq!(config.catalogue.sets_of("m365").unwrap().len(), 0);
    assert!(config.feeds[0].warnings[0].contains("nothing was fetched yet"));
}

#[test]
fn wrong_keys_of_a_web_service_are_told() {
    let table = [
        ("instance = \"a b\"", "instance", "no name of an instance"),
        (
            "service-areas = []",
            "service-areas",
            "name some of Common, Exchange",
        ),
        (
            "service-areas = [\"a,b\"]",
            "service-areas",
            "no service area",
        ),
        (
            "tenant = \"a.b\"",
            "tenant",
            "`a.b` is no name of a tenant, the nearest is `a`",
        ),
        ("url = \"ftp://x\"", "url", "neither https://"),
        ("url = \"file://x\"", "url", "neither https://"),
        ("poll = \"30m\"", "poll", "once an hour at most"),
        ("poll = \"soon\"", "poll", "is no time"),
        ("poll = \"8d\"", "poll", "at most a week"),
        ("timeout = \"0s\"", "timeout", "1s to 10m"),
        (
            "additions = \"aplly\"",
            "additions",
            "the nearest is `apply`",
        ),
        ("removals = \"7\"", "removals", "days as in \"7d\""),
        ("removals = \"400d\"", "removals", "at most 365 days"),
        (
            "changes = \"never\"",
            "changes",
            "there are `apply` and `ask`",
        ),
        (
            "max-loss = 101",
            "max-loss",
            "the nearest is `100`: 0 to 100",
        ),
        ("keep = 1", "keep", "2 to 1000"),
        ("path = \"x\"", "path", "no such key"),
        ("tcp-ports = \"443\"", "tcp-ports", "no such key"),
    ];
    for (line, key, message) in table {
        let text = format!("{GOOD}[source.m365]\nkind = \"web-service\"\n{line}\n");
        let problems = Config::parse(&text).unwrap_err();
        let found = problems.iter().any(|p| {
            p.line == 25 && p.key == format!("source.m365.{key}") && p.message.contains(message)
        });
        assert!(found, "{line}: {problems:?}");
    }
    for name in ["..", "a.b", "a/b"] {
        let text = format!("{GOOD}[source.\"{name}\"]\nkind = \"web-service\"\n");
        let problems = Config::parse(&text).unwrap_err();
        let found = problems
            .iter()
            .any(|p| p.message.contains("is named by letters"));
        assert!(found, "{name}: {problems:?}");
    }
    let text = GOOD.replacen("kind = \"builtin\"", "kind = \"builtin\"\nkeep = 3", 1);
    let problems = Config::parse(&text).unwrap_err();
    assert_eq!(problems[0].key, "source.intune.keep");
}

#[test]
fn what_is_not_documented_is_only_warned_of() {
    let table = [
        (
            "instance = \"germany\"",
            "the instance `germany` is not documented",
        ),
        ("service-areas = [\"Skipe\"]", "the nearest is `Skype`"),
    ];
    for (line, warning) in table {
        let text = format!("{GOOD}[source.m365]\nkind = \"web-service\"\n{line}\n");
        let config = Config::parse(&text).unwrap();
        let warnings = &config.feeds[0].warnings;
        assert!(
            warnings.iter().any(|w| w.contains(warning)),
            "{line}: {warnings:?}"
        );
    }
}

#[test]
fn a_selector_may_name_what_the_service_no_longer_has() {
    let source = "[source.m365]\nkind = \"web-service\"\n";
    let text = GOOD.replace("\"corp\"]", "\"corp\", \"m365:99999\"]") + source;
    let config = Config::parse(&text).unwrap();
    assert_eq!(config.groups[0].empty, ["m365:99999"]);
}

#[test]
fn all_problems_are_reported_at_once() {
    let text = GOOD
        .replace("10.0.0.53", "x")
        .replace("*.example.org", "*")
        .replace("intune:163", "intune:nothing");
    let problems = Config::parse(&text).unwrap_err();
    let lines: Vec<_> = problems.iter().map(|p| p.line).collect();
    // The set with the wrong pattern is left out, so its source is known but empty.
    assert_eq!(lines, [5, 15, 21]);
}

#[test]
fn what_has_no_place_in_the_file_hides_no_other_problem() {
    let text = GOOD
        .replace("lan = [\"lan\"]", "lan = [\"lan\"]\nresolver = []")
        .replace("10.0.0.53", "x")
        .replace("tcpPorts", "ports")
        .replace("default = \"drop\"", "default = 5\nalow = []");
    let problems = Config::parse(&text).unwrap_err();
    let seen: Vec<_> = problems
        .iter()
        .map(|p| (p.key.as_str(), p.message.as_str()))
        .collect();
    let expected = [
        ("gateway.resolver", "unknown field `resolver`"),
        ("gateway.resolvers", "`x` is neither"),
        ("source.corp.set.ports", "unknown field `ports`"),
        ("group.staging.default", "invalid type"),
        ("group.staging.alow", "unknown field `alow`"),
    ];
    assert_eq!(seen.len(), expected.len(), "{seen:?}");
    for ((key, message), (expected_key, said)) in seen.iter().zip(expected) {
        assert_eq!(*key, expected_key);
        assert!(message.contains(said), "{message}");
    }
    assert!(
        seen[0].1.ends_with("the nearest is `resolvers`"),
        "{seen:?}"
    );
    assert!(seen[4].1.ends_with("the nearest is `allow`"), "{seen:?}");
}

#[test]
fn a_word_that_is_not_known_is_answered_with_the_nearest() {
    let rule = |keys: &str| format!("{GOOD}[[group.staging.rule]]\n{keys}\n");
    let table = [
        (
            GOOD.replace("mode = \"enforce\"", "mode = \"enforced\""),
            "`enforce`",
        ),
        (
            GOOD.replace("default = \"drop\"", "default = \"rejct\""),
            "`reject`",
        ),
        (rule("action = \"alow\""), "`allow`"),
        (rule("action = \"deny\"\nprotocol = \"tpc\""), "`tcp`"),
        (
            GOOD.replace("lan = [", "default-group = \"stagin\"\nlan = ["),
            "`staging`",
        ),
        (GOOD.replace("\"custom\"", "\"costum\""), "`custom`"),
    ];
    for (text, near) in table {
        assert_ne!(text, GOOD);
        let problems = Config::parse(&text).unwrap_err();
        let said = format!("the nearest is {near}");
        assert!(problems[0].message.contains(&said), "{near}: {problems:?}");
    }
}

#[test]
fn a_prefix_belongs_to_one_group() {
    let more = "[group.z]\nclients = [\"10.20.0.0/16\"]\nallow = []\n";
    let problems = Config::parse(&format!("{GOOD}{more}")).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0]
            .message
            .contains("belongs to group `staging` already")
    );
}

#[test]
fn a_selection_without_sets_allows_nothing() {
    let config = Config::parse(&GOOD.replace("intune:163", "intune:optimize")).unwrap();
    assert_eq!(config.groups[0].allow, ["corp:1"]);
    assert_eq!(config.groups[0].empty, ["intune:optimize"]);
}

#[test]
fn a_selector_behind_an_exclamation_mark_takes_away() {
    let allow = "[\"!intune:163\", \"intune:core\", \"!intune:172\", \"corp\"]";
    let text = GOOD.replace("[\"intune:163\", \"corp\"]", allow);
    let config = Config::parse(&text).unwrap();
    let expected = [
        "corp:1",
        "intune:170",
        "intune:97",
        "intune:190",
        "intune:189",
    ];
    assert_eq!(config.groups[0].allow, expected);
    let problems = Config::parse(&text.replace("!intune:172", "!intune:9999")).unwrap_err();
    assert_eq!(problems[0].line, 21);
}

#[test]
fn the_floor_of_ttls_is_not_above_their_cap() {
    let text = format!("{GOOD}[dns]\nttl-floor = 100\nttl-cap = 10\n");
    let problems = Config::parse(&text).unwrap_err();
    assert_eq!(problems[0].key, "dns.ttl-floor");
    let text = format!("{GOOD}[dns]\nttl-cap = 31536001\n");
    let problems = Config::parse(&text).unwrap_err();
    assert_eq!(problems[0].key, "dns.ttl-cap");
    let text = format!("{GOOD}[dns]\ngrace = 3601\n");
    let problems = Config::parse(&text).unwrap_err();
    assert_eq!(problems[0].key, "dns.grace");
    let text = format!("{GOOD}[dns]\nscope = \"clients\"\n");
    let problems = Config::parse(&text).unwrap_err();
    assert_eq!(problems[0].key, "dns.scope");
    assert!(problems[0].message.contains("the nearest is `client`"));
    let text = format!("{GOOD}[dns]\nttl-floor = 1\n");
    assert_eq!(Config::parse(&text).unwrap().dns.ttl_floor, 1);
}

#[test]
fn an_error_prints_file_line_and_key() {
    let error = ConfigError {
        path: "/etc/egress/egress.toml".into(),
        problems: Config::parse(&GOOD.replace("10.0.0.53", "x")).unwrap_err(),
    };
    assert_eq!(
        error.to_string(),
        "/etc/egress/egress.toml:5: gateway.resolvers: `x` is neither `gateway` nor an address such as 10.0.0.53, the nearest is `gateway`"
    );
}

#[test]
fn a_file_is_a_source_and_ports_can_be_added_to_its_sets() {
    let json = r#"{"changeNumber": 1, "cloud": "Public", "values": [{"name": "LogicApps.WestEurope",
        "properties": {"addressPrefixes": ["192.0.2.0/24"]}}]}"#;
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), json).unwrap();
    let source = format!(
        "[source.azure]\nkind = \"file\"\npath = {:?}\nformat = \"service-tags\"\ntcp-ports = \"443\"\n",
        file.path()
    );
    let text = GOOD.replace("\"corp\"]", "\"azure:LogicApps.WestEurope\"]") + &source;
    let config = Config::parse(&text).unwrap();
    assert_eq!(
        config.groups[0].allow,
        ["azure:LogicApps.WestEurope", "intune:163"]
    );
    let set = &config.catalogue.sets_of("azure").unwrap()[0];
    assert_eq!(set.tcp_ports.to_string(), "443");
    let text = GOOD.replacen(
        "kind = \"builtin\"",
        "kind = \"builtin\"\ntcp-ports = \"443\"",
        1,
    );
    let config = Config::parse(&text).unwrap();
    let store = config.catalogue.find("intune:microsoft-store/1").unwrap();
    assert_eq!(store[0].tcp_ports.to_string(), "443");
    let table = [
        ("path = ", "#path = ", "source.azure.path"),
        ("service-tags", "tags", "source.azure.format"),
        ("service-tags", "web-service", "source.azure.path"),
        ("\"443\"\n", "\"x\"\n", "source.azure.tcp-ports"),
        ("kind = \"file\"", "kind = \"builtin\"", "source.azure.path"),
    ];
    for (from, to, key) in table {
        let text = GOOD.to_owned() + &source.replace(from, to);
        let problems = Config::parse(&text).unwrap_err();
        assert!(problems.iter().any(|p| p.key == key), "{to}: {problems:?}");
    }
}
