//! Names of addresses, as DNS answers gave them.
//!
//! In: answers. Out: of each address the names that led to it, and which addresses nobody may learn. All of it
//! takes [`BYTES_MAX`] at most, as an estimate: what no pattern lists leaves first, then what was answered
//! longest ago. Nothing is admitted by it.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::heard::{CHAIN_MAX, Heard};

/// What all names may take, in bytes.
pub const BYTES_MAX: usize = 32 << 20;
/// Names of one address that are kept: those answered last.
const NAMES: usize = 8;
/// Clients of one name that are kept: those that asked last.
const CLIENTS: usize = 4;
/// Names and addresses that were refused.
const REFUSED: usize = 4096;

/// A name that an address has.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Naming {
    /// The name that was asked for.
    pub name: String,
    /// The names that it led through.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<String>,
    /// The pattern that lists the name; none where no pattern does.
    pub pattern: Option<String>,
    /// TTL of the last answer, in seconds.
    pub ttl: u32,
    /// Who asked last.
    pub clients: Vec<IpAddr>,
    /// Answers that gave the address for this name.
    pub answers: u64,
    /// The first one.
    pub first: Timestamp,
    /// The last one.
    pub last: Timestamp,
}

/// An address that an answer gave and that nobody may learn.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// The name that was asked for.
    pub name: String,
    /// The address.
    pub address: IpAddr,
    /// Answers that gave it.
    pub answers: u64,
    /// Who asked last.
    pub client: IpAddr,
    /// The last answer.
    pub last: Timestamp,
}

/// One line of a file of names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Line {
    /// All names of an address.
    Address {
        /// The address.
        address: IpAddr,
        /// Its names.
        names: Vec<Naming>,
    },
    /// A refused address.
    Refused(Refused),
}

/// An answer, with what its numbers mean.
#[derive(Clone, Copy, Debug)]
pub struct Lesson<'a> {
    /// The answer.
    pub heard: &'a Heard,
    /// The pattern that lists its name.
    pub pattern: Option<&'a str>,
    /// When it was given.
    pub at: Timestamp,
}

/// All names.
#[derive(Debug, Default)]
pub struct Names {
    named: HashMap<IpAddr, Vec<Naming>>,
    refused: BTreeMap<(String, IpAddr), Refused>,
    bytes: usize,
}

impl Names {
    /// Takes an answer in. Tells of which addresses something is new besides that they were answered again.
    pub fn learn(
        &mut self,
        lesson: Lesson<'_>,
        is_refused: impl Fn(IpAddr) -> bool,
    ) -> Vec<IpAddr> {
        let mut new = Vec::new();
        for (addr, ttl) in &lesson.heard.addresses {
            if is_refused(*addr) {
                self.refuse(lesson, *addr);
            } else if self.name(lesson, *addr, *ttl) {
                new.push(*addr);
            }
        }
        self.shed();
        new
    }

    /// Gives an address its name; tells whether that is new.
    fn name(&mut self, lesson: Lesson<'_>, addr: IpAddr, ttl: u32) -> bool {
        let Lesson { heard, pattern, at } = lesson;
        let names = self.named.entry(addr).or_default();
        let before = weight(names);
        let known = names.iter_mut().find(|naming| naming.name == heard.name);
        let is_new = match known {
            Some(known) => known.again(lesson, ttl),
            None => {
                names.push(Naming {
                    name: heard.name.clone(),
                    chain: heard.chain.clone(),
                    pattern: pattern.map(str::to_owned),
                    ttl,
                    clients: vec![heard.client],
                    answers: 1,
                    first: at,
                    last: at,
                });
                true
            }
        };
        tidy(names);
        self.bytes = self.bytes + weight(names) - before;
        is_new
    }

    fn refuse(&mut self, lesson: Lesson<'_>, address: IpAddr) {
        let Lesson { heard, at, .. } = lesson;
        let key = (heard.name.clone(), address);
        let refused = self.refused.entry(key).or_insert_with(|| Refused {
            name: heard.name.clone(),
            address,
            answers: 0,
            client: heard.client,
            last: at,
        });
        refused.answers += 1;
        refused.client = heard.client;
        refused.last = at;
    }

    /// Takes in what a file says; of two that say something of a name the later one holds.
    pub fn take(&mut self, line: Line) {
        match line {
            Line::Address { address, names } => self.take_names(address, names),
            Line::Refused(refused) => {
                let key = (refused.name.clone(), refused.address);
                self.refused.insert(key, refused);
            }
        }
        self.shed();
    }

