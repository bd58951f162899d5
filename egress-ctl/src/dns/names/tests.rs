//! Names: what is kept, what is new, and what leaves.

use super::*;

fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// An answer to `client`.
fn heard(client: &str, name: &str, chain: &[&str], addresses: &[&str]) -> Heard {
    Heard {
        at_ms: 0,
        client: addr(client),
        pattern: 0,
        refused: 0,
        name: name.to_owned(),
        chain: chain.iter().map(|name| (*name).to_owned()).collect(),
        addresses: addresses.iter().map(|text| (addr(text), 60)).collect(),
    }
}

/// Learns an answer for a listed name.
fn learn(names: &mut Names, heard: &Heard, second: i64) -> Vec<IpAddr> {
    let lesson = Lesson {
        heard,
        pattern: Some("*.x.y"),
        at: at(second),
    };
    names.learn(lesson, |_| false)
}

const A: &str = "203.0.113.1";
const B: &str = "203.0.113.2";

#[test]
fn what_is_new_is_told_and_what_is_answered_again_is_counted() {
    let mut names = Names::default();
    let first = heard("10.0.0.1", "a.x.y", &["edge.z"], &[A, B]);
    assert_eq!(learn(&mut names, &first, 1), [addr(A), addr(B)]);
    assert!(learn(&mut names, &first, 2).is_empty());
    let other_client = heard("10.0.0.2", "a.x.y", &["edge.z"], &[A]);
    assert_eq!(learn(&mut names, &other_client, 3), [addr(A)]);
    let other_chain = heard("10.0.0.2", "a.x.y", &["other.z"], &[A]);
    assert_eq!(learn(&mut names, &other_chain, 4), [addr(A)]);
    let [naming] = names.of(addr(A)) else {
        panic!("{names:?}");
    };
    assert_eq!(
        (naming.answers, naming.first, naming.last),
        (4, at(1), at(4))
    );
    assert_eq!(naming.clients, [addr("10.0.0.2"), addr("10.0.0.1")]);
    assert_eq!(naming.chain, ["other.z"]);
    assert_eq!(names.addresses("A.x.Y"), [addr(A), addr(B)]);
}

#[test]
fn an_address_keeps_the_names_that_were_answered_last() {
    let mut names = Names::default();
    for i in 0..20 {
        learn(
            &mut names,
            &heard("10.0.0.1", &format!("n{i}.x.y"), &[], &[A]),
            i,
        );
    }
    let kept: Vec<_> = names
        .of(addr(A))
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(kept.first(), Some(&"n19.x.y"));
    assert_eq!((kept.len(), kept.last()), (NAMES, Some(&"n12.x.y")));
}

#[test]
fn clients_of_a_name_are_few() {
    let mut names = Names::default();
    for i in 0..9 {
        learn(
            &mut names,
            &heard(&format!("10.0.0.{i}"), "a.x.y", &[], &[A]),
            i,
        );
    }
    let clients: Vec<_> = names.of(addr(A))[0]
        .clients
        .iter()
        .map(IpAddr::to_string)
        .collect();
    assert_eq!(clients, ["10.0.0.8", "10.0.0.7", "10.0.0.6", "10.0.0.5"]);
}

#[test]
fn refused_addresses_are_counted_with_the_name() {
    let mut names = Names::default();
    let heard = heard("10.0.0.1", "rebind.x.y", &[], &[A, "10.0.0.9"]);
    let lesson = |second| Lesson {
        heard: &heard,
        pattern: Some("*.x.y"),
        at: at(second),
    };
    for second in 0..3 {
        names.learn(lesson(second), |one| one == addr("10.0.0.9"));
    }
    let refused: Vec<_> = names.refused().collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].answers, 3);
    assert_eq!(
        (refused[0].name.as_str(), refused[0].last),
        ("rebind.x.y", at(2))
    );
    assert!(names.of(addr("10.0.0.9")).is_empty());
    assert_eq!(names.of(addr(A)).len(), 1, "its other address has the name");
}

#[test]
fn lines_give_the_same_names_again_whatever_their_order() {
    let mut names = Names::default();
    learn(
        &mut names,
        &heard("10.0.0.1", "a.x.y", &["edge.z"], &[A]),
        1,
    );
    let old: Vec<_> = names.lines().collect();
    learn(
        &mut names,
        &heard("10.0.0.2", "a.x.y", &["edge.z"], &[A, B]),
        5,
    );
    let new: Vec<_> = names.lines().collect();
    for order in [[&old, &new], [&new, &old]] {
        let mut again = Names::default();
        for line in order.into_iter().flatten() {
            again.take(line.clone());
        }
        assert_eq!(again.of(addr(A)), names.of(addr(A)));
        assert_eq!(again.bytes, names.bytes);
    }
    let text = serde_json::to_string(&new[0]).unwrap();
    assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), new[0]);
}

#[test]
fn memory_is_bounded_and_what_no_pattern_lists_leaves_first() {
    let mut names = Names::default();
    let long = [
        "a".repeat(60),
        "b".repeat(60),
        "c".repeat(60),
        "d".repeat(60),
    ]
    .join(".");
    let chain: Vec<_> = (0..CHAIN_MAX).map(|_| long.as_str()).collect();
    let listed = heard("10.0.0.1", "listed.x.y", &[], &[A]);
    learn(&mut names, &listed, 0);
    for i in 0..20_000_u32 {
        let address = std::net::Ipv4Addr::from(0x0b00_0000 + i).to_string();
        let heard = heard("10.0.0.1", &long, &chain, &[&address]);
        let lesson = Lesson {
            heard: &heard,
            pattern: None,
            at: at(i64::from(i) + 1),
        };
        names.learn(lesson, |_| false);
        assert!(names.bytes <= BYTES_MAX, "{}", names.bytes);
    }
    let counted: usize = names.named.values().map(|names| weight(names)).sum();
    assert_eq!(counted, names.bytes);
    assert!((8000..20_000).contains(&names.len()), "{}", names.len());
    assert_eq!(names.of(addr(A)).len(), 1, "the oldest, but listed");
    for i in 0..2 * REFUSED {
        let heard = heard("10.0.0.1", &format!("n{i}.x.y"), &[], &["10.0.0.9"]);
        let lesson = Lesson {
            heard: &heard,
            pattern: None,
            at: at(i as i64),
        };
        names.learn(lesson, |_| true);
    }
    assert!(names.refused.len() <= REFUSED);
    let newest = format!("n{}.x.y", 2 * REFUSED - 1);
    assert!(names.refused.contains_key(&(newest, addr("10.0.0.9"))));
}
