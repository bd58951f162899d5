//! The kernel's programs without any interface: frames go in through `BPF_PROG_TEST_RUN`, verdicts
//! and learned addresses come out of the same maps that a gateway has.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use aya::programs::{SchedClassifier, TestRun, TestRunOptions, Xdp, XdpMode};
use egress_common::learned::{Learned, LearnedKey, Slot};
use egress_common::parse::{parse, udp_payload};
use egress_common::verdict::{Action, Counter, Reason, Verdict, counter_index};
use egress_ctl::config::Config;
use egress_ctl::dataplane::load::{Loaded, take_over};
use egress_ctl::dataplane::maps::Pinned;
use egress_ctl::dataplane::swap::{self, Next};
use egress_ctl::dataplane::{boot_ms, counters, stamp};
use egress_ctl::policy::compile::{Circumstances, compile};
use egress_ctl::policy::generation::Generation;
use egress_ctl::policy::ids::Ids;
use jiff::civil::Date;

use crate::anew;
use crate::answer::query_of;
use crate::frame::{Frame, Transport};
use crate::host::{Host, Life};
use crate::pins::PIN_DIR;

/// What a program said of a frame, and what it counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whether the frame passes.
    pub passes: bool,
    /// The one counter of action and reason that rose.
    pub counted: (Action, Reason),
}

/// What becomes of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on.
    Passes,
    /// Nothing.
    IsDropped,
    /// This frame goes back.
    IsAnswered(Vec<u8>),
}

/// What a packet looked like when the program that steers was through with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steered {
    /// Its mark.
    pub mark: u32,
    /// Its priority.
    pub priority: u32,
    /// Its bytes.
    pub frame: Vec<u8>,
}

/// How long it took to put a config into force.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// To compile it.
    pub compile: Duration,
    /// To write the kernel's tables and the word that puts them into force.
    pub swap: Duration,
}

/// The interface that frames of a test run come in by.
pub const INTERFACE: &str = "lo";
/// Its index.
pub const INTERFACE_INDEX: u32 = 1;
/// The next program decides.
const TC_ACT_UNSPEC: u32 = u32::MAX;
/// In place of an interface that a frame came in by, where this machine made it.
const MADE_HERE: u32 = 0;
/// Bytes that a program could add to a frame.
const ROOM: usize = 64;
/// The day on which rules of a config are looked at.
pub const TODAY: Date = Date::constant(2026, 11, 22);

/// Loaded programs and the generation in force; use it inside [`inside`].
pub struct Kernel {
    loaded: Loaded,
    pin_dir: PathBuf,
    number: u64,
    ids: Ids,
}

/// Runs a closure where a BPF file system is mounted that nobody else sees.
pub fn inside<T: Send>(closure: impl FnOnce(&Path) -> T + Send) -> Result<T> {
    mounted()?.run_mounted(|| closure(Path::new(PIN_DIR)))
}

/// A host for programs alone. Its mounts hold what they need, the folder that they were made from may go.
fn mounted() -> Result<Host> {
    let dir = tempfile::tempdir().context("cannot make a folder")?;
    let resolv_conf = dir.path().join("resolv.conf");
    std::fs::write(&resolv_conf, "").context("cannot write resolv.conf")?;
    Host::new("kernel", &resolv_conf, Life::Bound)
}

/// Programs that the tests of this process share, for the kernel takes its time to verify them; and where
/// they are pinned.
static SHARED: Mutex<Option<(Host, Kernel)>> = Mutex::new(None);

/// Runs a closure with programs that have seen nothing yet. A generation of an earlier test may be in force.
pub fn with<T: Send>(closure: impl FnOnce(&mut Kernel) -> Result<T> + Send) -> Result<T> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    // What a test leaves that panics or fails, nobody uses again.
    let (host, mut kernel) = match shared.take() {
        Some(shared) => shared,
        None => {
            let host = mounted()?;
            host.borrow()?;
            let kernel = host.run_mounted(|| Kernel::load(Path::new(PIN_DIR)))??;
            (host, kernel)
        }
    };
    let result = host.run_mounted(|| {
        anew::begin(kernel.pinned(), &kernel.ids)?;
        let result = closure(&mut kernel);
        kernel.loaded.keep()?;
        result
    })?;
    host.leave()?;
    if result.is_ok() {
        *shared = Some((host, kernel));
    }
    result
}

impl Kernel {
    /// Loads the programs; no generation is in force yet.
    pub fn load(pin_dir: &Path) -> Result<Self> {
        Ok(Self {
            loaded: take_over(pin_dir)?,
            pin_dir: pin_dir.to_owned(),
            number: 0,
            ids: Ids::default(),
        })
    }

