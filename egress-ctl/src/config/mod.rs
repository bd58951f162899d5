//! The configuration.
//!
//! In: a TOML file. Out: a [`Config`] in which every name, prefix and selector is parsed and every
//! source has its endpoint sets; or a [`ConfigError`] that lists all that is wrong, with lines.

pub mod edit;
mod feed;
mod file;
pub mod forward;
pub mod group;
mod kind;
pub mod lint;
mod listen;
mod lookup;
mod metrics;
mod problem;
mod raw;
pub mod rule;
mod shape;
pub mod show;
mod source;
pub mod steer;
pub mod ui;
mod valid;

use std::{
    collections::BTreeMap,
    fmt::Display,
    fs,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    path::Path,
};

use egress_common::{learned::Scope, verdict::Mode};
use ipnet::IpNet;
use toml::Spanned;

use self::{
    forward::FastPath,
    problem::Problems,
    raw::{Raw, RawDns, RawGateway},
    ui::Ui,
    valid::is_nearest,
};
pub use self::{
    group::Group,
    lookup::Lookup,
    problem::{ConfigError, Problem},
};
use crate::{
    catalogue::Catalogue,
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
    /// Where metrics are served; nowhere where the config does not say so.
    pub metrics: Option<SocketAddr>,
    /// How the page is served; not at all where the config does not say where.
    pub ui: Option<Ui>,
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
    /// How destinations are looked up.
    pub lookup: Lookup,
    /// Pairs of interfaces between which allowed packets leave past the stack.
    pub fast_paths: Vec<FastPath>,
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
            metrics,
            ui,
            source,
            group,
        } = raw;
        let (catalogue, feeds) = source::catalogue(source, feeds, &mut problems);
        let raw = raw_gateway(gateway, &mut problems);
        let sources = group::Sources {
            catalogue: &catalogue,
            feeds: &feeds,
            faults: source::faults(&problems),
            mark_mask: mark_mask(raw.mark_mask.as_ref(), &mut problems),
        };
        let default_group = raw.default_group.as_ref();
        let groups = group::groups(group, default_group, &sources, &mut problems);
        let metrics = metrics::listen(&metrics, &mut problems);
        let config = Self {
            gateway: self::gateway(raw, &mut problems),
            dns: self::dns(dns, &mut problems),
            metrics,
            ui: ui::ui(&ui, metrics, &mut problems),
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

/// The table of the gateway, with what it must hold.
fn raw_gateway(raw: Option<Spanned<RawGateway>>, problems: &mut Problems<'_>) -> RawGateway {
    let Some(raw) = raw else {
        if !problems.excuses("gateway") {
            let message = "is missing: write [gateway], and in it `mode` and `lan`";
            problems.add(0..0, "gateway", message);
        }
        return RawGateway::default();
    };
    let span = raw.span();
    let raw = raw.into_inner();
    let needed = [
        (
            "gateway.mode",
            raw.mode.is_some(),
            "write mode = \"audit\", \"enforce\" or \"off\"",
        ),
        (
            "gateway.lan",
            raw.lan.is_some(),
            "name the interfaces with clients behind them, as in lan = [\"eth1\"]",
        ),
    ];
    for (key, is_there, what) in needed {
        if !is_there && !problems.excuses(key) {
            problems.add(span.clone(), key, format!("is missing: {what}"));
        }
    }
    raw
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
        lookup,
        fast_path,
    } = raw;
    let mode = mode.and_then(|mode| self::mode(&mode, "gateway.mode", problems));
    if let Some(lan) = lan.as_ref().filter(|lan| lan.get_ref().is_empty())
        && !problems.excuses("gateway.lan")
    {
        let message = "name at least one interface with clients behind it, as in [\"eth1\"]";
        problems.add(lan.span(), "gateway.lan", message);
    }
    let lan = lan.map_or_else(Vec::new, Spanned::into_inner);
    for name in &lan {
        let text = name.get_ref();
        if let Err(message) = interface(text) {
            problems.add(name.span(), "gateway.lan", message);
        }
    }
    let lan: Vec<_> = lan.into_iter().map(Spanned::into_inner).collect();
    let fast_paths = forward::fast_paths(fast_path, &lan, problems);
    let (own, others): (Vec<_>, Vec<_>) = resolvers.iter().partition(|r| r.get_ref() == "gateway");
    Gateway {
        // Without one there is a problem, and no config.
        mode: mode.unwrap_or(Mode::Enforce),
        lan,
        own_resolver: !own.is_empty(),
        resolvers: parsed(others, "gateway.resolvers", problems, |text| {
            let addr = text.parse::<IpAddr>().map_err(|_| {
                let is_word = !text.contains(|c: char| c.is_ascii_digit() || c == ':');
                let near = if is_word {
                    is_nearest("gateway")
                } else {
                    String::new()
                };
                format!("`{text}` is neither `gateway` nor an address such as 10.0.0.53{near}")
            })?;
            Ok::<_, String>(addr.to_canonical())
        }),
        internal: parsed(&internal, "gateway.internal", problems, prefix),
        default_group: default_group.map(Spanned::into_inner),
        count_replies: count_replies.unwrap_or(true),
        lookup: lookup::lookup(lookup.as_ref(), problems),
        fast_paths,
    }
}

