//! `egress-ctl watch`: what is dropped, as it happens, and what was. Works with and without a daemon.
//!
//! A daemon takes events from the kernel and holds the newest; any number of commands ask it for them. Without
//! one the command takes them itself, every few hundredths of a second, and there is no past.

mod kernel;
mod moment;
pub(crate) mod pulse;
mod queue;
mod show;
pub(crate) mod source;
pub(crate) mod told;

use std::{
    io::{self, Write as _},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{MissedTickBehavior, interval},
};

use self::{
    moment::moment,
    pulse::{Pulse, SILENT},
    show::Show,
    source::{NoDaemon, Source},
};
use super::narrow::Narrow;
use crate::{
    command::output::complain,
    control::Request,
    daemon::Places,
    filter::{Filter, FilterError, Known},
    in_force,
};

/// Show packets that are not allowed, at most 5 a second of one client and reason.
///
/// Without --last, --since and --until those to come are shown. With any of these, those that the daemon holds in
/// memory: the newest 10,000 (`run --events`), since it was started; then it ends, unless --follow is given as well.
/// Without a daemon there is no past, and events come from the kernel directly, to one command at a time.
#[derive(Args)]
pub struct Watch {
    #[command(flatten)]
    narrow: Narrow,
    /// Only what does not pass; without it also what would not pass in mode enforce: not action=would-drop
    #[arg(long)]
    drop: bool,
    /// The newest N that are held
    #[arg(long, value_name = "N")]
    last: Option<usize>,
    /// Those held since then: 10m ago, 07:19, or 2026-11-22T07:19:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Those until then
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// Go on with those to come
    #[arg(long)]
    follow: bool,
    /// End after so many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Print a JSON object a line
    #[arg(long)]
    json: bool,
}

/// The term that `--drop` stands for.
const NOT_PASSING: &str = "not action=would-drop";
/// What is asked of a daemon that was started meanwhile.
const TO_COME: Request = Request::Events {
    last: Some(0),
    follow: true,
};
/// How often a daemon is looked for where none runs.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether somebody still reads what is shown.
const LOOK_EVERY: Duration = Duration::from_millis(100);

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
    /// The filter is none, nothing is loaded, or output cannot be written.
    pub fn run(self, places: &Places) -> Result<()> {
        let filter = self.filter()?;
        if self.narrow.prints(&filter)? {
            return Ok(());
        }
        if let Ok(snapshot) = in_force::snapshot(places) {
            filter.check(&Known::from(&snapshot.ids))?;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start")?;
        runtime.block_on(self.show(places, filter))
    }

    /// What it is narrowed to.
    fn filter(&self) -> Result<Filter, FilterError> {
        match self.drop {
            true => self.narrow.filter_and(&[NOT_PASSING]),
            false => self.narrow.filter(),
        }
    }

    /// Whether the past is asked for.
    fn looks_back(&self) -> bool {
        self.last.is_some() || self.since.is_some() || self.until.is_some()
    }

    fn follows(&self) -> bool {
        self.follow || !self.looks_back()
    }

    fn request(&self) -> Request {
        let last = match self.looks_back() {
            true => None,
            false => Some(0),
        };
        let follow = self.follows();
        Request::Events { last, follow }
    }

    async fn show(&self, places: &Places, filter: Filter) -> Result<()> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ask = interval(ASK_EVERY);
        ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut show = Show::new(self, places, filter);
        let mut source = self.open(places, show.seen_ns()).await?;
        let mut pulse = Pulse::begin(places.state_dir.clone());
        if show.begin(source.head())? == Flow::Ended {
            return Ok(());
        }
        loop {
            let flow = tokio::select! {
                line = source.next() => match line? {
                    Some(line) => show.line(line)?,
                    None if self.follows() => {
                        complain("the daemon has ended: events are read from the kernel");
                        source = self.open(places, show.seen_ns()).await?;
                        Flow::On
                    }
                    None => show.end()?,
                },
                _ = ask.tick() => {
                    source = source.settle(places, &TO_COME).await;
                    Flow::On
                }
                answers = pulse.changed() => {
                    if let Source::Daemon(_) = source {
                        complain(if answers { "the daemon answers again" } else { SILENT });
                    }
                    Flow::On
                }
                _ = look.tick() => show.look()?,
                _ = interrupt.recv() => Flow::Ended,
                _ = terminate.recv() => Flow::Ended,
            };
            if flow == Flow::Ended {
                return Ok(());
            }
        }
    }

    /// Asks the daemon, or reads from the kernel where that will do.
    async fn open<'a>(&self, places: &'a Places, seen_ns: u64) -> Result<Source<'a>> {
        let (source, why) = Source::open(places, &self.request(), seen_ns).await?;
        let Some(why) = why else {
            return Ok(source);
        };
        if !self.follows() {
            bail!(
                "{why}, and so nothing is held: start it with `systemctl start egress`, or see what comes with --follow"
            );
        }
        if self.looks_back() || !matches!(why, NoDaemon::None) {
            complain(format!(
                "{why}: no event is held, those to come are from the kernel"
            ));
        }
        Ok(source)
    }
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
pub(super) fn is_read() -> bool {
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
