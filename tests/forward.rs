//! The fast path beside plain forwarding, packet by packet, and what takes it back.

mod crossing;
mod traffic;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::topology::{LAN_INTERFACE, WAN_INTERFACE};
use lab::wait;

use crossing::{Crossing, OTHER, config};
use traffic::{Arrived, Traffic, differences};

const LIMIT: Duration = Duration::from_secs(30);
const SERVER: &str = "203.0.113.9";

#[test]
fn it_forwards_as_the_stack_does() -> Result<()> {
    const FRAMES: usize = 1200;

    let Some(mut crossing) = Crossing::build()? else {
        return Ok(());
    };
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut runs: Vec<Arrived> = Vec::new();
    for fast in [true, false] {
        if !fast {
            crossing.egress.reload(&config(""))?;
            let before = crossing.forwarded()?;
            crossing.send_plain(SERVER, 40)?;
            ensure!(crossing.forwarded()? == before, "it is off, and forwards");
        }
        let mut traffic = Traffic::new(seed, &crossing)?;
        if fast {
            crossing.send_from("198.51.100.7", SERVER, 8)?;
            crossing.send_plain("203.0.113.113", 8)?;
            crossing.send_plain("203.0.113.65", 8)?;
        }
        runs.push(crossing.exchange(|| traffic.next(), FRAMES)?);
    }
    let by_fate = crossing.fates()?;
    println!("{by_fate:?}");
    let forwarded = crossing.forwarded()?;
    let [fast, plain] = runs.try_into().ok().context("two runs")?;
    println!(
        "{forwarded} of {FRAMES} left past the stack; {} arrived, {} were answered by the gateway",
        fast.there.len(),
        fast.back.len()
    );
    let different = differences(&fast, &plain);
    ensure!(different.is_empty(), "seed {seed}: {different:#?}");
    ensure!(
        forwarded > FRAMES as u64 / 5,
        "only {forwarded} left past the stack"
    );
    ensure!(
        plain.there.len() > FRAMES / 4 && plain.back.len() > 20,
        "too little came through"
    );
    for fate in [
        "dns",
        "fragment",
        "options",
        "tagged",
        "buffers",
        "icmp",
        "ttl",
        "too-long",
        "checksum",
        "address",
        "not-ours",
        "no-route",
        "no-neighbour",
        "reverse-path",
        "refresh",
    ] {
        ensure!(
            by_fate.contains_key(fate),
            "no packet went up as {fate}: {by_fate:?}"
        );
    }
    Ok(())
}

#[test]
fn a_route_that_changes_is_followed_at_once() -> Result<()> {
    let Some(crossing) = Crossing::build()? else {
        return Ok(());
    };
    crossing.is_fast(SERVER)?;
    crossing.neighbour("192.0.2.33", OTHER)?;
    crossing.ip(&[
        "route",
        "add",
        "203.0.113.9/32",
        "via",
        "192.0.2.33",
        "dev",
        WAN_INTERFACE,
    ])?;
    crossing.leads_to(SERVER, OTHER)?;
    crossing.ip(&["route", "replace", "blackhole", "203.0.113.9/32"])?;
    crossing.leads_nowhere(SERVER, "into a blackhole")?;
    crossing.ip(&["route", "del", "203.0.113.9/32"])?;
    crossing.is_fast(SERVER)?;
    // A rule in front of all others.
    crossing.ip(&["route", "add", "prohibit", "default", "table", "77"])?;
    crossing.ip(&[
        "rule",
        "add",
        "from",
        "10.20.0.2",
        "lookup",
        "77",
        "pref",
        "10",
    ])?;
    crossing.leads_nowhere(SERVER, "against a rule")?;
    Ok(())
}

#[test]
fn a_neighbour_that_moves_is_followed_at_once() -> Result<()> {
    let Some(crossing) = Crossing::build()? else {
        return Ok(());
    };
    crossing.is_fast(SERVER)?;
    crossing.neighbour("192.0.2.2", OTHER)?;
    crossing.leads_to(SERVER, OTHER)?;
    crossing.is_fast(SERVER)
}

#[test]
fn a_link_that_goes_down_takes_nothing_and_comes_back() -> Result<()> {
    let Some(crossing) = Crossing::build()? else {
        return Ok(());
    };
    crossing.is_fast(SERVER)?;
    crossing.ip(&["link", "set", WAN_INTERFACE, "down"])?;
    crossing.leads_nowhere(SERVER, "through a link that is down")?;
    let before = crossing.forwarded()?;
    crossing.send_plain(SERVER, 20)?;
    ensure!(crossing.forwarded()? == before, "to a link that is down");
    crossing.ip(&["link", "set", WAN_INTERFACE, "up"])?;
    crossing.ip(&[
        "route",
        "replace",
        "default",
        "via",
        "192.0.2.2",
        "dev",
        WAN_INTERFACE,
    ])?;
    crossing.is_fast(SERVER)
}

