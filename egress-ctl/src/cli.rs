//! The command line: what may be asked of `egress-ctl`. Its man pages and completions are made from it.

pub mod examples;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::command::{
    bypass::BypassCommand, catalogue::CatalogueCommand, check::Check, config::ConfigCommand,
    confirm::Confirm, detach::Detach, dns::DnsCommand, doctor::Doctor, enforce::Enforce,
    explain::Explain, feed::FeedCommand, init::Init, metrics::Metrics, replay::Replay, run::Run,
    schema::Schema, status::Status, support::Support, sync::Sync, top::Top, ui::UiCommand,
    watch::Watch,
};

/// Where state is kept, where nothing else is said.
pub(crate) const STATE_DIR: &str = "/var/lib/egress";

/// Judge what clients send by the endpoints that their group may reach.
#[derive(Parser)]
#[command(name = "egress-ctl", version, max_term_width = 100)]
pub struct Cli {
    /// Where state is kept.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "EGRESS_STATE_DIR",
        default_value = STATE_DIR
    )]
    pub state_dir: PathBuf,
    /// Where maps and links are pinned, on a BPF file system.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "EGRESS_PIN_DIR",
        default_value = "/sys/fs/bpf/egress"
    )]
    pub pin_dir: PathBuf,
    /// What is asked.
    #[command(subcommand)]
    pub command: Command,
}

/// The daemon and the commands, each with its options.
#[derive(Subcommand)]
#[expect(
    missing_docs,
    reason = "a variant's text would be shown instead of its command's own"
)]
pub enum Command {
    Init(Init),
    Doctor(Doctor),
    Support(Support),
    Run(Run),
    Status(Status),
    Metrics(Metrics),
    Top(Top),
    Ui(UiCommand),
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
    Schema(Schema),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
