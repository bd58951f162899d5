//! A gateway without any traffic: daemons on it that start, end and are asked.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use egress_ctl::config::Config;
use rustix::process::Signal;
use serde_json::Value;

use crate::config::custom;
use crate::gateway;
use crate::host::Life;
use crate::kernel::Kernel;
use crate::process::Process;
use crate::told;
use crate::topology::Lab;

/// How long a daemon may take to say something: an emulated machine verifies the programs for half a minute.
const LIMIT: Duration = Duration::from_secs(120);
/// The one endpoint set of the config.
const SETS: &str = r#"
[[source.lab.set]]
id = 1
ips = ["203.0.113.0/24"]
tcpPorts = "443"
"#;

/// A gateway, and the folder of its config and state.
#[derive(Debug)]
pub struct Stage {
    /// The hosts.
    pub lab: Lab,
}

impl Stage {
    /// Builds the lab, and writes a config for the interface `lan`.
    pub fn new() -> Result<Self> {
        let stage = Self {
            lab: Lab::build(Life::Bound)?,
        };
        stage.configure(&["lan"])?;
        Ok(stage)
    }

    /// The config's place.
    pub fn config(&self) -> String {
        self.lab.path("egress.toml").display().to_string()
    }

    /// Writes a config for these interfaces.
    pub fn configure(&self, lan: &[&str]) -> Result<()> {
        let text = custom(SETS).replace("lan = [\"lan\"]", &format!("lan = {lan:?}"));
        self.write(&text)
    }

    /// Writes a config.
    pub fn write(&self, config: &str) -> Result<()> {
        fs::write(self.config(), config).context("cannot write the config")
    }

    /// `egress-ctl` on the gateway.
    pub fn command(&self, arguments: &[&str]) -> Result<Command> {
        Ok(self.command_of(&gateway::program()?, arguments))
    }

    /// A build of it.
    pub fn command_of(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = self.lab.gateway.command(program);
        command.args(arguments);
        command.env("EGRESS_STATE_DIR", self.lab.path("state"));
        command
    }

    /// Runs a command of `egress-ctl`.
    pub fn ask(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = self.command(arguments)?;
        command.output().context("cannot start egress-ctl")
    }

    /// Runs a command that must do what it should, and returns what it says.
    pub fn done(&self, arguments: &[&str]) -> Result<String> {
        let output = self.ask(arguments)?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{arguments:?}: {complaint}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Asks for what must fail, and returns the complaint.
    pub fn refused(&self, arguments: &[&str]) -> Result<String> {
        let output = self.ask(arguments)?;
        ensure!(!output.status.success(), "{arguments:?} did not fail");
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// What `status` says.
    pub fn status(&self) -> Result<Value> {
        let output = self.ask(&["status", "--json"])?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        told::object(&output.stdout).with_context(|| format!("status: {complaint}"))
    }

    /// Number of the generation in force.
    pub fn generation(&self) -> Result<u64> {
        let status = self.status()?;
        let number = status["generation"]["number"].as_u64();
        number.context("no generation")
    }

    /// Asks a daemon for another config, which it must refuse as a whole; what it says.
    pub fn refused_reload(&self, daemon: &mut Daemon, config: &str) -> Result<String> {
        let before = self.generation()?;
        self.write(config)?;
        daemon.hang_up()?;
        daemon.wait_for(&format!("generation {before} stays in force"))?;
        ensure!(self.generation()? == before, "{}", daemon.log());
        Ok(daemon.log())
    }

    /// Starts a daemon and waits until it enforces.
    pub fn start(&self, options: &[&str]) -> Result<Daemon> {
        let config = self.config();
        let arguments = [&["run", "--config", config.as_str()], options].concat();
        self.spawn(self.command(&arguments)?)
    }

    /// Starts a daemon of a build and waits until it enforces.
    pub fn start_build(&self, program: &Path) -> Result<Daemon> {
        self.spawn(self.command_of(program, &["run", "--config", &self.config()]))
    }

    /// Starts a daemon by a command of one's own, and waits until it enforces.
    pub fn spawn(&self, command: Command) -> Result<Daemon> {
        self.lab.gateway.borrow()?;
        let process = Process::spawn("egress-ctl", command, self.lab.folder())?;
        let mut daemon = Daemon { process };
        daemon.wait_for("is in force: mode")?;
        Ok(daemon)
    }

    /// Puts a program of somebody else on an interface, by a link of its own; everything passes it.
    pub fn foreign(&self, interface: &str) -> Result<Kernel> {
        self.lab.gateway.run_mounted(|| -> Result<Kernel> {
            let mut kernel = Kernel::load(Path::new("/sys/fs/bpf/foreign"))?;
            let off = custom(SETS).replace("\"enforce\"", "\"off\"");
            let off = Config::parse(&off).map_err(|problems| anyhow!("{problems:?}"))?;
            kernel.put_into_force(&off, &[])?;
            kernel.attach(interface)?;
            Ok(kernel)
        })?
    }

    /// Runs `ip` on the gateway.
    pub fn ip(&self, arguments: &[&str]) -> Result<()> {
        let output = self.lab.gateway.command("ip").args(arguments).output()?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "ip {arguments:?}: {complaint}");
        Ok(())
    }

    /// Whether the kernel takes TCX links: then a daemon with a free choice uses one.
    pub fn has_tcx(&self) -> Result<bool> {
        let daemon = self.start(&[])?;
        let is_tcx = self.status()?["interfaces"][0]["tc"] == "tcx";
        daemon.kill()?;
        Ok(is_tcx)
    }
}

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    process: Process,
}

impl Daemon {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Everything that it has logged.
    pub fn log(&self) -> String {
        self.process.complaints()
    }

    /// Makes it read its config again.
    pub fn hang_up(&self) -> Result<()> {
        self.process.signal(Signal::HUP)
    }

    /// Ends it as a service manager would; its exit code, and everything that it has logged.
    pub fn terminate(self) -> Result<(Option<i32>, String)> {
        let Self { mut process } = self;
        let code = process.end(LIMIT)?;
        Ok((code, process.complaints()))
    }

    /// Kills it.
    pub fn kill(self) -> Result<()> {
        let Self { mut process } = self;
        process.kill()
    }

    /// Waits until it has logged something.
    pub fn wait_for(&mut self, text: &str) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < LIMIT {
            if self.log().contains(text) {
                return Ok(());
            }
            if self.process.alive().is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("the daemon never said `{text}`:\n{}", self.log())
    }
}
