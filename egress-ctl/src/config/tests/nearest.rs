//! A value that is not valid is named with its line, its key, and the nearest one that is.

use super::*;

/// A config in which every key is once.
const EVERY: &str = r#"
[gateway]
mode = "audit"
lan = ["eth1"]
resolvers = ["gateway"]
internal = ["10.0.0.0/8"]
default-group = "office"
mark-mask = 0xff
count-replies = true
lookup = "flat"
[dns]
ttl-floor = 60
ttl-cap = 86400
grace = 5
scope = "policy"
tcp-proxy = true
tcp-idle = 30
restore = true
[source.intune]
kind = "builtin"
[source.azure]
kind = "file"
path = "PATH"
format = "service-tags"
[source.m365]
kind = "web-service"
instance = "worldwide"
service-areas = ["Skype"]
tenant = "contoso"
ipv6 = true
url = "https://endpoints.office.com"
poll = "1h"
timeout = "60s"
additions = "apply"
removals = "7d"
changes = "ask"
max-loss = 20
keep = 20
[group.office]
clients = ["172.16.0.0/12"]
interfaces = ["eth1"]
vlans = [30]
macs = ["02:00:5e:10:00:01"]
mode = "enforce"
allow = ["intune:163"]
default = "reject"
dns = "watch"
dns-names = ["*.ntp.example"]
steer.optimize = { mark = 0x10, priority = 6, dscp = "af41" }
[[group.office.rule]]
action = "allow"
to = ["203.0.113.9"]
protocol = "tcp"
ports = "80"
until = "2026-12-31"
"#;

/// The config with a file that is there.
fn every(file: &Path) -> String {
    EVERY.replace("\"PATH\"", &format!("{file:?}"))
}

fn service_tags() -> tempfile::NamedTempFile {
    let json = r#"{"changeNumber": 1, "cloud": "Public", "values": [{"name": "LogicApps.WestEurope",
        "properties": {"addressPrefixes": ["192.0.2.0/24"]}}]}"#;
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), json).unwrap();
    file
}

