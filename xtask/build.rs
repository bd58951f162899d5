//! Tells whoever runs a plain `cargo build` in a fresh clone what to run instead.

use std::path::Path;

const LINKER: &str = "../.tools/bin/bpf-linker";

fn main() {
    println!("cargo::rerun-if-changed={LINKER}");
    if !Path::new(LINKER).exists() {
        println!(
            "cargo::warning=this builds xtask alone; `cargo xtask setup` installs what egress itself needs, `cargo xtask build` builds it"
        );
    }
}
