//! Answers count only if they were asked for: what others forge, repeat or send by themselves teaches nothing,
//! and nobody's flood takes away what others wait for.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, ensure};
use aya::maps::MapError;
use egress_common::bucket::Rate;
use egress_common::dns::asked::{CLIENT_SHARE, MACHINE_SHARE};
use egress_common::dns::{Outcome, added};
use egress_common::learned::{LearnedKey, Scope, Slot};
use egress_common::limits::LEARNED;
use egress_ctl::config::Config;
use egress_ctl::dataplane::counters;
use lab::answer::{Answer, query_of};
use lab::frame::{Frame, Transport};
use lab::kernel::{Kernel, with};
use lab::pace;

/// Interfaces that answers come in by; the first one is of the LAN.
const LAN: u32 = 1;
const WAN: u32 = 2;

const CONFIG: &str = r#"
[gateway]
mode = "enforce"
lan = ["lo"]
resolvers = ["gateway", "192.0.2.53", "2001:db8::53"]

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

const GATEWAY: &str = "10.20.0.1";
const TAUGHT: &str = "203.0.113.7";

/// Who asks whom for what, and the answer to exactly that.
#[derive(Clone, Copy, Debug)]
struct Exchange<'a> {
    client: &'a str,
    resolver: &'a str,
    port: u16,
    id: u16,
    name: &'a str,
    kind: u16,
}

const ASKED: Exchange<'_> = Exchange {
    client: "10.20.0.2",
    resolver: "192.0.2.53",
    port: 40_000,
    id: 0x0a0b,
    name: "www.example",
    kind: 1,
};
const ASKED_V6: Exchange<'_> = Exchange {
    client: "fd00:20::2",
    resolver: "2001:db8::53",
    ..ASKED
};

impl Exchange<'_> {
    /// The message that answers.
    fn message(&self) -> Vec<u8> {
        let mut message = Answer::to(self.name).address(TAUGHT, 60).to_bytes();
        message[..2].copy_from_slice(&self.id.to_be_bytes());
        let kind = 12 + self.name.len() + 2;
        message[kind..kind + 2].copy_from_slice(&self.kind.to_be_bytes());
        message
    }

    fn query(&self) -> Result<Vec<u8>> {
        let asked = query_of(&self.message()).context("a query")?;
        let asked = Transport::Udp(self.port, 53, asked);
        Ok(Frame::new(self.client.parse()?, self.resolver.parse()?, asked).to_bytes())
    }

    fn answer(&self) -> Result<Vec<u8>> {
        let answered = Transport::Udp(53, self.port, self.message());
        Ok(Frame::new(self.resolver.parse()?, self.client.parse()?, answered).to_bytes())
    }
}

#[test]
fn forged_answers_teach_nothing_and_the_true_one_does() -> Result<()> {
    with_kernel(|kernel| {
        for asked in [ASKED, ASKED_V6] {
            let other = if asked.client == ASKED.client {
                ("10.20.0.3", "192.0.2.54")
            } else {
                ("fd00:20::3", "2001:db8::54")
            };
            let table = [
                (
                    "an id",
                    Exchange {
                        id: 0x0a0c,
                        ..asked
                    },
                    Outcome::NotAsked,
                ),
                (
                    "a port",
                    Exchange {
                        port: 40_001,
                        ..asked
                    },
                    Outcome::NotAsked,
                ),
                (
                    "a client",
                    Exchange {
                        client: other.0,
                        ..asked
                    },
                    Outcome::NotAsked,
                ),
                (
                    "a name",
                    Exchange {
                        name: "www2.example",
                        ..asked
                    },
                    Outcome::AskedOtherwise,
                ),
                (
                    "a type",
                    Exchange { kind: 28, ..asked },
                    Outcome::AskedOtherwise,
                ),
                (
                    "a resolver",
                    Exchange {
                        resolver: other.1,
                        ..asked
                    },
                    Outcome::ResolverNotTrusted,
                ),
            ];
            kernel.ask_resolver(&asked.query()?)?;
            for (what, forged, outcome) in table {
                expect(kernel, &forged.answer()?, WAN, outcome, 0)
                    .with_context(|| format!("{what} forged in {asked:?}"))?;
            }
            let true_one = asked.answer()?;
            for (what, came_in) in [("from the LAN", LAN), ("as if made here", 0)] {
                expect(kernel, &true_one, came_in, Outcome::ResolverNotTrusted, 0).context(what)?;
            }
            expect(kernel, &true_one, WAN, Outcome::Learned, 1).context("the true one")?;
            kernel.forget_addresses()?;
            expect(kernel, &true_one, WAN, Outcome::NotAsked, 0).context("replayed")?;
        }
        Ok(())
    })
}

