//! What each fault does: sets, records or an answer as they should be in, spoiled ones out.

use serde_json::{Value, json};

use super::answer::{Answer, Manner};
use super::fault::{Effect, Fault};
use super::version::Version;

const HTML: &str = "text/html; charset=us-ascii";
const PAGE: &str = "<!DOCTYPE html>\r\n<html><head><title>Service Unavailable</title></head>\r\n\
    <body><h2>Service Unavailable</h2>\r\n<hr><p>HTTP Error 503. The service is unavailable.</p>\r\n\
    </body></html>\r\n";
/// Above the 10 MB that a client should take.
const OVERSIZE: usize = 11 << 20;
const DEPTH: usize = 100_000;
const ARRAYS: [&str; 2] = ["ips", "urls"];

/// The latest version, as these faults tell it.
pub fn latest(faults: impl Iterator<Item = Fault>, version: Version) -> Version {
    faults.fold(version, |version, fault| match fault.effect() {
        Effect::Latest(spoil) => spoil(version),
        Effect::Items(_) | Effect::Answer(_) | Effect::Prefix(_) | Effect::Name(_) => version,
    })
}

/// Sets or records as these faults tell them; `turn` counts answers.
pub fn items(faults: impl Iterator<Item = Fault>, items: Vec<Value>, turn: u64) -> Vec<Value> {
    faults.fold(items, |items, fault| match fault.effect() {
        Effect::Items(spoil) => spoil(items, turn),
        Effect::Prefix(ip) => extended(items, "ips", ip),
        Effect::Name(url) => extended(items, "urls", url),
        Effect::Latest(_) | Effect::Answer(_) => items,
    })
}

/// Spoils an answer.
pub fn answer(faults: impl Iterator<Item = Fault>, answer: &mut Answer) {
    for fault in faults {
        match fault.effect() {
            Effect::Answer(spoil) => spoil(answer),
            Effect::Latest(_) | Effect::Items(_) | Effect::Prefix(_) | Effect::Name(_) => {}
        }
    }
}

pub(super) fn html_503(answer: &mut Answer) {
    *answer = Answer::of(503, HTML, PAGE);
}

pub(super) fn html_200(answer: &mut Answer) {
    *answer = Answer::of(200, HTML, PAGE);
}

pub(super) fn html_as_json(answer: &mut Answer) {
    *answer = Answer::of(200, answer.content_type, PAGE);
}

pub(super) fn truncated(answer: &mut Answer) {
    answer.manner = Manner::Truncated;
}

pub(super) fn cut_short(answer: &mut Answer) {
    answer.body.truncate(answer.body.len() / 2);
}

pub(super) fn slow(answer: &mut Answer) {
    answer.manner = Manner::Slow;
}

pub(super) fn silent(answer: &mut Answer) {
    answer.manner = Manner::Silent;
}

pub(super) fn wrong_type(answer: &mut Answer) {
    answer.content_type = "image/png";
}

/// What was there, then white space: it parses, for those who take so much.
pub(super) fn oversized(answer: &mut Answer) {
    answer.body.resize(OVERSIZE, b' ');
}

pub(super) fn deep_json(answer: &mut Answer) {
    answer.body = ["[", "]"]
        .map(|bracket| bracket.repeat(DEPTH))
        .concat()
        .into();
}

pub(super) fn redirect_loop(answer: &mut Answer) {
    *answer = Answer::of(302, HTML, PAGE);
    answer.manner = Manner::Redirect;
}

pub(super) fn too_many_requests(answer: &mut Answer) {
    *answer = Answer::refusal(429, "too many requests");
}

pub(super) fn retry_after(answer: &mut Answer) {
    too_many_requests(answer);
    answer.retry_after = Some(7);
}

pub(super) fn no_etag(answer: &mut Answer) {
    answer.etag = None;
}

pub(super) fn empty_array(_: Vec<Value>, _: u64) -> Vec<Value> {
    Vec::new()
}

pub(super) fn empty_sets(mut items: Vec<Value>, _: u64) -> Vec<Value> {
    for set in items.iter_mut().filter_map(Value::as_object_mut) {
        set.retain(|key, _| !ARRAYS.contains(&key.as_str()));
    }
    items
}

pub(super) fn halved(mut items: Vec<Value>, _: u64) -> Vec<Value> {
    items.truncate(items.len() / 2);
    items
}

pub(super) fn reordered(mut items: Vec<Value>, turn: u64) -> Vec<Value> {
    for array in arrays(&mut items) {
        turn_round(array, turn);
    }
    turn_round(&mut items, turn);
    items
}

pub(super) fn duplicated(mut items: Vec<Value>, _: u64) -> Vec<Value> {
    for array in arrays(&mut items) {
        array.extend(array.clone());
    }
    items.extend(items.clone());
    items
}

pub(super) fn bad_schema(items: Vec<Value>, _: u64) -> Vec<Value> {
    let word = json!("one");
    with(with(items, "id", &word), "endpointSetId", &word)
}

