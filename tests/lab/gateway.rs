//! The product under test: `egress-ctl run` on the gateway, its configuration and what it says.

use std::env;
use std::fs;
use std::path::{self, Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use crate::host::Host;
use crate::interrupt;
use crate::process::Process;
use crate::status::Status;
use crate::told;
use crate::topology::Lab;
use crate::wait;

/// How long a swap or an end may take; a loaded machine may not be fast.
const LIMIT: Duration = Duration::from_secs(30);
/// How long a start may take: an emulated machine verifies the programs for half a minute.
const START_LIMIT: Duration = Duration::from_secs(120);
const READY: &str = "ready: generation ";

/// A running daemon that enforces.
#[derive(Debug)]
pub struct Egress {
    daemon: Process,
    host: Host,
    program: PathBuf,
    config: PathBuf,
    state: PathBuf,
}

impl Egress {
    /// Starts the daemon with the configuration and returns once it enforces.
    pub fn start(lab: &Lab, config: &str) -> Result<Self> {
        Self::start_with(lab, config, &[])
    }

    /// As [`Self::start`], with further options of `egress-ctl run`, such as `--xdp generic`.
    pub fn start_with(lab: &Lab, config: &str, options: &[&str]) -> Result<Self> {
        Self::start_on(&lab.gateway, lab.folder(), config, options)
    }

    /// As [`Self::start_with`], on any host, with a folder for its files.
    pub fn start_on(host: &Host, folder: &Path, config: &str, options: &[&str]) -> Result<Self> {
        let mut egress = Self::launch(&program()?, (host, folder), config, options)?;
        egress.ready()?;
        Ok(egress)
    }

    /// Starts a build of the daemon, and does not wait until it enforces.
    pub fn launch(
        program: &Path,
        (host, folder): (&Host, &Path),
        config: &str,
        options: &[&str],
    ) -> Result<Self> {
        host.borrow()?;
        let (file, state) = (folder.join("egress.toml"), folder.join("state"));
        fs::create_dir_all(&state)?;
        fs::write(&file, config)?;
        let mut command = host.command(program);
        command.arg("run").arg("--config").arg(&file).args(options);
        command.env("EGRESS_STATE_DIR", &state);
        Ok(Self {
            daemon: Process::spawn("egress-ctl", command, folder)?,
            host: host.clone(),
            program: program.to_owned(),
            config: file,
            state,
        })
    }

    /// Waits until a daemon that was launched enforces, and returns the number of its generation.
    pub fn ready(&mut self) -> Result<u64> {
        self.wait_for_generation_after(0)
    }

    /// Replaces the configuration, swaps, and returns the number of the new generation.
    pub fn reload(&mut self, config: &str) -> Result<u64> {
        let before = self.generations().len();
        self.ask_to_reload(config)?;
        self.wait_for_generation_after(before)
    }

    /// Replaces the configuration by one that must be refused, and returns the complaint.
    pub fn reload_refused(&mut self, config: &str) -> Result<String> {
        let (before, said) = (self.generations().len(), self.daemon.complaints().len());
        self.ask_to_reload(config)?;
        let complaint = wait::until("egress-ctl to complain", LIMIT, || {
            self.daemon.alive()?;
            let complaints = self.daemon.complaints();
            let fresh = complaints.get(said..).unwrap_or_default();
            let is_whole = fresh.contains("ERROR") && fresh.contains(" in force");
            Ok(is_whole.then(|| fresh.to_owned()))
        })?;
        ensure!(
            self.generations().len() == before,
            "egress-ctl took a configuration that it should refuse"
        );
        Ok(complaint)
    }

    /// What the daemon and its maps say now.
    pub fn status(&self) -> Result<Status> {
        serde_json::from_value(self.json(&["status", "--json"])?)
            .context("status --json does not have the promised form")
    }

    /// The status once no packet is on its way any more: two in a row count the same.
    pub fn settled(&self) -> Result<Status> {
        let mut earlier = self.status()?;
        wait::until("the counters to come to rest", LIMIT, || {
            interrupt::sleep(Duration::from_millis(10))?;
            let now = self.status()?;
            let rests = now.verdicts == earlier.verdicts;
            earlier = now;
            Ok(rests.then(|| earlier.clone()))
        })
    }

    /// What `check` answers for a target, with further options.
    pub fn check(&self, target: &str, options: &[&str]) -> Result<Value> {
        self.json(&[&["check", target, "--json"], options].concat())
    }

    /// What a command of `egress-ctl` prints as JSON; `status` exits with more than 0 where not all is well.
    pub fn json(&self, arguments: &[&str]) -> Result<Value> {
        let most = match arguments {
            ["status", ..] => STATUS_CRITICAL,
            _ => 0,
        };
        json(self.command(arguments), most)
            .with_context(|| format!("egress-ctl {}", arguments.join(" ")))
    }

    /// A command of `egress-ctl` on the gateway, with the daemon's state.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.host.command(&self.program);
        command.args(arguments).env("EGRESS_STATE_DIR", &self.state);
        command
    }

    /// Ends the daemon as a service manager would, and returns its exit code.
    pub fn terminate(self) -> Result<Option<i32>> {
        self.daemon.terminate(LIMIT)
    }

    /// Ends the daemon as a service manager would; what it loaded is still there to be asked.
    pub fn end(&mut self) -> Result<Option<i32>> {
        self.daemon.end(LIMIT)
    }

    /// Kills the daemon; what it loaded is still there to be asked.
    pub fn kill(&mut self) -> Result<()> {
        self.daemon.kill()
    }

    /// What to run on the gateway to ask the filter.
    pub fn how_to_ask(&self) -> String {
        let (state, program) = (self.state.display(), self.program.display());
        format!("env EGRESS_STATE_DIR={state} {program} status")
    }

    /// Everything that the daemon has logged.
    pub fn log(&self) -> String {
        self.daemon.complaints()
    }

    /// The daemon's process id.
    pub fn id(&self) -> u32 {
        self.daemon.id()
    }

    /// Lets the daemon live on, and returns its process id.
    pub fn leave(self) -> u32 {
        self.daemon.leave()
    }

    fn ask_to_reload(&self, config: &str) -> Result<()> {
        fs::write(&self.config, config)?;
        self.daemon.signal(Signal::HUP)
    }

    fn wait_for_generation_after(&mut self, count: usize) -> Result<u64> {
        let ready = wait::until("egress-ctl to be ready", START_LIMIT, || {
            self.daemon.alive()?;
            Ok(self.generations().get(count).copied())
        });
        ready.with_context(|| format!("egress-ctl said:\n{}", self.log()))
    }

    /// The numbers of all generations that the daemon has announced.
    fn generations(&self) -> Vec<u64> {
        let output = self.daemon.output();
        let complete = output.rsplit_once('\n').map_or("", |(lines, _)| lines);
        let numbers = complete.lines().filter_map(|line| line.strip_prefix(READY));
        numbers
            .filter_map(|number| number.trim().parse().ok())
            .collect()
    }
}

/// What `status` exits with where it does not filter as it should; with 3, where there is nothing to tell of.
const STATUS_CRITICAL: i32 = 2;

fn json(mut command: Command, most: i32) -> Result<Value> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code().is_some_and(|code| code <= most),
        "{}: {}",
        output.status,
        said.trim()
    );
    told::object(&output.stdout)
}

/// `EGRESS_CTL`, or the program beside this one, or beside the folder of this one (for tests).
pub fn program() -> Result<PathBuf> {
    if let Some(program) = env::var_os("EGRESS_CTL") {
        // A host of the lab begins at the root folder.
        return Ok(path::absolute(program)?);
    }
    let this = env::current_exe()?;
    let folders = this.ancestors().skip(1).take(2);
    let found = folders
        .map(|folder: &Path| folder.join("egress-ctl"))
        .find(|program| program.is_file());
    found.context("no egress-ctl beside this program: build it, or name it in EGRESS_CTL")
}
