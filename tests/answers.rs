//! DNS answers through the loaded program: what each teaches.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use egress_common::dns::Outcome;
use egress_common::learned::Slot;
use egress_ctl::config::Config;
use egress_ctl::dataplane::boot_ms;
use egress_ctl::dataplane::counters;
use egress_ctl::policy::generation::Generation;
use lab::answer::{Answer, query_of};
use lab::frame::{ETHERNET, Extension, Frame, Transport};
use lab::fuzz;
use lab::kernel::{self, Kernel};
use lab::pace;

const CONFIG: &str = r#"
[gateway]
mode = "enforce"
lan = ["lan"]
resolvers = ["gateway"]
internal = ["198.18.0.0/15"]

[dns]
ttl-floor = 30
ttl-cap = 3600
grace = 2

[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
urls = ["exact.example", "*.below.example", "*tail.example", "Mixed.Example"]
ips = ["10.5.0.0/16", "fd00:5::/64", "198.19.5.0/24"]
tcpPorts = "443"

[group.a]
clients = ["10.20.0.0/16", "fd00:20::/64"]
allow = ["corp"]
"#;

const GATEWAY: &str = "10.20.0.1";
const CLIENT: &str = "10.20.0.2";
const A: &str = "203.0.113.7";
const AAAA: &str = "2001:db8::7";

#[test]
fn names_are_matched_by_exact_below_and_tail_patterns() -> Result<()> {
    with_kernel(|kernel, _| {
        let long = format!(
            "{}.below.example",
            [
                "a".repeat(63),
                "b".repeat(63),
                "c".repeat(63),
                "d".repeat(46)
            ]
            .join(".")
        );
        let table = [
            ("exact.example", true),
            ("EXACT.eXample", true),
            ("mixed.example", true),
            ("a.exact.example", false),
            ("exact.example.org", false),
            ("a.below.example", true),
            ("a.b.below.example", true),
            ("below.example", false),
            ("xbelow.example", false),
            ("tail.example", true),
            ("xtail.example", true),
            ("x.tail.example", true),
            ("ail.example", false),
            ("example", false),
            (".", false),
            (long.as_str(), true),
        ];
        for (name, expected) in table {
            kernel.forget()?;
            let answer = Answer::to(name).address(A, 60);
            let outcome = if expected {
                Outcome::Learned
            } else {
                Outcome::NameNotListed
            };
            teach(kernel, &answer.to_bytes(), outcome)
                .with_context(|| format!("asked for {name}"))?;
            let learned = kernel.learned_addrs()?;
            ensure!(learned.is_empty() != expected, "{name}: {learned:?}");
        }
        Ok(())
    })
}

#[test]
fn addresses_are_learned_through_aliases_with_their_ttl() -> Result<()> {
    with_kernel(|kernel, generation| {
        let answer = Answer::to("a.below.example")
            .alias("b.cdn.example.net", 5)
            .alias("c.cdn.example.net", 5)
            .address(A, 600)
            .address(AAAA, 10)
            .address("203.0.113.8", 1_000_000)
            .address("203.0.113.9", u32::MAX)
            .authority("example.net")
            .options();
        let before = boot_ms();
        teach(kernel, &answer.to_bytes(), Outcome::Learned)?;
        // All TTLs of addresses but the first one.
        let clamped = counted(kernel, Outcome::TtlClamped)?;
        ensure!(clamped == 3, "{clamped} TTLs counted");
        let pattern = generation
            .pattern_of("a.below.example")
            .context("a pattern")?
            .id;
        // Two seconds beyond what is between the floor of 30 s and the cap of an hour; a TTL with the high bit set is 0.
        for (addr, ttl_s) in [
            (A, 602),
            (AAAA, 32),
            ("203.0.113.8", 3602),
            ("203.0.113.9", 32),
        ] {
            let learned = kernel.learned(addr.parse()?)?.context(addr)?;
            let slot = Slot::from_word(learned.slots[0]).context("a slot")?;
            let left = slot.expires_ms as i64 - before as i64;
            ensure!(slot.pattern == pattern, "{addr}: pattern {}", slot.pattern);
            ensure!(
                (ttl_s * 1000..ttl_s * 1000 + 5000).contains(&left),
                "{addr}: {left} ms left"
            );
        }
        ensure!(kernel.learned_addrs()?.len() == 4);
        Ok(())
    })
}

#[test]
fn only_owners_that_aliases_lead_to_are_learned_in_any_order() -> Result<()> {
    with_kernel(|kernel, _| {
        let in_order = || {
            Answer::to("exact.example")
                .alias("b.example.net", 60)
                .alias("c.example.net", 60)
                .address(A, 60)
        };
        let long = (0..100).fold(Answer::to("exact.example"), |answer, i| {
            answer.alias(&format!("c{i}.example.net"), 60)
        });
        let table = [
            ("in order", in_order(), vec![A], 0),
            ("backwards", in_order().backwards(), vec![A], 0),
            ("100 aliases", long.clone().address(A, 60), vec![A], 0),
            ("and backwards", long.address(A, 60).backwards(), vec![A], 0),
            (
                "an address of another name",
                in_order().owner("d.example.net").address("203.0.113.8", 60),
                vec![A],
                1,
            ),
            (
                "an alias of another name",
                in_order()
                    .owner("d.example.net")
                    .alias("e.example.net", 60)
                    .address("203.0.113.8", 60)
                    .address(AAAA, 60),
                vec![A],
                2,
            ),
            (
                "an alias in a circle",
                in_order().alias("exact.example", 60).address(AAAA, 60),
                vec![A, AAAA],
                0,
            ),
            (
                "the same name in capitals",
                in_order().owner("C.EXAMPLE.NET").address(AAAA, 60),
                vec![A, AAAA],
                0,
            ),
        ];
        for (what, answer, expected, unlinked) in table {
            kernel.forget()?;
            let before = counted(kernel, Outcome::UnlinkedOwner)?;
            teach(kernel, &answer.to_bytes(), Outcome::Learned).context(what)?;
            let mut expected: Vec<IpAddr> = expected
                .iter()
                .map(|addr| addr.parse())
                .collect::<Result<_, _>>()?;
            expected.sort();
            let learned = kernel.learned_addrs()?;
            ensure!(learned == expected, "{what}: {learned:?}");
            let counted = counted(kernel, Outcome::UnlinkedOwner)? - before;
            ensure!(counted == unlinked, "{what}: {counted} of other names");
        }
        Ok(())
    })
}

#[test]
fn service_records_teach_their_hints_and_lead_on() -> Result<()> {
    let hints = || {
        [
            hint(4, &[203, 0, 113, 7]),
            hint(6, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]),
        ]
        .concat()
    };
    let target = b"\x03svc\x07example\0";
    let with = |priority: u8, target: &[u8], parameters: &[u8]| {
        let data = [&[0, priority], target, parameters].concat();
        Answer::to("exact.example").data(65, data)
    };
    let table = [
        (
            "hints of the owner",
            with(1, b"\0", &hints()),
            Outcome::Learned,
            vec![A, AAAA],
        ),
        (
            "hints of a target",
            with(1, target, &hints()),
            Outcome::Learned,
            vec![A, AAAA],
        ),
        (
            "an address of a target",
            with(1, target, &[]).owner("svc.example").address(A, 60),
            Outcome::Learned,
            vec![A],
        ),
        (
            "an address of what it is an alias of",
            with(0, target, &[]).owner("svc.example").address(A, 60),
            Outcome::Learned,
            vec![A],
        ),
        (
            "an alias with hints",
            with(0, target, &hints()),
            Outcome::NoAddress,
            vec![],
        ),
        (
            "other parameters",
            with(
                1,
                b"\0",
                &[hint(1, b"\x02h2"), hint(3, &[1, 187]), hints()].concat(),
            ),
            Outcome::Learned,
            vec![A, AAAA],
        ),
        (
            "keys that do not rise",
            with(1, b"\0", &[hint(6, &[0x20; 16]), hint(4, &[1; 4])].concat()),
            Outcome::Malformed,
            vec![],
        ),
        (
            "a key twice",
            with(1, b"\0", &[hints(), hint(6, &[0x20; 16])].concat()),
            Outcome::Malformed,
            vec![],
        ),
        (
            "a hint of three bytes",
            with(1, b"\0", &hint(4, &[1; 3])),
            Outcome::Malformed,
            vec![],
        ),
        (
            "no hint",
            with(1, b"\0", &hint(4, &[])),
            Outcome::Malformed,
            vec![],
        ),
        (
            "half a hint",
            with(1, b"\0", &hint(6, &[0x20; 24])),
            Outcome::Malformed,
            vec![],
        ),
        (
            "a port of one byte",
            with(1, b"\0", &hint(3, &[1])),
            Outcome::Malformed,
            vec![],
        ),
        (
            "half a parameter",
            with(1, b"\0", &[0, 4, 0]),
            Outcome::WrongLength,
            vec![],
        ),
        (
            "a value beyond the record",
            with(1, b"\0", &[0, 4, 0, 8, 1, 2, 3, 4]),
            Outcome::Malformed,
            vec![],
        ),
        (
            "a target beyond the record",
            with(1, b"\x3fsvc", &[]),
            Outcome::CutOff,
            vec![],
        ),
        (
            "half a priority",
            Answer::to("exact.example").data(64, vec![0]),
            Outcome::WrongLength,
            vec![],
        ),
        (
            "more hints than are read",
            with(1, b"\0", &hint(4, &[9; 4 * 257])),
            Outcome::TooManyRecords,
            vec![],
        ),
    ];
    with_kernel(move |kernel, _| {
        for (what, answer, outcome, expected) in &table {
            kernel.forget()?;
            teach(kernel, &answer.to_bytes(), *outcome).with_context(|| (*what).to_owned())?;
            let mut expected: Vec<IpAddr> = expected
                .iter()
                .map(|addr| addr.parse())
                .collect::<Result<_, _>>()?;
            expected.sort();
            let learned = kernel.learned_addrs()?;
            ensure!(learned == expected, "{what}: {learned:?}");
        }
        Ok(())
    })
}

