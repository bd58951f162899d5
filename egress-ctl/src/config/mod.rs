//! The configuration.
//!
//! In: a TOML file. Out: a [`Config`] in which every name, prefix and selector is parsed and every
//! source has its endpoint sets; or a [`ConfigError`] that lists all that is wrong, with lines.

pub mod edit;
mod feed;
mod file;
pub mod group;
pub mod lint;
mod problem;
mod raw;
pub mod rule;
mod shape;
pub mod show;
pub mod steer;

use std::{collections::BTreeMap, fmt::Display, fs, net::IpAddr, ops::RangeInclusive, path::Path};

use egress_common::{learned::Scope, verdict::Mode};
use ipnet::IpNet;
use toml::Spanned;

pub use self::{
    group::Group,
    problem::{ConfigError, Problem},
};
use self::{
    problem::{Problems, nearest_of},
    raw::{Raw, RawDns, RawGateway, RawSource},
};
use crate::catalogue::{
    Catalogue,
    page::Page,
    set::EndpointSet,
    source::{
        SourceError,
        builtin::{self, Builtin},
        custom,
    },
};
use crate::{
    feed::{
        sha::Sha,
        standing::{Feed, Feeds},
    },
    prefix::canonical,
};

/// A configuration that was understood as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The gateway's own part.
    pub gateway: Gateway,
    /// How long DNS answers teach, and how they come.
    pub dns: Dns,
    /// The endpoint sets of all sources.
    pub catalogue: Catalogue,
    /// Sources that follow the web service.
    pub feeds: Vec<Feed>,
    /// Client groups, in the order of their names.
    pub groups: Vec<Group>,
}

/// What the gateway does, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// What becomes of verdicts.
    pub mode: Mode,
    /// Interfaces with clients behind them.
    pub lan: Vec<String>,
    /// Whether answers teach that this machine makes.
    pub own_resolver: bool,
    /// Other resolvers whose answers teach.
    pub resolvers: Vec<IpAddr>,
    /// Destinations that are never judged.
    pub internal: Vec<IpNet>,
    /// The group of clients that no other group takes.
    pub default_group: Option<String>,
    /// Whether packets to clients are counted as well.
    pub count_replies: bool,
}

/// How long DNS answers teach, and how they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Shortest time, in seconds.
    pub ttl_floor: u32,
    /// Longest time, in seconds.
    pub ttl_cap: u32,
    /// How much longer than that, in seconds.
    pub grace: u32,
    /// Whom they teach for.
    pub scope: Scope,
    /// Whether DNS over TCP goes through the proxy on this machine.
    pub tcp_proxy: bool,
    /// How long a connection of the proxy may be idle, in seconds.
    pub tcp_idle: u32,
    /// Whether what was learned before a reboot counts after it, for the rest of its time.
    pub restore: bool,
}

impl Dns {
    /// Longest cap, in seconds; an expiry must fit into its bits in the kernel's map.
    const TTL_CAP_MAX: u32 = 31_536_000;
    /// Longest grace, in seconds: more is a floor or a cap.
    const GRACE_MAX: u32 = 3600;
    /// Bounds of the time that a connection may be idle; a resolver's own is mostly half a minute.
    const TCP_IDLE: RangeInclusive<u32> = 1..=3_600;

    /// A minute, so that a connection begun late in a short TTL still passes, and a day; and as long as a
    /// connection may take from its lookup to its first packet, whatever the TTL.
    const DEFAULT: Self = Self {
        ttl_floor: 60,
        ttl_cap: 86_400,
        grace: 5,
        scope: Scope::Policy,
        tcp_proxy: true,
        tcp_idle: 30,
        restore: true,
    };
}

