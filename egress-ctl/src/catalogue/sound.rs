//! What is sound in a record of a file that nobody has checked.
//!
//! In: a [`SetRecord`]. Out: an [`EndpointSet`] of all that can be parsed, and a finding about
//! everything else.

use ipnet::IpNet;

use super::{
    finding::{Finding, Severity},
    ports::Ports,
    record::{SetRecord, prefix},
    set::{Category, EndpointSet},
};
use egress_common::pattern::NamePattern;

/// The sound part of a record.
pub(super) fn sound(mut record: SetRecord, findings: &mut Vec<Finding>) -> Option<EndpointSet> {
    let (line, key) = (record.line, record.key.clone());
    let mut say = |severity, rule, message| {
        findings.push(Finding {
            severity,
            rule,
            line,
            set: Some(key.clone()),
            message,
        });
    };
    record.urls.retain(|url| match url.parse::<NamePattern>() {
        Ok(_) => true,
        Err(fault) => {
            say(
                Severity::Error,
                "address",
                format!("{url:?} is left out: {fault}"),
            );
            false
        }
    });
    record.ips.retain(|text| match prefix(text) {
        Ok(prefix) => {
            if has_host_bits(text) {
                let message =
                    format!("{text:?} has bits behind its length; it is read as {prefix}");
                say(Severity::Warning, "host-bits", message);
            }
            true
        }
        Err(fault) => {
            say(
                Severity::Error,
                "address",
                format!("{text:?} is left out: {fault}"),
            );
            false
        }
    });
    for ports in [&mut record.tcp_ports, &mut record.udp_ports] {
        let Some(text) = ports.take() else { continue };
        let (good, bad) = sound_ports(&text);
        *ports = Some(good).filter(|good| !good.is_empty());
        for fault in bad {
            say(Severity::Error, "port", format!("ports: {fault}"));
        }
    }
    if let Err(fault) = record.category.parse::<Category>() {
        let message = format!("{:?} counts as Default: {fault}", record.category);
        say(Severity::Warning, "category", message);
        record.category = Category::Default.to_string();
    }
    record.try_into().ok()
}

fn has_host_bits(text: &str) -> bool {
    text.parse::<IpNet>()
        .is_ok_and(|prefix| prefix != prefix.trunc())
}

/// The items that are ports, and what is wrong with the others.
fn sound_ports(text: &str) -> (String, Vec<String>) {
    let mut bad = Vec::new();
    let mut good = Vec::new();
    for item in text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
    {
        match item.parse::<Ports>() {
            Ok(_) => good.push(item),
            Err(fault) => bad.push(fault.to_string()),
        }
    }
    (good.join(","), bad)
}
