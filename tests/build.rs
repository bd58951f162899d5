//! Builds the kernel programs of the bench, and leaves the object at `OUT_DIR/bench` for the lab to embed.

use anyhow::Result;
use egress_ebpf_build::Object;

fn main() -> Result<()> {
    let object = Object {
        package: "egress-bench-ebpf",
        name: "bench",
        sources: &["tests/ebpf/src", "tests/ebpf/Cargo.toml"],
    };
    object.build()
}
