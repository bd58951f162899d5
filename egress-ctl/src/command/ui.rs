//! `egress-ctl ui`: the page, served from the command line. Works with and without a daemon.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::output::print;
use crate::{
    config::ui::{PORT, Ui},
    daemon::Places,
    ui::service,
};

/// Serve the page in a browser's reach, on this machine alone, until it is interrupted.
///
/// It opens nothing by itself: it prints where the page is. From elsewhere, forward the port under the same number:
/// ssh -L 9599:127.0.0.1:9599 GATEWAY
#[derive(Args)]
pub struct UiCommand {
    /// Where to serve it, on loopback
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)))]
    listen: SocketAddr,
    /// A file of mode 0600 with the token with which one may approve and reject; made where there is none
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl UiCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// Nothing is loaded, the address is not of this machine alone, or somebody else listens there.
    pub fn run(self, places: &Places) -> Result<()> {
        let Self { listen, token_file } = self;
        if !listen.ip().is_loopback() {
            bail!(
                "{listen} is not of this machine alone: the page is served on loopback, and `ssh -L` brings it elsewhere"
            );
        }
        if !places.pin_dir.exists() {
            bail!(
                "nothing is loaded: there is no {}; `egress-ctl run --config FILE` loads it",
                places.pin_dir.display()
            );
        }
        let ui = Ui { listen, token_file };
        let running = service::start(&ui, places).context("the page cannot be served")?;
        let told = print(&format!("http://{}/\n", running.listen()));
        let ended = told.and_then(|()| wait());
        running.end();
        ended
    }
}

/// Waits until somebody has had enough.
fn wait() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    })
}
