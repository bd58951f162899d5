//! Sources of kind `web-service`: what is asked of whom, and what applies by itself.
//!
//! In: a `[source.NAME]` table. Out: [`Settings`]; problems name the table's keys.

use std::{path::PathBuf, str::FromStr as _, time::Duration};

use toml::Spanned;

use super::{problem::Problems, raw::RawSource};
use crate::{
    catalogue::{nearest, page::Page},
    feed::{
        settings::{AREAS, Consent, INSTANCES, Question, Removals, Rules, SERVICE, Settings},
        standing::{Feed, Feeds},
    },
};

/// What is known of a source, and its sets as they hold.
pub(super) fn page(
    name: &str,
    raw: &RawSource,
    feeds: &Feeds,
    problems: &mut Problems<'_>,
) -> (Page, Option<Feed>) {
    let mut reader = Reader {
        name,
        problems,
        warnings: Vec::new(),
    };
    let settings = reader.settings(raw);
    let mut warnings = reader.warnings;
    if !is_folder_name(name) {
        let message =
            "a source that follows the web service is named by letters, digits, `-` and `_`";
        problems.add(raw.kind.span(), &format!("source.{name}"), message);
        return (Page::default(), None);
    }
    match feeds.edition(&settings) {
        Ok((mut feed, edition)) => {
            if edition.sets.is_empty() {
                warnings.push(format!(
                    "source `{name}`: nothing was fetched yet, so it has no endpoint set"
                ));
            }
            feed.warnings.append(&mut warnings);
            let sets = edition.passing();
            let page = Page {
                sets,
                ..Page::default()
            };
            (page, Some(feed))
        }
        Err(fault) => {
            let key = format!("source.{name}.kind");
            problems.add(raw.kind.span(), &key, fault);
            (Page::default(), None)
        }
    }
}

/// Shortest time between two polls: an hour for the service itself, less for a mirror.
const POLL_SERVICE: Duration = Duration::from_secs(3600);
const POLL_MIRROR: Duration = Duration::from_secs(1);
/// Longest time between two polls.
const POLL_LONGEST: Duration = Duration::from_secs(7 * 86_400);
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(60);
const TIMEOUT_LONGEST: Duration = Duration::from_secs(600);
/// Longest quarantine, in days.
const QUARANTINE_LONGEST: u16 = 365;
/// Most generations that are kept.
const KEEP_MOST: u32 = 1000;
const KEEP_LEAST: u32 = 2;

/// Reads the keys of one source.
struct Reader<'a, 'b> {
    name: &'a str,
    problems: &'a mut Problems<'b>,
    warnings: Vec<String>,
}

impl Reader<'_, '_> {
    fn settings(&mut self, raw: &RawSource) -> Settings {
        let url = self.url(raw.url.as_ref());
        let defaults = Rules::default();
        let consent = |reader: &mut Self, key, raw, default| {
            reader
                .word(
                    key,
                    raw,
                    &[("apply", Consent::Apply), ("ask", Consent::Ask)],
                )
                .unwrap_or(default)
        };
        Settings {
            source: self.name.to_owned(),
            question: self.question(raw),
            poll: self.poll(raw.poll.as_ref(), &url),
            timeout: self.timeout(raw.timeout.as_ref()),
            ca_file: raw
                .ca_file
                .as_ref()
                .map(|path| PathBuf::from(path.get_ref())),
            rules: Rules {
                additions: consent(
                    self,
                    "additions",
                    raw.additions.as_ref(),
                    defaults.additions,
                ),
                removals: self
                    .removals(raw.removals.as_ref())
                    .unwrap_or(defaults.removals),
                changes: consent(self, "changes", raw.changes.as_ref(), defaults.changes),
                max_loss: self
                    .number("max-loss", raw.max_loss.as_ref(), 0..=100)
                    .map_or(defaults.max_loss, |share| share as u8),
                keep: self
                    .number("keep", raw.keep.as_ref(), KEEP_LEAST..=KEEP_MOST)
                    .map_or(defaults.keep, |keep| keep as usize),
            },
            url,
        }
    }

    fn problem<T>(&mut self, raw: &Spanned<T>, key: &str, message: impl std::fmt::Display) {
        let key = format!("source.{}.{key}", self.name);
        self.problems.add(raw.span(), &key, message);
    }

