//! The answer to one question: everything that a packet was judged by.
//!
//! In: a question, the policy and what was learned, and what the kernel said of the very packet. Out: an
//! [`Answer`], as data and as text.

use std::{
    fmt::{self, Write as _},
    net::IpAddr,
};

use egress_common::{
    flow::Addr,
    judge::Tables as _,
    verdict::{Reason, Verdict},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    asking::{Asking, asking},
    change::{Change, changes},
    cover::{self, Cover},
    gone::Gone,
    ground::{Ground, Judged, Subject, judged},
    member,
    near::{Asked, Near, near},
    question::{Question, Target},
    taught::{Teaching, answered, left, refused_seconds_left, teachings},
    words,
};
use crate::{dns::names::Naming, policy::meet, schema::Kind};

/// Of an [`Answer`].
pub(super) const KIND: Kind = Kind::of::<Answer>("egress.explain/1", "egress-ctl explain --json");

/// What `explain --json` prints.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Answer {
    schema: &'static str,
    client: IpAddr,
    interface: Option<String>,
    vlan: u16,
    mac: String,
    destination: String,
    protocol: String,
    port: u16,
    /// None where a config file was asked.
    generation: Option<InForce>,
    mode: &'static str,
    group: Option<GroupTold>,
    /// Groups that would take the client if it had their marks.
    missed_groups: Vec<String>,
    /// Addresses that the name's pattern taught beside those that are told of.
    more_addresses: usize,
    about: Vec<About>,
}

/// The generation that answered.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct InForce {
    /// Its number.
    pub number: u64,
    /// When it was compiled.
    pub loaded: Timestamp,
    /// From which config.
    pub config: String,
    /// Whether nothing is dropped at this moment, whatever the verdict.
    pub bypassed: bool,
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
struct GroupTold {
    name: String,
    because: String,
    mode: &'static str,
    default: &'static str,
}

/// What becomes of a packet to one address, or to any address that a name has.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct About {
    name: Option<String>,
    address: Option<IpAddr>,
    /// What is done with it.
    pub verdict: &'static str,
    /// What would be done in mode enforce.
    enforced: &'static str,
    /// Why.
    pub reason: &'static str,
    why: &'static str,
    /// The endpoint set or rule that decided.
    pub set: Option<String>,
    /// What the kernel answers; none where it was not asked.
    pub kernel: Option<KernelTold>,
    taught: Vec<Teaching>,
    /// Seconds for which an answer for a name that is not listed counts, that gave the address.
    refused_seconds_left: Option<i64>,
    /// Names that are not listed and that answers gave the address for, the one answered last first.
    names_not_listed: Vec<Naming>,
    /// What a query's name has to do with it; none where it has nothing to do with names.
    pub asking: Option<Asking>,
    rules: Vec<Near>,
    /// What web services listed once that covers it.
    gone: Vec<Gone>,
    /// What the client can do so that it passes.
    to_pass: Option<&'static str>,
    changes: Vec<Change>,
    #[serde(skip)]
    words: Words,
}

/// What text says otherwise than JSON.
#[derive(Clone, Debug)]
struct Words {
    service: String,
    action: &'static str,
    passes: bool,
}

/// What the kernel answers for the very packet.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct KernelTold {
    /// Why.
    pub reason: &'static str,
    /// The endpoint set or rule that decided.
    pub set: Option<String>,
    /// The client's group.
    pub group: Option<String>,
    /// Whether that is what the rest of the answer says.
    pub agrees: bool,
}

