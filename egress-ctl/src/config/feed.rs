//! Sources of kind `web-service`: what is asked of whom, and what applies by itself.
//!
//! In: a `[source.NAME]` table. Out: [`Settings`]; problems name the table's keys.

use std::{fmt, ops::RangeInclusive, path::PathBuf, str::FromStr as _, time::Duration};

use toml::Spanned;

use super::{
    problem::Problems,
    raw::RawSource,
    valid::{is_nearest, nearest_of},
};
use crate::{
    catalogue::page::Page,
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
        problems.add(raw.kind_span(), &format!("source.{name}"), message);
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
            problems.add(raw.kind_span(), &key, fault);
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
                    .number("max-loss", raw.max_loss.as_ref(), &(0..=100))
                    .unwrap_or(defaults.max_loss),
                keep: self
                    .number("keep", raw.keep.as_ref(), &(KEEP_LEAST..=KEEP_MOST))
                    .map_or(defaults.keep, |keep| keep as usize),
            },
            url,
        }
    }

    fn beyond<T>(&mut self, raw: &Spanned<T>, key: &str, nearest: &str, why: &str) {
        let key = format!("source.{}.{key}", self.name);
        self.problems.beyond(raw.span(), &key, nearest, why);
    }

    fn problem<T>(&mut self, raw: &Spanned<T>, key: &str, message: impl fmt::Display) {
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
                let near = nearest_of(instance, INSTANCES);
                let message = format!("`{instance}` is no name of an instance{near}");
                self.problem(raw, "instance", message);
            }
            (_, None) => self.warn_unknown("instance", instance, &INSTANCES),
            (_, Some(_)) => {}
        }
        if let Some(raw) = raw.tenant.as_ref().filter(|raw| !is_word(raw.get_ref())) {
            let name = raw.get_ref();
            let first = name.split('.').next().filter(|first| is_word(first));
            let near = first.map(is_nearest).unwrap_or_default();
            let message = format!(
                "`{name}` is no name of a tenant{near}: write `contoso` of contoso.onmicrosoft.com"
            );
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
                format!(
                    "`[]` names no service area: name some of {}",
                    AREAS.join(", ")
                ),
            );
        }
        let mut areas = Vec::new();
        for raw in raw.get_ref() {
            let area = raw.get_ref();
            if !is_word(area) {
                let near = nearest_of(area, AREAS);
                let message = format!("`{area}` is no service area{near}");
                self.problem(raw, "service-areas", message);
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
        let near = nearest_of(given, known.iter().copied());
        self.warnings.push(format!(
            "source `{name}`: the {what} `{given}` is not documented{near}"
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
        let (shortest, nearest, whose) = match SERVICE.ends_with(host) && !host.is_empty() {
            true => (
                POLL_SERVICE,
                "1h",
                "the service wants to be asked once an hour at most",
            ),
            false => (POLL_MIRROR, "1s", "a second is the shortest"),
        };
        let Some(raw) = raw else {
            return POLL_SERVICE;
        };
        match period(raw.get_ref()) {
            Some(poll) if poll < shortest => self.beyond(raw, "poll", nearest, whose),
            Some(poll) if poll > POLL_LONGEST => self.beyond(raw, "poll", "7d", "at most a week"),
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
            Some(time) if time.is_zero() => self.beyond(raw, "timeout", "1s", "1s to 10m"),
            Some(time) if time > TIMEOUT_LONGEST => {
                self.beyond(raw, "timeout", "10m", "1s to 10m");
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
            .and_then(|days| u64::from_str(days).ok());
        match days {
            Some(days) if days <= u64::from(QUARANTINE_LONGEST) => {
                return Some(Removals::After(days as u16));
            }
            Some(_) => {
                let (nearest, why) = (
                    format!("{QUARANTINE_LONGEST}d"),
                    format!("at most {QUARANTINE_LONGEST} days; or \"ask\""),
                );
                self.beyond(raw, "removals", &nearest, &why);
            }
            None => {
                let near = match text.trim_end_matches(char::is_alphabetic).parse::<u16>() {
                    Ok(days) => is_nearest(format!("{}d", days.min(QUARANTINE_LONGEST))),
                    Err(_) => nearest_of(text, ["ask"]),
                };
                let message = format!(
                    "`{text}` is neither \"ask\" nor days as in \"7d\"{near}; \"0d\" removes at once"
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
            let key = format!("source.{}.{key}", self.name);
            self.problems.unknown(raw, &key, "word", &known);
        }
        known.map(|(_, meant)| *meant)
    }

    fn number<T>(
        &mut self,
        key: &str,
        raw: Option<&Spanned<i64>>,
        bounds: &RangeInclusive<T>,
    ) -> Option<T>
    where
        T: Copy + fmt::Display + PartialOrd<T> + TryFrom<i64>,
        i64: From<T>,
    {
        let key = format!("source.{}.{key}", self.name);
        self.problems.number(raw?, &key, bounds, "")
    }
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
    let near = near_period(text).map(is_nearest).unwrap_or_default();
    format!("`{text}` is no time{near}: write \"90s\", \"10m\", \"1h\" or \"1d\"")
}

/// The time that a number with another unit, or none, comes next to.
fn near_period(text: &str) -> Option<String> {
    let number: String = text.chars().take_while(char::is_ascii_digit).collect();
    let rest = text.get(number.len()..)?.trim_start().to_lowercase();
    let unit = rest.chars().next().unwrap_or('s');
    let near = format!("{number}{unit}");
    period(&near).map(|_| near)
}
