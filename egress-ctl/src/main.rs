//! `egress-ctl`: one binary, both the daemon and the commands.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Result;
use clap::{Parser, Subcommand};
use egress_ctl::{
    command::{
        catalogue::CatalogueCommand, check::Check, detach::Detach, replay::Replay, run::Run,
        status::Status,
    },
    daemon::Places,
};

/// Judge what clients send by the endpoints that their group may reach.
#[derive(Parser)]
#[command(name = "egress-ctl", version, max_term_width = 100)]
struct Cli {
    /// Where state is kept.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "EGRESS_STATE_DIR",
        default_value = "/var/lib/egress"
    )]
    state_dir: PathBuf,
    /// Where maps and links are pinned, on a BPF file system.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "EGRESS_PIN_DIR",
        default_value = "/sys/fs/bpf/egress"
    )]
    pin_dir: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(Run),
    Status(Status),
    Check(Check),
    Replay(Replay),
    /// List and show the built-in endpoint sets.
    #[command(subcommand)]
    Catalogue(CatalogueCommand),
    Detach(Detach),
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            // Where nobody listens, the exit code still tells.
            let _: io::Result<()> = writeln!(io::stderr(), "egress-ctl: {fault:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let Cli {
        state_dir,
        pin_dir,
        command,
    } = cli;
    let places = Places { state_dir, pin_dir };
    match command {
        Command::Run(run) => run.run(&places),
        Command::Status(status) => status.run(&places),
        Command::Check(check) => check.run(&places),
        Command::Replay(replay) => replay.run(&places),
        Command::Catalogue(catalogue) => catalogue.run(),
        Command::Detach(detach) => detach.run(&places),
    }
}
