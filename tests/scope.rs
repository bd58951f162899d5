//! Whom an answer teaches for: everybody, or the client that asked.

use std::net::IpAddr;

use anyhow::{Context as _, Result, anyhow, ensure};
use egress_common::verdict::Reason;
use egress_ctl::config::Config;
use lab::answer::Answer;
use lab::frame::{Frame, Transport};
use lab::kernel::{Kernel, with};

const CONFIG: &str = r#"
[gateway]
mode = "enforce"
lan = ["lo"]
resolvers = ["gateway"]

[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
urls = ["*.example"]
tcpPorts = "443"

[group.a]
clients = ["10.20.0.0/16", "fd00:20::/64"]
allow = ["corp"]
"#;

const OWN: [&str; 2] = ["10.20.0.1", "fd00:20::1"];
const TAUGHT: [&str; 2] = ["203.0.113.7", "2001:db8:1::7"];
const ASKER: [&str; 2] = ["10.20.0.2", "fd00:20::2"];
const OTHER: [&str; 2] = ["10.20.0.3", "fd00:20::3"];

#[test]
fn an_answer_teaches_for_the_scope_and_a_change_of_it_forgets() -> Result<()> {
    with(|kernel| {
        let (known, unknown) = (Reason::Learned, Reason::NeverResolved);
        in_force(kernel, "policy")?;
        answer(kernel)?;
        expect(kernel, [known, known]).context("for the policy")?;
        in_force(kernel, "client")?;
        expect(kernel, [unknown, unknown]).context("taught for the policy before")?;
        answer(kernel)?;
        expect(kernel, [known, unknown]).context("for the client")?;
        in_force(kernel, "policy")?;
        expect(kernel, [known, known]).context("taught for the policy, and in time again")
    })
}

#[test]
fn a_connection_outlives_a_change_of_the_scope() -> Result<()> {
    with(|kernel| {
        in_force(kernel, "policy")?;
        answer(kernel)?;
        let next = |who: &str, to: &str| Frame::tcp(who, to, 443).to_bytes();
        for i in [0, 1] {
            ensure!(kernel.passes(&syn(ASKER[i], TAUGHT[i])?)?);
        }
        in_force(kernel, "client")?;
        for i in [0, 1] {
            let seen = kernel.judge(&next(ASKER[i], TAUGHT[i]))?.counted.1;
            ensure!(seen == Reason::Established, "{seen:?}");
            let seen = kernel.judge(&next(OTHER[i], TAUGHT[i]))?.counted.1;
            ensure!(seen == Reason::NeverResolved, "{seen:?}");
        }
        Ok(())
    })
}

/// The reasons for the one that asked and for another client, in both families, at XDP and when only asked.
fn expect(kernel: &mut Kernel, reasons: [Reason; 2]) -> Result<()> {
    for (clients, expected) in [ASKER, OTHER].into_iter().zip(reasons) {
        for (client, address) in clients.into_iter().zip(TAUGHT) {
            let frame = syn(client, address)?;
            let asked = kernel.ask(&frame)?.reason;
            let seen = kernel.judge(&frame)?.counted.1;
            ensure!(
                (asked, seen) == (expected, expected),
                "{client} to {address}: {seen:?}, asked {asked:?}, expected {expected:?}"
            );
        }
    }
    Ok(())
}

fn syn(client: &str, address: &str) -> Result<Vec<u8>> {
    let syn = Transport::Syn(40_000, 443);
    Ok(Frame::new(client.parse()?, address.parse()?, syn).to_bytes())
}

fn answer(kernel: &mut Kernel) -> Result<()> {
    for (i, name) in ["v4.example", "v6.example"].into_iter().enumerate() {
        let message = Answer::to(name).address(TAUGHT[i], 600).to_bytes();
        let (from, to): (IpAddr, IpAddr) = (OWN[i].parse()?, ASKER[i].parse()?);
        let frame = Frame::new(from, to, Transport::Udp(53, 40_000, message));
        ensure!(kernel.answer(&frame.to_bytes())?, "an answer must pass on");
    }
    Ok(())
}

fn in_force(kernel: &mut Kernel, scope: &str) -> Result<()> {
    let text = format!("{CONFIG}[dns]\nscope = \"{scope}\"\n");
    let config = Config::parse(&text).map_err(|problems| anyhow!("{problems:?}"))?;
    let own = [OWN[0].parse()?, OWN[1].parse()?];
    kernel.put_into_force(&config, &own)?;
    Ok(())
}