/// What becomes of verdicts, by its word.
fn mode(raw: &Spanned<String>, key: &str, problems: &mut Problems<'_>) -> Option<Mode> {
    const MODES: [Mode; 3] = [Mode::Audit, Mode::Enforce, Mode::Off];
    let found = MODES.into_iter().find(|mode| mode.name() == raw.get_ref());
    if found.is_none() {
        problems.unknown(raw, key, "mode", &MODES.map(Mode::name));
    }
    found
}

/// Bits of packets' marks that steering may write.
fn mark_mask(raw: Option<&Spanned<i64>>, problems: &mut Problems<'_>) -> u32 {
    let Some(raw) = raw else {
        return u32::MAX;
    };
    match u32::try_from(*raw.get_ref()) {
        Ok(mask) if mask != 0 => return mask,
        Ok(_) => {
            let why =
                "a mask without bits leaves nothing to steer by; without this line all are there";
            problems.beyond(raw.span(), "gateway.mark-mask", "0x1", why);
        }
        Err(_) => {
            let nearest = if *raw.get_ref() < 0 {
                "0x1"
            } else {
                "0xffffffff"
            };
            problems.beyond(
                raw.span(),
                "gateway.mark-mask",
                nearest,
                "marks have 32 bits",
            );
        }
    }
    u32::MAX
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
    let mut seconds = |key: &str, raw: &Option<Spanned<i64>>, bounds, default: u32| match raw {
        Some(raw) => problems.number(raw, &format!("dns.{key}"), &bounds, " s"),
        None => Some(default),
    };
    let ttls = 0..=Dns::TTL_CAP_MAX;
    let (floor, cap) = (
        seconds(
            "ttl-floor",
            &ttl_floor,
            ttls.clone(),
            Dns::DEFAULT.ttl_floor,
        ),
        seconds("ttl-cap", &ttl_cap, ttls, Dns::DEFAULT.ttl_cap),
    );
    let grace = seconds("grace", &grace, 0..=Dns::GRACE_MAX, Dns::DEFAULT.grace);
    let idle = seconds("tcp-idle", &tcp_idle, Dns::TCP_IDLE, Dns::DEFAULT.tcp_idle);
    if let (Some(floor), Some(cap)) = (floor, cap)
        && floor > cap
    {
        match (&ttl_floor, &ttl_cap) {
            (Some(raw), _) => {
                let why = format!("the cap (`ttl-cap`) is {cap} s");
                problems.beyond(raw.span(), "dns.ttl-floor", cap, why);
            }
            (None, raw) => {
                let span = raw.as_ref().map_or(0..0, Spanned::span);
                let why = format!("the floor (`ttl-floor`) is {floor} s without a line of its own");
                problems.beyond(span, "dns.ttl-cap", floor, why);
            }
        }
    }
    Dns {
        ttl_floor: floor.unwrap_or(Dns::DEFAULT.ttl_floor),
        ttl_cap: cap.unwrap_or(Dns::DEFAULT.ttl_cap),
        grace: grace.unwrap_or(Dns::DEFAULT.grace),
        scope: scope.map_or(Dns::DEFAULT.scope, |scope| self::scope(&scope, problems)),
        tcp_proxy: tcp_proxy.unwrap_or(Dns::DEFAULT.tcp_proxy),
        tcp_idle: idle.unwrap_or(Dns::DEFAULT.tcp_idle),
        restore: restore.unwrap_or(Dns::DEFAULT.restore),
    }
}

fn scope(raw: &Spanned<String>, problems: &mut Problems<'_>) -> Scope {
    let mut known = Scope::ALL.into_iter();
    let found = known.find(|scope| scope.name() == raw.get_ref());
    if found.is_none() {
        problems.unknown(raw, "dns.scope", "scope", &Scope::ALL.map(Scope::name));
    }
    found.unwrap_or_default()
}

/// A name that an interface can have.
fn interface(text: &str) -> Result<String, String> {
    // IFNAMSIZ (linux/if.h) leaves 15 bytes.
    if text.is_empty() || text.len() > 15 || text.contains(['/', ' ']) {
        let good = text.chars().filter(|c| c.is_ascii() && !"/ ".contains(*c));
        let good: String = good.take(15).collect();
        let near = if good.is_empty() {
            String::new()
        } else {
            is_nearest(good)
        };
        return Err(format!(
            "`{text}` is no interface name{near}: 1 to 15 bytes without `/` and blanks"
        ));
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
    let net: IpNet = text.parse().map_err(|_| {
        let near = longest(text).map(is_nearest).unwrap_or_default();
        format!("`{text}` is no prefix{near}: write 10.20.0.0/16 or fd00:20::/64")
    })?;
    if net != net.trunc() {
        let near = is_nearest(net.trunc());
        return Err(format!("`{text}` has bits behind its length{near}"));
    }
    Ok(canonical(net))
}

/// The prefix that is meant where an address stands before a length that is too long.
fn longest(text: &str) -> Option<IpNet> {
    let (addr, length) = text.split_once('/')?;
    length.parse::<u32>().ok()?;
    addr.parse::<IpAddr>().ok().map(IpNet::from)
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
