//! Network interfaces of this network namespace.

use std::fs;

use rustix::net::{
    AddressFamily, SocketType,
    netdevice::{index_to_name, name_to_index},
    socket,
};

/// The interface's index; none where there is no such interface.
pub fn index(name: &str) -> Option<u32> {
    let any = socket(AddressFamily::INET, SocketType::DGRAM, None).ok()?;
    name_to_index(any, name).ok()
}

/// The interface's name; none where there is no such interface.
pub fn name(index: u32) -> Option<String> {
    let any = socket(AddressFamily::INET, SocketType::DGRAM, None).ok()?;
    index_to_name(any, index).ok()
}

/// Those of the interfaces that are there, with their indices.
pub fn indices(names: &[String]) -> Vec<(String, u32)> {
    let there = names
        .iter()
        .filter_map(|name| Some((name.clone(), index(name)?)));
    there.collect()
}

/// Names of all interfaces, for messages.
pub fn names() -> Vec<String> {
    let Ok(entries) = fs::read_dir("/sys/class/net") else {
        return Vec::new();
    };
    let name = |entry: std::io::Result<fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
    let mut names: Vec<_> = entries.filter_map(name).collect();
    names.sort();
    names
}
