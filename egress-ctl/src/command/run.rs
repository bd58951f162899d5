//! `egress-ctl run`: the daemon.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};

use crate::{
    daemon::{self, Options, Places},
    dataplane::hook::{Choice, Judging, TcBy},
    log,
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
    /// How many of the newest events are kept in memory for `watch --last` and `--since`; a restart begins anew. With
    /// 0 none are, and the kernel makes events only while somebody watches.
    #[arg(long, value_name = "N", default_value_t = 10_000, env = "EGRESS_EVENTS", value_parser = events)]
    events: usize,
    /// How to log: lines or JSON objects on standard error, or entries of systemd's journal with their priorities.
    /// What is logged, EGRESS_LOG says: info, unless it is error, warn, debug or trace. Of a build with the feature
    /// `bpf-log`, that is also what the kernel programs say, as `egress_ebpf`.
    #[arg(long, value_enum, default_value_t = log::Format::Text, env = "EGRESS_LOG_FORMAT")]
    log_format: log::Format,
}

/// As many as 32-bit machines have room for, too.
fn events(text: &str) -> Result<usize, String> {
    const MOST: usize = 1_000_000;
    let wanted = text.parse().ok().filter(|events| *events <= MOST);
    wanted.ok_or_else(|| format!("write a number of up to {MOST}"))
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
        log::begin(self.log_format);
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
            events: self.events,
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
