//! Steering: what is marked takes the other route, with its DSCP, by every hook and over both families.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use lab::address::CLIENT;
use lab::capture::Capture;
use lab::flow::Family;
use lab::frame::Frame;
use lab::gateway::Egress;
use lab::host::{Host, Life};
use lab::kernel::{Steered, with};
use lab::link;
use lab::topology::Lab;

/// Destinations of a set that is steered, and of one that is not.
const DIRECT: [&str; 2] = ["203.0.113.7", "2001:db8:1::7"];
const PROXIED: [&str; 2] = ["198.51.100.7", "2001:db8:2::7"];
const PORT: u16 = 3478;
/// AF41.
const DSCP: u8 = 34;
const MARK: u32 = 0x10;
const PRIORITY: u32 = 3;
const LIMIT: Duration = Duration::from_secs(5);

const CONFIG: &str = r#"
[gateway]
mode = "enforce"
lan = ["lan"]
mark-mask = 0xff

[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
category = "Optimize"
ips = ["203.0.113.0/24", "2001:db8:1::/48"]
udpPorts = "3478"
[[source.corp.set]]
id = 2
ips = ["198.51.100.0/24", "2001:db8:2::/48"]
udpPorts = "3478"

[group.office]
clients = ["10.20.0.0/16", "fd00:20::/64"]
allow = ["corp"]
steer.optimize = { mark = 0x10, dscp = "af41", priority = 3 }
"#;

#[test]
fn marked_traffic_takes_the_other_route() -> Result<()> {
    for options in [
        &["--xdp", "native"][..],
        &["--xdp", "generic", "--tc", "clsact"],
        &["--xdp", "tc", "--tc", "clsact"],
        &["--xdp", "tc"],
    ] {
        let lab = Lab::build(Life::Bound)?;
        add_direct_route(&lab)?;
        let egress = Egress::start_with(&lab, CONFIG, options)?;
        let steer = egress.status()?.interfaces.remove(0).steer;
        ensure!(
            steer.is_some() != options.contains(&"tc"),
            "{options:?}: {steer:?}"
        );
        for (family, index) in [(Family::Ipv4, 0), (Family::Ipv6, 1)] {
            for (to, expected) in [
                (DIRECT[index], ("uplink2", DSCP)),
                (PROXIED[index], ("uplink", 0)),
            ] {
                let seen = arrival(&lab, family, to)
                    .with_context(|| format!("{options:?}: {to} over {family}"))?;
                ensure!(
                    seen == (expected.0.to_owned(), expected.1),
                    "{options:?}: {to} over {family}: {seen:?}, not {expected:?}"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn a_policy_that_steers_no_more_takes_its_program_off() -> Result<()> {
    let lab = Lab::build(Life::Bound)?;
    let mut egress = Egress::start(&lab, CONFIG)?;
    ensure!(egress.status()?.interfaces[0].steer.is_some());
    let without = CONFIG
        .lines()
        .filter(|line| !line.starts_with("steer."))
        .collect::<Vec<_>>()
        .join("\n");
    egress.reload(&without)?;
    ensure!(egress.status()?.interfaces[0].steer.is_none());
    egress.reload(CONFIG)?;
    ensure!(egress.status()?.interfaces[0].steer.is_some());
    Ok(())
}

#[test]
fn what_brings_no_note_is_judged_once_more_and_not_counted() -> Result<()> {
    let client = |family: usize| [CLIENT.v4.to_string(), CLIENT.v6.to_string()][family].clone();
    with(|kernel| {
        let config = egress_ctl::config::Config::parse(CONFIG)
            .map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
        kernel.put_into_force(&config, &[])?;
        let before = kernel.counted()?;
        for family in 0..2 {
            let frame = |to: &str, class| with_class(Frame::udp(&client(family), to, PORT), class);
            for (what, frame, class, steered) in [
                ("a steered set", frame(DIRECT[family], 0), DSCP << 2, true),
                (
                    "congestion stays",
                    frame(DIRECT[family], 3),
                    DSCP << 2 | 3,
                    true,
                ),
                (
                    "another DSCP goes",
                    frame(DIRECT[family], 0xb9),
                    DSCP << 2 | 1,
                    true,
                ),
                (
                    "no change",
                    frame(DIRECT[family], DSCP << 2),
                    DSCP << 2,
                    true,
                ),
                ("another set", frame(PROXIED[family], 0xb8), 0xb8, false),
                ("a denied packet", frame("192.0.2.77", 0xb8), 0xb8, false),
            ] {
                if what == "a denied packet" && family == 1 {
                    continue;
                }
                let old = 0xabcd_ef00;
                let seen = kernel.steer(&frame, old)?;
                let expected = Steered {
                    mark: if steered { old & !0xff | MARK } else { old },
                    priority: if steered { PRIORITY } else { 0 },
                    frame: with_class_of(&frame, class),
                };
                ensure!(seen == expected, "{what}: {seen:x?}, not {expected:x?}");
            }
        }
        ensure!(kernel.counted()? == before, "it was counted");
        Ok(())
    })
}

/// The frame of a packet with this traffic class, checksums right.
fn with_class(frame: Frame, class: u8) -> Vec<u8> {
    with_class_of(&frame.to_bytes(), class)
}

fn with_class_of(frame: &[u8], class: u8) -> Vec<u8> {
    const IP: usize = 14;
    let mut frame = frame.to_vec();
    if frame[IP] >> 4 == 6 {
        frame[IP] = 0x60 | class >> 4;
        frame[IP + 1] = class << 4 | frame[IP + 1] & 0xf;
        return frame;
    }
    frame[IP + 1] = class;
    let mut header = etherparse::Ipv4Header::from_slice(&frame[IP..])
        .expect("an IPv4 header")
        .0;
    header.header_checksum = header.calc_header_checksum();
    frame[IP..IP + 20].copy_from_slice(&header.to_bytes());
    frame
}

/// A second way from the gateway to the internet, for marked packets.
fn add_direct_route(lab: &Lab) -> Result<()> {
    link::veth((&lab.gateway, "direct"), (&lab.internet, "uplink2"))?;
    let prefixes = |last: &str| {
        [format!("10.77.0.{last}/24"), format!("fd77::{last}/64")]
            .map(|text| text.parse().expect("a prefix"))
    };
    link::addresses(&lab.gateway, "direct", &prefixes("1"))?;
    link::addresses(&lab.internet, "uplink2", &prefixes("2"))?;
    for (family, via) in [("-4", "10.77.0.2"), ("-6", "fd77::2")] {
        ip(
            &lab.gateway,
            &[family, "rule", "add", "fwmark", "0x10/0xff", "lookup", "77"],
        )?;
        let route = [family, "route", "add", "default", "via", via, "table", "77"];
        ip(&lab.gateway, &route)?;
    }
    Ok(())
}

/// Sends a datagram, and tells by which interface and with which DSCP it arrived.
fn arrival(lab: &Lab, family: Family, to: &str) -> Result<(String, u8)> {
    let capture = Capture::start(&lab.internet)?;
    let to: SocketAddr = (to.parse::<IpAddr>()?, PORT).into();
    lab.client.run(|| -> Result<()> {
        let socket = UdpSocket::bind((CLIENT.of(family), 0))?;
        socket.send_to(b"egress", to)?;
        Ok(())
    })??;
    let found = capture.find(LIMIT, |frame| arrived(frame, to.ip()))?;
    let (mac, dscp) = found.context("it never arrived")?;
    for name in ["uplink2", "uplink"] {
        if mac_of(&lab.internet, name)? == mac {
            return Ok((name.to_owned(), dscp));
        }
    }
    anyhow::bail!("it arrived at {mac:x?}")
}

/// MAC address and DSCP of a datagram to an address, whose header is sound.
fn arrived(frame: &[u8], to: IpAddr) -> Option<([u8; 6], u8)> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(TransportSlice::Udp(udp)) = &packet.transport else {
        return None;
    };
    let dscp = match packet.net? {
        NetSlice::Ipv4(ip) => {
            let header = ip.header();
            let sound = header.header_checksum() == header.to_header().calc_header_checksum();
            let is_it = sound && IpAddr::V4(header.destination_addr()) == to;
            is_it.then(|| header.dcp().value())
        }
        NetSlice::Ipv6(ip) => {
            let header = ip.header();
            let is_it = IpAddr::V6(header.destination_addr()) == to;
            is_it.then(|| header.traffic_class() >> 2)
        }
        NetSlice::Arp(_) => None,
    };
    let mac = frame.get(..6)?.try_into().ok()?;
    (udp.destination_port() == PORT).then_some((mac, dscp?))
}

fn mac_of(host: &Host, name: &str) -> Result<[u8; 6]> {
    let output = host
        .command("cat")
        .arg(format!("/sys/class/net/{name}/address"))
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let bytes = text
        .trim()
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16));
    let bytes: Vec<u8> = bytes.collect::<Result<_, _>>()?;
    bytes.as_slice().try_into().context("no MAC address")
}

fn ip(host: &Host, arguments: &[&str]) -> Result<()> {
    let output = host.command("ip").args(arguments).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {arguments:?}: {}", said.trim());
    Ok(())
}
