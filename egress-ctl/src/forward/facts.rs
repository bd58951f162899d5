//! What a fast path is judged by, as the kernel tells it now.

use aya::programs::TcAttachType;
use rustix::io::Errno;

use super::{
    device::{self, Device},
    judge::{Facts, FamilyFacts},
    netfilter, routing, traffic,
};
use crate::{config::forward::FastPath, dataplane::link};

/// What the daemon knows beside the kernel.
pub struct Known<'a> {
    /// Index of the device that judges for an interface of the config, and whether in its driver.
    pub judged: &'a dyn Fn(&str) -> Option<(u32, bool)>,
    /// Numbers of our programs.
    pub ours: &'a [u32],
}

/// Gathers what there is to know of a pair.
pub(super) fn gather(pair: &FastPath, devices: &[Device], known: &Known<'_>) -> Facts {
    let judged = (known.judged)(&pair.from);
    let from = judged.and_then(|(index, _)| devices.iter().find(|device| device.index == index));
    let to = devices.iter().find(|device| device.name == pair.to);
    let hooks = from
        .zip(to)
        .and_then(|(from, to)| netfilter::at_devices(&from.name, &to.name));
    let [ingress, egress] = match hooks {
        Some(hooks) => hooks.map(Some),
        None => [None, None],
    };
    Facts {
        is_native: judged.is_some_and(|(_, is_native)| is_native),
        trusts: pair.trust_checksums,
        strips_tags: from.and_then(device::strips_tags),
        transmits: to.and_then(device::transmits),
        before: from.and_then(|from| before(from, known.ours, ingress)),
        behind: to.and_then(|to| behind(to, egress)),
        disciplines: to.and_then(traffic::disciplines).map(|all| {
            let kinds = all.into_iter().map(|discipline| discipline.kind);
            kinds.collect()
        }),
        has_ipsec: routing::has_ipsec(),
        v4: family(true, from, to),
        v6: family(false, from, to),
        from: from.cloned(),
        to: to.cloned(),
    }
}

fn family(is_v4: bool, from: Option<&Device>, to: Option<&Device>) -> FamilyFacts {
    let forwards = |device: &Device| device::forwards(is_v4, &device.name);
    FamilyFacts {
        forwards: [from, to].map(|device| device.and_then(forwards)),
        hooks: netfilter::on_the_way(is_v4),
        rules: to.and_then(|to| routing::rules(is_v4, &to.name)),
        spreads_by_ports: device::spreads_by_ports(is_v4),
    }
}

/// Others at the ingress of a device.
fn before(from: &Device, ours: &[u32], hooks: Option<Vec<String>>) -> Option<Vec<String>> {
    let mut others = hooks?;
    others.extend(traffic::filters(from, traffic::INGRESS, ours)?);
    others.extend(programs(from, TcAttachType::Ingress, ours)?);
    Some(others)
}

/// Others at the egress of a device.
fn behind(to: &Device, hooks: Option<Vec<String>>) -> Option<Vec<String>> {
    let mut others = hooks?;
    others.extend(traffic::filters(to, traffic::EGRESS, &[])?);
    let handles = traffic::disciplines(to)?.into_iter().map(|one| one.handle);
    for handle in handles.filter(|handle| *handle != 0) {
        others.extend(traffic::filters(to, handle, &[])?);
    }
    others.extend(programs(to, TcAttachType::Egress, &[])?);
    Some(others)
}

/// Programs of TCX other than ours.
fn programs(device: &Device, direction: TcAttachType, ours: &[u32]) -> Option<Vec<String>> {
    match link::tcx_programs(device.index, direction) {
        Ok(programs) => {
            let others = programs.iter().filter(|id| !ours.contains(id));
            Some(others.map(|id| format!("program {id} of TCX")).collect())
        }
        // A kernel without TCX, before Linux 6.6.
        Err(fault) if fault.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => Some(Vec::new()),
        Err(_) => None,
    }
}
