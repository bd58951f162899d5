//! `egress-lab drill NAME`: each proof is a file that prints a report and says whether it held.

use anyhow::{Result, bail};
use clap::Subcommand;
use serde::Serialize;

use crate::table::line;

mod answers;
mod asking;
mod cache;
mod confirm;
mod differential;
mod expiry;
mod explain;
mod feed;
mod footprint;
mod forge;
mod names;
mod overflow;
mod race;
mod restart;
mod swap;
mod timing;
mod traffic;

#[derive(Subcommand)]
pub(crate) enum Drill {
    /// Read random and damaged DNS answers: is exactly that learned what a library reads from them?
    Answers(answers::Options),
    /// Resolve few names of a short TTL out of a cache, and connect: does a connect ever fail?
    Cache(cache::Options),
    /// Enforce on trial, and kill the daemon meanwhile: does what nobody confirms end on time?
    Confirm(confirm::Options),
    /// Judge random packets on random policies: do kernel, judge and policy agree about each?
    Differential(differential::Options),
    /// Let answers end: does a download live on, is a new connection dropped, does a new answer admit again?
    Expiry(expiry::Options),
    /// Ask random questions on random policies: is every packet judged as it was explained?
    Explain(explain::Options),
    /// Follow the web service through changes, faults and kills: is anything ever hurt?
    Feed(feed::Options),
    /// Start with the whole catalogue and wait: what does the daemon take of a machine?
    Footprint(footprint::Options),
    /// Forge answers in every way: is one of them ever learned, and is a true one ever lost?
    Forge(forge::Options),
    /// List and learn very many names and addresses: what does it cost, and is one in use ever lost?
    Names(names::Options),
    /// Resolve fresh names and connect at once: is a first packet ever dropped?
    Race(race::Options),
    /// Kill, restart and upgrade the daemon under traffic: is there ever a gap?
    Restart(restart::Options),
    /// Swap generations under constant allowed traffic: is a packet ever dropped?
    Swap(swap::Options),
    /// Anything else is a mistake.
    #[command(external_subcommand)]
    Unknown(Vec<String>),
}

/// Runs a drill and says whether it held.
pub(crate) fn run(drill: Drill) -> Result<bool> {
    match drill {
        Drill::Answers(options) => answers::run(&options),
        Drill::Cache(options) => cache::run(&options),
        Drill::Confirm(options) => confirm::run(&options),
        Drill::Differential(options) => differential::run(&options),
        Drill::Expiry(options) => expiry::run(&options),
        Drill::Explain(options) => explain::run(&options),
        Drill::Feed(options) => feed::run(&options),
        Drill::Footprint(options) => footprint::run(&options),
        Drill::Forge(options) => forge::run(&options),
        Drill::Names(options) => names::run(&options),
        Drill::Race(options) => race::run(&options),
        Drill::Restart(options) => restart::run(&options),
        Drill::Swap(options) => swap::run(&options),
        Drill::Unknown(words) => {
            let name = words.first().map_or("", String::as_str);
            bail!(
                "there is no drill {name:?}; there are: answers, cache, confirm, \
                 differential, expiry, explain, feed, footprint, forge, names, race, restart, swap"
            )
        }
    }
}

/// What a drill found, as data and as lines of a name and a value.
trait Report: Serialize {
    fn lines(&self) -> Vec<(&'static str, String)>;
}

fn print(report: &impl Report, json: bool) -> Result<()> {
    if json {
        return line(format_args!("{}", serde_json::to_string(report)?));
    }
    let lines = report.lines();
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in lines {
        line(format_args!("{name:width$}  {value}"))?;
    }
    Ok(())
}
