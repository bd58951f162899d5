//! What of the filter is in the kernel of a gateway: pins, programs at the hooks, routing rules.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use aya::programs::{SchedClassifier, TcAttachType};
use egress_common::divert::PRIORITY;
use lab::host::Host;
use lab::link::index;

const PINS: &str = "/sys/fs/bpf";
/// What the kernel itself puts there (populate_bpffs in kernel/bpf/inode.c).
const OF_THE_KERNEL: [&str; 2] = ["maps.debug", "progs.debug"];

/// What is there, each with a name; none where the filter is gone.
pub(crate) fn traces(gateway: &Host, interface: &'static str) -> Result<Vec<String>> {
    let mut traces = gateway.run_mounted(|| pins(Path::new(PINS)))??;
    let link = ask(gateway, &["-details", "link", "show", interface])?;
    if link.contains("prog/xdp") {
        traces.push(format!("XDP on {interface}"));
    }
    let at = index(gateway, interface)?;
    for hook in [TcAttachType::Ingress, TcAttachType::Egress] {
        if tcx(gateway, at, hook)? > 0 {
            traces.push(format!("TCX {hook:?} on {interface}"));
        }
    }
    for family in ["-4", "-6"] {
        let rules = ask(gateway, &[family, "rule", "show"])?;
        let ours = format!("{PRIORITY}:");
        let ours = rules.lines().filter(|line| line.starts_with(&ours));
        traces.extend(ours.map(|rule| format!("rule {family} {rule}")));
    }
    Ok(traces)
}

fn pins(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).context("there is no BPF file system")? {
        let path = entry?.path();
        if OF_THE_KERNEL.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        if path.is_dir() {
            found.extend(pins(&path)?);
        }
        found.push(path.display().to_string());
    }
    Ok(found)
}

/// How many programs there are; of a kernel before 6.6 none.
fn tcx(gateway: &Host, interface: u32, hook: TcAttachType) -> Result<usize> {
    gateway.run(|| {
        let programs = SchedClassifier::query_tcx(interface, hook);
        Ok(programs.map_or(0, |(_, programs)| programs.len()))
    })?
}

fn ask(gateway: &Host, words: &[&str]) -> Result<String> {
    let output = gateway.command("ip").args(words).output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {words:?}: {complaint}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
