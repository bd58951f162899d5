//! What is noted of a message, and the keys that the kernel's tries are asked for.

use core::{net::Ipv4Addr, ptr, slice};

use super::*;
use crate::dns::{
    Direct,
    answer::{read_question, read_records},
    question::{beginning_step, beginning_steps},
    wire::{A, ASKED, RECORDS_AT, Wire},
};

const CLIENT: [u8; 4] = [10, 20, 0, 2];
const SERVER: [u8; 4] = [203, 0, 113, 5];

/// Reads the question of an answer about a dotted name.
fn ask(message: &mut Message, name: &str) {
    let labels = name.split('.').filter(|label| !label.is_empty());
    let labels = labels.flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat());
    let wire: Vec<u8> = labels.chain([0]).collect();
    message.fill(&Wire::asking(&wire).says(ASKED, A, &SERVER).0);
    read_question::<Direct>(message).expect("a question");
}

/// The longest name that there is.
fn longest() -> String {
    let name = [63, 63, 63, 61].map(|bytes| "abcdefghijk".repeat(6)[..bytes].to_owned());
    name.join(".")
}

/// Bytes that count of the key for the trie of names.
fn name_key(message: &mut Message) -> Option<Vec<u8>> {
    let key = message.name_key()?;
    // SAFETY: a prefix length and the longest name stand there, both inside of the message.
    let key = unsafe { slice::from_raw_parts(key, size_of::<u32>() + NAME_KEY_BYTES) };
    let (bits, name) = key.split_first_chunk().expect("a length");
    let bits = u32::from_ne_bytes(*bits);
    Some(name[..bits as usize / 8].to_vec())
}

/// List and bytes that count of the key for the trie of heads.
fn head_key(message: &mut Message, list: u32, longest: u8) -> ([u8; 4], Vec<u8>) {
    for chunk in 0..beginning_steps(longest) {
        beginning_step(message, chunk);
    }
    let key = message.head_key(list, longest);
    // SAFETY: the whole key stands there.
    let key = unsafe { slice::from_raw_parts(key, HEAD_KEY_BYTES) };
    let (bits, rest) = key.split_first_chunk().expect("a length");
    let bits = u32::from_ne_bytes(*bits);
    let (list, head) = rest.split_first_chunk().expect("a list");
    (*list, head[..(bits - u32::BITS) as usize / 8].to_vec())
}

#[test]
fn keys_of_names_are_reversed() {
    let longest = longest();
    let mut message = Message::new();
    // What a longer name left does not matter to a shorter one.
    for name in [&longest, "Login.live.COM", "a.b", "a"] {
        ask(&mut message, name);
        let mut reversed: Vec<u8> = name.to_ascii_lowercase().bytes().rev().collect();
        reversed.push(0);
        assert_eq!(message.reversed_name(), reversed, "{name}");
        assert_eq!(message.name_bytes() as usize, name.len());
        assert_eq!(name_key(&mut message), Some(reversed), "{name}");
    }
    ask(&mut message, "");
    assert_eq!(message.name_bytes(), 0);
    assert_eq!(name_key(&mut message), None, "the root");
}

#[test]
fn keys_of_heads_go_as_far_as_the_longest_head_of_their_list() {
    let longest = longest();
    let mut message = Message::new();
    let table = [
        (longest.as_str(), u8::MAX, &longest[..HEAD_MAX]),
        (&longest, 70, &longest[..70]),
        ("Ab.cde", 3, "ab."),
        ("ab.cde", 6, "ab.cde"),
        ("ab.cde", u8::MAX, "ab.cde"),
        ("ab.cde", 0, ""),
    ];
    for (name, of_list, head) in table {
        ask(&mut message, name);
        let (list, bytes) = head_key(&mut message, 0x0102_0304, of_list);
        assert_eq!(list, [1, 2, 3, 4]);
        assert_eq!(bytes, head.as_bytes(), "{name} {of_list}");
    }
}

#[test]
fn the_question_ends_where_records_begin_until_it_is_forgotten() {
    let mut message = Message::new();
    ask(&mut message, "a.b");
    assert_eq!(message.question_end(), u32::from(RECORDS_AT));
    message.forget_question();
    assert_eq!(message.question_end(), 0);
}

#[test]
fn a_payload_is_copied_right_behind_what_is_told_of_it() {
    let mut message = Message::new();
    let begin = (&raw const message).cast::<u8>();
    assert!(ptr::eq(message.buffer(), begin.wrapping_add(HEAD_BYTES)));
}

#[test]
fn hashes_of_names_begin_with_the_seed() {
    let mut message = Message::new();
    message.set_seed(7);
    ask(&mut message, "a");
    let mut expected = NameHash::new(7);
    expected.add(1);
    expected.add(b'a');
    assert_eq!(message.name_hash(), expected.finish());
}

#[test]
fn another_client_has_another_machine() {
    let mac = [2, 0, 0, 0, 0, 1];
    let client = Addr::v4(CLIENT);
    let mut message = Message::new();
    message.set_client(client);
    assert_eq!((message.client(), message.mac()), (client, None));
    message.set_mac(mac);
    assert_eq!((message.client(), message.mac()), (client, Some(mac)));
    let other = Addr::v4(Ipv4Addr::LOCALHOST.octets());
    message.set_client(other);
    assert_eq!((message.client(), message.mac()), (other, None));
}

#[test]
fn room_is_taken_until_none_is_left() {
    let mut message = Message::new();
    for room in [2, 0, 1] {
        message.set_room(room);
        assert_eq!(message.added(), 0);
        let taken = (0..4).take_while(|_| message.take_room()).count();
        assert_eq!(taken, room as usize);
        assert_eq!(message.added(), room);
    }
}

#[test]
fn addresses_come_with_their_ttl_and_those_of_other_names_are_counted() {
    let ttl_at = usize::from(RECORDS_AT) + ASKED.len() + 4;
    let (b, c) = (&b"\x01b\0"[..], &b"\x01c\0"[..]);
    let wire = Wire::new()
        .says(ASKED, A, &SERVER)
        .says(b, A, &CLIENT)
        .says(c, A, &CLIENT);
    let wire = (1..=4).fold(wire, |wire, i| wire.with(ttl_at + i as usize - 1, i));
    let mut message = Message::new();
    message.fill(&wire.0);
    read_question::<Direct>(&mut message).expect("a question");
    read_records::<Direct>(&mut message).expect("records");
    assert_eq!(message.found_len(), 1);
    let found = message.found(0).expect("an address");
    assert_eq!((found.addr, found.ttl), (Addr::v4(SERVER), 0x0102_0304));
    assert_eq!(message.found(1), None);
    assert_eq!(message.unlinked(), 2);
}
