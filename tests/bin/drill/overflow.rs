//! What a busy receiver had no room for: a host in, datagrams that its kernel threw away out.

use std::fs;

use anyhow::{Context, Result};
use lab::host::Host;

/// Datagrams that the host received and had no room for, in both families.
pub(super) fn overflows(host: &Host) -> Result<u64> {
    let read = |name: &str| fs::read_to_string(format!("/proc/thread-self/net/{name}"));
    let (v4, v6) = host.run(|| (read("snmp"), read("snmp6")))?;
    overflows_v4(&v4?)
        .zip(overflows_v6(&v6?))
        .map(|(v4, v6)| v4 + v6)
        .context("the kernel does not tell RcvbufErrors")
}

/// A line of names and a line of values, both beginning with `Udp:`.
fn overflows_v4(snmp: &str) -> Option<u64> {
    let mut lines = snmp.lines().filter(|line| line.starts_with("Udp: "));
    let (names, values) = (lines.next()?, lines.next()?);
    let column = names.split(' ').position(|name| name == "RcvbufErrors")?;
    values.split(' ').nth(column)?.parse().ok()
}

fn overflows_v6(snmp6: &str) -> Option<u64> {
    let value = snmp6
        .lines()
        .find_map(|line| line.strip_prefix("Udp6RcvbufErrors"));
    value?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overflows_are_read_by_name() {
        let snmp = "Tcp: A B\nTcp: 1 2\nUdp: InDatagrams RcvbufErrors SndbufErrors\nUdp: 10 7 3\n";
        assert_eq!(overflows_v4(snmp), Some(7));
        assert_eq!(overflows_v4("Udp: InDatagrams\nUdp: 10\n"), None);
        let snmp6 = "Udp6InDatagrams                 \t5\nUdp6RcvbufErrors                \t4\n";
        assert_eq!(overflows_v6(snmp6), Some(4));
        assert_eq!(overflows_v6(""), None);
    }
}