/// What stands in the config, what stands there instead, its key, the value and the nearest valid one.
const WRONG: [(&str, &str, &str, &str, &str); 74] = [
    (
        "mode = \"audit\"",
        "mode = \"enforced\"",
        "gateway.mode",
        "`enforced`",
        "`enforce`",
    ),
    (
        "mode = \"audit\"",
        "mode = 5",
        "gateway.mode",
        "`5`",
        "`\"5\"`",
    ),
    (
        "mode = \"audit\"",
        "mod = \"audit\"",
        "gateway.mod",
        "`mod`",
        "`mode`",
    ),
    (
        "lan = [\"eth1\"]",
        "lan = \"eth1\"",
        "gateway.lan",
        "\"eth1\"",
        "`[\"eth1\"]`",
    ),
    (
        "lan = [\"eth1\"]",
        "lan = [5]",
        "gateway.lan",
        "`5`",
        "`\"5\"`",
    ),
    (
        "lan = [\"eth1\"]",
        "lan = [\"eth1/0\"]",
        "gateway.lan",
        "`eth1/0`",
        "`eth10`",
    ),
    (
        "[\"gateway\"]",
        "[\"gatway\"]",
        "gateway.resolvers",
        "`gatway`",
        "`gateway`",
    ),
    (
        "\"10.0.0.0/8\"",
        "\"10.0.0.1/8\"",
        "gateway.internal",
        "`10.0.0.1/8`",
        "`10.0.0.0/8`",
    ),
    (
        "\"10.0.0.0/8\"",
        "\"10.0.0.1/80\"",
        "gateway.internal",
        "`10.0.0.1/80`",
        "`10.0.0.1/32`",
    ),
    (
        "\"office\"",
        "\"ofice\"",
        "gateway.default-group",
        "`ofice`",
        "`office`",
    ),
    ("0xff", "0x0", "gateway.mark-mask", "`0x0`", "`0x1`"),
    (
        "0xff",
        "0x1ffffffff",
        "gateway.mark-mask",
        "`0x1ffffffff`",
        "`0xffffffff`",
    ),
    (
        "count-replies = true",
        "count-replies = \"yes\"",
        "gateway.count-replies",
        "\"yes\"",
        "`true`",
    ),
    (
        "lookup = \"flat\"",
        "lookup = \"tree\"",
        "gateway.lookup",
        "`tree`",
        "`trie`",
    ),
    (
        "ttl-floor = 60",
        "ttl-floor = -1",
        "dns.ttl-floor",
        "`-1`",
        "`0`",
    ),
    (
        "ttl-floor = 60",
        "ttl-floor = 86401",
        "dns.ttl-floor",
        "`86401`",
        "`86400`",
    ),
    (
        "ttl-floor = 60",
        "ttl-floor = \"60\"",
        "dns.ttl-floor",
        "\"60\"",
        "`60`",
    ),
    (
        "ttl-cap = 86400",
        "ttl-cap = 31536001",
        "dns.ttl-cap",
        "`31536001`",
        "`31536000`",
    ),
    ("grace = 5", "grace = 3601", "dns.grace", "`3601`", "`3600`"),
    ("grace = 5", "grace = -5", "dns.grace", "`-5`", "`0`"),
    ("grace = 5", "grase = 5", "dns.grase", "`grase`", "`grace`"),
    (
        "\"policy\"",
        "\"clients\"",
        "dns.scope",
        "`clients`",
        "`client`",
    ),
    (
        "tcp-proxy = true",
        "tcp-proxy = 0",
        "dns.tcp-proxy",
        "`0`",
        "`false`",
    ),
    (
        "tcp-idle = 30",
        "tcp-idle = 0",
        "dns.tcp-idle",
        "`0`",
        "`1`",
    ),
    (
        "tcp-idle = 30",
        "tcp-idle = 3601",
        "dns.tcp-idle",
        "`3601`",
        "`3600`",
    ),
    (
        "restore = true",
        "restore = \"off\"",
        "dns.restore",
        "\"off\"",
        "`false`",
    ),
    (
        "\"builtin\"",
        "\"built-in\"",
        "source.intune.kind",
        "`built-in`",
        "`builtin`",
    ),
    (
        "\"builtin\"",
        "\"builtin\"\nkeep = 3",
        "source.intune.keep",
        "`keep = 3`",
        "`web-service`",
    ),
    (
        "\"builtin\"",
        "\"custom\"\ntcp-ports = \"80\"",
        "source.intune.tcp-ports",
        "`tcp-ports = \"80\"`",
        "`builtin`",
    ),
    (
        "[source.intune]\nkind",
        "[source.entune]\nkind",
        "source.entune.kind",
        "`entune`",
        "`intune`",
    ),
    (
        "\"service-tags\"",
        "\"servicetags\"",
        "source.azure.format",
        "`servicetags`",
        "`service-tags`",
    ),
    (
        "\"web-service\"",
        "\"web-services\"",
        "source.m365.kind",
        "`web-services`",
        "`web-service`",
    ),
    (
        "\"worldwide\"",
        "\"world wide\"",
        "source.m365.instance",
        "`world wide`",
        "`Worldwide`",
    ),
    (
        "\"Skype\"",
        "\"Sky pe\"",
        "source.m365.service-areas",
        "`Sky pe`",
        "`Skype`",
    ),
    (
        "\"contoso\"",
        "\"contoso.onmicrosoft.com\"",
        "source.m365.tenant",
        "`contoso.onmicrosoft.com`",
        "`contoso`",
    ),
    (
        "ipv6 = true",
        "ipv6 = \"no\"",
        "source.m365.ipv6",
        "\"no\"",
        "`false`",
    ),
    (
        "poll = \"1h\"",
        "poll = \"30m\"",
        "source.m365.poll",
        "`30m`",
        "`1h`",
    ),
    (
        "poll = \"1h\"",
        "poll = \"8d\"",
        "source.m365.poll",
        "`8d`",
        "`7d`",
    ),
    (
        "poll = \"1h\"",
        "poll = \"2 hours\"",
        "source.m365.poll",
        "`2 hours`",
        "`2h`",
    ),
    ("\"60s\"", "\"0s\"", "source.m365.timeout", "`0s`", "`1s`"),
    (
        "\"60s\"",
        "\"11m\"",
        "source.m365.timeout",
        "`11m`",
        "`10m`",
    ),
    ("\"60s\"", "\"60\"", "source.m365.timeout", "`60`", "`60s`"),
    ("\"60s\"", "60", "source.m365.timeout", "`60`", "`\"60\"`"),
    (
        "\"apply\"",
        "\"aply\"",
        "source.m365.additions",
        "`aply`",
        "`apply`",
    ),
    (
        "\"7d\"",
        "\"400d\"",
        "source.m365.removals",
        "`400d`",
        "`365d`",
    ),
    ("\"7d\"", "\"7\"", "source.m365.removals", "`7`", "`7d`"),
    (
        "\"ask\"",
        "\"asks\"",
        "source.m365.changes",
        "`asks`",
        "`ask`",
    ),
    (
        "max-loss = 20",
        "max-loss = 101",
        "source.m365.max-loss",
        "`101`",
        "`100`",
    ),
    ("keep = 20", "keep = 1", "source.m365.keep", "`1`", "`2`"),
    (
        "keep = 20",
        "keep = 1001",
        "source.m365.keep",
        "`1001`",
        "`1000`",
    ),
    (
        "\"172.16.0.0/12\"",
        "\"172.16.0.0/40\"",
        "group.office.clients",
        "`172.16.0.0/40`",
        "`172.16.0.0/32`",
    ),
    (
        "clients =",
        "client =",
        "group.office.client",
        "`client`",
        "`clients`",
    ),
    (
        "interfaces = [\"eth1\"]",
        "interfaces = [\"eth 1\"]",
        "group.office.interfaces",
        "`eth 1`",
        "`eth1`",
    ),
    (
        "vlans = [30]",
        "vlans = [0]",
        "group.office.vlans",
        "`0`",
        "`1`",
    ),
    (
        "vlans = [30]",
        "vlans = [70000]",
        "group.office.vlans",
        "`70000`",
        "`4094`",
    ),
    (
        "\"02:00",
        "\"03:00",
        "group.office.macs",
        "`03:00:5e:10:00:01`",
        "`02:00:5e:10:00:01`",
    ),
    (
        "\"enforce\"",
        "\"enforse\"",
        "group.office.mode",
        "`enforse`",
        "`enforce`",
    ),
    (
        "\"intune:163\"",
        "\"intun:163\"",
        "group.office.allow",
        "`intun`",
        "`intune`",
    ),
    (
        "\"intune:163\"",
        "\"intune:cor\"",
        "group.office.allow",
        "`cor`",
        "`core`",
    ),
    (
        "\"reject\"",
        "\"rejct\"",
        "group.office.default",
        "`rejct`",
        "`reject`",
    ),
    (
        "\"watch\"",
        "\"wacth\"",
        "group.office.dns",
        "`wacth`",
        "`watch`",
    ),
    (
        "mark = 0x10",
        "mark = 0x110",
        "group.office.steer.optimize.mark",
        "`0x110`",
        "`0x10`",
    ),
    (
        "mark = 0x10",
        "mark = -1",
        "group.office.steer.optimize.mark",
        "`-1`",
        "`0`",
    ),
    (
        "priority = 6",
        "priority = -6",
        "group.office.steer.optimize.priority",
        "`-6`",
        "`0`",
    ),
    (
        "\"af41\"",
        "\"af4\"",
        "group.office.steer.optimize.dscp",
        "`af4`",
        "`af4",
    ),
    (
        "\"af41\"",
        "64",
        "group.office.steer.optimize.dscp",
        "`64`",
        "`63`",
    ),
    (
        "action = \"allow\"",
        "action = \"alow\"",
        "group.office.rule.action",
        "`alow`",
        "`allow`",
    ),
    (
        "action = \"allow\"",
        "acton = \"allow\"",
        "group.office.rule.acton",
        "`acton`",
        "`action`",
    ),
    (
        "\"203.0.113.9\"",
        "\"203.0.113.9/25\"",
        "group.office.rule.to",
        "`203.0.113.9/25`",
        "`203.0.113.0/25`",
    ),
    (
        "\"tcp\"",
        "\"tpc\"",
        "group.office.rule.protocol",
        "`tpc`",
        "`tcp`",
    ),
    (
        "protocol = \"tcp\"\nports = \"80\"",
        "protocol = 300",
        "group.office.rule.protocol",
        "`300`",
        "`254`",
    ),
    (
        "ports = \"80\"",
        "ports = 80",
        "group.office.rule.ports",
        "`80`",
        "`\"80\"`",
    ),
    (
        "\"2026-12-31\"",
        "\"2026-02-31\"",
        "group.office.rule.until",
        "`2026-02-31`",
        "`2026-02-28`",
    ),
    ("[gateway]", "[gatway]", "gatway", "`gatway`", "`gateway`"),
];

