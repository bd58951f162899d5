//! Attempts by way of DNS. What counts in the end is the first packet to the address that an attacker wants
//! reached.

use anyhow::{Context, Result, ensure};
use egress_common::dns::Outcome;
use egress_common::dns::asked::CLIENT_SHARE;
use egress_common::learned::Slot;
use egress_common::verdict::Reason;
use egress_ctl::dataplane::{boot_ms, counters};
use lab::answer::{Answer, query_of};
use lab::frame::{Frame, Transport};
use lab::kernel::{Kernel, with};
use lab::table::config;

use super::{C4, C6};

/// One that answers from the gateway's other side, one that nobody trusts, and the gateway itself.
const RESOLVER: &str = "192.0.2.53";
const STRANGER: &str = "192.0.2.54";
const GATEWAY: &str = "10.20.0.1";
/// Interfaces that answers come in by.
const LAN: u32 = 1;
const WAN: u32 = 2;

const NAME: &str = "www.corp.example";
/// Where the name leads to, and where an attacker would have it lead to.
const TRUE: &str = "203.0.113.7";
const WANTED: &str = "198.51.100.66";

const POLICY: &str = r#"
[gateway]
mode = "enforce"
lan = ["lo"]
resolvers = ["192.0.2.53"]

[dns]
ttl-floor = 30
ttl-cap = 3600
grace = 0

[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
urls = ["*.corp.example"]
tcpPorts = "443"

[group.a]
clients = ["10.20.0.0/16", "fd00:20::/64"]
allow = ["corp"]
"#;

/// A query, of which answers are forged or true.
#[derive(Clone, Copy, Debug)]
struct Query<'a> {
    client: &'a str,
    resolver: &'a str,
    port: u16,
    id: u16,
}

const ASKED: Query<'_> = Query {
    client: C4,
    resolver: RESOLVER,
    port: 40_000,
    id: 0x0a0b,
};

impl Query<'_> {
    /// Asks for what a message answers.
    fn ask(&self, kernel: &mut Kernel, message: &[u8]) -> Result<()> {
        let question = query_of(&self.identified(message)).context("no question")?;
        let datagram = Transport::Udp(self.port, 53, question);
        let frame = Frame::new(self.client.parse()?, self.resolver.parse()?, datagram);
        ensure!(kernel.passes(&frame.to_bytes())?, "{self:?} does not pass");
        Ok(())
    }

    /// Answers with a message that came in by an interface. It must pass on as it is; the client decides for
    /// itself what to believe.
    fn answer(&self, kernel: &mut Kernel, message: &[u8], came_in: u32) -> Result<()> {
        let datagram = Transport::Udp(53, self.port, self.identified(message));
        let frame = Frame::new(self.resolver.parse()?, self.client.parse()?, datagram);
        ensure!(
            kernel.forward(&frame.to_bytes(), came_in)?,
            "{self:?} is held up or changed"
        );
        Ok(())
    }

    fn identified(&self, message: &[u8]) -> Vec<u8> {
        let id = self.id.to_be_bytes();
        let rest = message.iter().skip(id.len());
        id.iter().chain(rest).copied().collect()
    }
}

/// Runs a test with a policy in force.
fn attacked(policy: &str, test: impl FnOnce(&mut Kernel) -> Result<()> + Send) -> Result<()> {
    let config = config(policy)?;
    with(|kernel| {
        kernel.put_into_force(&config, &[GATEWAY.parse()?])?;
        kernel.pinned().lan()?.insert(&LAN, &LAN, 0)?;
        test(kernel)
    })
}

/// Asks and has it answered.
fn resolve(kernel: &mut Kernel, message: &[u8]) -> Result<()> {
    ASKED.ask(kernel, message)?;
    ASKED.answer(kernel, message, WAN)
}

/// Whether a client's first packet to an address passes.
fn reaches(kernel: &mut Kernel, to: &str, port: u16) -> Result<bool> {
    let client = if to.contains(':') { C6 } else { C4 };
    kernel.passes(&Frame::tcp(client, to, port).to_bytes())
}

