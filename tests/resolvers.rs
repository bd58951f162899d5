//! Which resolvers a group may ask, and what of DNS is called by its name.

use anyhow::Result;
use egress_common::verdict::Reason;
use lab::frame::{Frame, Transport};
use lab::table::{Row, judge_all};

const CLIENT: &str = "10.20.0.2";
const TRUSTED: &str = "192.0.2.53";
const ANOTHER: &str = "8.8.8.8";
const GATEWAY: &str = "10.20.0.1";
const INTERNAL: &str = "198.18.0.53";

fn config(dns: &str) -> String {
    format!(
        r#"
[gateway]
mode = "enforce"
lan = ["lo"]
resolvers = ["{TRUSTED}"]
internal = ["198.18.0.0/15"]

[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
ips = ["203.0.113.0/24"]
tcpPorts = "443"

[group.a]
clients = ["10.20.0.0/16"]
allow = ["corp"]
{dns}
[[group.a.rule]]
action = "allow"
to = ["{ANOTHER}"]
ports = "53"
"#
    )
}

fn tcp(dst: &str, port: u16) -> Result<Vec<u8>> {
    let syn = Transport::Syn(40_000, port);
    Ok(Frame::new(CLIENT.parse()?, dst.parse()?, syn).to_bytes())
}

fn udp(dst: &str, port: u16) -> Vec<u8> {
    Frame::udp(CLIENT, dst, port).to_bytes()
}

fn rows(to_another: Reason) -> Result<Vec<Row>> {
    Ok(vec![
        (
            "UDP, a trusted resolver",
            udp(TRUSTED, 53),
            Reason::Resolver,
        ),
        (
            "TCP, a trusted resolver",
            tcp(TRUSTED, 53)?,
            Reason::Resolver,
        ),
        ("UDP, the gateway", udp(GATEWAY, 53), Reason::Gateway),
        ("UDP, an internal one", udp(INTERNAL, 53), Reason::Internal),
        ("UDP, one that a rule allows", udp(ANOTHER, 53), to_another),
        ("TCP, one that a rule allows", tcp(ANOTHER, 53)?, to_another),
        ("multicast DNS", udp(ANOTHER, 5353), Reason::WrongPort),
        (
            "an allowed prefix",
            tcp("203.0.113.5", 443)?,
            Reason::Prefix,
        ),
        ("DNS over TLS", tcp(ANOTHER, 853)?, Reason::EncryptedDns),
        (
            "DNS over QUIC",
            udp("198.51.100.1", 853),
            Reason::EncryptedDns,
        ),
        (
            "DNS over TLS to a trusted resolver",
            tcp(TRUSTED, 853)?,
            Reason::EncryptedDns,
        ),
        (
            "DNS over TLS to a listed prefix",
            tcp("203.0.113.5", 853)?,
            Reason::EncryptedDns,
        ),
    ])
}

#[test]
fn other_resolvers_are_asked_as_rules_say_or_not_at_all() -> Result<()> {
    for (dns, to_another) in [
        ("", Reason::Prefix),
        ("dns = \"watch\"", Reason::Prefix),
        ("dns = \"trusted-only\"", Reason::ResolverNotTrusted),
    ] {
        judge_all(&config(dns), &[GATEWAY], &rows(to_another)?)?;
    }
    Ok(())
}

#[test]
fn encrypted_dns_that_a_rule_names_is_called_by_the_rule() -> Result<()> {
    let rule = |action: &str| {
        format!(
            "{}\n[[group.a.rule]]\naction = \"{action}\"\nto = [\"{TRUSTED}\"]\nports = \"853\"\nprotocol = \"tcp\"\n",
            config("")
        )
    };
    for (action, reason) in [("allow", Reason::Prefix), ("deny", Reason::Denied)] {
        let row = ("DNS over TLS", tcp(TRUSTED, 853)?, reason);
        judge_all(&rule(action), &[GATEWAY], &[row])?;
    }
    Ok(())
}