#[test]
fn what_nobody_asked_for_teaches_nothing() -> Result<()> {
    with_kernel(|kernel| {
        expect(kernel, &ASKED.answer()?, WAN, Outcome::NotAsked, 0).context("forwarded")?;
        let local = Exchange {
            resolver: GATEWAY,
            ..ASKED
        };
        expect(kernel, &local.answer()?, 0, Outcome::NotAsked, 0).context("made here")?;
        kernel.ask_resolver(&local.query()?)?;
        expect(
            kernel,
            &local.answer()?,
            WAN,
            Outcome::ResolverNotTrusted,
            0,
        )
        .context("from elsewhere, as if made here")?;
        expect(kernel, &local.answer()?, 0, Outcome::Learned, 1)
    })
}

#[test]
fn a_query_that_does_not_pass_or_goes_elsewhere_is_none() -> Result<()> {
    with_kernel(|kernel| {
        let stranger = Exchange {
            client: "172.16.0.2",
            ..ASKED
        };
        kernel.ask_resolver(&stranger.query()?)?;
        expect(kernel, &stranger.answer()?, WAN, Outcome::NotAsked, 0).context("no group")?;
        let mut response = ASKED.query()?;
        response[14 + 20 + 8 + 2] |= 0x80;
        kernel.ask_resolver(&response)?;
        expect(kernel, &ASKED.answer()?, WAN, Outcome::NotAsked, 0).context("an answer is no query")
    })
}

#[test]
fn where_nothing_is_judged_answers_teach_all_the_same() -> Result<()> {
    with_kernel(|kernel| {
        let off = CONFIG.replace("mode = \"enforce\"", "mode = \"off\"");
        let off = Config::parse(&off).map_err(|problems| anyhow!("{problems:?}"))?;
        kernel.put_into_force(&off, &[GATEWAY.parse()?])?;
        kernel.ask_resolver(&ASKED.query()?)?;
        expect(kernel, &ASKED.answer()?, WAN, Outcome::Learned, 1)
    })
}

#[test]
fn at_tc_queries_are_noted_as_well() -> Result<()> {
    with_kernel(|kernel| {
        for asked in [ASKED, ASKED_V6] {
            kernel.passes_tc(&asked.query()?)?;
            expect(kernel, &asked.answer()?, WAN, Outcome::Learned, 1)?;
            kernel.forget_addresses()?;
        }
        Ok(())
    })
}

#[test]
fn a_query_sent_again_is_answered_once() -> Result<()> {
    with_kernel(|kernel| {
        kernel.ask_resolver(&ASKED.query()?)?;
        kernel.ask_resolver(&ASKED.query()?)?;
        expect(kernel, &ASKED.answer()?, WAN, Outcome::Learned, 1)?;
        expect(kernel, &ASKED.answer()?, WAN, Outcome::NotAsked, 1)
    })
}

