//! `egress-ctl check`: what the policy in force says of a destination.

use std::{collections::BTreeMap, fmt::Write as _, net::IpAddr, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use egress_common::{
    flow::{Addr, Flow, proto},
    judge::{Tables as _, judge},
    learned::Slot,
    pattern::NamePattern,
    rule::{GroupPolicy, Match},
    verdict::{Mode, NO_SET, Reason, Verdict},
};
use jiff::Zoned;
use serde::Serialize;

use super::{
    force::Force,
    output::{print, print_json},
};
use crate::{
    catalogue::{demand::Demand, set::EndpointSet},
    config::Config,
    daemon::{self, Places},
    dataplane::{boot_ms, maps::Pinned},
    feed::standing::Feeds,
    policy::{
        compile::{Circumstances, compile},
        generation::Generation,
        ids::Ids,
        tables::{HostTables, longest},
    },
};

/// Tell which endpoint sets a destination belongs to, and what would become of a packet.
#[derive(Args)]
pub struct Check {
    /// An IPv4 or IPv6 address, or a host name.
    target: String,
    /// Destination port.
    #[arg(long, default_value_t = 443, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Protocol.
    #[arg(long, value_enum, default_value_t = Proto::Tcp)]
    proto: Proto,
    /// Judge a packet of this client; without it, one of each group.
    #[arg(long, value_name = "ADDRESS")]
    client: Option<IpAddr>,
    /// Judge by this config on this machine rather than by the generation in force; nothing is learned then.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// A protocol with ports.
#[derive(Clone, Copy, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Proto {
    Tcp,
    Udp,
}

impl Proto {
    fn number(self) -> u8 {
        match self {
            Self::Tcp => proto::TCP,
            Self::Udp => proto::UDP,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    schema: &'static str,
    target: String,
    kind: &'static str,
    port: u16,
    proto: Proto,
    /// None where a config file was asked.
    generation: Option<u64>,
    mode: &'static str,
    sets: Vec<Covering>,
    taught: Vec<Teaching>,
    verdicts: Vec<GroupVerdict>,
}

/// An endpoint set that some group may reach, and by what it covers the target.
#[derive(Serialize)]
struct Covering {
    set: String,
    via: String,
    #[serde(rename = "tcpPorts")]
    tcp_ports: String,
    #[serde(rename = "udpPorts")]
    udp_ports: String,
    groups: Vec<String>,
    required: bool,
    /// What the document asks of the network for this target.
    demands: Vec<String>,
}

/// A pattern that taught the address.
#[derive(Serialize)]
struct Teaching {
    pattern: String,
    /// Negative once it has expired.
    seconds_left: i64,
}

#[derive(Serialize)]
struct GroupVerdict {
    group: Option<String>,
    client: Option<IpAddr>,
    verdict: &'static str,
    reason: &'static str,
    set: Option<String>,
}

/// What is asked about, and by what it is judged.
struct Question<'a> {
    config: &'a Config,
    tables: HostTables<'a>,
    ids: &'a Ids,
    check: &'a Check,
}

impl Check {
    /// Runs the command.
    ///
    /// # Errors
    /// Nothing is loaded and no config is named, or the target is neither address nor name.
    pub fn run(self, places: &Places) -> Result<()> {
        let report = match &self.config {
            Some(path) => self.by_config(path, places)?,
            None => self.in_force(places)?,
        };
        if self.json {
            return print_json(&report);
        }
        print(&report.text())
    }

    fn by_config(&self, path: &std::path::Path, places: &Places) -> Result<Report> {
        let feeds = Feeds::approved(&places.state_dir, BTreeMap::new());
        let (config, _) = Config::read(path, &feeds)?;
        let mut ids = Ids::default();
        let circumstances = Circumstances {
            own: &daemon::own_addresses()?,
            today: Zoned::now().date(),
        };
        let generation = compile(&config, circumstances, &mut ids)?;
        let tables = HostTables::new(&generation);
        self.ask(None, &config, tables, &ids)
    }

    fn in_force(&self, places: &Places) -> Result<Report> {
        let force = Force::read(places)?;
        let mut tables = HostTables::new(&force.generation);
        tables.now_ms = boot_ms();
        if let Some(addr) = self.address() {
            let addr = Addr::from(addr);
            let pinned = Pinned(&places.pin_dir);
            if let Ok(learned) = pinned.learned()?.get(&addr, 0) {
                tables.learned.insert(addr, learned);
            }
            if let Ok(until) = pinned.refused()?.get(&addr, 0) {
                tables.refused.insert(addr, until);
            }
        }
        let number = force.snapshot.number;
        self.ask(Some(number), &force.config, tables, &force.snapshot.ids)
    }

    /// The target as an address; an IPv4-mapped one is the IPv4 address that it means.
    fn address(&self) -> Option<IpAddr> {
        let addr = self.target.parse::<IpAddr>().ok()?;
        Some(addr.to_canonical())
    }

    fn ask(
        &self,
        generation: Option<u64>,
        config: &Config,
        tables: HostTables<'_>,
        ids: &Ids,
    ) -> Result<Report> {
        let question = Question {
            config,
            tables,
            ids,
            check: self,
        };
        let (kind, sets, taught, verdicts) = match self.address() {
            Some(addr) => (
                "address",
                question.covering(|set| prefix_of(set, addr)),
                question.teachings(addr),
                question.address_verdicts(addr)?,
            ),
            None => {
                check_name(&self.target)?;
                (
                    "name",
                    question.covering(|set| pattern_of(set, &self.target)),
                    Vec::new(),
                    question.name_verdicts()?,
                )
            }
        };
        Ok(Report {
            schema: "egress.check/1",
            target: self.target.clone(),
            kind,
            port: self.port,
            proto: self.proto,
            generation,
            mode: config.gateway.mode.name(),
            sets,
            taught,
            verdicts,
        })
    }
}

fn check_name(target: &str) -> Result<()> {
    let pattern: NamePattern = target
        .parse()
        .with_context(|| format!("`{target}` is neither an address nor a host name"))?;
    if !matches!(pattern, NamePattern::Exact(_)) {
        bail!("`{target}` is a pattern: ask for one name, such as `www.example.org`");
    }
    Ok(())
}

/// The set's longest prefix that contains the address.
fn prefix_of(set: &EndpointSet, addr: IpAddr) -> Option<String> {
    let (prefix, ()) = longest(set.ips.iter().map(|prefix| (prefix, &())), addr)?;
    Some(prefix.to_string())
}

/// The set's first pattern that matches the name.
fn pattern_of(set: &EndpointSet, name: &str) -> Option<String> {
    let pattern = set.urls.iter().find(|pattern| pattern.matches(name))?;
    Some(pattern.to_string())
}

impl Question<'_> {
    fn generation(&self) -> &Generation {
        self.tables.generation
    }

    /// Sets that some group may reach and for which `via` finds something.
    fn covering(&self, via: impl Fn(&EndpointSet) -> Option<String>) -> Vec<Covering> {
        let groups = |set: &EndpointSet| -> Vec<String> {
            let may = self
                .config
                .groups
                .iter()
                .filter(|group| group.allow.contains(&set.key));
            may.map(|group| group.name.clone()).collect()
        };
        self.config
            .catalogue
            .sets()
            .iter()
            .filter_map(|set| {
                let groups = groups(set);
                let via = via(set).filter(|_| !groups.is_empty())?;
                Some(Covering {
                    set: set.key.clone(),
                    via,
                    tcp_ports: set.tcp_ports.to_string(),
                    udp_ports: set.udp_ports.to_string(),
                    groups,
                    required: set.required,
                    demands: self.demands(set),
                })
            })
            .collect()
    }

    /// Demands of the set for the target; of an address only those that hold for all names.
    fn demands(&self, set: &EndpointSet) -> Vec<String> {
        let target = &self.check.target;
        let meant = |demand: &&Demand| {
            let mut names = demand.names.iter().filter_map(|name| name.parse().ok());
            demand.names.is_empty() || names.any(|name: NamePattern| name.matches(target))
        };
        let meant = set.demands.iter().filter(meant);
        meant.map(ToString::to_string).collect()
    }

    fn teachings(&self, addr: IpAddr) -> Vec<Teaching> {
        let Some(learned) = self.tables.learned.get(&addr.into()) else {
            return Vec::new();
        };
        let slots = learned
            .slots
            .iter()
            .filter_map(|word| Slot::from_word(*word));
        slots
            .map(|slot| Teaching {
                pattern: self
                    .ids
                    .pattern_named(slot.pattern)
                    .unwrap_or("unknown")
                    .to_owned(),
                seconds_left: (slot.expires_ms as i64 - self.tables.now_ms as i64) / 1000,
            })
            .collect()
    }

    /// A client of each group that is asked about, and the group's name.
    fn clients(&self) -> Result<Vec<(Option<String>, IpAddr)>> {
        if let Some(client) = self.check.client.map(|client| client.to_canonical()) {
            let number = self.group_of(client);
            let group = number.and_then(|number| self.generation().groups.get(number as usize));
            return Ok(vec![(group.map(|group| group.name.clone()), client)]);
        }
        let groups = self.config.groups.iter();
        let first =
            groups.filter_map(|g| Some((Some(g.name.clone()), g.members.clients.first()?.addr())));
        let all: Vec<_> = first.collect();
        if all.is_empty() {
            bail!("the config has no groups, so nobody may reach anything");
        }
        Ok(all)
    }

    fn address_verdicts(&self, addr: IpAddr) -> Result<Vec<GroupVerdict>> {
        let judged = self.clients()?.into_iter().map(|(group, client)| {
            let flow = Flow {
                dst_port: self.check.port,
                proto: self.check.proto.number(),
                // What is asked about is a new connection.
                opens: true,
                ..Flow::between(client.into(), addr.into())
            };
            self.told(group, judge(&flow, &self.tables))
        });
        Ok(judged.collect())
    }

    /// What becomes of a packet to an address that an answer for the name gave.
    fn name_verdicts(&self) -> Result<Vec<GroupVerdict>> {
        let pattern = self.generation().pattern_of(&self.check.target);
        let judged = self.clients()?.into_iter().map(|(group, client)| {
            let verdict = match (self.group_of(client), pattern) {
                (None, _) => Verdict::because(Reason::NoGroup),
                (_, None) => Verdict::because(Reason::NameNotAllowed),
                (Some(number), Some(pattern)) => self.by_ruleset(pattern.ruleset, number),
            };
            self.told(group, verdict)
        });
        Ok(judged.collect())
    }

    /// Number of the group of an address, wherever groups are told apart by their addresses alone.
    fn group_of(&self, client: IpAddr) -> Option<u32> {
        let client = client.into();
        self.tables.group(&Flow::between(client, client))
    }

    fn by_ruleset(&self, ruleset: u32, group: u32) -> Verdict {
        let Some(ruleset) = self.generation().rulesets.get(ruleset as usize) else {
            return Verdict::because(Reason::NoPolicy);
        };
        let (proto, port) = (self.check.proto.number(), self.check.port);
        match ruleset.decide(proto, port, group) {
            Match::Set(set) => Verdict::by(Reason::Learned, set),
            Match::Denied(rule) => Verdict::by(Reason::Denied, rule),
            Match::Not(misses) => Verdict::because(misses.nearest()),
        }
    }

    fn told(&self, group: Option<String>, verdict: Verdict) -> GroupVerdict {
        let set = (verdict.set != NO_SET).then(|| self.ids.set_named(verdict.set));
        let numbered = group.as_ref().and_then(|name| {
            let mut groups = self.generation().groups.iter();
            groups.find(|group| group.name == *name)
        });
        let policy = numbered.map_or(GroupPolicy::NONE, |group| group.policy);
        let mode = match numbered {
            Some(_) => policy.mode,
            None => self.config.gateway.mode,
        };
        GroupVerdict {
            group,
            client: self.check.client,
            verdict: match mode {
                Mode::Off => "allow",
                _ => mode.action(verdict.reason, policy.denial).name(),
            },
            reason: verdict.reason.name(),
            set: set.flatten().map(str::to_owned),
        }
    }
}

impl Report {
    fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |line: String| {
            // Writing into a string cannot fail.
            let _: std::fmt::Result = writeln!(text, "{line}");
        };
        let Self { target, port, .. } = self;
        let by = match self.generation {
            Some(number) => format!("generation {number}"),
            None => "the config file".to_owned(),
        };
        line(format!(
            "{target} {}/{port}, by {by}, mode {}",
            self.proto.name(),
            self.mode
        ));
        if self.sets.is_empty() {
            line(format!(
                "  no selected endpoint set covers this {}",
                self.kind
            ));
        }
        for Covering {
            set,
            via,
            tcp_ports,
            udp_ports,
            groups,
            required,
            demands,
        } in &self.sets
        {
            let ports = [("tcp", tcp_ports), ("udp", udp_ports)];
            let ports: Vec<_> = ports
                .iter()
                .filter(|(_, ports)| !ports.is_empty())
                .map(|(proto, ports)| format!("{proto} {ports}"))
                .collect();
            line(format!(
                "  in {set} through {via}: {}, {}, for {}",
                ports.join(", "),
                if *required { "required" } else { "optional" },
                groups.join(", ")
            ));
            for demand in demands {
                line(format!("    {demand}"));
            }
        }
        for Teaching {
            pattern,
            seconds_left,
        } in &self.taught
        {
            let left = match *seconds_left {
                left if left > 0 => format!("{left} s left"),
                left => format!("expired {} s ago", -left),
            };
            line(format!("  taught by {pattern}, {left}"));
        }
        for GroupVerdict {
            group,
            client,
            verdict,
            reason,
            set,
        } in &self.verdicts
        {
            let who = match (group, client) {
                (Some(group), Some(client)) => format!("{client} of group {group}"),
                (Some(group), None) => format!("group {group}"),
                (None, Some(client)) => format!("{client}, which is in no group"),
                (None, None) => "nobody".to_owned(),
            };
            let set = set
                .as_ref()
                .map(|set| format!(", {set}"))
                .unwrap_or_default();
            let note = match (self.kind, *reason) {
                ("name", "learned") => {
                    " once a DNS answer from a trusted resolver gave the address"
                }
                _ => "",
            };
            line(format!("  {who}: {verdict} ({reason}{set}){note}"));
        }
        text
    }
}
