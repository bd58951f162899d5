//! What goes on, seen by a thread of its own and kept for whoever asks.
//!
//! Counters are looked at all the time, so that a plot has a past when somebody comes to see it. Events are held by
//! the daemon: it is asked for them for as long as somebody looks at them here, and for a while longer.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::pending,
    io,
    sync::{Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use jiff::Timestamp;
use tokio::{
    runtime,
    sync::oneshot,
    time::{MissedTickBehavior, interval},
};

use super::ring::Ring;
use crate::{
    command::watch::{
        pulse::{Pulse, SILENT},
        source::Source,
        told::{Generations, Told},
    },
    control::Request,
    daemon::Places,
    dataplane::boot_ns,
    history::record::{Head, Line},
    live::{Live, look::Looker},
    privilege,
};

/// How often counters are looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often it is looked whether somebody still wants events, and who has them is asked again.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// How long events are read for somebody who has not asked for them again.
const INTEREST: Duration = Duration::from_secs(20);
/// Rates that are kept of each counter: a quarter of an hour.
pub const POINTS: usize = 450;
/// Events that are kept.
const EVENTS: usize = 2_000;

/// What was seen.
pub struct Seen(Mutex<State>);

/// The same, while nobody else has it.
pub struct State {
    /// Rates of counters.
    pub live: Live,
    /// When they were looked at, in ms since 1970; as many as there are rates.
    pub times: VecDeque<i64>,
    /// Packets that did not pass.
    pub drops: Ring<Told>,
    /// How they are heard of.
    pub hearing: Hearing,
    asked: Option<Instant>,
}

/// How events are heard of.
#[derive(Clone, Debug)]
pub struct Hearing {
    /// Since when, without a pause.
    pub since: Timestamp,
    /// Why not; nothing where they are.
    pub fault: Option<String>,
    /// Those that came faster than they were read, since then.
    pub lost: u64,
}

impl Default for Seen {
    fn default() -> Self {
        Self(Mutex::new(State {
            live: Live::new(POINTS),
            times: VecDeque::new(),
            drops: Ring::new(EVENTS),
            hearing: Hearing {
                since: Timestamp::now(),
                fault: None,
                lost: 0,
            },
            asked: None,
        }))
    }
}

impl Seen {
    /// What was seen so far.
    pub fn state(&self) -> MutexGuard<'_, State> {
        // What a panic left is looked at anew.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_wanted(&self) -> bool {
        let asked = self.state().asked;
        asked.is_some_and(|asked| asked.elapsed() < INTEREST)
    }
}

impl State {
    /// Notes that somebody looks at events.
    pub fn want_events(&mut self) {
        self.asked = Some(Instant::now());
    }

    /// Takes a look in; the first one has no rates.
    fn look(&mut self, looker: &mut Looker, is_first: &mut bool) {
        match looker.look() {
            Ok(sight) => {
                let at = sight.time.as_millisecond();
                self.live.see(sight);
                if !std::mem::replace(is_first, false) {
                    self.times.push_back(at);
                    let over = self.times.len().saturating_sub(POINTS);
                    self.times.drain(..over);
                }
            }
            Err(fault) => self.live.miss(Timestamp::now(), format!("{fault:#}")),
        }
    }
}

/// Looks and hears until the sender of `ended` is dropped.
///
/// # Errors
/// There is no thread left.
pub fn start(
    seen: Weak<Seen>,
    places: Places,
    ended: oneshot::Receiver<Infallible>,
) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let thread = thread::Builder::new().name("page-watcher".to_owned());
    let thread = thread.spawn(move || {
        privilege::settle(false);
        runtime.block_on(async {
            tokio::select! {
                () = watch(&seen, &places) => {}
                _ = ended => {}
            }
        });
    });
    thread.map(drop)
}

