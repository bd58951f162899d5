//! Devices of every kind, with real packets: without a link layer, bridges, WireGuard.
//!
//! The kernels of the VMs have no PPP (`CONFIG_PPP`), nor have many hosts: in its place stands a tun device that
//! says to be of its kind. Netlink shows both as `ARPHRD_PPP`, and at TC the packets of both begin with IP. What is
//! not tried is PPP's driver itself: its frames, its negotiation, and the room that it wants before a packet.

use anyhow::{Result, ensure};
use lab::address::{CLIENT, LAN, Pair};
use lab::announced;
use lab::basics;
use lab::config::catalogue;
use lab::flow::Family;
use lab::gateway::Egress;
use lab::host::{Host, Life};
use lab::link;
use lab::site::Site;
use lab::topology::{LAN_INTERFACE, UPLINK};
use lab::tun::{Kind, Tunnel};

#[test]
fn a_device_without_a_link_layer_is_filtered_and_learns() -> Result<()> {
    through_tunnel(Kind::Plain, "none")
}

#[test]
fn a_device_of_the_kind_of_ppp_is_filtered_and_learns() -> Result<()> {
    through_tunnel(Kind::Ppp, "ppp")
}

/// The client behind a tunnel, whose devices are shown as of this kind.
fn through_tunnel(kind: Kind, shown: &str) -> Result<()> {
    let site = site()?;
    let ends = ((&site.lab.gateway, "vpn"), (&site.lab.client, "vpn"));
    let _tunnel = match Tunnel::between(kind, ends.0, ends.1) {
        Ok(tunnel) => tunnel,
        Err(lacking) => {
            println!("skipped: devices: no tun devices in this kernel ({lacking:#})");
            return Ok(());
        }
    };
    let link = site
        .lab
        .gateway
        .command("ip")
        .args(["link", "show", "vpn"])
        .output()?;
    let link = String::from_utf8_lossy(&link.stdout);
    ensure!(link.contains(&format!("link/{shown}")), "{link}");
    move_to(&site.lab.client, UPLINK, "vpn", CLIENT)?;
    move_to(&site.lab.gateway, LAN_INTERFACE, "vpn", LAN)?;
    routes(&site)?;
    let egress = Egress::start(&site.lab, &config("vpn"))?;
    let seen = egress.status()?.interfaces.remove(0);
    ensure!(seen.xdp.is_none() && seen.ingress.is_some(), "{seen:?}");
    ensure!(
        seen.notes
            .iter()
            .any(|note| note.contains("no Ethernet header")),
        "{seen:?}"
    );
    basics::run(&site, &egress)
}

#[test]
fn a_bridge_is_filtered_by_generic_xdp_and_status_says_why() -> Result<()> {
    let test = "a_bridge_is_filtered_by_generic_xdp_and_status_says_why";
    let Some((_site, egress)) = bridged(test, &[])? else {
        return Ok(());
    };
    let interface = &egress.json(&["status", "--json"])?["interfaces"][0];
    ensure!(interface["xdp"] == "generic", "{interface}");
    let text = egress.command(&["status"]).output()?.stdout;
    let text = String::from_utf8(text)?;
    let note = "br0: judged by generic XDP: cannot attach to br0 (XDP, native)";
    ensure!(text.contains(note), "no `{note}` in\n{text}");
    ensure!(text.contains("br0: XDP generic, "), "{text}");
    Ok(())
}

#[test]
fn a_bridge_is_filtered_at_tc_ingress() -> Result<()> {
    bridged("a_bridge_is_filtered_at_tc_ingress", &["--xdp", "tc"]).map(drop)
}

/// The client behind a port of a bridge, which has the gateway's addresses.
fn bridged(test: &str, options: &[&str]) -> Result<Option<(Site, Egress)>> {
    let site = site()?;
    let gateway = &site.lab.gateway;
    if let Err(lacking) = ip(gateway, &["link", "add", "br0", "type", "bridge"]) {
        println!("skipped: devices::{test}: no bridges in this kernel ({lacking:#})");
        return Ok(None);
    }
    ip(gateway, &["link", "set", "br0", "up"])?;
    ip(gateway, &["link", "set", LAN_INTERFACE, "master", "br0"])?;
    move_to(gateway, LAN_INTERFACE, "br0", LAN)?;
    let egress = Egress::start_with(&site.lab, &config("br0"), options)?;
    basics::run(&site, &egress)?;
    Ok(Some((site, egress)))
}

#[test]
fn wireguard_is_judged_at_tc_ingress() -> Result<()> {
    let site = site()?;
    let gateway = &site.lab.gateway;
    if let Err(lacking) = ip(gateway, &["link", "add", "wg0", "type", "wireguard"]) {
        println!("skipped: devices: no WireGuard in this kernel ({lacking:#})");
        return Ok(());
    }
    ip(gateway, &["link", "set", "wg0", "up"])?;
    let egress = Egress::start(&site.lab, &config("wg0"))?;
    let seen = egress.status()?.interfaces.remove(0);
    ensure!(seen.ingress.is_some() && seen.tc.is_some(), "{seen:?}");
    Ok(())
}

fn site() -> Result<Site> {
    Site::start(
        Life::Bound,
        &announced::zone(),
        &announced::certificate_names(),
    )
}

fn config(lan: &str) -> String {
    let named = |name: &str| format!("lan = [\"{name}\"]");
    catalogue("enforce").replace(&named(LAN_INTERFACE), &named(lan))
}

/// Gives a device what another one had of addresses.
fn move_to(host: &Host, from: &str, to: &str, addresses: Pair) -> Result<()> {
    for family in ["-4", "-6"] {
        for what in ["address", "route"] {
            ip(
                host,
                &[family, what, "flush", "dev", from, "scope", "global"],
            )?;
        }
    }
    link::addresses(host, to, &addresses.networks())
}

fn routes(site: &Site) -> Result<()> {
    for family in [Family::Ipv4, Family::Ipv6] {
        link::default_route(&site.lab.client, LAN.of(family), CLIENT.of(family))?;
    }
    Ok(())
}

fn ip(host: &Host, arguments: &[&str]) -> Result<()> {
    let output = host.command("ip").args(arguments).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", said.trim());
    Ok(())
}
