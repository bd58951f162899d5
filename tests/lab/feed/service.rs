//! The web service without its network: a request and the time in, an answer out.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;
use serde_json::{Value, json};

use super::answer::Answer;
use super::archive::{Archive, Shelf};
use super::edition::Edition;
use super::fault::{Faults, Method};
use super::format;
use super::limit::Limiter;
use super::query::{Format, Query, Selection};
use super::spoil;
use super::version::Version;

/// A client that asks for sets or records more often in an hour is answered with 429.
pub const MOST_AN_HOUR: usize = 30;

/// A request.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What is asked.
    pub method: Method,
    /// The instance that it is about; of versions all, where there is none.
    pub instance: Option<&'a str>,
    /// After which version changes are asked for.
    pub after: Option<&'a str>,
    /// The parameters.
    pub pairs: &'a [(String, String)],
    /// The mark of what the client has.
    pub if_none_match: Option<&'a str>,
}

/// What was asked and how it was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// The client, where it said so.
    pub client: Option<String>,
    /// The status.
    pub status: u16,
}

/// A served archive, whose latest versions and faults can be changed at any time.
#[derive(Debug)]
pub struct Service(Mutex<State>);

#[derive(Debug)]
struct State {
    archive: Archive,
    /// By instance in lower case, where it is not the newest.
    latest: BTreeMap<String, Version>,
    faults: Faults,
    limiter: Limiter,
    seen: Vec<Seen>,
    turn: u64,
}

/// A version that cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("there is no version {version} of any instance; there are: {known}")]
pub struct UnknownVersion {
    version: Version,
    known: String,
}

impl Service {
    /// Serves an archive, each instance at its newest version, without faults.
    pub fn new(archive: Archive, most_an_hour: usize) -> Self {
        Self(Mutex::new(State {
            archive,
            latest: BTreeMap::new(),
            faults: Faults::default(),
            limiter: Limiter::new(most_an_hour),
            seen: Vec::new(),
            turn: 0,
        }))
    }

    /// Serves a version as the latest, of all instances that have it.
    pub fn set_latest(&self, version: Version) -> Result<(), UnknownVersion> {
        self.state().set_latest(version)
    }

    /// Serves these faults from now on.
    pub fn set_faults(&self, faults: impl Into<Faults>) {
        self.state().faults = faults.into();
    }

    /// Adds an edition or replaces one.
    pub fn publish(&self, instance: &str, version: Version, edition: Edition) {
        self.state().archive.put(instance, version, edition);
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    /// What is served now.
    pub fn describe(&self) -> Value {
        let state = self.state();
        let instances = state.archive.shelves().map(|shelf| {
            let versions: Vec<_> = shelf.versions().collect();
            json!({"instance": shelf.name, "latest": state.latest(shelf), "versions": versions})
        });
        json!({
            "instances": instances.collect::<Vec<_>>(),
            "faults": state.faults.to_string(),
            "seen": state.seen,
        })
    }

    /// Answers a request.
    pub fn answer(&self, request: &Request<'_>, now: Instant) -> Answer {
        self.state().answer(request, now)
    }

    /// A thread that panicked has left nothing half done: every change is one assignment.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn answer(&mut self, request: &Request<'_>, now: Instant) -> Answer {
        self.turn += 1;
        let query = Query::parse(request.pairs);
        let client = query.as_ref().ok().map(|query| query.client.clone());
        let answer = match query {
            Err(bad) => Answer::refusal(400, &bad.to_string()),
            Ok(query) if self.refuses(request, &query, now) => {
                Answer::refusal(429, "too many requests in an hour")
            }
            Ok(query) => self.spoiled(request, &query),
        };
        self.seen.push(Seen {
            method: request.method.to_string(),
            client,
            status: answer.status,
        });
        answer
    }

    fn refuses(&mut self, request: &Request<'_>, query: &Query, now: Instant) -> bool {
        match request.method {
            Method::Version => false,
            Method::Endpoints | Method::Changes => !self.limiter.admits(&query.client, now),
        }
    }

    fn spoiled(&self, request: &Request<'_>, query: &Query) -> Answer {
        let mut answer = self.proper(request, query);
        if answer.status == 200 {
            answer.etag = Some(mark(&answer.body));
        }
        spoil::answer(self.faults.of(request.method), &mut answer);
        let unchanged = answer.etag.is_some() && answer.etag.as_deref() == request.if_none_match;
        if unchanged {
            answer.status = 304;
            answer.body.clear();
        }
        answer
    }

    fn proper(&self, request: &Request<'_>, query: &Query) -> Answer {
        let shelf = match request.instance {
            Some(instance) => match self.archive.shelf(instance) {
                Some(shelf) => Some(shelf),
                None => return Answer::refusal(404, &format!("unknown instance {instance:?}")),
            },
            None => None,
        };
        match (request.method, shelf) {
            (Method::Version, shelf) => self.versions(shelf, query),
            (Method::Endpoints, Some(shelf)) => self.sets(shelf, query),
            (Method::Changes, Some(shelf)) => self.changes(shelf, request.after, query),
            (Method::Endpoints | Method::Changes, None) => Answer::refusal(404, "name an instance"),
        }
    }

