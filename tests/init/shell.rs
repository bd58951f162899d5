//! A shell for a person, on the console.

use std::process::Command;

use anyhow::{Context, Result};

/// Returns when the person leaves.
pub fn run() -> Result<()> {
    println!("\negress-ctl is in the PATH; Ctrl-D ends the machine, and Ctrl-A X kills it");
    Command::new("setsid")
        .args(["--ctty", "--wait", "bash", "-l"])
        .current_dir("/root")
        .status()
        .context("cannot start the shell")?;
    Ok(())
}