fn counted(kernel: &Kernel, outcome: Outcome) -> Result<u64> {
    let all = counters::dns(kernel.pinned())?;
    let one = all.iter().find(|(one, _)| *one == outcome);
    Ok(one.map_or(0, |(_, messages)| *messages))
}

/// CVE-2020-25684, CVE-2020-25685, CVE-2020-25686.
#[test]
fn a_forged_answer() -> Result<()> {
    let forged = Answer::to(NAME).address(WANTED, 3600).to_bytes();
    let of_another = Answer::to("w2.corp.example").address(WANTED, 3600);
    let of_another = of_another.to_bytes();
    let genuine = Answer::to(NAME).address(TRUE, 60).to_bytes();
    // Asked several times at once, as where an attacker waits for two queries to meet.
    let queries = (0..50).map(|i| Query {
        port: ASKED.port + i,
        id: ASKED.id + 257 * i,
        ..ASKED
    });
    let queries: Vec<_> = queries.collect();
    let [first, second] = [queries[0], queries[1]];
    let guesses = [
        (
            "an id",
            Query {
                id: !first.id,
                ..first
            },
            &forged,
            WAN,
        ),
        (
            "a port",
            Query {
                port: 39_999,
                ..first
            },
            &forged,
            WAN,
        ),
        (
            "id and port of two queries",
            Query {
                id: second.id,
                ..first
            },
            &forged,
            WAN,
        ),
        ("a name", first, &of_another, WAN),
        (
            "a resolver",
            Query {
                resolver: STRANGER,
                ..first
            },
            &forged,
            WAN,
        ),
        (
            "a client",
            Query {
                client: "10.20.0.3",
                ..first
            },
            &forged,
            WAN,
        ),
        ("from the LAN", first, &forged, LAN),
    ];
    attacked(POLICY, |kernel| {
        for query in &queries {
            query.ask(kernel, &genuine)?;
        }
        for (what, query, message, came_in) in guesses {
            query.answer(kernel, message, came_in).context(what)?;
            ensure!(!reaches(kernel, WANTED, 443)?, "{what} was guessed");
        }
        for query in &queries {
            query.answer(kernel, &genuine, WAN)?;
            // Whoever comes second, comes too late.
            query.answer(kernel, &forged, WAN)?;
        }
        ensure!(reaches(kernel, TRUE, 443)?, "the true answer was lost");
        ensure!(!reaches(kernel, WANTED, 443)?, "too late, and believed");
        Ok(())
    })
}

/// CVE-2025-11411.
#[test]
fn records_that_nobody_asked_for() -> Result<()> {
    let genuine = || Answer::to(NAME).address(TRUE, 60);
    let table = [
        ("an additional address", genuine().additional(WANTED, 60)),
        (
            "a name server and its address",
            genuine().authority("corp.example").additional(WANTED, 60),
        ),
        (
            "an answer for another listed name",
            genuine().owner("w2.corp.example").address(WANTED, 60),
        ),
        (
            "an alias of another listed name",
            genuine()
                .owner("w2.corp.example")
                .alias("elsewhere.example", 60)
                .address(WANTED, 60),
        ),
    ];
    attacked(POLICY, |kernel| {
        for (what, answer) in table {
            kernel.forget()?;
            resolve(kernel, &answer.to_bytes()).context(what)?;
            ensure!(reaches(kernel, TRUE, 443)?, "{what}: the answer was lost");
            ensure!(!reaches(kernel, WANTED, 443)?, "{what} was believed");
        }
        Ok(())
    })
}