/// A parameter of a service.
fn hint(key: u16, value: &[u8]) -> Vec<u8> {
    [
        &key.to_be_bytes()[..],
        &(value.len() as u16).to_be_bytes(),
        value,
    ]
    .concat()
}

#[test]
fn two_names_of_one_address_teach_side_by_side() -> Result<()> {
    with_kernel(|kernel, generation| {
        for (name, ttl) in [
            ("exact.example", 60),
            ("tail.example", 600),
            ("exact.example", 90),
        ] {
            teach(
                kernel,
                &Answer::to(name).address(A, ttl).to_bytes(),
                Outcome::Learned,
            )?;
        }
        let learned = kernel.learned(A.parse()?)?.context("learned")?;
        let patterns = |name| generation.pattern_of(name).map(|pattern| pattern.id);
        let taught: Vec<_> = learned
            .slots
            .iter()
            .filter_map(|word| Slot::from_word(*word))
            .collect();
        let of = |name| {
            taught
                .iter()
                .find(|slot| Some(slot.pattern) == patterns(name))
        };
        let (short, long) = (
            of("exact.example").context("exact")?,
            of("tail.example").context("tail")?,
        );
        ensure!(
            taught.len() == 2 && short.expires_ms + 400_000 < long.expires_ms,
            "{taught:?}"
        );
        Ok(())
    })
}

