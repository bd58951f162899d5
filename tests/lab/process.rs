//! A running program of the lab: killed and waited for when dropped, its output in two files.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// A child process and what it says.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    folder: PathBuf,
    left: bool,
}

impl Process {
    /// Starts the command; its output goes to `NAME.out` and `NAME.err` in the folder.
    pub fn spawn(name: &str, mut command: Command, folder: &Path) -> Result<Self> {
        let file = |kind| {
            let path = folder.join(format!("{name}.{kind}"));
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))
        };
        command.stdin(Stdio::null());
        command.stdout(file("out")?).stderr(file("err")?);
        let program = command.get_program().to_owned();
        let child = spawn_on_lasting_thread(command)
            .with_context(|| format!("cannot start {name} ({})", program.display()))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            folder: folder.to_owned(),
            left: false,
        })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails with what the process complained of if it has ended.
    pub fn alive(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!(
                "{} ended ({status}): {}",
                self.name,
                self.complaints().trim()
            );
        }
        Ok(())
    }

    /// What the process has written to its standard output so far.
    pub fn output(&self) -> String {
        self.read("out")
    }

    /// What the process has written to its standard error so far.
    pub fn complaints(&self) -> String {
        self.read("err")
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.child), signal)
            .with_context(|| format!("cannot signal {}", self.name))
    }

    /// Ends the process politely and waits for its exit code.
    pub fn terminate(mut self, limit: Duration) -> Result<Option<i32>> {
        self.end(limit)
    }

    /// As [`Self::terminate`], for who still asks what it said.
    pub fn end(&mut self, limit: Duration) -> Result<Option<i32>> {
        self.signal(Signal::TERM)?;
        let what = format!("the end of {}", self.name);
        let status = wait::until(&what, limit, || Ok(self.child.try_wait()?))?;
        Ok(status.code())
    }

    /// Ends the process at once and waits for it.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Lets the process live on, and returns its id.
    pub fn leave(mut self) -> u32 {
        self.left = true;
        self.id()
    }

    fn read(&self, kind: &str) -> String {
        fs::read_to_string(self.folder.join(format!("{}.{kind}", self.name))).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        // It fails only where there is nothing left to end.
        let _ = self.kill();
    }
}

/// The parent-death signal fires when the spawning *thread* ends, so all children are spawned by
/// one that never does.
fn spawn_on_lasting_thread(command: Command) -> io::Result<Child> {
    static SPAWNER: LazyLock<Sender<(Command, Sender<io::Result<Child>>)>> = LazyLock::new(|| {
        let (requests, inbox) = channel::<(Command, Sender<io::Result<Child>>)>();
        thread::spawn(move || {
            for (mut command, reply) in inbox {
                // The asker waits for the reply, so it is there.
                let _ = reply.send(command.spawn());
            }
        });
        requests
    });
    let (reply, answer) = channel();
    SPAWNER
        .send((command, reply))
        .map_err(|_| io::ErrorKind::BrokenPipe)?;
    answer.recv().map_err(|_| io::ErrorKind::BrokenPipe)?
}