/// Explains one packet; none where client and destination are of different families.
pub fn about(
    ground: &Ground<'_>,
    question: &Question,
    subject: &Subject,
    kernel: Option<Verdict>,
) -> Option<About> {
    let judged = judged(question, subject, &ground.tables)?;
    let verdict = judged.verdict;
    let set = ground.decided(verdict);
    let (taught, refused) = match subject.meant() {
        Some(addr) => (
            teachings(
                addr.into(),
                Some(question.client),
                &ground.tables,
                ground.ids,
            ),
            refused_seconds_left(addr.into(), &ground.tables),
        ),
        None => (Vec::new(), None),
    };
    let service = question.destination.service(question.client.is_ipv4());
    let group = judged.flow.and_then(|flow| ground.tables.group(&flow));
    let asked = Asked {
        group: group.and_then(|group| ground.group_named(group as u8)),
        service,
        decided: set.as_deref(),
        today: ground.circumstances.today,
    };
    let (rules, covers) = rules(ground, subject, &taught, &asked);
    let action = ground.action(&judged);
    let passes = verdict.reason.passes();
    let (name, address) = match subject {
        Subject::Address(addr) => (None, Some(*addr)),
        Subject::Name(name) => (Some(name.clone()), None),
    };
    Some(About {
        name,
        address,
        verdict: action.name(),
        enforced: ground.enforced(&judged).name(),
        reason: verdict.reason.name(),
        why: words::reason(verdict.reason),
        kernel: kernel.map(|kernel| kernel_told(ground, kernel, verdict)),
        set,
        taught,
        refused_seconds_left: refused,
        names_not_listed: Vec::new(),
        asking: asking(ground, question.query.as_ref(), &judged),
        rules,
        gone: Vec::new(),
        to_pass: words::to_pass(verdict.reason),
        changes: match passes {
            true => Vec::new(),
            false => changes(ground, question, subject, &judged, &covers),
        },
        words: Words {
            service: words::service(service.0, service.1),
            action: words::action(action),
            passes,
        },
    })
}

/// Rules that came near, and what covers the destination.
fn rules<'a>(
    ground: &Ground<'a>,
    subject: &Subject,
    taught: &[Teaching],
    asked: &Asked<'_>,
) -> (Vec<Near>, Vec<Cover<'a>>) {
    let config = ground.config;
    let mut covers = match (subject, subject.meant()) {
        (Subject::Name(name), _) => cover::of_name(config, name),
        (Subject::Address(addr), meant) => cover::of_address(config, meant.unwrap_or(*addr)),
    };
    let mut rules = near(config, &covers, None, asked);
    for teaching in taught {
        for pattern in meet::patterns(&teaching.pattern) {
            let by_name = cover::of_pattern(config, &pattern);
            let left = Some(teaching.seconds_left);
            rules.extend(near(config, &by_name, left, asked));
            covers.extend(by_name);
        }
    }
    rules.sort_by_key(|near| near.says);
    (rules, covers)
}

fn kernel_told(ground: &Ground<'_>, kernel: Verdict, judged: Verdict) -> KernelTold {
    KernelTold {
        reason: kernel.reason.name(),
        set: ground.decided(kernel),
        group: ground.group_named(kernel.group).map(str::to_owned),
        agrees: kernel.to_code() == judged.to_code(),
    }
}

impl Answer {
    /// Puts together what was found about each address and the name.
    pub fn new(
        ground: &Ground<'_>,
        question: &Question,
        generation: Option<InForce>,
        about: Vec<About>,
        more_addresses: usize,
    ) -> Self {
        let is_v4 = question.client.is_ipv4();
        let (number, port) = question.destination.service(is_v4);
        let interface = ground.tables.interfaces.get(&question.interface);
        let flow = asked_flow(ground, question);
        let number_of_group = flow.and_then(|flow| ground.tables.group(&flow));
        let group = number_of_group.and_then(|number| {
            let group = ground.config.groups.get(number as usize)?;
            let policy = ground.tables.policy(number)?;
            Some(GroupTold {
                name: group.name.clone(),
                because: member::because(group, &flow?, interface.map(String::as_str)),
                mode: policy.mode.name(),
                default: policy.denial.name(),
            })
        });
        Self {
            schema: KIND.name,
            client: question.client,
            interface: interface.cloned(),
            vlan: question.vlan,
            mac: words::mac(question.mac),
            destination: match &question.destination.target {
                Target::Address(addr) => addr.to_string(),
                Target::Name(name) => name.clone(),
            },
            protocol: words::protocol(number),
            port,
            generation,
            mode: ground.config.gateway.mode.name(),
            missed_groups: match (&group, flow) {
                (None, Some(flow)) => member::missed(ground.config, &flow),
                _ => Vec::new(),
            },
            group,
            more_addresses,
            about,
        }
    }

