//! What packages bring along must work.

use egress_common::verdict::Mode;
use egress_ctl::config::Config;

const EXAMPLE: &str = include_str!("../packaging/egress.toml");
const CHANGELOG: &str = include_str!("../packaging/changelog");

#[test]
fn the_example_is_a_config_in_mode_audit() {
    let config = Config::parse(EXAMPLE).unwrap();
    assert_eq!(config.gateway.mode, Mode::Audit);
    assert_eq!(config.feeds.len(), 1);
}

#[test]
fn the_changelog_begins_with_this_version() {
    let expected = concat!("egress (", env!("CARGO_PKG_VERSION"), ") ");
    assert!(CHANGELOG.starts_with(expected), "{CHANGELOG}");
}
