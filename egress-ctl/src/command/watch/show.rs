//! What is shown of the lines: those that are meant, and of the past no more than was asked for.

use std::collections::VecDeque;

use anyhow::Result;
use jiff::{Timestamp, tz::TimeZone};

use super::{
    Flow, Watch, is_read, line_out,
    source::is_before,
    told::{Generations, Told},
};
use crate::{
    command::output::{complain, json_line},
    daemon::Places,
    dataplane::boot_ns,
    filter::Filter,
    history::record::{Gap, Head, Line, Why},
};

/// Shows lines.
pub(super) struct Show<'a> {
    watch: &'a Watch,
    filter: Filter,
    generations: Generations<'a>,
    /// The newest of the past that are meant, until all of it is there.
    past: VecDeque<Shown>,
    /// Number of the first line that is not of the past; none where there is no past, or no more of it to come.
    next: Option<u64>,
    left: Option<u64>,
    /// When the newest event was that was seen, by the boot-time clock.
    seen_ns: u64,
}

/// What may be shown.
enum Shown {
    Event(Box<Told>),
    Gap(Gap),
}

impl<'a> Show<'a> {
    pub(super) fn new(watch: &'a Watch, places: &'a Places, filter: Filter) -> Self {
        Self {
            watch,
            filter,
            generations: Generations::new(places),
            past: VecDeque::new(),
            next: None,
            left: watch.count,
            seen_ns: boot_ns(),
        }
    }

    /// Says what is held, where the past is asked for.
    pub(super) fn begin(&mut self, head: Option<&Head>) -> Result<Flow> {
        let Some(head) = head else {
            return Ok(Flow::On);
        };
        self.next = (head.held > 0 && self.watch.looks_back()).then_some(head.next);
        if let Some(pid) = head.reader {
            complain(format!(
                "process {pid} reads events in the daemon's place, as `watch` does that began before it: until that ends, none are held"
            ));
        }
        if !self.watch.looks_back() {
            return Ok(Flow::On);
        }
        if self.watch.json {
            return line_out(&json_line(head)?);
        }
        complain(said(head, self.watch.since));
        Ok(Flow::On)
    }

    /// Takes a line.
    pub(super) fn line(&mut self, line: Line) -> Result<Flow> {
        let watch = self.watch;
        let is_early = watch.since.is_some_and(|since| is_before(&line, since));
        let is_late = watch.until.is_some_and(|until| !is_before(&line, until));
        let number = match &line {
            Line::Event(record) => {
                self.seen_ns = self.seen_ns.max(record.boot_ns);
                record.number
            }
            Line::Gap(gap) => gap.number,
            Line::History(_) => return Ok(Flow::On),
        };
        let is_past = self.is_past(number);
        if is_late && !is_past {
            return Ok(Flow::Ended);
        }
        let shown = (!is_early && !is_late).then(|| self.meant(line)).flatten();
        if !is_past {
            self.print_past()?;
            return shown.map_or(Ok(Flow::On), |shown| self.print(&shown));
        }
        self.past.extend(shown);
        if let Some(last) = watch.last {
            let more = self.past.len().saturating_sub(last);
            self.past.drain(..more);
        }
        match number.map(|number| number + 1) >= self.next {
            true => self.print_past(),
            false => Ok(Flow::On),
        }
    }

    /// Whether a line of this number is of the past, as one without a number is that comes amidst it.
    fn is_past(&self, number: Option<u64>) -> bool {
        match (number, self.next) {
            (_, None) => false,
            (Some(number), Some(next)) => number < next,
            (None, Some(_)) => true,
        }
    }

    /// All of the past is there.
    pub(super) fn end(&mut self) -> Result<Flow> {
        self.print_past()?;
        Ok(Flow::Ended)
    }

    /// Whether somebody still reads, and more is to come.
    pub(super) fn look(&self) -> Result<Flow> {
        let is_over = |until: Timestamp| until < Timestamp::now();
        let waits = self.watch.follow && self.next.is_none();
        match !is_read() || waits && self.watch.until.is_some_and(is_over) {
            true => Ok(Flow::Ended),
            false => Ok(Flow::On),
        }
    }

    /// When the newest event was, in ns of the boot-time clock.
    pub(super) fn seen_ns(&self) -> u64 {
        self.seen_ns
    }

    fn meant(&mut self, line: Line) -> Option<Shown> {
        match line {
            Line::Event(record) => {
                let told = self.generations.tell(*record);
                let is_meant = self.filter.matches(&told.subject());
                is_meant.then(|| Shown::Event(Box::new(told)))
            }
            Line::Gap(gap) => Some(Shown::Gap(gap)),
            Line::History(_) => None,
        }
    }

    fn print_past(&mut self) -> Result<Flow> {
        self.next = None;
        for shown in std::mem::take(&mut self.past) {
            if self.print(&shown)? == Flow::Ended {
                return Ok(Flow::Ended);
            }
        }
        Ok(Flow::On)
    }

    fn print(&mut self, shown: &Shown) -> Result<Flow> {
        let text = match (shown, self.watch.json) {
            (Shown::Event(told), true) => json_line(told)?,
            (Shown::Event(told), false) => told.to_string(),
            (Shown::Gap(gap), true) => json_line(gap)?,
            (Shown::Gap(gap), false) => words(gap),
        };
        if line_out(&text)? == Flow::Ended {
            return Ok(Flow::Ended);
        }
        if let Shown::Event(_) = shown {
            self.left = self.left.map(|left| left - 1);
        }
        match self.left {
            Some(0) => Ok(Flow::Ended),
            _ => Ok(Flow::On),
        }
    }
}

/// What is held, and whether that goes back far enough.
fn said(head: &Head, since: Option<Timestamp>) -> String {
    let Head {
        held,
        bound,
        oldest,
        began,
        gone,
        ..
    } = head;
    let local = |time: Timestamp| {
        time.to_zoned(TimeZone::system())
            .strftime("%F %T")
            .to_string()
    };
    let held = match oldest {
        Some(oldest) => format!("{held} events are held, the oldest of {}", local(*oldest)),
        None => "no events are held".to_owned(),
    };
    let before = match gone {
        0 => format!("; the daemon began at {}", local(*began)),
        gone => format!("; {gone} older ones are gone (run --events, {bound} now)"),
    };
    let is_short = match (since, gone, oldest) {
        (Some(since), 0, _) => since < *began,
        (Some(since), _, Some(oldest)) => since < *oldest,
        _ => false,
    };
    let short = if is_short {
        ": that is not all since then"
    } else {
        ""
    };
    format!("{held}{before}{short}")
}

fn words(gap: &Gap) -> String {
    let time = gap
        .time
        .to_zoned(TimeZone::system())
        .strftime("%T%.3f")
        .to_string();
    let count = gap.count;
    match gap.why {
        Why::Lost => {
            format!("{time} {count} events are lost: they came faster than they were read")
        }
        Why::Overrun => {
            format!("{time} {count} events are not shown: they came faster than they were shown")
        }
    }
}
