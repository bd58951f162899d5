//! `egress-ctl run`: the daemon.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::{
    daemon::{self, Options, Places},
    dataplane::hook::{Choice, Judging, TcBy},
};

/// Enforce a config until SIGTERM; SIGHUP reads it again.
#[derive(Args)]
pub struct Run {
    /// The config, in TOML.
    #[arg(long, value_name = "FILE", env = "EGRESS_CONFIG")]
    config: PathBuf,
    /// Where to judge: in the driver, behind it, at TC ingress, or at the first of these that is possible.
    /// What has no Ethernet header is always judged at TC ingress.
    #[arg(long, value_enum, default_value_t = XdpArg::Auto, env = "EGRESS_XDP")]
    xdp: XdpArg,
    /// How to attach to TC: by TCX link (Linux 6.6 and later), by clsact filter, or whichever there is.
    #[arg(long, value_enum, default_value_t = TcArg::Auto, env = "EGRESS_TC")]
    tc: TcArg,
    /// Replace XDP programs of others on the interfaces.
    #[arg(long)]
    force: bool,
    /// The group whose members may ask the daemon at its socket; `egress`, if there is such a group.
    #[arg(long, value_name = "NAME", env = "EGRESS_GROUP")]
    group: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum XdpArg {
    Auto,
    Native,
    Generic,
    Tc,
}

#[derive(Clone, Copy, ValueEnum)]
enum TcArg {
    Auto,
    Tcx,
    Clsact,
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
            // A reader of the log that went away must not end the daemon.
            .log_internal_errors(false)
            .with_target(false)
            .without_time()
            .with_ansi(false)
            .init();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start")?;
        let ended = runtime.block_on(daemon::run(&self.config, places, self.options()));
        // What still works on files of a feed may be cut off anywhere.
        runtime.shutdown_background();
        ended
    }

    fn options(&self) -> Options {
        Options {
            choice: self.choice(),
            force: self.force,
            group: self.group.clone(),
        }
    }

    fn choice(&self) -> Choice {
        let any = Choice::default();
        Choice {
            judging: match self.xdp {
                XdpArg::Auto => any.judging,
                XdpArg::Native => &[Judging::Native],
                XdpArg::Generic => &[Judging::Generic],
                XdpArg::Tc => &[Judging::Tc],
            },
            tc: match self.tc {
                TcArg::Auto => any.tc,
                TcArg::Tcx => &[TcBy::Tcx],
                TcArg::Clsact => &[TcBy::Clsact],
            },
        }
    }
}