#[test]
fn what_is_no_sound_answer_teaches_nothing() -> Result<()> {
    let good = || Answer::to("exact.example").address(A, 60);
    let bytes = good().to_bytes();
    let question_end = 12 + "exact.example".len() + 2 + 4;
    let edit = |at: usize, with: &[u8]| {
        let mut bytes = good().to_bytes();
        bytes[at..at + with.len()].copy_from_slice(with);
        bytes
    };
    let mut table = vec![
        ("a query", edit(2, &[0x01, 0x00]), Outcome::NoAnswer),
        ("another opcode", edit(2, &[0x91, 0x80]), Outcome::NoAnswer),
        ("no such name", edit(3, &[0x83]), Outcome::NoAnswer),
        (
            "cut off by the server",
            edit(2, &[0x83, 0x80]),
            Outcome::Truncated,
        ),
        ("no question", edit(4, &[0, 0]), Outcome::WrongQuestions),
        ("two questions", edit(4, &[0, 2]), Outcome::WrongQuestions),
        ("no answers", edit(6, &[0, 0]), Outcome::NoAddress),
        (
            "more answers than there are",
            edit(6, &[0xff, 0xff]),
            Outcome::WrongCounts,
        ),
        (
            "more additional records than there are",
            edit(10, &[0, 1]),
            Outcome::WrongCounts,
        ),
        ("a label of 64", edit(12, &[64]), Outcome::BadLabel),
        (
            "a pointer in the question",
            edit(12, &[0xc0, 12]),
            Outcome::BadPointer,
        ),
        ("a dot in a label", edit(14, b"."), Outcome::BadLabel),
        ("a NUL in a label", edit(14, &[0]), Outcome::BadLabel),
        (
            "chaos class",
            edit(question_end - 1, &[3]),
            Outcome::NoAnswer,
        ),
        (
            "an owner that points to itself",
            edit(question_end, &[0xc0, question_end as u8]),
            Outcome::BadPointer,
        ),
        (
            "an owner that points ahead",
            edit(question_end, &[0xc0, 0xff]),
            Outcome::BadPointer,
        ),
        (
            "an owner that points into the header",
            edit(question_end, &[0xc0, 4]),
            Outcome::BadPointer,
        ),
        (
            "a reserved label type",
            edit(question_end, &[0x80]),
            Outcome::BadLabel,
        ),
        (
            "an address of three bytes",
            edit(question_end + 11, &[3]),
            Outcome::WrongLength,
        ),
        (
            "data beyond the message",
            edit(question_end + 10, &[0xff, 0xff]),
            Outcome::WrongLength,
        ),
        (
            "an answer of another class",
            edit(question_end + 5, &[3]),
            Outcome::NoAddress,
        ),
        (
            "a byte too many",
            [bytes.clone(), vec![0]].concat(),
            Outcome::WrongCounts,
        ),
        (
            "only aliases",
            Answer::to("exact.example")
                .alias("b.example", 60)
                .to_bytes(),
            Outcome::NoAddress,
        ),
        (
            "an address in another section",
            Answer::to("exact.example")
                .alias("b.example", 60)
                .additional(A, 60)
                .to_bytes(),
            Outcome::NoAddress,
        ),
        (
            "an IPv4-mapped address",
            Answer::to("exact.example")
                .address("::ffff:203.0.113.7", 60)
                .to_bytes(),
            Outcome::Malformed,
        ),
        ("nothing", Vec::new(), Outcome::CutOff),
    ];
    table.push((
        "an alias that ends inside its record",
        [
            &edit(6, &[0, 2])[..question_end],
            b"\xc0\x0c\0\x05\0\x01\0\0\0\x05\0\x03\xc0\x0c\0",
            &bytes[question_end..],
        ]
        .concat(),
        Outcome::WrongLength,
    ));
    table.push((
        "an alias that goes beyond its record",
        [
            &edit(6, &[0, 2])[..question_end],
            b"\xc0\x0c\0\x05\0\x01\0\0\0\x05\0\x02\x09a",
            &bytes[question_end..],
        ]
        .concat(),
        Outcome::WrongLength,
    ));
    for cut in 0..bytes.len() {
        let outcome = match cut.checked_sub(question_end) {
            Some(0) => Outcome::WrongCounts,
            // Behind the owner's pointer and what stands in front of the data.
            Some(12..) => Outcome::WrongLength,
            _ => Outcome::CutOff,
        };
        table.push(("cut", bytes[..cut].to_vec(), outcome));
    }
    with_kernel(move |kernel, _| {
        for (what, payload, outcome) in &table {
            teach(kernel, payload, *outcome)
                .with_context(|| format!("{what}, {} bytes", payload.len()))?;
            let learned = kernel.learned_addrs()?;
            ensure!(learned.is_empty(), "{what} taught {learned:?}");
        }
        Ok(())
    })
}

