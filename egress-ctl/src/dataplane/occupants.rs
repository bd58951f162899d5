//! Programs that are on an interface, and which of them are ours.
//!
//! Nothing is changed, and what this user may not see is left out.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use aya::programs::{
    ProgramInfo, TcAttachType,
    links::{FdLink, PinnedLink},
    loaded_programs,
};

use super::{
    attach::filters,
    hook::{Attached, LINKS, attached},
    interface::Device,
    link::tcx_programs,
};

/// A program on an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occupant {
    /// Where.
    pub side: Side,
    /// The kernel's number of it.
    pub id: u32,
    /// Its name, where it can be asked for.
    pub name: Option<String>,
    /// Whether it is at this interface by one of our pins.
    pub is_ours: bool,
}

/// Where a program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// XDP, in the driver or behind it.
    Xdp,
    /// TC ingress.
    Ingress,
    /// TC egress.
    Egress,
}

/// All programs on a device.
pub async fn occupants(pin_dir: &Path, device: &Device) -> Vec<Occupant> {
    let mut there: Vec<(Side, u32)> = device.xdp.iter().map(|id| (Side::Xdp, *id)).collect();
    let sides = [
        (Side::Ingress, TcAttachType::Ingress),
        (Side::Egress, TcAttachType::Egress),
    ];
    for (side, direction) in sides {
        let by_filter = filters(device.index, direction).await.unwrap_or_default();
        // Where the kernel has no TCX, no program is there.
        let by_link = tcx_programs(device.index, direction).unwrap_or_default();
        there.extend(by_filter.into_iter().chain(by_link).map(|id| (side, id)));
    }
    let (ours, mut names) = (ours(pin_dir, device.index), names());
    let occupant = |(side, id)| Occupant {
        side,
        id,
        name: names.remove(&id).filter(|name| !name.is_empty()),
        is_ours: ours.contains(&id),
    };
    there.into_iter().map(occupant).collect()
}

/// Numbers of the programs that our pins hold at an interface.
fn ours(pin_dir: &Path, index: u32) -> BTreeSet<u32> {
    let pinned = attached(pin_dir).unwrap_or_default();
    let here = pinned.iter().filter(|at| at.index == index);
    here.filter_map(|at| held(pin_dir, at)).collect()
}

/// The program that a pin holds: of a filter it is pinned itself, of others its link.
fn held(pin_dir: &Path, at: &Attached) -> Option<u32> {
    let path = pin_dir.join(LINKS).join(at.pin_name());
    if at.hook.is_filter() {
        return Some(ProgramInfo::from_pin(path).ok()?.id());
    }
    let link = FdLink::from(PinnedLink::from_pin(path).ok()?);
    Some(link.info().ok()?.program_id())
}

/// Names of all programs, as far as this user may ask.
fn names() -> BTreeMap<u32, String> {
    let programs = loaded_programs().filter_map(Result::ok);
    let named = programs.map(|one| (one.id(), one.name_as_str().unwrap_or_default().to_owned()));
    named.collect()
}