    fn question(&mut self, raw: &RawSource) -> Question {
        let instance = raw
            .instance
            .as_ref()
            .map_or("worldwide", |raw| raw.get_ref());
        let known = INSTANCES
            .iter()
            .find(|known| known.eq_ignore_ascii_case(instance));
        match (&raw.instance, known) {
            (Some(raw), _) if !is_word(instance) => {
                self.problem(
                    raw,
                    "instance",
                    format!("`{instance}` is no name of an instance"),
                );
            }
            (_, None) => self.warn_unknown("instance", instance, &INSTANCES),
            (_, Some(_)) => {}
        }
        if let Some(raw) = raw.tenant.as_ref().filter(|raw| !is_word(raw.get_ref())) {
            let message = "the name of a tenant is as `contoso` in contoso.onmicrosoft.com";
            self.problem(raw, "tenant", message);
        }
        Question {
            instance: known.map_or(instance, |known| known).to_owned(),
            areas: self.areas(raw.service_areas.as_ref()),
            tenant: raw.tenant.as_ref().map(|raw| raw.get_ref().clone()),
            ipv6: raw.ipv6.as_ref().is_none_or(|raw| *raw.get_ref()),
        }
    }

    fn areas(&mut self, raw: Option<&Spanned<Vec<Spanned<String>>>>) -> Vec<String> {
        let Some(raw) = raw else {
            // The last one wants to be named.
            let default = AREAS.iter().take(AREAS.len() - 1);
            return default.map(|area| (*area).to_owned()).collect();
        };
        if raw.get_ref().is_empty() {
            self.problem(
                raw,
                "service-areas",
                format!("name some of {}", AREAS.join(", ")),
            );
        }
        let mut areas = Vec::new();
        for raw in raw.get_ref() {
            let area = raw.get_ref();
            if !is_word(area) {
                self.problem(raw, "service-areas", format!("`{area}` is no service area"));
                continue;
            }
            let known = AREAS.iter().find(|known| known.eq_ignore_ascii_case(area));
            if known.is_none() {
                self.warn_unknown("service area", area, &AREAS);
            }
            areas.push(known.map_or(area.as_str(), |known| known).to_owned());
        }
        areas
    }

    fn warn_unknown(&mut self, what: &str, given: &str, known: &[&str]) {
        let name = self.name;
        let hint = nearest_of(given, known);
        self.warnings.push(format!(
            "source `{name}`: the {what} `{given}` is not documented, the nearest is `{hint}`"
        ));
    }

    /// The root, without a slash at its end.
    fn url(&mut self, raw: Option<&Spanned<String>>) -> String {
        let Some(raw) = raw else {
            return SERVICE.to_owned();
        };
        let url = raw.get_ref().trim_end_matches('/');
        let is_folder = url.starts_with("file:///");
        let host = reqwest::Url::parse(url).ok();
        let host = host.filter(|url| ["http", "https"].contains(&url.scheme()));
        let is_service = host.is_some_and(|url| url.has_host() && url.query().is_none());
        if !is_folder && !is_service {
            let message = format!(
                "`{url}` is neither https://.., http://.. nor file:///FOLDER; without `url` it is {SERVICE}"
            );
            self.problem(raw, "url", message);
        }
        url.to_owned()
    }

    fn poll(&mut self, raw: Option<&Spanned<String>>, url: &str) -> Duration {
        let host = reqwest::Url::parse(url).ok();
        let host = host
            .as_ref()
            .and_then(|url| url.host_str())
            .unwrap_or_default();
        let (shortest, whose) = match SERVICE.ends_with(host) && !host.is_empty() {
            true => (
                POLL_SERVICE,
                "the service wants to be asked once an hour at most",
            ),
            false => (POLL_MIRROR, "a second is the shortest"),
        };
        let Some(raw) = raw else {
            return POLL_SERVICE;
        };
        match period(raw.get_ref()) {
            Some(poll) if poll < shortest => self.problem(raw, "poll", whose),
            Some(poll) if poll > POLL_LONGEST => self.problem(raw, "poll", "at most a week, 7d"),
            Some(poll) => return poll,
            None => self.problem(raw, "poll", not_a_period(raw.get_ref())),
        }
        POLL_SERVICE
    }

