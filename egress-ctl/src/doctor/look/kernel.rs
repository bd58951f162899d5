//! Asks the kernel what its BPF can do, by the smallest program or map that shows it.

use std::{fs, path::Path};

use aya::{
    maps::MapType,
    programs::ProgramType,
    sys::{
        BpfHelper, is_btf_supported, is_helper_supported, is_map_supported, is_program_supported,
    },
};

use crate::doctor::kernel::Kernel;

const PROGRAMS: [(&str, ProgramType); 2] = [
    ("programs of XDP", ProgramType::Xdp),
    ("programs of TC", ProgramType::SchedClassifier),
];
const MAPS: [(&str, MapType); 6] = [
    ("LPM tries", MapType::LpmTrie),
    ("arrays of maps", MapType::ArrayOfMaps),
    ("LRU maps", MapType::LruHash),
    ("per-CPU LRU maps", MapType::LruPerCpuHash),
    ("ring buffers", MapType::RingBuf),
    ("maps of sockets", MapType::SockMap),
];
const HELPERS: [(&str, ProgramType, BpfHelper); 9] = [
    (
        "bpf_ktime_get_boot_ns in XDP",
        ProgramType::Xdp,
        BpfHelper::BPF_FUNC_ktime_get_boot_ns,
    ),
    (
        "bpf_xdp_get_buff_len",
        ProgramType::Xdp,
        BpfHelper::BPF_FUNC_xdp_get_buff_len,
    ),
    (
        "bpf_xdp_load_bytes",
        ProgramType::Xdp,
        BpfHelper::BPF_FUNC_xdp_load_bytes,
    ),
    (
        "bpf_xdp_adjust_head",
        ProgramType::Xdp,
        BpfHelper::BPF_FUNC_xdp_adjust_head,
    ),
    (
        "bpf_xdp_adjust_tail",
        ProgramType::Xdp,
        BpfHelper::BPF_FUNC_xdp_adjust_tail,
    ),
    (
        "bpf_skb_load_bytes",
        ProgramType::SchedClassifier,
        BpfHelper::BPF_FUNC_skb_load_bytes,
    ),
    (
        "bpf_skc_lookup_tcp",
        ProgramType::SchedClassifier,
        BpfHelper::BPF_FUNC_skc_lookup_tcp,
    ),
    (
        "bpf_tcp_check_syncookie",
        ProgramType::SchedClassifier,
        BpfHelper::BPF_FUNC_tcp_check_syncookie,
    ),
    (
        "bpf_sk_assign",
        ProgramType::SchedClassifier,
        BpfHelper::BPF_FUNC_sk_assign,
    ),
];

/// Asks it.
pub(super) fn look() -> Kernel {
    let programs = PROGRAMS.map(|(name, kind)| (name, is_program_supported(kind).ok()));
    let maps = MAPS.map(|(name, kind)| (name, is_map_supported(kind).ok()));
    let helpers =
        HELPERS.map(|(name, kind, helper)| (name, is_helper_supported(kind, helper).ok()));
    let types = [("types of programs (BTF)", is_btf_supported().ok())];
    let jit = text("/proc/sys/net/core/bpf_jit_enable");
    Kernel {
        release: text("/proc/sys/kernel/osrelease").unwrap_or_default(),
        features: [&programs[..], &maps, &helpers, &types].concat(),
        has_btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
        jit: jit.and_then(|jit| jit.parse().ok()),
    }
}

fn text(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}
