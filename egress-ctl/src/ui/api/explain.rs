//! Why a packet passes or does not: what `egress-ctl explain` says.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Result, anyhow};
use egress_common::flow::{ECHO_V4, ECHO_V6, proto};
use schemars::JsonSchema;
use serde::Serialize;

use super::json;
use crate::{
    command::explain::{Explain, Marks},
    config::group,
    explain::{answer::Answer, question::Destination, words},
    history::record::Record,
    schema::Kind,
    ui::{query::Query, site::Site},
};

/// A question, as a query has it.
#[derive(Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub(super) struct Asked {
    client: IpAddr,
    destination: String,
    interface: String,
    vlan: u16,
    mac: String,
}

/// Of what the page is told.
pub(super) const KIND: Kind =
    Kind::of::<Explained<'_>>("egress.ui-explain/1", "the page: GET /api/explain");

#[derive(JsonSchema, Serialize)]
struct Explained<'a> {
    schema: &'static str,
    /// The command that says the same.
    command: String,
    text: String,
    answer: &'a Answer,
}

/// What to ask about an event; nothing where no packet can be asked about that would be the same.
pub(super) fn asked_of(event: &Record) -> Option<Asked> {
    let (client, destination) = (event.client?, event.destination?);
    let number = event.protocol_number?;
    let has_ports = [proto::TCP, proto::UDP, proto::SCTP].contains(&number);
    let is_icmp = [proto::ICMP, proto::ICMPV6].contains(&number);
    let is_echo = [ECHO_V4, ECHO_V6].contains(&event.port);
    if has_ports && event.port == 0 || is_icmp && !is_echo {
        return None;
    }
    let destination = match (destination, has_ports) {
        (addr, true) => SocketAddr::new(addr, event.port).to_string(),
        (IpAddr::V6(addr), false) => format!("[{addr}]"),
        (addr, false) => addr.to_string(),
    };
    let protocol = match has_ports {
        true => words::protocol(number),
        false => number.to_string(),
    };
    Some(Asked {
        client,
        destination: format!("{destination}/{protocol}"),
        interface: event.interface.clone(),
        vlan: event.vlan,
        mac: event.mac.clone(),
    })
}

pub(super) fn explain(site: &Site, query: &Query) -> Result<String> {
    let client: IpAddr = query.one("client")?;
    let destination: Destination = query.one("destination")?;
    let mac = query.text("mac").map(group::mac).transpose();
    let marks = Marks {
        interface: query.text("interface").map(str::to_owned),
        vlan: query.maybe("vlan")?.unwrap_or(0),
        mac: mac.map_err(|fault| anyhow!("`mac`: {fault}"))?,
    };
    let answer = Explain::of(client, destination, marks).answer(&site.places)?;
    json(&Explained {
        schema: KIND.name,
        command: command(client, query),
        text: answer.to_string(),
        answer: &answer,
    })
}

/// In the words of a query, each of which was understood: none needs a quotation mark.
fn command(client: IpAddr, query: &Query) -> String {
    let destination = query.text("destination").unwrap_or_default();
    let mut command = format!("egress-ctl explain {client} {destination}");
    for name in ["interface", "vlan", "mac"] {
        if let Some(value) = query.text(name).filter(|value| *value != "0") {
            command += &format!(" --{name} {value}");
        }
    }
    command
}
