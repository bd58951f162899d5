//! A gateway with somebody else's XDP program, and without a resolver.

use anyhow::Result;
use lab::stage::Stage as Gateway;

use crate::readme::stage::Stage;

/// The daemon judges behind the other program.
pub fn set() -> Result<Stage> {
    let gateway = Gateway::new()?;
    let foreign = gateway.foreign("lan")?;
    let daemon = gateway.start(&[])?;
    let stage = Stage::of(&gateway.lab).holding(daemon);
    Ok(stage.holding(foreign).holding(gateway))
}
