//! The machine: mounts, modules and loopback before the work, power off after it.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use anyhow::{Context, Result};
use rustix::{
    mount::{MountFlags, mount},
    system::{RebootCommand, finit_module, reboot, uname},
};

use crate::plan::Plan;

/// The root folder is in memory as it is, so /tmp and /run are too.
const MOUNTS: [(&str, &str); 4] = [
    ("/proc", "proc"),
    ("/sys", "sysfs"),
    ("/dev", "devtmpfs"),
    ("/sys/fs/bpf", "bpf"),
];

/// Mounts and loads what tests expect of a machine.
pub fn prepare(plan: &Plan) -> Result<()> {
    for (at, kind) in MOUNTS {
        fs::create_dir_all(at)?;
        mount(kind, at, kind, MountFlags::empty(), None)
            .with_context(|| format!("cannot mount {at}"))?;
    }
    for module in &plan.modules {
        load(module).with_context(|| format!("cannot load {}", module.display()))?;
    }
    Ok(())
}

fn load(module: &Path) -> io::Result<()> {
    finit_module(File::open(module)?, c"", 0)?;
    Ok(())
}

/// The kernel's release.
pub fn kernel() -> String {
    uname().release().to_string_lossy().into_owned()
}

/// Ends the machine.
pub fn power_off() -> Result<()> {
    rustix::fs::sync();
    reboot(RebootCommand::PowerOff)?;
    Ok(())
}
