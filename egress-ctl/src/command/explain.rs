//! `egress-ctl explain`: why a packet passes or does not, and what the kernel itself answers.

use std::{
    collections::BTreeSet,
    collections::{BTreeMap, HashMap, HashSet},
    net::IpAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use egress_common::{
    learned::{Learned, Slot},
    parse::parse,
    verdict::{Reason, Verdict},
};
use jiff::Zoned;

use super::{
    force::Force,
    output::{print, print_json},
};
use crate::{
    config::Config,
    daemon::{self, Places},
    dataplane::{ask::Asked, interface, maps::Pinned, swap},
    dns::lookup::Lookup,
    explain::{
        answer::{About, Answer, InForce, about},
        frame::frame,
        gone::{Gone, gone},
        ground::{Ground, Subject, judged},
        query::Query,
        question::{Destination, Question, Target},
    },
    feed::{
        past,
        standing::{Feed, Feeds},
    },
    lever::bypass,
    policy::{
        compile::{Circumstances, compile},
        generation::Generation,
        ids::Ids,
        tables::HostTables,
    },
};

/// Tell why a packet passes or does not, which rules came near, and what would allow it.
#[derive(Args)]
pub struct Explain {
    /// Address of the client.
    client: IpAddr,
    /// An address or a host name; TCP port 443 where neither port nor protocol is given.
    #[arg(value_name = "DESTINATION[:PORT][/PROTOCOL]")]
    destination: Destination,
    /// The name that is asked for, of a destination at port 53; A where no type is given.
    #[arg(long, value_name = "NAME[/TYPE]")]
    query: Option<Query>,
    #[command(flatten)]
    marks: Marks,
    /// Ask this config rather than the generation in force; nothing is learned then.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What a packet is marked by beside its addresses.
#[derive(Args, Default)]
pub struct Marks {
    /// Interface that the packet comes in by; needed where the answer depends on it.
    #[arg(long, value_name = "NAME")]
    pub(crate) interface: Option<String>,
    /// VLAN of the packet's outer tag.
    #[arg(long, value_name = "ID", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=4094), hide_default_value = true)]
    pub(crate) vlan: u16,
    /// MAC address that the packet comes from.
    #[arg(long, value_name = "MAC", value_parser = crate::config::group::mac)]
    pub(crate) mac: Option<Mac>,
}

/// Six bytes.
type Mac = [u8; 6];

/// Generations may be swapped, and answers expire, while the question is asked.
const ATTEMPTS: usize = 5;
/// Addresses of a name that are told of, at most.
const ADDRESSES: usize = 8;

impl Explain {
    /// Runs the command.
    ///
    /// # Errors
    /// Nothing is loaded and no config is named; the answer depends on what is not said; a query goes to no
    /// resolver; or the kernel answers otherwise than its tables say.
    pub fn run(self, places: &Places) -> Result<()> {
        let answer = self.answer(places)?;
        match self.json {
            true => print_json(&answer)?,
            false => print(&answer.to_string())?,
        }
        ensure!(
            answer.agrees(),
            "the kernel answers otherwise than its tables say: this is a fault of egress, please report it with the above"
        );
        Ok(())
    }

    /// A question about the generation in force.
    pub(crate) fn of(client: IpAddr, destination: Destination, marks: Marks) -> Self {
        Self {
            client,
            destination,
            query: None,
            marks,
            config: None,
            json: false,
        }
    }

    /// The answer.
    ///
    /// # Errors
    /// As [`Self::run`], but for a kernel that answers otherwise: the answer tells that.
    pub(crate) fn answer(&self, places: &Places) -> Result<Answer> {
        if self.query.is_some() {
            self.destination.takes_queries()?;
        }
        match &self.config {
            Some(path) => self.by_config(path, places),
            None => self.in_force(places),
        }
    }

    fn by_config(&self, path: &Path, places: &Places) -> Result<Answer> {
        let feeds = Feeds::approved(&places.state_dir, BTreeMap::new());
        let (config, text) = Config::read(path, &feeds)?;
        let own = daemon::own_addresses()?;
        let circumstances = Circumstances {
            own: &own,
            today: Zoned::now().date(),
        };
        let mut ids = Ids::default();
        let generation = compile(&config, circumstances, &mut ids)?;
        let mut tables = HostTables::new(&generation);
        tables.interfaces = self.interfaces(&config.gateway.lan)?;
        let ground = Ground {
            text: &text,
            config: &config,
            feeds: &feeds,
            circumstances,
            ids: &ids,
            tables,
        };
        let question = self.question(&ground)?;
        let subject = self.subject();
        let about = self.about(&ground, &question, &subject, None)?;
        Ok(Answer::new(&ground, &question, None, vec![about], 0))
    }

    /// One snapshot answers: where a generation was swapped meanwhile, it is asked again; and where the
    /// kernel differs, since an answer may have expired between the two.
    fn in_force(&self, places: &Places) -> Result<Answer> {
        let pinned = Pinned(&places.pin_dir);
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let before = swap::current(pinned)?;
            let force = Force::read(places)?;
            let answer = self.by_force(places, &force)?;
            let after = swap::current(pinned)?;
            if before != after || force.snapshot.number != after {
                continue;
            }
            if answer.agrees() {
                return Ok(answer);
            }
            last = Some(answer);
        }
        last.context("generations are swapped faster than the question is answered: ask again")
    }

    fn by_force(&self, places: &Places, force: &Force) -> Result<Answer> {
        let pinned = Pinned(&places.pin_dir);
        let asked = Asked::pinned(&places.pin_dir)?;
        let snapshot = &force.snapshot;
        let mut ground = force.ground();
        ground.tables.interfaces = self.interfaces(&snapshot.summary.lan)?;
        let question = self.question(&ground)?;
        let (subjects, more) = self.subjects(pinned, &force.generation)?;
        let mut names = Lookup::of(places.state_dir.clone());
        let mut told = Vec::new();
        for subject in subjects {
            let kernel = match &subject {
                Subject::Address(addr) => {
                    let frame = framed(&question, *addr)?;
                    let connection = parse(&frame[..]).ok().map(|datagram| datagram.flow.key());
                    ground.learn(pinned, *addr, Some(question.client), connection)?;
                    Some(asked.ask(&frame, question.interface)?)
                }
                Subject::Name(_) => None,
            };
            let about = self.about(&ground, &question, &subject, kernel)?;
            let about = match about.nameable() {
                Some(address) => about.with_names(&names.names(address)),
                None => about,
            };
            told.push(match about.lacks_a_listing() {
                true => about.with_gone(gone_from(places, &force.config, &subject)),
                false => about,
            });
        }
        let in_force = InForce {
            number: snapshot.number,
            loaded: snapshot.loaded,
            config: snapshot.config.display().to_string(),
            bypassed: bypass::now(places)?.is_some(),
        };
        Ok(Answer::new(&ground, &question, Some(in_force), told, more))
    }

    fn about(
        &self,
        ground: &Ground<'_>,
        question: &Question,
        subject: &Subject,
        kernel: Option<Verdict>,
    ) -> Result<About> {
        let about = about(ground, question, subject, kernel).with_context(|| {
            let client = self.client;
            format!("no packet goes from {client} to an address of another family")
        })?;
        let is_empty = self.query.is_none() && about.reason == Reason::DnsNameRefused.name();
        ensure!(
            !is_empty,
            "the answer depends on the name that is asked for, since the client's group has dns = \"strict\": name it, as in --query www.example.org or --query www.example.org/AAAA"
        );
        Ok(about)
    }

    fn subject(&self) -> Subject {
        match &self.destination.target {
            Target::Address(addr) => Subject::Address(*addr),
            Target::Name(name) => Subject::Name(name.clone()),
        }
    }

    /// The name and the addresses of the client's family that its pattern taught, and how many more there are.
    fn subjects(
        &self,
        pinned: Pinned<'_>,
        generation: &Generation,
    ) -> Result<(Vec<Subject>, usize)> {
        let subject = self.subject();
        let Subject::Name(name) = &subject else {
            return Ok((vec![subject], 0));
        };
        let mut addrs = match generation.pattern_of(name) {
            Some(pattern) => taught_by(pattern.id, pinned)?,
            None => Vec::new(),
        };
        addrs.retain(|addr| addr.is_ipv4() == self.client.to_canonical().is_ipv4());
        addrs.sort();
        let more = addrs.len().saturating_sub(ADDRESSES);
        let addrs = addrs.into_iter().take(ADDRESSES).map(Subject::Address);
        Ok((std::iter::once(subject).chain(addrs).collect(), more))
    }

    /// Names of the LAN interfaces by index. A config that is asked may be for another machine: interfaces
    /// that are not here have indices that no interface has.
    fn interfaces(&self, lan: &[String]) -> Result<HashMap<u32, String>> {
        if let Some(name) = self
            .marks
            .interface
            .as_ref()
            .filter(|name| !lan.contains(name))
        {
            let known = lan.join(", ");
            bail!("`{name}` is no LAN interface: there are {known}");
        }
        let elsewhere = |place: u32| self.config.as_ref().map(|_| u32::MAX - place);
        let named = (0..).zip(lan).filter_map(|(place, name)| {
            let index = interface::index(name).or_else(|| elsewhere(place))?;
            Some((index, name.clone()))
        });
        let named: HashMap<_, _> = named.collect();
        match &self.marks.interface {
            Some(name) if !named.values().any(|known| known == name) => {
                bail!("there is no interface `{name}` now")
            }
            _ => Ok(named),
        }
    }

    /// The question; without an interface it must make no difference which it is.
    fn question(&self, ground: &Ground<'_>) -> Result<Question> {
        let interfaces = &ground.tables.interfaces;
        let mut question = Question {
            client: self.client.to_canonical(),
            destination: self.destination.clone(),
            query: self.query.clone(),
            interface: 0,
            vlan: self.marks.vlan,
            mac: self.marks.mac.unwrap_or_default(),
        };
        if let Some(name) = &self.marks.interface {
            let found = interfaces.iter().find(|(_, known)| *known == name);
            question.interface = found.map_or(0, |(index, _)| *index);
            return Ok(question);
        }
        let mut indices: Vec<_> = interfaces.keys().copied().collect();
        indices.sort_unstable();
        let verdicts = indices.iter().map(|index| {
            let question = Question {
                interface: *index,
                ..question.clone()
            };
            let judged = judged(&question, &self.subject(), &ground.tables);
            judged.map(|judged| judged.verdict.to_code())
        });
        if verdicts.collect::<HashSet<_>>().len() > 1 {
            let mut known: Vec<_> = interfaces.values().cloned().collect();
            known.sort();
            let known = known.join(", ");
            bail!("the answer depends on where the packet comes in: name --interface, of {known}");
        }
        question.interface = indices.first().copied().unwrap_or(0);
        Ok(question)
    }
}

/// The very packet.
fn framed(question: &Question, addr: IpAddr) -> Result<Vec<u8>> {
    let client = question.client;
    frame(question, addr)
        .with_context(|| format!("no packet goes from {client} to {addr}, of another family"))
}

/// What the web services of a config listed once that covers a destination.
fn gone_from(places: &Places, config: &Config, subject: &Subject) -> Vec<Gone> {
    let of_feed = |feed: &Feed| {
        let approved = past::approved(&places.state_dir, &feed.settings);
        gone(&feed.settings.source, &approved, subject)
    };
    config.feeds.iter().filter_map(of_feed).collect()
}

/// Addresses that a pattern taught, to anybody.
fn taught_by(pattern: u32, pinned: Pinned<'_>) -> Result<Vec<IpAddr>> {
    let taught = |learned: &Learned| {
        let mut slots = learned
            .slots
            .iter()
            .filter_map(|word| Slot::from_word(*word));
        slots.any(|slot| slot.pattern == pattern)
    };
    let map = pinned.learned()?;
    let mut addrs = BTreeSet::new();
    for entry in map.iter() {
        // An address may leave while the map is read.
        let Ok((key, learned)) = entry else {
            continue;
        };
        if taught(&learned) {
            addrs.insert(key.addr.into());
        }
    }
    Ok(addrs.into_iter().collect())
}
