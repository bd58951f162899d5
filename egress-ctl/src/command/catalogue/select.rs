//! `egress-ctl catalogue ips|names|ports|export`: a selection for scripts and other programs.

use anyhow::{Result, bail};
use clap::Args;

use super::Which;
use crate::catalogue::{
    export::{Proxy, Target, export, lines, names, ports, prefixes},
    selector::{self, Selector},
    set::EndpointSet,
};

/// Which sets.
#[derive(Debug, Args)]
pub struct Selection {
    /// Selectors as in a config: intune, m365:Common/required, !intune:178
    #[arg(required = true, value_name = "SELECTOR")]
    selectors: Vec<Selector>,
    #[command(flatten)]
    pub(super) which: Which,
}

/// What to print of them, sorted, unique, one a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Ips,
    Names,
    Ports,
}

impl Selection {
    pub(super) fn render(&self, part: Part) -> Result<String> {
        self.with_sets(|sets| match part {
            Part::Ips => lines(prefixes(sets)),
            Part::Names => lines(names(sets)),
            Part::Ports => lines(ports(sets)),
        })
    }

    fn with_sets(&self, text: impl FnOnce(&[&EndpointSet]) -> String) -> Result<String> {
        let catalogue = self.which.catalogue()?;
        let sets = selector::select(&self.selectors, &catalogue)?;
        if sets.is_empty() {
            bail!("the selectors leave no endpoint set");
        }
        Ok(text(&sets))
    }
}

/// Which sets, and for whom.
#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    selection: Selection,
    /// Format of the other program
    #[arg(long, value_enum)]
    to: Target,
    /// For --to pac: where all else goes, host:port
    #[arg(long, required_if_eq("to", "pac"))]
    proxy: Option<Proxy>,
}

impl Export {
    pub(super) fn which(&mut self) -> &mut Which {
        &mut self.selection.which
    }

    pub(super) fn render(&self) -> Result<String> {
        let proxy = self.proxy.clone().unwrap_or_default();
        self.selection
            .with_sets(|sets| export(self.to, sets, &proxy))
    }
}