impl Config {
    /// Reads and checks a file; its text comes along. What the web service brought is in `feeds`.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn read(path: &Path, feeds: &Feeds) -> Result<(Self, String), ConfigError> {
        let error = |problems| ConfigError {
            path: path.to_owned(),
            problems,
        };
        let text = fs::read_to_string(path).map_err(|fault| {
            let message = format!("cannot be read: {fault}");
            let key = String::new();
            let line = 1;
            error(vec![Problem { line, key, message }])
        })?;
        let config = Self::parse_with(&text, feeds).map_err(error)?;
        Ok((config, text))
    }

    /// Checks the text of a file; sources that follow the web service have what egress brings along.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        Self::parse_with(text, &Feeds::Base)
    }

    /// Checks the text of a file.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse_with(text: &str, feeds: &Feeds) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::new(text);
        let Some(raw) = shape::read(text, &mut problems) else {
            return Err(problems.found());
        };
        let Raw {
            gateway,
            dns,
            source,
            group,
        } = raw;
        let (catalogue, feeds) = catalogue(source, feeds, &mut problems);
        let default_group = gateway.default_group.as_ref();
        let sources = group::Sources {
            catalogue: &catalogue,
            feeds: &feeds,
            mark_mask: mark_mask(&gateway, &mut problems),
        };
        let groups = group::groups(group, default_group, sources, &mut problems);
        let config = Self {
            gateway: self::gateway(gateway, &mut problems),
            dns: self::dns(dns, &mut problems),
            groups,
            catalogue,
            feeds,
        };
        problems.into_result(config)
    }
}

impl Config {
    /// Editions of feeds that hold; of a feed that is not named what egress brings along does.
    pub fn editions(&self) -> BTreeMap<String, Sha> {
        let feeds = self.feeds.iter();
        let held =
            feeds.filter_map(|feed| Some((feed.settings.source.clone(), feed.blob.clone()?)));
        held.collect()
    }
}

fn gateway(raw: RawGateway, problems: &mut Problems<'_>) -> Gateway {
    let RawGateway {
        mode,
        lan,
        resolvers,
        internal,
        default_group,
        mark_mask: _,
        count_replies,
    } = raw;
    if lan.get_ref().is_empty() {
        let message = "name at least one interface with clients behind it, as in [\"eth1\"]";
        problems.add(lan.span(), "gateway.lan", message);
    }
    let lan = lan.into_inner();
    for name in &lan {
        let text = name.get_ref();
        if let Err(message) = interface(text) {
            problems.add(name.span(), "gateway.lan", message);
        }
    }
    let (own, others): (Vec<_>, Vec<_>) = resolvers.iter().partition(|r| r.get_ref() == "gateway");
    Gateway {
        mode: mode.into(),
        lan: lan.into_iter().map(Spanned::into_inner).collect(),
        own_resolver: !own.is_empty(),
        resolvers: parsed(others, "gateway.resolvers", problems, |text| {
            let addr = text.parse::<IpAddr>().map_err(|_| {
                format!("`{text}` is neither `gateway` nor an address such as 10.0.0.53")
            })?;
            Ok::<_, String>(addr.to_canonical())
        }),
        internal: parsed(&internal, "gateway.internal", problems, prefix),
        default_group: default_group.map(Spanned::into_inner),
        count_replies: count_replies.unwrap_or(true),
    }
}

/// Bits of packets' marks that steering may write.
fn mark_mask(raw: &RawGateway, problems: &mut Problems<'_>) -> u32 {
    let Some(mask) = &raw.mark_mask else {
        return u32::MAX;
    };
    if *mask.get_ref() == 0 {
        let message = "a mask without bits leaves nothing to steer by: write 0xff, or leave it out";
        problems.add(mask.span(), "gateway.mark-mask", message);
    }
    *mask.get_ref()
}

