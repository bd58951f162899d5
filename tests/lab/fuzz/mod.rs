//! A fuzzer of the program that learns: random and damaged answers go through `BPF_PROG_TEST_RUN`, and what
//! stands in the kernel's map afterwards must be exactly what the [oracle] reads from them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Instant;

use anyhow::{Context, Result};
use egress_common::dns::Outcome;
use egress_common::flow::Addr;
use egress_common::learned::Slot;
use egress_ctl::config::Config;
use egress_ctl::dataplane::{boot_ms, counters};
use egress_ctl::policy::generation::Generation;
use fastrand::Rng;

use crate::frame::{Frame, Transport};
use crate::interrupt;
use crate::kernel::Kernel;

pub mod oracle;
mod wire;

/// The policy of the test: patterns of every kind.
pub const CONFIG: &str = r#"
[gateway]
mode = "enforce"
lan = ["lan"]
resolvers = ["gateway"]
internal = ["198.18.0.0/15"]

[dns]
ttl-floor = 30
ttl-cap = 3600
grace = 0

[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
urls = ["exact.example", "*.below.example", "*tail.example", "head*.star.example", "*.deep.star.example"]
ips = ["10.5.0.0/16", "fd00:5::/64"]
tcpPorts = "443"

[group.a]
clients = ["10.20.0.0/16"]
allow = ["corp"]
"#;

const GATEWAY: &str = "10.20.0.1";
const CLIENT: &str = "10.20.0.2";
/// An address that teaches nothing because the gateway has it.
const OWN: &str = "203.0.113.254";
/// Bounds of TTLs in the policy, in seconds.
const FLOOR_S: u32 = 30;
const CAP_S: u32 = 3600;

/// Messages whose lessons are looked at together; sound ones have addresses of their own.
const BATCH: u16 = 256;
/// How often such messages are shown: as they are, and damaged in several ways.
const ROUNDS: usize = 4;
/// Differences that are shown.
const SHOWN: usize = 10;
/// A message that takes less effort must be read.
const EFFORT: usize = 4096;

/// What a run found.
#[derive(Debug, Default)]
pub struct Fuzzed {
    /// Messages that were shown to the program.
    pub messages: u64,
    /// What became of them, and of their addresses.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Addresses that the kernel learned.
    pub addresses: u64,
    /// Messages that the library alone read as well, with the same addresses.
    pub by_library: u64,
    /// Messages of which kernel and oracle say different things.
    pub differences: u64,
    /// The first of them.
    pub shown: Vec<String>,
}

/// Shows so many messages to a kernel with [`CONFIG`] in force, or as many as there is time for.
pub fn run(
    kernel: &mut Kernel,
    messages: u64,
    seed: u64,
    until: Option<Instant>,
) -> Result<Fuzzed> {
    let config = Config::parse(CONFIG).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let generation = kernel.put_into_force(&config, &[GATEWAY.parse()?, OWN.parse()?])?;
    kernel.forget_addresses()?;
    let mut rng = Rng::with_seed(seed);
    let mut fuzzed = Fuzzed::default();
    let mut sound = Vec::new();
    for round in (0..ROUNDS).cycle() {
        if fuzzed.messages >= messages || until.is_some_and(|until| Instant::now() >= until) {
            break;
        }
        interrupt::check()?;
        if round == 0 {
            sound = (0..BATCH)
                .map(|number| wire::message(&mut rng, number))
                .collect();
        }
        let left = (messages - fuzzed.messages).min(BATCH.into()) as usize;
        let damaged = |bytes: &Vec<u8>| match round {
            0 => bytes.clone(),
            _ => wire::damaged(bytes, &mut rng),
        };
        let batch: Vec<_> = sound.iter().take(left).map(damaged).collect();
        show(kernel, &generation, &batch, &mut fuzzed)?;
    }
    Ok(fuzzed)
}

/// Shows a batch to the kernel. What differs is shown once more one by one, to find which; some may be right,
/// as messages that take too much to be read.
fn show(
    kernel: &mut Kernel,
    generation: &Generation,
    batch: &[Vec<u8>],
    fuzzed: &mut Fuzzed,
) -> Result<()> {
    let expected: Vec<_> = batch
        .iter()
        .map(|bytes| Lesson::of(bytes, generation))
        .collect();
    fuzzed.messages += batch.len() as u64;
    let taught = Taught::by(kernel, batch)?;
    if taught.difference(&expected).is_none() {
        taught.count(&expected, fuzzed);
        return Ok(());
    }
    for (bytes, lesson) in batch.iter().zip(expected) {
        let taught = Taught::by(kernel, std::slice::from_ref(bytes))?;
        taught.judge(bytes, lesson, fuzzed);
    }
    Ok(())
}

/// The frame in which the gateway's resolver sends a message to a client.
pub fn frame(message: Vec<u8>) -> Result<Vec<u8>> {
    let payload = Transport::Udp(53, 40_000, message);
    Ok(Frame::new(GATEWAY.parse()?, CLIENT.parse()?, payload).to_bytes())
}

/// How a message was counted: what became of it, and of how many of its addresses.
type Counts = BTreeMap<&'static str, u64>;

/// What the kernel must make of a message.
#[derive(Clone, Debug, Default)]
struct Lesson {
    counts: Counts,
    /// Who teaches an address, and the TTL in seconds.
    addrs: BTreeMap<IpAddr, (u32, u32)>,
    effort: usize,
    by_library: bool,
    /// What the library alone makes of it, where that is something else.
    contradiction: Option<BTreeSet<IpAddr>>,
}

impl Lesson {
    fn of(bytes: &[u8], generation: &Generation) -> Self {
        let (outcome, said) = match oracle::read(bytes) {
            Ok(said) => (None, said),
            Err((outcome, said)) => (Some(outcome), said),
        };
        let mut lesson = Self {
            effort: said.effort,
            ..Self::default()
        };
        if said.unlinked > 0 && matches!(outcome, None | Some(Outcome::NoAddress)) {
            lesson
                .counts
                .insert(Outcome::UnlinkedOwner.name(), said.unlinked);
        }
        let teacher = generation.pattern_of(&said.name);
        let outcome = match (outcome, teacher) {
            (Some(outcome), _) => outcome,
            (None, None) => Outcome::NameNotListed,
            (None, Some(teacher)) => {
                lesson.teach(&said, teacher.id);
                Outcome::Learned
            }
        };
        *lesson.counts.entry(outcome.name()).or_default() += 1;
        if matches!(outcome, Outcome::Learned | Outcome::NameNotListed)
            && let Some(addrs) = oracle::by_library(bytes)
        {
            lesson.by_library = true;
            let same = addrs.iter().eq(said.addrs.keys());
            lesson.contradiction = (!same).then_some(addrs);
        }
        lesson
    }

    fn teach(&mut self, said: &oracle::Said, teacher: u32) {
        for (addr, ttls) in &said.addrs {
            let judged = Addr::from(*addr).learned_as();
            if !may_be_taught(judged) {
                self.count(Outcome::AddressRefused, ttls.len());
                continue;
            }
            // RFC 2181 section 8.
            let counts =
                |ttl: &u32| if *ttl > i32::MAX as u32 { 0 } else { *ttl }.clamp(FLOOR_S, CAP_S);
            let clamped = ttls.iter().filter(|ttl| counts(ttl) != **ttl).count();
            self.count(Outcome::TtlClamped, clamped);
            let known = self.addrs.entry(judged.into()).or_default();
            let longest = ttls.iter().map(counts).max().unwrap_or_default();
            *known = (teacher, known.1.max(longest));
        }
    }

    /// Counts so many addresses, if any.
    fn count(&mut self, outcome: Outcome, addresses: usize) {
        if addresses > 0 {
            *self.counts.entry(outcome.name()).or_default() += addresses as u64;
        }
    }
}

/// Whether an address may be taught, by the config above.
fn may_be_taught(addr: Addr) -> bool {
    match IpAddr::from(addr) {
        IpAddr::V4(v4) => match v4.octets() {
            [10, 5, _, _] => true,
            [198, 18 | 19, _, _] => false,
            _ => !addr.is_special() && v4.to_string() != OWN,
        },
        IpAddr::V6(v6) => v6.segments()[..4] == [0xfd00, 5, 0, 0] || !addr.is_special(),
    }
}

/// The name of an outcome; of what is wrong with a malformed message the oracle says no more than that.
fn name_of(outcome: Outcome) -> &'static str {
    match outcome.is_malformed() {
        true => Outcome::Malformed.name(),
        false => outcome.name(),
    }
}

