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
    problem::{Problems, nearest_of},
    raw::RawGroup,
    rule::{self, OwnRule},
    steer::{self, Steer},
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
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    /// All sets.
    pub(super) catalogue: &'a Catalogue,
    /// Sources that follow the web service.
    pub(super) feeds: &'a [Feed],
    /// Bits of packets' marks that steering may write.
    pub(super) mark_mask: u32,
}

/// All groups, in the order of their names.
pub(super) fn groups(
    raw: BTreeMap<String, RawGroup>,
    default: Option<&Spanned<String>>,
    sources: Sources<'_>,
    problems: &mut Problems<'_>,
) -> Vec<Group> {
    if let Some(name) = default.filter(|name| !raw.contains_key(name.get_ref())) {
        let known: Vec<_> = raw.keys().map(String::as_str).collect();
        let message = format!(
            "there is no group `{}`{}; there are: {}",
            name.get_ref(),
            nearest_of(name.get_ref(), known.iter().copied()),
            known.join(", ")
        );
        problems.add(name.span(), "gateway.default-group", message);
    }
    let mut groups: Vec<Group> = Vec::new();
    for (name, raw) in raw {
        let is_default = default.is_some_and(|default| *default.get_ref() == name);
        let span = raw.span();
        if groups.len() == limits::GROUPS {
            let message = format!("there may be at most {} groups", limits::GROUPS);
            problems.add(span.clone(), &format!("group.{name}"), message);
        }
        let members = members(&name, &raw, &groups, problems);
        if raw.names_nobody() && !is_default {
            let message = "say whom it takes: `clients` (prefixes as in [\"10.20.0.0/16\"]), \
                           `interfaces`, `vlans` or `macs`; or make it the `default-group` of [gateway]";
            problems.add(span, &format!("group.{name}"), message);
        }
        let (allow, empty) = allow(&name, &raw.allow, sources, problems);
        let steer = steer::steer(&name, &raw.steer, &allow, sources, problems);
        groups.push(Group {
            members,
            is_default,
            mode: raw.mode.map(Into::into),
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

impl RawGroup {
    fn names_nobody(&self) -> bool {
        let lists = [&self.clients, &self.interfaces, &self.macs];
        lists.iter().all(|list| list.is_empty()) && self.vlans.is_empty()
    }

    /// Where something of the group stands in the text.
    fn span(&self) -> std::ops::Range<usize> {
        let lists = [&self.clients, &self.allow, &self.interfaces, &self.macs];
        let spans = lists.into_iter().flatten().map(Spanned::span);
        let vlans = self.vlans.iter().map(Spanned::span);
        let rules = self.rule.iter().map(Spanned::span);
        let all = spans.chain(vlans).chain(rules);
        all.min_by_key(|span| span.start).unwrap_or(0..0)
    }
}

fn denial(name: &str, raw: Option<&Spanned<String>>, problems: &mut Problems<'_>) -> Denial {
    let Some(raw) = raw else {
        return Denial::default();
    };
    match raw.get_ref().as_str() {
        "drop" => Denial::Drop,
        "reject" => Denial::Reject,
        other => {
            let near = nearest_of(other, ["drop", "reject"]);
            let message = format!("unknown action `{other}`{near}; there are `drop` and `reject`");
            problems.add(raw.span(), &format!("group.{name}.default"), message);
            Denial::default()
        }
    }
}

fn dns(name: &str, raw: Option<&Spanned<String>>, problems: &mut Problems<'_>) -> DnsPolicy {
    let Some(raw) = raw else {
        return DnsPolicy::default();
    };
    let text = raw.get_ref();
    let mut known = DnsPolicy::ALL.into_iter();
    known
        .find(|policy| policy.name() == text)
        .unwrap_or_else(|| {
            let near = nearest_of(text, DnsPolicy::ALL.map(DnsPolicy::name));
            let message = format!(
                "unknown DNS policy `{text}`{near}; there are `watch`, `trusted-only` and `strict`"
            );
            problems.add(raw.span(), &format!("group.{name}.dns"), message);
            DnsPolicy::default()
        })
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

fn vlans(raw: &[Spanned<u16>], key: &str, problems: &mut Problems<'_>) -> Vec<u16> {
    let mut good = Vec::new();
    for vlan in raw {
        match vlan.get_ref() {
            id @ 1..=4094 => good.push(*id),
            other => {
                let message = format!("{other} is no VLAN: they are 1 to 4094 (IEEE 802.1Q)");
                problems.add(vlan.span(), key, message);
            }
        }
    }
    good
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
        None if mac[0] & 1 == 1 => Err(format!("`{text}` is a group address, no sender has it")),
        None => Ok(mac),
    }
}

/// Keys of the selected sets, and the selectors that select nothing.
fn allow(
    name: &str,
    raw: &[Spanned<String>],
    sources: Sources<'_>,
    problems: &mut Problems<'_>,
) -> (Vec<String>, Vec<String>) {
    let Sources {
        catalogue, feeds, ..
    } = sources;
    let key = format!("group.{name}.allow");
    let mut empty = Vec::new();
    let selections = parsed(raw, &key, problems, |text| {
        let selector: Selector = text.parse().map_err(|fault| format!("{fault}"))?;
        let keys = match selector.select(catalogue) {
            Ok(sets) => sets.iter().map(|set| set.key.clone()).collect(),
            // All its words are known: it selects nothing, and so allows nothing.
            Err(SelectorError::Empty(_)) => {
                empty.push(text.to_owned());
                Vec::new()
            }
            // What the service no longer publishes must not make the config wrong.
            Err(SelectorError::Segment { .. }) if follows(feeds, selector.source()) => {
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