pub(super) fn unknown_fields(items: Vec<Value>, _: u64) -> Vec<Value> {
    with(
        items,
        "somethingNew",
        &json!({"of": ["2026"], "kind": null}),
    )
}

pub(super) fn unknown_impact(items: Vec<Value>, _: u64) -> Vec<Value> {
    with(items, "impact", &json!("SomethingNew"))
}

pub(super) fn same_version(items: Vec<Value>, _: u64) -> Vec<Value> {
    extended(items, "ips", "40.80.0.0/16")
}

pub(super) fn different_each_time(items: Vec<Value>, turn: u64) -> Vec<Value> {
    extended(items, "ips", &format!("40.{}.0.0/16", 64 + turn % 16))
}

/// Another order than the turn before had.
fn turn_round(values: &mut [Value], turn: u64) {
    values.reverse();
    let len = values.len().max(1);
    values.rotate_left(turn as usize % len);
}

/// The arrays of urls and prefixes, wherever they stand.
fn arrays(items: &mut [Value]) -> impl Iterator<Item = &mut Vec<Value>> {
    items.iter_mut().flat_map(arrays_of)
}

fn arrays_of(value: &mut Value) -> Vec<&mut Vec<Value>> {
    let Some(object) = value.as_object_mut() else {
        return Vec::new();
    };
    let values = object.iter_mut();
    let found = values.flat_map(
        |(key, value)| match (ARRAYS.contains(&key.as_str()), value) {
            (true, Value::Array(array)) => vec![array],
            (_, value) => arrays_of(value),
        },
    );
    found.collect()
}

/// Gives each a key.
fn with(mut items: Vec<Value>, key: &str, value: &Value) -> Vec<Value> {
    for item in items.iter_mut().filter_map(Value::as_object_mut) {
        item.insert(key.to_owned(), value.clone());
    }
    items
}

/// Gives the first set that has such a list one more of them.
fn extended(mut items: Vec<Value>, key: &str, item: &str) -> Vec<Value> {
    let mut lists = items
        .iter_mut()
        .filter_map(|set| set.get_mut(key)?.as_array_mut());
    if let Some(list) = lists.next() {
        list.push(item.into());
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets() -> Vec<Value> {
        let json = json!([
            {"id": 1, "ips": ["40.96.0.0/13", "52.96.0.0/14"], "urls": ["a.example"]},
            {"id": 2, "add": {"ips": ["20.0.0.0/8"]}},
        ]);
        json.as_array().unwrap().clone()
    }

    fn spoiled(fault: Fault, turn: u64) -> Value {
        items([fault].into_iter(), sets(), turn).into()
    }

    #[test]
    fn sets_are_spoiled_as_the_fault_is_called() {
        let table = [
            (Fault::EmptyArray, json!([])),
            (
                Fault::EmptySets,
                json!([{"id": 1}, {"id": 2, "add": {"ips": ["20.0.0.0/8"]}}]),
            ),
            (Fault::Halved, json!([sets()[0]])),
            (
                Fault::Reordered,
                json!([
                    {"id": 2, "add": {"ips": ["20.0.0.0/8"]}},
                    {"id": 1, "ips": ["52.96.0.0/14", "40.96.0.0/13"], "urls": ["a.example"]},
                ]),
            ),
        ];
        for (fault, expected) in table {
            assert_eq!(spoiled(fault, 0), expected, "{fault:?}");
        }
        assert_eq!(spoiled(Fault::DefaultRoute, 0)[0]["ips"][2], "0.0.0.0/0");
        assert_eq!(spoiled(Fault::DotlessName, 0)[0]["urls"][1], "intranet");
        assert_eq!(spoiled(Fault::BadSchema, 0)[1]["id"], "one");
        assert_eq!(
            spoiled(Fault::Duplicated, 0)[3]["add"]["ips"][1],
            "20.0.0.0/8"
        );
    }

    #[test]
    fn each_turn_differs_where_it_should() {
        for (fault, differs) in [
            (Fault::Reordered, true),
            (Fault::DifferentEachTime, true),
            (Fault::SameVersion, false),
        ] {
            assert_eq!(spoiled(fault, 0) != spoiled(fault, 1), differs, "{fault:?}");
        }
    }

    #[test]
    fn every_fault_does_something() {
        let good = || Answer {
            etag: Some("W/\"1\"".to_owned()),
            ..Answer::of(200, "application/json", "[1, 2]")
        };
        let records = with(sets(), "impact", &json!("AddedIp"));
        for fault in Fault::all() {
            let mut spoiled_answer = good();
            let version = "2026053100".parse().unwrap();
            answer([fault].into_iter(), &mut spoiled_answer);
            let spoiled_items = items([fault].into_iter(), records.clone(), 0);
            let same = spoiled_answer == good()
                && spoiled_items == records
                && latest([fault].into_iter(), version) == version;
            assert!(!same, "{fault:?} does nothing");
        }
    }
}
