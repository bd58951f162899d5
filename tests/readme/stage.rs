//! A gateway on which what the README shows is typed.

use std::any::Any;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use lab::gateway::{self, Egress};
use lab::host::Host;
use lab::process::Process;
use lab::topology::Lab;
use lab::wait;
use rustix::process::Signal;

use crate::readme::block::Shown;

/// Commands that go on until they are interrupted.
const ENDLESS: [&str; 2] = ["egress-ctl watch", "egress-ctl top"];
/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(60);
/// How long one that goes on, and that prints nothing, is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What happens while a command runs.
type Meanwhile = Box<dyn FnOnce() -> Result<()>>;
/// What happens with all that was printed.
type Afterwards = Box<dyn FnOnce(&[String]) -> Result<()>>;

/// A gateway, what happens on it, and what has to be there meanwhile.
pub struct Stage {
    gateway: Host,
    folder: PathBuf,
    /// What the lab calls otherwise than the README does.
    names: Vec<(String, String)>,
    meanwhile: Option<Meanwhile>,
    afterwards: Option<Afterwards>,
    parts: Vec<Box<dyn Any>>,
}

impl Stage {
    /// The lab's gateway.
    pub fn of(lab: &Lab) -> Self {
        let folder = lab.folder().to_owned();
        let inside = |file: &str| folder.join(file).display().to_string();
        Self {
            gateway: lab.gateway.clone(),
            names: vec![
                (inside("egress.toml"), "/etc/egress/egress.toml".to_owned()),
                (inside("state"), "/var/lib/egress".to_owned()),
            ],
            folder,
            meanwhile: None,
            afterwards: None,
            parts: Vec::new(),
        }
    }

    /// The lab's gateway with a daemon.
    pub fn with_daemon(lab: &Lab, config: &str) -> Result<Self> {
        let egress = Egress::start(lab, config)?;
        Ok(Self::of(lab).holding(egress))
    }

    /// Holds something until the end; what came first goes first.
    pub fn holding(mut self, part: impl Any) -> Self {
        self.parts.push(Box::new(part));
        self
    }

    /// Something happens while the first command runs that goes on.
    pub fn meanwhile(mut self, happens: impl FnOnce() -> Result<()> + 'static) -> Self {
        self.meanwhile = Some(Box::new(happens));
        self
    }

    /// Something happens with what all commands printed.
    pub fn afterwards(mut self, happens: impl FnOnce(&[String]) -> Result<()> + 'static) -> Self {
        self.afterwards = Some(Box::new(happens));
        self
    }

    /// What the lab calls so, the README calls otherwise.
    pub fn calling(mut self, in_lab: impl Into<String>, shown: &str) -> Self {
        self.names.push((in_lab.into(), shown.to_owned()));
        self
    }

    /// Types a command as the README has it, and returns how it ended, and what it printed.
    pub fn ends(&mut self, line: &str) -> Result<(String, String)> {
        let names = self.names.iter();
        let line = names.fold(line.to_owned(), |line, (name, shown)| {
            line.replace(shown, name)
        });
        let shown = Shown {
            line: &line,
            output: String::new(),
        };
        let mut process = self.finished(&shown).context(line.clone())?;
        let end = process.alive().err().context("it goes on")?;
        Ok((end.to_string(), process.output()))
    }

    /// Types a command, and returns what it prints, in the README's names.
    pub fn run(&mut self, shown: &Shown<'_>) -> Result<String> {
        let printed = self.typed(shown).context(shown.line.to_owned())?;
        let names = self.names.iter();
        Ok(names.fold(printed, |text, (name, shown)| text.replace(name, shown)))
    }

    /// Lets happen what comes behind the last command.
    pub fn end(mut self, printed: &[String]) -> Result<()> {
        let happens = self.afterwards.take();
        happens.map_or(Ok(()), |happens| happens(printed))
    }

    fn typed(&mut self, shown: &Shown<'_>) -> Result<String> {
        Ok(self.finished(shown)?.output())
    }

    fn finished(&mut self, shown: &Shown<'_>) -> Result<Process> {
        let mut process = self.start(shown.line)?;
        let is_endless = ENDLESS.iter().any(|line| shown.line.starts_with(line));
        if is_endless {
            self.follow(&mut process, shown.output.lines().count())?;
        } else {
            let what = format!("the end of `{}`", shown.line);
            wait::until(&what, LIMIT, || Ok(process.alive().err()))?;
        }
        Ok(process)
    }

    /// Waits until it has printed enough or ends, and interrupts it.
    fn follow(&mut self, process: &mut Process, lines: usize) -> Result<()> {
        wait::until("somebody who watches", LIMIT, || {
            let listens = process.alive().is_err() || self.is_watched();
            Ok(listens.then_some(()))
        })?;
        if let Some(happens) = self.meanwhile.take() {
            happens()?;
        }
        let limit = if lines == 0 { LOOK } else { LIMIT };
        let enough = wait::until("enough lines", limit, || {
            let ended = process.alive().is_err();
            let printed = process.output().lines().count();
            Ok((ended || (lines > 0 && printed >= lines)).then_some(ended))
        });
        if !enough.unwrap_or(false) {
            process.signal(Signal::INT)?;
            wait::until("its end", LIMIT, || Ok(process.alive().err()))?;
        }
        Ok(())
    }

    /// Whether somebody watches.
    fn is_watched(&self) -> bool {
        let status = self.start_as("status", "egress-ctl status --json");
        let status = status.and_then(|mut process| {
            wait::until("status", LIMIT, || Ok(process.alive().err()))?;
            Ok(process.output())
        });
        let status = status.and_then(|text| Ok(serde_json::from_str::<serde_json::Value>(&text)?));
        status.is_ok_and(|status| {
            // With a daemon, that is who reads the kernel's events.
            let watchers = &status["history"]["watchers"];
            let watchers = watchers.as_u64().or(status["watcher"].as_u64());
            watchers.is_some_and(|watchers| watchers != 0)
        })
    }

    fn start(&self, line: &str) -> Result<Process> {
        self.start_as("shown", line)
    }

    fn start_as(&self, name: &str, line: &str) -> Result<Process> {
        let mut command = self.gateway.command("sh");
        // A host of the lab begins at the root folder.
        let inside = format!("cd '{}' && exec {line} 2>&1", self.folder.display());
        command.args(["-c", &inside]);
        let program = gateway::program()?;
        let folder = program.parent().context("a program lies in a folder")?;
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", folder.display()));
        command.env("EGRESS_STATE_DIR", self.folder.join("state"));
        command.env_remove("RUST_BACKTRACE").env("TZ", "UTC");
        Process::spawn(name, command, &self.folder)
    }
}
