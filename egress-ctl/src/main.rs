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
        bypass::BypassCommand, catalogue::CatalogueCommand, check::Check, config::ConfigCommand,
        confirm::Confirm, detach::Detach, dns::DnsCommand, doctor::Doctor, enforce::Enforce,
        explain::Explain, feed::FeedCommand, init::Init, metrics::Metrics, replay::Replay,
        run::Run, status::Status, sync::Sync, watch::Watch,
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
    Init(Init),
    Doctor(Doctor),
    Run(Run),
    Status(Status),
    Metrics(Metrics),
    Watch(Watch),
    Explain(Explain),
    Check(Check),
    Replay(Replay),
    /// Check and show configs.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// List and show the built-in endpoint sets.
    #[command(subcommand)]
    Catalogue(CatalogueCommand),
    /// See and decide what the Microsoft 365 web service changes.
    #[command(subcommand)]
    Feed(FeedCommand),
    Sync(Sync),
    /// See, take away and bring back what DNS answers taught
    #[command(subcommand)]
    Dns(DnsCommand),
    Enforce(Enforce),
    Confirm(Confirm),
    /// Let everything pass in an emergency; judging, learning and counting go on
    #[command(subcommand)]
    Bypass(BypassCommand),
    Detach(Detach),
}

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
