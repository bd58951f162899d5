//! One value of one field, and whether a subject has it.

use std::{fmt, net::IpAddr};

use egress_common::{
    rule::ANY_PROTO,
    verdict::{Action, Reason},
};
use ipnet::IpNet;

use super::{error::Fault, field::Field, glob::Glob, subject::Subject};
use crate::{catalogue::nearest::nearest, explain::words, prefix};

/// A value that a subject is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Client(IpNet),
    Group(Glob),
    Set(Glob),
    Name(Glob),
    Reason(Reason),
    Action(Action),
    Address(IpNet),
    Port(u16, u16),
    Proto(u8),
}

impl Value {
    /// The value of a field that a text is.
    pub(super) fn new(field: Field, text: &str) -> Result<Self, Fault> {
        let found = match field {
            Field::Client => address(text).map(Self::Client),
            Field::Address => address(text).map(Self::Address),
            Field::Group => Glob::new(text).map(Self::Group),
            Field::Set => Glob::new(text).map(Self::Set),
            Field::Name => Glob::new(&name(text)).map(Self::Name),
            Field::Port => ports(text).map(|(low, high)| Self::Port(low, high)),
            Field::Proto => protocol(text).map(Self::Proto),
            Field::Reason => {
                return named("reason", text, Reason::ALL, Reason::name).map(Self::Reason);
            }
            Field::Action => {
                return named("action", text, Action::ALL, Action::name).map(Self::Action);
            }
        };
        found.ok_or_else(|| Fault::Value {
            field,
            asked: text.to_owned(),
        })
    }

    pub(super) fn field(&self) -> Field {
        match self {
            Self::Client(_) => Field::Client,
            Self::Group(_) => Field::Group,
            Self::Set(_) => Field::Set,
            Self::Name(_) => Field::Name,
            Self::Reason(_) => Field::Reason,
            Self::Action(_) => Field::Action,
            Self::Address(_) => Field::Address,
            Self::Port(..) => Field::Port,
            Self::Proto(_) => Field::Proto,
        }
    }

    pub(super) fn matches(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::Client(prefix) => within(*prefix, subject.client),
            Self::Address(prefix) => within(*prefix, subject.address),
            Self::Group(glob) => any(glob, subject.group.as_slice()),
            Self::Set(glob) => any(glob, &subject.sets),
            Self::Name(glob) => {
                let names: Vec<_> = subject.names.iter().map(|of| name(of)).collect();
                any(glob, &names)
            }
            Self::Reason(reason) => subject.reason == Some(*reason),
            Self::Action(action) => subject.action == Some(*action),
            Self::Port(low, high) => subject
                .port
                .is_some_and(|port| (*low..=*high).contains(&port)),
            Self::Proto(number) => subject.proto == Some(*number),
        }
    }
}

/// Whether one of the texts is meant; the empty text means that there is none.
fn any(glob: &Glob, texts: &[impl AsRef<str>]) -> bool {
    match glob.is_empty() {
        true => texts.is_empty(),
        false => texts.iter().any(|text| glob.matches(text.as_ref())),
    }
}

fn within(prefix: IpNet, addr: Option<IpAddr>) -> bool {
    addr.is_some_and(|addr| prefix.contains(&addr.to_canonical()))
}

/// An address or a prefix in its one spelling.
fn address(text: &str) -> Option<IpNet> {
    let addr = text
        .parse()
        .map(|addr: IpAddr| IpNet::from(addr.to_canonical()));
    let prefix = addr.ok().or_else(|| text.parse().ok());
    prefix.map(|prefix| prefix::canonical(prefix.trunc()))
}

/// A name in its one spelling.
fn name(text: &str) -> String {
    let text = text.strip_suffix('.').unwrap_or(text);
    text.to_ascii_lowercase()
}

fn ports(text: &str) -> Option<(u16, u16)> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let (low, high) = (low.parse().ok()?, high.parse().ok()?);
    (low <= high).then_some((low, high))
}

fn protocol(text: &str) -> Option<u8> {
    let text = text.to_ascii_lowercase();
    let named = (0..ANY_PROTO).find(|number| words::protocol(*number) == text);
    named.or_else(|| text.parse().ok())
}

fn named<T: Copy>(
    what: &'static str,
    asked: &str,
    all: &[T],
    text: impl Fn(T) -> &'static str,
) -> Result<T, Fault> {
    let near: Vec<_> = nearest(asked, all.iter().copied(), |one| text(*one).to_owned()).collect();
    match near.first() {
        Some(one) if text(*one).eq_ignore_ascii_case(asked) => Ok(*one),
        _ => Err(Fault::Unknown {
            what,
            asked: asked.to_owned(),
            known: near.into_iter().map(|one| text(one).to_owned()).collect(),
        }),
    }
}

/// The value, as text without quotation marks.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(prefix) | Self::Address(prefix) => {
                match prefix.prefix_len() == prefix.max_prefix_len() {
                    true => prefix.addr().fmt(f),
                    false => prefix.fmt(f),
                }
            }
            Self::Group(glob) | Self::Set(glob) | Self::Name(glob) => glob.fmt(f),
            Self::Reason(reason) => f.write_str(reason.name()),
            Self::Action(action) => f.write_str(action.name()),
            Self::Port(low, high) if low == high => low.fmt(f),
            Self::Port(low, high) => write!(f, "{low}-{high}"),
            Self::Proto(number) => {
                let name = words::protocol(*number);
                f.write_str(name.strip_prefix("protocol ").unwrap_or(&name))
            }
        }
    }
}
