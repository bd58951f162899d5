//! The Debian package, by cargo-deb and what egress-ctl's manifest says of it.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{CARGO_DEB, VERSION};
use crate::{
    checkout::Checkout,
    command::build::{PACKAGED, Profile},
    step, toolchain,
};

/// As Debian calls it.
const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") {
    "arm64"
} else {
    "amd64"
};

pub(super) fn make(
    checkout: &Checkout,
    (out, profile): (&Path, Profile),
    epoch: &str,
) -> Result<PathBuf> {
    let deb = out.join(format!("egress_{VERSION}_{ARCHITECTURE}.deb"));
    let mut cargo_deb = CARGO_DEB.command(checkout);
    cargo_deb
        .args(["--package", "egress-ctl", "--locked"])
        .args(built(profile))
        .args(["--no-build", "--no-strip", "--output"])
        .arg(&deb)
        .env("CARGO_TARGET_DIR", checkout.target())
        .env("SOURCE_DATE_EPOCH", epoch);
    step::run(&mut cargo_deb)?;
    Ok(deb)
}

/// Where cargo-deb finds what it packs.
fn built(profile: Profile) -> &'static [&'static str] {
    match profile {
        Profile::Quick => &["--profile", "dev"],
        _ => &["--target", toolchain::STATIC, "--profile", PACKAGED],
    }
}