/// What the kernel made of some messages, which it has forgotten by now.
struct Taught {
    counts: Counts,
    addrs: BTreeMap<IpAddr, Vec<Slot>>,
    /// Before the first message, and after the last one.
    between_ms: (u64, u64),
}

impl Taught {
    fn by(kernel: &mut Kernel, messages: &[Vec<u8>]) -> Result<Self> {
        let before = counters::dns(kernel.pinned())?;
        let began_ms = boot_ms();
        for bytes in messages {
            let frame = frame(bytes.clone())?;
            anyhow::ensure!(kernel.answer(&frame)?, "an answer must pass on");
        }
        let between_ms = (began_ms, boot_ms());
        let mut counts = Counts::new();
        for (outcome, messages) in counters::dns(kernel.pinned())? {
            let earlier = before.iter().find(|(one, _)| *one == outcome);
            let risen = messages - earlier.map_or(0, |(_, messages)| *messages);
            // The query for a damaged answer may be none itself.
            if risen > 0 && outcome != Outcome::NoQuery {
                *counts.entry(name_of(outcome)).or_default() += risen;
            }
        }
        let mut addrs = BTreeMap::new();
        let mut map = kernel.pinned().learned()?;
        for key in map.keys().collect::<Result<Vec<_>, _>>()? {
            let learned = map.get(&key, 0).context("an entry that is there")?;
            let slots = learned
                .slots
                .iter()
                .filter_map(|word| Slot::from_word(*word));
            addrs.insert(key.addr.into(), slots.collect());
            map.remove(&key)?;
        }
        Ok(Self {
            counts,
            addrs,
            between_ms,
        })
    }

