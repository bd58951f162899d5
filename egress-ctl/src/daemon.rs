//! The daemon: loads programs, puts a generation into force, and waits for signals.
//!
//! SIGHUP reads the config again; what is wrong with it is reported, and what enforces stays. Sources
//! that follow the web service are polled; what of them is approved is put into force likewise.
//! SIGTERM and SIGINT end the daemon, and enforcement goes on without it.

mod addresses;
mod feeds;
mod lock;
mod traffic;

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Result;
use jiff::Zoned;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

pub use self::addresses::own_addresses;
use self::feeds::Following;
pub use self::lock::{Lock, LockError, holder, pins};
pub use self::traffic::counted;
use crate::{
    config::Config,
    dataplane::{
        ask, attach,
        hook::{Choice, attached},
        interface,
        load::{Loaded, load, prepare},
        maps::{Pinned, PinnedError},
        swap::{self, Next, SwapError},
    },
    feed::{sha::Sha, standing::Feeds},
    policy::{
        compile::{Circumstances, compile},
        generation::Generation,
        ids::Ids,
    },
    state::{Made, Snapshot, StateDir, Summary},
};

/// Where a daemon keeps what outlives it.
#[derive(Clone, Debug)]
pub struct Places {
    /// State files.
    pub state_dir: PathBuf,
    /// Pins of maps and links.
    pub pin_dir: PathBuf,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// The config is wrong, another daemon runs, or the kernel refuses: nothing that enforces was changed.
pub async fn run(config: &Path, places: &Places, choice: Choice) -> Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut daemon = Daemon::start(config, places, choice).await?;
    let mut timer = traffic::timer();
    loop {
        tokio::select! {
            _ = hangup.recv() => daemon.reload().await,
            () = daemon.following.news() => daemon.take_news().await,
            _ = timer.tick() => traffic::record(&daemon.places, &daemon.past.ids),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    traffic::record(&daemon.places, &daemon.past.ids);
    info!("ends; what is pinned goes on enforcing, learning and counting");
    Ok(())
}

/// A running daemon.
struct Daemon {
    config: PathBuf,
    places: Places,
    choice: Choice,
    loaded: Loaded,
    past: Past,
    following: Following,
    /// Held for as long as the daemon runs.
    _lock: Lock,
}

/// What was there before the next generation.
struct Past {
    /// The generation in the kernel; 0 where there is none.
    in_force: u64,
    /// The highest number given so far.
    last: u64,
    /// Ids that what was learned and counted is known by.
    ids: Ids,
    /// Editions of feeds that the generation was made from.
    feeds: BTreeMap<String, Sha>,
}

impl Daemon {
    async fn start(config: &Path, places: &Places, choice: Choice) -> Result<Self> {
        // The config first: one that is wrong must not touch anything.
        let state = StateDir(&places.state_dir);
        let feeds = Feeds::approved(&places.state_dir, editions(state));
        let (checked, _) = Config::read(config, &feeds)?;
        attach::check(&checked.gateway.lan)?;
        prepare(&places.pin_dir)?;
        let lock = Lock::take(&places.state_dir, &places.pin_dir)?;
        let past = adopt(places)?;
        let mut daemon = Self {
            config: config.to_owned(),
            places: places.clone(),
            choice,
            loaded: load(&places.pin_dir)?,
            past,
            following: Following::new(&places.state_dir),
            _lock: lock,
        };
        daemon.put_into_force().await?;
        Ok(daemon)
    }

    /// Puts what feeds brought into force, unless a reload was faster.
    async fn take_news(&mut self) {
        let feeds = Feeds::approved(&self.places.state_dir, self.past.feeds.clone());
        match Config::read(&self.config, &feeds) {
            Ok((config, _)) if config.editions() == self.past.feeds => {}
            _ => self.reload().await,
        }
    }

    async fn reload(&mut self) {
        let before = self.past.in_force;
        if let Err(fault) = self.put_into_force().await {
            let now = self.past.in_force;
            let holds = if now == before {
                "stays in force"
            } else {
                "is in force all the same"
            };
            error!("{fault:#}\n      generation {now} {holds}");
        }
    }

    /// Compiles the config as it stands now, swaps it in, and attaches where it says.
    async fn put_into_force(&mut self) -> Result<()> {
        let began = Instant::now();
        let feeds = Feeds::approved(&self.places.state_dir, self.past.feeds.clone());
        let (config, text) = Config::read(&self.config, &feeds)?;
        let own = addresses::own().await?;
        let mut ids = self.past.ids.clone();
        let today = Zoned::now().date();
        let circumstances = Circumstances { own: &own, today };
        let generation = compile(&config, circumstances, &mut ids)?;
        for warning in &generation.warnings {
            warn!("{warning}");
        }
        let lan = &config.gateway.lan;
        // Where a generation is in force, interfaces come before the new one: what cannot be attached
        // then changes nothing.
        if self.past.in_force != 0 {
            attach::attach(&mut self.loaded, &self.places.pin_dir, lan, self.choice)?;
        }
        let made = Made {
            config: self.config.clone(),
            text,
            own,
            today,
            ids,
            summary: Summary::of(&config, &generation),
        };
        let snapshot = Snapshot::new(self.past.next(), made).with_feeds(config.editions());
        let was_in_force = self.past.in_force != 0;
        self.swap(&generation, snapshot)?;
        if !was_in_force {
            attach::attach(&mut self.loaded, &self.places.pin_dir, lan, self.choice)?;
        }
        self.following
            .follow(config.feeds.iter().map(|feed| &feed.settings));
        ask::pin(&mut self.loaded, &self.places.pin_dir)?;
        attach::let_go(&self.places.pin_dir, lan)?;
        for one in attached(&self.places.pin_dir)? {
            info!("attached to {one}");
        }
        self.tell(&config, &generation, began.elapsed());
        Ok(())
    }

    /// Swaps a generation in. Its snapshot is on disk before the kernel knows its number.
    fn swap(&mut self, generation: &Generation, snapshot: Snapshot) -> Result<()> {
        let state = StateDir(&self.places.state_dir);
        state.save(&snapshot)?;
        let Snapshot {
            number,
            ids,
            feeds,
            summary,
            ..
        } = snapshot;
        let next = Next {
            generation,
            number,
            before: self.past.in_force,
            patterns_given: ids.patterns_given(),
            interfaces: &interface::indices(&summary.lan),
        };
        swap::swap(Pinned(&self.places.pin_dir), next)?;
        self.past = Past {
            in_force: number,
            last: number,
            ids,
            feeds,
        };
        state.prune();
        Ok(())
    }

    fn tell(&self, config: &Config, generation: &Generation, took: Duration) {
        info!(
            "generation {} is in force: mode {}, {} endpoint sets, {} prefixes, {} patterns, {} ms",
            self.past.in_force,
            config.gateway.mode.name(),
            generation.sets,
            generation.destinations.len(),
            generation.patterns.len(),
            took.as_millis(),
        );
        say(&format!("ready: generation {}", self.past.in_force));
    }
}

impl Past {
    /// The next number. Its half of the tables is not the one in force.
    fn next(&self) -> u64 {
        match self.in_force {
            0 => self.last + 1,
            in_force => in_force + 1,
        }
    }
}

/// What a daemon before left. Where the kernel's generation is not known by its file, nobody knows what
/// the ids in the maps mean: new maps are made, and until they are in force the old ones judge on.
fn adopt(places: &Places) -> Result<Past> {
    let state = StateDir(&places.state_dir);
    let newest = state.numbers().last().copied().unwrap_or(0);
    let number = match swap::current(Pinned(&places.pin_dir)) {
        Err(SwapError::Pinned(PinnedError::NotLoaded(_))) => 0,
        number => number?,
    };
    let why = match state.load(number) {
        Ok(Some(Snapshot { ids, feeds, .. })) if number != 0 => {
            let on = attached(&places.pin_dir)?.len();
            info!("takes over generation {number}, {on} programs are attached");
            return Ok(Past {
                in_force: number,
                last: number,
                ids,
                feeds,
            });
        }
        Ok(_) => "its state file is missing".to_owned(),
        Err(fault) => fault.to_string(),
    };
    if number != 0 {
        warn!(
            "generation {number} is in force, but {why}: learned addresses and counters begin anew"
        );
    }
    attach::remove_maps(&places.pin_dir)?;
    Ok(Past {
        in_force: 0,
        last: number.max(newest),
        ids: Ids::default(),
        feeds: editions(state),
    })
}

/// Editions that the newest generation was made from, as far as its file says.
fn editions(state: StateDir<'_>) -> BTreeMap<String, Sha> {
    let newest = state.newest().ok().flatten();
    newest.map(|snapshot| snapshot.feeds).unwrap_or_default()
}

/// Tells on standard output what tests and scripts wait for.
fn say(line: &str) {
    // Nobody needs to listen.
    let _: io::Result<()> = writeln!(io::stdout().lock(), "{line}");
}
