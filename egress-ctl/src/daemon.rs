//! The daemon: loads programs, puts a generation into force, and waits for signals.
//!
//! SIGHUP reads the config again; what is wrong with it is reported, and what enforces stays.
//! SIGTERM and SIGINT end the daemon, and enforcement goes on without it.

mod addresses;
mod lock;

use std::{
    io::{self, Write as _},
    net::IpAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

pub use self::lock::{Lock, LockError, holder};
use crate::{
    config::Config,
    dataplane::{
        attach::{self, Choice},
        load::{Loaded, load},
        maps::Pinned,
        swap,
    },
    policy::{compile::compile, generation::Generation, ids::Ids},
    state::{Snapshot, StateDir},
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
    loop {
        tokio::select! {
            _ = hangup.recv() => daemon.reload().await,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    info!("ends; what is pinned goes on enforcing, learning and counting");
    Ok(())
}

/// A running daemon.
struct Daemon {
    config: PathBuf,
    places: Places,
    choice: Choice,
    loaded: Loaded,
    ids: Ids,
    number: u64,
    /// Held for as long as the daemon runs.
    _lock: Lock,
}

impl Daemon {
    async fn start(config: &Path, places: &Places, choice: Choice) -> Result<Self> {
        // The config first: one that is wrong must not touch anything.
        let (checked, _) = Config::read(config)?;
        attach::check(&checked.gateway.lan)?;
        let lock = Lock::take(&places.state_dir)?;
        let loaded = load(&places.pin_dir)?;
        let (number, ids) = adopt(places)?;
        let mut daemon = Self {
            config: config.to_owned(),
            places: places.clone(),
            choice,
            loaded,
            ids,
            number,
            _lock: lock,
        };
        daemon.put_into_force().await?;
        Ok(daemon)
    }

    async fn reload(&mut self) {
        match self.put_into_force().await {
            Ok(()) => {}
            Err(fault) => {
                error!("{fault:#}");
                error!("generation {} stays in force", self.number);
            }
        }
    }

    /// Compiles the config as it stands now, swaps it in, and attaches where it says.
    async fn put_into_force(&mut self) -> Result<()> {
        let began = Instant::now();
        let (config, text) = Config::read(&self.config)?;
        attach::check(&config.gateway.lan)?;
        let own = addresses::own().await?;
        let generation = self.swap(&config, text, own)?;
        let pin_dir = &self.places.pin_dir;
        let lan = &config.gateway.lan;
        let attached = attach::attach(&mut self.loaded, pin_dir, lan, self.choice)?;
        for warning in &generation.warnings {
            warn!("{warning}");
        }
        for one in attached {
            info!("attached to {one}");
        }
        self.tell(&config, &generation, began.elapsed());
        Ok(())
    }

    /// Compiles a config and swaps it in. The snapshot is on disk before the kernel knows its number.
    fn swap(&mut self, config: &Config, text: String, own: Vec<IpAddr>) -> Result<Generation> {
        let mut ids = self.ids.clone();
        let generation = compile(config, &own, &mut ids)?;
        let number = self.number + 1;
        let given = ids.patterns_given();
        let snapshot = Snapshot::new(number, self.config.clone(), text, own, ids);
        let state = StateDir(&self.places.state_dir);
        state.save(&snapshot)?;
        swap::swap(Pinned(&self.places.pin_dir), number, &generation, given)?;
        self.number = number;
        self.ids = snapshot.ids;
        state.prune();
        Ok(generation)
    }

    fn tell(&self, config: &Config, generation: &Generation, took: Duration) {
        info!(
            "generation {} is in force: mode {}, {} endpoint sets, {} prefixes, {} patterns, {} ms",
            self.number,
            config.gateway.mode.name(),
            generation.sets,
            generation.destinations.len(),
            generation.patterns.len(),
            took.as_millis(),
        );
        say(&format!("ready: generation {}", self.number));
    }
}

/// Number of the generation that is in force already, and the ids that what was learned is known by.
///
/// A file with a higher number is of a swap that did not happen; the next one replaces it.
fn adopt(places: &Places) -> Result<(u64, Ids)> {
    let pinned = Pinned(&places.pin_dir);
    let state = StateDir(&places.state_dir);
    let number = swap::current(pinned)?;
    if number == 0 {
        // The maps are new. Numbers go on from those before the machine started.
        let last = state.numbers().last().copied().unwrap_or(0);
        return Ok((last, Ids::default()));
    }
    let why = match state.load(number) {
        Ok(Some(snapshot)) => {
            let on = attach::attached(&places.pin_dir)?.len();
            info!("takes over generation {number}, {on} programs are attached");
            return Ok((number, snapshot.ids));
        }
        Ok(None) => "its state file is missing".to_owned(),
        Err(fault) => fault.to_string(),
    };
    warn!(
        "generation {number} is in force, but {why}: learned addresses are forgotten, since their patterns are unknown"
    );
    swap::forget_learned(pinned).context("cannot forget learned addresses")?;
    Ok((number, Ids::default()))
}

/// Tells on standard output what tests and scripts wait for.
fn say(line: &str) {
    // Nobody needs to listen.
    let _: io::Result<()> = writeln!(io::stdout().lock(), "{line}");
}
