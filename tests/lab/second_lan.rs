//! Another client of the gateway, on a LAN interface of its own.

use anyhow::Result;
use ipnet::IpNet;

use crate::host::{Host, Life};
use crate::link;
use crate::topology::{Lab, UPLINK};

/// The gateway's interface towards it.
pub const SECOND_LAN: &str = "lan2";
/// Addresses between the two, in both families.
const OF_GATEWAY: [&str; 2] = ["10.21.0.1/24", "fd00:21::1/64"];
const OF_CLIENT: [&str; 2] = ["10.21.0.2/24", "fd00:21::2/64"];

/// Joins it to a lab.
pub fn client(lab: &Lab) -> Result<Host> {
    let client = Host::new("second", &lab.path("client-resolv.conf"), Life::Bound)?;
    client.set(&[
        ("ipv6/conf/default/accept_dad", "0"),
        ("ipv6/conf/default/accept_ra", "0"),
        ("ipv6/conf/default/router_solicitations", "0"),
    ])?;
    link::veth((&lab.gateway, SECOND_LAN), (&client, UPLINK))?;
    let nets = |texts: [&str; 2]| texts.map(|text| text.parse::<IpNet>().expect("a network"));
    let (of_gateway, of_client) = (nets(OF_GATEWAY), nets(OF_CLIENT));
    link::addresses(&lab.gateway, SECOND_LAN, &of_gateway)?;
    link::addresses(&client, UPLINK, &of_client)?;
    for (gateway, own) in of_gateway.into_iter().zip(of_client) {
        link::default_route(&client, gateway.addr(), own.addr())?;
    }
    Ok(client)
}