#[test]
fn queries_of_one_client_do_not_meet() -> Result<()> {
    with_kernel(|kernel| {
        let names: Vec<String> = (0..200).map(|i| format!("n{i}.example")).collect();
        let exchange = |i: usize| Exchange {
            name: &names[i],
            id: i as u16,
            port: 40_000 + (i % 7) as u16,
            ..ASKED
        };
        for i in 0..names.len() {
            kernel.passes(&exchange(i).query()?)?;
        }
        for i in (0..names.len()).rev() {
            kernel.forget_addresses()?;
            expect(kernel, &exchange(i).answer()?, WAN, Outcome::Learned, 1)
                .with_context(|| names[i].clone())?;
        }
        Ok(())
    })
}

/// Queries of a flood, and how many of the last are answered.
const FLOOD: u32 = 12_000;
const LAST: u32 = 500;

#[test]
fn a_flood_of_queries_takes_nothing_from_others() -> Result<()> {
    with_kernel(|kernel| {
        let invented: Vec<String> = (0..FLOOD)
            .map(|i| format!("fd00:20::{:x}:{:x}", i >> 16, i & 0xffff))
            .collect();
        let as_one = |i: u32| Exchange {
            client: "10.20.0.66",
            id: i as u16,
            port: (i >> 16) as u16 + 30_000,
            ..ASKED
        };
        let as_many = |i: u32| Exchange {
            client: &invented[i as usize],
            ..ASKED_V6
        };
        type Flood<'a> = &'a dyn Fn(u32) -> Exchange<'a>;
        let floods: [(Flood<'_>, u64); 2] = [
            (&as_one, CLIENT_SHARE.burst),
            (&as_many, MACHINE_SHARE.burst),
        ];
        for (flood, burst) in floods {
            kernel.ask_resolver(&of_another_machine(&ASKED)?)?;
            kernel.give_shares_back()?;
            let before = (counted(kernel, Outcome::ShareExceeded)?, Instant::now());
            for i in 0..FLOOD {
                kernel.passes(&flood(i).query()?)?;
            }
            let exceeded = counted(kernel, Outcome::ShareExceeded)? - before.0;
            let refilled = before.1.elapsed().as_millis() as u64;
            let noted = u64::from(FLOOD) - exceeded;
            ensure!(
                (burst..=burst + refilled + 2).contains(&noted),
                "{noted} noted of {FLOOD}"
            );
            // Single ones of the last come back in time.
            let not_asked = counted(kernel, Outcome::NotAsked)?;
            for i in FLOOD - LAST..FLOOD {
                kernel.forward(&flood(i).answer()?, WAN)?;
            }
            let lost = counted(kernel, Outcome::NotAsked)? - not_asked;
            // A slow machine sends hardly faster than shares come back.
            ensure!(lost > 0 || pace::is_slow(), "all of the last {LAST} teach");
            kernel.forget_addresses()?;
            expect(kernel, &ASKED.answer()?, WAN, Outcome::Learned, 1).context("another client")?;
            kernel.forget_addresses()?;
        }
        Ok(())
    })
}

/// Addresses of each answer of a flood, and its answers: more addresses than there is room for.
const AN_ANSWER: u32 = 128;
const ANSWERS: u32 = LEARNED / AN_ANSWER * 5 / 4;

#[test]
fn a_flood_of_answers_takes_no_address_from_others() -> Result<()> {
    let invented: Vec<String> = (0..ANSWERS).map(|i| format!("fd00:20::{i:x}")).collect();
    let as_one = |i: u32| Exchange {
        client: "10.20.0.66",
        id: i as u16,
        ..ASKED
    };
    let as_many = |i: u32| Exchange {
        client: &invented[i as usize],
        ..ASKED_V6
    };
    type Flood<'a> = &'a (dyn Fn(u32) -> Exchange<'a> + Sync);
    let floods: [(Flood<'_>, Rate, &str); 2] = [
        (&as_one, added::CLIENT_SHARE, "policy"),
        (&as_many, added::MACHINE_SHARE, "client"),
    ];
    for (flood, share, scope) in floods {
        with(|kernel| {
            in_force(kernel, &format!("{CONFIG}[dns]\nscope = \"{scope}\"\n"))?;
            flooded(kernel, flood, share).with_context(|| format!("by {:?}", flood(0)))
        })?;
    }
    Ok(())
}

/// One client learns an address, and another one floods.
fn flooded<'a>(
    kernel: &mut Kernel,
    flood: &dyn Fn(u32) -> Exchange<'a>,
    share: Rate,
) -> Result<()> {
    kernel.passes(&of_another_machine(&ASKED)?)?;
    kernel.forward(&ASKED.answer()?, WAN)?;
    let before = learned_of(kernel, &ASKED, TAUGHT)?.context("learned")?;
    let began = Instant::now();
    for i in 0..ANSWERS {
        kernel.passes(&flood(i).query()?)?;
        kernel.forward(&crowd(&flood(i), i, 60)?, WAN)?;
    }
    let exceeded = counted(kernel, Outcome::NewShareExceeded)?;
    let refilled = began.elapsed().as_millis() as u64 / share.every_ms;
    let added = u64::from(ANSWERS * AN_ANSWER) - exceeded;
    ensure!(
        (share.burst..=share.burst + refilled + 1).contains(&added),
        "{added} added"
    );
    let after = learned_of(kernel, &ASKED, TAUGHT)?;
    ensure!(after == Some(before), "{after:?}, was {before:?}");

    // What the flood taught before its end is refreshed.
    let first = first_of(0);
    let short = learned_of(kernel, &flood(0), &first)?.context("the flood's first")?;
    kernel.passes(&flood(0).query()?)?;
    kernel.forward(&crowd(&flood(0), 0, 600)?, WAN)?;
    let long = learned_of(kernel, &flood(0), &first)?.context("the flood's first")?;
    ensure!(
        long.expires_ms > short.expires_ms + 400_000,
        "{long:?}, was {short:?}"
    );

    // Others learn what is new.
    let other = Exchange {
        client: "10.20.0.67",
        ..ASKED
    };
    kernel.passes(&of_another_machine(&other)?)?;
    kernel.forward(&crowd(&other, ANSWERS, 60)?, WAN)?;
    let learned = learned_of(kernel, &other, &first_of(ANSWERS))?;
    ensure!(learned.is_some(), "another client's answer");
    Ok(())
}

/// An answer with many addresses that none of another number has.
fn crowd(exchange: &Exchange<'_>, number: u32, ttl: u32) -> Result<Vec<u8>> {
    let first: u32 = first_of(number).parse::<Ipv4Addr>()?.to_bits();
    let mut answer = Answer::to(exchange.name);
    for i in 0..AN_ANSWER {
        let address = Ipv4Addr::from_bits(first + i);
        answer = answer.address(&address.to_string(), ttl);
    }
    let mut message = answer.to_bytes();
    message[..2].copy_from_slice(&exchange.id.to_be_bytes());
    let answered = Transport::Udp(53, exchange.port, message);
    Ok(Frame::new(
        exchange.resolver.parse()?,
        exchange.client.parse()?,
        answered,
    )
    .to_bytes())
}

fn first_of(number: u32) -> String {
    const FIRST: u32 = 0x1400_0000;
    Ipv4Addr::from_bits(FIRST + number * AN_ANSWER).to_string()
}

/// What taught a client an address; looked up without using it.
fn learned_of(kernel: &Kernel, by: &Exchange<'_>, address: &str) -> Result<Option<Slot>> {
    let address: IpAddr = address.parse()?;
    let client: IpAddr = by.client.parse()?;
    let learned = kernel.pinned().learned()?;
    for scope in Scope::ALL {
        let key = LearnedKey::of(address.into(), client.into(), scope);
        match learned.get(&key, 0) {
            Ok(learned) => return Ok(Slot::from_word(learned.slots[0])),
            Err(MapError::KeyNotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

#[test]
fn what_goes_to_a_resolver_and_is_no_query_is_counted() -> Result<()> {
    let good = query_of(&ASKED.message()).context("a query")?;
    let edit = |at: usize, with: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + with.len()].copy_from_slice(with);
        bytes
    };
    let resolver = ASKED.resolver;
    let table = [
        ("a query", resolver, good.clone(), 0),
        ("an answer", resolver, ASKED.message(), 1),
        (
            "a query that says it is an answer",
            resolver,
            edit(2, &[0x81]),
            1,
        ),
        ("another opcode", resolver, edit(2, &[0x29]), 1),
        ("no question", resolver, edit(5, &[0]), 1),
        ("two questions", resolver, edit(5, &[2]), 1),
        ("as many as fit", resolver, edit(4, &[0xff, 0xff]), 1),
        ("a query with an answer", resolver, edit(7, &[1]), 1),
        ("a label of 64", resolver, edit(12, &[64]), 1),
        ("a pointer", resolver, edit(12, &[0xc0, 12]), 1),
        ("a dot in a label", resolver, edit(13, b"."), 1),
        ("a NUL in a label", resolver, edit(13, &[0]), 1),
        ("cut off", resolver, good[..good.len() - 1].to_vec(), 1),
        ("nothing", resolver, Vec::new(), 1),
        ("to another resolver", "192.0.2.54", Vec::new(), 0),
    ];
    with_kernel(move |kernel| {
        for (what, to, payload, expected) in &table {
            let datagram = Transport::Udp(ASKED.port, 53, payload.clone());
            let frame = Frame::new(ASKED.client.parse()?, to.parse()?, datagram).to_bytes();
            let before = counted(kernel, Outcome::NoQuery)?;
            let passes = (kernel.passes(&frame)?, kernel.passes_tc(&frame)?);
            let seen = counted(kernel, Outcome::NoQuery)? - before;
            ensure!(seen == 2 * expected, "{what}: counted {seen} times");
            ensure!(passes.0 == passes.1, "{what}: {passes:?}");
            ensure!(passes.0 || *to != ASKED.resolver, "{what} must pass on");
        }
        Ok(())
    })
}

fn of_another_machine(exchange: &Exchange<'_>) -> Result<Vec<u8>> {
    let mut frame = exchange.query()?;
    frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 0x77]);
    Ok(frame)
}

/// Shows an answer that came in by an interface; the outcome must be counted once, and so many addresses
/// learned in all.
fn expect(
    kernel: &mut Kernel,
    answer: &[u8],
    came_in: u32,
    outcome: Outcome,
    addresses: usize,
) -> Result<()> {
    let before = counters::dns(kernel.pinned())?;
    ensure!(
        kernel.forward(answer, came_in)?,
        "an answer must pass on unchanged"
    );
    let after = counters::dns(kernel.pinned())?;
    let rose: Vec<_> = after.iter().filter(|one| !before.contains(one)).collect();
    ensure!(
        rose.len() == 1 && rose[0].0 == outcome,
        "{rose:?} counted, expected {outcome:?}"
    );
    let learned: Vec<IpAddr> = kernel.learned_addrs()?;
    ensure!(learned.len() == addresses, "learned {learned:?}");
    Ok(())
}

fn counted(kernel: &Kernel, outcome: Outcome) -> Result<u64> {
    let all = counters::dns(kernel.pinned())?;
    let mut all = all.into_iter();
    Ok(all
        .find(|(one, _)| *one == outcome)
        .map_or(0, |(_, messages)| messages))
}

fn with_kernel(test: impl FnOnce(&mut Kernel) -> Result<()> + Send) -> Result<()> {
    with(|kernel| {
        in_force(kernel, CONFIG)?;
        test(kernel)
    })
}

fn in_force(kernel: &mut Kernel, config: &str) -> Result<()> {
    let config = Config::parse(config).map_err(|problems| anyhow!("{problems:?}"))?;
    kernel.put_into_force(&config, &[GATEWAY.parse()?])?;
    kernel.pinned().lan()?.insert(&LAN, &LAN, 0)?;
    Ok(())
}
