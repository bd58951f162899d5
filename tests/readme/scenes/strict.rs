//! A group that may ask for its own names only.

use anyhow::Result;
use lab::announced;
use lab::config::catalogue;
use lab::host::Life;
use lab::site::Site;

use crate::readme::stage::Stage;

const STAGING: &str = r#"[group.staging]
clients = ["10.20.0.0/16", "fd00:20::/64"]
allow = ["intune", "power-automate:desktop-flows/public", "m365:Common/required"]
"#;
const KIOSKS: &str = r#"[group.kiosks]
clients = ["10.20.0.0/16", "fd00:20::/64"]
allow = ["m365:Common/required"]
dns = "strict"
dns-names = ["*.ntp.example"]
"#;

/// Nothing has happened.
pub fn set() -> Result<Stage> {
    let site = Site::start(Life::Bound, &announced::zone(), &[])?;
    let config = catalogue("enforce").replace(STAGING, KIOSKS);
    Ok(Stage::with_daemon(&site.lab, &config)?.holding(site))
}
