//! Answers that a client forges teach nothing; those that a trusted resolver sends through do.

use std::fs;
use std::net::UdpSocket;
use std::time::Duration;

use anyhow::{Result, ensure};
use lab::address::{CLIENT, INTERNET, LAN};
use lab::announced;
use lab::answer::Answer;
use lab::config::custom;
use lab::dns;
use lab::flow::Family;
use lab::gateway::Egress;
use lab::host::Life;
use lab::site::Site;
use lab::topology::{LAN_INTERFACE, UPLINK};

const NAME: &str = "enterpriseregistration.windows.net";
const FORGED: &str = "203.0.113.66";
/// Another client of the LAN, which nobody is.
const VICTIM: &str = "10.20.0.9";

#[test]
fn an_answer_from_the_lan_teaches_nothing() -> Result<()> {
    let site = site()?;
    let egress = Egress::start(&site.lab, &config())?;
    let resolver = INTERNET.v4.to_string();
    // The client says that it is the resolver, and has the gateway send its answer back to the LAN.
    for (host, arguments) in [
        (
            &site.lab.client,
            vec!["address", "add", &resolver, "dev", "lo"],
        ),
        (
            &site.lab.client,
            vec!["route", "add", VICTIM, "via", &LAN.v4.to_string()],
        ),
        (
            &site.lab.gateway,
            vec![
                "neighbour",
                "add",
                VICTIM,
                "dev",
                LAN_INTERFACE,
                "lladdr",
                "02:00:00:00:00:09",
            ],
        ),
    ] {
        let output = host.command("ip").args(&arguments).output()?;
        ensure!(output.status.success(), "{arguments:?}: {output:?}");
    }
    let forged = Answer::to(NAME).address(FORGED, 600).to_bytes();
    site.lab.client.run(|| -> Result<()> {
        let socket = UdpSocket::bind((INTERNET.v4, 53))?;
        for _ in 0..10 {
            socket.send_to(&forged, (VICTIM, 40_000))?;
        }
        Ok(())
    })??;
    let status = egress.settled()?;
    let untrusted = status
        .dns
        .iter()
        .find(|count| count.outcome == "resolver-not-trusted");
    ensure!(
        untrusted.is_some_and(|count| count.messages == 10),
        "the answers did not come by: {:?} on {LAN_INTERFACE} from {UPLINK}",
        status.dns
    );
    ensure!(status.learned.addresses == 0, "a forged answer was learned");
    Ok(())
}

#[test]
fn an_answer_that_a_trusted_resolver_sends_through_teaches() -> Result<()> {
    let site = site()?;
    let egress = Egress::start(&site.lab, &config())?;
    let answer = site.lab.client.run(|| {
        let limit = Duration::from_secs(2);
        dns::resolve(INTERNET.v4.into(), NAME, Family::Ipv4, limit)
    })??;
    ensure!(
        egress.settled()?.learned.addresses == 1,
        "{answer} was not learned"
    );
    let said = egress.check(&answer.to_string(), &["--client", &CLIENT.v4.to_string()])?;
    ensure!(said["verdicts"][0]["reason"] == "learned", "{said}");
    Ok(())
}

fn site() -> Result<Site> {
    let site = Site::start(
        Life::Bound,
        &announced::zone(),
        &announced::certificate_names(),
    )?;
    site.lab.gateway.set(&[
        ("ipv4/conf/all/rp_filter", "0"),
        ("ipv4/conf/lan/rp_filter", "0"),
    ])?;
    site.lab
        .client
        .set(&[("ipv4/conf/all/accept_redirects", "0")])?;
    fs::create_dir_all(site.lab.path("state"))?;
    Ok(site)
}

fn config() -> String {
    let sets = format!("[[source.lab.set]]\nid = 1\nurls = [\"{NAME}\"]\ntcpPorts = \"443\"\n");
    custom(&sets).replace(
        "resolvers = [\"gateway\"]",
        &format!(
            "resolvers = [\"{}\"]\ninternal = [\"10.20.0.0/16\"]",
            INTERNET.v4
        ),
    )
}
