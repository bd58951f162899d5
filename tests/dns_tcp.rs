//! DNS over TCP through the proxy on the gateway: what an answer teaches is there before the client has it.

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use egress_common::divert::PATIENCE_MS;
use hickory_proto::op::{Message, OpCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{Name, RData, Record};
use lab::address::{CLIENT, INTERNET, LAN, WAN};
use lab::config::custom;
use lab::dns_tcp::{Connection, ask};
use lab::flow::Family;
use lab::gateway::Egress;
use lab::host::Life;
use lab::resolver::Program;
use lab::scripted::Scripted;
use lab::server::HTTPS;
use lab::site::Site;
use lab::status::Action;
use lab::zone::Zone;
use lab::{unbound, wait};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(4);
const SETS: &str = r#"[[source.lab.set]]
id = 1
urls = ["*.tcp.example"]
tcpPorts = "443"
"#;
/// A resolver of the internet that is ours.
const SCRIPTED: &str = "198.51.100.53";
/// The first of the names' addresses.
const FIRST: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
const NAMES: u32 = 40;

#[test]
fn answers_teach_before_they_are_relayed() -> Result<()> {
    relays_and_teaches(Program::Dnsmasq)
}

#[test]
fn answers_of_unbound_do_too() -> Result<()> {
    if !unbound::is_installed() {
        println!("skipped: dns_tcp::answers_of_unbound_do_too: there is no unbound");
        return Ok(());
    }
    relays_and_teaches(Program::Unbound)
}

/// Local and forwarded, over IPv4 and IPv6: several names at once on one connection, and a connect to each
/// address as soon as it is known.
fn relays_and_teaches(program: Program) -> Result<()> {
    let site = Site::start_with(program, Life::Bound, &zone(), &[])?;
    let egress = Egress::start(&site.lab, &config(""))?;
    let before = egress.settled()?;
    let resolvers: [IpAddr; 4] = [
        LAN.v4.into(),
        LAN.v6.into(),
        INTERNET.v4.into(),
        INTERNET.v6.into(),
    ];
    let mut number = 0;
    for resolver in resolvers {
        let names: Vec<String> = (number..number + 5).map(name).collect();
        let resolved = site
            .lab
            .client
            .run(|| resolve_and_connect(resolver, &names));
        resolved?.with_context(|| format!("by {resolver}"))?;
        number += 5;
    }
    let after = egress.settled()?;
    let dropped = after.total(Action::Drop) - before.total(Action::Drop);
    ensure!(dropped == 0, "{dropped} first packets were dropped");
    let told = told(&egress, |told| told["answers"] == 20 && told["open"] == 0)?;
    for (key, count) in [
        ("connections", 4),
        ("queries", 20),
        ("answers", 20),
        ("taught", 20),
        ("unasked", 0),
        ("refused", 0),
    ] {
        ensure!(told[key] == count, "{key} is not {count}: {told}");
    }
    ensure!(told["active"] == true, "{told}");
    Ok(())
}

fn resolve_and_connect(resolver: IpAddr, names: &[String]) -> Result<()> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut connection = Connection::open(resolver, LIMIT)?;
    let mut waiting = connection.send(&names, Family::Ipv4)?;
    while !waiting.is_empty() {
        let (id, answer) = connection.receive()?;
        let place = waiting.iter().position(|waits| *waits == id);
        waiting.remove(place.context("an answer to no question")?);
        let address = answer.address().context("no address")?;
        TcpStream::connect_timeout(&(address, HTTPS).into(), LIMIT)
            .with_context(|| format!("{address} is not reached"))?;
    }
    Ok(())
}

#[test]
fn an_idle_connection_is_closed_in_time() -> Result<()> {
    let site = site()?;
    let egress = Egress::start(&site.lab, &config("tcp-idle = 1"))?;
    let closed = site.lab.client.run(|| -> Result<Duration> {
        let mut connection = Connection::open(LAN.v4.into(), LIMIT)?;
        connection.ask(&name(0), Family::Ipv4)?;
        let began = Instant::now();
        let read = connection.stream().read(&mut [0; 16])?;
        ensure!(read == 0, "{read} bytes that nobody asked for");
        Ok(began.elapsed())
    })??;
    ensure!(
        (Duration::from_millis(900)..Duration::from_secs(3)).contains(&closed),
        "closed after {closed:?}"
    );
    told(&egress, |told| told["idle"] == 1 && told["open"] == 0)?;
    Ok(())
}

