//! What the programs tell of answers and note of addresses: whole records, none of which an address waits for,
//! connections by address, and tries that no answer allows.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use egress_common::dns::Outcome;
use egress_common::learned::Learned;
use egress_common::lesson::{Fate, Head};
use egress_common::missed::Missed;
use egress_common::verdict::Reason;
use egress_ctl::config::Config;
use egress_ctl::dataplane::{boot_ms, counters, missed};
use egress_ctl::dns::heard::hear;
use lab::answer::Answer;
use lab::frame::{Frame, Transport};
use lab::kernel::{Kernel, with};

const CONFIG: &str = r#"
[gateway]
mode = "enforce"
lan = ["lan"]
resolvers = ["gateway"]

[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
urls = ["*.corp.example"]
tcpPorts = "443"
udpPorts = "443"

[group.a]
clients = ["10.20.0.0/16"]
allow = ["corp"]
"#;

const GATEWAY: &str = "10.20.0.1";
const CLIENT: &str = "10.20.0.2";
const NAME: &str = "www.corp.example";
const ADDRESS: &str = "203.0.113.7";
const UNKNOWN: &str = "203.0.113.99";
const PRIVATE: &str = "192.168.0.9";

#[test]
fn what_taught_or_was_refused_is_told_whole() -> Result<()> {
    with_kernel(|kernel| {
        let listed = Answer::to(NAME).alias("edge.cdn.example", 60);
        let listed = listed.address(ADDRESS, 60).address(PRIVATE, 60);
        let unlisted = Answer::to("www.other.example").address(UNKNOWN, 60);
        let whole: Vec<_> = (0..160_u8)
            .fold(Answer::to(NAME), |answer, i| {
                answer.address(&format!("203.0.113.{i}"), 60)
            })
            .to_bytes();
        ensure!(whole.len() > 2500, "{} bytes", whole.len());
        let before = boot_ms();
        for answer in [&listed.to_bytes(), &unlisted.to_bytes(), &whole] {
            answered(kernel, answer)?;
        }
        // What cannot be read teaches nothing, and there is nothing to tell.
        answered(kernel, &whole[..whole.len() - 1])?;

        let told = told(kernel)?;
        ensure!(told.len() == 3, "{} records", told.len());
        let pattern = kernel
            .ids()
            .pattern_id("*.corp.example")
            .context("a pattern")?;
        let expected = [
            (&listed.to_bytes(), Outcome::Learned, pattern, 1),
            (&unlisted.to_bytes(), Outcome::NameNotListed, 0, 0),
            (&whole, Outcome::Learned, pattern, 0),
        ];
        for (record, (bytes, outcome, pattern, refused)) in told.iter().zip(expected) {
            let (head, message) = Head::split(record).context("no record")?;
            ensure!(message == bytes, "another message");
            ensure!(head.outcome == outcome as u32, "{head:?}");
            ensure!(
                (head.pattern, head.refused) == (pattern, refused),
                "{head:?}"
            );
            ensure!(IpAddr::from(head.client) == CLIENT.parse::<IpAddr>()?);
            ensure!(IpAddr::from(head.resolver) == GATEWAY.parse::<IpAddr>()?);
            ensure!(head.generation == kernel.number(), "{head:?}");
            ensure!((before..=boot_ms()).contains(&head.at_ms), "{head:?}");
            hear(record)?;
        }
        Ok(())
    })
}

#[test]
fn a_full_ring_costs_names_and_no_address() -> Result<()> {
    const ANSWERS: u32 = 5000;
    with_kernel(|kernel| {
        for i in 0..ANSWERS {
            let [_, a, b, c] = i.to_be_bytes();
            let answer = Answer::to(NAME).address(&format!("203.{a}.{b}.{c}"), 600);
            let answer = answer.alias(&"a-long-label-of-an-alias.".repeat(9), 60);
            let answer = answer.alias(&"another-label-of-another.".repeat(9), 60);
            answered(kernel, &answer.to_bytes())?;
        }
        let learned = kernel.learned_addrs()?.len();
        ensure!(learned == ANSWERS as usize, "{learned} learned");
        let fates: BTreeMap<_, _> = counters::lessons(kernel.pinned())?
            .into_iter()
            .map(|(fate, count)| (fate as u8, count))
            .collect();
        let (told, lost) = (fates[&(Fate::Told as u8)], fates[&(Fate::Lost as u8)]);
        ensure!(
            told + lost == u64::from(ANSWERS),
            "{told} told, {lost} lost"
        );
        ensure!(told > 2500 && lost > 1000, "{told} told, {lost} lost");
        ensure!(self::told(kernel)?.len() as u64 == told);
        let last = Answer::to(NAME).address(UNKNOWN, 600);
        answered(kernel, &last.to_bytes())?;
        ensure!(
            self::told(kernel)?.len() == 1,
            "once it is read, there is room again"
        );
        Ok(())
    })
}

#[test]
fn connections_are_counted_by_address_and_not_by_packet() -> Result<()> {
    with_kernel(|kernel| {
        let began = boot_ms();
        answered(kernel, &Answer::to(NAME).address(ADDRESS, 600).to_bytes())?;
        let fresh = learned(kernel)?;
        ensure!(
            fresh.hits == 0 && fresh.first_ms == fresh.last_ms,
            "{fresh:?}"
        );
        ensure!((began..=boot_ms()).contains(&fresh.first_ms), "{fresh:?}");
        thread::sleep(Duration::from_millis(20));
        for port in 40_000..40_003 {
            for transport in [Transport::Syn(port, 443), Transport::Tcp(port, 443)] {
                for _ in 0..10 {
                    ensure!(sent(kernel, ADDRESS, transport.clone())?, "it is dropped");
                }
            }
        }
        let used = learned(kernel)?;
        ensure!(used.hits == 3, "{used:?}");
        ensure!(
            used.first_ms == fresh.first_ms && used.last_ms > fresh.last_ms,
            "{used:?}"
        );
        let last_ms = used.last_ms;
        sent(kernel, ADDRESS, Transport::Tcp(40_002, 443))?;
        ensure!(
            learned(kernel)?.last_ms == last_ms,
            "noted twice within a second"
        );
        thread::sleep(Duration::from_millis(1100));
        sent(kernel, ADDRESS, Transport::Tcp(40_002, 443))?;
        let later = learned(kernel)?;
        ensure!(
            later.last_ms >= last_ms + 1000 && later.hits == 3,
            "{later:?}"
        );
        answered(kernel, &Answer::to(NAME).address(ADDRESS, 600).to_bytes())?;
        ensure!(learned(kernel)?.hits == 3, "an answer is no connection");
        Ok(())
    })
}

#[test]
fn tries_without_an_answer_are_counted_each() -> Result<()> {
    with_kernel(|kernel| {
        for _ in 0..500 {
            sent(kernel, UNKNOWN, Transport::Syn(40_000, 443))?;
        }
        sent(kernel, UNKNOWN, Transport::Tcp(40_000, 443))?;
        kernel.teach(ADDRESS.parse()?, "*.corp.example", -5000)?;
        sent(kernel, ADDRESS, Transport::Udp(40_000, 443, Vec::new()))?;
        // It is asked, and answered without a trace.
        kernel.ask(&frame(ADDRESS, Transport::Udp(40_000, 9, Vec::new()))?.to_bytes())?;
        let all: BTreeMap<IpAddr, Missed> = missed::all(kernel.pinned())?
            .into_iter()
            .map(|(key, missed)| (key.dst.into(), missed))
            .collect();
        let unknown = all[&UNKNOWN.parse()?];
        ensure!(unknown.count == 500, "{unknown:?}");
        ensure!(
            unknown.reason == Reason::NeverResolved as u32,
            "{unknown:?}"
        );
        ensure!(unknown.overrun_ms == 0 && unknown.last_ms >= unknown.first_ms);
        let expired = all[&ADDRESS.parse()?];
        ensure!(expired.count == 1, "{expired:?}");
        ensure!(expired.reason == Reason::Expired as u32, "{expired:?}");
        ensure!((5000..8000).contains(&expired.overrun_ms), "{expired:?}");
        ensure!(all.len() == 2, "{all:?}");
        Ok(())
    })
}

fn with_kernel(test: impl FnOnce(&mut Kernel) -> Result<()> + Send) -> Result<()> {
    with(|kernel| {
        let config = Config::parse(CONFIG).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
        kernel.put_into_force(&config, &[GATEWAY.parse()?])?;
        test(kernel)
    })
}

fn learned(kernel: &Kernel) -> Result<Learned> {
    kernel
        .learned(ADDRESS.parse()?)?
        .context("it is not learned")
}

/// Shows an answer of the gateway's own resolver to the program that learns.
fn answered(kernel: &mut Kernel, message: &[u8]) -> Result<()> {
    let transport = Transport::Udp(53, 40_000, message.to_vec());
    let frame = Frame::new(GATEWAY.parse()?, CLIENT.parse()?, transport);
    kernel.answer(&frame.to_bytes())?;
    Ok(())
}

/// Sends a packet of the client; tells whether it passes.
fn sent(kernel: &mut Kernel, to: &str, transport: Transport) -> Result<bool> {
    kernel.passes(&frame(to, transport)?.to_bytes())
}

fn frame(to: &str, transport: Transport) -> Result<Frame> {
    Ok(Frame::new(CLIENT.parse()?, to.parse()?, transport))
}

/// Takes all records out of the ring.
fn told(kernel: &Kernel) -> Result<Vec<Vec<u8>>> {
    let mut ring = kernel.pinned().lessons()?;
    let mut told = Vec::new();
    while let Some(record) = ring.next() {
        told.push(record.to_vec());
    }
    Ok(told)
}