/// DNS rebinding.
#[test]
fn a_listed_name_that_leads_inside() -> Result<()> {
    let inside = [
        "169.254.169.254",
        "10.99.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "127.0.0.1",
        "0.0.0.0",
        GATEWAY,
        "::1",
        "fd00:ec2::254",
        "fe80::1",
    ];
    attacked(POLICY, |kernel| {
        for addr in inside {
            let refused = counted(kernel, Outcome::AddressRefused)?;
            resolve(kernel, &Answer::to(NAME).address(addr, 60).to_bytes())?;
            let refused = counted(kernel, Outcome::AddressRefused)? - refused;
            ensure!(refused == 1, "{addr}: refused {refused} times");
            let learned = kernel.learned_addrs()?;
            ensure!(learned.is_empty(), "{addr}: learned {learned:?}");
            // What goes to the gateway itself, and on the link, is never forwarded.
            ensure!(
                [GATEWAY, "fe80::1"].contains(&addr) || !reaches(kernel, addr, 443)?,
                "{addr} is reached"
            );
        }
        Ok(())
    })
}

/// draft-dashevskyi-dnsrr-antipatterns.
#[test]
fn messages_that_lead_the_reader_astray() -> Result<()> {
    let sound = Answer::to(NAME).address(WANTED, 60).to_bytes();
    let owner = 12 + NAME.len() + 2 + 4;
    let data_length = owner + 10;
    let edit = |at: usize, with: &[u8]| {
        let mut bytes = sound.clone();
        bytes[at..at + with.len()].copy_from_slice(with);
        bytes
    };
    // Each pointer leads to the one before it, the first one to itself.
    let circle: Vec<u8> = (0..1000u16)
        .flat_map(|i| (0xc000 | (owner as u16 + 2 * i.saturating_sub(1))).to_be_bytes())
        .collect();
    let table = [
        (
            "a pointer to itself",
            Outcome::BadPointer,
            edit(owner, &[0xc0, owner as u8]),
        ),
        (
            "a pointer ahead",
            Outcome::BadPointer,
            edit(owner, &[0xc0, owner as u8 + 2]),
        ),
        (
            "a pointer beyond the end",
            Outcome::BadPointer,
            edit(owner, &[0xff, 0xff]),
        ),
        (
            "a pointer into the header",
            Outcome::BadPointer,
            edit(owner, &[0xc0, 0]),
        ),
        (
            "a thousand pointers",
            Outcome::BadPointer,
            [&sound[..owner], &circle, &sound[owner + 2..]].concat(),
        ),
        ("a label of 64", Outcome::BadLabel, edit(12, &[64])),
        ("no data", Outcome::WrongLength, edit(data_length, &[0, 0])),
        (
            "data that are cut off",
            Outcome::WrongLength,
            edit(data_length, &[0, 5]),
        ),
        (
            "data without end",
            Outcome::WrongLength,
            edit(data_length, &[0xff, 0xff]),
        ),
        (
            "65,535 questions",
            Outcome::WrongQuestions,
            edit(4, &[0xff, 0xff]),
        ),
        (
            "65,535 answers",
            Outcome::WrongCounts,
            edit(6, &[0xff, 0xff]),
        ),
        (
            "65,535 authorities",
            Outcome::WrongCounts,
            edit(8, &[0xff, 0xff]),
        ),
        (
            "65,535 additional records",
            Outcome::WrongCounts,
            edit(10, &[0xff, 0xff]),
        ),
    ];
    attacked(POLICY, |kernel| {
        for (what, outcome, message) in table {
            let before = counted(kernel, outcome)?;
            // Asked for with a sound question, so that it is read.
            ASKED.ask(kernel, &sound)?;
            ASKED.answer(kernel, &message, WAN).context(what)?;
            let times = counted(kernel, outcome)? - before;
            ensure!(times == 1, "{what}: counted {times} times as {outcome:?}");
            ensure!(!reaches(kernel, WANTED, 443)?, "{what} was believed");
        }
        Ok(())
    })
}