#[test]
fn a_wrong_value_is_named_with_the_nearest_valid_one() {
    let file = service_tags();
    let good = every(file.path());
    Config::parse(&good).unwrap();
    for (from, to, key, value, nearest) in WRONG {
        let at = good.find(from).unwrap();
        let text = good.replacen(from, to, 1);
        let line = 1 + good[..at].matches('\n').count() + to.matches('\n').count();
        let problems = Config::parse(&text).unwrap_err();
        let [problem] = problems.as_slice() else {
            panic!("{to}: {problems:#?}");
        };
        assert_eq!(problem.key, key, "{to}: {problem:?}");
        assert_eq!(problem.line, line, "{to}: {problem:?}");
        assert!(problem.message.contains(value), "{to}: {problem:?}");
        let near = format!("the nearest is {nearest}");
        assert!(problem.message.contains(&near), "{to}: {problem:?}");
    }
}

#[test]
fn what_has_no_nearest_value_is_named_at_least() {
    let file = service_tags();
    let good = every(file.path());
    let table = [
        (
            "mode = \"audit\"",
            "mode = audit",
            "`mode = audit`: string values must be quoted",
        ),
        (
            "[group.office]",
            "[group]\nother = 5\n[group.office]",
            "integer `5`, expected a table",
        ),
        (
            "[\"gateway\"]",
            "[\"10.0.0.530\"]",
            "`10.0.0.530` is neither `gateway` nor an address",
        ),
        ("\"1h\"", "\"soon\"", "`soon` is no time: write"),
        (
            "\"02:00",
            "\"0x2:00",
            "`0x2:00:5e:10:00:01` is no MAC address: write",
        ),
        (
            "\"2026-12-31\"",
            "\"tomorrow\"",
            "`tomorrow` is no date: write",
        ),
        (
            "protocol = \"tcp\"",
            "protocol = true",
            "`true`: a protocol is a name such as",
        ),
        (
            "dscp = \"af41\"",
            "dscp = 1.5",
            "`1.5`: a DSCP is a name such as",
        ),
        (
            "service-areas = [\"Skype\"]",
            "service-areas = []",
            "`[]` names no service area: name some of Common",
        ),
        (
            "count-replies = true",
            "count-replies = \"maybe\"",
            "\"maybe\", expected a boolean",
        ),
    ];
    for (from, to, message) in table {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        let problems = Config::parse(&text).unwrap_err();
        assert_eq!(problems.len(), 1, "{to}: {problems:?}");
        assert!(problems[0].message.contains(message), "{to}: {problems:?}");
    }
}
