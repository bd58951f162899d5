//! Any bytes as a frame: parsed, judged, answered and read as a DNS message, as the kernel's programs do it.

#![no_main]

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::OnceLock,
};

use egress_common::{
    dns::{
        Direct,
        answer::{read_question, read_records},
        message::Message,
    },
    parse::{parse, udp_payload},
    refusal::{answer, refusal},
    verdict::Reason,
};
use egress_ctl::{
    config::Config,
    policy::{
        compile::{Circumstances, compile},
        generation::Generation,
        ids::Ids,
        tables::HostTables,
    },
};
use libfuzzer_sys::fuzz_target;

/// What golden packets, the seeds, are judged by.
const POLICY: &str = include_str!("../../golden/policy.toml");
const OWN: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(10, 20, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x20, 0, 0, 0, 0, 0, 1)),
];

fuzz_target!(|frame: &[u8]| {
    let Ok(datagram) = parse(frame) else {
        return;
    };
    assert!(datagram.l3 <= datagram.l4 && datagram.l4 <= datagram.end);
    assert!(datagram.end <= frame.len(), "it goes on behind its frame");
    HostTables::new(generation()).judge_frame(frame, &datagram);
    if let Some(kind) = refusal(frame, &datagram) {
        let mut bytes = frame.to_vec();
        if answer(&mut bytes, &datagram, kind) {
            match parse(&bytes[..]) {
                Ok(back) => assert_eq!(back.flow.dst, datagram.flow.src, "it goes back"),
                // A client may have an address that no destination may have.
                Err(reason) => assert_eq!(reason, Reason::EmbeddedAddress),
            }
        }
    }
    if let Some(payload) = udp_payload(frame, &datagram) {
        let mut message = Box::new(Message::new());
        message.fill(&frame[payload.at..payload.at + payload.len]);
        let question = read_question::<Direct>(&mut message);
        let _ = question.and_then(|()| read_records::<Direct>(&mut message));
    }
});

fn generation() -> &'static Generation {
    static GENERATION: OnceLock<Generation> = OnceLock::new();
    GENERATION.get_or_init(|| {
        let config = Config::parse(POLICY).expect("a config");
        let circumstances = Circumstances {
            own: &OWN,
            today: "2026-01-01".parse().expect("a date"),
        };
        compile(&config, circumstances, &mut Ids::default()).expect("a generation")
    })
}
