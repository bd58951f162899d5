//! A terminal of a host, in tmux: what somebody types, and what stands on the screen then.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::host::Host;
use crate::process::Process;
use crate::topology::Lab;
use crate::wait;

const LIMIT: Duration = Duration::from_secs(30);

/// A terminal with a program in it. Its server ends with it, and the program with the server.
#[derive(Debug)]
pub struct Tmux {
    socket: PathBuf,
    server: Process,
}

/// Whether there is a tmux; where there is none, says that a test is skipped.
pub fn is_there(test: &str) -> bool {
    let said = Command::new("tmux")
        .arg("-V")
        .stdout(Stdio::null())
        .status();
    if said.is_err() {
        println!("skipped: {test}: there is no tmux");
    }
    said.is_ok()
}

impl Tmux {
    /// A terminal of so many columns and lines on a host, in which a shell runs this script.
    pub fn start(
        lab: &Lab,
        host: &Host,
        name: &str,
        size: (u16, u16),
        script: &str,
    ) -> Result<Self> {
        let socket = lab.path(format!("{name}.tmux"));
        let mut command = host.command("tmux");
        command.args(["-D", "-u", "-f", "/dev/null", "-S"]);
        command.arg(&socket);
        command
            .env("LANG", "C.UTF-8")
            .env_remove("NO_COLOR")
            .env_remove("LC_ALL");
        command.current_dir(lab.folder());
        let mut server = Process::spawn(name, command, lab.folder())?;
        wait::until("tmux to listen", LIMIT, || {
            server.alive()?;
            Ok(socket.exists().then_some(()))
        })?;
        let tmux = Self { socket, server };
        let (width, height) = (size.0.to_string(), size.1.to_string());
        let new = [
            "new-session",
            "-d",
            "-s",
            "top",
            "-x",
            &width,
            "-y",
            &height,
        ];
        let folder = lab.folder().display().to_string();
        tmux.ask(&[&new[..], &["-c", &folder, "/bin/sh", "-c", script]].concat())?;
        Ok(tmux)
    }

    /// Presses keys, as tmux calls them.
    pub fn press(&self, keys: &[&str]) -> Result<()> {
        self.ask(&[&["send-keys", "-t", "top"], keys].concat())
            .map(drop)
    }

    /// Types a text.
    pub fn type_in(&self, text: &str) -> Result<()> {
        self.ask(&["send-keys", "-t", "top", "-l", text]).map(drop)
    }

    /// Gives it another size.
    pub fn resize(&self, width: u16, height: u16) -> Result<()> {
        let (width, height) = (width.to_string(), height.to_string());
        let resize = ["resize-window", "-t", "top", "-x", &width, "-y", &height];
        self.ask(&resize).map(drop)
    }

    /// What stands on the screen.
    pub fn screen(&self) -> Result<String> {
        self.ask(&["capture-pane", "-p", "-t", "top"])
    }

    /// The same with what is bold, coloured or the like.
    pub fn styled(&self) -> Result<String> {
        self.ask(&["capture-pane", "-p", "-e", "-t", "top"])
    }

    /// Waits until the screen is as it should be, and returns it.
    pub fn shows(&self, what: &str, mut is_shown: impl FnMut(&str) -> bool) -> Result<String> {
        let shown = wait::until(what, LIMIT, || {
            let screen = self.screen()?;
            Ok(is_shown(&screen).then_some(screen))
        });
        shown.with_context(|| format!("on the screen is\n{}", self.screen().unwrap_or_default()))
    }

    /// Whether the terminal is as a shell leaves it: its own screen, and a cursor that is seen.
    pub fn is_restored(&self) -> Result<bool> {
        let format = "#{alternate_on}#{cursor_flag}";
        let said = self.ask(&["display-message", "-p", "-t", "top", format])?;
        Ok(said.trim() == "01")
    }

    /// Process id of the server.
    pub fn id(&self) -> u32 {
        self.server.id()
    }

    fn ask(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new("tmux");
        command
            .arg("-u")
            .arg("-S")
            .arg(&self.socket)
            .args(arguments);
        let output = command.output().context("cannot start tmux")?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "tmux {arguments:?}: {complaint}");
        Ok(String::from_utf8(output.stdout)?)
    }
}
