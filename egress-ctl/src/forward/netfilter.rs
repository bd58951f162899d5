//! Hooks of netfilter that packets would meet on their way through the stack.
//!
//! The kernel tells of each what is hooked in, where it has `nfnetlink_hook`. Where it has not, those are asked
//! one by one that hook anything in: nftables, the older tables, virtual servers, security modules. What does so
//! beside them there, as programs of BPF for netfilter do, is not seen.

use std::{fs, path::Path};

use rustix::{io::Errno, net::netlink};

use crate::netlink::{Question, attribute, attributes, dump, network_number, text, written};

/// Families of netfilter (`NFPROTO_*`, linux/netfilter.h).
const INET: u8 = 1;
const V4: u8 = 2;
const DEVICES: u8 = 5;
const V6: u8 = 10;
/// Hooks that a forwarded packet meets: prerouting, forward, postrouting.
const ON_THE_WAY: [u32; 3] = [0, 2, 4];
/// That of a device's ingress among the hooks of the family `inet`.
const INET_INGRESS: u32 = 5;
/// Those of a device (`NF_NETDEV_*`).
const INGRESS: u32 = 0;
const EGRESS: u32 = 1;

/// What is hooked in where forwarded packets of a family come by; nothing where it is not known.
pub(super) fn on_the_way(is_v4: bool) -> Option<Vec<String>> {
    let family = if is_v4 { V4 } else { V6 };
    let told = ON_THE_WAY.map(|hook| {
        hooked(&Place {
            family,
            hook,
            device: None,
        })
    });
    let told: Result<Vec<_>, Errno> = told.into_iter().collect();
    match told {
        Ok(hooks) => Some(hooks.concat()),
        Err(fault) if is_silent(fault) => by_users(is_v4),
        Err(_) => None,
    }
}

/// What is hooked in at the ingress of one device and the egress of another; nothing where it is not known.
pub(super) fn at_devices(from: &str, to: &str) -> Option<[Vec<String>; 2]> {
    let at = |hook, device| {
        let told = hooked(&Place {
            family: DEVICES,
            hook,
            device: Some(device),
        });
        match told {
            Ok(names) => Some(names),
            // A kernel whose devices have no such hook.
            Err(Errno::PROTONOSUPPORT | Errno::OPNOTSUPP) => Some(Vec::new()),
            Err(fault) if is_silent(fault) => at_device_by_users(hook, device),
            Err(_) => None,
        }
    };
    Some([at(INGRESS, from)?, at(EGRESS, to)?])
}

/// Whether the kernel does not tell what is hooked in: nobody answers for `nfnetlink_hook`.
const fn is_silent(fault: Errno) -> bool {
    matches!(
        fault,
        Errno::INVAL | Errno::PROTONOSUPPORT | Errno::OPNOTSUPP
    )
}

/// The same as those tell who hook in.
fn by_users(is_v4: bool) -> Option<Vec<String>> {
    let family = if is_v4 { V4 } else { V6 };
    let chains = chains().ok()?;
    let chains = chains
        .into_iter()
        .filter(|chain| [family, INET].contains(&chain.family) && ON_THE_WAY.contains(&chain.hook));
    let mut names: Vec<String> = chains.map(|chain| chain.name).collect();
    let tables = if is_v4 {
        "/proc/net/ip_tables_names"
    } else {
        "/proc/net/ip6_tables_names"
    };
    // Without the file there are no such tables.
    let tables = fs::read_to_string(tables).unwrap_or_default();
    names.extend(
        tables
            .lines()
            .map(|table| format!("table {table} of iptables")),
    );
    for (path, what) in [
        ("/proc/net/ip_vs", "virtual servers (ip_vs)"),
        ("/sys/fs/selinux/enforce", "SELinux"),
        ("/sys/fs/smackfs", "Smack"),
    ] {
        if Path::new(path).exists() {
            names.push(what.to_owned());
        }
    }
    Some(names)
}

