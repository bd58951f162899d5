//! Interfaces, as `status` tells of them: what is attached, and what is remarkable.

use std::fmt;

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    daemon::Places,
    dataplane::{
        self,
        hook::{Attached, Role, attached},
        interface,
    },
    remarks::Remarks,
};

/// One interface.
#[derive(Default, JsonSchema, Serialize)]
pub(super) struct Interface {
    /// As the config names it.
    pub(super) name: String,
    /// What it is called now, where that differs.
    called: Option<String>,
    /// Whether it is not there.
    pub(super) waiting: bool,
    /// How XDP judges.
    xdp: Option<&'static str>,
    /// How TC judges, where XDP does not.
    ingress: Option<&'static str>,
    /// How TC steers behind XDP.
    steer: Option<&'static str>,
    /// How TC brings DNS over TCP to the proxy.
    divert: Option<&'static str>,
    /// How TC learns.
    tc: Option<&'static str>,
    /// What is remarkable.
    notes: Vec<String>,
}

/// The LAN interfaces of the config, and others where something is attached.
pub(super) fn interfaces(places: &Places, lan: &[String]) -> Result<Vec<Interface>> {
    let pinned = attached(&places.pin_dir)?;
    let there = |at: &&Attached| interface::name(at.index).is_some();
    let pinned: Vec<_> = pinned.iter().filter(there).collect();
    let remarks = Remarks::read(&places.state_dir);
    let mut told = Vec::new();
    let mut all: Vec<Interface> = lan
        .iter()
        .map(|name| {
            let renamed = || {
                let mut before = pinned.iter().filter(|at| at.interface == *name);
                before.next().map(|at| at.index)
            };
            let index = interface::index(name).or_else(renamed);
            told.extend(index);
            let noted = remarks
                .of(name)
                .map(|told| format!("{} ({:.0})", told.text, told.since));
            Interface {
                waiting: index.is_none(),
                called: index.and_then(interface::name).filter(|now| now != name),
                notes: noted.collect(),
                ..Interface::at(name, index, &pinned)
            }
        })
        .collect();
    for at in &pinned {
        if !told.contains(&at.index) {
            told.push(at.index);
            let name = interface::name(at.index).unwrap_or_else(|| at.interface.clone());
            all.push(Interface::at(&name, Some(at.index), &pinned));
        }
    }
    Ok(all)
}

/// Warns of interfaces by which clients may go past the filter.
pub(super) fn unfiltered(places: &Places, lan: &[String]) -> Vec<String> {
    let named = interface::indices(lan).into_iter().map(|(_, index)| index);
    let attached = attached(&places.pin_dir).unwrap_or_default();
    let judged = attached.iter().filter(|at| at.hook.role() == Role::Judge);
    let filtered: Vec<_> = named.chain(judged.map(|at| at.index)).collect();
    match dataplane::unfiltered::unfiltered_now(&filtered) {
        Ok(open) => open
            .iter()
            .map(|name| {
                format!(
                    "what comes in by `{name}` is forwarded and NOT FILTERED: it is not in gateway.lan, and no default route leaves by it; name it there if clients are behind it, or switch its forwarding off"
                )
            })
            .collect(),
        Err(fault) => vec![format!(
            "nobody knows whether other interfaces forward past the filter: {:#}",
            anyhow::Error::from(fault)
        )],
    }
}

impl Interface {
    fn at(name: &str, index: Option<u32>, pinned: &[&Attached]) -> Self {
        let mut interface = Self {
            name: name.to_owned(),
            ..Self::default()
        };
        for at in pinned.iter().filter(|at| Some(at.index) == index) {
            let mode = Some(at.hook.mode());
            match at.hook.role() {
                Role::Judge if at.hook.is_xdp() => interface.xdp = mode,
                Role::Judge => interface.ingress = mode,
                Role::Steer => interface.steer = mode,
                Role::Divert => interface.divert = mode,
                Role::Learn => interface.tc = mode,
            }
        }
        interface
    }

    /// Whether its packets are judged.
    pub(super) fn is_judged(&self) -> bool {
        self.xdp.is_some() || self.ingress.is_some()
    }

    /// Whether DNS answers to its clients teach.
    pub(super) fn learns(&self) -> bool {
        self.tc.is_some()
    }

    /// What the administrator should know of it.
    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        let Self { name, notes, .. } = self;
        notes.iter().map(move |note| format!("{name}: {note}"))
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            called,
            waiting,
            xdp,
            ingress,
            steer,
            divert,
            tc,
            notes: _,
        } = self;
        if *waiting {
            return write!(f, "WAITING for {name}: there is no such interface");
        }
        write!(f, "{name}")?;
        if let Some(called) = called {
            write!(f, " (called {called} now)")?;
        }
        match (xdp, ingress) {
            (Some(mode), _) => write!(f, ": XDP {mode}")?,
            (None, Some(mode)) => write!(f, ": TC ingress {mode}")?,
            (None, None) => write!(f, ": XDP NOT ATTACHED")?,
        }
        if let Some(mode) = steer {
            write!(f, ", steering {mode}")?;
        }
        if let Some(mode) = divert {
            write!(f, ", DNS over TCP {mode}")?;
        }
        write!(f, ", TC egress {}", tc.unwrap_or("NOT ATTACHED"))
    }
}