    /// Whether the kernel says the same of every packet that it was asked about.
    pub fn agrees(&self) -> bool {
        let asked = self.about.iter().filter_map(|about| about.kernel.as_ref());
        asked.into_iter().all(|kernel| kernel.agrees)
    }

    /// What was found about each address and the name.
    pub fn about(&self) -> &[About] {
        &self.about
    }
}

/// The flow of the client, to whatever address.
fn asked_flow(ground: &Ground<'_>, question: &Question) -> Option<egress_common::flow::Flow> {
    let Judged { flow, .. } = match &question.destination.target {
        Target::Address(addr) => judged(question, &Subject::Address(*addr), &ground.tables),
        Target::Name(name) => judged(question, &Subject::Name(name.clone()), &ground.tables),
    }?;
    flow
}

/// Rules that are told of in text; JSON has all.
const RULES_TOLD: usize = 12;

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = match &self.generation {
            Some(InForce {
                number,
                loaded,
                config,
                bypassed: _,
            }) => format!("by generation {number}, in force since {loaded:.0} from {config}"),
            None => "by the config file".to_owned(),
        };
        let service = self.about.first().map(|about| about.words.service.as_str());
        let service = service.unwrap_or(&self.protocol);
        writeln!(f, "{} to {} {service}, {by}", self.client, self.destination)?;
        let mut line = |name: &str, value: &str| writeln!(f, "  {name:<11} {value}");
        if self.generation.as_ref().is_some_and(|of| of.bypassed) {
            line("BYPASS", "is on: whatever the verdict, nothing is dropped")?;
        }
        match &self.group {
            Some(GroupTold {
                name,
                because,
                mode,
                default,
            }) => line(
                "group",
                &format!("{name}, {because}; mode {mode}, default {default}"),
            )?,
            None => line(
                "group",
                &format!("none takes this client; mode {}", self.mode),
            )?,
        }
        for missed in &self.missed_groups {
            line("", missed)?;
        }
        for about in &self.about {
            write!(
                f,
                "{}",
                about.text(self.about.len() > 1, self.group.as_ref())
            )?;
        }
        if self.more_addresses > 0 {
            writeln!(
                f,
                "  {} more addresses that the name's pattern taught",
                self.more_addresses
            )?;
        }
        Ok(())
    }
}

impl About {
    /// The address whose names tell more of it; none where no answer gave it.
    pub fn nameable(&self) -> Option<IpAddr> {
        let was_answered = !self.taught.is_empty() || self.refused_seconds_left.is_some();
        let address = self.address.filter(|_| was_answered)?;
        Some(Addr::from(address).learned_as().into())
    }

    /// With the names of its address.
    #[must_use]
    pub fn with_names(mut self, names: &[Naming]) -> Self {
        for teaching in &mut self.taught {
            let taught = names
                .iter()
                .filter(|naming| naming.pattern.as_ref() == Some(&teaching.pattern));
            teaching.names = taught.cloned().collect();
        }
        if self.refused_seconds_left.is_some() {
            let not_listed = names.iter().filter(|naming| naming.pattern.is_none());
            self.names_not_listed = not_listed.cloned().collect();
        }
        self
    }

    /// Whether a web service that lists it would let it pass.
    pub fn lacks_a_listing(&self) -> bool {
        let unlisted = [
            Reason::NoRule,
            Reason::NeverResolved,
            Reason::NameNotAllowed,
            Reason::Expired,
        ];
        unlisted.map(Reason::name).contains(&self.reason)
    }

    /// With what web services listed once.
    #[must_use]
    pub fn with_gone(self, gone: Vec<Gone>) -> Self {
        Self { gone, ..self }
    }

