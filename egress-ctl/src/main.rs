//! `egress-ctl`: one binary, both the daemon and the commands.

use std::{io, process::ExitCode};

use anyhow::Result;
use clap::{ColorChoice, FromArgMatches as _};
use clap_complete::CompleteEnv;
use egress_ctl::{
    cli::{Cli, Command, examples},
    command::{complain, is_dumb},
    daemon::Places,
    filter::FilterError,
};

/// Wrong words on the command line (`EX_USAGE`, sysexits.h): 1 to 3 are what monitoring plugins tell of a gateway.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    // Where a shell asks for completions, they are printed and nothing else is done.
    CompleteEnv::with_factory(examples::command).complete();
    let cli = match parsed() {
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
            complain(format_args!("{fault:#}"));
            match fault.is::<FilterError>() {
                true => ExitCode::from(USAGE),
                false => ExitCode::FAILURE,
            }
        }
    }
}

/// What was typed. Of dumb terminals too, colours would be shown where `CI` is set.
fn parsed() -> Result<Cli, clap::Error> {
    let colours = match is_dumb() {
        true => ColorChoice::Never,
        false => ColorChoice::Auto,
    };
    let matches = examples::command().color(colours).try_get_matches()?;
    Cli::from_arg_matches(&matches)
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
        Command::Support(support) => support.run(&places)?,
        Command::Run(run) => run.run(&places)?,
        Command::Status(status) => return Ok(status.run(&places)),
        Command::Metrics(metrics) => metrics.run(&places)?,
        Command::Top(top) => top.run(&places)?,
        Command::Ui(ui) => ui.run(&places)?,
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
        Command::Schema(schema) => schema.run()?,
    }
    Ok(ExitCode::SUCCESS)
}
