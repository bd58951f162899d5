//! Path MTU discovery through the gateway: a server learns of a short link behind the clients' own
//! router, whose ICMP errors pass with the connection that they are about.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipnet::IpNet;
use lab::address::{CLIENT, LAN};
use lab::config::custom;
use lab::gateway::Egress;
use lab::host::{Host, Life};
use lab::link;
use lab::status::Action;
use lab::topology::Lab;

const SERVERS: [&str; 2] = ["203.0.113.80", "2001:db8:1::80"];
const ROUTER: [&str; 2] = ["10.20.77.1/24", "fd00:20:77::1/64"];
const BEHIND: [&str; 2] = ["10.20.77.2/24", "fd00:20:77::2/64"];
const SETS: &str = r#"
[[source.lab.set]]
id = 1
ips = ["203.0.113.0/24", "2001:db8:1::/48"]
tcpPorts = "7000"
"#;
const BYTES: usize = 200_000;
const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn a_transfer_over_a_short_link_completes() -> Result<()> {
    let lab = Lab::build(Life::Bound)?;
    let behind = behind(&lab)?;
    let clients = "clients = [\"10.20.0.0/16\", \"fd00:20::/64\"]";
    let config = custom(SETS).replace(clients, "clients = [\"10.20.0.0/16\", \"fd00:20::/32\"]");
    let egress = Egress::start(&lab, &config)?;
    for server in SERVERS {
        let server = SocketAddr::new(server.parse()?, 7000);
        let listener = lab.internet.run(|| TcpListener::bind(server))??;
        let serving = lab.internet.thread(move || serve(&listener));
        let received = behind.run(|| fetch(server))??;
        ensure!(received == BYTES, "{server}: {received} bytes");
        serving.join().ok().context("the server panicked")???;
    }
    let status = egress.settled()?;
    let related = status.packets(Action::Allow, "related");
    ensure!(
        related >= 2,
        "{related} errors passed: {:?}",
        status.verdicts
    );
    Ok(())
}

/// A host behind the client, which is its router; the link between them is the shortest of the way, and
/// only the router knows.
fn behind(lab: &Lab) -> Result<Host> {
    const DOWN: &str = "down";
    const UP: &str = "up";
    let resolv_conf = lab.path("behind-resolv.conf");
    std::fs::write(&resolv_conf, "")?;
    let behind = Host::new("behind", &resolv_conf, Life::Bound)?;
    for host in [&behind, &lab.client] {
        host.set(&[
            ("ipv6/conf/all/disable_ipv6", "0"),
            ("ipv6/conf/default/accept_dad", "0"),
        ])?;
    }
    lab.client
        .set(&[("ipv4/ip_forward", "1"), ("ipv6/conf/all/forwarding", "1")])?;
    link::veth((&lab.client, DOWN), (&behind, UP))?;
    link::mtu(&lab.client, DOWN, 1300)?;
    let nets = |texts: [&str; 2]| -> Result<Vec<IpNet>> {
        let nets = texts.into_iter().map(str::parse).collect::<Result<_, _>>();
        nets.context("a network")
    };
    let (router, own) = (nets(ROUTER)?, nets(BEHIND)?);
    link::addresses(&lab.client, DOWN, &router)?;
    link::addresses(&behind, UP, &own)?;
    let towards: [IpAddr; 2] = [CLIENT.v4.into(), CLIENT.v6.into()];
    for ((router, own), client) in router.iter().zip(&own).zip(towards) {
        link::default_route(&behind, router.addr(), own.addr())?;
        link::route(&lab.gateway, own.trunc(), client)?;
    }
    // The router forwards what the default route of the lab already leads to.
    ensure!(
        LAN.networks()
            .iter()
            .all(|lan| !lan.contains(&own[1].addr())),
        "one link"
    );
    Ok(behind)
}

fn serve(listener: &TcpListener) -> Result<()> {
    let (mut connection, _) = listener.accept()?;
    connection.set_write_timeout(Some(LIMIT))?;
    connection.write_all(&vec![7; BYTES])?;
    Ok(())
}

fn fetch(server: SocketAddr) -> Result<usize> {
    let mut connection = TcpStream::connect_timeout(&server, LIMIT)?;
    connection.set_read_timeout(Some(LIMIT))?;
    let mut received = Vec::new();
    connection
        .read_to_end(&mut received)
        .context("the transfer hangs")?;
    Ok(received.len())
}