    /// Compiles a config and puts it into force.
    pub fn put_into_force(&mut self, config: &Config, own: &[IpAddr]) -> Result<Generation> {
        self.put(config, own, None)
    }

    /// Compiles a config and puts it on trial until a time of the boot-time clock.
    pub fn try_out(&mut self, config: &Config, until_ms: u64) -> Result<Generation> {
        self.put(config, &[], Some(until_ms))
    }

    /// Compiles a config and puts it into force; tells how long each took.
    pub fn put_into_force_timed(&mut self, config: &Config, own: &[IpAddr]) -> Result<Taken> {
        let circumstances = Circumstances { own, today: TODAY };
        let began = Instant::now();
        let generation = compile(config, circumstances, &mut self.ids)?;
        let compiled = began.elapsed();
        self.swap_in(&generation, None)?;
        Ok(Taken {
            compile: compiled,
            swap: began.elapsed() - compiled,
        })
    }

    fn put(
        &mut self,
        config: &Config,
        own: &[IpAddr],
        until_ms: Option<u64>,
    ) -> Result<Generation> {
        let circumstances = Circumstances { own, today: TODAY };
        let generation = compile(config, circumstances, &mut self.ids)?;
        self.swap_in(&generation, until_ms)?;
        Ok(generation)
    }

    fn swap_in(&mut self, generation: &Generation, until_ms: Option<u64>) -> Result<()> {
        self.number += 1;
        let next = Next {
            generation,
            number: self.number,
            before: self.number - 1,
            patterns_given: self.ids.patterns_given(),
            interfaces: &[(INTERFACE.to_owned(), INTERFACE_INDEX)],
            until_ms,
        };
        Ok(swap::swap(self.pinned(), next)?)
    }

    /// The program at LAN ingress, for who runs it himself.
    pub fn ingress(&mut self) -> Result<&mut Xdp> {
        Ok(self.loaded.ingress()?)
    }

    /// The program at LAN egress.
    pub fn egress(&mut self) -> Result<&mut SchedClassifier> {
        Ok(self.loaded.egress()?)
    }

    /// Gives ids to patterns and meetings of patterns.
    pub fn know(&mut self, texts: &[&str]) -> Result<()> {
        for text in texts {
            self.ids.pattern(text)?;
        }
        Ok(())
    }

