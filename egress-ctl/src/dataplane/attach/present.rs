//! What is still there of what was attached: others can take programs off, too.

use std::path::Path;

use aya::programs::TcAttachType;
use futures_util::TryStreamExt as _;
use rtnetlink::packet_route::tc::{TcAttribute, TcFilterBpfOption, TcMessage, TcOption};

use super::{AttachError, Needs, list, side};
use crate::dataplane::{
    bind::Bound,
    hook::{Attached, Role},
    interface::Device,
    link,
    load::Loaded,
};

/// Roles that our programs should fill on the interfaces and do not any more.
///
/// # Errors
/// The pins cannot be listed, or a program is missing.
pub async fn lost(
    loaded: &mut Loaded,
    pin_dir: &Path,
    bound: &[Bound],
    needs: Needs,
) -> Result<Vec<(String, Role)>, AttachError> {
    let pinned = list(pin_dir)?;
    let mut lost = Vec::new();
    for (name, device) in bound
        .iter()
        .filter_map(|bound| Some((&bound.name, bound.device.as_ref()?)))
    {
        let mut there = Vec::new();
        for at in pinned.iter().filter(|at| at.index == device.index) {
            if is_there(loaded, device, at).await? {
                there.push(at.hook);
            }
        }
        let steers = needs.steers && there.iter().any(|hook| hook.is_xdp());
        let wanted = [Role::Learn, Role::Judge]
            .into_iter()
            .chain(steers.then_some(Role::Steer))
            .chain(needs.diverts.then_some(Role::Divert));
        let missing = wanted.filter(|role| !there.iter().any(|hook| hook.role() == *role));
        lost.extend(missing.map(|role| (name.clone(), role)));
    }
    Ok(lost)
}

/// Whether the kernel still has our program at a hook.
async fn is_there(
    loaded: &mut Loaded,
    device: &Device,
    at: &Attached,
) -> Result<bool, AttachError> {
    let Some(id) = loaded.program(at.hook, device.layer)?.id() else {
        return Ok(false);
    };
    if at.hook.is_xdp() {
        return Ok(device.xdp.contains(&id));
    }
    let direction = side::direction(at.hook);
    if at.hook.is_filter() {
        // Where the kernel does not tell, the next look will.
        let filters = filters(device.index, direction).await;
        return Ok(filters.is_none_or(|ids| ids.contains(&id)));
    }
    let programs = link::tcx_programs(device.index, direction);
    Ok(programs.is_ok_and(|programs| programs.contains(&id)))
}

/// Numbers of the programs that clsact filters of an interface run.
pub(in crate::dataplane) async fn filters(index: u32, direction: TcAttachType) -> Option<Vec<u32>> {
    let (connection, handle, _) = rtnetlink::new_connection().ok()?;
    let connection = tokio::spawn(connection);
    let request = handle.traffic_filter(i32::try_from(index).ok()?).get();
    let request = match direction {
        TcAttachType::Ingress => request.ingress(),
        TcAttachType::Egress => request.egress(),
    };
    let filters: Result<Vec<TcMessage>, _> = request.execute().try_collect().await;
    connection.abort();
    match filters {
        Ok(filters) => Some(filters.iter().flat_map(programs).collect()),
        // Without the qdisc there is no filter.
        Err(rtnetlink::Error::NetlinkError(_)) => Some(Vec::new()),
        Err(_) => None,
    }
}

fn programs(filter: &TcMessage) -> Vec<u32> {
    let options = filter.attributes.iter().filter_map(|attribute| {
        let TcAttribute::Options(options) = attribute else {
            return None;
        };
        Some(options)
    });
    let ids = options.flatten().filter_map(|option| match option {
        TcOption::Bpf(TcFilterBpfOption::ProgId(id)) => Some(*id),
        _ => None,
    });
    ids.collect()
}
