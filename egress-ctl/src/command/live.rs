//! Values that there are at this moment, for shells to complete.
//!
//! In: what was typed so far. Out: what it may become. Whatever cannot be read, as by a user who is not root,
//! completes nothing.

use std::{collections::BTreeSet, env, ffi::OsStr, path::PathBuf};

use clap_complete::CompletionCandidate;
use egress_common::verdict::Reason;

use crate::{
    control::client::events, filter::Field, history::record::Line, policy::ids::Ids,
    state::StateDir,
};

/// Events that are looked at for clients.
const EVENTS: usize = 1000;

/// Endpoint sets and rules.
pub(super) fn sets(typed: &OsStr) -> Vec<CompletionCandidate> {
    let ids = ids().unwrap_or_default();
    begun(typed, "", ids.sets().map(|(key, _)| key.to_owned()))
}

/// Groups.
pub(super) fn groups(typed: &OsStr) -> Vec<CompletionCandidate> {
    let ids = ids().unwrap_or_default();
    begun(typed, "", ids.groups().map(|(name, _)| name.to_owned()))
}

/// Clients of which packets were not allowed lately.
pub(super) fn clients(typed: &OsStr) -> Vec<CompletionCandidate> {
    begun(typed, "", seen_clients().into_iter())
}

/// Reasons.
pub(super) fn reasons(typed: &OsStr) -> Vec<CompletionCandidate> {
    begun(
        typed,
        "",
        Reason::ALL.iter().map(|reason| reason.name().to_owned()),
    )
}

/// A term of a filter: its field, and behind `=` its values.
pub(super) fn terms(typed: &OsStr) -> Vec<CompletionCandidate> {
    let text = typed.to_string_lossy();
    let Some((field, value)) = text.split_once('=') else {
        return begun(
            typed,
            "",
            Field::ALL.iter().map(|field| format!("{field}=")),
        );
    };
    let values: Vec<String> = match field {
        "client" => seen_clients().into_iter().collect(),
        "reason" => Reason::ALL
            .iter()
            .map(|reason| reason.name().to_owned())
            .collect(),
        "group" => ids()
            .unwrap_or_default()
            .groups()
            .map(|(name, _)| name.to_owned())
            .collect(),
        "set" => ids()
            .unwrap_or_default()
            .sets()
            .map(|(key, _)| key.to_owned())
            .collect(),
        _ => Vec::new(),
    };
    begun(OsStr::new(value), &format!("{field}="), values.into_iter())
}

/// Those that begin as it was typed, behind what stands before them.
fn begun(
    typed: &OsStr,
    before: &str,
    all: impl Iterator<Item = String>,
) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let begun = all.filter(|one| one.starts_with(typed.as_ref()));
    begun
        .map(|one| CompletionCandidate::new(format!("{before}{one}")))
        .collect()
}

fn state_dir() -> PathBuf {
    let named = env::var_os("EGRESS_STATE_DIR").filter(|dir| !dir.is_empty());
    named.map_or_else(|| PathBuf::from(crate::cli::STATE_DIR), PathBuf::from)
}

/// Ids of the newest generation.
fn ids() -> Option<Ids> {
    let snapshot = StateDir(&state_dir()).newest().ok()??;
    Some(snapshot.ids)
}

fn seen_clients() -> BTreeSet<String> {
    let lines = events(&state_dir(), EVENTS).unwrap_or_default();
    let clients = lines.into_iter().filter_map(|line| match line {
        Line::Event(record) => record.client,
        Line::History(_) | Line::Gap(_) => None,
    });
    clients.map(|client| client.to_string()).collect()
}