#[test]
fn addresses_that_no_public_service_has_are_refused_and_counted() -> Result<()> {
    with_kernel(|kernel, _| {
        let special = [
            "10.1.2.3",
            "127.0.0.1",
            "169.254.169.254",
            "192.168.1.1",
            "224.0.0.1",
            "0.0.0.0",
            "::1",
            "fe80::1",
            "fd00::1",
            "ff02::1",
        ];
        let internal = ["198.18.0.1", "198.19.255.255"];
        let own = ["203.0.113.254"];
        let mut answer = Answer::to("exact.example").address(A, 60);
        for addr in special.iter().chain(&internal).chain(&own) {
            answer = answer.address(addr, 60);
        }
        let before = counted(kernel, Outcome::AddressRefused)?;
        teach(kernel, &answer.to_bytes(), Outcome::Learned)?;
        let learned = kernel.learned_addrs()?;
        ensure!(learned == [A.parse::<IpAddr>()?], "{learned:?}");
        let refused = counted(kernel, Outcome::AddressRefused)? - before;
        ensure!(
            refused as usize == special.len() + internal.len() + own.len(),
            "{refused} counted"
        );
        Ok(())
    })
}

#[test]
fn what_is_private_teaches_where_a_set_lists_it() -> Result<()> {
    with_kernel(|kernel, _| {
        let table = [
            ("10.5.0.4", true),
            ("10.5.255.255", true),
            ("10.6.0.4", false),
            ("fd00:5::4", true),
            ("fd00:5:0:1::4", false),
            ("198.19.5.4", true),
            ("198.19.6.4", false),
            ("64:ff9b::10.5.0.4", false),
        ];
        for (addr, expected) in table {
            kernel.forget()?;
            let before = counted(kernel, Outcome::AddressRefused)?;
            let answer = Answer::to("exact.example").address(addr, 60);
            teach(kernel, &answer.to_bytes(), Outcome::Learned).context(addr)?;
            let learned = kernel.learned(addr.parse()?)?.is_some();
            let refused = counted(kernel, Outcome::AddressRefused)? - before;
            ensure!(
                (learned, refused) == (expected, u64::from(!expected)),
                "{addr}: {learned}, {refused}"
            );
        }
        Ok(())
    })
}