fn at_device_by_users(hook: u32, device: &str) -> Option<Vec<String>> {
    let chains = chains().ok()?;
    let here = chains.into_iter().filter(|chain| {
        let is_at = match chain.family {
            DEVICES => chain.hook == hook,
            INET => hook == INGRESS && chain.hook == INET_INGRESS,
            _ => false,
        };
        is_at && chain.devices.iter().any(|of| of == device)
    });
    Some(here.map(|chain| chain.name).collect())
}

/// Hooks of netfilter by their numbers.
struct Place<'a> {
    /// `NFPROTO_*` (linux/netfilter.h).
    family: u8,
    hook: u32,
    /// Where the family is that of devices.
    device: Option<&'a str>,
}

/// What is hooked in at a place of netfilter.
///
/// # Errors
/// The kernel does not tell (before Linux 5.14, or without `nfnetlink_hook`), or there is no such place.
fn hooked(place: &Place<'_>) -> Result<Vec<String>, Errno> {
    /// `NFNL_SUBSYS_HOOK`, `NFNL_MSG_HOOK_GET` and attributes (linux/netfilter/nfnetlink_hook.h).
    const GET_HOOK: u16 = 12 << 8;
    const NUMBER: u16 = 1;
    const DEVICE: u16 = 3;
    const FUNCTION: u16 = 4;
    const MODULE: u16 = 5;

    let mut body = vec![place.family, 0, 0, 0];
    body.extend(written(NUMBER, &place.hook.to_be_bytes()));
    if let Some(device) = place.device {
        body.extend(written(DEVICE, &[device.as_bytes(), &[0]].concat()));
    }
    let replies = dump(&Question {
        protocol: Some(netlink::NETFILTER),
        kind: GET_HOOK,
        body: &body,
    })?;
    let names = replies.iter().map(|body| {
        let rest = body.get(4..).unwrap_or_default();
        let named = |kind| attribute(rest, kind).map(text);
        match (named(FUNCTION), named(MODULE)) {
            (Some(function), Some(module)) => format!("{function} of {module}"),
            (Some(function), None) => function,
            _ => "a hook without a name".to_owned(),
        }
    });
    Ok(names.collect())
}

/// A chain of nftables that is hooked in.
struct Chain {
    family: u8,
    hook: u32,
    devices: Vec<String>,
    name: String,
}

/// All of them; none where the kernel has no nftables.
fn chains() -> Result<Vec<Chain>, Errno> {
    /// `NFNL_SUBSYS_NFTABLES` and `NFT_MSG_GETCHAIN` (linux/netfilter/nf_tables.h).
    const GET_CHAIN: u16 = 10 << 8 | 4;

    let replies = dump(&Question {
        protocol: Some(netlink::NETFILTER),
        kind: GET_CHAIN,
        body: &[0; 4],
    });
    match replies {
        Ok(replies) => Ok(replies.iter().filter_map(|body| chain(body)).collect()),
        Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::PROTONOSUPPORT) => Ok(Vec::new()),
        Err(fault) => Err(fault),
    }
}

fn chain(body: &[u8]) -> Option<Chain> {
    const TABLE: u16 = 1;
    const NAME: u16 = 3;
    const HOOK: u16 = 4;
    const HOOK_NUMBER: u16 = 1;
    const DEVICE: u16 = 3;
    const DEVICES: u16 = 4;

    let (family, rest) = (*body.first()?, body.get(4..)?);
    let hook = attribute(rest, HOOK)?;
    let several = attribute(hook, DEVICES)
        .map(attributes)
        .into_iter()
        .flatten();
    let one = attribute(hook, DEVICE).into_iter();
    let devices = one.chain(several.map(|(_, value)| value)).map(text);
    let named = |kind| attribute(rest, kind).map(text).unwrap_or_default();
    Some(Chain {
        family,
        hook: network_number(attribute(hook, HOOK_NUMBER)?)?,
        devices: devices.collect(),
        name: format!("chain {} {}", named(TABLE), named(NAME)),
    })
}