    fn versions(&self, shelf: Option<&Shelf>, query: &Query) -> Answer {
        let of = |shelf| self.version_of(shelf, query.all_versions);
        let all: Vec<Value> = match shelf {
            Some(shelf) => vec![of(shelf)],
            None => self.archive.shelves().map(of).collect(),
        };
        match (query.format, shelf, all.as_slice()) {
            (Format::Rss, _, all) => format::rss(all),
            (Format::Json, Some(_), [one]) => format::json(one),
            (format, ..) => format::rows(all, format::VERSION_COLUMNS, format),
        }
    }

    fn version_of(&self, shelf: &Shelf, all_versions: bool) -> Value {
        let latest = self.latest(shelf);
        let told = spoil::latest(self.faults.of(Method::Version), latest);
        let mut version = json!({"instance": shelf.name, "latest": told});
        if all_versions {
            let published = shelf.versions().rev().filter(|version| *version <= latest);
            version["versions"] = json!(published.collect::<Vec<_>>());
        }
        version
    }

    fn sets(&self, shelf: &Shelf, query: &Query) -> Answer {
        let edition = shelf.edition(self.latest(shelf));
        let sets = edition.map_or_else(Vec::new, |edition| query.selection.of(edition));
        let sets = sets.iter().map(|set| json!(set)).collect();
        self.rows(Method::Endpoints, sets, query)
    }

    fn changes(&self, shelf: &Shelf, after: Option<&str>, query: &Query) -> Answer {
        let after: Version = match after.unwrap_or_default().parse() {
            Ok(version) => version,
            Err(fault) => return Answer::refusal(400, &format!("{fault}")),
        };
        let served = in_default_answer(shelf);
        let records = shelf.changes(after, self.latest(shelf)).into_iter();
        let records = records.filter(|record| served(record.endpoint_set_id));
        let records = records.map(|record| json!(record)).collect();
        self.rows(Method::Changes, records, query)
    }

    fn rows(&self, method: Method, values: Vec<Value>, query: &Query) -> Answer {
        let values = spoil::items(self.faults.of(method), values, self.turn);
        let columns = match method {
            Method::Version => format::VERSION_COLUMNS,
            Method::Endpoints => format::SET_COLUMNS,
            Method::Changes => format::CHANGE_COLUMNS,
        };
        format::rows(values, columns, query.format)
    }

    fn latest(&self, shelf: &Shelf) -> Version {
        let chosen = self.latest.get(&shelf.name.to_ascii_lowercase());
        chosen.copied().unwrap_or_else(|| shelf.newest())
    }

    fn set_latest(&mut self, version: Version) -> Result<(), UnknownVersion> {
        let having = self
            .archive
            .shelves()
            .filter(|shelf| shelf.edition(version).is_some());
        let names: Vec<_> = having
            .map(|shelf| shelf.name.to_ascii_lowercase())
            .collect();
        if names.is_empty() {
            let known = self.archive.shelves().flat_map(Shelf::versions);
            let known: Vec<_> = known.map(|version| version.to_string()).collect();
            return Err(UnknownVersion {
                version,
                known: known.join(", "),
            });
        }
        self.latest
            .extend(names.into_iter().map(|name| (name, version)));
        Ok(())
    }
}

/// Whether a set is in answers to those who do not choose. How `/changes` treats the others is not
/// documented; records of them would be about sets that nobody has.
fn in_default_answer(shelf: &Shelf) -> impl Fn(u32) -> bool {
    let selection = Selection::default();
    move |id| {
        let editions = shelf
            .versions()
            .rev()
            .filter_map(|version| shelf.edition(version));
        let mut sets = editions.filter_map(|edition| edition.set(id));
        sets.next()
            .is_none_or(|set| selection.includes(&set.service_area))
    }
}

