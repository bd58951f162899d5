//! Any bytes as a DNS answer: what the kernel's reader learns must be what one on top of hickory-proto reads.

#![no_main]

use std::collections::BTreeMap;
use std::net::IpAddr;

use egress_common::dns::{
    Direct, Outcome,
    answer::{read_question, read_records},
    message::Message,
};
use libfuzzer_sys::fuzz_target;

#[path = "../../lab/fuzz/oracle.rs"]
mod oracle;

/// As long as the kernel's reader takes a message.
const LONGEST: usize = 4096;
/// A message that takes less effort must be read.
const EFFORT: usize = 4096;

fuzz_target!(|bytes: &[u8]| {
    if bytes.len() > LONGEST {
        return;
    }
    let mut message = Box::new(Message::new());
    message.fill(bytes);
    let read =
        read_question::<Direct>(&mut message).and_then(|()| read_records::<Direct>(&mut message));
    match (read, oracle::read(bytes)) {
        (Ok(()), Ok(said)) => {
            assert_eq!(found(&message), said.addrs, "addresses and their TTLs");
            assert_eq!(
                u64::from(message.unlinked()),
                said.unlinked,
                "addresses of others"
            );
            assert_eq!(
                name(&message),
                said.name.to_ascii_lowercase(),
                "the question"
            );
        }
        (Err(_), Err(_)) => {}
        (Err(Outcome::TooManyRecords), Ok(said)) => {
            assert!(said.effort >= EFFORT, "it was too much of {}", said.effort);
        }
        (Err(outcome), Ok(said)) => panic!("{outcome:?}, and hickory reads {said:?}"),
        (Ok(()), Err((outcome, _))) => {
            panic!("{:?}, and hickory refuses it: {outcome:?}", found(&message))
        }
    }
    alone(bytes, &message, read.is_ok());
});

/// What the library reads as a whole, without any code of ours, must be the same.
fn alone(bytes: &[u8], message: &Message, is_read: bool) {
    if is_read && let Some(addrs) = oracle::by_library(bytes) {
        let found = found(message);
        assert!(addrs.iter().eq(found.keys()), "{addrs:?}, found {found:?}");
    }
}

fn found(message: &Message) -> BTreeMap<IpAddr, Vec<u32>> {
    let mut found: BTreeMap<IpAddr, Vec<u32>> = BTreeMap::new();
    for one in (0..message.found_len()).filter_map(|i| message.found(i)) {
        found.entry(one.addr.into()).or_default().push(one.ttl);
    }
    found
}

fn name(message: &Message) -> String {
    let reversed = message.reversed_name().iter().rev().skip(1);
    let name: Vec<u8> = reversed.copied().collect();
    String::from_utf8_lossy(&name).to_ascii_lowercase()
}
