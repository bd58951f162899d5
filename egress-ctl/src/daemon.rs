//! The daemon: loads programs, puts a generation into force, and waits for signals.
//!
//! SIGHUP reads the config again; what is wrong with it is reported, and what enforces stays. Sources
//! that follow the web service are polled; what of them is approved is put into force likewise.
//! SIGTERM and SIGINT end the daemon, and enforcement goes on without it. Interfaces and the gateway's
//! addresses are followed as they come and go.

mod addresses;
mod answer;
mod clock;
mod control;
mod enforce;
mod feeds;
mod follow;
mod forward;
mod history;
mod lever;
mod lock;
mod names;
mod order;
mod service;
mod swapping;
mod traffic;
mod trial;
mod upgrade;
mod watch;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use egress_common::limits;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{MissedTickBehavior, interval, sleep},
};
use tracing::{error, info, warn};

pub use self::addresses::own_addresses;
pub use self::lock::{Lock, LockError, holder, pins};
pub use self::traffic::counted;
use self::{
    clock::WallClock, control::Control, enforce::Force, feeds::Following, history::Historian,
    names::Bookkeeper, trial::OnTrial, upgrade::load_maps, watch::Watch,
};
use crate::{
    config::Config,
    dataplane::{
        aside,
        attach::{self, Needs},
        bind::Bound,
        hook::{Choice, attached},
        kernel_log, layout,
        load::{Loaded, prepare},
        maps::{Pinned, PinnedError},
        swap::{self, SwapError},
    },
    feed::{sha::Sha, standing::Feeds},
    forward::Forwarding,
    metrics,
    policy::ids::Ids,
    privilege,
    proxy::Proxy,
    remarks::Remarks,
    state::{Snapshot, StateDir},
    ui,
};

/// Where a daemon keeps what outlives it.
#[derive(Clone, Debug)]
pub struct Places {
    /// State files.
    pub state_dir: PathBuf,
    /// Pins of maps and links.
    pub pin_dir: PathBuf,
}

/// How a daemon attaches, and whom it listens to.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Hooks that may be used.
    pub choice: Choice,
    /// Whether XDP programs of others are replaced.
    pub force: bool,
    /// The group whose members may ask the daemon; one called `egress`, if there is one, where none is named.
    pub group: Option<String>,
    /// How many events are kept; none where that is 0, so that others may read them.
    pub events: usize,
}

