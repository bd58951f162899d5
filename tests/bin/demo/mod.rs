//! `egress-lab demo`: the announced flows run against the embedded catalogue, a line for each as
//! its outcome is known, then a change of the web service's list that arrives, then the counters; or
//! all of it as one JSON object.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use lab::announced;
use lab::config;
use lab::flow::Outcome;
use lab::gateway::Egress;
use lab::host::Life;
use lab::process::Process;
use lab::site::Site;
use lab::status::{Count, Interface, Status};
use lab::wait;
use serde::Serialize;

use crate::table::{Table, counters, line};
use crate::up::enter;

mod feed;

#[derive(Args)]
pub(crate) struct Options {
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// Leave the lab up, and print how to enter and how to remove it
    #[arg(long)]
    keep: bool,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    outcomes: Vec<Outcome>,
    counters: Vec<Count>,
    passed: bool,
}

/// Everything that the demo runs.
struct Stage {
    egress: Egress,
    echo: Process,
    site: Site,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let life = if options.keep {
        Life::Kept
    } else {
        Life::Bound
    };
    let mut stage = Stage::set(life)?;
    let (outcomes, status) = if options.json {
        stage.show(|_| Ok(()))?
    } else {
        let flows = [announced::flows(), feed::flows().to_vec()].concat();
        let table = Table::begin(&flows)?;
        stage.show(|outcome| table.row(outcome))?
    };
    let passed = outcomes.iter().all(|outcome| outcome.passed);
    if options.json {
        let report = Report {
            schema: "egress.demo/1",
            outcomes,
            counters: status.verdicts,
            passed,
        };
        line(format_args!("{}", serde_json::to_string(&report)?))?;
    } else {
        summary(&outcomes, &status)?;
    }
    if options.keep {
        stage.leave()?;
    }
    Ok(passed)
}

impl Stage {
    fn set(life: Life) -> Result<Self> {
        let names = [announced::certificate_names(), feed::certificate_names()].concat();
        let site = Site::start(life, &announced::zone(), &names)?;
        Ok(Self {
            echo: echo(&site)?,
            egress: Egress::start(&site.lab, &config::catalogue("enforce"))?,
            site,
        })
    }

    /// Runs all flows and tells of each.
    fn show(&mut self, tell: impl Fn(&Outcome) -> Result<()>) -> Result<(Vec<Outcome>, Status)> {
        let mut outcomes = Vec::new();
        for flow in announced::flows() {
            let outcome = flow.run(&self.site, &self.egress)?;
            tell(&outcome)?;
            outcomes.push(outcome);
        }
        outcomes.extend(feed::show(&self.site, &mut self.egress, tell)?);
        Ok((outcomes, self.egress.settled()?))
    }

    /// Leaves the lab up and says so on standard error, which is free in both forms of output.
    fn leave(self) -> Result<()> {
        let anchors = self.site.anchors()?;
        eprintln!("\nThe lab stays up. Enter a host with:");
        for (host, process) in &anchors {
            eprintln!("  {host:9} {}", enter(process.id(), "bash"));
        }
        if let Some((_, gateway)) = anchors.iter().find(|(host, _)| *host == "gateway") {
            eprintln!("Ask the filter with:");
            eprintln!("  {}", enter(gateway.id(), &self.egress.how_to_ask()));
        }
        let (mut processes, folder): (Vec<u32>, PathBuf) = self.site.leave();
        processes.extend([self.egress.leave(), self.echo.leave()]);
        processes.extend(anchors.into_iter().map(|(_, process)| process.leave()));
        let processes: Vec<String> = processes.iter().map(u32::to_string).collect();
        eprintln!("Remove all of it with:");
        eprintln!(
            "  kill {} && rm -r {}",
            processes.join(" "),
            folder.display()
        );
        Ok(())
    }
}

/// The UDP servers, as a process that can outlive this one.
fn echo(site: &Site) -> Result<Process> {
    let mut command = site.lab.internet.command(env::current_exe()?);
    command.arg("serve");
    command.args(announced::echoes().iter().map(ToString::to_string));
    let mut process = Process::spawn("echo", command, site.lab.folder())?;
    wait::until("the UDP servers", Duration::from_secs(10), || {
        process.alive()?;
        Ok((!process.output().is_empty()).then_some(()))
    })?;
    Ok(process)
}

fn summary(outcomes: &[Outcome], status: &Status) -> Result<()> {
    line(format_args!("\n{}\n", counters(&status.verdicts)))?;
    let passed = outcomes.iter().filter(|outcome| outcome.passed).count();
    for Interface { name, xdp, tc } in &status.interfaces {
        let how = |hook: &Option<String>| hook.clone().unwrap_or_else(|| "nothing".into());
        let (xdp, tc) = (how(xdp), how(tc));
        line(format_args!("judged on {name}: XDP {xdp}, TC egress {tc}"))?;
    }
    line(format_args!(
        "{passed} of {} connections as announced, by {} prefixes and {} patterns; {} addresses learned",
        outcomes.len(),
        status.generation.prefixes,
        status.generation.patterns,
        status.learned.addresses,
    ))
}