fn dns(raw: RawDns, problems: &mut Problems<'_>) -> Dns {
    let RawDns {
        ttl_floor,
        ttl_cap,
        grace,
        scope,
        tcp_proxy,
        tcp_idle,
        restore,
    } = raw;
    let value =
        |given: &Option<Spanned<u32>>, default| given.as_ref().map_or(default, |v| *v.get_ref());
    let dns = Dns {
        ttl_floor: value(&ttl_floor, Dns::DEFAULT.ttl_floor),
        ttl_cap: value(&ttl_cap, Dns::DEFAULT.ttl_cap),
        grace: value(&grace, Dns::DEFAULT.grace),
        scope: scope.map_or(Dns::DEFAULT.scope, |scope| self::scope(&scope, problems)),
        tcp_proxy: tcp_proxy.unwrap_or(Dns::DEFAULT.tcp_proxy),
        tcp_idle: value(&tcp_idle, Dns::DEFAULT.tcp_idle),
        restore: restore.unwrap_or(Dns::DEFAULT.restore),
    };
    if let Some(grace) = grace.filter(|grace| *grace.get_ref() > Dns::GRACE_MAX) {
        let message = format!("at most an hour, {} s", Dns::GRACE_MAX);
        problems.add(grace.span(), "dns.grace", message);
    }
    if let Some(idle) = tcp_idle
        .as_ref()
        .filter(|idle| !Dns::TCP_IDLE.contains(idle.get_ref()))
    {
        let (least, most) = (Dns::TCP_IDLE.start(), Dns::TCP_IDLE.end());
        let message = format!("between {least} and {most} s");
        problems.add(idle.span(), "dns.tcp-idle", message);
    }
    if let Some(cap) = ttl_cap
        .as_ref()
        .filter(|cap| *cap.get_ref() > Dns::TTL_CAP_MAX)
    {
        let message = format!("at most a year, {} s", Dns::TTL_CAP_MAX);
        problems.add(cap.span(), "dns.ttl-cap", message);
    }
    if dns.ttl_floor > dns.ttl_cap {
        let span = ttl_floor.or(ttl_cap).map_or(0..0, |v| v.span());
        let message = format!(
            "the floor of {} s is above the cap (`ttl-cap`) of {} s",
            dns.ttl_floor, dns.ttl_cap
        );
        problems.add(span, "dns.ttl-floor", message);
    }
    dns
}

fn scope(raw: &Spanned<String>, problems: &mut Problems<'_>) -> Scope {
    let text = raw.get_ref();
    let mut known = Scope::ALL.into_iter();
    known.find(|scope| scope.name() == text).unwrap_or_else(|| {
        let near = nearest_of(text, Scope::ALL.map(Scope::name));
        let message = format!("unknown scope `{text}`{near}; there are `policy` and `client`");
        problems.add(raw.span(), "dns.scope", message);
        Scope::default()
    })
}

/// The endpoint sets of all sources; a source with problems has none.
fn catalogue(
    raw: BTreeMap<String, RawSource>,
    feeds: &Feeds,
    problems: &mut Problems<'_>,
) -> (Catalogue, Vec<Feed>) {
    let mut catalogue = Catalogue::default();
    let mut followed = Vec::new();
    for (name, source) in raw {
        let key = format!("source.{name}");
        let span = source.kind.span();
        let page = if source.kind.get_ref() == "web-service" {
            file::refuse_keys(&name, &source, problems);
            let (page, feed) = feed::page(&name, &source, feeds, problems);
            followed.extend(feed);
            page
        } else {
            feed::refuse_keys(&name, &source, problems);
            page(&name, source, problems)
        };
        if let Err(fault) = catalogue.add_page(&name, page) {
            problems.add(span, &key, fault);
        }
    }
    (catalogue, followed)
}

fn page(name: &str, raw: RawSource, problems: &mut Problems<'_>) -> Page {
    if raw.kind.get_ref() == "file" {
        return file::page(name, &raw, problems);
    }
    file::refuse_keys(name, &raw, problems);
    let mut page = known_page(name, &raw, problems);
    file::add_ports(name, &raw, &mut page, problems);
    page
}

