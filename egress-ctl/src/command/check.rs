//! `egress-ctl check`: what the policy in force says of a destination.

use std::{collections::BTreeMap, fmt::Write as _, net::IpAddr, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use egress_common::{
    flow::{Addr, proto},
    judge::Tables as _,
    pattern::NamePattern,
};
use ipnet::IpNet;
use jiff::Zoned;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    force::Force,
    output::{print, print_json},
};
use crate::{
    catalogue::{demand::Demand, set::EndpointSet},
    config::Config,
    daemon::{self, Places},
    dataplane::maps::Pinned,
    explain::{
        cover,
        ground::{Ground, Judged, Subject, judged},
        question::{Destination, Protocol, Question, Target},
        taught::{Teaching, teachings},
    },
    feed::standing::Feeds,
    policy::{
        compile::{Circumstances, compile},
        ids::Ids,
        tables::HostTables,
    },
    schema::Kind,
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
#[derive(Clone, Copy, JsonSchema, Serialize, ValueEnum)]
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

/// Of what `--json` prints.
pub(super) const KIND: Kind = Kind::of::<Report>("egress.check/1", "egress-ctl check --json");

/// What `--json` prints.
#[derive(JsonSchema, Serialize)]
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
#[derive(JsonSchema, Serialize)]
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

#[derive(JsonSchema, Serialize)]
struct GroupVerdict {
    group: Option<String>,
    client: Option<IpAddr>,
    verdict: &'static str,
    reason: &'static str,
    set: Option<String>,
}

/// What is asked about, and by what it is judged.
struct Asked<'a> {
    ground: Ground<'a>,
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
        let (config, text) = Config::read(path, &feeds)?;
        let mut ids = Ids::default();
        let circumstances = Circumstances {
            own: &daemon::own_addresses()?,
            today: Zoned::now().date(),
        };
        let generation = compile(&config, circumstances, &mut ids)?;
        let ground = Ground {
            text: &text,
            config: &config,
            feeds: &feeds,
            circumstances,
            ids: &ids,
            tables: HostTables::new(&generation),
        };
        self.ask(None, ground)
    }

    fn in_force(&self, places: &Places) -> Result<Report> {
        let force = Force::read(places)?;
        let mut ground = force.ground();
        if let Some(addr) = self.address() {
            ground.learn(Pinned(&places.pin_dir), addr, self.client, None)?;
        }
        self.ask(Some(force.snapshot.number), ground)
    }

    /// The target as an address; an IPv4-mapped one is the IPv4 address that it means.
    fn address(&self) -> Option<IpAddr> {
        let addr = self.target.parse::<IpAddr>().ok()?;
        Some(addr.to_canonical())
    }

    /// The first packet of a connection that a client begins.
    fn question(&self, client: IpAddr, subject: &Subject) -> Question {
        Question {
            client,
            destination: Destination {
                target: match subject {
                    Subject::Address(addr) => Target::Address(*addr),
                    Subject::Name(name) => Target::Name(name.clone()),
                },
                port: Some(self.port),
                protocol: Protocol::Number(self.proto.number()),
            },
            query: None,
            interface: 0,
            vlan: 0,
            mac: [0; 6],
        }
    }

    fn ask(&self, generation: Option<u64>, ground: Ground<'_>) -> Result<Report> {
        let mode = ground.config.gateway.mode.name();
        let question = Asked {
            ground,
            check: self,
        };
        let (kind, sets, taught, verdicts) = match self.address() {
            Some(addr) => (
                "address",
                question.covering(|set| cover::prefix_of(set, addr).map(|p| p.to_string())),
                teachings(
                    Addr::from(addr).learned_as(),
                    self.client,
                    &question.ground.tables,
                    question.ground.ids,
                ),
                question.verdicts(&Subject::Address(addr))?,
            ),
            None => {
                check_name(&self.target)?;
                (
                    "name",
                    question.covering(|set| {
                        cover::pattern_of(set, &self.target).map(ToString::to_string)
                    }),
                    Vec::new(),
                    question.verdicts(&Subject::Name(self.target.clone()))?,
                )
            }
        };
        Ok(Report {
            schema: KIND.name,
            target: self.target.clone(),
            kind,
            port: self.port,
            proto: self.proto,
            generation,
            mode,
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

impl Asked<'_> {
    /// Sets that some group may reach and for which `via` finds something.
    fn covering(&self, via: impl Fn(&EndpointSet) -> Option<String>) -> Vec<Covering> {
        let config = self.ground.config;
        let sets = config.catalogue.sets().iter();
        let covering = sets.filter_map(|set| {
            let groups = cover::groups_of(config, set);
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
        });
        covering.collect()
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

    /// A client of each group that is asked about: of the target's family, where it has one.
    fn clients(&self, subject: &Subject) -> Result<Vec<IpAddr>> {
        if let Some(client) = self.check.client {
            return Ok(vec![client.to_canonical()]);
        }
        let fits = |client: &IpAddr| match subject {
            Subject::Address(addr) => addr.is_ipv4() == client.is_ipv4(),
            Subject::Name(_) => true,
        };
        let groups = self.ground.config.groups.iter();
        let first = groups.filter_map(|group| {
            let mut clients = group.members.clients.iter().map(IpNet::addr);
            clients.find(fits)
        });
        let all: Vec<_> = first.collect();
        if all.is_empty() {
            bail!("no group takes clients by such an address: name one with --client");
        }
        Ok(all)
    }

    /// What becomes of a packet of each client.
    fn verdicts(&self, subject: &Subject) -> Result<Vec<GroupVerdict>> {
        let clients = self.clients(subject)?.into_iter();
        let told = clients.map(|client| {
            let question = self.check.question(client, subject);
            let judged = judged(&question, subject, &self.ground.tables)
                .with_context(|| format!("no packet goes from {client} to another family"))?;
            Ok(self.told(&judged))
        });
        told.collect()
    }

    fn told(&self, judged: &Judged) -> GroupVerdict {
        let Judged { flow, verdict } = *judged;
        let number = flow.and_then(|flow| self.ground.tables.group(&flow));
        let group = number.and_then(|number| self.ground.group_named(number as u8));
        GroupVerdict {
            group: group.map(str::to_owned),
            client: self.check.client,
            verdict: self.ground.action(judged).name(),
            reason: verdict.reason.name(),
            set: self.ground.decided(verdict),
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
        for teaching in &self.taught {
            line(format!(
                "  taught by {}, {}",
                teaching.pattern,
                teaching.left()
            ));
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
                (_, "dns-name-refused") => {
                    " unless a query asks for a name that it may ask for: see explain --query NAME"
                }
                _ => "",
            };
            line(format!("  {who}: {verdict} ({reason}{set}){note}"));
        }
        text
    }
}