#[test]
fn only_answers_of_a_trusted_resolver_teach() -> Result<()> {
    with_kernel(|kernel, _| {
        let payload = Answer::to("exact.example").address(A, 60).to_bytes();
        let before = counted(kernel, Outcome::ResolverNotTrusted)?;
        for (src, port, outcome) in [
            ("203.0.113.53", 53, true),
            ("10.20.0.9", 53, true),
            (GATEWAY, 5353, false),
        ] {
            let frame = Frame::new(
                src.parse()?,
                CLIENT.parse()?,
                Transport::Udp(port, 40_000, payload.clone()),
            );
            let seen = counted(kernel, Outcome::ResolverNotTrusted)?;
            ensure!(kernel.answer(&frame.to_bytes())?, "an answer must pass on");
            let counted = counted(kernel, Outcome::ResolverNotTrusted)? - seen;
            ensure!(
                counted == u64::from(outcome),
                "{src} port {port}: {counted} counted"
            );
            ensure!(
                kernel.learned_addrs()?.is_empty(),
                "{src} port {port} taught"
            );
        }
        ensure!(counted(kernel, Outcome::ResolverNotTrusted)? == before + 2);
        Ok(())
    })
}

/// Which headers stand in front of an answer makes no difference, nor do those in front of its query.
#[test]
fn answers_teach_behind_tags_options_and_extension_headers() -> Result<()> {
    use Extension::{Auth, Destination, HopByHop};
    let plain = |src: &str, dst: &str, datagram| -> Result<Frame> {
        Ok(Frame::new(src.parse()?, dst.parse()?, datagram))
    };
    let tagged = |tags: &[u16]| {
        let tags = tags.to_vec();
        move |frame| Frame {
            tags: tags.clone(),
            vlan: 7,
            ..frame
        }
    };
    let with_options = |options: &[u8]| {
        let options = options.to_vec();
        move |frame| Frame {
            options: options.clone(),
            ..frame
        }
    };
    let extended = |extensions: &[Extension]| {
        let extensions = extensions.to_vec();
        move |frame| Frame {
            extensions: extensions.clone(),
            ..frame
        }
    };
    type Dress = Box<dyn Fn(Frame) -> Frame + Send>;
    let v4 = (GATEWAY, CLIENT);
    let v6 = ("fd00:20::1", "fd00:20::2");
    let options = [7, 7, 4, 0, 0, 0, 0, 0];
    let both = {
        let (tags, options) = (tagged(&[0x88a8, 0x8100]), with_options(&options));
        move |frame| tags(options(frame))
    };
    let table: [(&str, (&str, &str), Dress); 13] = [
        ("nothing", v4, Box::new(|frame| frame)),
        ("a tag", v4, Box::new(tagged(&[0x8100]))),
        ("a tag, IPv6", v6, Box::new(tagged(&[0x8100]))),
        ("a service tag", v4, Box::new(tagged(&[0x88a8]))),
        ("two tags", v4, Box::new(tagged(&[0x88a8, 0x8100]))),
        ("two tags, IPv6", v6, Box::new(tagged(&[0x88a8, 0x8100]))),
        ("recorded routes", v4, Box::new(with_options(&options))),
        ("40 bytes of options", v4, Box::new(with_options(&[1; 40]))),
        ("two tags and options", v4, Box::new(both)),
        ("hop-by-hop options", v6, Box::new(extended(&[HopByHop(0)]))),
        ("long ones", v6, Box::new(extended(&[HopByHop(30)]))),
        (
            "destination options",
            v6,
            Box::new(extended(&[Destination(2)])),
        ),
        (
            "all kinds, and a tag",
            v6,
            Box::new({
                let chain = extended(&[HopByHop(1), Destination(0), Auth(4), Destination(1)]);
                let tag = tagged(&[0x8100]);
                move |frame| tag(chain(frame))
            }),
        ),
    ];
    let message = Answer::to("exact.example").address(A, 60).to_bytes();
    let question = query_of(&message).context("a question")?;
    with_kernel(move |kernel, _| {
        for (what, (resolver, client), dress) in table {
            let query = Transport::Udp(40_000, 53, question.clone());
            let query = plain(client, resolver, query)?;
            let answer = plain(
                resolver,
                client,
                Transport::Udp(53, 40_000, message.clone()),
            )?;
            for (side, query, answer) in [
                ("the answer", query.clone(), dress(answer.clone())),
                ("both", dress(query.clone()), dress(answer.clone())),
                ("the query", dress(query), answer),
            ] {
                kernel.forget()?;
                let cut = {
                    let mut cut = answer.to_bytes();
                    cut.pop();
                    cut
                };
                kernel.ask_resolver(&query.to_bytes())?;
                // Were it not read to its end, this would teach as well.
                ensure!(kernel.answer_unasked(&cut)?, "{what}, {side}: held up");
                let learned = kernel.learned_addrs()?;
                ensure!(learned.is_empty(), "{what}, {side}, cut: {learned:?}");
                ensure!(kernel.answer_unasked(&answer.to_bytes())?, "{what}, {side}");
                let learned = kernel.learned_addrs()?;
                ensure!(
                    learned == [A.parse::<IpAddr>()?],
                    "{what} in front of {side}: {learned:?}"
                );
            }
        }
        Ok(())
    })
}

