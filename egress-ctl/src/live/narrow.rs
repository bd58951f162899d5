//! A picture of what a filter means.
//!
//! Events know everything that a filter may ask for. Counters are of groups, sets or destinations: a table is
//! narrowed by filters that ask for nothing else, and else stays whole, which is told.

use std::net::IpAddr;

use egress_common::verdict::{Action, Reason};
use ipnet::IpNet;

use super::{
    picture::{Destination, Picture},
    sight::Named,
};
use crate::{
    feed::traffic::Origin,
    filter::{Field, Filter, Subject},
};

impl Picture {
    /// With those rows of its tables that are meant. Events are narrowed as they are taken.
    #[must_use]
    pub fn narrowed(mut self, filter: &Filter) -> Self {
        let mut whole = Vec::new();
        let mut knows = |table: &'static str, fields: &[Field]| {
            let all = filter.fields().iter().all(|field| fields.contains(field));
            if !all {
                whole.push(table);
            }
            all
        };
        if knows("groups", &[Field::Group]) {
            self.groups.retain(|one| {
                filter.matches(&Subject {
                    group: one.group.as_deref(),
                    ..Subject::default()
                })
            });
        }
        if knows("reasons", &[Field::Group, Field::Reason, Field::Action]) {
            self.reasons.retain(|one| {
                filter.matches(&Subject {
                    group: one.group.as_deref(),
                    reason: named(Reason::ALL, one.reason, Reason::name),
                    action: named(Action::ALL, one.action, Action::name),
                    ..Subject::default()
                })
            });
        }
        if knows("sets", &[Field::Set]) {
            self.sets.retain(|one| {
                filter.matches(&Subject {
                    sets: vec![&one.set],
                    ..Subject::default()
                })
            });
        }
        let of_destination = [
            Field::Group,
            Field::Set,
            Field::Name,
            Field::Address,
            Field::Action,
        ];
        if knows("destinations", &of_destination) {
            self.destinations
                .retain(|one| filter.matches(&destination(one)));
        }
        if knows("names", &[Field::Name, Field::Address, Field::Client]) {
            self.names.retain(|one| filter.matches(&name(one)));
        }
        self.not_narrowed = whole;
        self
    }
}

fn named<T: Copy>(all: &[T], text: &str, name: impl Fn(T) -> &'static str) -> Option<T> {
    all.iter().copied().find(|one| name(*one) == text)
}

fn destination(one: &Destination) -> Subject<'_> {
    let (address, name) = match &one.destination {
        Origin::Set => (None, None),
        Origin::Prefix(prefix) => (single(prefix), None),
        Origin::Name(name) => (None, Some(name.as_str())),
    };
    Subject {
        group: one.group.as_deref(),
        sets: vec![&one.set],
        names: name.into_iter().collect(),
        action: Some(Action::Allow),
        address,
        ..Subject::default()
    }
}

/// The address that a prefix of one is.
fn single(prefix: &str) -> Option<IpAddr> {
    prefix.parse().ok().map(|prefix: IpNet| prefix.addr())
}

fn name(one: &Named) -> Subject<'_> {
    let names = [Some(&one.name), one.pattern.as_ref()];
    Subject {
        client: one.client,
        names: names.into_iter().flatten().map(String::as_str).collect(),
        address: Some(one.address),
        ..Subject::default()
    }
}

#[cfg(test)]
mod tests {
    use egress_common::verdict::Counter;

    use super::*;
    use crate::{
        dataplane::counters::{Counted, OfSet},
        live::{Live, testing},
    };

    fn picture() -> Picture {
        let counter = Counter {
            packets: 1,
            bytes: 60,
        };
        let counted = |group: &str, action, reason| {
            let counted = Counted {
                action,
                reason,
                counter,
            };
            (Some(group.to_owned()), counted)
        };
        let mut sight = testing::sight(1);
        sight.facts.verdicts = vec![
            counted("office", Action::Allow, Reason::Prefix),
            counted("staging", Action::Drop, Reason::WrongPort),
        ];
        let of = OfSet {
            sent: counter,
            replies: counter,
        };
        sight.facts.sets = vec![("m365:1".to_owned(), of), ("intune:163".to_owned(), of)];
        sight.names = Some(vec![Named {
            name: "a.x.y".to_owned(),
            address: [203, 0, 113, 1].into(),
            pattern: Some("*.x.y".to_owned()),
            client: Some([10, 0, 0, 1].into()),
            last: sight.time,
        }]);
        let mut live = Live::new(1);
        live.see(sight);
        live.picture(0, |_| true)
    }

    #[test]
    fn tables_are_narrowed_by_what_they_know() {
        let table = [
            ("", [2, 2, 2, 1], ""),
            ("group=staging", [1, 1, 2, 1], "sets names"),
            ("set=m365:*", [2, 2, 1, 1], "groups reasons names"),
            (
                "not reason=prefix",
                [2, 1, 2, 1],
                "groups sets destinations names",
            ),
            (
                "name=*.x.y and client=10.0.0.0/8",
                [2, 2, 2, 1],
                "groups reasons sets destinations",
            ),
            ("name=b.x.y", [2, 2, 2, 0], "groups reasons sets"),
            (
                "port=443",
                [2, 2, 2, 1],
                "groups reasons sets destinations names",
            ),
        ];
        for (text, rows, whole) in table {
            let filter: Filter = text.parse().unwrap();
            let seen = picture().narrowed(&filter);
            let lengths = [
                seen.groups.len(),
                seen.reasons.len(),
                seen.sets.len(),
                seen.names.len(),
            ];
            assert_eq!(lengths, rows, "{text}");
            assert_eq!(seen.not_narrowed.join(" "), whole, "{text}");
        }
    }
}
