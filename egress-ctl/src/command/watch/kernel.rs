//! Events from the kernel, where no daemon takes them.

use std::{collections::HashMap, sync::Arc, time::Duration};

use anyhow::{Result, bail};
use egress_common::event::Fate;
use tokio::time::{Instant, Interval, interval};

use super::queue::Queue;
use crate::{
    command::force::Force,
    daemon::Places,
    dataplane::{counters, events, maps::Pinned},
    history::{
        record::{Gap, Line, Why},
        teller::{Teller, Words},
    },
};

/// How often events are taken.
const EVERY: Duration = Duration::from_millis(40);
/// How often the kernel is told that they still are.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// The one reader of events.
pub(crate) struct Kernel<'a> {
    places: &'a Places,
    watch: events::Watch,
    queue: Queue,
    teller: Teller,
    ticks: Interval,
    beaten: Instant,
    /// How many the kernel had no room for, as far as that was told.
    lost: u64,
}

impl<'a> Kernel<'a> {
    /// Begins, where nobody else reads them, behind what was seen already.
    pub(super) fn open(places: &'a Places, seen_ns: u64) -> Result<Self> {
        if !places.pin_dir.exists() {
            bail!(
                "nothing is loaded: there is no {}; `egress-ctl run --config FILE` loads it",
                places.pin_dir.display()
            );
        }
        let pin_dir = &places.pin_dir;
        Ok(Self {
            places,
            watch: events::Watch::begin_after(pin_dir, seen_ns)?,
            queue: Queue::start(places)?,
            teller: Teller::new(pin_dir.clone()),
            ticks: interval(EVERY),
            beaten: Instant::now(),
            lost: lost(places)?,
        })
    }

    /// The next line. Nothing is lost where the wait is given up.
    pub(super) async fn next(&mut self) -> Result<Line> {
        loop {
            if let Some((event, names)) = self.queue.pop() {
                self.learn(event.generation);
                let record = self.teller.tell(&event, &names);
                return Ok(Line::Event(Box::new(record)));
            }
            self.ticks.tick().await;
            if self.beaten.elapsed() >= BEAT_EVERY {
                self.beaten = Instant::now();
                self.watch.beat()?;
                if let Some(gap) = self.missing()? {
                    return Ok(Line::Gap(gap));
                }
            }
            for event in &mut self.watch {
                self.queue.push(event);
            }
        }
    }

    /// Ends, and leaves what is to come to a daemon.
    pub(super) fn hand_over(self) {
        self.watch.hand_over();
    }

    /// Learns what a generation calls what; where its file is gone, numbers stay without a name.
    fn learn(&mut self, generation: u64) {
        if generation == 0 || self.teller.knows(generation) {
            return;
        }
        self.teller
            .know(match Force::numbered(self.places, generation) {
                Ok(force) => {
                    let ids = &force.snapshot.ids;
                    Words::of(generation, &force.generation, ids, Arc::new(ids.patterns()))
                }
                Err(_) => Words {
                    number: generation,
                    groups: Vec::new(),
                    sets: HashMap::new(),
                    patterns: Arc::default(),
                },
            });
    }

    /// How many events the kernel had no room for since that was told last.
    fn missing(&mut self) -> Result<Option<Gap>> {
        let now = lost(self.places)?;
        let more = now.saturating_sub(self.lost);
        self.lost = now;
        Ok((more > 0).then(|| Gap::new(Why::Lost, more)))
    }
}

fn lost(places: &Places) -> Result<u64> {
    let fates = counters::events(Pinned(&places.pin_dir))?.into_iter();
    let lost = fates.filter(|(fate, _)| *fate == Fate::Lost);
    Ok(lost.map(|(_, events)| events).sum())
}
