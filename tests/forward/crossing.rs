//! A gateway with a fast path between its two links.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::address::{CLIENT, INTERNET};
use lab::capture::Capture;
use lab::config::custom;
use lab::frame::Frame;
use lab::gateway::Egress;
use lab::host::Life;
use lab::inject::Injector;
use lab::link;
use lab::napi::{self, mac, receives_frames};
use lab::topology::{LAN_INTERFACE, Lab, UPLINK, WAN_INTERFACE};
use lab::wait;
use serde_json::Value;

use super::LIMIT;
use super::traffic::{Arrived, finished};

/// A link address that no host of the lab has.
pub const OTHER: [u8; 6] = [2, 0, 0, 0, 0x77, 1];
/// Longest packet between the client and the gateway, and between that and the internet.
pub const LAN_MTU: u32 = 1600;
pub const WAN_MTU: u32 = 1400;

const FAST: &str = "[[gateway.fast-path]]\nfrom = \"lan\"\nto = \"wan\"\ntrust-checksums = true\n";

/// A config in which everything passes, whatever it is.
pub fn config(fast_path: &str) -> String {
    const SETS: &str = "[[source.lab.set]]\nid = 1\nips = [\"203.0.113.0/24\", \"2001:db8:1::/48\"]\ntcpPorts = \"443\"\n";

    let config = custom(SETS).replace("\"enforce\"", "\"audit\"");
    config.replace("\n[dns]\n", &format!("\n{fast_path}\n[dns]\n"))
}

/// The lab, and the daemon on its gateway.
pub struct Crossing {
    pub lab: Lab,
    pub egress: Egress,
    injector: Injector,
    there: Capture,
    back: Capture,
    /// Link addresses of the gateway towards the client, and of the client.
    pub macs: [[u8; 6]; 2],
    /// Link address of the gateway towards the internet.
    wan: [u8; 6],
}

impl Crossing {
    /// Builds it; nothing where this kernel has no fast path.
    pub fn build() -> Result<Option<Self>> {
        let lab = Lab::build(Life::Bound)?;
        for (host, name, bytes) in [
            (&lab.client, UPLINK, LAN_MTU),
            (&lab.gateway, LAN_INTERFACE, LAN_MTU),
            (&lab.gateway, WAN_INTERFACE, WAN_MTU),
        ] {
            link::mtu(host, name, bytes)?;
        }
        // Every packet that cannot go on is answered.
        lab.gateway
            .set(&[("ipv4/icmp_ratemask", "0"), ("ipv6/icmp/ratemask", "255")])?;
        receives_frames(&lab.internet, UPLINK)?;
        let egress = Egress::start(&lab, &config(FAST))?;
        let crossing = Self {
            injector: Injector::open(&lab.client, UPLINK)?,
            there: Capture::start(&lab.internet)?,
            back: Capture::start(&lab.client)?,
            wan: mac(&lab.gateway, WAN_INTERFACE)?,
            macs: [mac(&lab.gateway, LAN_INTERFACE)?, mac(&lab.client, UPLINK)?],
            lab,
            egress,
        };
        let internet = mac(&crossing.lab.internet, UPLINK)?;
        crossing.neighbour(&INTERNET.v4.to_string(), internet)?;
        crossing.neighbour(&INTERNET.v6.to_string(), internet)?;
        let client = crossing.macs[1];
        crossing.permanent(&CLIENT.v4.to_string(), client, LAN_INTERFACE)?;
        crossing.permanent(&CLIENT.v6.to_string(), client, LAN_INTERFACE)?;
        if crossing.lacks()? {
            return Ok(None);
        }
        Ok(Some(crossing))
    }

    /// Whether the kernel does not tell what a fast path wants to know; says so.
    fn lacks(&self) -> Result<bool> {
        let settled = wait::until("the fast path to be judged", LIMIT, || {
            let pairs = self.pairs()?;
            let Some(pair) = pairs.first() else {
                return Ok(None);
            };
            let why = pair["ipv4"]["why"].as_str().map(str::to_owned);
            let is_final = why.is_none()
                || why
                    .as_ref()
                    .is_some_and(|why| why.contains("does not tell"));
            Ok(is_final.then_some(why))
        });
        let why = settled.with_context(|| format!("{:?}\n{}", self.pairs(), self.egress.log()))?;
        if let Some(why) = &why {
            println!("skipped: forward: {why}");
        }
        Ok(why.is_some())
    }

    /// A neighbour towards the internet that is never asked for.
    pub fn neighbour(&self, address: &str, mac: [u8; 6]) -> Result<()> {
        self.permanent(address, mac, WAN_INTERFACE)
    }

    fn permanent(&self, address: &str, mac: [u8; 6], link: &str) -> Result<()> {
        napi::neighbour(&self.lab.gateway, link, address.parse()?, mac)
    }

    /// Runs `ip` on the gateway.
    pub fn ip(&self, arguments: &[&str]) -> Result<()> {
        self.run("ip", arguments)
    }

