//! `egress-lab`: the demo, the bench and the drills, each in a file; this one only dispatches.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lab::interrupt;

mod bench;
mod booted;
mod demo;
mod drill;
mod feed_server;
mod package;
mod serve;
mod soak;
mod stream;
mod table;
mod up;

/// What a shell expects of a program that was interrupted.
const INTERRUPTED: u8 = 130;

#[derive(Parser)]
#[command(
    name = "egress-lab",
    version,
    about = "Shows egress at work in a lab of network namespaces"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Real connections that pass and that are dropped, each with the reason
    Demo(demo::Options),
    /// What the filter costs, beside what it is to be compared with
    Bench(bench::Options),
    /// A proof that anyone can repeat
    #[command(subcommand)]
    Drill(drill::Drill),
    /// The filter under mixed traffic while everything around it changes and fails
    Soak(soak::Options),
    /// The lab without the filter, until interrupted
    Up(up::Options),
    /// The Microsoft 365 web service over a folder of editions, with faults on demand
    FeedServer(feed_server::Options),
    /// A Debian package in a clean root: installed, upgraded and purged
    #[command(hide = true)]
    Package(package::Options),
    /// A package of the version before, whose maps have other sizes
    #[command(hide = true)]
    Earlier(package::other::Options),
    /// The same under systemd, on a machine that was booted for it and becomes the gateway
    #[command(hide = true)]
    Booted(booted::Options),
    /// A server that the lab runs in one of its hosts
    #[command(hide = true)]
    Serve(serve::Options),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match interrupt::catch()
        .map_err(Into::into)
        .and_then(|()| run(cli.command))
    {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(_) if interrupt::check().is_err() => {
            anstream::eprintln!("interrupted; the lab is removed");
            INTERRUPTED.into()
        }
        Err(error) => {
            anstream::eprintln!("egress-lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything was as announced.
fn run(command: Command) -> anyhow::Result<bool> {
    match command {
        Command::Bench(options) => bench::run(&options),
        Command::Demo(options) => demo::run(&options),
        Command::Drill(drill) => drill::run(drill),
        Command::Soak(options) => soak::run(&options),
        Command::Up(options) => up::run(&options),
        Command::FeedServer(options) => feed_server::run(&options),
        Command::Package(options) => package::run(&options),
        Command::Earlier(options) => package::other::run(&options),
        Command::Booted(options) => booted::run(&options),
        Command::Serve(options) => serve::run(&options),
    }
}
