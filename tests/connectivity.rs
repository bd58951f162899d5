//! The lab without the filter: every announced flow gets through, so that what a test sees dropped
//! was dropped by the filter.

use anyhow::{Result, ensure};

use lab::announced;
use lab::echo::Echo;
use lab::host::Life;
use lab::site::Site;

#[test]
fn everything_is_reached_without_the_filter() -> Result<()> {
    let site = Site::start(
        Life::Bound,
        &announced::zone(),
        &announced::certificate_names(),
    )?;
    let _echo = Echo::start(&site.lab.internet, &announced::echoes())?;
    for flow in announced::flows() {
        let attempt = flow.attempt(&site)?;
        ensure!(
            attempt.reached,
            "{} over {} ({}): {}",
            flow.what,
            flow.family,
            flow.probe,
            attempt.complaint
        );
    }
    Ok(())
}