    /// Runs a program on the gateway.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let output = self.lab.gateway.command(program).args(arguments).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{program} {}: {said}",
            arguments.join(" ")
        );
        Ok(())
    }

    /// Sets one of the gateway's settings below `net`.
    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        self.lab.gateway.set(&[(name, value)])
    }

    fn status(&self) -> Result<Value> {
        self.egress.json(&["status", "--json"])
    }

    fn pairs(&self) -> Result<Vec<Value>> {
        let pairs = self.status()?["fast_path"]["pairs"].as_array().cloned();
        pairs.context("status tells of fast paths")
    }

    /// What `status` says in words.
    pub fn text(&self) -> Result<String> {
        let output = self.egress.command(&["status"]).output()?;
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Why it is off for a family; nothing where it is on.
    pub fn state(&self, family: &str) -> Result<Option<String>> {
        let pairs = self.pairs()?;
        let state = &pairs.first().context("a fast path")?[family];
        ensure!(
            state["on"].as_bool() == Some(state["why"].is_null()),
            "{state}"
        );
        Ok(state["why"].as_str().map(str::to_owned))
    }

    /// Waits until it is off for a family, and why.
    pub fn off(&self, family: &str) -> Result<String> {
        wait::until("the fast path to be off", LIMIT, || self.state(family))
    }

    /// Packets by what became of them.
    pub fn fates(&self) -> Result<BTreeMap<String, u64>> {
        let status = self.status()?;
        let packets = status["fast_path"]["packets"]
            .as_array()
            .context("packets")?;
        let fates = packets
            .iter()
            .filter_map(|one| Some((one["fate"].as_str()?.to_owned(), one["packets"].as_u64()?)));
        Ok(fates.collect())
    }

    /// How many left past the stack.
    pub fn forwarded(&self) -> Result<u64> {
        Ok(self.fates()?.get("forwarded").copied().unwrap_or(0))
    }

    /// Sends plain packets to a destination.
    pub fn send_plain(&self, to: &str, count: usize) -> Result<Arrived> {
        self.send_from(&CLIENT.v4.to_string(), to, count)
    }

    /// The same from any source.
    pub fn send_from(&self, from: &str, to: &str, count: usize) -> Result<Arrived> {
        let frame = finished(Frame::udp(from, to, 443).to_bytes(), self.macs);
        self.exchange(|| frame.clone(), count)
    }

    /// Waits until packets to a destination leave past the stack, and arrive.
    pub fn is_fast(&self, to: &str) -> Result<()> {
        const COUNT: usize = 20;
        wait::until("packets to leave past the stack", LIMIT, || {
            let before = self.forwarded()?;
            let arrived = self.send_plain(to, COUNT)?.there.len();
            let forwarded = self.forwarded()? - before;
            Ok((arrived == COUNT && forwarded as usize > COUNT / 2).then_some(()))
        })
        .with_context(|| {
            format!(
                "{:?} {:?}\n{}",
                self.pairs(),
                self.fates(),
                self.egress.log()
            )
        })
    }

    /// Waits until a change was heard of, and packets leave to another link address: from then on all of them.
    pub fn leads_to(&self, to: &str, mac: [u8; 6]) -> Result<()> {
        const COUNT: usize = 20;
        let there = || -> Result<usize> {
            let arrived = self.send_plain(to, COUNT)?.there;
            Ok(arrived
                .iter()
                .filter(|frame| frame.starts_with(&mac))
                .count())
        };
        wait::until("packets to leave to another neighbour", LIMIT, || {
            Ok((there()? > 0).then_some(()))
        })?;
        let count = there()?;
        ensure!(count == COUNT, "only {count} of {COUNT} went there");
        Ok(())
    }

    /// Waits until a change was heard of, and packets arrive nowhere: from then on none of them.
    pub fn leads_nowhere(&self, to: &str, what: &str) -> Result<()> {
        wait::until(what, LIMIT, || {
            Ok(self.send_plain(to, 5)?.there.is_empty().then_some(()))
        })?;
        let count = self.send_plain(to, 20)?.there.len();
        ensure!(count == 0, "{count} packets left {what}");
        Ok(())
    }

    /// Sends frames a few at a time, and returns those that arrive and those that the gateway answers with.
    pub fn exchange(&self, mut next: impl FnMut() -> Vec<u8>, count: usize) -> Result<Arrived> {
        const BATCH: usize = 100;
        let mut arrived = Arrived::default();
        let mut left = count;
        while left > 0 {
            let batch = left.min(BATCH);
            for _ in 0..batch {
                self.injector.send(&next())?;
            }
            left -= batch;
            drain(&self.there, |frame| arrived.arrives(frame, self.wan))?;
            drain(&self.back, |frame| arrived.comes_back(frame))?;
        }
        arrived.sort();
        Ok(arrived)
    }
}

/// Takes all frames until none comes any more.
fn drain(capture: &Capture, mut take: impl FnMut(&[u8])) -> Result<()> {
    let mut any = true;
    while any {
        any = false;
        let take = |frame: &[u8]| {
            take(frame);
            any = true;
            None::<()>
        };
        capture.find(Duration::from_millis(30), take)?;
    }
    Ok(())
}