    /// The maps.
    pub fn pinned(&self) -> Pinned<'_> {
        Pinned(&self.pin_dir)
    }

    /// Number of the generation in force.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The ids given so far.
    pub fn ids(&self) -> &Ids {
        &self.ids
    }

    /// Judges a frame as one that a client sent.
    pub fn judge(&mut self, frame: &[u8]) -> Result<Seen> {
        let before = self.counted()?;
        let passes = self.passes(frame)?;
        let after = self.counted()?;
        Ok(Seen {
            passes,
            counted: risen(&before, &after, frame.len())?,
        })
    }

    /// The same at TC ingress.
    pub fn judge_tc(&mut self, frame: &[u8]) -> Result<Seen> {
        let before = self.counted()?;
        let passes = self.passes_tc(frame)?;
        let after = self.counted()?;
        Ok(Seen {
            passes,
            counted: risen(&before, &after, frame.len())?,
        })
    }

    /// What would become of a frame; nothing is counted or remembered.
    pub fn ask(&mut self, frame: &[u8]) -> Result<Verdict> {
        Ok(self.loaded.ask(frame)?)
    }

    /// Whether a frame passes that a client sent.
    pub fn passes(&mut self, frame: &[u8]) -> Result<bool> {
        Ok(self.fate(frame)? == Fate::Passes)
    }

    /// What becomes of a frame that a client sent.
    pub fn fate(&mut self, frame: &[u8]) -> Result<Fate> {
        const XDP_DROP: u32 = 1;
        const XDP_PASS: u32 = 2;
        const XDP_TX: u32 = 3;

        let mut sent_back = vec![0; frame.len() + ROOM];
        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        options.data_out = Some(&mut sent_back);
        let run = self.loaded.ingress()?.test_run(options)?;
        sent_back.truncate(run.data_size_out as usize);
        Ok(match run.return_value {
            XDP_DROP => Fate::IsDropped,
            XDP_PASS => Fate::Passes,
            XDP_TX => Fate::IsAnswered(sent_back),
            action => bail!("XDP action {action}"),
        })
    }

    /// A frame that a client sent, as it passes on.
    pub fn passed(&mut self, frame: &[u8]) -> Result<Vec<u8>> {
        let mut left = vec![0; frame.len()];
        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        options.data_out = Some(&mut left);
        self.loaded.ingress()?.test_run(options)?;
        Ok(left)
    }

    /// The same at TC ingress.
    pub fn passed_tc(&mut self, frame: &[u8]) -> Result<Vec<u8>> {
        let mut left = vec![0; frame.len()];
        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        options.data_out = Some(&mut left);
        self.loaded
            .classifier("lan_ingress_tc")?
            .test_run(options)?;
        Ok(left)
    }

    /// Gives every client all its answers back.
    pub fn forgive(&self) -> Result<()> {
        anew::clear(self.pinned().refusals()?)
    }

    /// Puts the program that judges on an interface of this network, for as long as this lives.
    pub fn attach(&mut self, interface: &str) -> Result<()> {
        let interface = std::ffi::CString::new(interface)?;
        self.loaded
            .ingress()?
            .attach(interface.as_c_str(), XdpMode::Driver)?;
        Ok(())
    }

    /// Shows a frame to the program that judges at TC ingress; tells whether it passes.
    pub fn passes_tc(&mut self, frame: &[u8]) -> Result<bool> {
        self.classified("lan_ingress_tc", frame)
    }

    /// Shows bytes to the program that judges at TC ingress of a device without a link layer, from the first one
    /// on. The kernel takes what stands where an EtherType would be for the kind of packet.
    pub fn passes_ip(&mut self, packet: &[u8]) -> Result<bool> {
        self.classified("lan_ingress_ip", packet)
    }

    /// What a program at TC ingress says of a frame; it must be one of two things.
    fn classified(&mut self, program: &'static str, frame: &[u8]) -> Result<bool> {
        const TC_ACT_SHOT: u32 = 2;

        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        let classifier = self.loaded.classifier(program)?;
        let action = classifier.test_run(options)?.return_value;
        ensure!(
            matches!(action, TC_ACT_SHOT | TC_ACT_UNSPEC),
            "TC action {action}"
        );
        Ok(action == TC_ACT_UNSPEC)
    }

    /// Shows a frame with a mark to the program that steers; it has no note of the one that judges.
    pub fn steer(&mut self, frame: &[u8], mark: u32) -> Result<Steered> {
        /// Places of mark and priority in `struct __sk_buff` (linux/bpf.h), and its size.
        const MARK: usize = 8;
        const PRIORITY: usize = 32;
        const BYTES: usize = 192;

        let mut context = [0; BYTES];
        context[MARK..MARK + 4].copy_from_slice(&mark.to_ne_bytes());
        let mut left = [0; BYTES];
        let mut bytes = vec![0; frame.len()];
        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        options.data_out = Some(&mut bytes);
        options.ctx_in = Some(&context);
        options.ctx_out = Some(&mut left);
        let told = self.loaded.classifier("lan_steer")?.test_run(options)?;
        ensure!(told.return_value == TC_ACT_UNSPEC, "{told:?}");
        let word =
            |at: usize| u32::from_ne_bytes([left[at], left[at + 1], left[at + 2], left[at + 3]]);
        Ok(Steered {
            mark: word(MARK),
            priority: word(PRIORITY),
            frame: bytes,
        })
    }

    /// All counters of groups by action and reason.
    pub fn counted(&self) -> Result<Counted> {
        let groups = self.ids.groups().map(|(_, place)| place);
        let groups = groups.chain([0]).map(|place| (place, place));
        let counted = counters::verdicts(self.pinned(), groups)?.into_iter();
        Ok(counted
            .map(|(place, one)| (place, one.action, one.reason, one.counter))
            .collect())
    }

    /// One counter.
    pub fn count_of(&self, group: u8, action: Action, reason: Reason) -> Result<Counter> {
        let cpus = self
            .pinned()
            .verdicts()?
            .get(&counter_index(group, action, reason), 0)?;
        Ok(cpus.iter().fold(Counter::default(), |sum, cpu| Counter {
            packets: sum.packets + cpu.packets,
            bytes: sum.bytes + cpu.bytes,
        }))
    }

    /// Has the client ask for what a frame answers, and shows the frame to the program that learns, as one that
    /// this machine made; tells whether it passes on unchanged.
    pub fn answer(&mut self, frame: &[u8]) -> Result<bool> {
        if let Some(query) = query(frame) {
            self.ask_resolver(&query)?;
        }
        self.answer_unasked(frame)
    }

    /// Sends a query past LAN ingress, however many there were.
    pub fn ask_resolver(&mut self, query: &[u8]) -> Result<()> {
        self.give_shares_back()?;
        self.passes(query)?;
        Ok(())
    }

    /// Lets every client ask again as much as it may.
    pub fn give_shares_back(&self) -> Result<()> {
        anew::clear(self.pinned().shares()?)
    }

    /// Shows a frame to the program that learns, as one that came in by the interface of this index; tells whether
    /// it passes on unchanged.
    pub fn forward(&mut self, frame: &[u8], came_in: u32) -> Result<bool> {
        /// Bytes and place of `ingress_ifindex` in `struct __sk_buff` (linux/bpf.h).
        const CONTEXT_BYTES: usize = 40;
        const CAME_IN_AT: usize = 36;

        let mut context = [0; CONTEXT_BYTES];
        context[CAME_IN_AT..].copy_from_slice(&came_in.to_ne_bytes());
        let mut left = vec![0; frame.len() + ROOM];
        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        options.data_out = Some(&mut left);
        options.ctx_in = Some(&context);
        let told = self.loaded.egress()?.test_run(options)?;
        let left = left.get(..told.data_size_out as usize);
        Ok(told.return_value == TC_ACT_UNSPEC && left == Some(frame))
    }

    /// Shows a frame to the program that learns, as one that this machine made; tells whether it passes on
    /// unchanged.
    pub fn answer_unasked(&mut self, frame: &[u8]) -> Result<bool> {
        self.forward(frame, MADE_HERE)
    }

    /// How long that program takes at least for a frame that answers what was asked, of so many times.
    pub fn answer_time(&mut self, frame: &[u8], times: u32) -> Result<Duration> {
        let query = query(frame).context("no answer that can be read")?;
        let mut least = Duration::MAX;
        for _ in 0..times {
            self.ask_resolver(&query)?;
            let mut options = TestRunOptions::new();
            options.data_in = Some(frame);
            least = least.min(self.loaded.egress()?.test_run(options)?.duration);
        }
        Ok(least)
    }

    /// What was learned of an address for the whole policy.
    pub fn learned(&self, addr: IpAddr) -> Result<Option<Learned>> {
        let key = LearnedKey::for_all(addr.into());
        Ok(self.pinned().learned()?.get(&key, 0).ok())
    }

    /// Every learned address, for whomever.
    pub fn learned_addrs(&self) -> Result<Vec<IpAddr>> {
        let mut addrs = Vec::new();
        for key in self.pinned().learned()?.keys() {
            addrs.push(key?.addr.into());
        }
        addrs.sort();
        Ok(addrs)
    }

    /// Teaches an address by a pattern of the generation, for so many more ms; negative if that is over.
    pub fn teach(&self, addr: IpAddr, pattern: &str, left_ms: i64) -> Result<()> {
        let slot = Slot {
            pattern: self.ids.clone().pattern(pattern)?,
            expires_ms: boot_ms().saturating_add_signed(left_ms).max(1),
        };
        let learned = Learned::first(slot, boot_ms());
        let key = LearnedKey::for_all(addr.into());
        Ok(swap::teach(self.pinned(), key, learned)?)
    }

    /// Forgets every learned address, but not the connections.
    pub fn forget_addresses(&self) -> Result<()> {
        anew::clear(self.pinned().learned()?)
    }

    /// Forgets every learned address, connection and datagram in fragments.
    pub fn forget(&self) -> Result<()> {
        self.forget_addresses()?;
        anew::clear(self.pinned().flows()?)?;
        anew::clear(self.pinned().fragments()?)?;
        Ok(stamp::renew_all(self.pinned())?)
    }
}

