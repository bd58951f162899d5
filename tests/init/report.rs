//! The way to the host: markers in, lines on the second serial port out.

use std::{
    fs::File,
    io::{self, Write},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result};
use rustix::termios::{OptionalActions, tcdrain, tcgetattr, tcsetattr};

use crate::marker::Marker;

const PORT: &str = "/dev/ttyS1";

/// Takes markers from several threads at once.
pub struct Report {
    out: Mutex<Box<dyn Write + Send>>,
    port: Option<File>,
}

impl Report {
    /// The port that the host reads, without a terminal's habits.
    pub fn on_second_port() -> Result<Self> {
        let port = File::options()
            .read(true)
            .write(true)
            .open(PORT)
            .with_context(|| format!("cannot open {PORT}"))?;
        let mut settings = tcgetattr(&port)?;
        settings.make_raw();
        tcsetattr(&port, OptionalActions::Now, &settings)?;
        Ok(Self {
            out: Mutex::new(Box::new(port.try_clone()?)),
            port: Some(port),
        })
    }

    /// For a look at it by hand.
    pub fn on_stdout() -> Self {
        Self {
            out: Mutex::new(Box::new(io::stdout())),
            port: None,
        }
    }

    /// Writes one line.
    pub fn tell(&self, marker: &Marker) {
        let line = format!("{marker}\n");
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = out.write_all(line.as_bytes()) {
            eprintln!("init: the host does not hear `{marker}`: {error}");
        }
    }

    /// Passes on a line that something printed.
    pub fn said(&self, test: &str, line: &str) {
        self.tell(&Marker::Said {
            test: test.to_owned(),
            line: line.to_owned(),
        });
    }

    /// Waits until the host has everything.
    pub fn flush(&self) -> Result<()> {
        if let Some(port) = &self.port {
            tcdrain(port)?;
        }
        Ok(())
    }
}
