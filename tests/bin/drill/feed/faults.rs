//! Every fault that the lab can serve: what enforces stays, and the fault is named in the status. What
//! is odd and harmless is taken for what it means.

use anyhow::{Context, Result, ensure};
use lab::feed::archive::Archive;
use lab::feed::edition::Edition;
use lab::feed::fault::{Fault, Faults};
use lab::feed::followed::{Followed, INSTANCE, Transport};
use lab::feed::made_up;
use lab::feed::version::Version;
use lab::interrupt;
use serde_json::Value;

use super::Shown;

const KEYS: &str = "timeout = \"1s\"\nremovals = \"0d\"\n";
/// The version that is followed at first; each fault has one more.
const FIRST: u64 = 2_026_060_100;

/// What must become of a fault.
enum Fate {
    /// The answer is refused; the reason in one word.
    Refused(&'static str),
    /// There is no answer; part of what is said of it.
    Failed(&'static str),
    /// The same content, told in another way.
    Harmless,
    /// Likewise, and what is new in it is told.
    Remarked(&'static str),
}

pub(super) fn show() -> Result<Vec<Shown>> {
    let mut archive = Archive::default();
    archive.put(INSTANCE, version(FIRST)?, good());
    let followed = Followed::start(archive, &FIRST.to_string(), KEYS, Transport::Tls)?;
    let shown = (FIRST + 1..).zip(Fault::all()).map(|(number, fault)| {
        interrupt::check()?;
        let what = format!("fault {}", fault.name());
        Ok(Shown::of(&what, one(&followed, fault, version(number)?)))
    });
    shown.collect()
}

/// Serves a new version with a fault, lets the gateway ask, and looks at what became of it.
fn one(followed: &Followed, fault: Fault, version: Version) -> Result<String> {
    let service = &followed.server.service;
    let fate = fate(fault);
    let edition = match (&fate, fault) {
        // Of a version that is known: other content would only be a change in a new one.
        (_, Fault::SameVersion | Fault::DifferentEachTime | Fault::VersionBack) => None,
        (Fate::Harmless | Fate::Remarked(_), _) => Some(noted(version)),
        (Fate::Refused(_) | Fate::Failed(_), _) => Some(more()),
    };
    if let Some(edition) = edition {
        service.publish(INSTANCE, version, edition);
        service.set_latest(version)?;
    }
    let before = followed.in_force()?;
    service.set_faults(Faults::from(fault));
    let output = followed.sync()?;
    service.set_faults(Faults::default());
    let after = followed.in_force()?;
    let told = followed.told()?;
    let (refused, backs_off) = (&told["refusal"], &told["poll"]["fault"]);
    let seen = match fate {
        Fate::Refused(kind) => {
            ensure!(before == after, "{before:?} became {after:?}");
            ensure!(
                !output.status.success(),
                "sync did not tell by its exit code"
            );
            ensure!(
                refused["kind"] == kind,
                "refusal {refused}, expected {kind}"
            );
            format!("REFUSED: {}", text(&refused["reason"])?)
        }
        Fate::Failed(part) => {
            ensure!(before == after, "{before:?} became {after:?}");
            ensure!(
                !output.status.success(),
                "sync did not tell by its exit code"
            );
            ensure!(
                text(backs_off)?.contains(part),
                "{backs_off}, expected {part}"
            );
            format!("BACKS OFF: {}", text(backs_off)?)
        }
        Fate::Harmless | Fate::Remarked(_) => {
            ensure!(
                (before.prefixes, before.patterns) == (after.prefixes, after.patterns),
                "{before:?} became {after:?}"
            );
            ensure!(output.status.success(), "sync failed: {output:?}");
            ensure!(
                refused.is_null() && backs_off.is_null(),
                "{refused} {backs_off}"
            );
            match fate {
                Fate::Remarked(word) => remark(&told, word)?,
                _ => "harmless: the same content".to_owned(),
            }
        }
    };
    Ok(format!("enforcement unchanged; {seen}"))
}

/// What of the status holds the word.
fn remark(told: &Value, word: &str) -> Result<String> {
    let lists = [&told["remarks"], &told["disagreements"]];
    let mut all = lists.into_iter().filter_map(Value::as_array).flatten();
    let found = all.find_map(|line| line.as_str().filter(|line| line.contains(word)));
    let found = found.with_context(|| format!("nothing of {word} in {lists:?}"))?;
    Ok(format!("harmless: {found}"))
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("no text: {value}"))
}

fn fate(fault: Fault) -> Fate {
    match fault {
        Fault::Html503 => Fate::Failed("503"),
        Fault::Html200 | Fault::WrongType => Fate::Refused("content-type"),
        Fault::HtmlAsJson | Fault::CutShort => Fate::Refused("not-json"),
        Fault::Truncated => Fate::Failed("body"),
        Fault::Slow | Fault::Silent => Fate::Failed("timed out"),
        Fault::Oversized => Fate::Refused("too-large"),
        Fault::DeepJson => Fate::Refused("too-deep"),
        Fault::RedirectLoop => Fate::Failed("redirect"),
        Fault::TooManyRequests | Fault::RetryAfter => Fate::Failed("429"),
        Fault::NoEtag | Fault::Reordered | Fault::Duplicated => Fate::Harmless,
        Fault::EmptyArray | Fault::EmptySets => Fate::Refused("empty"),
        Fault::Halved => Fate::Refused("loses"),
        Fault::BadSchema => Fate::Refused("schema"),
        Fault::UnknownFields => Fate::Remarked("somethingNew"),
        Fault::UnknownImpact => Fate::Remarked("SomethingNew"),
        Fault::VersionBack => Fate::Refused("goes-back"),
        Fault::SameVersion | Fault::DifferentEachTime => Fate::Refused("same-version"),
        Fault::DefaultRoute | Fault::DefaultRouteV6 => Fate::Refused("everything"),
        Fault::PrivatePrefix
        | Fault::LoopbackPrefix
        | Fault::MulticastPrefix
        | Fault::DocumentationPrefix => Fate::Refused("reserved"),
        Fault::ShortPrefix | Fault::ShortPrefixV6 => Fate::Refused("broad"),
        Fault::DotlessName => Fate::Refused("dotless"),
        Fault::PublicSuffix => Fate::Refused("public-suffix"),
    }
}

fn good() -> Edition {
    made_up::edition(80..173, 150..344)
}

/// The same, with other words in one place, so that there is a change record.
fn noted(version: Version) -> Edition {
    let mut edition = good();
    if let Some(set) = edition.set_mut(1) {
        set.notes = Some(format!("As of {version}"));
    }
    edition
}

/// With something new, which must not become reachable.
fn more() -> Edition {
    made_up::edition(80..180, 150..350)
}

fn version(number: u64) -> Result<Version> {
    Ok(number.to_string().parse()?)
}