/// Weak, since the same body also goes out compressed.
fn mark(body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("W/\"{:016x}\"", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::made_up::{self, VERSIONS};

    const GUID: &str = "b10c5ed1-bad1-445f-b386-b919946339a7";

    type Pairs<'a> = &'a [(&'a str, &'a str)];

    struct Asked(Service);

    impl Asked {
        fn new() -> Self {
            let service = Service::new(made_up::archive("Worldwide"), MOST_AN_HOUR);
            Self(service)
        }

        fn raw(&self, path: &[&str], pairs: Pairs<'_>, mark: Option<&str>) -> Answer {
            let pairs = pairs
                .iter()
                .map(|(key, value)| (key.to_string(), value.to_string()));
            let request = Request {
                method: path[0].parse().unwrap(),
                instance: path.get(1).copied(),
                after: path.get(2).copied(),
                pairs: &pairs.collect::<Vec<_>>(),
                if_none_match: mark,
            };
            self.0.answer(&request, Instant::now())
        }

        fn get(&self, path: &[&str], pairs: Pairs<'_>) -> Value {
            let answer = self.raw(path, &[&[("ClientRequestId", GUID)], pairs].concat(), None);
            assert_eq!(answer.status, 200, "{path:?}");
            serde_json::from_slice(&answer.body).unwrap()
        }
    }

    #[test]
    fn versions_of_all_and_of_one() {
        let asked = Asked::new();
        let all = asked.get(&["version"], &[]);
        assert_eq!(
            all,
            json!([{"instance": "Worldwide", "latest": VERSIONS[2]}])
        );
        let one = asked.get(&["version", "WORLDWIDE"], &[("AllVersions", "true")]);
        assert_eq!(
            one["versions"],
            json!([VERSIONS[2], VERSIONS[1], VERSIONS[0]])
        );
    }

    #[test]
    fn the_latest_version_moves_and_what_is_answered_with_it() {
        let asked = Asked::new();
        asked.0.set_latest(VERSIONS[0].parse().unwrap()).unwrap();
        assert_eq!(
            asked.get(&["version", "worldwide"], &[])["latest"],
            VERSIONS[0]
        );
        let old = asked.get(&["endpoints", "worldwide"], &[]);
        assert_eq!(
            asked.get(&["changes", "worldwide", "0000000000"], &[]),
            json!([])
        );
        asked.0.set_latest(VERSIONS[1].parse().unwrap()).unwrap();
        assert_ne!(asked.get(&["endpoints", "worldwide"], &[]), old);
        let changes = asked.get(&["changes", "worldwide", VERSIONS[0]], &[]);
        assert!(
            changes
                .as_array()
                .is_some_and(|changes| !changes.is_empty())
        );
        let error = asked
            .0
            .set_latest("2021010100".parse().unwrap())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("there are: 2020120200, 2026040500, 2026053100"),
            "{error}"
        );
    }

    #[test]
    fn records_lead_from_one_answer_to_the_next() {
        let asked = Asked::new();
        let answer = asked.get(&["endpoints", "worldwide"], &[]);
        asked.0.set_latest(VERSIONS[0].parse().unwrap()).unwrap();
        let base = asked.get(&["endpoints", "worldwide"], &[]);
        asked.0.set_latest(VERSIONS[2].parse().unwrap()).unwrap();
        let changes = asked.get(&["changes", "worldwide", VERSIONS[0]], &[]);
        let changes: Vec<_> = serde_json::from_value(changes).unwrap();
        let replayed =
            crate::feed::apply::apply(Edition::parse(&base.to_string()).unwrap(), &changes);
        assert_eq!(
            replayed.unwrap(),
            Edition::parse(&answer.to_string()).unwrap()
        );
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let id = [("ClientRequestId", GUID)];
        let table: [(&[&str], Pairs<'_>, u16); 6] = [
            (&["version"], &[], 400),
            (
                &["endpoints", "worldwide"],
                &[("ClientRequestId", "1")],
                400,
            ),
            (&["endpoints", "mars"], &id, 404),
            (&["changes", "worldwide", "2026"], &id, 400),
            (
                &["endpoints", "worldwide"],
                &[id[0], ("format", "rss")],
                400,
            ),
            (&["version"], &[id[0], ("format", "rss")], 200),
        ];
        for (path, pairs, status) in table {
            let answer = Asked::new().raw(path, pairs, None);
            assert_eq!(answer.status, status, "{path:?} {pairs:?}");
        }
    }

    #[test]
    fn the_thirty_first_request_of_an_hour_is_too_much() {
        let asked = Asked::new();
        let id = [("ClientRequestId", GUID)];
        let status = |path: &[&str]| asked.raw(path, &id, None).status;
        let statuses: Vec<_> = (0..31)
            .map(|_| status(&["endpoints", "worldwide"]))
            .collect();
        assert_eq!((statuses[29], statuses[30]), (200, 429));
        assert_eq!(status(&["changes", "worldwide", VERSIONS[0]]), 429);
        assert_eq!(status(&["version"]), 200);
        assert_eq!(asked.0.seen().len(), 33);
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        let asked = Asked::new();
        let id = [("ClientRequestId", GUID)];
        let first = asked.raw(&["endpoints", "worldwide"], &id, None);
        let again = asked.raw(&["endpoints", "worldwide"], &id, first.etag.as_deref());
        assert_eq!((again.status, again.body.len()), (304, 0));
        asked.0.set_latest(VERSIONS[0].parse().unwrap()).unwrap();
        let newer = asked.raw(&["endpoints", "worldwide"], &id, first.etag.as_deref());
        assert_eq!(newer.status, 200);
    }

    #[test]
    fn faults_spoil_what_they_should() {
        let asked = Asked::new();
        let faults: Faults = "version-back,empty-array,503-html@changes".parse().unwrap();
        asked.0.set_faults(faults);
        assert_eq!(
            asked.get(&["version", "worldwide"], &[])["latest"],
            "2026053099"
        );
        assert_eq!(asked.get(&["endpoints", "worldwide"], &[]), json!([]));
        let id = [("ClientRequestId", GUID)];
        let answer = asked.raw(&["changes", "worldwide", VERSIONS[0]], &id, None);
        assert_eq!(
            (answer.status, answer.content_type),
            (503, "text/html; charset=us-ascii")
        );
        asked.0.set_faults(Faults::default());
        assert_ne!(asked.get(&["endpoints", "worldwide"], &[]), json!([]));
    }
}
