//! What a filter may ask for.

use std::fmt;

use egress_common::verdict::{Action, Reason};

/// A field of a [`Subject`](super::Subject).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// Who sent it.
    Client,
    /// The client's group.
    Group,
    /// The endpoint set or rule that decided, or that is nearest.
    Set,
    /// A name of the destination, or a pattern that lists one.
    Name,
    /// Why it passes or does not.
    Reason,
    /// What was done.
    Action,
    /// The destination.
    Address,
    /// The destination's port.
    Port,
    /// The protocol above IP.
    Proto,
}

impl Field {
    /// All fields.
    pub const ALL: [Self; 9] = [
        Self::Client,
        Self::Group,
        Self::Set,
        Self::Name,
        Self::Reason,
        Self::Action,
        Self::Address,
        Self::Port,
        Self::Proto,
    ];

    /// The name in a filter.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Group => "group",
            Self::Set => "set",
            Self::Name => "name",
            Self::Reason => "reason",
            Self::Action => "action",
            Self::Address => "address",
            Self::Port => "port",
            Self::Proto => "proto",
        }
    }

    /// Other names by which it is understood.
    const fn also(self) -> &'static [&'static str] {
        match self {
            Self::Client => &["src", "source"],
            Self::Action => &["verdict"],
            Self::Address => &["dst", "destination", "ip"],
            Self::Port => &["dport"],
            Self::Proto => &["protocol"],
            Self::Group | Self::Set | Self::Name | Self::Reason => &[],
        }
    }

    /// The field of a name, in any case.
    pub(super) fn named(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let is = |field: &Self| field.name() == text || field.also().contains(&text.as_str());
        Self::ALL.into_iter().find(is)
    }

    /// What its values look like.
    pub(super) fn values(self) -> String {
        match self {
            Self::Client | Self::Address => "an address or a prefix, as in 10.20.0.0/16".to_owned(),
            Self::Group => "the name of a group; \"\" for none".to_owned(),
            Self::Set => "the key of an endpoint set or rule, as in intune:163".to_owned(),
            Self::Name => "a name, with at most one `*`, as in *.example.com".to_owned(),
            Self::Reason => one_of(Reason::ALL.iter().map(|reason| reason.name())),
            Self::Action => one_of(Action::ALL.iter().map(|action| action.name())),
            Self::Port => "a port or a range of ports, as in 8000-8010".to_owned(),
            Self::Proto => "tcp, udp, icmp, icmpv6, sctp, esp, ah or a number".to_owned(),
        }
    }
}

fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    format!("one of {}", names.collect::<Vec<_>>().join(", "))
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
