//! What becomes of maps that another version left: its programs judge by them, and count into them, until those of
//! this version, with maps of their own, are in their place.

use anyhow::Result;
use tracing::{info, warn};

use super::{Daemon, Past, Places, enforce::Force};
use crate::{
    dataplane::{
        aside::{self, EndError},
        layout,
        learned::Table,
        load::{Loaded, load, take_over},
        maps::Pinned,
    },
    dns::{
        admit::Told,
        saved::{self, SavedError},
    },
    policy::ids::Ids,
};

/// Takes over what runs, or loads the maps; where those that are pinned have another layout, beside them.
pub(super) fn load_maps(places: &Places, past: Past) -> Result<(Loaded, Past)> {
    let pin_dir = &places.pin_dir;
    let why = match layout::known(Pinned(pin_dir))? {
        Some(number) if number != layout::VERSION => format!("layout {number}"),
        _ => match take_over(pin_dir) {
            Err(fault) if fault.is_other_layout() => format!("{:#}", anyhow::Error::from(fault)),
            done => {
                let loaded = done?;
                tell_running(&loaded);
                return Ok((loaded, past));
            }
        },
    };
    warn!(
        "maps of another version are pinned ({why}): new ones are made, of layout {}, which learned addresses, connections and counters go to",
        layout::VERSION
    );
    aside::set_aside(pin_dir)?;
    match load(pin_dir) {
        Ok(loaded) => Ok((
            loaded,
            Past {
                in_force: 0,
                ..past
            },
        )),
        Err(fault) => {
            aside::settle(pin_dir)?;
            Err(fault.into())
        }
    }
}

fn tell_running(loaded: &Loaded) {
    let mut names: Vec<_> = loaded.running().collect();
    names.sort_unstable();
    if !names.is_empty() {
        info!("of this build, and taken over: {}", names.join(", "));
    }
}

impl Daemon {
    /// Lets go of the maps of before, which no program uses any more. What they counted stays.
    pub(super) fn let_go_of_before(&self) {
        let pin_dir = &self.places.pin_dir;
        if !aside::is_there(pin_dir) {
            return;
        }
        let ended: Result<(), EndError> = aside::end(pin_dir);
        if let Err(fault) = ended {
            warn!(
                "the maps of before stay, and the next start tries again: {:#}",
                anyhow::Error::from(fault)
            );
        }
    }

    /// Carries over what came until the programs changed.
    pub(super) fn carry_rest(&self) {
        let force = self.force.as_ref();
        if let Some(force) = force.filter(|_| aside::is_there(&self.places.pin_dir)) {
            self.carry(force, &self.past.ids);
        }
    }

    /// Carries over what was learned. Before programs with new maps take the place of those before, these are loaded
    /// already, so that little passes between the two. What cannot be carried over is learned anew as clients ask
    /// again.
    pub(super) fn carry(&self, force: &Force, ids: &Ids) {
        let connections = aside::carry(&self.places.pin_dir);
        match self.carry_learned(force, ids) {
            Ok(Told { addresses, .. }) => {
                info!("{addresses} learned addresses and {connections} connections are taken over");
            }
            Err(fault) => warn!(
                "learned addresses of the maps of before cannot be taken over, and those that were saved last count: {:#}",
                anyhow::Error::from(fault)
            ),
        }
    }

    fn carry_learned(&self, force: &Force, ids: &Ids) -> Result<Told, SavedError> {
        let pin_dir = &self.places.pin_dir;
        let from = Table::open(Pinned(&aside::folder(pin_dir)))?;
        let mut to = Table::open(Pinned(pin_dir))?;
        saved::carry(&from, &mut to, &ids.patterns(), &force.generation)
    }
}
