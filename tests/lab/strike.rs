//! Kills a program at a system call: strace(1) lets it begin that call, and no more.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

/// What changes files and pins.
const CALLS: &str = "bpf,mkdir,rename,rmdir,unlink,unlinkat";

/// The n-th call of a name that a program's first thread makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strike {
    call: String,
    number: usize,
    /// The call as it was when it was watched.
    pub what: String,
}

/// Whether there is an strace.
pub fn is_there() -> bool {
    Command::new("strace").arg("-V").output().is_ok()
}

/// Words before a program and its arguments: its calls are written to a file.
pub fn watch(log: &Path) -> Vec<String> {
    strace(&log.display().to_string())
}

impl Strike {
    /// Words before a program and its arguments: it is killed at this call.
    pub fn words(&self) -> Vec<String> {
        let Self { call, number, .. } = self;
        let inject = format!("inject={call}:signal=KILL:when={number}");
        [strace("/dev/null"), vec!["-e".to_owned(), inject]].concat()
    }
}

fn strace(log: &str) -> Vec<String> {
    let trace = format!("trace={CALLS}");
    let words = ["strace", "-f", "-qq", "-s", "200", "-o", log, "-e", &trace];
    words.map(str::to_owned).to_vec()
}

/// All calls that the first thread of a watched program made.
///
/// # Errors
/// The file cannot be read.
pub fn strikes(log: &Path) -> Result<Vec<Strike>> {
    let text = fs::read_to_string(log).context("strace wrote nothing")?;
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let first = lines.clone().next().map(|(thread, _)| thread);
    let mut counted = HashMap::new();
    let of_first = lines.by_ref().filter(|(thread, _)| Some(*thread) == first);
    let strikes = of_first.filter_map(|(_, what)| {
        let what = what.trim_start();
        let (call, _) = what.split_once('(')?;
        let number = counted.entry(call.to_owned()).or_insert(0);
        *number += 1;
        Some(Strike {
            call: call.to_owned(),
            number: *number,
            what: what.to_owned(),
        })
    });
    Ok(strikes.collect())
}