/// A forwarded answer with a wrong UDP checksum teaches like a right one, though the client's kernel drops it.
/// That lets nobody in: it is an answer from a trusted resolver to exactly this query, and who can make one can
/// make its checksum as well. What a line damages, beside its own check sequence, is an address that a listed
/// name gave with some bits turned, until the TTL is over.
#[test]
fn an_answer_with_a_wrong_checksum_teaches_as_well() -> Result<()> {
    const CHECKSUM: usize = ETHERNET + 20 + 6;
    with_kernel(|kernel, _| {
        let message = Answer::to("exact.example").address(A, 60).to_bytes();
        let datagram = Transport::Udp(53, 40_000, message);
        let frame = Frame::new(GATEWAY.parse()?, CLIENT.parse()?, datagram).to_bytes();
        for checksum in [[0, 0], [0xde, 0xad]] {
            kernel.forget()?;
            let mut frame = frame.clone();
            frame[CHECKSUM..CHECKSUM + 2].copy_from_slice(&checksum);
            ensure!(kernel.answer(&frame)?, "{checksum:?} is held up or changed");
            let learned = kernel.learned_addrs()?;
            ensure!(
                learned == [A.parse::<IpAddr>()?],
                "{checksum:?}: {learned:?}"
            );
        }
        Ok(())
    })
}

