//! Generations into force: compiled, attached where they say, and swapped in.

use std::{
    io::{self, Write as _},
    net::IpAddr,
    time::{Duration, Instant},
};

use anyhow::Result;
use jiff::{Zoned, civil::Date};
use tracing::{debug, info, warn};

use super::{Daemon, Past, Places, addresses};
use crate::{
    config::Config,
    dataplane::{
        aside, ask,
        attach::{self, Needs, Plan},
        bind::{self, bind},
        hook::attached,
        interface::devices,
        learned::Table,
        maps::Pinned,
        swap::{self, Next},
    },
    dns::saved::{self, SavedError},
    feed::standing::Feeds,
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

impl Daemon {
    /// Compiles the config as it stands now, swaps it in, and attaches where it says.
    pub(super) async fn put_into_force(&mut self) -> Result<()> {
        let began = Instant::now();
        let feeds = Feeds::approved(&self.places.state_dir, self.past.feeds.clone());
        let (config, text) = Config::read(&self.config, &feeds)?;
        let own = addresses::own().await?;
        let today = Zoned::now().date();
        let (force, ids) = self.compiled(config, text, own, today)?;
        for warning in &force.generation.warnings {
            warn!("{warning}");
        }
        let lan = &force.config.gateway.lan;
        let pinned = attached(&self.places.pin_dir)?;
        let bound = bind(lan, &devices().await?, &pinned);
        self.remarks.keep(lan);
        let (needs, proxy) = self.needs_of(&force);
        let plan = Plan {
            bound: &bound,
            choice: self.options.choice,
            needs,
            force: self.options.force,
        };
        // Where a generation is in force, interfaces come before the new one: what cannot be attached
        // then changes nothing.
        let was_in_force = self.past.in_force != 0;
        let is_upgrade = aside::is_there(&self.places.pin_dir);
        if is_upgrade {
            self.carry_over(&force, &bound, &ids)?;
        }
        let mut remarks = Vec::new();
        if was_in_force {
            remarks = attach::attach(&mut self.loaded, &self.places.pin_dir, plan)?;
        }
        self.swap(&force, ids, &bind::indices(&bound))?;
        self.force = Some(force);
        if !was_in_force {
            self.restore();
            remarks = attach::attach(&mut self.loaded, &self.places.pin_dir, plan)?;
        }
        if is_upgrade {
            self.let_go_of_before()?;
        }
        if let Some(force) = &self.force {
            let feeds = force.config.feeds.iter();
            self.following.follow(feeds.map(|feed| &feed.settings));
        }
        ask::pin(&mut self.loaded, &self.places.pin_dir)?;
        let Places { pin_dir, state_dir } = &self.places;
        self.proxy
            .settle(proxy, &mut self.loaded, pin_dir, state_dir)
            .await;
        self.needs = needs;
        attach::let_go(&self.places.pin_dir, &bound, needs)?;
        for one in attached(&self.places.pin_dir)? {
            info!("attached to {one}");
        }
        self.remark(remarks);
        self.take_bound(bound);
        self.tell_generation(began.elapsed());
        Ok(())
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
        self.swap(&force, ids, &bind::indices(&self.bound))?;
        self.force = Some(force);
        self.tell_generation(began.elapsed());
        Ok(())
    }

    fn compiled(
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

    /// Swaps a generation in. Its snapshot is on disk before the kernel knows its number.
    fn swap(&mut self, force: &Force, ids: Ids, interfaces: &[(String, u32)]) -> Result<()> {
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
        let Snapshot {
            number, ids, feeds, ..
        } = snapshot;
        let next = Next {
            generation: &force.generation,
            number,
            before: self.past.in_force,
            patterns_given: ids.patterns_given(),
            interfaces,
        };
        swap::swap(Pinned(&self.places.pin_dir), next)?;
        let restores = force.config.dns.restore;
        self.names.know(&ids, restores);
        self.past = Past {
            in_force: number,
            last: number,
            ids,
            feeds,
        };
        state.prune();
        Ok(())
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
