//! XDP programs of somebody else, where they are to be replaced.
//!
//! One that a link holds is replaced in place: the link becomes ours as well. One that was attached
//! over netlink is taken off.

use std::{os::fd::AsFd as _, path::Path, thread};

use rtnetlink::{
    LinkUnspec,
    packet_route::link::{LinkAttribute, LinkXdp},
};

use super::{AttachError, pin};
use crate::dataplane::{
    hook::{Attached, Hook},
    link,
};

/// Pins the link that holds one of the XDP `programs` of an interface, so that it is ours as well; false
/// where none does.
pub(super) fn take_link(
    pin_dir: &Path,
    at: &Attached,
    programs: &[u32],
) -> Result<bool, AttachError> {
    let path = pin(pin_dir, at);
    let links = link::xdp_links();
    let here =
        |link: &link::XdpLink| link.interface == at.index && programs.contains(&link.program);
    let found: Vec<_> = links.filter(here).collect();
    match found.as_slice() {
        [] => Ok(false),
        [link] => {
            link::pin(link.fd.as_fd(), &path).map_err(AttachError::pin("make", &path))?;
            Ok(true)
        }
        several => Err(AttachError::Foreign {
            interface: at.interface.clone(),
            source: format!(
                "{} links hold the same program on interfaces of this number, in several network namespaces: detach it by hand",
                several.len()
            )
            .into(),
        }),
    }
}

/// Takes an XDP program without a link off its interface.
pub(super) fn clear(at: &Attached) -> Result<(), AttachError> {
    // The daemon's own thread serves other requests.
    let cleared = thread::scope(|scope| scope.spawn(|| clear_over_netlink(at)).join());
    let cleared = cleared.unwrap_or_else(|_| Err(anyhow::anyhow!("the thread ended early")));
    cleared.map_err(|fault| AttachError::Foreign {
        interface: at.interface.clone(),
        source: fault.into(),
    })
}

fn clear_over_netlink(at: &Attached) -> anyhow::Result<()> {
    // linux/if_link.h.
    const XDP_FLAGS_SKB_MODE: u32 = 1 << 1;
    const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;

    let modes = match at.hook {
        Hook::XdpNative => [XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE],
        _ => [XDP_FLAGS_SKB_MODE, XDP_FLAGS_DRV_MODE],
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        tokio::spawn(connection);
        let mut last = Ok(());
        for mode in modes {
            let off = LinkAttribute::Xdp(vec![LinkXdp::Fd(-1), LinkXdp::Flags(mode)]);
            let message = LinkUnspec::new_with_index(at.index)
                .append_extra_attribute(off)
                .build();
            // Whichever mode it is in: taking nothing off is no error.
            last = handle.link().set(message).execute().await;
        }
        Ok(last?)
    })
}
