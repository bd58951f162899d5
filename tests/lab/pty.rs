//! A terminal of so many columns, in which one command runs: what it writes there comes out, byte by byte.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// What a command wrote to its terminal, on standard output and standard error, and how it ended.
pub fn run(mut command: Command, columns: u16) -> Result<(String, ExitStatus)> {
    // Programs that other tests start meanwhile must not keep it open.
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = openpt(flags).context("no terminal")?;
    unlockpt(&ours)?;
    let size = Winsize {
        ws_row: 24,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&ours, size)?;
    let end = || ioctl_tiocgptpeer(&ours, flags);
    command.stdin(end()?).stdout(end()?).stderr(end()?);
    let mut child = command.spawn()?;
    // Only the child has the other end from here on.
    drop(command);
    let written = read(ours);
    Ok((written, child.wait()?))
}

/// Everything, until the other end is closed: that is an error.
fn read(ours: OwnedFd) -> String {
    let mut terminal = File::from(ours);
    let (mut written, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = terminal.read(&mut buffer) {
        written.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8_lossy(&written).into_owned()
}
