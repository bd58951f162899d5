//! A child that ends when it is let go of, also when xtask itself is killed.

use std::{
    io,
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

const LOOK: Duration = Duration::from_millis(20);

/// A running child.
pub(crate) struct Leash(pub(crate) Child);

impl Leash {
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        let parent = rustix::process::getpid();
        // SAFETY: between fork and exec only system calls are made; nothing allocates or locks.
        unsafe {
            command.pre_exec(move || {
                set_parent_process_death_signal(Some(Signal::KILL))?;
                if getppid() != Some(parent) {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
                Ok(())
            })
        };
        command.spawn().map(Self)
    }

    /// Waits no longer than the limit.
    pub(crate) fn wait(&mut self, limit: Duration) -> io::Result<Option<ExitStatus>> {
        let end = Instant::now() + limit;
        loop {
            let status = self.0.try_wait()?;
            if status.is_some() || Instant::now() >= end {
                return Ok(status);
            }
            thread::sleep(LOOK);
        }
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
