//! Who listens on a UDP port of this network, and which process that is.

use std::{
    collections::BTreeMap,
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::doctor::resolver::Listener;

/// Listeners at a port.
pub(super) fn listeners(port: u16) -> Vec<Listener> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let tables = [read("/proc/net/udp"), read("/proc/net/udp6")];
    let found: Vec<_> = tables.iter().flat_map(|table| at(table, port)).collect();
    let mut processes = match found.is_empty() {
        true => BTreeMap::new(),
        false => processes(),
    };
    let listeners = found.into_iter().map(|(address, inode)| Listener {
        address,
        process: processes.remove(&inode),
    });
    listeners.collect()
}

/// Addresses and inodes of the sockets at a port (proc_net(5)).
fn at(table: &str, port: u16) -> Vec<(IpAddr, u64)> {
    let rows = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (address, at) = fields.get(1)?.split_once(':')?;
        let is_it = u16::from_str_radix(at, 16) == Ok(port);
        let inode = fields.get(9)?.parse().ok()?;
        is_it.then_some((self::address(address)?, inode))
    });
    rows.collect()
}

/// Words of four bytes, each as a number of this machine.
fn address(text: &str) -> Option<IpAddr> {
    let mut bytes = Vec::new();
    for word in text.as_bytes().chunks(8) {
        let word = std::str::from_utf8(word).ok()?;
        bytes.extend(u32::from_str_radix(word, 16).ok()?.to_ne_bytes());
    }
    let v4 = <[u8; 4]>::try_from(bytes.as_slice()).map(|v4| Ipv4Addr::from(v4).into());
    let v6 = || <[u8; 16]>::try_from(bytes.as_slice()).map(|v6| Ipv6Addr::from(v6).into());
    v4.or_else(|_| v6()).ok()
}

/// Names and ids of processes by the inodes of their sockets, as far as this user may look.
fn processes() -> BTreeMap<u64, (String, u32)> {
    let mut owners = BTreeMap::new();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes {
        let Some(pid) = process
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        let files = fs::read_dir(process.path().join("fd"))
            .into_iter()
            .flatten();
        for inode in files.filter_map(socket) {
            owners.insert(inode, (name.trim().to_owned(), pid));
        }
    }
    owners
}

fn socket(entry: io::Result<fs::DirEntry>) -> Option<u64> {
    let target = fs::read_link(entry.ok()?.path()).ok()?;
    let inode = target.to_str()?.strip_prefix("socket:[")?;
    inode.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn a_socket_of_this_process_is_found() {
        for address in ["127.0.0.1", "::1"] {
            let address: IpAddr = address.parse().unwrap();
            let Ok(socket) = UdpSocket::bind((address, 0)) else {
                // Without IPv6.
                continue;
            };
            let found = listeners(socket.local_addr().unwrap().port());
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].address, address);
            let (_, pid) = found[0].process.as_ref().unwrap();
            assert_eq!(*pid, std::process::id());
        }
    }

    #[test]
    fn what_is_no_table_has_no_sockets() {
        for table in [
            "",
            "sl local\n",
            "head\n  1: zz:0035\n",
            "head\n 1: 0100007F:0035 x\n",
        ] {
            assert!(at(table, 53).is_empty(), "{table}");
        }
    }
}
