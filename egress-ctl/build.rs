//! Builds the kernel programs, and leaves the object at `OUT_DIR/egress` for the crate to embed.

use anyhow::Result;
use egress_ebpf_build::Object;

fn main() -> Result<()> {
    let object = Object {
        package: "egress-ebpf",
        name: "egress",
        features: if cfg!(feature = "bpf-log") {
            &["log"]
        } else {
            &[]
        },
        sources: &[
            "egress-ebpf/src",
            "egress-ebpf/Cargo.toml",
            "egress-common/src",
            "egress-common/Cargo.toml",
        ],
    };
    object.build()
}
