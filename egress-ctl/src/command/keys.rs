//! Keys that a command is narrowed by: one that nothing has would narrow it to nothing.

use anyhow::{Result, bail};

use crate::{catalogue::nearest::nearest, policy::ids::Ids};

/// Checks that there is, or was, such an endpoint set or rule.
///
/// # Errors
/// There never was; the nearest is named.
pub(super) fn check_set(asked: &str, ids: &Ids) -> Result<()> {
    check(
        "endpoint set or rule",
        asked,
        ids.sets().map(|(key, _)| key),
    )
}

/// Checks that there is, or was, such a group.
///
/// # Errors
/// There never was; the nearest is named.
pub(super) fn check_group(asked: &str, ids: &Ids) -> Result<()> {
    check("group", asked, ids.groups().map(|(name, _)| name))
}

fn check<'a>(what: &str, asked: &str, known: impl Iterator<Item = &'a str>) -> Result<()> {
    match nearest(asked, known, |key| (*key).to_owned()).next() {
        Some(key) if key == asked => Ok(()),
        Some(key) => bail!("there is no {what} `{asked}`, the nearest is `{key}`"),
        None => bail!("there is no {what} `{asked}`"),
    }
}
