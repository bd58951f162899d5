//! Fragmented datagrams of real clients pass or are dropped as a whole.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Result, ensure};
use lab::address::CLIENT;
use lab::config::custom;
use lab::flow::Family;
use lab::gateway::Egress;
use lab::host::Life;
use lab::status::Action;
use lab::topology::Lab;

const SETS: &str = r#"
[[source.lab.set]]
id = 1
ips = ["203.0.113.0/24", "2001:db8:1::/48"]
udpPorts = "7000"
"#;
const SERVERS: [(Family, &str); 2] = [
    (Family::Ipv4, "203.0.113.80"),
    (Family::Ipv6, "2001:db8:1::80"),
];
/// Three fragments.
const BYTES: usize = 4000;

#[test]
fn a_fragmented_datagram_passes_or_is_dropped_as_a_whole() -> Result<()> {
    let lab = Lab::build(Life::Bound)?;
    let egress = Egress::start(&lab, &custom(SETS))?;
    for (family, server) in SERVERS {
        for (port, arrives) in [(7000, true), (7001, false)] {
            let server = SocketAddr::new(server.parse()?, port);
            let receiver = lab.internet.run(|| UdpSocket::bind(server))??;
            let limit = Duration::from_millis(if arrives { 3000 } else { 300 });
            receiver.set_read_timeout(Some(limit))?;
            lab.client.run(|| -> Result<()> {
                let socket = UdpSocket::bind(SocketAddr::new(CLIENT.of(family), 0))?;
                socket.send_to(&[7; BYTES], server)?;
                Ok(())
            })??;
            let received = receiver.recv(&mut [0; 2 * BYTES]).ok();
            ensure!(
                received == arrives.then_some(BYTES),
                "{server}: {received:?}"
            );
        }
    }
    let status = egress.settled()?;
    let counted = [
        (Action::Allow, "prefix", 2),
        (Action::Allow, "fragment", 4),
        (Action::Drop, "wrong-port", 2),
        (Action::Drop, "fragment-unknown", 4),
    ];
    for (action, reason, packets) in counted {
        let seen = status.packets(action, reason);
        ensure!(seen == packets, "{action} {reason}: {seen}, not {packets}");
    }
    Ok(())
}
