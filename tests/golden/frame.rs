//! The bytes of a golden packet, as its table writes them.

use anyhow::{Context as _, Result, ensure};

/// What `eth` stands for, without the EtherType.
const ETHERNET: &str = "020000000002020000000001";

/// Reads hexadecimal digits; dots and spaces between them mean nothing.
pub fn frame(family: &str, text: &str) -> Result<Vec<u8>> {
    let kind = if family == "ipv4" { "0800" } else { "86dd" };
    let digits = text.replace("eth", &format!("{ETHERNET}{kind}"));
    let digits = digits.replace(['.', ' '], "");
    ensure!(digits.len() % 2 == 0, "half a byte");
    let bytes = (0..digits.len()).step_by(2).map(|at| {
        let byte = digits.get(at..at + 2).unwrap_or_default();
        u8::from_str_radix(byte, 16)
    });
    bytes
        .collect::<Result<_, _>>()
        .context("no hexadecimal bytes")
}
