//! Generations into force: compiled, attached where they say, and swapped in.

use std::{
    io::{self, Write as _},
    net::IpAddr,
    time::{Duration, Instant},
};

use anyhow::Result;
use jiff::{Zoned, civil::Date};
use tracing::{debug, info, warn};

use super::{Daemon, Past, Places, addresses, trial::OnTrial};
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
        swap::{self, Next},
    },
    dns::saved::{self, SavedError},
    lever::trial::Trial,
    policy::{
        compile::{Circumstances, compile},
        generation::Generation,
        ids::Ids,
    },
    proxy,
    state::{Made, Snapshot, StateDir, Summary},
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
        let around = self.around(&force).await?;
        // Where a generation is in force, interfaces come before the new one: what cannot be attached
        // then changes nothing.
        let was_in_force = self.past.in_force != 0;
        let is_upgrade = aside::is_there(&self.places.pin_dir);
        if is_upgrade {
            self.carry(&force, &ids);
        }
        let mut remarks = Vec::new();
        if was_in_force {
            remarks = self.attach(&around)?;
        }
        let until_ms = trial.as_ref().map(OnTrial::until_ms);
        self.swap(&force, ids, &bind::indices(&around.bound), until_ms)?;
        let before = self.force.replace(force);
        self.on_trial = OnTrial::of(trial, before);
        if !was_in_force {
            self.restore();
            remarks = self.attach(&around)?;
        }
        if is_upgrade {
            self.let_go_of_before()?;
        }
        self.settle_around(around, remarks).await?;
        self.tell_generation(began.elapsed());
        Ok(())
    }

    /// Goes on with a generation that is in force already.
    pub(super) async fn go_on(&mut self, force: Force) -> Result<()> {
        let began = Instant::now();
        let around = self.around(&force).await?;
        let remarks = self.attach(&around)?;
        self.force = Some(force);
        self.know_names();
        self.settle_around(around, remarks).await?;
        self.tell_generation(began.elapsed());
        Ok(())
    }

    /// Interfaces, programs and proxy as a generation wants them.
    async fn around(&mut self, force: &Force) -> Result<Around> {
        let lan = &force.config.gateway.lan;
        let pinned = attached(&self.places.pin_dir)?;
        let bound = bind(lan, &devices().await?, &pinned);
        self.remarks.keep(lan);
        attach::prepare(
            &mut self.loaded,
            &self.places.pin_dir,
            &bound,
            self.options.choice,
        )?;
        let (needs, proxy) = self.needs_of(force);
        Ok(Around {
            bound,
            needs,
            proxy,
        })
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
            self.metrics.settle(force.config.metrics, &self.places);
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
        self.swap(&force, ids, &bind::indices(&self.bound), None)?;
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

    /// Swaps a generation in, for good or until a time of the boot-time clock. Its snapshot is on disk before
    /// the kernel knows its number.
    fn swap(
        &mut self,
        force: &Force,
        ids: Ids,
        interfaces: &[(String, u32)],
        until_ms: Option<u64>,
    ) -> Result<()> {
        let made = Made {
            config: self.config.clone(),
            text: force.text.clone(),
            own: force.own.clone(),
            today: force.today,
            ids,
            summary: Summary::of(&force.config, &force.generation),
        };
        let editions = force.config.editions();
        let snapshot = Snapshot::new(self.past.next(), made).with_feeds(editions);
        let state = StateDir(&self.places.state_dir);
        state.save(&snapshot)?;
        if until_ms.is_some() {
            // Whoever goes back to it must not give an id twice that was learned by meanwhile.
            state.lend_ids(self.past.in_force, &snapshot.ids)?;
        }
        let Snapshot {
            number, ids, feeds, ..
        } = snapshot;
        let next = Next {
            generation: &force.generation,
            number,
            before: self.past.in_force,
            patterns_given: ids.patterns_given(),
            interfaces,
            until_ms,
        };
        swap::swap(Pinned(&self.places.pin_dir), next)?;
        self.names.know(&ids, force.config.dns.restore);
        self.past = Past {
            in_force: number,
            last: number,
            ids,
            feeds,
        };
        state.prune();
        Ok(())
    }

    /// Tells who keeps names what the patterns of the generation in force are called.
    pub(super) fn know_names(&self) {
        if let Some(force) = &self.force {
            self.names.know(&self.past.ids, force.config.dns.restore);
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
