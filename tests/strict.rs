//! Groups that may ask for their own names only: what passes, and how the rest is refused.

use std::collections::HashMap;
use std::net::IpAddr;

use anyhow::{Context as _, Result, anyhow, ensure};
use egress_common::parse::parse;
use egress_common::verdict::Reason;
use egress_ctl::config::Config;
use egress_ctl::policy::generation::Generation;
use egress_ctl::policy::tables::HostTables;
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use hickory_proto::op::{Message, MessageType, ResponseCode};
use lab::answer::{Answer, query_of};
use lab::frame::{Frame, Transport};
use lab::kernel::{Fate, INTERFACE, INTERFACE_INDEX, Kernel, with};

const CONFIG: &str = r#"
[gateway]
mode = "enforce"
lan = ["lo"]
resolvers = ["gateway", "192.0.2.53", "2001:db8::53"]

[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
urls = ["*.example", "only.example.org"]
tcpPorts = "443"
[[source.corp.set]]
id = 2
urls = ["*.others.example.net"]
tcpPorts = "443"

[group.a]
clients = ["10.20.0.0/16", "fd00:20::/64"]
allow = ["corp:1"]
dns = "strict"
dns-names = ["*.ntp.example.org"]
[[group.a.rule]]
action = "deny"
to = ["never.example.com"]

[group.b]
clients = ["10.30.0.0/16"]
allow = ["corp:2"]
"#;

const V4: (&str, &str) = ("10.20.0.2", "192.0.2.53");
const V6: (&str, &str) = ("fd00:20::2", "2001:db8::53");
const LOCAL: (&str, &str) = ("10.20.0.2", "10.20.0.1");
const PORT: u16 = 40_000;

fn query(name: &str) -> Result<Vec<u8>> {
    query_of(&Answer::to(name).to_bytes()).context("a query")
}

fn udp((client, resolver): (&str, &str), payload: Vec<u8>) -> Result<Frame> {
    let datagram = Transport::Udp(PORT, 53, payload);
    Ok(Frame::new(client.parse()?, resolver.parse()?, datagram))
}

fn tcp((client, resolver): (&str, &str), payload: Vec<u8>) -> Result<Vec<u8>> {
    let segment = Transport::Segment(PORT, 53, 1, 0x10, payload);
    Ok(Frame::new(client.parse()?, resolver.parse()?, segment).to_bytes())
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

/// Names, and whether group a may ask for them.
const NAMES: [(&str, bool); 11] = [
    ("www.example", true),
    ("WWW.Example", true),
    ("only.example.org", true),
    ("pool.ntp.example.org", true),
    ("2.0.20.10.in-addr.arpa", true),
    ("1.0.0.2.ip6.arpa", true),
    ("example", false),
    ("www.others.example.net", false),
    ("never.example.com", false),
    ("in-addr.arpa.example.com", false),
    ("x.only.example.org", false),
];

#[test]
fn names_outside_of_the_group_s_patterns_are_refused() -> Result<()> {
    with_kernel(|kernel, generation| {
        for who in [V4, V6, LOCAL] {
            let passes = if who == LOCAL {
                Reason::Gateway
            } else {
                Reason::Resolver
            };
            for (name, may) in NAMES {
                let frame = udp(who, query(name)?)?.to_bytes();
                let expected = if may { passes } else { Reason::DnsNameRefused };
                agree(kernel, generation, &frame, expected)
                    .with_context(|| format!("{name} {who:?}"))?;
            }
        }
        let free = ("10.30.0.2", V4.1);
        let frame = udp(free, query("anything.example.com")?)?.to_bytes();
        agree(kernel, generation, &frame, Reason::Resolver)
    })
}

#[test]
fn a_refusal_is_the_answer_of_a_resolver() -> Result<()> {
    with_kernel(|kernel, _| {
        let opt = [0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0];
        for who in [V4, V6, LOCAL] {
            for name in [
                "n.example.com",
                "nn.example.com",
                "nnn.example.com",
                "nnnn.example.com",
            ] {
                for with_options in [false, true] {
                    let mut payload = query(name)?;
                    if with_options {
                        payload[11] = 1;
                        payload.extend(opt);
                    }
                    let sent = udp(who, payload.clone())?;
                    let tagged = Frame {
                        tags: vec![0x8100],
                        vlan: 7,
                        ..sent.clone()
                    };
                    for sent in [sent, tagged] {
                        let Fate::IsAnswered(answer) = kernel.fate(&sent.to_bytes())? else {
                            anyhow::bail!("{name} is not answered");
                        };
                        is_refusal(&answer, &sent, &payload)
                            .with_context(|| format!("{name} {who:?} {answer:02x?}"))?;
                    }
                }
            }
            kernel.forgive()?;
        }
        Ok(())
    })
}

/// Whether a frame answers the query that was sent, and is sound itself.
fn is_refusal(answer: &[u8], sent: &Frame, query: &[u8]) -> Result<()> {
    ensure!(answer[..6] == sent.mac, "to another machine");
    let packet = SlicedPacket::from_ethernet(answer)?;
    ensure!(
        packet.vlan().is_some() != sent.tags.is_empty(),
        "another VLAN"
    );
    let Some(TransportSlice::Udp(udp)) = packet.transport else {
        anyhow::bail!("no UDP");
    };
    let checksum = match packet.net.context("no IP")? {
        NetSlice::Ipv4(ip) => {
            let header = ip.header().to_header();
            ensure!(
                header.header_checksum == header.calc_header_checksum(),
                "the checksum of IPv4"
            );
            ensure!(
                ip.header().source_addr() == sent.dst && ip.header().destination_addr() == sent.src
            );
            udp.to_header().calc_checksum_ipv4(&header, udp.payload())?
        }
        NetSlice::Ipv6(ip) => {
            let header = ip.header().to_header();
            ensure!(
                IpAddr::from(header.source) == sent.dst
                    && IpAddr::from(header.destination) == sent.src
            );
            udp.to_header().calc_checksum_ipv6(&header, udp.payload())?
        }
        _ => anyhow::bail!("no IP"),
    };
    ensure!(
        udp.checksum() == checksum,
        "checksum {:04x}, not {checksum:04x}",
        udp.checksum()
    );
    ensure!(
        (udp.source_port(), udp.destination_port()) == (53, PORT),
        "ports"
    );
    let (said, asked) = (Message::from_vec(udp.payload())?, Message::from_vec(query)?);
    ensure!(
        said.metadata.id == asked.metadata.id && said.queries == asked.queries,
        "{said:?}"
    );
    ensure!(
        said.metadata.message_type == MessageType::Response,
        "{said:?}"
    );
    ensure!(
        said.metadata.response_code == ResponseCode::Refused,
        "{said:?}"
    );
    ensure!(said.answers.is_empty() && said.edns.is_none(), "{said:?}");
    Ok(())
}

#[test]
fn what_cannot_be_read_is_dropped() -> Result<()> {
    with_kernel(|kernel, generation| {
        // One that can be read leaves nothing behind that another one would be refused by.
        kernel.fate(&udp(V4, query("www.example.com")?)?.to_bytes())?;
        let good = query("www.example")?;
        let edit = |at: usize, byte| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            bytes
        };
        let table = [
            ("two questions", edit(5, 2)),
            ("another opcode", edit(2, 0x29)),
            ("an answer", edit(2, 0x81)),
            ("a pointer", edit(12, 0xc0)),
            ("another class", edit(good.len() - 1, 3)),
            ("cut off", good[..20].to_vec()),
            ("nothing", Vec::new()),
        ];
        for (what, payload) in table {
            let frame = udp(V4, payload)?.to_bytes();
            agree(kernel, generation, &frame, Reason::DnsNameRefused).context(what)?;
            ensure!(
                kernel.fate(&frame)? == Fate::IsDropped,
                "{what} is answered"
            );
        }
        let fragment = Frame {
            fragment: Some((0, true)),
            ..udp(V4, good)?
        };
        agree(
            kernel,
            generation,
            &fragment.to_bytes(),
            Reason::DnsNameRefused,
        )
        .context("a fragment")?;
        ensure!(
            kernel.fate(&fragment.to_bytes())? == Fate::IsDropped,
            "a fragment is answered"
        );
        Ok(())
    })
}

#[test]
fn over_tcp_a_segment_asks_for_allowed_names_or_is_dropped() -> Result<()> {
    with_kernel(|kernel, generation| {
        let [good, second, bad] = ["www.example", "nn.example", "www.example.com"]
            .map(|name| query(name).map(|q| framed(&q)));
        let (good, second, bad) = (good?, second?, bad?);
        let table = [
            ("nothing", Vec::new(), true),
            ("one", good.clone(), true),
            ("two", [good.clone(), second.clone()].concat(), true),
            ("a bad one", bad.clone(), false),
            ("a bad second", [good.clone(), bad.clone()].concat(), false),
            ("a length", good[..2].to_vec(), false),
            ("what stands behind it", good[2..].to_vec(), false),
            ("a part", good[..9].to_vec(), false),
            ("one and a part", [&good[..], &bad[..9]].concat(), false),
            ("five", good.repeat(5), false),
        ];
        for (what, payload, may) in table {
            let expected = if may {
                Reason::Resolver
            } else {
                Reason::DnsNameRefused
            };
            let frame = tcp(V4, payload)?;
            agree(kernel, generation, &frame, expected).context(what)?;
            ensure!((kernel.fate(&frame)? == Fate::Passes) == may, "{what}");
        }
        Ok(())
    })
}

/// Kernel at XDP and at TC, its answer when asked, and the judge in user space: all give one reason.
fn agree(
    kernel: &mut Kernel,
    generation: &Generation,
    frame: &[u8],
    expected: Reason,
) -> Result<()> {
    let asked = kernel.ask(frame)?.reason;
    ensure!(asked == expected, "asked, the kernel says {asked:?}");
    let seen = kernel.judge(frame)?.counted.1;
    ensure!(seen == expected, "the kernel says {seen:?}");
    let at_tc = kernel.judge_tc(frame)?;
    ensure!(
        at_tc.counted.1 == expected && at_tc.passes == expected.passes(),
        "at TC: {at_tc:?}"
    );
    let mut datagram = parse(frame).map_err(|reason| anyhow!("{reason:?}"))?;
    datagram.flow.interface = INTERFACE_INDEX;
    let mut tables = HostTables {
        interfaces: HashMap::from([(INTERFACE_INDEX, INTERFACE.to_owned())]),
        ..HostTables::new(generation)
    };
    let judged = tables.judge_frame(frame, &datagram).reason;
    ensure!(judged == expected, "the judge says {judged:?}");
    kernel.forgive()
}

fn with_kernel(test: impl FnOnce(&mut Kernel, &Generation) -> Result<()> + Send) -> Result<()> {
    with(|kernel| {
        let config = Config::parse(CONFIG).map_err(|problems| anyhow!("{problems:?}"))?;
        let generation = kernel.put_into_force(&config, &[LOCAL.1.parse()?])?;
        test(kernel, &generation)
    })
}
