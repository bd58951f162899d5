//! Clients behind real VLAN devices, with one tag and with two: the filter judges and learns on the
//! device that carries the tags, and on the one that has taken them off.

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

/// The device that has taken all tags off.
const TAGGED: &str = "tagged";

/// Protocol and id of each tag, the outermost first.
type Tags = &'static [(&'static str, &'static str)];

const VLAN: Tags = &[("802.1Q", "10")];
const QINQ: Tags = &[("802.1ad", "20"), ("802.1Q", "10")];

#[test]
fn one_tag_judged_below_the_vlan_device() -> Result<()> {
    judges_and_learns("one_tag_judged_below_the_vlan_device", VLAN, LAN_INTERFACE)
}

#[test]
fn one_tag_judged_on_the_vlan_device() -> Result<()> {
    judges_and_learns("one_tag_judged_on_the_vlan_device", VLAN, TAGGED)
}

#[test]
fn two_tags_judged_below_the_vlan_devices() -> Result<()> {
    judges_and_learns(
        "two_tags_judged_below_the_vlan_devices",
        QINQ,
        LAN_INTERFACE,
    )
}

#[test]
fn two_tags_judged_on_the_inner_vlan_device() -> Result<()> {
    judges_and_learns("two_tags_judged_on_the_inner_vlan_device", QINQ, TAGGED)
}

fn judges_and_learns(test: &str, tags: Tags, filtered: &str) -> Result<()> {
    let zone = announced::zone();
    let site = Site::start(Life::Bound, &zone, &announced::certificate_names())?;
    if let Err(lacking) = ip(&site.lab.client, &vlan(UPLINK, "probe", tags[0])) {
        println!("skipped: vlan::{test}: no VLAN devices in this kernel ({lacking:#})");
        return Ok(());
    }
    ip(&site.lab.client, &["link", "delete", "probe"])?;
    move_behind(tags, &site.lab.client, UPLINK, CLIENT)?;
    move_behind(tags, &site.lab.gateway, LAN_INTERFACE, LAN)?;
    for family in [Family::Ipv4, Family::Ipv6] {
        link::default_route(&site.lab.client, LAN.of(family), CLIENT.of(family))?;
    }
    let lan = |name: &str| format!("lan = [\"{name}\"]");
    let config = catalogue("enforce").replace(&lan(LAN_INTERFACE), &lan(filtered));
    let egress = Egress::start(&site.lab, &config)?;
    basics::run(&site, &egress)
}

/// Makes the devices for the tags, and gives the innermost what the link had of addresses.
fn move_behind(tags: Tags, host: &Host, below: &str, addresses: Pair) -> Result<()> {
    for family in ["-4", "-6"] {
        ip(
            host,
            &[family, "address", "flush", "dev", below, "scope", "global"],
        )?;
        ip(
            host,
            &[family, "route", "flush", "dev", below, "scope", "global"],
        )?;
    }
    let mut below = below;
    for (index, tag) in tags.iter().enumerate() {
        let is_last = index + 1 == tags.len();
        let name = if is_last { TAGGED } else { "outer" };
        ip(host, &vlan(below, name, *tag))?;
        // Room for every tag below.
        ip(host, &["link", "set", name, "mtu", "1400", "up"])?;
        below = name;
    }
    link::addresses(host, TAGGED, &addresses.networks())
}

fn vlan<'a>(below: &'a str, name: &'a str, (protocol, id): (&'a str, &'a str)) -> [&'a str; 12] {
    [
        "link", "add", "link", below, "name", name, "type", "vlan", "protocol", protocol, "id", id,
    ]
}

fn ip(host: &Host, arguments: &[&str]) -> Result<()> {
    let output = host.command("ip").args(arguments).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", said.trim());
    Ok(())
}