    /// How it differs from what was to be expected; nothing if it does not.
    fn difference(&self, expected: &[Lesson]) -> Option<String> {
        let mut counts = Counts::new();
        let mut addrs: BTreeMap<IpAddr, Vec<(u32, u32)>> = BTreeMap::new();
        for lesson in expected {
            for (name, messages) in &lesson.counts {
                *counts.entry(name).or_default() += messages;
            }
            for (addr, taught) in &lesson.addrs {
                addrs.entry(*addr).or_default().push(*taught);
            }
            if let Some(library) = &lesson.contradiction {
                return Some(format!("the library alone reads {library:?}"));
            }
        }
        if counts != self.counts {
            return Some(format!("counted {:?}, expected {counts:?}", self.counts));
        }
        let learned: Vec<_> = self.addrs.keys().collect();
        let expected: Vec<_> = addrs.keys().collect();
        if learned != expected {
            return Some(format!("learned {learned:?}, expected {expected:?}"));
        }
        let wrong = addrs.iter().find(|(addr, lessons)| {
            let slots = self.addrs.get(addr);
            !slots.is_some_and(|slots| self.are_of(slots, lessons))
        });
        let (addr, lessons) = wrong?;
        let slots = self.addrs.get(addr);
        Some(format!(
            "{addr} is taught by {slots:?}, expected pattern and TTL of {lessons:?}"
        ))
    }

    /// Whether the slots of an address are those that the lessons about it leave.
    fn are_of(&self, slots: &[Slot], lessons: &[(u32, u32)]) -> bool {
        let mut longest: BTreeMap<u32, u32> = BTreeMap::new();
        for (teacher, ttl) in lessons {
            let known = longest.entry(*teacher).or_default();
            *known = (*ttl).max(*known);
        }
        let (began, ended) = self.between_ms;
        slots.len() == longest.len()
            && slots.iter().all(|slot| {
                let ttl = longest.get(&slot.pattern);
                ttl.is_some_and(|ttl| {
                    let ttl = u64::from(*ttl) * 1000;
                    (began + ttl..=ended + ttl).contains(&slot.expires_ms)
                })
            })
    }

    fn count(&self, expected: &[Lesson], fuzzed: &mut Fuzzed) {
        for (name, messages) in &self.counts {
            *fuzzed.outcomes.entry(name).or_default() += messages;
        }
        fuzzed.addresses += self.addrs.len() as u64;
        fuzzed.by_library += expected.iter().filter(|lesson| lesson.by_library).count() as u64;
    }

    /// Counts one message, and whether it differs.
    fn judge(&self, bytes: &[u8], lesson: Lesson, fuzzed: &mut Fuzzed) {
        let too_many = Counts::from([(Outcome::TooManyRecords.name(), 1)]);
        let is_too_much =
            self.counts == too_many && self.addrs.is_empty() && lesson.effort > EFFORT;
        let expected = [lesson];
        self.count(&expected, fuzzed);
        let difference = self.difference(&expected);
        if let (Some(difference), false) = (difference, is_too_much) {
            fuzzed.differences += 1;
            if fuzzed.shown.len() < SHOWN {
                fuzzed
                    .shown
                    .push(format!("{difference}, of {}", hex(bytes)));
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a string cannot fail.
        let _: std::fmt::Result = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use egress_common::dns::Direct;
    use egress_common::dns::answer::{read_question, read_records};
    use egress_common::dns::message::Message;

    use super::*;

    const MESSAGES: u16 = 5000;

    /// What the kernel's reader makes of a message where it runs in user space.
    fn direct(message: &mut Message, bytes: &[u8]) -> Result<BTreeSet<IpAddr>, Outcome> {
        message.fill(bytes);
        read_question::<Direct>(message)?;
        read_records::<Direct>(message)?;
        let found = (0..message.found_len()).filter_map(|i| message.found(i));
        Ok(found.map(|found| found.addr.into()).collect())
    }

    /// The same, as far as the oracle says it.
    fn broad(read: Result<BTreeSet<IpAddr>, Outcome>) -> Result<BTreeSet<IpAddr>, Outcome> {
        read.map_err(|outcome| match outcome.is_malformed() {
            true => Outcome::Malformed,
            false => outcome,
        })
    }

    #[test]
    fn the_kernels_reader_says_the_same_in_user_space() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut rng = Rng::with_seed(seed);
        let mut message = Box::new(Message::new());
        for number in 0..MESSAGES {
            let sound = wire::message(&mut rng, number);
            for bytes in [wire::damaged(&sound, &mut rng), sound] {
                let expected = oracle::read(&bytes).map_err(|(outcome, _)| outcome);
                let as_judged = |addr: &IpAddr| IpAddr::from(Addr::from(*addr).learned_as());
                let expected = expected.map(|said| said.addrs.keys().map(as_judged).collect());
                let read = broad(direct(&mut message, &bytes));
                assert_eq!(read, expected, "{}", hex(&bytes));
            }
        }
    }
}
