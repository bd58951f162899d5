//! The names that the lab's internet knows: records in, lines of a dnsmasq configuration out.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A set of records.
#[derive(Debug, Clone, Default)]
pub struct Zone {
    records: Vec<Record>,
}

#[derive(Debug, Clone)]
enum Record {
    Host {
        name: String,
        v4: Option<Ipv4Addr>,
        v6: Option<Ipv6Addr>,
        ttl: u32,
    },
    Alias {
        name: String,
        target: String,
        ttl: u32,
    },
}

impl Zone {
    /// A zone without names.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a name with an address in both families.
    #[must_use]
    pub fn host(mut self, name: &str, v4: Ipv4Addr, v6: Ipv6Addr, ttl: u32) -> Self {
        self.push(name, Some(v4), Some(v6), ttl);
        self
    }

    /// Adds a name with an IPv4 address only.
    #[must_use]
    pub fn host_v4(mut self, name: &str, v4: Ipv4Addr, ttl: u32) -> Self {
        self.push(name, Some(v4), None, ttl);
        self
    }

    /// Adds a CNAME; its target must be in the zone too.
    #[must_use]
    pub fn alias(mut self, name: &str, target: &str, ttl: u32) -> Self {
        self.records.push(Record::Alias {
            name: name.to_owned(),
            target: target.to_owned(),
            ttl,
        });
        self
    }

    fn push(&mut self, name: &str, v4: Option<Ipv4Addr>, v6: Option<Ipv6Addr>, ttl: u32) {
        self.records.push(Record::Host {
            name: name.to_owned(),
            v4,
            v6,
            ttl,
        });
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.records
            .iter()
            .try_for_each(|record| writeln!(f, "{record}"))
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { name, v4, v6, ttl } => {
                write!(f, "host-record={name}")?;
                if let Some(v4) = v4 {
                    write!(f, ",{v4}")?;
                }
                if let Some(v6) = v6 {
                    write!(f, ",{v6}")?;
                }
                write!(f, ",{ttl}")
            }
            Self::Alias { name, target, ttl } => write!(f, "cname={name},{target},{ttl}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_become_lines_of_a_dnsmasq_configuration() {
        let v4 = Ipv4Addr::new(198, 51, 100, 1);
        let zone = Zone::new()
            .host("both.example", v4, Ipv6Addr::LOCALHOST, 2)
            .host_v4("four.example", v4, 300)
            .alias("alias.example", "both.example", 60);
        let lines = "host-record=both.example,198.51.100.1,::1,2\n\
                     host-record=four.example,198.51.100.1,300\n\
                     cname=alias.example,both.example,60\n";
        assert_eq!(zone.to_string(), lines);
    }
}