fn known_page(name: &str, raw: &RawSource, problems: &mut Problems<'_>) -> Page {
    let RawSource { kind, set, .. } = raw;
    let key = format!("source.{name}.kind");
    match kind.get_ref().as_str() {
        "builtin" => {
            if let Some(set) = set.first() {
                let message = "a built-in source has no sets of its own; use kind = \"custom\"";
                problems.add(set.span(), &format!("source.{name}.set"), message);
            }
            let Some(builtin) = Builtin::named(name) else {
                let known = Builtin::ALL.map(Builtin::name).join(", ");
                let near = nearest_of(name, Builtin::ALL.map(Builtin::name));
                let message =
                    format!("there is no built-in source `{name}`{near}; there are {known}");
                problems.add(kind.span(), &key, message);
                return Page::default();
            };
            builtin::page(builtin, name).unwrap_or_else(|fault| {
                problems.add(kind.span(), &key, fault);
                Page::default()
            })
        }
        "custom" => Page {
            sets: custom_sets(name, set, problems),
            ..Page::default()
        },
        other => {
            let known = ["builtin", "custom", "file", "web-service"];
            let near = nearest_of(other, known);
            let message = format!(
                "unknown kind `{other}`{near}; there are builtin, custom, file and web-service"
            );
            problems.add(kind.span(), &key, message);
            Page::default()
        }
    }
}

fn custom_sets(
    name: &str,
    raw: &[Spanned<custom::CustomSet>],
    problems: &mut Problems<'_>,
) -> Vec<EndpointSet> {
    let mut good = Vec::new();
    for set in raw {
        let span = set.span();
        // One at a time, so that each set's problem is reported.
        match custom::sets(vec![set.get_ref().clone()], name) {
            Ok(_) => good.push(set.get_ref().clone()),
            Err(SourceError::Set(fault)) => {
                let key = format!("source.{name}.set.{}", fault.field);
                problems.add_in_table(span, &fault.value, &key, &fault);
            }
            Err(fault) => problems.add(span, &format!("source.{name}.set"), fault),
        }
    }
    custom::sets(good, name).unwrap_or_default()
}

/// A name that an interface can have.
fn interface(text: &str) -> Result<String, String> {
    // IFNAMSIZ (linux/if.h) leaves 15 bytes.
    if text.is_empty() || text.len() > 15 || text.contains(['/', ' ']) {
        return Err(format!("`{text}` is no interface name: 1 to 15 bytes"));
    }
    Ok(text.to_owned())
}

/// Whether the source follows the web service.
fn follows(feeds: &[Feed], source: &str) -> bool {
    let named = |feed: &Feed| feed.settings.source.eq_ignore_ascii_case(source);
    feeds.iter().any(named)
}

/// A prefix without host bits, or an address.
fn prefix(text: &str) -> Result<IpNet, String> {
    if let Ok(addr) = text.parse::<IpAddr>() {
        return Ok(addr.to_canonical().into());
    }
    let net: IpNet = text
        .parse()
        .map_err(|_| format!("`{text}` is no prefix: write 10.20.0.0/16 or fd00:20::/64"))?;
    if net != net.trunc() {
        return Err(format!(
            "`{text}` has bits behind its length: write {}",
            net.trunc()
        ));
    }
    Ok(canonical(net))
}

/// All items that parse; the others are problems.
fn parsed<'a, T, E: Display>(
    raw: impl IntoIterator<Item = &'a Spanned<String>>,
    key: &str,
    problems: &mut Problems<'_>,
    mut parse: impl FnMut(&str) -> Result<T, E>,
) -> Vec<T> {
    let mut good = Vec::new();
    for item in raw {
        match parse(item.get_ref()) {
            Ok(value) => good.push(value),
            Err(fault) => problems.add(item.span(), key, fault),
        }
    }
    good
}

#[cfg(test)]
mod tests;
