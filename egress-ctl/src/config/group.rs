//! Client groups: whom they take, and what those may reach.
//!
//! In: `[group.NAME]` tables. Out: [`Group`]s. A group takes the clients that fit each kind of mark it
//! names; of the groups that fit, MAC addresses come before VLANs, VLANs before interfaces, and these
//! before addresses, where the longest prefix wins.

use std::collections::{BTreeMap, BTreeSet};

use egress_common::{
    dns::policy::DnsPolicy,
    limits,
    pattern::NamePattern,
    verdict::{Denial, Mode},
};
use ipnet::IpNet;
use toml::Spanned;

use super::{
    Feed, follows, interface, parsed, prefix,
    problem::Problems,
    raw::RawGroup,
    rule::{self, OwnRule},
    steer::{self, Steer},
    valid::{is_nearest, nearest_of},
};
use crate::catalogue::{
    Catalogue,
    selector::{Selector, SelectorError},
};

/// Clients that share one policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Whom it takes.
    pub members: Members,
    /// Whether it takes everybody whom no other group takes.
    pub is_default: bool,
    /// What becomes of verdicts; the gateway's mode where there is none.
    pub mode: Option<Mode>,
    /// What becomes of what is not allowed.
    pub denial: Denial,
    /// Keys of the endpoint sets that it may reach, in the catalogue's order.
    pub allow: Vec<String>,
    /// Selectors that select nothing, and so allow nothing.
    pub empty: Vec<String>,
    /// Rules of its own.
    pub rules: Vec<OwnRule>,
    /// How its traffic is steered.
    pub steer: Steer,
    /// What becomes of its DNS queries.
    pub dns: DnsPolicy,
    /// Names that it may ask for besides those that it may use.
    pub dns_names: Vec<NamePattern>,
}

/// Marks of clients; one that is empty does not matter, and each of the others must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// Source prefixes.
    pub clients: Vec<IpNet>,
    /// Interfaces that they come in by.
    pub interfaces: Vec<String>,
    /// VLANs of the outer tag.
    pub vlans: Vec<u16>,
    /// MAC addresses that they come from.
    pub macs: Vec<[u8; 6]>,
}

impl Members {
    /// How much comes before addresses: MAC addresses most, then VLANs, then interfaces.
    pub fn level(&self) -> u8 {
        let weight = |is_empty: bool, weight| if is_empty { 0 } else { weight };
        weight(self.macs.is_empty(), 4)
            + weight(self.vlans.is_empty(), 2)
            + weight(self.interfaces.is_empty(), 1)
    }

    /// Whether some client could fit both by the marks that come before addresses.
    pub(super) fn meets(&self, other: &Self) -> bool {
        fn meet<T: PartialEq>(a: &[T], b: &[T]) -> bool {
            a.is_empty() || b.is_empty() || a.iter().any(|item| b.contains(item))
        }
        meet(&self.macs, &other.macs)
            && meet(&self.vlans, &other.vlans)
            && meet(&self.interfaces, &other.interfaces)
    }
}

/// Where selectors look for endpoint sets.
pub(super) struct Sources<'a> {
    /// All sets.
    pub(super) catalogue: &'a Catalogue,
    /// Sources that follow the web service.
    pub(super) feeds: &'a [Feed],
    /// Keys of what is wrong with sources, in small letters.
    pub(super) faults: Vec<String>,
    /// Bits of packets' marks that steering may write.
    pub(super) mark_mask: u32,
}

impl Sources<'_> {
    /// Whether a source that lacks what a selector names would have it, for all that is known: there is
    /// nothing wrong with the source.
    fn are_sure_of(&self, source: &str) -> bool {
        let own = format!("source.{}", source.to_lowercase());
        let is_of_it = |key: &String| {
            let below = key.strip_prefix(&own);
            key == "source" || below.is_some_and(|below| below.is_empty() || below.starts_with('.'))
        };
        !self.faults.iter().any(is_of_it)
    }

    /// Whether what a selector asks for in vain must not make the config wrong: all its words are known; or
    /// the service no longer publishes what it names; or its source has problems of its own.
    pub(super) fn excuse(&self, selector: &Selector, fault: &SelectorError) -> bool {
        let source = selector.source();
        match fault {
            SelectorError::Empty(_) => true,
            SelectorError::Segment { .. } => {
                follows(self.feeds, source) || !self.are_sure_of(source)
            }
            SelectorError::Source { .. } => !self.are_sure_of(source),
        }
    }
}

