//! Configurations for the gateway of the lab, as TOML.

use std::path::Path;

use crate::topology::LAN_INTERFACE;

/// The embedded catalogue's three sources for one group, with the clock of DNS set for tests.
pub fn catalogue(mode: &str) -> String {
    format!(
        r#"[gateway]
mode = "{mode}"
lan = ["{LAN_INTERFACE}"]
resolvers = ["gateway"]

[dns]
ttl-floor = 1
grace = 0

[source.intune]
kind = "builtin"

[source.power-automate]
kind = "builtin"

[source.m365]
kind = "builtin"

[group.staging]
clients = ["10.20.0.0/16", "fd00:20::/64"]
allow = ["intune", "power-automate:desktop-flows/public", "m365:Common/required"]
default = "drop"
"#
    )
}

/// As [`catalogue`], and a feed that the same group may use.
pub fn catalogue_and_feed(instance: &str, url: &str) -> String {
    let feed = format!(
        "[source.feed]\nkind = \"web-service\"\ninstance = \"{instance}\"\nurl = \"{url}\"\n\n[group.staging]"
    );
    let config = catalogue("enforce").replace("[group.staging]", &feed);
    config.replace("allow = [", "allow = [\"feed\", ")
}

/// One source of our own, whose sets are given as TOML tables.
pub fn custom(sets: &str) -> String {
    format!(
        r#"[gateway]
mode = "enforce"
lan = ["{LAN_INTERFACE}"]
resolvers = ["gateway"]

[dns]
ttl-floor = 1
grace = 0

[source.lab]
kind = "custom"

{sets}
[group.staging]
clients = ["10.20.0.0/16", "fd00:20::/64"]
allow = ["lab"]
default = "drop"
"#
    )
}

/// A file as the only source.
pub fn file(path: &Path) -> String {
    source(&format!("kind = \"file\"\npath = \"{}\"\n", path.display()))
}

/// A feed as the only source; further keys of its table are given as TOML.
pub fn web_service(instance: &str, url: &str, keys: &str) -> String {
    source(&format!(
        "kind = \"web-service\"\ninstance = \"{instance}\"\nurl = \"{url}\"\n{keys}\n"
    ))
}

/// A source whose table is given as TOML.
fn source(table: &str) -> String {
    custom("").replace("kind = \"custom\"\n", table)
}
