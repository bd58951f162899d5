//! Tests that end as no test should, for proving that the harness tells them apart.

use std::{fs, thread, time::Duration};

use anyhow::{Result, bail};
use rustix::system::{RebootCommand, reboot};

/// Does what its name says.
pub fn run(what: &str) -> Result<()> {
    match what {
        "pass" => println!("all is well"),
        "fail" => bail!("this test fails on purpose"),
        "skip" => println!("skipped: self-test::skip: this test is skipped on purpose"),
        "hang" => wait(),
        "panic" => fs::write("/proc/sysrq-trigger", "c")?,
        "reboot" => reboot(RebootCommand::Restart)?,
        "freeze" => freeze()?,
        _ => bail!("no such test: pass, fail, skip, hang, panic, reboot or freeze"),
    }
    Ok(())
}

fn wait() {
    println!("this test hangs on purpose");
    loop {
        thread::sleep(Duration::from_secs(1));
    }
}

/// Stops the whole machine, as a deadlock of the kernel does.
fn freeze() -> Result<()> {
    for process in fs::read_dir("/proc")? {
        let name = process?.file_name();
        let id = name.to_str().and_then(|name| name.parse::<u32>().ok());
        if let Some(id) = id.filter(|id| *id > 1 && *id != std::process::id()) {
            stop(id);
        }
    }
    wait();
    Ok(())
}

fn stop(id: u32) {
    use rustix::process::{Pid, Signal, kill_process};
    if let Some(id) = Pid::from_raw(id.cast_signed()) {
        // Kernel threads and those that just ended cannot be stopped.
        let _ = kill_process(id, Signal::STOP);
    }
}
