//! A proxy auto-configuration file.
//!
//! In: endpoint sets and a proxy. Out: JavaScript by which Optimize and Allow leave directly, and
//! all else goes to the proxy.

use std::{fmt, str::FromStr};

use egress_common::pattern::NamePattern;
use thiserror::Error;

use super::names;
use crate::catalogue::set::{Category, EndpointSet};

/// Where all else goes: `host:port`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxy(String);

/// A text that is no `host:port`.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("a proxy is a host and a port, as in proxy.example.org:8080")]
pub struct ProxyError;

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, ProxyError> {
        let (host, port) = text.rsplit_once(':').ok_or(ProxyError)?;
        let known = |c: char| c.is_ascii_alphanumeric() || "-_.:[]".contains(c);
        if host.is_empty() || !host.chars().all(known) || port.parse::<u16>().is_err() {
            return Err(ProxyError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A test for each name that leaves directly.
pub(super) fn text(sets: &[&EndpointSet], proxy: &Proxy) -> String {
    let direct: Vec<&EndpointSet> = sets
        .iter()
        .copied()
        .filter(|set| set.category != Category::Default)
        .collect();
    let mut tests = String::new();
    for name in names(&direct) {
        if let Ok(pattern) = name.parse::<NamePattern>() {
            tests += &format!("      {} ||\n", test(&pattern));
        }
    }
    format!(
        "// Made by egress: Optimize and Allow leave directly, all else through the proxy.\n\
         function FindProxyForURL(url, host) {{\n  host = host.toLowerCase();\n  if (\n{tests}      false) {{\n    \
         return \"DIRECT\";\n  }}\n  return \"PROXY {proxy}\";\n}}\n"
    )
}

fn test(pattern: &NamePattern) -> String {
    match pattern {
        NamePattern::Exact(name) => format!("host === \"{name}\""),
        NamePattern::Tail(_) | NamePattern::HeadTail { .. } => {
            format!("shExpMatch(host, \"{pattern}\")")
        }
    }
}