/// All groups, in the order of their names.
pub(super) fn groups(
    raw: BTreeMap<String, Spanned<RawGroup>>,
    default: Option<&Spanned<String>>,
    sources: &Sources<'_>,
    problems: &mut Problems<'_>,
) -> Vec<Group> {
    // Any group may be meant by one that there is not.
    let mut default_is_known = !["gateway", "gateway.default-group"]
        .iter()
        .any(|key| problems.excuses(key));
    if let Some(name) = default.filter(|name| !raw.contains_key(name.get_ref())) {
        default_is_known = false;
        no_such_group(name, &raw, problems);
    }
    let count = raw.len();
    let mut groups: Vec<Group> = Vec::new();
    for (name, raw) in raw {
        let is_default = default.is_some_and(|default| *default.get_ref() == name);
        let span = raw.span();
        let raw = raw.into_inner();
        if groups.len() == limits::GROUPS {
            let most = limits::GROUPS;
            let near = is_nearest(most);
            let message = format!("`{count}` groups are too many{near}, which is the most");
            problems.add(span.clone(), &format!("group.{name}"), message);
        }
        let members = members(&name, &raw, &groups, problems);
        let excused = |key: &&str| problems.excuses(&format!("group.{name}.{key}"));
        let may_name_some = ["clients", "interfaces", "vlans", "macs"]
            .iter()
            .any(excused);
        if raw.names_nobody() && !is_default && default_is_known && !may_name_some {
            let message = "say whom it takes: `clients` (prefixes as in [\"10.20.0.0/16\"]), \
                           `interfaces`, `vlans` or `macs`; or make it the `default-group` of [gateway]";
            problems.add(span, &format!("group.{name}"), message);
        }
        let (allow, empty) = allow(&name, &raw.allow, sources, problems);
        let steer = steer::steer(&name, &raw.steer, &allow, sources, problems);
        groups.push(Group {
            members,
            is_default,
            mode: raw
                .mode
                .and_then(|mode| super::mode(&mode, &format!("group.{name}.mode"), problems)),
            denial: denial(&name, raw.default.as_ref(), problems),
            dns: dns(&name, raw.dns.as_ref(), problems),
            dns_names: parsed(
                &raw.dns_names,
                &format!("group.{name}.dns-names"),
                problems,
                str::parse::<NamePattern>,
            ),
            allow,
            empty,
            rules: rule::rules(&name, raw.rule, problems),
            steer,
            name,
        });
    }
    groups
}

/// Says that there is no group to be the default.
fn no_such_group(
    name: &Spanned<String>,
    groups: &BTreeMap<String, Spanned<RawGroup>>,
    problems: &mut Problems<'_>,
) {
    let wanted = name.get_ref();
    let keys = ["group".to_owned(), format!("group.{wanted}")];
    if keys.iter().any(|key| problems.excuses(key)) {
        return;
    }
    let known: Vec<_> = groups.keys().map(String::as_str).collect();
    let near = nearest_of(wanted, known.iter().copied());
    let message = format!(
        "there is no group `{wanted}`{near}; there are: {}",
        known.join(", ")
    );
    problems.add(name.span(), "gateway.default-group", message);
}

impl RawGroup {
    fn names_nobody(&self) -> bool {
        let lists = [&self.clients, &self.interfaces, &self.macs];
        lists.iter().all(|list| list.is_empty()) && self.vlans.is_empty()
    }
}

fn denial(name: &str, raw: Option<&Spanned<String>>, problems: &mut Problems<'_>) -> Denial {
    let Some(raw) = raw else {
        return Denial::default();
    };
    match raw.get_ref().as_str() {
        "drop" => Denial::Drop,
        "reject" => Denial::Reject,
        _ => {
            let key = format!("group.{name}.default");
            problems.unknown(raw, &key, "action", &["drop", "reject"]);
            Denial::default()
        }
    }
}

