//! `egress-ctl replay`: a capture's packets are judged in the capture's own time.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use egress_common::parse::parse;
use lab::answer::{Answer, query_of};
use lab::frame::{Frame, Transport};
use lab::gateway;
use lab::pcap::{self, Packets};
use lab::told;
use serde_json::Value;
use tempfile::TempDir;

const CLIENT: &str = "10.20.0.2";
const LISTED: &str = "203.0.113.5";
const NAMED: &str = "198.51.100.7";
const RESOLVER: &str = "192.0.2.53";

const CONFIG: &str = r#"
[gateway]
mode = "enforce"
lan = ["lan"]
resolvers = ["gateway", "192.0.2.53"]

[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
ips = ["203.0.113.0/24"]
urls = ["www.example.org"]
tcpPorts = "443"

[group.a]
clients = ["10.20.0.0/16"]
allow = ["corp"]
"#;

fn packets(resolver: &str) -> Result<Packets> {
    let client: IpAddr = CLIENT.parse()?;
    let answer = Answer::to("www.example.org").address(NAMED, 300).to_bytes();
    let query = query_of(&answer).context("a query")?;
    let query = Frame::new(client, resolver.parse()?, Transport::Udp(40_000, 53, query));
    let answer = Frame::new(
        resolver.parse()?,
        client,
        Transport::Udp(53, 40_000, answer),
    );
    let syn = |dst: &str, port| -> Result<Vec<u8>> {
        Ok(Frame::new(client, dst.parse()?, Transport::Syn(40_000, port)).to_bytes())
    };
    Ok(vec![
        (0, syn(NAMED, 443)?),
        (1, query.to_bytes()),
        (1, answer.to_bytes()),
        (1, syn(NAMED, 443)?),
        (2, syn(LISTED, 443)?),
        (2, syn(LISTED, 8443)?),
        (3, Frame::tcp(LISTED, CLIENT, 40_000).to_bytes()),
        (290, syn(NAMED, 443)?),
        (310, syn(NAMED, 443)?),
    ])
}

#[test]
fn a_capture_is_judged_in_its_own_time() -> Result<()> {
    let stage = Stage::set()?;
    for (resolver, reason) in [(RESOLVER, "resolver"), ("10.20.0.1", "gateway")] {
        let file = stage.capture(packets(resolver)?)?;
        let report = stage.replay(&[&file, Path::new("--gateway"), Path::new("10.20.0.1")])?;
        ensure!(report["schema"] == "egress.replay/1");
        let counts = ["packets", "judged", "answers", "others", "seconds"];
        let counts = counts.map(|key| report[key].as_u64());
        ensure!(counts == [9, 7, 1, 1, 310].map(Some), "{report:#}");
        let mut seen: Vec<_> = lines(&report["verdicts"], "reason")?;
        seen.sort();
        let mut expected = [
            (reason, 1),
            ("expired", 1),
            ("learned", 2),
            ("never-resolved", 1),
            ("prefix", 1),
            ("wrong-port", 1),
        ];
        expected.sort_unstable();
        let expected = expected.map(|(reason, packets)| (reason.to_owned(), packets));
        ensure!(seen == expected, "{seen:?}");
        ensure!(report["clients"][0]["client"] == CLIENT);
        ensure!(
            report["denied"]
                .as_array()
                .is_some_and(|denied| denied.len() == 3)
        );
    }
    Ok(())
}

#[test]
fn an_answer_without_its_query_teaches_nothing() -> Result<()> {
    let stage = Stage::set()?;
    let unasked = packets(RESOLVER)?;
    let is_query = |frame: &[u8]| parse(frame).is_ok_and(|datagram| datagram.flow.is_dns_query());
    let unasked = unasked.into_iter().filter(|(_, frame)| !is_query(frame));
    let file = stage.capture(unasked.collect())?;
    let report = stage.replay(&[&file])?;
    let seen = lines(&report["verdicts"], "reason")?;
    ensure!(seen.contains(&("never-resolved".to_owned(), 4)), "{seen:?}");
    Ok(())
}

#[test]
fn two_catalogues_are_compared() -> Result<()> {
    let stage = Stage::set()?;
    let file = stage.capture(packets(RESOLVER)?)?;
    let newer = stage.path("newer.json");
    let sets = r#"[{"id":1,"serviceArea":"Common","serviceAreaDisplayName":"Common","ips":["203.0.113.0/24"],
        "tcpPorts":"8443","expressRoute":false,"category":"Default","required":true}]"#;
    fs::write(&newer, sets)?;
    let replaced = format!("corp={}", newer.display());
    let report = stage.replay(&[
        &file,
        Path::new("--compare"),
        Path::new("--catalogue"),
        Path::new(&replaced),
    ])?;
    let changes = report["changes"].as_array().context("no changes")?;
    let mut seen: Vec<_> = changes
        .iter()
        .map(|change| {
            let text = |key: &str| change[key].as_str().unwrap_or_default().to_owned();
            (
                text("address"),
                change["port"].as_u64(),
                text("before"),
                text("after"),
            )
        })
        .collect();
    seen.sort();
    let row = |address: &str, port, before: &str, after: &str| {
        (
            address.to_owned(),
            Some(port),
            before.to_owned(),
            after.to_owned(),
        )
    };
    let expected = [
        row(NAMED, 443, "allow", "drop"),
        row(LISTED, 443, "allow", "drop"),
        row(LISTED, 8443, "drop", "allow"),
    ];
    ensure!(seen == expected, "{seen:?}");
    Ok(())
}