/// How often the daemon looks for what nobody announces: programs that were taken off, the day.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// The config is wrong, another daemon runs, or the kernel refuses: nothing that enforces was changed.
pub async fn run(config: &Path, places: &Places, options: Options) -> Result<()> {
    privilege::begin();
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Before the first look, so that no change is missed.
    let mut watch = Watch::open()?;
    let replaces_others = options.force;
    let mut daemon = Daemon::start(config, places, options).await?;
    privilege::settle(replaces_others);
    service::ready(&daemon.says());
    let mut signs_of_life = service::signs_of_life();
    let mut timer = traffic::timer();
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut kernel_log = interval(kernel_log::EVERY);
    kernel_log.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let trial_left = daemon.trial_left();
        tokio::select! {
            _ = hangup.recv() => daemon.reload_for_service().await,
            _ = signs_of_life.tick() => service::alive(),
            () = watch.changed() => daemon.follow().await,
            () = daemon.forwarding.changed() => daemon.follow().await,
            _ = kernel_log.tick() => daemon.loaded.tell_log(),
            _ = look.tick() => daemon.follow().await,
            () = daemon.following.news() => daemon.take_news().await,
            order = daemon.control.order() => daemon.obey(order).await,
            () = sleep(trial_left) => daemon.look_at_trial().await,
            _ = timer.tick() => traffic::record(&daemon.places, &daemon.past.ids),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    service::stopping();
    traffic::record(&daemon.places, &daemon.past.ids);
    daemon.forwarding.end(&daemon.places.pin_dir);
    daemon.proxy.end(&daemon.places.state_dir).await;
    daemon.metrics.end();
    daemon.page.end();
    daemon.control.end();
    if let Some(history) = daemon.history.take() {
        history.end();
    }
    daemon.names.end();
    daemon.loaded.tell_log();
    info!("ends; what is pinned goes on enforcing, learning and counting");
    Ok(())
}

/// A running daemon.
struct Daemon {
    config: PathBuf,
    places: Places,
    options: Options,
    loaded: Loaded,
    past: Past,
    /// What is in force; none before the first generation.
    force: Option<Force>,
    /// What of it is on trial.
    on_trial: Option<OnTrial>,
    /// Whether something is to be put into force once the trial is over.
    waits: bool,
    /// The configured interfaces, and what is known of each.
    bound: Vec<Bound>,
    remarks: Remarks,
    /// Programs that the policy in force needs besides.
    needs: Needs,
    proxy: Proxy,
    metrics: metrics::service::Service,
    page: ui::service::Service,
    following: Following,
    names: Bookkeeper,
    /// Nothing where no events are kept.
    history: Option<Historian>,
    control: Control,
    forwarding: Forwarding,
    /// What went wrong when it last followed a change, so that it is told once.
    complaint: Option<String>,
    clock: WallClock,
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
    async fn start(config: &Path, places: &Places, options: Options) -> Result<Self> {
        // The config first: one that is wrong must not touch anything.
        let state = StateDir(&places.state_dir);
        let feeds = Feeds::approved(&places.state_dir, editions(state));
        Config::read(config, &feeds)?;
        let access = control::access(options.group.as_deref())?;
        prepare(&places.pin_dir)?;
        let lock = Lock::take(&places.state_dir, &places.pin_dir)?;
        // Maps that nobody here knows stay as they are, and so does what uses them.
        layout::known(Pinned(&places.pin_dir))?;
        aside::settle(&places.pin_dir)?;
        let (loaded, past) = load_maps(places, adopt(places)?)?;
        lever::settle(places);
        let names = Bookkeeper::start(places)?;
        let history = match options.events {
            0 => None,
            bound => Some(Historian::start(places, bound, names.asked())?),
        };
        let desk = history.as_ref().map(Historian::desk);
        let mut daemon = Self {
            config: config.to_owned(),
            places: places.clone(),
            control: Control::listen(&places.state_dir, access, desk),
            options,
            loaded,
            past,
            force: None,
            on_trial: None,
            waits: false,
            bound: Vec::new(),
            remarks: Remarks::read(&places.state_dir),
            needs: Needs::default(),
            proxy: Proxy::default(),
            metrics: Default::default(),
            page: Default::default(),
            following: Following::new(&places.state_dir),
            names,
            history,
            forwarding: Forwarding::default(),
            complaint: None,
            clock: WallClock::now(),
            _lock: lock,
        };
        let done = daemon.begin().await;
        if done.is_err() {
            aside::settle(&places.pin_dir)?;
        }
        done?;
        Ok(daemon)
    }

    /// Puts what feeds brought into force, unless a reload was faster.
    async fn take_news(&mut self) {
        match self.wanted_config() {
            Ok((config, _)) if config.editions() == self.past.feeds => {}
            _ => self.reload().await,
        }
    }

    async fn reload_for_service(&mut self) {
        service::reloading();
        self.reload().await;
        service::ready(&self.says());
    }

    /// In a line what it does.
    fn says(&self) -> String {
        let mode = self
            .force
            .as_ref()
            .map_or("none", |force| force.config.gateway.mode.name());
        format!("generation {} is in force, mode {mode}", self.past.in_force)
    }

    async fn reload(&mut self) {
        if self.must_wait() {
            return;
        }
        let before = self.past.in_force;
        match self.put_into_force().await {
            Ok(()) => self.let_go_of_fallen(),
            Err(fault) => {
                let now = self.past.in_force;
                let holds = if now == before {
                    "stays in force"
                } else {
                    "is in force all the same"
                };
                error!("{fault:#}\n      generation {now} {holds}");
            }
        }
    }
}

impl Past {
    /// The next number: a new one, whose half of the tables is not the one in force.
    fn next(&self) -> u64 {
        let next = self.last.max(self.in_force) + 1;
        match self.in_force {
            0 => next,
            in_force => next + u64::from(next % HALVES == in_force % HALVES),
        }
    }
}

const HALVES: u64 = limits::HALVES as u64;

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
                last: number.max(newest),
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
    // By maps that a daemon left before anything was in force no packet was judged: they are as good as new ones.
    let is_bare = number == 0 && layout::known(Pinned(&places.pin_dir))? == Some(layout::VERSION);
    if !is_bare {
        attach::remove_maps(&places.pin_dir)?;
    }
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