/// cilium #30588, #28427. No message may be longer than 4,096 bytes, of which a test run shows some 3,400.
#[test]
fn long_chains_many_addresses_and_extreme_ttls() -> Result<()> {
    let aliases = |many: u32| {
        let all = (0..many).fold(Answer::to(NAME), |answer, i| {
            answer.alias(&format!("c{i}.example"), 60)
        });
        all.address(WANTED, 60).to_bytes()
    };
    let addresses = |many: u32| {
        let all = (0..many).fold(Answer::to(NAME), |answer, i| {
            answer.address(&format!("203.0.{}.{}", i >> 8, i & 0xff), 60)
        });
        all.to_bytes()
    };
    // More than there is room for addresses.
    let hints = [&[0, 1, 0, 0, 4, 4, 4][..], &[9; 4 * 257]].concat();
    let table = [
        ("100 aliases", aliases(100), Outcome::Learned, 1),
        ("150 addresses", addresses(150), Outcome::Learned, 150),
        (
            "257 hints",
            Answer::to(NAME).data(65, hints).to_bytes(),
            Outcome::TooManyRecords,
            0,
        ),
    ];
    attacked(POLICY, |kernel| {
        for (what, message, outcome, learned) in table {
            kernel.forget()?;
            let before = counted(kernel, outcome)?;
            resolve(kernel, &message)
                .with_context(|| format!("{what}, {} bytes", message.len()))?;
            let counted = counted(kernel, outcome)? - before;
            let held = kernel.learned_addrs()?.len();
            ensure!(
                counted == 1 && held == learned,
                "{what}, {} bytes: {outcome:?} {counted} times, {held} learned",
                message.len()
            );
        }
        // RFC 2181 section 8: with the highest bit set it is none.
        for (ttl, within_s) in [(0, 30), (1, 30), (u32::MAX, 30), (u32::MAX >> 1, 3600)] {
            kernel.forget()?;
            let now = boot_ms();
            resolve(kernel, &Answer::to(NAME).address(TRUE, ttl).to_bytes())?;
            let learned = kernel.learned(TRUE.parse()?)?.context("not learned")?;
            let slot = Slot::from_word(learned.slots[0]).context("no slot")?;
            let left_s = slot.expires_ms.saturating_sub(now) / 1000;
            ensure!(
                (within_s..within_s + 5).contains(&left_s),
                "a TTL of {ttl} s lives for {left_s} s"
            );
        }
        Ok(())
    })
}

/// cilium #31803. The filter judges addresses, and does not look into TLS: the README says so.
#[test]
fn another_service_at_an_allowed_address() -> Result<()> {
    const LIMIT: &str = "what else a shared CDN serves at an allowed address is reachable";
    ensure!(
        include_str!("../../README.md").contains(LIMIT),
        "the README does not say: {LIMIT}"
    );
    let says = |name: &str, port| -> Result<Vec<u8>> {
        let hello = [b"\x16\x03\x01", name.as_bytes()].concat();
        let segment = Transport::Segment(40_000, port, 1, 0x10, hello);
        Ok(Frame::new(C4.parse()?, TRUE.parse()?, segment).to_bytes())
    };
    attacked(POLICY, |kernel| {
        ensure!(
            !kernel.passes(&says(NAME, 443)?)?,
            "a name that is only said"
        );
        resolve(kernel, &Answer::to(NAME).address(TRUE, 60).to_bytes())?;
        // True or false, at the address that is shared it makes no difference.
        for name in [NAME, "evil.example"] {
            let reason = kernel.judge(&says(name, 443)?)?.counted.1;
            ensure!(reason == Reason::Learned, "{name}: {reason:?}");
            let reason = kernel.judge(&says(name, 8443)?)?.counted.1;
            ensure!(reason == Reason::WrongPort, "{name} at 8443: {reason:?}");
        }
        // Neither is the other service's name allowed, nor what it has for itself.
        let other = Answer::to("evil.example").address(TRUE, 60);
        resolve(kernel, &other.address(WANTED, 60).to_bytes())?;
        ensure!(!reaches(kernel, WANTED, 443)?, "its own address is reached");
        Ok(())
    })
}

