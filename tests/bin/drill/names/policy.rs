//! Policies of many patterns, and answers: how many, or which name and addresses, in; a generation in force, or a
//! frame, out.

use std::net::Ipv4Addr;

use anyhow::{Result, anyhow};
use egress_ctl::config::Config;
use lab::answer::Answer;
use lab::frame::{Frame, Transport};
use lab::kernel::Kernel;

/// The gateway, which answers.
const GATEWAY: &str = "10.20.0.1";
pub(super) const CLIENT: &str = "10.20.0.2";
const PORT: u16 = 40_000;
/// Longer than any drill.
const TTL: u32 = 86_400;

/// Patterns of each kind: for every ten there are seven names, two tails, and a head with a tail; heads and
/// tails do not meet, since each meeting takes an id of its own.
pub(super) fn put_into_force(kernel: &mut Kernel, patterns: u32) -> Result<()> {
    let patterns: Vec<_> = (0..patterns).map(pattern).collect();
    let config = Config::parse(&format!(
        "[gateway]\nmode = \"enforce\"\nlan = [\"lo\"]\nresolvers = [\"gateway\"]\n\
         [source.lab]\nkind = \"custom\"\n\
         [[source.lab.set]]\nid = 1\nurls = {patterns:?}\ntcpPorts = \"443\"\n\
         [group.clients]\nclients = [\"10.20.0.0/16\"]\nallow = [\"lab\"]\n"
    ));
    let config = config.map_err(|problems| anyhow!("{problems:?}"))?;
    kernel.put_into_force(&config, &[GATEWAY.parse()?])?;
    Ok(())
}

fn pattern(i: u32) -> String {
    match i % 10 {
        0 => format!("head{i}-*.heads.example"),
        1 | 2 => format!("*.tail{i}.names.example"),
        _ => format!("name{i}.names.example"),
    }
}

/// A name that this pattern lists.
pub(super) fn name(i: u32) -> String {
    pattern(i).replace('*', "x")
}

/// The answer to a name, on its way to the client.
pub(super) fn answer(name: &str, addresses: impl IntoIterator<Item = Ipv4Addr>) -> Result<Vec<u8>> {
    let answer = addresses
        .into_iter()
        .fold(Answer::to(name), |answer, address| {
            answer.address(&address.to_string(), TTL)
        });
    let datagram = Transport::Udp(53, PORT, answer.to_bytes());
    Ok(Frame::new(GATEWAY.parse()?, CLIENT.parse()?, datagram).to_bytes())
}
