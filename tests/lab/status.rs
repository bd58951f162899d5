//! What `egress-ctl status --json` says, as far as the lab reads it, and what rose between two of
//! its answers.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What the filter did with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It passed.
    Allow,
    /// It was dropped.
    Drop,
    /// It passed in audit mode, and would have been dropped.
    WouldDrop,
    /// It was dropped, and the client was told.
    Reject,
}

/// How many packets had one outcome for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// What was done with them.
    pub action: Action,
    /// Why, in the filter's own words.
    pub reason: String,
    /// How many.
    pub packets: u64,
}

/// DNS messages with one outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsCount {
    /// What became of them.
    pub outcome: String,
    /// How many.
    pub messages: u64,
}

/// How many packets one endpoint set decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetCount {
    /// Source and id.
    pub set: String,
    /// How many.
    pub packets: u64,
}

/// An interface that is judged.
#[derive(Debug, Clone, Deserialize)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// How the XDP program is attached.
    pub xdp: Option<String>,
    /// How TC judges, where XDP does not.
    pub ingress: Option<String>,
    /// How TC steers behind XDP.
    pub steer: Option<String>,
    /// How the program that learns is attached.
    pub tc: Option<String>,
    /// What is remarkable about it.
    pub notes: Vec<String>,
}

/// What enforces.
#[derive(Debug, Clone, Deserialize)]
pub struct Generation {
    /// Its number.
    pub number: u64,
    /// How many prefixes it holds.
    pub prefixes: u64,
    /// How many name patterns it holds.
    pub patterns: u64,
}

/// The learned addresses.
#[derive(Debug, Clone, Deserialize)]
pub struct Learned {
    /// How many there are.
    pub addresses: u64,
}

/// One answer of `status`.
#[derive(Debug, Clone, Deserialize)]
pub struct Status {
    /// The form of this answer.
    pub schema: String,
    /// audit, enforce or off.
    pub mode: String,
    /// Where packets are judged.
    pub interfaces: Vec<Interface>,
    /// What enforces.
    pub generation: Generation,
    /// The learned addresses.
    pub learned: Learned,
    /// Packets by action and reason.
    pub verdicts: Vec<Count>,
    /// Packets by endpoint set.
    pub sets: Vec<SetCount>,
    /// DNS messages by what became of them.
    pub dns: Vec<DnsCount>,
}

impl Status {
    /// The verdict counters that rose after the earlier status, by how much.
    pub fn since(&self, earlier: &Self) -> Vec<Count> {
        let risen = self.verdicts.iter().map(|now| Count {
            packets: now.packets - earlier.packets(now.action, &now.reason).min(now.packets),
            ..now.clone()
        });
        risen.filter(|count| count.packets > 0).collect()
    }

    /// Packets with one outcome for one reason.
    pub fn packets(&self, action: Action, reason: &str) -> u64 {
        let same = |count: &&Count| count.action == action && count.reason == reason;
        let counts = self.verdicts.iter().filter(same);
        counts.map(|count| count.packets).sum()
    }

    /// The counters that are less than in the earlier status, in words.
    pub fn fallen_since(&self, earlier: &Self) -> Vec<String> {
        let now = self.counters();
        let fallen = earlier.counters().into_iter().filter_map(|(name, before)| {
            let now = now.get(&name).copied().unwrap_or_default();
            (now < before).then(|| format!("counter {name} fell from {before} to {now}"))
        });
        fallen.collect()
    }

    /// All counters, each by a name of its own.
    fn counters(&self) -> BTreeMap<String, u64> {
        let verdicts = self.verdicts.iter();
        let verdicts = verdicts.map(|one| (format!("{} {}", one.action, one.reason), one.packets));
        let sets = self.sets.iter();
        let sets = sets.map(|one| (one.set.clone(), one.packets));
        let dns = self.dns.iter();
        let dns = dns.map(|one| (format!("dns {}", one.outcome), one.messages));
        let mut sums = BTreeMap::new();
        for (name, count) in verdicts.chain(sets).chain(dns) {
            *sums.entry(name).or_default() += count;
        }
        sums
    }

    /// Packets with one outcome.
    pub fn total(&self, action: Action) -> u64 {
        let counts = self.verdicts.iter().filter(|count| count.action == action);
        counts.map(|count| count.packets).sum()
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Allow => "allow",
            Self::Drop => "drop",
            Self::WouldDrop => "would-drop",
            Self::Reject => "reject",
        })
    }
}