#[test]
fn without_the_daemon_clients_reach_their_resolvers() -> Result<()> {
    let site = site()?;
    let resolvers: [IpAddr; 3] = [LAN.v4.into(), INTERNET.v4.into(), INTERNET.v6.into()];
    let all_answer = |what: &str, daemon: bool| -> Result<()> {
        for resolver in resolvers {
            let answer = site
                .lab
                .client
                .run(|| ask(resolver, &name(1), Family::Ipv4, LIMIT))?;
            answer.with_context(|| format!("{resolver} over TCP, {what}"))?;
        }
        let rules = routing(&site)?;
        ensure!(
            rules == if daemon { 4 } else { 0 },
            "{what}: {rules} rules and routes"
        );
        Ok(())
    };
    let mut egress = Egress::start(&site.lab, &config(""))?;
    all_answer("with the daemon", true)?;
    let kept = site.lab.client.run(|| -> Result<Connection> {
        let mut kept = Connection::open(INTERNET.v4.into(), LIMIT)?;
        kept.ask(&name(1), Family::Ipv4)?;
        Ok(kept)
    })??;
    egress.kill()?;
    all_answer("after it was killed", true)?;
    ensure!(status(&egress)?["active"] == false, "killed, and active");
    drop(kept);
    // What no listener was given is nothing that a listener did not get.
    thread::sleep(Duration::from_millis(PATIENCE_MS + 100));
    let egress = Egress::start(&site.lab, &config(""))?;
    all_answer("with the next one", true)?;
    told(&egress, |told| told["connections"] == 3)?;
    for removed in [
        &["rule", "del", "priority", "53"][..],
        &["-6", "route", "flush", "table", "59109"],
    ] {
        let output = site.lab.gateway.command("ip").args(removed).output()?;
        ensure!(output.status.success(), "{removed:?}: {output:?}");
        wait::until("rules and routes to be put back", LIMIT, || {
            Ok((routing(&site)? == 4).then_some(()))
        })?;
        all_answer("with rules that were put back", true)?;
    }
    let ended = egress.terminate()?;
    ensure!(ended == Some(0), "{ended:?}");
    all_answer("after it has ended", false)
}

#[test]
fn only_what_was_asked_for_teaches() -> Result<()> {
    let site = site()?;
    let at: SocketAddr = (SCRIPTED.parse::<IpAddr>()?, 53).into();
    let _resolver = Scripted::start(&site.lab.internet, at, |query| {
        let forged = |forge: &dyn Fn(&mut Message)| {
            let mut answer = answer(query, &[Ipv4Addr::new(203, 0, 113, 66)]);
            forge(&mut answer);
            answer
        };
        vec![
            forged(&|answer| answer.metadata.id ^= 1),
            forged(&|answer| {
                let other = Name::from_ascii("other.tcp.example.").unwrap_or_default();
                for query in &mut answer.queries {
                    query.name = other.clone();
                }
                for record in &mut answer.answers {
                    record.name = other.clone();
                }
            }),
            forged(&|answer| answer.metadata.truncation = true),
        ]
    })?;
    let egress = Egress::start(&site.lab, &config(""))?;
    site.lab.client.run(|| -> Result<()> {
        let mut connection = Connection::open(at.ip(), LIMIT)?;
        connection.send(&[&name(0)], Family::Ipv4)?;
        for _ in 0..3 {
            connection.receive()?;
        }
        Ok(())
    })??;
    let told = told(&egress, |told| told["answers"] == 3)?;
    ensure!(told["unasked"] == 2 && told["taught"] == 0, "{told}");
    let learned = egress.settled()?.learned.addresses;
    ensure!(learned == 0, "{learned} addresses were learned");
    Ok(())
}

#[test]
fn an_answer_of_many_addresses_teaches_them_all() -> Result<()> {
    const ADDRESSES: u32 = 1_500;
    let site = site()?;
    let at: SocketAddr = (SCRIPTED.parse::<IpAddr>()?, 53).into();
    let addresses: Vec<_> = (0..ADDRESSES).map(address).collect();
    let _resolver = Scripted::start(&site.lab.internet, at, move |query| {
        vec![answer(query, &addresses)]
    })?;
    let egress = Egress::start(&site.lab, &config(""))?;
    site.lab.client.run(|| -> Result<()> {
        let answer = ask(at.ip(), &name(0), Family::Ipv4, LIMIT)?;
        ensure!(answer.addresses.len() == ADDRESSES as usize);
        for number in [0, 1, ADDRESSES / 2, ADDRESSES - 1] {
            TcpStream::connect_timeout(&(address(number), HTTPS).into(), LIMIT)?;
        }
        Ok(())
    })??;
    let status = egress.settled()?;
    ensure!(
        status.learned.addresses == u64::from(ADDRESSES),
        "{} addresses",
        status.learned.addresses
    );
    ensure!(status.total(Action::Drop) == 0, "{:?}", status.verdicts);
    Ok(())
}

