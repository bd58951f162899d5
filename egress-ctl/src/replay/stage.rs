//! A policy in programs and maps of its own, which end with the process.
//!
//! In: a config. Out: a [`Stage`] that judges frames at any time of a capture.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context as _, Result};
use egress_common::{
    parse::parse,
    rule::GroupPolicy,
    verdict::{Action, NO_SET, Reason, Verdict},
};
use jiff::{Timestamp, tz::TimeZone};
use rustix::{
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    thread::{UnshareFlags, unshare_unsafe},
};

use crate::{
    config::Config,
    dataplane::{
        boot_ms, interface,
        load::{Loaded, load},
        maps::Pinned,
        swap::{self, Next},
    },
    policy::{
        compile::{Circumstances, compile},
        generation::Generation,
        ids::Ids,
    },
};

/// Where BPF file systems are mounted.
const BPFFS: &str = "/sys/fs/bpf";
/// A clock that is no further off than this is right, in ms.
const CLOCK_STEP_MS: u64 = 50;

/// Runs a closure on a thread that has a BPF file system of its own, which nobody else sees.
///
/// # Errors
/// It needs root, or the closure failed.
pub fn alone<T: Send>(closure: impl FnOnce(&Path) -> Result<T> + Send) -> Result<T> {
    let inside = || {
        // SAFETY: the descriptor table stays shared: `UnshareFlags::FILES` is not asked for.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS) }
            .context("cannot make a mount namespace: this needs root")?;
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", private).context("cannot make the mounts private")?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount("bpffs", BPFFS, "bpf", flags, None).context("cannot mount a BPF file system")?;
        closure(Path::new(BPFFS))
    };
    thread::scope(|scope| scope.spawn(inside).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// What becomes of a frame.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Outcome {
    /// What is done with it.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// The group that took it.
    pub group: Option<String>,
    /// The endpoint set or rule that decided.
    pub set: Option<String>,
}

/// One policy, loaded.
pub struct Stage {
    loaded: Loaded,
    pin_dir: PathBuf,
    config: Config,
    generation: Generation,
    ids: Ids,
    began_ms: u64,
    clock_ms: i64,
}

impl Stage {
    /// Loads programs, and puts the config into force as of the time of the first packet (ms since
    /// 1970), on a gateway with the addresses `own`.
    ///
    /// # Errors
    /// It cannot be compiled, or the kernel refuses.
    pub fn set(pin_dir: &Path, config: Config, own: &[IpAddr], at_ms: u64) -> Result<Self> {
        let at = Timestamp::from_millisecond(at_ms as i64)?;
        let circumstances = Circumstances {
            own,
            today: at.to_zoned(TimeZone::system()).date(),
        };
        let mut ids = Ids::default();
        let generation = compile(&config, circumstances, &mut ids)?;
        let loaded = load(pin_dir)?;
        let next = Next {
            generation: &generation,
            number: 1,
            before: 0,
            patterns_given: ids.patterns_given(),
            interfaces: &interface::indices(&config.gateway.lan),
            until_ms: None,
        };
        swap::swap(Pinned(pin_dir), next)?;
        Ok(Self {
            loaded,
            pin_dir: pin_dir.to_owned(),
            config,
            generation,
            ids,
            began_ms: boot_ms(),
            clock_ms: 0,
        })
    }

    /// Lets the programs' clock show so many ms behind the first packet. Where the machine took longer than the
    /// capture did, it is set back.
    ///
    /// # Errors
    /// The map cannot be written.
    pub fn pass_to(&mut self, since_first_ms: u64) -> Result<()> {
        let took_ms = boot_ms() - self.began_ms;
        let ahead = since_first_ms.cast_signed() - took_ms.cast_signed();
        if ahead.abs_diff(self.clock_ms) > CLOCK_STEP_MS {
            let word = ahead.cast_unsigned();
            Pinned(&self.pin_dir).clock()?.set(0, &word, 0)?;
            self.clock_ms = ahead;
        }
        Ok(())
    }

    /// Judges a client's frame, and lets the program remember it.
    ///
    /// # Errors
    /// The kernel does not run the program.
    pub fn judge(&mut self, frame: &[u8]) -> Result<Outcome> {
        let verdict = self.loaded.ask(frame)?;
        self.loaded.send(frame)?;
        Ok(self.outcome(verdict))
    }

    /// Shows a DNS answer to the program that learns: from a configured resolver as one that is
    /// forwarded, from elsewhere as one that the gateway made.
    ///
    /// # Errors
    /// The kernel does not run the program.
    pub fn answer(&mut self, frame: &[u8]) -> Result<()> {
        /// Any interface that is not of the LAN: the maps of a replay know of none.
        const WAN: u32 = 1;
        let Ok(datagram) = parse(frame) else {
            return Ok(());
        };
        let from = IpAddr::from(datagram.flow.src);
        let is_resolver = self.config.gateway.resolvers.contains(&from);
        let came_in = if is_resolver { WAN } else { 0 };
        Ok(self.loaded.answer(frame, came_in)?)
    }

    fn outcome(&self, verdict: Verdict) -> Outcome {
        let group = self.generation.groups.get(usize::from(verdict.group));
        let (mode, denial) = match group {
            Some(group) => (group.policy.mode, group.policy.denial),
            None => (self.config.gateway.mode, GroupPolicy::NONE.denial),
        };
        let set = (verdict.set != NO_SET).then(|| self.ids.set_named(verdict.set));
        Outcome {
            action: mode.action(verdict.reason, denial),
            reason: verdict.reason,
            group: group.map(|group| group.name.clone()),
            set: set.flatten().map(str::to_owned),
        }
    }
}
