//! `cargo xtask`: installs what building egress takes, builds it, and runs its demo, tests, drills and bench.
//!
//! It builds with the Rust that is there, and does everything else with the pinned one.

mod checkout;
mod cli;
mod command;
mod copy;
mod coverage;
mod dist;
mod fuzz;
mod lab;
mod linker;
mod mutants;
mod packages;
mod privilege;
mod step;
mod tally;
mod tool;
mod toolchain;
mod vm;

use std::process::ExitCode;

use anyhow::Result;

use checkout::Checkout;
use cli::Task;

fn main() -> ExitCode {
    match dispatch(cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(task: Task) -> Result<ExitCode> {
    let checkout = Checkout::here()?;
    match task {
        Task::Setup => command::setup::run(&checkout),
        Task::Build(args) => command::build::run(&checkout, &args),
        Task::Demo(args) => command::demo::run(&checkout, &args),
        Task::Test(args) => command::test::run(&checkout, &args),
        Task::Bench(args) => command::bench::run(&checkout, &args),
        Task::Drill(args) => command::drill::run(&checkout, &args),
        Task::Soak(args) => command::soak::run(&checkout, &args),
        Task::Fuzz(args) => command::fuzz::run(&checkout, &args),
        Task::FeedServer(args) => command::feed_server::run(&checkout, &args),
        Task::VmTest(args) => command::vm_test::run(&checkout, &args),
        Task::VmShell(args) => command::vm_shell::run(&checkout, &args),
        Task::Lint => command::lint::run(&checkout),
        Task::Dist(args) => command::dist::run(&checkout, &args),
        Task::Sbom => command::sbom::run(&checkout),
        Task::Mutants(args) => command::mutants::run(&checkout, &args),
        Task::Coverage(args) => command::coverage::run(&checkout, &args),
        Task::Deny => command::deny::run(&checkout),
    }
}