    fn take_names(&mut self, address: IpAddr, names: Vec<Naming>) {
        let known = self.named.entry(address).or_default();
        let before = weight(known);
        for mut naming in names {
            naming.chain.truncate(CHAIN_MAX);
            naming.clients.truncate(CLIENTS);
            match known.iter_mut().find(|one| one.name == naming.name) {
                Some(one) if one.last > naming.last => {}
                Some(one) => *one = naming,
                None => known.push(naming),
            }
        }
        tidy(known);
        self.bytes = self.bytes + weight(known) - before;
    }

    /// The names of an address, the one answered last first.
    pub fn of(&self, address: IpAddr) -> &[Naming] {
        self.named.get(&address).map_or(&[], Vec::as_slice)
    }

    /// Addresses that answers for this name gave.
    pub fn addresses(&self, name: &str) -> Vec<IpAddr> {
        let has = |names: &[Naming]| names.iter().any(|one| one.name.eq_ignore_ascii_case(name));
        let named = self.named.iter().filter(|(_, names)| has(names));
        let mut addresses: Vec<_> = named.map(|(address, _)| *address).collect();
        addresses.sort();
        addresses
    }

    /// Addresses that were refused, by name.
    pub fn refused(&self) -> impl Iterator<Item = &Refused> {
        self.refused.values()
    }

    /// The line of an address.
    pub fn line(&self, address: IpAddr) -> Line {
        let names = self.of(address).to_vec();
        Line::Address { address, names }
    }

    /// All lines.
    pub fn lines(&self) -> impl Iterator<Item = Line> {
        let named = self.named.keys().map(|address| self.line(*address));
        named.chain(self.refused.values().cloned().map(Line::Refused))
    }

    /// How many addresses have names.
    pub fn len(&self) -> usize {
        self.named.len()
    }

    /// Whether no address has a name.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// Keeps the bounds: lets go of an eighth where one is crossed.
    fn shed(&mut self) {
        if self.refused.len() > REFUSED {
            let mut order: Vec<_> = self.refused.iter().collect();
            order.sort_by_key(|(_, refused)| refused.last);
            let old: Vec<_> = order.into_iter().take(REFUSED / 8).collect();
            let old: Vec<_> = old.into_iter().map(|(key, _)| key.clone()).collect();
            for key in old {
                self.refused.remove(&key);
            }
        }
        if self.bytes <= BYTES_MAX {
            return;
        }
        let mut order: Vec<_> = self
            .named
            .iter()
            .map(|(addr, names)| (rank(names), *addr))
            .collect();
        order.sort_unstable();
        for (_, addr) in order {
            if self.bytes <= BYTES_MAX / 8 * 7 {
                break;
            }
            let names = self.named.remove(&addr);
            self.bytes -= names.map_or(0, |names| weight(&names));
        }
    }
}

impl Naming {
    /// Takes in that the same was answered again; tells whether anything but time and number is new.
    fn again(&mut self, lesson: Lesson<'_>, ttl: u32) -> bool {
        let Lesson { heard, pattern, at } = lesson;
        self.answers += 1;
        self.last = self.last.max(at);
        self.ttl = ttl;
        let is_known = self.clients.contains(&heard.client);
        self.clients.retain(|client| *client != heard.client);
        self.clients.insert(0, heard.client);
        self.clients.truncate(CLIENTS);
        let is_same = self.chain == heard.chain && self.pattern.as_deref() == pattern;
        if !is_same {
            self.chain.clone_from(&heard.chain);
            self.pattern = pattern.map(str::to_owned);
        }
        !(is_known && is_same)
    }
}

/// The name answered last first, and no more than [`NAMES`].
fn tidy(names: &mut Vec<Naming>) {
    names.sort_by_key(|naming| std::cmp::Reverse(naming.last));
    names.truncate(NAMES);
}

/// What leaves first: whether a pattern lists any of the names, and when one was answered last.
fn rank(names: &[Naming]) -> (bool, Timestamp) {
    let is_listed = names.iter().any(|naming| naming.pattern.is_some());
    let last = names.iter().map(|naming| naming.last).max();
    (is_listed, last.unwrap_or(Timestamp::MIN))
}

/// What the names of an address take, in bytes, with its place in the table.
fn weight(names: &[Naming]) -> usize {
    const ADDRESS: usize = 96;
    let text = |text: &String| size_of::<String>() + text.len();
    let of_name = |naming: &Naming| {
        let pattern = naming.pattern.as_ref().map_or(0, String::len);
        let chain: usize = naming.chain.iter().map(text).sum();
        let clients = naming.clients.len() * size_of::<IpAddr>();
        size_of::<Naming>() + naming.name.len() + pattern + chain + clients
    };
    if names.is_empty() {
        return 0;
    }
    ADDRESS + names.iter().map(of_name).sum::<usize>()
}

#[cfg(test)]
mod tests;