    fn timeout(&mut self, raw: Option<&Spanned<String>>) -> Duration {
        let Some(raw) = raw else {
            return TIMEOUT;
        };
        match period(raw.get_ref()) {
            Some(time) if time.is_zero() || time > TIMEOUT_LONGEST => {
                self.problem(raw, "timeout", "1s to 10m");
            }
            Some(time) => return time,
            None => self.problem(raw, "timeout", not_a_period(raw.get_ref())),
        }
        TIMEOUT
    }

    fn removals(&mut self, raw: Option<&Spanned<String>>) -> Option<Removals> {
        let raw = raw?;
        let text = raw.get_ref();
        if text == "ask" {
            return Some(Removals::Ask);
        }
        let days = text
            .strip_suffix('d')
            .and_then(|days| u16::from_str(days).ok());
        match days {
            Some(days) if days <= QUARANTINE_LONGEST => return Some(Removals::After(days)),
            Some(_) => {
                let message = format!("at most {QUARANTINE_LONGEST} days; or \"ask\"");
                self.problem(raw, "removals", message);
            }
            None => {
                let message = format!(
                    "`{text}` is neither \"ask\" nor days as in \"7d\"; \"0d\" removes at once"
                );
                self.problem(raw, "removals", message);
            }
        }
        None
    }

    fn word<T: Copy>(
        &mut self,
        key: &str,
        raw: Option<&Spanned<String>>,
        words: &[(&str, T)],
    ) -> Option<T> {
        let raw = raw?;
        let text = raw.get_ref();
        let known = words.iter().find(|(word, _)| word == text);
        if known.is_none() {
            let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            let (hint, all) = (nearest_of(text, &known), known.join(", "));
            let message =
                format!("unknown word `{text}`, the nearest is `{hint}`; there are {all}");
            self.problem(raw, key, message);
        }
        known.map(|(_, meant)| *meant)
    }

    fn number(
        &mut self,
        key: &str,
        raw: Option<&Spanned<u32>>,
        bounds: std::ops::RangeInclusive<u32>,
    ) -> Option<u32> {
        let raw = raw?;
        if !bounds.contains(raw.get_ref()) {
            self.problem(raw, key, format!("{} to {}", bounds.start(), bounds.end()));
            return None;
        }
        Some(*raw.get_ref())
    }
}

fn nearest_of(given: &str, known: &[&str]) -> String {
    let mut ranked = nearest(given, known, ToString::to_string);
    ranked.next().map(ToString::to_string).unwrap_or_default()
}

/// What names a folder of state, and nothing outside of it.
fn is_folder_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !text.is_empty() && text.len() <= 64 && text.chars().all(allowed)
}

/// Letters, digits and hyphens: what becomes part of a URL.
fn is_word(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    !text.is_empty() && text.len() <= 64 && text.chars().all(allowed)
}

/// `90s`, `10m`, `1h` or `7d`.
fn period(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let number: u32 = text.strip_suffix(unit)?.parse().ok()?;
    Some(Duration::from_secs(seconds * u64::from(number)))
}

fn not_a_period(text: &str) -> String {
    format!("`{text}` is no time: write \"90s\", \"10m\", \"1h\" or \"1d\"")
}

/// Keys that only a source of this kind has.
pub(super) fn refuse_keys(name: &str, raw: &RawSource, problems: &mut Problems<'_>) {
    let text = |key, raw: &Option<Spanned<String>>| Some((key, raw.as_ref()?.span()));
    let keys = [
        text("instance", &raw.instance),
        text("tenant", &raw.tenant),
        text("url", &raw.url),
        text("ca-file", &raw.ca_file),
        text("poll", &raw.poll),
        text("timeout", &raw.timeout),
        text("additions", &raw.additions),
        text("removals", &raw.removals),
        text("changes", &raw.changes),
        raw.service_areas
            .as_ref()
            .map(|raw| ("service-areas", raw.span())),
        raw.ipv6.as_ref().map(|raw| ("ipv6", raw.span())),
        raw.max_loss.as_ref().map(|raw| ("max-loss", raw.span())),
        raw.keep.as_ref().map(|raw| ("keep", raw.span())),
    ];
    for (key, span) in keys.into_iter().flatten() {
        let kind = raw.kind.get_ref();
        let message = format!("a source of kind `{kind}` has no such key; `web-service` has");
        problems.add(span, &format!("source.{name}.{key}"), message);
    }
}
