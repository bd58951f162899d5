//! Steering of a group's traffic: by category of the endpoint sets, or by selector.
//!
//! In: the `steer` tables of a `[group.NAME]`. Out: the steering of every endpoint set that the group may
//! reach. A selector comes before a category; of several selectors, the one that selects fewest sets.

use std::collections::{BTreeMap, BTreeSet};

use egress_common::steer::{DSCP_MAX, Steering};
use toml::Spanned;

use super::{
    group::Sources,
    problem::Problems,
    raw::{RawDscp, RawSteer},
    valid::{is_nearest, nearest_of},
};
use crate::catalogue::{selector::Selector, set::Category};

/// How a group's traffic is steered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steer {
    /// Steering by the key of an endpoint set.
    pub of_set: BTreeMap<String, Steering>,
    /// Categories and selectors that steer nothing which the group may reach.
    pub idle: Vec<String>,
}

/// One `steer` table.
struct Entry {
    name: String,
    /// Fewest sets first; categories last.
    rank: usize,
    keys: BTreeSet<String>,
    steering: Steering,
    span: std::ops::Range<usize>,
}

/// Steers the sets of the keys `allowed`; bits of marks outside of `mask` are not ours.
pub(super) fn steer(
    group: &str,
    raw: &BTreeMap<String, Spanned<RawSteer>>,
    allowed: &[String],
    sources: &Sources<'_>,
    problems: &mut Problems<'_>,
) -> Steer {
    let mut entries = Vec::new();
    for (name, raw) in raw {
        let key = format!("group.{group}.steer.{name}");
        let steering = steering(&key, raw, sources.mark_mask, problems);
        match meant(name, allowed, sources) {
            Ok((rank, keys)) => entries.push(Entry {
                name: name.clone(),
                rank,
                keys,
                steering,
                span: raw.span(),
            }),
            Err(message) => problems.add(raw.span(), &key, message),
        }
    }
    let mut steer = Steer::default();
    for key in allowed {
        let mut fitting: Vec<&Entry> = entries.iter().filter(|e| e.keys.contains(key)).collect();
        fitting.sort_by_key(|entry| entry.rank);
        let Some(first) = fitting.first() else {
            continue;
        };
        if let Some(rival) = fitting.get(1).filter(|rival| rival.rank == first.rank)
            && rival.steering != first.steering
        {
            let message = format!(
                "`{}` steers {key} as well, and both select as many sets: leave one out",
                first.name
            );
            let at = format!("group.{group}.steer.{}", rival.name);
            problems.add(rival.span.clone(), &at, message);
        }
        steer.of_set.insert(key.clone(), first.steering);
    }
    let idle = entries.iter().filter(|entry| entry.keys.is_empty());
    steer.idle = idle.map(|entry| entry.name.clone()).collect();
    steer
}

/// Rank of a category or selector, and the keys among `allowed` that it means.
fn meant(
    name: &str,
    allowed: &[String],
    sources: &Sources<'_>,
) -> Result<(usize, BTreeSet<String>), String> {
    let catalogue = sources.catalogue;
    let of_allowed = |keys: BTreeSet<&String>| -> BTreeSet<String> {
        allowed
            .iter()
            .filter(|key| keys.contains(key))
            .cloned()
            .collect()
    };
    if let Ok(category) = name.parse::<Category>() {
        let sets = catalogue.sets().iter();
        let keys = sets.filter(|set| set.category == category);
        return Ok((usize::MAX, of_allowed(keys.map(|set| &set.key).collect())));
    }
    let selector: Selector = name.parse().map_err(|fault| format!("{fault}"))?;
    if selector.excludes() {
        return Err(format!("`{name}` excludes: name what is to be steered"));
    }
    match selector.select(catalogue) {
        Ok(sets) => {
            let keys = sets.iter().map(|set| &set.key).collect();
            Ok((sets.len(), of_allowed(keys)))
        }
        Err(fault) if sources.excuse(&selector, &fault) => Ok((0, BTreeSet::new())),
        Err(fault) => Err(format!(
            "{fault}; or a category: optimize, allow or default"
        )),
    }
}

fn steering(
    key: &str,
    raw: &Spanned<RawSteer>,
    mask: u32,
    problems: &mut Problems<'_>,
) -> Steering {
    let RawSteer {
        mark,
        priority,
        dscp,
    } = raw.get_ref();
    if mark.is_none() && priority.is_none() && dscp.is_none() {
        problems.add(
            raw.span(),
            key,
            "say how to steer: `mark`, `priority` or `dscp`, as in { mark = 0x10, dscp = \"af41\" }",
        );
    }
    let mut word = |name: &str, raw: &Option<Spanned<i64>>| {
        let key = format!("{key}.{name}");
        problems.number(raw.as_ref()?, &key, &(0..=u32::MAX), "")
    };
    let (bits, priority) = (word("mark", mark), word("priority", priority));
    if let (Some(bits), Some(mark)) = (bits.filter(|bits| bits & !mask != 0), mark) {
        let (key, near) = (
            format!("{key}.mark"),
            is_nearest(format!("{:#x}", bits & mask)),
        );
        let message = format!("`{bits:#x}` has bits outside of gateway.mark-mask, {mask:#x}{near}");
        problems.add(mark.span(), &key, message);
    }
    let dscp = dscp.as_ref().and_then(|dscp| match code(dscp.get_ref()) {
        Ok(code) => Some(code),
        Err(message) => {
            problems.add(dscp.span(), &format!("{key}.dscp"), message);
            None
        }
    });
    Steering::new(bits.map(|bits| (bits, mask)), priority, dscp)
}

/// Names of DSCPs (IANA, Differentiated Services Field Codepoints).
const DSCPS: [(&str, u8); 25] = [
    ("cs0", 0),
    ("le", 1),
    ("cs1", 8),
    ("af11", 10),
    ("af12", 12),
    ("af13", 14),
    ("cs2", 16),
    ("af21", 18),
    ("af22", 20),
    ("af23", 22),
    ("cs3", 24),
    ("af31", 26),
    ("af32", 28),
    ("af33", 30),
    ("cs4", 32),
    ("af41", 34),
    ("af42", 36),
    ("af43", 38),
    ("cs5", 40),
    ("voice-admit", 44),
    ("nqb", 45),
    ("ef", 46),
    ("cs6", 48),
    ("cs7", 56),
    ("df", 0),
];

/// A DSCP by name or number.
fn code(raw: &RawDscp) -> Result<u8, String> {
    match raw {
        RawDscp::Number(number) => match u8::try_from(*number) {
            Ok(code) if code <= DSCP_MAX => Ok(code),
            _ => {
                let near = is_nearest((*number).clamp(0, i64::from(DSCP_MAX)));
                Err(format!(
                    "`{number}` is no DSCP{near}: they are 0 to {DSCP_MAX} (RFC 2474)"
                ))
            }
        },
        RawDscp::Name(name) => {
            let mut known = DSCPS.iter();
            let found = known.find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.map(|(_, code)| *code).ok_or_else(|| {
                let near = nearest_of(name, DSCPS.map(|(known, _)| known));
                format!(
                    "unknown DSCP `{name}`{near}; write a name such as af41, ef, cs1, or 0 to {DSCP_MAX}"
                )
            })
        }
    }
}

#[cfg(test)]
mod tests;
