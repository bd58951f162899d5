//! What a web service listed once and lists no more.
//!
//! In: what was approved of a feed, and a destination that does not pass. Out: the set that had it last, and why
//! it is gone.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    cover::{pattern_of, prefix_of},
    ground::Subject,
    words,
};
use crate::{
    catalogue::set::EndpointSet,
    feed::{edition::Edition, state::Generation, version::Version},
};

/// A set of a feed that had a destination.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Gone {
    /// The source that follows the web service.
    pub source: String,
    /// Key of the set.
    pub rule: String,
    /// Prefix or pattern by which it covered the destination.
    pub via: String,
    /// Its ports.
    pub services: String,
    /// The version that lacks it.
    pub version: Option<Version>,
    /// Since when it does not pass.
    pub since: Timestamp,
    /// Whether it was in quarantine until then.
    pub quarantined: bool,
    /// The last generation of the feed that has it.
    pub generation: u64,
}

/// The set that had the destination last; none where the newest edition has it, or none ever did. What was
/// approved comes newest first.
pub fn gone(source: &str, approved: &[(Generation, Edition)], subject: &Subject) -> Option<Gone> {
    let had = |edition: &Edition| had(edition, subject);
    let place = approved
        .iter()
        .position(|(_, edition)| had(edition).is_some())?;
    let (next, _) = approved.get(place.checked_sub(1)?)?;
    let (last, edition) = approved.get(place)?;
    let Had { set, via, until } = had(edition)?;
    let quarantined = until.is_some();
    let (version, since) = until.unwrap_or((next.version.clone(), next.at));
    Some(Gone {
        source: source.to_owned(),
        rule: set.key,
        via,
        services: words::ports(&set.tcp_ports, &set.udp_ports),
        version,
        since,
        quarantined,
        generation: last.number,
    })
}

/// A set that covers a destination, by what; of what is in quarantine the version that lacks it, and until when.
struct Had {
    set: EndpointSet,
    via: String,
    until: Option<(Option<Version>, Timestamp)>,
}

fn had(edition: &Edition, subject: &Subject) -> Option<Had> {
    let published = edition.sets.iter().map(|set| (set, None));
    let quarantined = edition.quarantine.iter().map(|part| {
        let until = (part.version.clone(), part.until);
        (&part.set, Some(until))
    });
    published.chain(quarantined).find_map(|(set, until)| {
        let via = via(set, subject)?;
        let set = set.clone();
        Some(Had { set, via, until })
    })
}

fn via(set: &EndpointSet, subject: &Subject) -> Option<String> {
    match subject {
        Subject::Name(name) => pattern_of(set, name).map(ToString::to_string),
        Subject::Address(_) => prefix_of(set, subject.meant()?).map(|prefix| prefix.to_string()),
    }
}

impl Gone {
    /// What is told of it, as lines.
    pub fn lines(&self) -> [String; 2] {
        let Self {
            source, generation, ..
        } = self;
        let said = words::printable(&self.to_string());
        let back =
            format!("egress-ctl feed rollback {generation} {source} brings its list of then back");
        [said, back]
    }
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source,
            rule,
            via,
            services,
            since,
            ..
        } = self;
        write!(
            f,
            "{source} lists it no more: {rule} had {via} for {services}"
        )?;
        if let Some(version) = &self.version {
            write!(f, ", until version {version}")?;
        }
        match self.quarantined {
            true => write!(f, "; its quarantine ended at {since:.0}"),
            false => write!(f, "; gone since {since:.0}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::{
        edition::Quarantined,
        person::By,
        sample::{edition, noon},
        sha::Sha,
    };

    const WITH: &str =
        "92 Common/Default 80,443: a.example.org 192.0.2.0/24\n1 Common/Default 443: b.example.org";
    const WITHOUT: &str = "1 Common/Default 443: b.example.org";

    fn generation(number: u64, version: &str, day: i8) -> Generation {
        Generation {
            number,
            version: Some(Version::try_from(version.to_owned()).unwrap()),
            blob: Sha::of(b""),
            at: noon(day),
            by: By::Rule,
            what: String::new(),
        }
    }

    fn told(approved: &[(Generation, Edition)], subject: &Subject) -> String {
        let gone = gone("m365", approved, subject);
        gone.map(|gone| gone.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_had_it_last_is_told_and_what_is_there_is_not() {
        let (old, new) = ("2026053100", "2026060700");
        let first = edition(old, WITH);
        let second = edition(new, WITHOUT);
        let at_once = [
            (generation(2, new, 7), second.clone()),
            (generation(1, old, 1), first.clone()),
        ];
        let mut quarantined = second.clone();
        quarantined.quarantine.push(Quarantined {
            set: EndpointSet {
                key: "m365:92.removed".to_owned(),
                ..first
                    .sets
                    .iter()
                    .find(|set| set.id == Some(92))
                    .unwrap()
                    .clone()
            },
            since: noon(7),
            until: noon(14),
            version: Some(Version::try_from(new.to_owned()).unwrap()),
        });
        let later = [
            (generation(3, new, 15), second),
            (generation(2, new, 7), quarantined),
            (generation(1, old, 1), first),
        ];
        let name = |name: &str| Subject::Name(name.to_owned());
        let addr = Subject::Address("192.0.2.9".parse().unwrap());
        for (approved, subject, expected) in [
            (
                &at_once[..],
                name("a.example.org"),
                "m365 lists it no more: m365:92 had a.example.org for tcp 80,443, until version 2026060700; \
                 gone since 2026-06-07T12:00:00Z",
            ),
            (
                &at_once,
                addr,
                "m365 lists it no more: m365:92 had 192.0.2.0/24 for tcp 80,443, until version 2026060700; \
                 gone since 2026-06-07T12:00:00Z",
            ),
            (
                &later,
                name("a.example.org"),
                "m365 lists it no more: m365:92.removed had a.example.org for tcp 80,443, until version 2026060700; \
                 its quarantine ended at 2026-06-14T12:00:00Z",
            ),
            (&later, name("b.example.org"), ""),
            (&later, name("c.example.org"), ""),
            (&later[1..], name("a.example.org"), ""),
        ] {
            assert_eq!(told(approved, &subject), expected);
        }
    }
}
