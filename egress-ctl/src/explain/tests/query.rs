//! Answers about packets with DNS queries.

use super::answer;

const CONFIG: &str = r#"
[gateway]
mode = "enforce"
lan = ["lan", "wlan"]
resolvers = ["gateway", "198.51.100.53"]
[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
urls = ["*.example.org"]
tcpPorts = "443"
[[source.corp.set]]
id = 2
ips = ["192.0.2.128/25"]
urls = ["*.example.com"]
tcpPorts = "25"
[[source.corp.set]]
id = 3
urls = ["portless.example.net"]
[group.strict]
clients = ["10.1.0.0/16"]
allow = ["corp:1", "corp:3"]
dns = "strict"
dns-names = ["*.ntp.example"]
[[group.strict.rule]]
action = "allow"
to = ["over.example.net"]
until = "2026-11-01"
[[group.strict.rule]]
name = "no-games"
action = "deny"
to = ["*.games.example.net"]
[group.bare]
clients = ["10.2.0.0/16"]
allow = ["corp:1"]
dns = "strict"
[group.free]
clients = ["10.3.0.0/16"]
allow = ["corp:2"]
"#;

const RESOLVER: &str = "198.51.100.53:53/udp";

#[test]
fn what_lets_a_name_be_asked_is_named() {
    let table: &[(&str, &str, &str, &[&str])] = &[
        (
            "10.1.0.1",
            RESOLVER,
            "www.example.org",
            &[
                "passes (resolver)",
                "query       www.example.org/A\n",
                "names       corp:1 through *.example.org: it may be asked for\n",
            ],
        ),
        (
            "10.1.0.1",
            "10.1.255.1:53/tcp",
            "Pool.NTP.example/aaaa",
            &[
                "passes (gateway)",
                "query       pool.ntp.example/AAAA, in the stream behind the handshake\n",
                "names       dns-names through *.ntp.example: it may be asked for\n",
            ],
        ),
        (
            "10.1.0.1",
            RESOLVER,
            "10.3.0.2",
            &[
                "passes (resolver)",
                "query       2.0.3.10.in-addr.arpa/PTR\n",
                "names       reverse lookups through *.in-addr.arpa: it may be asked for\n",
            ],
        ),
        (
            "10.3.0.1",
            RESOLVER,
            "www.example.org",
            &[
                "passes (resolver)",
                "query       www.example.org/A; its name decides nothing here\n",
            ],
        ),
        (
            "10.1.0.1",
            "203.0.113.9:53/udp",
            "www.example.org",
            &[
                "dropped (resolver-not-trusted)",
                "query       www.example.org/A; its name decides nothing here\n",
            ],
        ),
    ];
    all_say(table);
}

#[test]
fn what_lets_no_name_be_asked_is_named_with_what_would() {
    let table: &[(&str, &str, &str, &[&str])] = &[
        (
            "10.1.0.1",
            RESOLVER,
            "www.example.com",
            &[
                "rejected (dns-name-refused)",
                "names       no pattern of group strict covers it\n",
                "            corp:2 through *.example.com: it may be asked for by free\n",
                "to allow it let group strict ask for it, and no more\n",
                "dns-names = [\"*.ntp.example\", \"www.example.com\"]\n",
                "or          let group strict select corp:2, which holds 1 prefix and 1 pattern\n",
            ],
        ),
        (
            "10.1.0.1",
            "198.51.100.53:53/tcp",
            "over.example.net",
            &[
                "dropped (dns-name-refused)",
                "strict:rule-1 through over.example.net: is over\n",
                "or          let group strict use it, by a rule of its own\n",
                "to = [\"over.example.net\"]\n",
                "ports = \"443\"\n",
            ],
        ),
        (
            "10.1.0.1",
            RESOLVER,
            "a.games.example.net",
            &[
                "strict:no-games through *.games.example.net: denies packets to it, and lets nobody ask\n",
                "dns-names = [\"*.ntp.example\", \"a.games.example.net\"]\n",
            ],
        ),
        (
            "10.1.0.1",
            RESOLVER,
            "portless.example.net",
            &[
                "corp:3 through portless.example.net: this set names no port, so nobody uses its names\n",
            ],
        ),
        (
            "10.2.0.1",
            RESOLVER,
            "pool.ntp.example",
            &[
                "dns-names through *.ntp.example: it may be asked for by strict\n",
                "[group.bare]\n",
                "dns-names = [\"pool.ntp.example\"]\n",
            ],
        ),
    ];
    all_say(table);
}

#[test]
fn a_handshake_with_a_resolver_says_that_names_decide_what_follows() {
    let table = [
        ("10.1.0.1 198.51.100.53:53/tcp", true, "a resolver"),
        ("10.3.0.1 198.51.100.53:53/tcp", false, "no strict group"),
        ("10.1.0.1 203.0.113.9:53/tcp", false, "no trusted resolver"),
        ("10.1.0.1 198.51.100.53:443/tcp", false, "no DNS"),
    ];
    for (question, says, what) in table {
        let answer = answer(CONFIG, question, None);
        let said = answer.contains("ask for one with --query NAME");
        assert_eq!(said, says, "{what}:\n{answer}");
    }
}

fn all_say(table: &[(&str, &str, &str, &[&str])]) {
    for (client, resolver, query, parts) in table {
        let answer = answer(CONFIG, &format!("{client} {resolver}"), Some(query));
        for part in *parts {
            assert!(answer.contains(part), "{query}: no `{part}` in\n{answer}");
        }
    }
}
