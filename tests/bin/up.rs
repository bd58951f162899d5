//! `egress-lab up`: the lab without the filter, to look around in, until interrupted.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use lab::announced;
use lab::host::Life;
use lab::interrupt;
use lab::site::Site;
use serde_json::json;

#[derive(Args)]
pub(crate) struct Options {
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let site = Site::start(
        Life::Bound,
        &announced::zone(),
        &announced::certificate_names(),
    )?;
    let anchors = site.anchors()?;
    if options.json {
        let mut processes = site.processes();
        processes.extend(anchors.iter().map(|(_, process)| process.id()));
        let folder = site.lab.folder();
        println!(
            "{}",
            json!({"schema": "egress.up/1", "processes": processes, "folder": folder})
        );
    } else {
        for (host, process) in &anchors {
            println!("{host:9} {}", enter(process.id(), "bash"));
        }
        println!("Ctrl-C removes it.");
    }
    loop {
        interrupt::sleep(Duration::from_secs(1))?;
    }
}

/// How to run a command in a host, by a process in it.
pub(crate) fn enter(process: u32, command: &str) -> String {
    format!("nsenter --target {process} --net --mount -- {command}")
}
