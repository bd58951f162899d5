//! Client groups: whom each takes, what its own rules say, and how packets are counted for it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use egress_common::flow::Addr;
use egress_common::verdict::{Action, Reason};
use egress_ctl::config::Config;
use egress_ctl::dataplane::counters;
use lab::frame::{Frame, Transport};
use lab::kernel::with;

/// Frames of a test run come in by `lo`.
const CONFIG: &str = r#"
[gateway]
mode = "enforce"
lan = ["lo"]
resolvers = ["192.0.2.53"]
default-group = "rest"

[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
ips = ["203.0.113.0/24", "2001:db8:1::/48"]
tcpPorts = "80,443"
[[source.corp.set]]
id = 2
urls = ["*.shared.example"]
tcpPorts = "443"

[group.plain]
clients = ["10.20.0.0/16", "fd00:20::/64"]
allow = ["corp"]
default = "reject"
[[group.plain.rule]]
name = "no-printer"
action = "deny"
to = ["203.0.113.9"]
[[group.plain.rule]]
action = "deny"
to = ["bad.shared.example"]
[[group.plain.rule]]
action = "allow"
protocol = "icmp"
[[group.plain.rule]]
name = "contractor"
action = "allow"
to = ["198.51.100.0/24"]
protocol = "tcp"
ports = "22"
until = "2026-11-22"
[[group.plain.rule]]
name = "ended"
action = "allow"
to = ["198.51.100.0/24"]
protocol = "tcp"
ports = "23"
until = "2026-11-21"
[[group.plain.rule]]
name = "tunnel"
action = "allow"
to = ["198.51.100.0/24"]
protocol = 47

[group.here]
interfaces = ["lo"]
clients = ["10.30.0.0/16"]
allow = []

[group.elsewhere]
interfaces = ["eth9"]
clients = ["10.30.7.0/24"]
allow = ["corp"]

[group.guests]
vlans = [30]
allow = []
[[group.guests.rule]]
action = "allow"
ports = "443"

[group.kiosks]
macs = ["02:00:00:00:00:07"]
mode = "audit"
allow = []

[group.trusted]
clients = ["10.40.0.0/16"]
mode = "off"
allow = []

[group.rest]
allow = ["corp:1"]
"#;

const PLAIN: &str = "10.20.0.2";
const KIOSK: [u8; 6] = [2, 0, 0, 0, 0, 7];

/// What it is, the frame, the group that takes it, what is done and why.
type Row = (&'static str, Frame, &'static str, Action, Reason);

#[test]
fn each_client_is_taken_by_the_most_specific_group() -> Result<()> {
    use Action::{Allow, Drop, Reject, WouldDrop};
    let to = |src: &str| match src.contains(':') {
        true => Frame::tcp(src, "2001:db8:1::5", 443),
        false => Frame::tcp(src, "203.0.113.5", 443),
    };
    let tagged = |vlan, frame: Frame| Frame {
        tags: vec![0x8100],
        vlan,
        ..frame
    };
    let from = |mac, frame: Frame| Frame { mac, ..frame };
    judge_all(&[
        ("its address", to(PLAIN), "plain", Allow, Reason::Prefix),
        (
            "its IPv6 address",
            to("fd00:20::2"),
            "plain",
            Allow,
            Reason::Prefix,
        ),
        (
            "what is not allowed is rejected",
            Frame::tcp(PLAIN, "203.0.113.5", 22),
            "plain",
            Reject,
            Reason::WrongPort,
        ),
        (
            "its interface and address",
            to("10.30.7.1"),
            "here",
            Drop,
            Reason::NoRule,
        ),
        (
            "an address of no group",
            to("10.99.0.1"),
            "rest",
            Allow,
            Reason::Prefix,
        ),
        (
            "IPv6 of no group",
            to("fd00:99::1"),
            "rest",
            Allow,
            Reason::Prefix,
        ),
        (
            "a VLAN before an address",
            tagged(30, to(PLAIN)),
            "guests",
            Allow,
            Reason::Prefix,
        ),
        (
            "another VLAN",
            tagged(31, to(PLAIN)),
            "plain",
            Allow,
            Reason::Prefix,
        ),
        (
            "a machine before a VLAN",
            from(KIOSK, tagged(30, to(PLAIN))),
            "kiosks",
            WouldDrop,
            Reason::NoRule,
        ),
        (
            "a machine before an interface",
            from(KIOSK, to("10.30.7.1")),
            "kiosks",
            WouldDrop,
            Reason::NoRule,
        ),
        (
            "a group that is not judged",
            Frame::udp("10.40.0.1", "192.0.2.9", 9),
            "trusted",
            Allow,
            Reason::GroupOff,
        ),
    ])
}

#[test]
fn a_group_s_own_rules_deny_before_they_allow() -> Result<()> {
    use Action::{Allow, Reject};
    let echo = |src: &str, dst: &str, number| Frame {
        transport: Transport::Other(number),
        ..Frame::tcp(src, dst, 0)
    };
    judge_all(&[
        (
            "a denied address in an allowed prefix",
            Frame::tcp(PLAIN, "203.0.113.9", 443),
            "plain",
            Reject,
            Reason::Denied,
        ),
        (
            "beside it",
            Frame::tcp(PLAIN, "203.0.113.8", 443),
            "plain",
            Allow,
            Reason::Prefix,
        ),
        (
            "a rule on its last day",
            Frame::tcp(PLAIN, "198.51.100.1", 22),
            "plain",
            Allow,
            Reason::Prefix,
        ),
        (
            "a rule that has ended",
            Frame::tcp(PLAIN, "198.51.100.1", 23),
            "plain",
            Reject,
            Reason::WrongPort,
        ),
        (
            "a ping",
            echo(PLAIN, "192.0.2.9", 1),
            "plain",
            Allow,
            Reason::Prefix,
        ),
        (
            "a protocol by number",
            echo(PLAIN, "198.51.100.1", 47),
            "plain",
            Allow,
            Reason::Prefix,
        ),
        (
            "that protocol elsewhere",
            echo(PLAIN, "192.0.2.9", 47),
            "plain",
            Reject,
            Reason::WrongProtocol,
        ),
    ])
}

#[test]
fn a_denied_name_wins_over_what_else_taught_its_address() -> Result<()> {
    const SHARED: &str = "192.0.2.80";
    let hour = 3_600_000;
    with(|kernel| {
        kernel.put_into_force(&config()?, &[])?;
        let frame = Frame::tcp(PLAIN, SHARED, 443).to_bytes();
        kernel.teach(SHARED.parse()?, "*.shared.example", hour)?;
        ensure!(kernel.ask(&frame)?.reason == Reason::Learned);
        kernel.teach(SHARED.parse()?, "bad.shared.example", hour)?;
        ensure!(kernel.ask(&frame)?.reason == Reason::Denied);
        // A prefix that allows the address does not help.
        let listed = Frame::tcp(PLAIN, "203.0.113.80", 443).to_bytes();
        ensure!(kernel.ask(&listed)?.reason == Reason::Prefix);
        kernel.teach("203.0.113.80".parse()?, "bad.shared.example", hour)?;
        ensure!(kernel.ask(&listed)?.reason == Reason::Denied);
        Ok(())
    })
}

#[test]
fn traffic_is_counted_by_destination_set_and_group() -> Result<()> {
    with(|kernel| {
        kernel.put_into_force(&config()?, &[])?;
        let dst = "203.0.113.5";
        let frame = Frame::tcp(PLAIN, dst, 443).to_bytes();
        for _ in 0..3 {
            ensure!(kernel.passes(&frame)?);
        }
        ensure!(!kernel.passes(&Frame::tcp(PLAIN, "203.0.113.9", 443).to_bytes())?);
        let traffic = counters::traffic(kernel.pinned())?;
        let mut traffic = traffic.into_iter();
        let (Some((key, counter)), None) = (traffic.next(), traffic.next()) else {
            anyhow::bail!("expected one destination");
        };
        let place = kernel.ids().groups().find(|(name, _)| *name == "plain");
        let (_, place) = place.context("a group")?;
        ensure!(key.dst == Addr::from(dst.parse::<std::net::IpAddr>()?));
        let cause = key.cause;
        ensure!(cause.pattern() == 0 && cause.group() == u16::from(place));
        ensure!(kernel.ids().set_named(cause.set()) == Some("corp:1"));
        ensure!(counter.packets == 3 && counter.bytes == 3 * frame.len() as u64);
        Ok(())
    })
}

#[test]
fn replies_are_counted_by_group_reason_and_set() -> Result<()> {
    let reply = |src, from, dst| Frame {
        transport: Transport::Tcp(from, 50_000),
        ..Frame::tcp(src, dst, 0)
    };
    let pong = Frame {
        transport: Transport::Other(1),
        ..Frame::tcp("192.0.2.9", PLAIN, 0)
    };
    let rows = [
        (reply("203.0.113.5", 443, PLAIN), "plain", Reason::Prefix),
        (
            reply("2001:db8:1::5", 80, "fd00:20::2"),
            "plain",
            Reason::Prefix,
        ),
        (reply("203.0.113.5", 22, PLAIN), "plain", Reason::WrongPort),
        (reply("203.0.113.9", 443, PLAIN), "plain", Reason::Denied),
        (pong, "plain", Reason::Prefix),
        (
            reply("192.0.2.9", 443, "10.40.0.1"),
            "trusted",
            Reason::GroupOff,
        ),
        (reply("192.0.2.9", 443, "10.99.0.1"), "rest", Reason::NoRule),
    ];
    with(|kernel| {
        kernel.put_into_force(&config()?, &[])?;
        let (mut expected, frames) = (BTreeMap::new(), rows.len() as u64);
        for (frame, group, reason) in rows {
            let bytes = frame.to_bytes();
            ensure!(kernel.answer(&bytes)?, "{frame:?} is held up");
            let (packets, sum) = expected.entry((group, reason)).or_insert((0, 0));
            *packets += 1;
            *sum += bytes.len() as u64;
        }
        let seen = counters::replies(kernel.pinned(), kernel.ids().groups())?;
        let seen: BTreeMap<_, _> = seen
            .into_iter()
            .map(|(group, reason, counter)| ((group, reason), (counter.packets, counter.bytes)))
            .collect();
        ensure!(seen == expected, "{seen:?}, expected {expected:?}");
        let sets = counters::sets(kernel.pinned(), kernel.ids().sets())?;
        let corp = sets.iter().find(|(set, _)| *set == "corp:1");
        let (_, corp) = corp.context("nothing was counted")?;
        ensure!((corp.sent.packets, corp.replies.packets) == (0, 2));

        let config = CONFIG.replace(
            "mode = \"enforce\"",
            "mode = \"enforce\"\ncount-replies = false",
        );
        let config = Config::parse(&config).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
        kernel.put_into_force(&config, &[])?;
        ensure!(kernel.answer(&reply("203.0.113.5", 443, PLAIN).to_bytes())?);
        let still = counters::replies(kernel.pinned(), kernel.ids().groups())?;
        let packets: u64 = still.iter().map(|(.., counter)| counter.packets).sum();
        ensure!(packets == frames, "it was counted all the same");
        Ok(())
    })
}

fn judge_all(rows: &[Row]) -> Result<()> {
    with(|kernel| {
        let generation = kernel.put_into_force(&config()?, &[])?;
        let mut wrong = Vec::new();
        for (what, frame, group, action, reason) in rows {
            let bytes = frame.to_bytes();
            let asked = kernel.ask(&bytes)?;
            let taken = generation.groups.get(usize::from(asked.group));
            let taken = taken.map_or("none", |group| group.name.as_str());
            let counted = kernel.judge(&bytes)?.counted;
            if (taken, counted) != (group, (*action, *reason)) {
                wrong.push(format!(
                    "{what}: {taken}, {counted:?}, expected {group}, {action:?} {reason:?}"
                ));
            }
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    })
}

fn config() -> Result<Config> {
    Config::parse(CONFIG).map_err(|problems| anyhow::anyhow!("{problems:?}"))
}