async fn watch(seen: &Weak<Seen>, places: &Places) {
    let (mut looker, mut is_first) = (Looker::new(places), true);
    let mut ear = Ear::new(places);
    let (mut look, mut ask) = (interval(LOOK_EVERY), interval(ASK_EVERY));
    for timer in [&mut look, &mut ask] {
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    loop {
        tokio::select! {
            _ = look.tick() => {
                let Some(seen) = seen.upgrade() else { return };
                seen.state().look(&mut looker, &mut is_first);
            }
            _ = ask.tick() => {
                let Some(seen) = seen.upgrade() else { return };
                ear.ask(&seen).await;
            }
            news = ear.news() => {
                let Some(seen) = seen.upgrade() else { return };
                match news {
                    News::Line(line) => ear.hear(&seen, line),
                    News::Answers(answers) => ear.miss(&seen, answers),
                }
            }
        }
    }
}

/// What is heard.
enum News {
    /// A line; none once there will be none.
    Line(Result<Option<Line>>),
    /// That the daemon has fallen silent, or answers again.
    Answers(bool),
}

/// Hears of events.
struct Ear<'a> {
    places: &'a Places,
    /// Nothing while nobody wants events, or nobody has them.
    source: Option<(Source<'a>, Pulse)>,
    generations: Generations<'a>,
    /// The start of the daemon that told, and the number of its last event.
    last: Option<(Timestamp, u64)>,
    /// When the last event was, by the boot-time clock.
    seen_ns: u64,
}

impl<'a> Ear<'a> {
    fn new(places: &'a Places) -> Self {
        Self {
            places,
            source: None,
            generations: Generations::new(places),
            last: None,
            seen_ns: boot_ns(),
        }
    }

    /// Begins, goes on or ends to hear, as somebody wants it.
    async fn ask(&mut self, seen: &Seen) {
        if !seen.is_wanted() {
            self.source = None;
            return;
        }
        let request = Request::Events {
            last: Some(EVENTS),
            follow: true,
        };
        let source = match self.source.take() {
            Some(daemon @ (Source::Daemon(_), _)) => {
                self.source = Some(daemon);
                return;
            }
            Some((source, _)) => Ok(source.settle(self.places, &request).await),
            None => {
                let opened = Source::open(self.places, &request, self.seen_ns).await;
                opened.map(|(source, _)| source)
            }
        };
        match source {
            Ok(source) => self.begin(seen, source),
            Err(fault) => seen.state().hearing.fault = Some(format!("{fault:#}")),
        }
    }

    fn begin(&mut self, seen: &Seen, source: Source<'a>) {
        let mut state = seen.state();
        let hearing = &mut state.hearing;
        match source.head() {
            Some(head) => {
                hearing.since = held_since(head);
                hearing.fault = elsewhere(head);
                if self.last.is_none_or(|(began, _)| began != head.began) {
                    self.last = Some((head.began, 0));
                }
            }
            None => {
                if hearing.fault.take().is_some() || self.last.take().is_some() {
                    hearing.since = Timestamp::now();
                }
            }
        }
        drop(state);
        let pulse = Pulse::begin(self.places.state_dir.clone());
        self.source = Some((source, pulse));
    }

    /// What is heard next; waits for ever where nobody tells anything.
    async fn news(&mut self) -> News {
        match &mut self.source {
            Some((source, pulse)) => tokio::select! {
                line = source.next() => News::Line(line),
                answers = pulse.changed() => News::Answers(answers),
            },
            None => pending().await,
        }
    }

    /// Tells that the daemon has fallen silent, or no longer.
    fn miss(&self, seen: &Seen, answers: bool) {
        let source = self.source.as_ref();
        if let Some(head) = source.and_then(|(source, _)| source.head()) {
            seen.state().hearing.fault = match answers {
                true => elsewhere(head),
                false => Some(SILENT.to_owned()),
            };
        }
    }

    fn hear(&mut self, seen: &Seen, line: Result<Option<Line>>) {
        match line {
            Ok(Some(Line::Event(record))) => {
                self.seen_ns = self.seen_ns.max(record.boot_ns);
                if self.is_new(record.number) {
                    let told = self.generations.tell(*record);
                    seen.state().drops.push(told);
                }
            }
            Ok(Some(Line::Gap(gap))) => {
                if self.is_new(gap.number) {
                    seen.state().hearing.lost += gap.count;
                }
            }
            Ok(Some(Line::History(_))) => {}
            // It is asked again soon.
            Ok(None) => self.source = None,
            Err(fault) => {
                self.source = None;
                seen.state().hearing.fault = Some(format!("{fault:#}"));
            }
        }
    }

    /// Whether a line of this number was not told yet.
    fn is_new(&mut self, number: Option<u64>) -> bool {
        let (Some((_, last)), Some(number)) = (&mut self.last, number) else {
            return true;
        };
        let is_new = number > *last;
        *last = number.max(*last);
        is_new
    }
}

/// Why a daemon tells of no events, where somebody else takes them away.
fn elsewhere(head: &Head) -> Option<String> {
    let reader = head.reader?;
    Some(format!(
        "process {reader} reads events in the daemon's place: end it to see them here"
    ))
}

/// Since when all that happened is held.
fn held_since(head: &Head) -> Timestamp {
    let whole = head.oldest.filter(|_| head.gone > 0);
    whole.unwrap_or(head.began)
}
