//! Generations into force: compiled, attached where they say, and swapped in.

use std::{
    io::{self, Write as _},
    net::IpAddr,
    panic::resume_unwind,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use jiff::{Zoned, civil::Date};
use tracing::{debug, info, warn};

use super::{
    Daemon, Places, addresses,
    swapping::{self, Swap, Swapping},
    trial::OnTrial,
};
use crate::{
    config::Config,
    dataplane::{
        aside, ask,
        attach::{self, Needs, Plan, Remark},
        bind::{self, Bound, bind},
        hook::attached,
        interface::devices,
        learned::Table,
        maps::Pinned,
    },
    dns::saved::{self, SavedError},
    lever::trial::Trial,
    metrics,
    policy::{
        compile::{Circumstances, compile},
        generation::Generation,
        ids::Ids,
    },
    proxy, ui,
};

/// What is in force, and for which circumstances it was compiled.
pub(super) struct Force {
    pub(super) config: Config,
    pub(super) text: String,
    pub(super) generation: Generation,
    pub(super) own: Vec<IpAddr>,
    pub(super) today: Date,
}

/// What belongs to a generation beside the kernel's tables.
struct Around {
    bound: Vec<Bound>,
    needs: Needs,
    /// How the proxy is to work, or why it does not.
    proxy: Result<proxy::Settings, String>,
}

impl Daemon {
    /// Compiles the config as it stands now, swaps it in, and attaches where it says.
    pub(super) async fn put_into_force(&mut self) -> Result<()> {
        let (config, text) = self.wanted_config()?;
        self.put(config, text, None).await
    }

    /// The same with a config, which may be on trial.
    pub(super) async fn put(
        &mut self,
        config: Config,
        text: String,
        trial: Option<Trial>,
    ) -> Result<()> {
        let began = Instant::now();
        let own = addresses::own().await?;
        let today = Zoned::now().date();
        let (force, ids) = self.compiled(config, text, own, today)?;
        for warning in &force.generation.warnings {
            warn!("{warning}");
        }
        let bound = self.find(&force).await?;
        let mut swap = Some(Swap {
            force: &force,
            ids: ids.clone(),
            interfaces: bind::indices(&bound),
            until_ms: trial.as_ref().map(OnTrial::until_ms),
        });
        // Where a generation is in force, interfaces come before the new one: what cannot be attached
        // then changes nothing.
        let was_in_force = self.past.in_force != 0;
        let is_upgrade = aside::is_there(&self.places.pin_dir);
        let is_first = !was_in_force && !is_upgrade;
        self.prepare(&force, &bound, swap.take_if(|_| is_first))?;
        let around = self.around(&force, bound);
        if is_upgrade {
            self.carry(&force, &ids);
        }
        let mut remarks = Vec::new();
        if was_in_force {
            remarks = self.attach(&around)?;
        }
        if let Some(swap) = swap {
            self.swap(swap)?;
        }
        let before = self.force.replace(force);
        self.on_trial = OnTrial::of(trial, before);
        if !was_in_force {
            self.restore();
            remarks = self.attach(&around)?;
        }
        self.carry_rest();
        self.settle_around(around, remarks).await?;
        self.let_go_of_before();
        self.tell_generation(began.elapsed());
        Ok(())
    }

    /// Goes on with a generation that is in force already.
    pub(super) async fn go_on(&mut self, force: Force) -> Result<()> {
        let began = Instant::now();
        let bound = self.find(&force).await?;
        self.prepare(&force, &bound, None)?;
        let around = self.around(&force, bound);
        let remarks = self.attach(&around)?;
        self.force = Some(force);
        self.know_names();
        self.carry_rest();
        self.settle_around(around, remarks).await?;
        self.let_go_of_before();
        self.tell_generation(began.elapsed());
        Ok(())
    }

    /// Interfaces as a generation wants them.
    async fn find(&mut self, force: &Force) -> Result<Vec<Bound>> {
        let lan = &force.config.gateway.lan;
        let pinned = attached(&self.places.pin_dir)?;
        self.remarks.keep(lan);
        Ok(bind(lan, &devices().await?, &pinned))
    }

    /// Loads the programs that a generation wants, and swaps it in at the same time where that is to be done: tables and
    /// disk mostly wait, while the verifier takes processors.
    fn prepare(&mut self, force: &Force, bound: &[Bound], swap: Option<Swap<'_>>) -> Result<()> {
        let wanted = attach::Wanted {
            bound,
            choice: self.options.choice,
            diverts: proxy::Settings::of(&force.config).is_ok(),
        };
        let (loaded, rest) = (
            &mut self.loaded,
            Swapping {
                config: &self.config,
                places: &self.places,
                past: &mut self.past,
                names: &self.names,
                history: self.history.as_ref(),
            },
        );
        let pin_dir = &rest.places.pin_dir;
        thread::scope(|scope| {
            let loading = scope.spawn(|| attach::prepare(loaded, pin_dir, wanted));
            let swapped = swap.map_or(Ok(()), |swap| rest.swap(swap));
            let loading = loading.join();
            swapped?;
            Ok(loading.unwrap_or_else(|panic| resume_unwind(panic))?)
        })
    }

    /// What belongs to a generation beside the kernel's tables.
    fn around(&mut self, force: &Force, bound: Vec<Bound>) -> Around {
        let (needs, proxy) = self.needs_of(force);
        Around {
            bound,
            needs,
            proxy,
        }
    }

    fn attach(&mut self, around: &Around) -> Result<Vec<Remark>> {
        let plan = Plan {
            bound: &around.bound,
            choice: self.options.choice,
            needs: around.needs,
            force: self.options.force,
        };
        Ok(attach::attach(
            &mut self.loaded,
            &self.places.pin_dir,
            plan,
        )?)
    }

    /// What follows a generation that is in force.
    async fn settle_around(&mut self, around: Around, remarks: Vec<Remark>) -> Result<()> {
        let Around {
            bound,
            needs,
            proxy,
        } = around;
        if let Some(force) = &self.force {
            let feeds = force.config.feeds.iter();
            self.following.follow(feeds.map(|feed| &feed.settings));
            self.settle_served();
        }
        // What enforces is there by now.
        self.loaded.load_to_be_asked(proxy.is_ok());
        ask::pin(&mut self.loaded, &self.places.pin_dir)?;
        let Places { pin_dir, state_dir } = &self.places;
        self.proxy
            .settle(proxy, &mut self.loaded, pin_dir, state_dir)
            .await;
        self.needs = needs;
        attach::let_go(&self.places.pin_dir, &bound, needs)?;
        self.keep_running();
        for one in attached(&self.places.pin_dir)? {
            info!("attached to {one}");
        }
        self.remark(remarks);
        self.take_bound(bound);
        self.forwarding.look();
        Ok(())
    }

    /// Serves metrics and the page where the config says.
    fn settle_served(&mut self) {
        let Some(Force { config, .. }) = &self.force else {
            return;
        };
        let places = &self.places;
        self.metrics
            .settle(metrics::service::SUBJECT, config.metrics, |listen| {
                metrics::service::start(*listen, places)
            });
        self.page
            .settle(ui::service::SUBJECT, config.ui.clone(), |ui| {
                ui::service::start(ui, places)
            });
    }

    /// Has the next daemon find the programs that run.
    pub(super) fn keep_running(&mut self) {
        if let Err(fault) = self.loaded.keep() {
            warn!("{:#}", anyhow::Error::from(fault));
        }
    }

    /// Programs that a generation needs besides, and how the proxy is to work, or why it does not.
    fn needs_of(&mut self, force: &Force) -> (Needs, Result<proxy::Settings, String>) {
        let wanted = proxy::Settings::of(&force.config).map_err(str::to_owned);
        let wanted = wanted.and_then(|settings| match self.loaded.for_proxy() {
            Ok(()) => Ok(settings),
            Err(fault) => {
                debug!("{fault}: {:?}", std::error::Error::source(&fault));
                Err(proxy::why(fault))
            }
        });
        let needs = Needs {
            steers: force.generation.steered.steers(),
            diverts: wanted.is_ok(),
        };
        (needs, wanted)
    }

    /// Compiles what is in force once more, for other circumstances, and swaps it in.
    pub(super) fn renew(&mut self, own: Vec<IpAddr>, today: Date) -> Result<()> {
        let Some(force) = &self.force else {
            return Ok(());
        };
        let began = Instant::now();
        let (config, text) = (force.config.clone(), force.text.clone());
        let (force, ids) = self.compiled(config, text, own, today)?;
        self.swap(Swap {
            force: &force,
            ids,
            interfaces: bind::indices(&self.bound),
            until_ms: None,
        })?;
        self.force = Some(force);
        self.tell_generation(began.elapsed());
        Ok(())
    }

    pub(super) fn compiled(
        &self,
        config: Config,
        text: String,
        own: Vec<IpAddr>,
        today: Date,
    ) -> Result<(Force, Ids)> {
        let mut ids = self.past.ids.clone();
        let circumstances = Circumstances { own: &own, today };
        let generation = compile(&config, circumstances, &mut ids)?;
        let force = Force {
            config,
            text,
            generation,
            own,
            today,
        };
        Ok((force, ids))
    }

    fn swap(&mut self, swap: Swap<'_>) -> Result<()> {
        let swapping = Swapping {
            config: &self.config,
            places: &self.places,
            past: &mut self.past,
            names: &self.names,
            history: self.history.as_ref(),
        };
        swapping.swap(swap)
    }

    /// Tells who keeps names and events what the generation in force calls what.
    pub(super) fn know_names(&self) {
        if let Some(force) = &self.force {
            let all = (&self.names, self.history.as_ref());
            swapping::tell(all, force, (self.past.in_force, &self.past.ids));
        }
    }

    /// Teaches the new maps what was learned before a reboot. Where that fails, clients ask again.
    fn restore(&self) {
        let force = self.force.as_ref().filter(|force| force.config.dns.restore);
        let Some(Force { generation, .. }) = force else {
            return;
        };
        let table = Table::open(Pinned(&self.places.pin_dir)).map_err(SavedError::from);
        let restored = table
            .and_then(|mut table| saved::restore(&self.places.state_dir, &mut table, generation));
        match restored {
            Ok(None) => {}
            Ok(Some(told)) => info!(
                "{} learned addresses of before are back, {} of their answers have expired",
                told.addresses, told.expired
            ),
            Err(fault) => warn!("learned addresses of before stay forgotten: {fault}"),
        }
    }

    fn tell_generation(&self, took: Duration) {
        let Some(Force {
            config, generation, ..
        }) = &self.force
        else {
            return;
        };
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

/// Tells on standard output what tests and scripts wait for.
fn say(line: &str) {
    // Nobody needs to listen.
    let _: io::Result<()> = writeln!(io::stdout().lock(), "{line}");
}