/// A listener that is flooded remembers nothing, and knows its connections by cookies.
#[test]
fn connections_of_a_flooded_listener_come_through() -> Result<()> {
    let site = site()?;
    site.lab.gateway.set(&[("ipv4/tcp_syncookies", "2")])?;
    let egress = Egress::start(&site.lab, &config(""))?;
    let resolvers: [IpAddr; 2] = [INTERNET.v4.into(), INTERNET.v6.into()];
    for resolver in resolvers {
        let names = [name(0)];
        let resolved = site
            .lab
            .client
            .run(|| resolve_and_connect(resolver, &names));
        resolved?.with_context(|| format!("by {resolver}"))?;
    }
    told(&egress, |told| told["taught"] == 2)?;
    Ok(())
}

/// A client could forge what comes from there.
#[test]
fn a_resolver_behind_a_lan_interface_teaches_nothing() -> Result<()> {
    let site = site()?;
    let config = config("").replace("lan = [\"lan\"]", "lan = [\"lan\", \"wan\"]");
    let egress = Egress::start(&site.lab, &config)?;
    let ask = || ask(INTERNET.v4.into(), &name(0), Family::Ipv4, LIMIT);
    site.lab.client.run(ask)??;
    let told = told(&egress, |told| told["answers"] == 1)?;
    ensure!(told["taught"] == 0, "{told}");
    let learned = egress.settled()?.learned.addresses;
    ensure!(learned == 0, "{learned} addresses were learned");
    Ok(())
}

