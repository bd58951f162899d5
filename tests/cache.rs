//! Verdicts and counters that a CPU keeps in places of its own: they say what tables would say, and nothing is lost.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use egress_common::flow::Addr;
use egress_common::learned::{Learned, LearnedKey, Slot};
use egress_common::limits;
use egress_ctl::config::Config;
use egress_ctl::dataplane::learned::end_connections;
use egress_ctl::dataplane::{boot_ms, counters, swap};
use lab::frame::{Frame, Transport};
use lab::kernel::{Kernel, with};
use lab::{pace, table, wait};

const CLIENT: &str = "10.20.0.2";
const LISTED: &str = "203.0.113.5";
const NAMED: &str = "198.51.100.7";
const NAME: &str = "*.example.org";

/// A group of clients that may reach `ips` and [`NAME`].
fn config(clients: &str, ips: &str) -> Result<Config> {
    table::config(&format!(
        "[gateway]\nmode = \"enforce\"\nlan = [\"lo\"]\n\
         [source.s]\nkind = \"custom\"\n\
         [[source.s.set]]\nid = 1\nips = [\"{ips}\"]\nurls = [\"{NAME}\"]\ntcpPorts = \"443\"\nudpPorts = \"443\"\n\
         [group.all]\n{clients}\nallow = [\"s\"]\n"
    ))
}

fn by_address(ips: &str) -> Result<Config> {
    config("clients = [\"10.20.0.0/16\"]", ips)
}

fn frame(to: &str) -> Vec<u8> {
    Frame::tcp(CLIENT, to, 443).to_bytes()
}

fn first_of(to: &str) -> Result<Vec<u8>> {
    let frame = Frame::new(CLIENT.parse()?, to.parse()?, Transport::Syn(40_000, 443));
    Ok(frame.to_bytes())
}

/// Whether it passes, as often as it is sent.
fn passes(kernel: &mut Kernel, frame: &[u8]) -> Result<bool> {
    let first = kernel.passes(frame)?;
    for _ in 0..2 {
        ensure!(kernel.passes(frame)? == first, "it changes");
    }
    Ok(first)
}

/// Forgets a learned address as the kernel does when its table is full: nothing kept is told of it.
fn crowd_out(kernel: &Kernel, addr: &str) -> Result<()> {
    let addr: IpAddr = addr.parse()?;
    let mut learned = kernel.pinned().learned()?;
    let keys: Vec<_> = learned.keys().collect::<Result<_, _>>()?;
    for key in keys.iter().filter(|key| key.addr == Addr::from(addr)) {
        learned.remove(key)?;
    }
    let mut flows = kernel.pinned().flows()?;
    let keys: Vec<_> = flows.keys().collect::<Result<_, _>>()?;
    for key in keys.iter().filter(|key| key.dst == Addr::from(addr)) {
        flows.remove(key)?;
    }
    Ok(())
}

/// Teaches an address as an answer does: nothing kept is told of it.
fn learn(kernel: &Kernel, addr: &str, pattern: &str) -> Result<()> {
    let id = kernel.ids().pattern_id(pattern).context("a pattern")?;
    let slot = Slot {
        pattern: id,
        expires_ms: boot_ms() + 3_600_000,
    };
    let key = LearnedKey::for_all(addr.parse::<IpAddr>()?.into());
    let learned = Learned::first(slot, boot_ms());
    Ok(kernel.pinned().learned()?.insert(&key, &learned, 0)?)
}

#[test]
fn a_verdict_is_kept_no_longer_than_its_generation() -> Result<()> {
    with(|kernel| {
        // Both halves, and each after each.
        for (ips, allowed) in [
            ("203.0.113.0/24", true),
            ("192.0.2.0/24", false),
            ("203.0.113.4/30", true),
            ("203.0.112.0/23", true),
            ("192.0.2.0/24", false),
            ("192.0.2.0/25", false),
            ("203.0.113.0/24", true),
        ] {
            kernel.put_into_force(&by_address(ips)?, &[])?;
            ensure!(passes(kernel, &frame(LISTED))? == allowed, "{ips}");
        }
        Ok(())
    })
}

#[test]
fn a_verdict_is_of_one_client_and_service() -> Result<()> {
    with(|kernel| {
        kernel.put_into_force(&by_address("203.0.113.0/24")?, &[])?;
        ensure!(passes(kernel, &frame(LISTED))?);
        let others = [
            Frame::tcp("10.21.0.2", LISTED, 443),
            Frame::tcp(CLIENT, "203.0.114.5", 443),
            Frame::tcp(CLIENT, LISTED, 80),
            Frame::new(CLIENT.parse()?, LISTED.parse()?, Transport::Other(47)),
        ];
        for other in others {
            ensure!(!passes(kernel, &other.to_bytes())?, "{other:?}");
            ensure!(passes(kernel, &frame(LISTED))?);
        }
        Ok(())
    })
}

