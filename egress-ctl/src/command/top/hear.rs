//! Hears of packets that are not allowed: from the daemon, which knows those of the last minute as well, or without
//! one from the kernel.

use std::{sync::mpsc::Sender, time::Duration};

use anyhow::Result;
use jiff::Timestamp;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::happening::Happening;
use crate::{
    command::watch::{
        pulse::{Pulse, SILENT},
        source::Source,
        told::{Generations, Told},
    },
    control::Request,
    daemon::Places,
    dataplane::boot_ns,
    history::record::{Line, Record},
    live::{Denied, recent::WINDOW},
};

/// Of the past, the newest so many are asked for.
const PAST: usize = 2000;
/// How often what was heard is told.
const TELL_EVERY: Duration = Duration::from_millis(200);
/// How often a daemon is looked for where none runs.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long it waits where it cannot hear.
const PAUSE: Duration = Duration::from_secs(2);

/// Hears until nobody listens any more.
pub(super) fn hear(places: &Places, tell: &Sender<Happening>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ear = Ear {
        places,
        tell,
        generations: Generations::new(places),
        past: PAST,
        seen_ns: boot_ns(),
    };
    if let Ok(runtime) = runtime {
        runtime.block_on(ear.listen());
    }
}

/// Nobody listens any more.
struct Alone;

struct Ear<'a> {
    places: &'a Places,
    tell: &'a Sender<Happening>,
    generations: Generations<'a>,
    /// How many lines of the past are to be asked for.
    past: usize,
    /// When the newest event was that was heard of, by the boot-time clock.
    seen_ns: u64,
}

impl<'a> Ear<'a> {
    async fn listen(mut self) {
        loop {
            let Some(fault) = self.follow().await.transpose() else {
                return;
            };
            // Where a daemon has ended, the kernel is asked at once.
            if let Err(fault) = fault {
                let why = format!("{fault:#}");
                if self.tell.send(Happening::Unheard(why)).is_err() {
                    return;
                }
                sleep(PAUSE).await;
            }
        }
    }

    /// Tells what comes, until its source has ended; nothing where nobody listens any more.
    async fn follow(&mut self) -> Result<Option<()>> {
        let places: &'a Places = self.places;
        let (mut source, _) = Source::open(places, &request(self.past), self.seen_ns).await?;
        self.past = 0;
        let mut pulse = Pulse::begin(places.state_dir.clone());
        let mut deaf = elsewhere(&source);
        let mut heard = Vec::new();
        let mut due = interval(TELL_EVERY);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ask = interval(ASK_EVERY);
        ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                line = source.next() => match line? {
                    Some(Line::Event(record)) => {
                        deaf = None;
                        heard.extend(self.denied(*record));
                    }
                    Some(Line::Gap(_) | Line::History(_)) => {}
                    None => break,
                },
                _ = due.tick() => {
                    let told = match &deaf {
                        Some(why) => self.tell.send(Happening::Unheard(why.clone())).map_err(|_| Alone),
                        None => self.tell(&mut heard),
                    };
                    if told.is_err() {
                        return Ok(None);
                    }
                }
                answers = pulse.changed() => deaf = match (&source, answers) {
                    (Source::Daemon(_), false) => Some(SILENT.to_owned()),
                    _ => elsewhere(&source),
                },
                _ = ask.tick() => source = source.settle(places, &request(0)).await,
            }
        }
        Ok(self.tell(&mut heard).is_ok().then_some(()))
    }

    /// An event, unless it is too long ago to count.
    fn denied(&mut self, record: Record) -> Option<Denied> {
        self.seen_ns = self.seen_ns.max(record.boot_ns);
        if Timestamp::now().duration_since(record.time) > WINDOW {
            return None;
        }
        let Told { record, nearest } = self.generations.tell(record);
        Some(Denied { record, nearest })
    }

    fn tell(&self, heard: &mut Vec<Denied>) -> Result<(), Alone> {
        let heard = Happening::Heard(std::mem::take(heard));
        self.tell.send(heard).map_err(|_| Alone)
    }
}

/// The newest events that are held, so many, and those to come.
fn request(past: usize) -> Request {
    Request::Events {
        last: Some(past),
        follow: true,
    }
}

/// Why a daemon tells of none, where somebody else takes them away.
fn elsewhere(source: &Source<'_>) -> Option<String> {
    let reader = source.head()?.reader?;
    Some(format!(
        "process {reader} reads events in the daemon's place: none are heard of until that ends"
    ))
}
