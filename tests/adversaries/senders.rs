//! Attempts by way of who sends: a client that takes the source address of another group.

use std::net::UdpSocket;
use std::time::Duration;

use anyhow::{Result, ensure};
use egress_common::verdict::Reason;
use lab::address::CLIENT;
use lab::config::custom;
use lab::flow::Family;
use lab::frame::{Frame, Transport};
use lab::gateway::Egress;
use lab::host::{Host, Life};
use lab::pace;
use lab::raw::Raw;
use lab::second_lan::{self, SECOND_LAN};
use lab::table::judge_all;
use lab::topology::Lab;

use super::{C4, C6, D4, D6, GROUP, SETS, row};

/// An interface that has a group of its own is judged by that one, whatever sender a packet names.
#[test]
fn a_source_address_of_another_group() -> Result<()> {
    let guests = "[group.guests]\ninterfaces = [\"lo\"]\nallow = [\"corp:2\"]\n";
    let set = "[[source.corp.set]]\nid = 2\nips = [\"192.0.2.0/24\", \"2001:db8:2::/48\"]\ntcpPorts = \"443\"\n";
    let lan = SETS.replace("lan = [\"lan\"]", "lan = [\"lo\"]");
    let text = format!("{lan}{set}{GROUP}{guests}");
    judge_all(
        &text,
        &[],
        &[
            row("IPv4", Frame::tcp(C4, D4, 443), Reason::NoRule),
            row("IPv6", Frame::tcp(C6, D6, 443), Reason::NoRule),
            row(
                "what guests may, IPv4",
                Frame::tcp(C4, "192.0.2.7", 443),
                Reason::Prefix,
            ),
            row(
                "what guests may, IPv6",
                Frame::tcp(C6, "2001:db8:2::7", 443),
                Reason::Prefix,
            ),
        ],
    )
}

/// Where groups go by addresses, the kernel's reverse path check of the interface drops it.
#[test]
fn a_source_address_of_another_interface() -> Result<()> {
    let sets = "[[source.lab.set]]\nid = 1\nips = [\"203.0.113.0/24\"]\nudpPorts = \"7000\"\n";
    let both = format!("lan = [\"lan\", \"{SECOND_LAN}\"]");
    let lab = Lab::build(Life::Bound)?;
    let spoofer = second_lan::client(&lab)?;
    let _egress = Egress::start(&lab, &custom(sets).replace("lan = [\"lan\"]", &both))?;
    // The config of a group by addresses alone lets it pass: the doctor warns of an unchecked sender.
    for (check, passes) in [("0", true), ("1", false)] {
        let key = format!("ipv4/conf/{SECOND_LAN}/rp_filter");
        lab.gateway.set(&[(&key, check)])?;
        ensure!(
            arrives(&lab, &spoofer)? == passes,
            "with rp_filter {check} it arrives: {}",
            !passes
        );
    }
    Ok(())
}

/// Whether a datagram arrives that says that it comes from the client of the other interface.
fn arrives(lab: &Lab, spoofer: &Host) -> Result<bool> {
    let socket = lab.internet.run(|| UdpSocket::bind((D4, 7000)))??;
    let patience = Duration::from_secs(if pace::is_slow() { 5 } else { 1 });
    socket.set_read_timeout(Some(patience))?;
    let datagram = Transport::Udp(40_000, 7000, b"egress".to_vec());
    let sender = CLIENT.of(Family::Ipv4);
    let spoofed = Frame::new(sender, D4.parse()?, datagram);
    Raw::open(spoofer, Family::Ipv4)?.send(&spoofed)?;
    Ok(socket.recv(&mut [0; 16]).is_ok())
}
