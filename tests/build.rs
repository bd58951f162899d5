//! Builds kernel programs that no gateway has, and leaves their objects in `OUT_DIR` for the lab and the tests to embed:
//! those of the bench as `bench`, and those of the filter that say what they do as `egress`.

use anyhow::Result;
use egress_ebpf_build::Object;

fn main() -> Result<()> {
    let bench = Object {
        package: "egress-bench-ebpf",
        name: "bench",
        features: &[],
        sources: &["tests/ebpf/src", "tests/ebpf/Cargo.toml"],
    };
    let log = Object {
        package: "egress-ebpf",
        name: "egress",
        features: &["log"],
        sources: &[
            "egress-ebpf/src",
            "egress-ebpf/Cargo.toml",
            "egress-common/src",
            "egress-common/Cargo.toml",
        ],
    };
    bench.build()?;
    log.build()
}