/// The frame of the query that a frame answers; none where it is no answer that can be read so far.
pub fn query(answer: &[u8]) -> Option<Vec<u8>> {
    let datagram = parse(answer).ok()?;
    let payload = udp_payload(answer, &datagram)?;
    let payload = answer.get(payload.at..payload.at + payload.len)?;
    let flow = datagram.flow;
    let asked = Transport::Udp(flow.dst_port, flow.src_port, query_of(payload)?);
    let frame = Frame::new(flow.dst.into(), flow.src.into(), asked);
    Some(frame.to_bytes())
}

/// Counters by place of the group, action and reason.
pub type Counted = Vec<(u8, Action, Reason, Counter)>;

/// The one counter that rose, by one packet of `bytes` bytes.
fn risen(before: &Counted, after: &Counted, bytes: usize) -> Result<(Action, Reason)> {
    let earlier = |now: &(u8, Action, Reason, Counter)| {
        let same =
            |one: &&(u8, Action, Reason, Counter)| (one.0, one.1, one.2) == (now.0, now.1, now.2);
        before
            .iter()
            .find(same)
            .map(|one| one.3)
            .unwrap_or_default()
    };
    let mut rose = after.iter().filter(|now| now.3 != earlier(now));
    let one = rose.next().context("no counter rose")?;
    ensure!(rose.next().is_none(), "several counters rose");
    let (earlier, now) = (earlier(one), one.3);
    ensure!(now.packets == earlier.packets + 1, "not one packet");
    ensure!(now.bytes == earlier.bytes + bytes as u64, "not its bytes");
    Ok((one.1, one.2))
}