/// The flooder's queries beyond its share teach nothing to itself, and take nothing from others.
#[test]
fn a_flood_of_queries() -> Result<()> {
    const FLOOD: u16 = (CLIENT_SHARE.burst * 2) as u16;
    let own = Answer::to("mine.corp.example")
        .address(WANTED, 60)
        .to_bytes();
    let genuine = Answer::to(NAME).address(TRUE, 60).to_bytes();
    let flooding = |id| Query {
        client: "10.20.0.66",
        id,
        ..ASKED
    };
    attacked(POLICY, |kernel| {
        ASKED.ask(kernel, &genuine)?;
        let began = boot_ms();
        for id in 0..FLOOD {
            flooding(id).ask(kernel, &own)?;
        }
        let back = (boot_ms() - began) / CLIENT_SHARE.every_ms;
        let beyond = counted(kernel, Outcome::ShareExceeded)?;
        let noted = u64::from(FLOOD) - beyond;
        ensure!(
            (CLIENT_SHARE.burst..=CLIENT_SHARE.burst + back + 2).contains(&noted),
            "{noted} of {FLOOD} are noted, {back} came back"
        );
        let not_asked = counted(kernel, Outcome::NotAsked)?;
        for id in 0..FLOOD {
            flooding(id).answer(kernel, &own, WAN)?;
        }
        let lost = counted(kernel, Outcome::NotAsked)? - not_asked;
        ensure!(lost == beyond, "{lost} of {beyond} beyond the share");
        ASKED.answer(kernel, &genuine, WAN)?;
        ensure!(
            reaches(kernel, TRUE, 443)?,
            "another client's answer was lost"
        );
        Ok(())
    })
}

/// CVE-2024-52529, of names instead of ports.
#[test]
fn overlapping_wildcards_are_their_union() -> Result<()> {
    let sets = r#"
[[source.corp.set]]
id = 2
urls = ["*.a.corp.example"]
tcpPorts = "8000-8200"
[[source.corp.set]]
id = 3
urls = ["x.a.corp.example"]
tcpPorts = "8100-8300"
[[source.corp.set]]
id = 4
urls = ["*corp.example"]
tcpPorts = "9443"
[group.b]
clients = ["10.21.0.0/16"]
allow = ["corp:2"]
[group.a]
"#;
    let policy = POLICY.replace("[group.a]\n", sets);
    let all = [443, 7999, 8000, 8099, 8100, 8200, 8201, 8300, 8301, 9443];
    let table = [
        (
            "x.a.corp.example",
            vec![443, 8000, 8099, 8100, 8200, 8201, 8300, 9443],
        ),
        ("y.a.corp.example", vec![443, 8000, 8099, 8100, 8200, 9443]),
        ("a.corp.example", vec![443, 9443]),
        ("y.corp.example", vec![443, 9443]),
        ("corp.example", vec![9443]),
        ("xcorp.example", vec![9443]),
        ("corp.example.net", vec![]),
    ];
    attacked(&policy, |kernel| {
        for (name, ports) in table {
            kernel.forget()?;
            resolve(kernel, &Answer::to(name).address(TRUE, 60).to_bytes())?;
            let mut open = Vec::new();
            let mut open_to_b = Vec::new();
            for port in all {
                let of_b = Frame::tcp("10.21.0.2", TRUE, port).to_bytes();
                open.extend(reaches(kernel, TRUE, port)?.then_some(port));
                open_to_b.extend(kernel.passes(&of_b)?.then_some(port));
            }
            ensure!(open == ports, "{name}: {open:?}, not {ports:?}");
            let of_set = |port: &&u16| (8000..=8200).contains(*port);
            ensure!(
                open_to_b.iter().eq(ports.iter().filter(of_set)),
                "{name}, of one set alone: {open_to_b:?}"
            );
        }
        // Two names at one address: the union of both, and nothing beside it.
        kernel.forget()?;
        for name in ["y.a.corp.example", "xcorp.example"] {
            resolve(kernel, &Answer::to(name).address(TRUE, 60).to_bytes())?;
        }
        for port in all {
            let within = [443, 9443].contains(&port) || (8000..=8200).contains(&port);
            ensure!(reaches(kernel, TRUE, port)? == within, "port {port}");
        }
        Ok(())
    })
}