#[test]
fn what_an_interface_becomes_is_known_at_once() -> Result<()> {
    with(|kernel| {
        let config = config("interfaces = [\"lo\"]", "203.0.113.0/24")?;
        let membership = kernel.put_into_force(&config, &[])?.membership;
        ensure!(passes(kernel, &frame(LISTED))?);
        swap::fill_places(kernel.pinned(), kernel.number(), &membership, &[])?;
        ensure!(!passes(kernel, &frame(LISTED))?);
        Ok(())
    })
}

#[test]
fn a_connection_is_looked_at_again_after_a_moment() -> Result<()> {
    const LONG: Duration = Duration::from_secs(20);
    with(|kernel| {
        kernel.put_into_force(&by_address("203.0.113.0/24")?, &[])?;
        kernel.teach(NAMED.parse()?, NAME, 3_600_000)?;
        ensure!(passes(kernel, &frame(NAMED))?);
        crowd_out(kernel, NAMED)?;
        let opens = first_of(NAMED)?;
        ensure!(!passes(kernel, &opens)?, "a new connection passed");
        let looked = || Ok((!kernel.passes(&frame(NAMED))?).then_some(()));
        wait::until("another look at the connection", LONG, looked)
    })
}

#[test]
fn a_connection_that_is_ended_has_no_moment() -> Result<()> {
    with(|kernel| {
        kernel.put_into_force(&by_address("203.0.113.0/24")?, &[])?;
        kernel.teach(NAMED.parse()?, NAME, 3_600_000)?;
        ensure!(passes(kernel, &frame(NAMED))?);
        kernel.forget_addresses()?;
        ensure!(passes(kernel, &frame(NAMED))?, "it lived on an address");
        ensure!(end_connections(kernel.pinned(), |_| true)? == 1);
        ensure!(!passes(kernel, &frame(NAMED))?);
        Ok(())
    })
}

#[test]
fn another_answer_denies_at_once_where_names_are_denied() -> Result<()> {
    let rule = "[[group.all.rule]]\naction = \"deny\"\nto = [\"bad.example.org\"]\n";
    let config = || {
        table::config(&format!(
            "[gateway]\nmode = \"enforce\"\nlan = [\"lo\"]\n\
             [source.s]\nkind = \"custom\"\n\
             [[source.s.set]]\nid = 1\nips = [\"203.0.113.0/24\"]\nurls = [\"{NAME}\"]\ntcpPorts = \"443\"\n\
             [group.all]\nclients = [\"10.20.0.0/16\"]\nallow = [\"s\"]\n{rule}"
        ))
    };
    with(|kernel| {
        kernel.put_into_force(&config()?, &[])?;
        for to in [LISTED, NAMED] {
            kernel.teach(to.parse()?, NAME, 3_600_000)?;
            ensure!(passes(kernel, &frame(to))?);
            learn(kernel, to, "bad.example.org")?;
            ensure!(!passes(kernel, &frame(to))?, "{to}");
        }
        Ok(())
    })
}

/// More destinations than a CPU has places for, in an order that leaves none in its place.
#[test]
fn every_packet_is_counted_by_its_destination() -> Result<()> {
    let rounds: u32 = if pace::is_slow() { 2 } else { 5 };
    let destinations = limits::RECENT_TRAFFIC + limits::RECENT_TRAFFIC / 4;
    with(|kernel| {
        kernel.put_into_force(&by_address("13.0.0.0/8")?, &[])?;
        let mut sent = BTreeMap::<IpAddr, u64>::new();
        for round in 0..rounds {
            for i in 0..destinations {
                let host = (i * (2 * round + 1)) % destinations;
                let dst = IpAddr::V4(Ipv4Addr::from_bits(0x0d00_0000 + host));
                let frame = Frame::new(CLIENT.parse()?, dst, Transport::Tcp(40_000, 443));
                ensure!(kernel.passes(&frame.to_bytes())?);
                *sent.entry(dst).or_default() += 1;
            }
        }
        let counted = counters::traffic(kernel.pinned())?.into_iter();
        let counted: BTreeMap<IpAddr, u64> = counted
            .map(|(key, counter)| (IpAddr::from(key.dst), counter.packets))
            .collect();
        let differs = sent
            .iter()
            .find(|(dst, packets)| counted.get(dst) != Some(packets));
        ensure!(differs.is_none(), "sent {differs:?}");
        ensure!(counted.len() == sent.len());
        Ok(())
    })
}