fn dns(name: &str, raw: Option<&Spanned<String>>, problems: &mut Problems<'_>) -> DnsPolicy {
    let Some(raw) = raw else {
        return DnsPolicy::default();
    };
    let mut known = DnsPolicy::ALL.into_iter();
    let found = known.find(|policy| policy.name() == raw.get_ref());
    if found.is_none() {
        let key = format!("group.{name}.dns");
        problems.unknown(
            raw,
            &key,
            "DNS policy",
            &DnsPolicy::ALL.map(DnsPolicy::name),
        );
    }
    found.unwrap_or_default()
}

fn members(name: &str, raw: &RawGroup, others: &[Group], problems: &mut Problems<'_>) -> Members {
    let key = |key: &str| format!("group.{name}.{key}");
    let mut members = Members {
        clients: Vec::new(),
        interfaces: parsed(&raw.interfaces, &key("interfaces"), problems, interface),
        vlans: vlans(&raw.vlans, &key("vlans"), problems),
        macs: parsed(&raw.macs, &key("macs"), problems, mac),
    };
    let taken = |members: &Members, prefix: &IpNet| -> Option<String> {
        let rivals = others.iter().filter(|other| {
            other.members.level() == members.level() && other.members.meets(members)
        });
        let mut owners = rivals.filter(|other| other.members.clients.contains(prefix));
        owners.next().map(|other| other.name.clone())
    };
    let marks = members.clone();
    members.clients = parsed(&raw.clients, &key("clients"), problems, |text| {
        let prefix = prefix(text)?;
        match taken(&marks, &prefix) {
            Some(other) => Err(format!("{prefix} belongs to group `{other}` already")),
            None => Ok(prefix),
        }
    });
    members
}

/// IDs of VLANs (IEEE 802.1Q, 9.6): 0 is none, 4095 is reserved.
const VLANS: std::ops::RangeInclusive<u16> = 1..=4094;

fn vlans(raw: &[Spanned<i64>], key: &str, problems: &mut Problems<'_>) -> Vec<u16> {
    let ids = raw.iter();
    ids.filter_map(|id| problems.number(id, key, &VLANS, " (IEEE 802.1Q)"))
        .collect()
}

/// Six bytes in hexadecimal, with colons or dashes between.
///
/// # Errors
/// They are something else, or the address of a group.
pub fn mac(text: &str) -> Result<[u8; 6], String> {
    let wrong = || format!("`{text}` is no MAC address: write 02:00:5e:10:00:01");
    let mut mac = [0; 6];
    let mut bytes = text.split([':', '-']);
    for byte in &mut mac {
        let digits = bytes.next().filter(|digits| digits.len() == 2);
        let parsed = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        *byte = parsed.ok_or_else(wrong)?;
    }
    match bytes.next() {
        Some(_) => Err(wrong()),
        None if mac[0] & 1 == 1 => {
            let near = is_nearest(written([
                mac[0] & !1,
                mac[1],
                mac[2],
                mac[3],
                mac[4],
                mac[5],
            ]));
            Err(format!(
                "`{text}` is a group address, no sender has it{near}"
            ))
        }
        None => Ok(mac),
    }
}

/// A MAC address with colons.
fn written(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// Keys of the selected sets, and the selectors that select nothing.
fn allow(
    name: &str,
    raw: &[Spanned<String>],
    sources: &Sources<'_>,
    problems: &mut Problems<'_>,
) -> (Vec<String>, Vec<String>) {
    let catalogue = sources.catalogue;
    let key = format!("group.{name}.allow");
    let mut empty = Vec::new();
    let selections = parsed(raw, &key, problems, |text| {
        let selector: Selector = text.parse().map_err(|fault| format!("{fault}"))?;
        let keys = match selector.select(catalogue) {
            Ok(sets) => sets.iter().map(|set| set.key.clone()).collect(),
            // It selects nothing, and so allows nothing.
            Err(fault) if sources.excuse(&selector, &fault) => {
                empty.push(text.to_owned());
                Vec::new()
            }
            Err(fault) => return Err(fault.to_string()),
        };
        Ok((selector.excludes(), keys))
    });
    let keys_of = |excludes: bool| -> BTreeSet<&String> {
        let these = selections.iter().filter(|(does, _)| *does == excludes);
        these.flat_map(|(_, keys)| keys).collect()
    };
    let selected = &keys_of(false) - &keys_of(true);
    let keys = catalogue.sets().iter().map(|set| &set.key);
    let selected = keys.filter(|key| selected.contains(key)).cloned();
    (selected.collect(), empty)
}