#[test]
fn what_is_no_capture_is_refused() -> Result<()> {
    let stage = Stage::set()?;
    let file = stage.path("text");
    fs::write(
        &file,
        "no capture at all, but some text that is long enough",
    )?;
    let Err(error) = stage.replay(&[&file]) else {
        anyhow::bail!("it was taken");
    };
    let text = format!("{error:#}");
    ensure!(
        text.contains("no capture") && text.contains("text"),
        "{text}"
    );
    Ok(())
}

/// Reason and packets of each line.
#[test]
fn a_filter_narrows_what_is_told() -> Result<()> {
    let stage = Stage::set()?;
    let file = stage.capture(packets(RESOLVER)?)?;
    for (filter, meant, reasons) in [
        ("port=8443", 1, vec![("wrong-port", 1)]),
        (
            "name=*.example.org and not reason=expired",
            2,
            vec![("learned", 2)],
        ),
        (
            "group=a and address=203.0.113.0/24",
            2,
            vec![("prefix", 1), ("wrong-port", 1)],
        ),
    ] {
        let report = stage.replay(&[&file, Path::new(filter)])?;
        ensure!(
            report["meant"] == meant && report["judged"] == 7,
            "{report:#}"
        );
        let mut seen = lines(&report["verdicts"], "reason")?;
        seen.sort();
        let reasons = reasons
            .iter()
            .map(|(reason, packets)| ((*reason).to_owned(), *packets));
        ensure!(seen == reasons.collect::<Vec<_>>(), "{filter}: {seen:?}");
    }
    Ok(())
}

fn lines(lines: &Value, key: &str) -> Result<Vec<(String, u64)>> {
    let lines = lines.as_array().context("no lines")?;
    let line = |line: &Value| Some((line[key].as_str()?.to_owned(), line["packets"].as_u64()?));
    lines
        .iter()
        .map(|one| line(one).context("a line"))
        .collect()
}

/// A folder with a config in it.
struct Stage(TempDir);

impl Stage {
    fn set() -> Result<Self> {
        let stage = Self(tempfile::tempdir()?);
        fs::write(stage.path("egress.toml"), CONFIG)?;
        Ok(stage)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes the packets as pcap.
    fn capture(&self, packets: Packets) -> Result<PathBuf> {
        let path = self.path("capture.pcap");
        fs::write(&path, pcap::file(&packets)?)?;
        Ok(path)
    }

    fn replay(&self, arguments: &[&Path]) -> Result<Value> {
        let output = Command::new(gateway::program()?)
            .args(["replay", "--json", "--config"])
            .arg(self.path("egress.toml"))
            .args(arguments)
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}", said.trim());
        told::object(&output.stdout)
    }
}
