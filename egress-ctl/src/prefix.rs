//! Prefixes of addresses in one spelling.

use ipnet::{IpNet, Ipv4Net};

/// Leading bits of `::ffff:0:0/96`, below which IPv6 writes IPv4 addresses (RFC 4291 section 2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// An IPv4-mapped prefix as the IPv4 prefix that it means; any other as it is.
pub fn canonical(prefix: IpNet) -> IpNet {
    let IpNet::V6(v6) = prefix else {
        return prefix;
    };
    let v4 = v6.addr().to_ipv4_mapped();
    let len = v6.prefix_len().checked_sub(MAPPED_BITS);
    match v4.zip(len).map(|(addr, len)| Ipv4Net::new(addr, len)) {
        Some(Ok(v4)) => IpNet::V4(v4),
        _ => prefix,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_prefixes_are_ipv4() {
        let table = [
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::ffff:1.2.3.4/128", "1.2.3.4/32"),
            ("::/0", "::/0"),
            ("::/95", "::/95"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("10.0.0.0/8", "10.0.0.0/8"),
        ];
        for (written, meant) in table {
            let written: IpNet = written.parse().unwrap();
            assert_eq!(canonical(written), meant.parse::<IpNet>().unwrap());
        }
    }
}
