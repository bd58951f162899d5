//! What is on the terminal.

use anyhow::{Context as _, Result};
use jiff::Zoned;

use super::{
    check,
    screen::{self, Glyphs, Screen},
    seen::{KEPT, Seen},
    state::{Command, Effect, State},
    terminal::Terminal,
};
use crate::{
    daemon::Places,
    filter::Filter,
    live::{Live, Picture},
};

/// What is on the terminal.
pub(super) struct Shown {
    pub(super) seen: Seen,
    /// What is shown instead while nothing may move, and since when.
    frozen: Option<(Live, Zoned)>,
    pub(super) state: State,
    glyphs: Glyphs,
    pub(super) terminal: Terminal,
}

impl Shown {
    pub(super) fn new(seen: Seen, state: State) -> Result<Self> {
        Ok(Self {
            seen,
            frozen: None,
            state,
            glyphs: Glyphs::of_environment(),
            terminal: Terminal::open()?,
        })
    }

    /// Does what is asked for; what is beyond the screen is left to whoever asks.
    pub(super) fn obey(&mut self, command: Command) -> Option<Effect> {
        let (rows, orders) = screen::extent(&self.picture(0), &self.state);
        self.state.obey(command, rows, orders)
    }

    /// Nothing moves from now on, or all goes on.
    pub(super) fn pause(&mut self) {
        let now = (self.seen.live.clone(), Zoned::now());
        self.frozen = self.state.is_paused.then_some(now);
    }

    /// Takes a text as the filter, or says what is wrong with it.
    pub(super) fn narrow(&mut self, places: &Places, text: &str) {
        let filter = text.parse::<Filter>().map_err(anyhow::Error::from);
        let checked = filter.and_then(|filter| check(places, &filter).map(|()| filter));
        let told = checked.as_ref().map(ToString::to_string);
        self.state
            .narrowed(told.map_err(|fault| format!("{fault:#}")));
        if let Ok(filter) = checked {
            self.seen.filter = filter;
        }
    }

    fn picture(&self, points: usize) -> Picture {
        match &self.frozen {
            None => self.seen.picture(points),
            Some((live, _)) => {
                let filter = self.seen.filter.clone();
                let live = live.clone();
                Seen { live, filter }.picture(points)
            }
        }
    }

    /// Draws it, as far as it changed.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(super) fn draw(&mut self) -> Result<()> {
        let picture = self.picture(KEPT);
        let now = self
            .frozen
            .as_ref()
            .map_or_else(Zoned::now, |(_, then)| then.clone());
        let (state, glyphs) = (&self.state, self.glyphs);
        let drawn = self.terminal.show(|area| {
            let screen = Screen {
                picture: &picture,
                state,
                now: &now,
                glyphs,
                width: area.width.into(),
            };
            screen.of_height(area.height.into())
        });
        drawn.context("cannot write to the terminal")
    }
}
