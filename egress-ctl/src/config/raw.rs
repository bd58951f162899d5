//! The configuration file as it is written, before anything is checked but its shape.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use crate::catalogue::source::custom::CustomSet;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) gateway: Option<Spanned<RawGateway>>,
    #[serde(default)]
    pub(super) dns: RawDns,
    #[serde(default)]
    pub(super) metrics: RawMetrics,
    #[serde(default)]
    pub(super) ui: RawUi,
    #[serde(default)]
    pub(super) source: BTreeMap<String, Spanned<RawSource>>,
    #[serde(default)]
    pub(super) group: BTreeMap<String, Spanned<RawGroup>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub(super) struct RawGateway {
    pub(super) mode: Option<Spanned<String>>,
    pub(super) lan: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    pub(super) resolvers: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) internal: Vec<Spanned<String>>,
    pub(super) default_group: Option<Spanned<String>>,
    pub(super) mark_mask: Option<Spanned<i64>>,
    pub(super) count_replies: Option<bool>,
    pub(super) lookup: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) fast_path: Vec<Spanned<RawFastPath>>,
}

/// One `[[gateway.fast-path]]` table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub(super) struct RawFastPath {
    pub(super) from: Option<Spanned<String>>,
    pub(super) to: Option<Spanned<String>>,
    pub(super) trust_checksums: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub(super) struct RawDns {
    pub(super) ttl_floor: Option<Spanned<i64>>,
    pub(super) ttl_cap: Option<Spanned<i64>>,
    pub(super) grace: Option<Spanned<i64>>,
    pub(super) scope: Option<Spanned<String>>,
    pub(super) tcp_proxy: Option<bool>,
    pub(super) tcp_idle: Option<Spanned<i64>>,
    pub(super) restore: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawMetrics {
    pub(super) listen: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub(super) struct RawUi {
    pub(super) listen: Option<Spanned<String>>,
    pub(super) token_file: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub(super) struct RawSource {
    pub(super) kind: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) set: Vec<Spanned<CustomSet>>,
    /// Of kind `file`.
    pub(super) path: Option<Spanned<String>>,
    pub(super) format: Option<Spanned<String>>,
    pub(super) tcp_ports: Option<Spanned<String>>,
    pub(super) udp_ports: Option<Spanned<String>>,
    /// Of kind `web-service`.
    pub(super) instance: Option<Spanned<String>>,
    pub(super) service_areas: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) tenant: Option<Spanned<String>>,
    pub(super) ipv6: Option<Spanned<bool>>,
    pub(super) url: Option<Spanned<String>>,
    pub(super) ca_file: Option<Spanned<String>>,
    pub(super) poll: Option<Spanned<String>>,
    pub(super) timeout: Option<Spanned<String>>,
    pub(super) additions: Option<Spanned<String>>,
    pub(super) removals: Option<Spanned<String>>,
    pub(super) changes: Option<Spanned<String>>,
    pub(super) max_loss: Option<Spanned<i64>>,
    pub(super) keep: Option<Spanned<i64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawGroup {
    #[serde(default)]
    pub(super) clients: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) interfaces: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) vlans: Vec<Spanned<i64>>,
    #[serde(default)]
    pub(super) macs: Vec<Spanned<String>>,
    pub(super) mode: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) allow: Vec<Spanned<String>>,
    pub(super) default: Option<Spanned<String>>,
    pub(super) dns: Option<Spanned<String>>,
    #[serde(default, rename = "dns-names")]
    pub(super) dns_names: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) rule: Vec<Spanned<RawRule>>,
    #[serde(default)]
    pub(super) steer: BTreeMap<String, Spanned<RawSteer>>,
}

/// One `steer.CATEGORY` or `steer."SELECTOR"` table of a group.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawSteer {
    pub(super) mark: Option<Spanned<i64>>,
    pub(super) priority: Option<Spanned<i64>>,
    pub(super) dscp: Option<Spanned<RawDscp>>,
}

/// A DSCP by name or by number.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a DSCP is a name such as \"af41\", or a number")]
pub(super) enum RawDscp {
    Name(String),
    Number(i64),
}

/// One `[[group.NAME.rule]]` table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawRule {
    pub(super) name: Option<Spanned<String>>,
    pub(super) action: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) to: Vec<Spanned<String>>,
    pub(super) protocol: Option<Spanned<RawProtocol>>,
    pub(super) ports: Option<Spanned<String>>,
    pub(super) until: Option<Spanned<String>>,
}

/// A protocol by name or by number.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a protocol is a name such as \"tcp\", or a number"
)]
pub(super) enum RawProtocol {
    Name(String),
    Number(i64),
}
