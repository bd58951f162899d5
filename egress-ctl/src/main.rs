//! `egress-ctl`: one binary, both the daemon and the commands.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Result;
use clap::Parser as _;
use egress_ctl::{
    cli::{Cli, Command},
    daemon::Places,
};

/// Wrong words on the command line (`EX_USAGE`, sysexits.h): 1 to 3 are what monitoring plugins tell of a gateway.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(fault) => {
            // Where nobody listens, the exit code still tells.
            let _: io::Result<()> = fault.print();
            return match fault.use_stderr() {
                true => ExitCode::from(USAGE),
                false => ExitCode::SUCCESS,
            };
        }
    };
    match run(cli) {
        Ok(code) => code,
        Err(fault) => {
            // Where nobody listens, the exit code still tells.
            let _: io::Result<()> = writeln!(io::stderr(), "egress-ctl: {fault:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    let Cli {
        state_dir,
        pin_dir,
        command,
    } = cli;
    let places = Places { state_dir, pin_dir };
    match command {
        Command::Init(init) => init.run()?,
        Command::Doctor(doctor) => return Ok(doctor.run(&places)),
        Command::Run(run) => run.run(&places)?,
        Command::Status(status) => status.run(&places)?,
        Command::Metrics(metrics) => metrics.run(&places)?,
        Command::Watch(watch) => watch.run(&places)?,
        Command::Explain(explain) => explain.run(&places)?,
        Command::Check(check) => check.run(&places)?,
        Command::Replay(replay) => replay.run(&places)?,
        Command::Config(config) => config.run(&places)?,
        Command::Catalogue(catalogue) => catalogue.run(&places)?,
        Command::Feed(feed) => return feed.run(&places),
        Command::Sync(sync) => return sync.run(&places),
        Command::Dns(dns) => dns.run(&places)?,
        Command::Enforce(enforce) => enforce.run(&places)?,
        Command::Confirm(confirm) => confirm.run(&places)?,
        Command::Bypass(bypass) => bypass.run(&places)?,
        Command::Detach(detach) => detach.run(&places)?,
    }
    Ok(ExitCode::SUCCESS)
}
