//! The table of the plain program.

use aya_ebpf::{
    btf_maps::{LpmTrie, lpm_trie::Key},
    macros::btf_map,
};

const PREFIXES_MAX: usize = 1 << 20;

/// Prefixes of IPv4. Written by user space.
#[btf_map]
static PREFIXES: LpmTrie<[u8; 4], u32, PREFIXES_MAX> = LpmTrie::new();

/// Whether a prefix of IPv4 covers a destination.
#[inline(always)]
pub fn lists([destination, ..]: [u32; 4]) -> bool {
    let key = Key::new(32, destination.to_ne_bytes());
    PREFIXES.get(&key).is_some()
}