#[test]
fn nothing_else_goes_through_the_proxy() -> Result<()> {
    let site = site()?;
    let host = |text: &str| text.parse::<IpAddr>();
    let places = [
        ("a trusted resolver", host(SCRIPTED)?, 53, false),
        ("its other port", host(SCRIPTED)?, 853, true),
        ("another resolver", host("198.51.100.54")?, 53, true),
    ];
    let config = config("").replace("\"enforce\"", "\"audit\"");
    let _egress = Egress::start(&site.lab, &config)?;
    for (what, address, port, is_direct) in places {
        let at = SocketAddr::new(address, port);
        let script = |query: &Message| vec![answer(query, &[FIRST])];
        let server = Scripted::start(&site.lab.internet, at, script)?;
        site.lab.client.run(|| -> Result<()> {
            let mut stream = TcpStream::connect_timeout(&at, LIMIT)?;
            // The proxy goes there when it is asked.
            std::io::Write::write_all(&mut stream, &[0, 12, 0, 7, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
            stream.set_read_timeout(Some(LIMIT))?;
            stream.read_exact(&mut [0; 14])?;
            Ok(())
        })??;
        let expected: IpAddr = match is_direct {
            true => CLIENT.v4.into(),
            false => WAN.v4.into(),
        };
        ensure!(
            server.came() == [expected],
            "{what}: {:?} came, not {expected}",
            server.came()
        );
    }
    Ok(())
}

#[test]
fn a_client_has_its_share_and_a_dead_resolver_is_left_alone() -> Result<()> {
    const SHARE: usize = 32;
    let site = site()?;
    let egress = Egress::start(&site.lab, &config(""))?;
    let dead = "198.51.100.55";
    site.lab.client.run(|| -> Result<()> {
        let held: Result<Vec<_>, _> = (0..SHARE)
            .map(|_| Connection::open(LAN.v4.into(), LIMIT))
            .collect();
        let mut held = held?;
        held[0].ask(&name(0), Family::Ipv4)?;
        let one_more = ask(LAN.v4.into(), &name(0), Family::Ipv4, LIMIT);
        ensure!(one_more.is_err(), "one more than its share");
        Ok(())
    })??;
    let seen = told(&egress, |told| {
        told["connections"] == SHARE && told["open"] == 0
    })?;
    ensure!(seen["refused"] == 1, "{seen}");
    let refused = site.lab.client.run(|| -> Result<ErrorKind> {
        let broken = ask(dead.parse()?, &name(0), Family::Ipv4, LIMIT);
        ensure!(broken.is_err(), "a dead resolver answered");
        let at = SocketAddr::new(dead.parse()?, 53);
        let direct = TcpStream::connect_timeout(&at, LIMIT);
        Ok(direct.err().context("a dead resolver is there")?.kind())
    })??;
    ensure!(
        refused == ErrorKind::ConnectionRefused,
        "not refused by the resolver's own machine: {refused:?}"
    );
    told(&egress, |told| told["unreached"] == 1)?;
    Ok(())
}

/// A rule on the way in stands for a firewall that lets nothing in, one for all packets for a mark that
/// somebody else uses.
#[test]
fn what_keeps_clients_from_the_proxy_costs_no_answer() -> Result<()> {
    let site = site()?;
    let rule = |more: &[&str]| -> Result<()> {
        let marked = "rule add priority 10 fwmark 0xe6e50035 blackhole";
        let mut command = site.lab.gateway.command("ip");
        let output = command.args(marked.split(' ')).args(more).output()?;
        ensure!(output.status.success(), "{more:?}: {output:?}");
        Ok(())
    };
    let egress = Egress::start(&site.lab, &config(""))?;
    let resolve = || -> Result<Duration> {
        let began = Instant::now();
        let ask = || ask(INTERNET.v4.into(), &name(0), Family::Ipv4, LIMIT);
        site.lab.client.run(ask)?.context("over TCP")?;
        Ok(began.elapsed())
    };
    rule(&["iif", "lan"])?;
    let (first, second) = (resolve()?, resolve()?);
    ensure!(
        first < Duration::from_secs(3) && second < Duration::from_millis(900),
        "answered only after {first:?} and {second:?}"
    );
    rule(&[])?;
    let told = told(&egress, |told| told["active"] == false)?;
    let why = told["why"].as_str().unwrap_or_default();
    ensure!(why.contains("in front of priority 53"), "{told}");
    resolve().map(drop)
}

#[test]
fn it_can_be_switched_off_and_on() -> Result<()> {
    let site = site()?;
    let mut egress = Egress::start(&site.lab, &config("tcp-proxy = false"))?;
    let resolve = || {
        let ask = || ask(INTERNET.v4.into(), &name(0), Family::Ipv4, LIMIT);
        site.lab.client.run(ask)?.context("over TCP")
    };
    for (proxy, rules) in [(false, 0), (true, 4), (false, 0)] {
        egress.reload(&config(&format!("tcp-proxy = {proxy}")))?;
        resolve()?;
        let seen = routing(&site)?;
        ensure!(seen == rules, "{proxy}: {seen} rules and routes");
        let is_so = |told: &Value| told["active"] == proxy && (told["connections"] == 1 || !proxy);
        let told = told(&egress, is_so)?;
        ensure!(told["why"].is_null() == proxy, "{told}");
    }
    Ok(())
}

fn site() -> Result<Site> {
    Site::start(Life::Bound, &zone(), &[])
}

fn zone() -> Zone {
    (0..NAMES).fold(Zone::new(), |zone, number| {
        zone.host_v4(&name(number), address(number), 60)
    })
}

fn name(number: u32) -> String {
    format!("n{number}.tcp.example")
}

fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(FIRST.to_bits() + number)
}

/// Answers a query with addresses.
fn answer(query: &Message, addresses: &[Ipv4Addr]) -> Message {
    let mut answer = Message::response(query.metadata.id, OpCode::Query);
    answer.add_queries(query.queries.iter().cloned());
    if let [question] = &query.queries[..] {
        let record =
            |addr: &Ipv4Addr| Record::from_rdata(question.name.clone(), 60, RData::A(A(*addr)));
        answer.add_answers(addresses.iter().map(record));
    }
    answer
}

/// The gateway's own resolver and some of the internet's are trusted.
fn config(dns: &str) -> String {
    let resolvers = format!(
        "resolvers = [\"gateway\", \"{}\", \"{}\", \"{SCRIPTED}\", \"198.51.100.55\"]",
        INTERNET.v4, INTERNET.v6
    );
    custom(SETS)
        .replace("resolvers = [\"gateway\"]", &resolvers)
        .replace("[dns]\n", &format!("[dns]\n{dns}\n"))
}

/// How many rules and routes of the proxy there are.
fn routing(site: &Site) -> Result<usize> {
    let mut count = 0;
    for arguments in [
        &["rule", "show", "priority", "53"][..],
        &["-6", "rule", "show", "priority", "53"],
        &["route", "show", "table", "59109"],
        &["-6", "route", "show", "table", "59109"],
    ] {
        let output = site.lab.gateway.command("ip").args(arguments).output()?;
        count += String::from_utf8_lossy(&output.stdout).lines().count();
    }
    Ok(count)
}

fn status(egress: &Egress) -> Result<Value> {
    Ok(egress.json(&["status", "--json"])?["dns_tcp"].clone())
}

/// What `status` tells of the proxy, when it is as expected.
fn told(egress: &Egress, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
    let mut last = Value::Null;
    let seen = wait::until("the proxy to tell so", LIMIT, || {
        last = status(egress)?;
        Ok(is_so(&last).then(|| last.clone()))
    });
    seen.with_context(|| format!("it tells {last}"))
}
