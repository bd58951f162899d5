//! `egress-ctl watch`: what is dropped, as it happens. Works with and without a daemon.
//!
//! Events are taken from the kernel every few hundredths of a second: it wakes nobody up. Each is shown once
//! the names of its destination were looked up, a moment later.

mod queue;
mod told;

use std::{
    io::{self, Write as _},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use egress_common::verdict::Reason;
use ipnet::IpNet;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::interval,
};

use self::{
    queue::Queue,
    told::{Teller, Told},
};
use super::keys::{check_group, check_set};
use crate::{
    catalogue::nearest::nearest,
    daemon::Places,
    dataplane::{counters, events, maps::Pinned},
};

/// Show packets that are not allowed, as they come, at most 5 a second of one client and reason.
#[derive(Args)]
pub struct Watch {
    /// Only what does not pass; without it also what would not pass in mode enforce.
    #[arg(long)]
    drop: bool,
    /// Only packets of this client, or of these.
    #[arg(long, value_name = "ADDRESS|PREFIX", value_parser = client)]
    client: Option<IpNet>,
    /// Only packets of this group.
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Only packets that this endpoint set or rule decided, or that it is nearest to.
    #[arg(long, value_name = "KEY")]
    set: Option<String>,
    /// Only packets that do not pass for this reason.
    #[arg(long, value_name = "REASON", value_parser = reason)]
    reason: Option<&'static str>,
    /// End after so many events.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Print a JSON object a line.
    #[arg(long)]
    json: bool,
}

/// How often events are taken from the kernel.
const EVERY: Duration = Duration::from_millis(40);
/// How often the kernel is told that they still are.
const BEATS: u32 = 25;

/// A prefix, or an address.
fn client(text: &str) -> Result<IpNet, String> {
    let addr = text
        .parse()
        .map(|addr: std::net::IpAddr| addr.to_canonical());
    let prefix = addr.map(IpNet::from).or_else(|_| text.parse());
    prefix.map_err(|_| "write an address or a prefix, as 10.20.0.0/16".to_owned())
}

/// The name of a reason for which packets do not pass.
fn reason(text: &str) -> Result<&'static str, String> {
    let denials = Reason::ALL.iter().filter(|reason| !reason.passes());
    let names: Vec<_> = denials.map(|reason| reason.name()).collect();
    let mut near = nearest(text, names.iter().copied(), |name| (*name).to_owned());
    match near.next() {
        Some(name) if name == text => Ok(name),
        near => Err(format!(
            "there is no such reason, the nearest is `{}`; there are {}",
            near.unwrap_or_default(),
            names.join(", ")
        )),
    }
}

/// Whether to go on.
#[derive(PartialEq, Eq)]
enum Flow {
    On,
    Ended,
}

impl Watch {
    /// Runs the command, until it is interrupted, nobody reads its output, or it has shown enough.
    ///
    /// # Errors
    /// Nothing is loaded, somebody else watches, or output cannot be written.
    pub fn run(self, places: &Places) -> Result<()> {
        if !places.pin_dir.exists() {
            bail!(
                "nothing is loaded: there is no {}; `egress-ctl run --config FILE` loads it",
                places.pin_dir.display()
            );
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start")?;
        runtime.block_on(self.follow(places))
    }

    async fn follow(&self, places: &Places) -> Result<()> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut ticks = interval(EVERY);
        let mut watch = events::Watch::begin(&places.pin_dir)?;
        let mut show = Show::new(self, places)?;
        self.check_keys(&show.teller)?;
        for tick in (0..BEATS).cycle() {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
            }
            if tick == 0 {
                watch.beat()?;
                show.tell_lost()?;
            }
            if show.drain(&mut watch)? == Flow::Ended || !is_read() {
                break;
            }
        }
        Ok(())
    }

    /// Checks that what it is narrowed to may come at all.
    fn check_keys(&self, teller: &Teller<'_>) -> Result<()> {
        let Some(ids) = teller.ids() else {
            return Ok(());
        };
        if let Some(set) = &self.set {
            check_set(set, ids)?;
        }
        match &self.group {
            Some(group) => check_group(group, ids),
            None => Ok(()),
        }
    }

    fn wants(&self, told: &Told) -> bool {
        let passes = told.action == "would-drop";
        let is_of = |prefix: IpNet| told.client.is_some_and(|client| prefix.contains(&client));
        let is_set = |key: &String| {
            let nearest = told.nearest.as_ref().map(|nearest| &nearest.set);
            told.set.as_ref() == Some(key) || nearest == Some(key)
        };
        !(self.drop && passes)
            && self.client.is_none_or(is_of)
            && self
                .group
                .as_ref()
                .is_none_or(|group| told.group.as_ref() == Some(group))
            && self.set.as_ref().is_none_or(is_set)
            && self.reason.is_none_or(|reason| told.reason == reason)
    }
}

/// What is shown of the events.
struct Show<'a> {
    watch: &'a Watch,
    places: &'a Places,
    teller: Teller<'a>,
    queue: Queue,
    left: Option<u64>,
    lost: u64,
}

impl<'a> Show<'a> {
    fn new(watch: &'a Watch, places: &'a Places) -> Result<Self> {
        Ok(Self {
            watch,
            places,
            teller: Teller::new(places)?,
            queue: Queue::start(places)?,
            left: watch.count,
            lost: lost(places)?,
        })
    }

    /// Takes the events that are there, and shows those that need not wait for a name.
    fn drain(&mut self, watch: &mut events::Watch) -> Result<Flow> {
        for event in watch {
            self.queue.push(event);
        }
        while let Some((event, names)) = self.queue.pop() {
            let told = self.teller.tell(&event, &names);
            if !self.watch.wants(&told) {
                continue;
            }
            let line = match self.watch.json {
                true => serde_json::to_string(&told).context("cannot write JSON")?,
                false => told.to_string(),
            };
            if line_out(&line)? == Flow::Ended {
                return Ok(Flow::Ended);
            }
            self.left = self.left.map(|left| left - 1);
            if self.left == Some(0) {
                return Ok(Flow::Ended);
            }
        }
        Ok(Flow::On)
    }

    /// Says how many events the kernel had no room for since it was said last.
    fn tell_lost(&mut self) -> Result<()> {
        let now = lost(self.places)?;
        let more = now.saturating_sub(self.lost);
        if more > 0 {
            // Where nobody listens, `status` still tells.
            let _: io::Result<()> = writeln!(
                io::stderr(),
                "egress-ctl: {more} events are lost: they came faster than they were read"
            );
        }
        self.lost = now;
        Ok(())
    }
}

fn lost(places: &Places) -> Result<u64> {
    let fates = counters::events(Pinned(&places.pin_dir))?.into_iter();
    let lost = fates.filter(|(fate, _)| *fate == egress_common::event::Fate::Lost);
    Ok(lost.map(|(_, events)| events).sum())
}

/// Prints a line at once; nobody may read it.
fn line_out(line: &str) -> Result<Flow> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(fault) if fault.kind() == io::ErrorKind::BrokenPipe => Ok(Flow::Ended),
        Err(fault) => Err(fault).context("cannot write to standard output"),
        Ok(()) => Ok(Flow::On),
    }
}

/// Whether somebody still reads standard output: a pipe without a reader is in error.
fn is_read() -> bool {
    let out = io::stdout();
    let mut polled = [PollFd::new(&out, PollFlags::empty())];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    match poll(&mut polled, Some(&now)) {
        Ok(_) => polled
            .iter()
            .all(|fd| !fd.revents().contains(PollFlags::ERR)),
        Err(_) => true,
    }
}
