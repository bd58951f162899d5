//! DNS over TCP through this machine.
//!
//! In: connections of clients to trusted resolvers, which a program at LAN ingress brings here. Out: the same
//! messages to the resolver and back; an answer to a query of its connection has taught the kernel before the
//! client has it. Without this, clients reach their resolvers directly.

mod answer;
mod asked;
mod connection;
mod gate;
mod listen;
pub mod route;
mod serve;
mod share;
mod side;
mod stream;
mod tally;

use std::{
    io,
    path::Path,
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::sync::oneshot;
use tracing::{info, warn};

pub use self::tally::{Count, Told};
use self::{
    gate::GateError,
    route::{Family, RouteError},
    serve::Listeners,
    tally::Tally,
};
use crate::{
    config::Config,
    dataplane::{
        ask::AskError,
        load::{LoadError, Loaded},
        maps::PinnedError,
        teach::{self, TeachError},
    },
    privilege,
};

/// How the proxy works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A connection without a message for so long is closed.
    pub idle: Duration,
}

impl Settings {
    /// As a config wants it.
    ///
    /// # Errors
    /// Why there is none.
    pub fn of(config: &Config) -> Result<Self, &'static str> {
        if !config.dns.tcp_proxy {
            return Err("switched off by dns.tcp-proxy");
        }
        if !config.gateway.own_resolver && config.gateway.resolvers.is_empty() {
            return Err("gateway.resolvers names no resolver");
        }
        Ok(Self {
            idle: Duration::from_secs(config.dns.tcp_idle.into()),
        })
    }
}

/// Why the proxy does not run.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// A program is not there.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The program that learns cannot be pinned.
    #[error(transparent)]
    Pin(#[from] AskError),
    /// The program that learns cannot be used.
    #[error(transparent)]
    Teach(#[from] TeachError),
    /// A map is not there.
    #[error(transparent)]
    Pinned(#[from] PinnedError),
    /// Packets are not delivered here.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The kernel does not take the listeners.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// A listener cannot be made.
    #[error("cannot listen for DNS over TCP of other addresses (IP_TRANSPARENT)")]
    Listen(#[source] io::Error),
    /// A thread cannot be made.
    #[error("cannot start the thread of the proxy")]
    Thread(#[source] io::Error),
}

/// Why the proxy does not run, in a line: what the verifier has to tell is longer.
pub fn why(fault: impl std::error::Error + Send + Sync + 'static) -> String {
    let told = format!("{:#}", anyhow::Error::from(fault));
    let line = told.lines().next().unwrap_or_default();
    let (line, _) = line.split_once(". Verifier output").unwrap_or((line, ""));
    line.to_owned()
}

/// The proxy of a daemon, running or not.
#[derive(Default)]
pub struct Proxy(Option<Running>);

struct Running {
    settings: Settings,
    families: &'static [Family],
    thread: JoinHandle<()>,
    /// Dropped to end the thread.
    _until: oneshot::Sender<()>,
}

impl Proxy {
    /// Starts, ends or leaves the proxy, as a config wants it; tells `status` what became of it.
    pub async fn settle(
        &mut self,
        wanted: Result<Settings, String>,
        loaded: &mut Loaded,
        pin_dir: &Path,
        state_dir: &Path,
    ) {
        let why = match wanted {
            Ok(settings) if self.runs_with(settings) => return,
            Ok(settings) => {
                self.stop().await;
                match self.start(settings, loaded, pin_dir, state_dir).await {
                    Ok(()) => return info!("DNS over TCP goes through the proxy"),
                    Err(fault) => why(fault),
                }
            }
            Err(why) => why,
        };
        self.stop().await;
        if self.tell(state_dir, &why) {
            info!("DNS over TCP goes to the resolvers directly: {why}");
        }
    }

    /// Puts rules and routes back that somebody removed, and ends the proxy where that cannot be or its thread
    /// has ended.
    pub async fn keep(&mut self, state_dir: &Path) {
        let Some(running) = &self.0 else {
            return;
        };
        let why = if running.thread.is_finished() {
            "its thread has ended".to_owned()
        } else {
            match route::ensure(running.families).await {
                Ok(false) => return,
                Ok(true) => {
                    return warn!("rules and routes of the proxy were gone, and are put back");
                }
                Err(fault) => why(fault),
            }
        };
        self.stop().await;
        self.tell(state_dir, &why);
        warn!("DNS over TCP goes to the resolvers directly: {why}");
    }

    /// Ends the proxy and removes its rules and routes.
    pub async fn stop(&mut self) {
        if let Some(Running { thread, _until, .. }) = self.0.take() {
            drop(_until);
            if thread.join().is_err() {
                warn!("the thread of the proxy for DNS over TCP has panicked");
            }
        }
        // Those of a daemon that was killed, too.
        if let Err(fault) = route::remove().await {
            warn!("{:#}", anyhow::Error::from(fault));
        }
    }

    /// Ends the proxy for good, and tells so.
    pub async fn end(&mut self, state_dir: &Path) {
        self.stop().await;
        self.tell(state_dir, "the daemon has ended");
    }

    fn runs_with(&self, settings: Settings) -> bool {
        let running = self.0.as_ref();
        running.is_some_and(|now| now.settings == settings && !now.thread.is_finished())
    }

    async fn start(
        &mut self,
        settings: Settings,
        loaded: &mut Loaded,
        pin_dir: &Path,
        state_dir: &Path,
    ) -> Result<(), ProxyError> {
        loaded.for_proxy()?;
        teach::pin(loaded, pin_dir)?;
        let listeners = Listeners::new()?;
        let families = listeners.families();
        // Before anybody is brought to them: what they take must be delivered here.
        route::ensure(families).await?;
        let tally = Tally::new(state_dir);
        let prepared = serve::prepare(settings, listeners, pin_dir, tally)?;
        let (_until, ended) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("dns-tcp".to_owned())
            .spawn(move || {
                privilege::settle(false);
                serve::run(prepared, ended);
            })
            .map_err(ProxyError::Thread)?;
        self.0 = Some(Running {
            settings,
            families,
            thread,
            _until,
        });
        Ok(())
    }

    /// Notes for `status` why the proxy does not run; tells whether that is new.
    fn tell(&self, state_dir: &Path, why: &str) -> bool {
        let told = Told::read(state_dir).unwrap_or_default();
        if told.why.as_deref() == Some(why) {
            return false;
        }
        if let Err(fault) = told.ended(why).write(state_dir) {
            warn!("cannot note what becomes of DNS over TCP: {fault}");
        }
        true
    }
}
