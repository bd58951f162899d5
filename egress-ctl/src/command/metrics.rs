//! `egress-ctl metrics`: what monitoring reads, once. Works with and without a daemon.

use anyhow::Result;
use clap::Args;

use super::output::print;
use crate::{
    daemon::Places,
    metrics::{Format, families, gather::Gatherer},
};

/// Print metrics as Prometheus reads them.
#[derive(Args)]
pub struct Metrics {
    /// Print OpenMetrics 1.0.0 instead of Prometheus text 0.0.4.
    #[arg(long)]
    openmetrics: bool,
}

impl Metrics {
    /// Runs the command.
    ///
    /// # Errors
    /// Nothing is loaded, or maps and state cannot be read.
    pub fn run(self, places: &Places) -> Result<()> {
        let format = match self.openmetrics {
            true => Format::OpenMetrics,
            false => Format::Prometheus,
        };
        let facts = Gatherer::new(places).facts()?;
        print(&format.text(&families(&facts)))
    }
}