#[test]
fn masquerading_turns_it_off_and_is_named() -> Result<()> {
    const RULES: &str = "add table ip nat; add chain ip nat out { type nat hook postrouting priority 100; }; \
                         add rule ip nat out oifname \"wan\" masquerade";

    let Some(crossing) = Crossing::build()? else {
        return Ok(());
    };
    crossing.is_fast(SERVER)?;
    let mut nft = crossing.lab.gateway.command("nft");
    let Ok(output) = nft.arg(RULES).output() else {
        println!("skipped: forward::masquerading: there is no nft");
        return Ok(());
    };
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        println!("skipped: forward::masquerading: {}", why.trim());
        return Ok(());
    }
    let why = crossing.off("ipv4")?;
    ensure!(why.contains("masquerading"), "{why}");
    ensure!(crossing.state("ipv6")?.is_none(), "IPv6 is not masqueraded");
    let before = crossing.forwarded()?;
    let arrived = crossing.send_plain("203.0.113.77", 20)?;
    ensure!(crossing.forwarded()? == before, "it is off, and forwards");
    let masqueraded = |frame: &&Vec<u8>| frame.get(26..30) == Some(&[192, 0, 2, 1][..]);
    let count = arrived.there.iter().filter(masqueraded).count();
    ensure!(count == 20, "{count} of 20 were masqueraded");
    let text = crossing.text()?;
    ensure!(
        text.contains("lan to wan, IPv4: OFF: packets would go past netfilter"),
        "{text}"
    );
    crossing.run("nft", &["delete", "table", "ip", "nat"])?;
    crossing.is_fast(SERVER)
}

#[test]
fn whoever_looks_at_packets_turns_it_off() -> Result<()> {
    let Some(crossing) = Crossing::build()? else {
        return Ok(());
    };
    crossing.is_fast(SERVER)?;
    let tbf = "qdisc add dev wan root tbf rate 1gbit burst 64kb latency 50ms";
    let words: Vec<_> = tbf.split(' ').collect();
    if crossing.run("tc", &words).is_ok() {
        let why = crossing.off("ipv6")?;
        ensure!(why.contains("tbf"), "{why}");
        crossing.run("tc", &["qdisc", "del", "dev", "wan", "root"])?;
        crossing.is_fast(SERVER)?;
    }
    let block = "xfrm policy add src 10.9.0.0/24 dst 10.8.0.0/24 dir fwd action block";
    let words: Vec<_> = block.split(' ').collect();
    if crossing.ip(&words).is_ok() {
        let why = crossing.off("ipv4")?;
        ensure!(why.contains("IPsec"), "{why}");
        crossing.ip(&["xfrm", "policy", "flush"])?;
        crossing.is_fast(SERVER)?;
    }
    let rule = "rule add ipproto udp dport 4500 lookup main pref 9";
    let words: Vec<_> = rule.split(' ').collect();
    if crossing.ip(&words).is_ok() {
        let why = crossing.off("ipv4")?;
        ensure!(why.contains("rule 9 goes by"), "{why}");
        ensure!(crossing.state("ipv6")?.is_none(), "no rule of IPv6");
        crossing.ip(&["rule", "del", "pref", "9"])?;
        crossing.is_fast(SERVER)?;
    }
    crossing.set("ipv6/conf/all/forwarding", "0")?;
    let why = crossing.off("ipv6")?;
    ensure!(why.contains("not forwarded"), "{why}");
    ensure!(crossing.state("ipv4")?.is_none(), "IPv4 is forwarded");
    crossing.set("ipv6/conf/all/forwarding", "1")?;
    crossing.ip(&["link", "set", WAN_INTERFACE, "mtu", "1000"])?;
    crossing.is_fast(SERVER)
}

#[test]
fn forged_sources_do_not_leave() -> Result<()> {
    let Some(crossing) = Crossing::build()? else {
        return Ok(());
    };
    crossing.set("ipv4/conf/all/rp_filter", "1")?;
    crossing.is_fast(SERVER)?;
    let before = crossing.forwarded()?;
    let arrived = crossing.send_from("198.51.100.7", SERVER, 30)?;
    ensure!(arrived.there.is_empty(), "{} left", arrived.there.len());
    ensure!(crossing.forwarded()? == before, "past the stack");
    Ok(())
}

#[test]
fn it_ends_with_the_daemon() -> Result<()> {
    let Some(mut crossing) = Crossing::build()? else {
        return Ok(());
    };
    crossing.is_fast(SERVER)?;
    crossing.egress.end()?;
    let before = crossing.forwarded()?;
    let arrived = crossing.send_plain(SERVER, 20)?;
    ensure!(
        arrived.there.len() == 20,
        "the stack forwards on: {}",
        arrived.there.len()
    );
    ensure!(crossing.forwarded()? == before, "nobody looks after it");
    let why = crossing.off("ipv4")?;
    ensure!(why.contains("daemon"), "{why}");
    Ok(())
}

#[test]
fn it_ends_some_seconds_after_a_daemon_that_was_killed() -> Result<()> {
    let Some(mut crossing) = Crossing::build()? else {
        return Ok(());
    };
    crossing.is_fast(SERVER)?;
    crossing.egress.kill()?;
    wait::until("the fast path to end", LIMIT, || {
        let before = crossing.forwarded()?;
        let arrived = crossing.send_plain(SERVER, 20)?;
        ensure!(arrived.there.len() == 20, "{} arrived", arrived.there.len());
        Ok((crossing.forwarded()? == before).then_some(()))
    })
}

#[test]
fn a_veth_of_unknown_peers_has_none() -> Result<()> {
    let Some(mut crossing) = Crossing::build()? else {
        return Ok(());
    };
    let distrusting =
        format!("[[gateway.fast-path]]\nfrom = \"{LAN_INTERFACE}\"\nto = \"{WAN_INTERFACE}\"\n");
    crossing.egress.reload(&config(&distrusting))?;
    let why = crossing.off("ipv4")?;
    ensure!(why.contains("trust-checksums"), "{why}");
    let elsewhere = distrusting.replace(WAN_INTERFACE, "ppp7");
    crossing.egress.reload(&config(&elsewhere))?;
    let told = wait::until("another pair", LIMIT, || {
        let why = crossing.off("ipv4")?;
        Ok(why.contains("ppp7").then_some(why))
    })?;
    ensure!(told.contains("no interface"), "{told}");
    Ok(())
}
