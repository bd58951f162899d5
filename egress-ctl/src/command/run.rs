//! `egress-ctl run`: the daemon.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use tracing_subscriber::EnvFilter;

use crate::daemon::{self, Places};

/// Enforce a config until SIGTERM; SIGHUP reads it again.
#[derive(Args)]
pub struct Run {
    /// The config, in TOML.
    #[arg(long, value_name = "FILE", env = "EGRESS_CONFIG")]
    config: PathBuf,
}

impl Run {
    /// Runs the command.
    ///
    /// # Errors
    /// The config is wrong, another daemon runs, or the kernel refuses.
    pub fn run(self, places: &Places) -> Result<()> {
        let filter = EnvFilter::try_from_env("EGRESS_LOG").unwrap_or_else(|_| "info".into());
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_target(false)
            .without_time()
            .with_ansi(false)
            .init();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start")?;
        runtime.block_on(daemon::run(&self.config, places))
    }
}
