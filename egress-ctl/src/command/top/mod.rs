//! `egress-ctl top`: what goes on, as it goes on. Works with and without a daemon.
//!
//! On a terminal it is a screen with keys; elsewhere, and with `--plain`, text; with `--json` objects.

mod happening;
mod hear;
mod keys;
mod screen;
mod seen;
mod shown;
mod state;
pub mod terminal;
mod text;
mod view;

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use anyhow::{Result, bail};
use clap::Args;

use self::{
    happening::{Happening, Happenings},
    screen::Glyphs,
    seen::{Seen, Taken},
    shown::Shown,
    state::{Effect, State},
    text::{json, text},
    view::View,
};
use super::{
    narrow::Narrow,
    output::{is_dumb, print},
    watch::is_read,
};
use crate::{
    daemon::Places,
    filter::{Filter, Known},
    in_force,
};

/// Show what goes on: rates by group and endpoint set, who is denied what, names, generation and feeds
#[derive(Args)]
pub struct Top {
    /// What to look at first.
    #[arg(long, value_enum, default_value_t)]
    view: View,
    /// Seconds from one look to the next.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    every: Duration,
    /// Print one screen as text, and end; so does a pipe.
    #[arg(long, conflicts_with_all = ["plain", "json"])]
    once: bool,
    /// Print each screen as text, without keys.
    #[arg(long, conflicts_with = "json")]
    plain: bool,
    /// Print a JSON object a look, one a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    narrow: Narrow,
    /// End after so many screens or objects.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

/// Rates of each counter that text shows.
const POINTS: usize = 80;

/// A number of seconds between a fifth and an hour.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok();
    let every = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    every
        .filter(|every| (Duration::from_millis(200)..=Duration::from_secs(3600)).contains(every))
        .ok_or_else(|| "write seconds from 0.2 to 3600".to_owned())
}

/// As what it is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Screen,
    Text,
    Json,
}

impl Top {
    /// Runs the command, until somebody ends it, nobody reads its output, or it has shown enough.
    ///
    /// # Errors
    /// Nothing is loaded, or the output cannot be written.
    pub fn run(self, places: &Places) -> Result<()> {
        let filter = self.narrow.filter()?;
        if self.narrow.prints(&filter)? {
            return Ok(());
        }
        if !places.pin_dir.exists() {
            bail!(
                "nothing is loaded: there is no {}; `egress-ctl run --config FILE` loads it",
                places.pin_dir.display()
            );
        }
        check(places, &filter)?;
        match self.form() {
            Form::Screen => self.screen(places, filter),
            form => self.print(places, filter, form),
        }
    }

    fn form(&self) -> Form {
        if self.json {
            return Form::Json;
        }
        let is_plain = self.once || self.plain || !io::stdout().is_terminal();
        match is_plain || is_dumb() {
            true => Form::Text,
            false => Form::Screen,
        }
    }

    /// A screen, with keys.
    fn screen(&self, places: &Places, filter: Filter) -> Result<()> {
        let mut state = State::new(self.view, self.every);
        state.filter = filter.to_string();
        let mut shown = Shown::new(Seen::new(filter), state)?;
        let happenings = Happenings::begin(places, self.every)?.with_keys()?;
        let mut left = self.count;
        loop {
            let happening = happenings.next();
            let command = match &happening {
                Happening::Key(key) => keys::command(*key, shown.state.draft.is_some()),
                _ => None,
            };
            match command.and_then(|command| shown.obey(command)) {
                Some(Effect::Quit) => return Ok(()),
                Some(Effect::Suspend) => shown.terminal = shown.terminal.suspend()?,
                Some(Effect::Redraw) => shown.terminal.forget()?,
                Some(Effect::Pace(every)) => happenings.pace(every),
                Some(Effect::Pause) => shown.pause(),
                Some(Effect::Narrow(text)) => shown.narrow(places, &text),
                None => {}
            }
            match happening {
                Happening::Key(_) | Happening::Resized => shown.draw()?,
                other => match shown.seen.take(other)? {
                    Taken::Looked => {
                        shown.draw()?;
                        left = left.map(|left| left - 1);
                    }
                    Taken::Heard => {}
                    Taken::Ended => return Ok(()),
                },
            }
            if left == Some(0) {
                return Ok(());
            }
        }
    }

    /// Text or objects, one behind the other.
    fn print(&self, places: &Places, filter: Filter, form: Form) -> Result<()> {
        let once = self.once || (form == Form::Text && !self.plain && !io::stdout().is_terminal());
        let mut left = match once {
            true => Some(1),
            false => self.count,
        };
        let state = State::new(self.view, self.every);
        let glyphs = Glyphs::of_environment().without_colours();
        let happenings = Happenings::begin(places, self.every)?;
        let mut seen = Seen::new(filter);
        // Rates are known once it was looked twice.
        let mut looks = 0;
        while left != Some(0) {
            match seen.take(happenings.next())? {
                Taken::Looked => looks += 1,
                Taken::Heard => continue,
                Taken::Ended => return Ok(()),
            }
            if looks < 2 {
                continue;
            }
            let text = match form {
                Form::Json => json(&seen.picture(0))?,
                Form::Text | Form::Screen => text(&seen.picture(POINTS), &state, glyphs),
            };
            print(&text)?;
            if !is_read() {
                return Ok(());
            }
            left = left.map(|left| left - 1);
        }
        Ok(())
    }
}

/// Checks that there are groups and sets as a filter names, as far as anybody knows.
fn check(places: &Places, filter: &Filter) -> Result<()> {
    let Ok(snapshot) = in_force::snapshot(places) else {
        return Ok(());
    };
    Ok(filter.check(&Known::from(&snapshot.ids))?)
}
