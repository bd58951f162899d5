//! Keys that a command is narrowed by: one that nothing has would narrow it to nothing.

use anyhow::{Result, bail};

use crate::{catalogue::nearest::nearest, policy::ids::Ids};

/// Checks that there is, or was, such an endpoint set or rule.
///
/// # Errors
/// There never was; the nearest is named.
pub(super) fn check_set(asked: &str, ids: &Ids) -> Result<()> {
    let known = ids.sets().map(|(key, _)| key);
    match nearest(asked, known, |key| (*key).to_owned()).next() {
        Some(key) if key == asked => Ok(()),
        Some(key) => {
            bail!("there is no endpoint set or rule `{asked}`, the nearest is `{key}`")
        }
        None => bail!("there is no endpoint set or rule `{asked}`"),
    }
}
