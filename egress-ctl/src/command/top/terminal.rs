//! The terminal, as long as something is shown on it.
//!
//! However it ends, by a key, a signal, an error or a panic, the terminal is as it was before.

use std::io;

use anyhow::{Context as _, Result};
use ratatui::{DefaultTerminal, layout::Rect, text::Line};
use rustix::process::{Signal, getpid, kill_process};

/// A terminal that is ours; dropped, it is as it was before.
pub struct Terminal(DefaultTerminal);

impl Terminal {
    /// Takes the terminal.
    ///
    /// # Errors
    /// There is none that keys can be read from.
    pub fn open() -> Result<Self> {
        let opened = ratatui::try_init();
        if opened.is_err() {
            ratatui::restore();
        }
        let opened = opened
            .context("this terminal does not give its keys: `egress-ctl top --plain` needs none")?;
        Ok(Self(opened))
    }

    /// Shows these lines and nothing else; only what differs is written.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn show(&mut self, lines: impl FnOnce(Rect) -> Vec<Line<'static>>) -> io::Result<()> {
        let drawn = self.0.draw(|frame| {
            let area = frame.area();
            let buffer = frame.buffer_mut();
            for (line, y) in lines(area).iter().zip(area.top()..area.bottom()) {
                buffer.set_line(area.left(), y, line, area.width);
            }
        });
        drawn.map(drop)
    }

    /// Forgets what is on the screen: all is written anew.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn forget(&mut self) -> io::Result<()> {
        self.0.clear()
    }

    /// Gives the terminal back, and goes into the background until somebody fetches it from there.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn suspend(self) -> Result<Self> {
        drop(self);
        kill_process(getpid(), Signal::STOP).context("cannot stop")?;
        Self::open()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Where the terminal is gone, nothing is to be restored.
        let _: io::Result<()> = self.0.show_cursor();
        ratatui::restore();
    }
}
