//! A catalogue as a set of nftables: prefixes in, text for `nft -f` out.

use std::fmt::Write as _;

use anyhow::Result;
use ipnet::Ipv4Net;

use super::catalogue::Catalogue;

/// Name of the set.
pub(super) const SET_V4: &str = "listed";

/// The prefixes of IPv4; those that others cover are left out, for a set takes no overlaps.
pub(super) fn set_v4(catalogue: &Catalogue) -> Result<String> {
    let mut text = format!(" set {SET_V4} {{\n  type ipv4_addr; flags interval;\n  elements = {{");
    for net in Ipv4Net::aggregate(&catalogue.v4) {
        write!(text, " {net},")?;
    }
    Ok(text + " }\n }\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_every_prefix_that_no_other_covers() -> Result<()> {
        let nets = ["192.0.2.0/24", "192.0.2.7/32", "198.51.100.0/25"];
        let v4 = nets.map(|net| net.parse().unwrap()).to_vec();
        let text = set_v4(&Catalogue { v4, v6: Vec::new() })?;
        assert!(
            text.contains("{ 192.0.2.0/24, 198.51.100.0/25, }"),
            "{text}"
        );
        Ok(())
    }
}