    /// Whether a change of the config was found that lets it pass.
    pub fn has_change(&self) -> bool {
        !self.changes.is_empty()
    }

    fn text(&self, is_one_of_several: bool, group: Option<&GroupTold>) -> String {
        let mut text = String::new();
        let now = Timestamp::now();
        let mut line = |name: &str, value: &str| {
            // Writing into a string cannot fail.
            let _: fmt::Result = writeln!(text, "  {name:<11} {value}");
        };
        match (&self.address, &self.name) {
            (Some(addr), _) if is_one_of_several => line("address", &addr.to_string()),
            (None, Some(name)) if is_one_of_several => {
                line(
                    "name",
                    &format!("{name}, at an address that a new answer gives"),
                );
            }
            (None, Some(_)) => line("name", "at an address that an answer gives"),
            _ => {}
        }
        let by = self
            .set
            .as_deref()
            .map(|set| format!(", {set}"))
            .unwrap_or_default();
        let Words {
            action,
            service,
            passes,
        } = &self.words;
        line(
            "verdict",
            &format!("{action} ({}{by}): {}", self.reason, self.why),
        );
        if self.verdict != self.enforced {
            line("", &format!("in mode enforce: {}", self.enforced));
        }
        match &self.kernel {
            Some(kernel) if kernel.agrees => line("kernel", "answers the same for this packet"),
            Some(kernel) => {
                let KernelTold {
                    reason, set, group, ..
                } = kernel;
                let said = format!("DISAGREES: it answers {reason}, set {set:?}, group {group:?}");
                line("kernel", &said);
            }
            None => {}
        }
        for teaching in &self.taught {
            let Teaching { pattern, names, .. } = teaching;
            line("answer", &format!("for {pattern}, {}", teaching.left()));
            for told in answered(names, now) {
                line("", &told);
            }
        }
        if let Some(seconds) = self.refused_seconds_left {
            line(
                "answer",
                &format!("for a name that is not listed, {}", left(seconds)),
            );
            for told in answered(&self.names_not_listed, now) {
                line("", &told);
            }
        }
        let group = group.map(|group| group.name.as_str());
        let asking = self.asking.iter();
        for (label, told) in asking.flat_map(|asking| asking.lines(service, group)) {
            line(label, &told);
        }
        // Where names decide, it does not matter what covers the resolver's address.
        let by_name = self.asking.as_ref().is_some_and(|asking| asking.decides);
        let rules = if by_name { &[] } else { self.rules.as_slice() };
        for (i, rule) in rules.iter().take(RULES_TOLD).enumerate() {
            line(
                if i == 0 { "rules" } else { "" },
                &rule.line(service, group),
            );
        }
        if rules.len() > RULES_TOLD {
            line(
                "",
                &format!("and {} more, which --json lists", rules.len() - RULES_TOLD),
            );
        }
        if rules.is_empty() && !by_name && self.group_was_asked() {
            line("rules", "none covers this destination");
        }
        for gone in &self.gone {
            let [said, back] = gone.lines();
            line("feed", &said);
            line("", &back);
        }
        if let Some(told) = self.to_pass {
            line("to pass", told);
        }
        for (i, change) in self.changes.iter().enumerate() {
            let name = if i == 0 { "to allow it" } else { "or" };
            line(name, &change.what);
            let sign = if change.removes { "- " } else { "" };
            for toml in change.toml.lines() {
                line("", &format!("  {sign}{toml}"));
            }
        }
        if self.changes.is_empty() && self.to_pass.is_none() && !passes {
            line("to allow it", "no small change of the config would do");
        }
        text
    }

    /// Whether it depends on a group at all.
    fn group_was_asked(&self) -> bool {
        ![
            Reason::Gateway,
            Reason::Internal,
            Reason::LinkScope,
            Reason::NoGroup,
            Reason::GroupOff,
            Reason::Resolver,
            Reason::DnsNameRefused,
        ]
        .map(Reason::name)
        .contains(&self.reason)
    }
}
