//! Every fault that the lab can serve, in the answers of each method that it can spoil: what enforces
//! stays, and the fault is named in the status. What is odd and harmless is taken for what it means;
//! change records only explain, so an answer counts without them, and that is told.

use anyhow::{Context, Result, ensure};
use lab::feed::archive::Archive;
use lab::feed::edition::Edition;
use lab::feed::fault::{Fault, Faults, Method};
use lab::feed::followed::{Followed, INSTANCE, InForce, Transport};
use lab::feed::made_up;
use lab::feed::version::Version;
use lab::interrupt;
use serde_json::Value;

use super::Shown;

const KEYS: &str = "timeout = \"1s\"\nremovals = \"0d\"\n";
/// The version that is followed at first; each answer with a fault has a later one.
const FIRST: u64 = 2_026_060_100;

/// What must become of an answer.
enum Fate {
    /// It is refused; the reason in one word.
    Refused(&'static str),
    /// There is none; part of what is said of it.
    Failed(&'static str),
    /// It says the same in another way.
    Harmless,
    /// Likewise, and something is told of it.
    Told(&'static str),
}

pub(super) fn show() -> Result<Vec<Shown>> {
    let mut archive = Archive::default();
    archive.put(INSTANCE, FIRST.to_string().parse()?, good());
    let followed = Followed::start(archive, &FIRST.to_string(), KEYS, Transport::Tls)?;
    let mut trial = Trial {
        followed,
        version: FIRST,
    };
    let shown = Fault::all().map(|fault| {
        interrupt::check()?;
        let what = format!("fault {}", fault.name());
        Ok(Shown::of(&what, trial.all_methods(fault)))
    });
    shown.collect()
}

/// A gateway to which answers with faults are given.
struct Trial {
    followed: Followed,
    /// The latest version.
    version: u64,
}

impl Trial {
    /// What became of the fault in each method's answers, each thing said once.
    fn all_methods(&mut self, fault: Fault) -> Result<String> {
        let mut all = vec!["enforcement unchanged".to_owned()];
        for method in fault.methods() {
            let seen = self
                .one(fault, *method)
                .with_context(|| format!("{}@{method}", fault.name()))?;
            if !all.contains(&seen) {
                all.push(seen);
            }
        }
        Ok(all.join("; "))
    }

    /// Serves the fault, lets the gateway ask, and looks at what became of it.
    fn one(&mut self, fault: Fault, method: Method) -> Result<String> {
        let fate = fate(fault, method);
        self.publish(fault, &fate)?;
        let before = self.followed.in_force()?;
        self.followed.server.service.set_faults(fault.at(method));
        let output = self.followed.sync()?;
        self.followed.server.service.set_faults(Faults::default());
        unchanged(before, self.followed.in_force()?, &fate)?;
        let told = self.followed.told()?;
        let (refused, fault) = (&told["refusal"], &told["poll"]["fault"]);
        let is_bad = matches!(fate, Fate::Refused(_) | Fate::Failed(_));
        ensure!(
            output.status.success() != is_bad,
            "the exit code of sync does not tell: {output:?}"
        );
        match fate {
            Fate::Refused(kind) => {
                ensure!(
                    refused["kind"] == kind,
                    "refusal {refused}, expected {kind}"
                );
                Ok(format!("REFUSED: {}", text(&refused["reason"])?))
            }
            Fate::Failed(part) => {
                let fault = text(fault)?;
                ensure!(fault.contains(part), "{fault}, expected {part}");
                // Without the URL, and with the first cause alone, for the reader of many.
                let (_, fault) = fault.split_once(": ").unwrap_or(("", fault));
                let at = fault.find(part).unwrap_or_default() + part.len();
                Ok(format!("BACKS OFF: {}", &fault[..at]))
            }
            Fate::Harmless => {
                ensure!(refused.is_null() && fault.is_null(), "{refused} {fault}");
                Ok("the same content".to_owned())
            }
            Fate::Told(part) => {
                ensure!(refused.is_null() && fault.is_null(), "{refused} {fault}");
                remark(&told, part)
            }
        }
    }

    /// Publishes what the fault will spoil.
    fn publish(&mut self, fault: Fault, fate: &Fate) -> Result<()> {
        let known_version = matches!(
            fault,
            Fault::SameVersion | Fault::DifferentEachTime | Fault::VersionBack
        );
        if known_version {
            // Of a new version, other content would only be a change.
            return Ok(());
        }
        self.version += 1;
        let version: Version = self.version.to_string().parse()?;
        let edition = match fate {
            Fate::Harmless | Fate::Told(_) => noted(version),
            Fate::Refused(_) | Fate::Failed(_) => more(),
        };
        let service = &self.followed.server.service;
        service.publish(INSTANCE, version, edition);
        Ok(service.set_latest(version)?)
    }
}

/// Nothing may come into force of what is bad; of what is harmless only the same again.
fn unchanged(before: InForce, after: InForce, fate: &Fate) -> Result<()> {
    let same = match fate {
        Fate::Refused(_) | Fate::Failed(_) => before == after,
        Fate::Harmless | Fate::Told(_) => {
            (before.prefixes, before.patterns) == (after.prefixes, after.patterns)
        }
    };
    ensure!(same, "enforcement changed: {before:?} became {after:?}");
    Ok(())
}

/// What of the status holds the word.
fn remark(told: &Value, word: &str) -> Result<String> {
    let lists = [&told["remarks"], &told["disagreements"]];
    let mut all = lists.into_iter().filter_map(Value::as_array).flatten();
    let found = all.find_map(|line| line.as_str().filter(|line| line.contains(word)));
    let found = found.with_context(|| format!("nothing of {word} in {lists:?}"))?;
    let at = found.find(word).unwrap_or_default() + word.len();
    Ok(format!("told: {}", &found[..at]))
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("no text: {value}"))
}

fn fate(fault: Fault, method: Method) -> Fate {
    let own = own_fate(fault);
    match (method, own) {
        (Method::Changes, Fate::Refused(_) | Fate::Failed(_)) => Fate::Told("cannot be read"),
        // Their keys are not looked at.
        (Method::Changes, Fate::Told("\"somethingNew\"")) => Fate::Harmless,
        (_, own) => own,
    }
}

fn own_fate(fault: Fault) -> Fate {
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
        Fault::UnknownFields => Fate::Told("\"somethingNew\""),
        Fault::UnknownImpact => Fate::Told("\"SomethingNew\""),
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