/// Damaged queries, and answers where queries come: nothing is learned, and what passes is as it was.
#[test]
fn answers_and_damaged_queries_from_a_client_pass_on_unchanged() -> Result<()> {
    with_kernel(|kernel, _| {
        let answer = Answer::to("exact.example")
            .address(A, 60)
            .options()
            .to_bytes();
        let query = query_of(&answer).context("a question")?;
        let mut payloads = vec![answer.clone()];
        payloads.extend((0..answer.len()).map(|cut| answer[..cut].to_vec()));
        payloads.extend((0..query.len()).map(|cut| query[..cut].to_vec()));
        for at in 0..query.len() {
            payloads.extend([0, 1, 0x3f, 0x40, 0xc0, 0xff].map(|byte| {
                let mut query = query.clone();
                query[at] = byte;
                query
            }));
        }
        for payload in payloads {
            let datagram = Transport::Udp(40_000, 53, payload);
            let frame = Frame::new(CLIENT.parse()?, GATEWAY.parse()?, datagram).to_bytes();
            for (hook, passed) in [
                ("XDP", kernel.passed(&frame)?),
                ("TC", kernel.passed_tc(&frame)?),
            ] {
                ensure!(passed == frame, "changed at {hook}: {frame:02x?}");
            }
            ensure!(kernel.passes(&frame)?, "held up: {frame:02x?}");
            let learned = kernel.learned_addrs()?;
            ensure!(learned.is_empty(), "{frame:02x?} taught {learned:?}");
        }
        Ok(())
    })
}

#[test]
fn a_message_has_as_many_addresses_as_fit() -> Result<()> {
    with_kernel(|kernel, _| {
        let mut answer = Answer::to("exact.example");
        for i in 0..165 {
            answer = answer.address(&format!("203.0.113.{i}"), 60);
        }
        let payload = answer.to_bytes();
        ensure!(payload.len() > 2600, "{} bytes", payload.len());
        teach(kernel, &payload, Outcome::Learned)?;
        ensure!(kernel.learned_addrs()?.len() == 165);
        Ok(())
    })
}

/// Messages of the fuzzer. `cargo xtask drill answers` goes on.
const MESSAGES: u64 = 50_000;
/// Where the machine is slow: how long it may take, and how many it must be all the same.
const AT_MOST: Duration = Duration::from_secs(8);
const AT_LEAST: u64 = 256;

#[test]
fn kernel_and_library_read_random_and_damaged_answers_alike() -> Result<()> {
    kernel::with(|kernel| {
        let slow = pace::is_slow();
        let until = slow.then(|| Instant::now() + AT_MOST);
        let at_least = if slow { AT_LEAST } else { MESSAGES };
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let fuzzed = fuzz::run(kernel, MESSAGES, seed, until)?;
        println!("{fuzzed:#?}");
        ensure!(fuzzed.messages >= at_least, "{} messages", fuzzed.messages);
        ensure!(fuzzed.differences == 0, "{:#?}", fuzzed.shown);
        // Most are sound, else the test would test little.
        let learned = fuzzed.outcomes.get(Outcome::Learned.name());
        ensure!(learned.is_some_and(|learned| *learned > fuzzed.messages / 6));
        Ok(())
    })
}

/// Sends a payload from the gateway's resolver; the one counter that rises must be `outcome`'s.
fn teach(kernel: &mut Kernel, payload: &[u8], outcome: Outcome) -> Result<()> {
    let frame = Frame::new(
        GATEWAY.parse()?,
        CLIENT.parse()?,
        Transport::Udp(53, 40_000, payload.to_vec()),
    );
    let before = counters::dns(kernel.pinned())?;
    ensure!(kernel.answer(&frame.to_bytes())?, "an answer must pass on");
    let side = [
        Outcome::AddressRefused,
        Outcome::TeacherDisplaced,
        Outcome::UnlinkedOwner,
        Outcome::TtlClamped,
        // The query for a malformed answer may be none itself.
        Outcome::NoQuery,
    ];
    let rose: Vec<_> = counters::dns(kernel.pinned())?
        .into_iter()
        .filter(|counter| !before.contains(counter) && !side.contains(&counter.0))
        .map(|(outcome, _)| outcome)
        .collect();
    ensure!(rose == [outcome], "{rose:?} counted, expected {outcome:?}");
    Ok(())
}

fn counted(kernel: &Kernel, outcome: Outcome) -> Result<u64> {
    let all = counters::dns(kernel.pinned())?;
    Ok(all
        .iter()
        .find(|(o, _)| *o == outcome)
        .map_or(0, |(_, messages)| *messages))
}

fn with_kernel(test: impl FnOnce(&mut Kernel, &Generation) -> Result<()> + Send) -> Result<()> {
    kernel::with(|kernel| {
        let config = Config::parse(CONFIG).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
        let own = [
            GATEWAY.parse()?,
            "fd00:20::1".parse()?,
            "203.0.113.254".parse()?,
        ];
        let generation = kernel.put_into_force(&config, &own)?;
        test(kernel, &generation)
    })
}
