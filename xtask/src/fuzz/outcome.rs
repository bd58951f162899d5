//! What became of a target: libFuzzer's output in, one line out; more where it broke.

use std::{
    fmt::{self, Display, Formatter},
    path::Path,
    process::ExitStatus,
};

/// Lines of the output that are shown of what broke: what a panic or the sanitizer says first.
const SHOWN: usize = 4;
const TELLING: [&str; 2] = [" panicked at ", "ERROR: "];

#[derive(Debug)]
pub(crate) struct Outcome {
    target: String,
    /// Inputs that were tried, and those of them that reached something new.
    tried: u64,
    kept: u64,
    breakage: Option<Breakage>,
}

#[derive(Debug)]
struct Breakage {
    status: ExitStatus,
    /// The input, where one is to blame.
    input: Option<String>,
    /// What was said of it.
    said: Vec<String>,
    log: String,
}

impl Outcome {
    pub(crate) fn read(target: &str, status: ExitStatus, (said, log): (&str, &Path)) -> Self {
        Self {
            target: target.to_owned(),
            tried: stat(said, "number_of_executed_units"),
            kept: stat(said, "new_units_added"),
            breakage: (!status.success()).then(|| Breakage {
                status,
                input: input(said),
                said: telling(said),
                log: log.display().to_string(),
            }),
        }
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.breakage.is_some()
    }
}

/// `stat::NAME: NUMBER`.
fn stat(said: &str, name: &str) -> u64 {
    let mut stats = said.lines().filter_map(|line| line.strip_prefix("stat::"));
    let number = stats.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    number
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0)
}

/// `artifact_prefix='FOLDER'; Test unit written to FILE`.
fn input(said: &str) -> Option<String> {
    let file = said
        .lines()
        .find_map(|line| line.split_once("Test unit written to "));
    file.map(|(_, file)| file.trim().to_owned())
}

/// From the first telling line on, or else the last ones.
fn telling(said: &str) -> Vec<String> {
    let lines: Vec<&str> = said.lines().collect();
    let tells = |line: &&str| TELLING.iter().any(|word| line.contains(word));
    let last = lines.len().saturating_sub(SHOWN);
    let from = lines.iter().position(tells).unwrap_or(last);
    let shown = lines.iter().skip(from).take(SHOWN);
    shown.map(|line| (*line).to_owned()).collect()
}

impl Display for Outcome {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            target,
            tried,
            kept,
            breakage,
        } = self;
        let Some(breakage) = breakage else {
            return write!(out, "{target:<14}{tried:>10} inputs, {kept:>5} kept");
        };
        for line in &breakage.said {
            writeln!(out, "    {line}")?;
        }
        write!(out, "{target:<14}BROKEN, {}", breakage.status)?;
        match &breakage.input {
            Some(input) => write!(
                out,
                ", by {input}\n    again: cargo xtask fuzz {target} --input {input}"
            ),
            None => write!(
                out,
                ", by no input of its own; all it said: {}",
                breakage.log
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    const SAID: &str = "\
INFO: Seed: 42
thread '<unnamed>' panicked at 'it goes on behind its frame'
==7== ERROR: libFuzzer: deadly signal
artifact_prefix='/x/'; Test unit written to /x/crash-1
stat::number_of_executed_units: 1234
stat::new_units_added:          56
";

    fn outcome(code: i32) -> Outcome {
        let status = ExitStatus::from_raw(code << 8);
        Outcome::read("packet", status, (SAID, Path::new("/x/packet.log")))
    }

    #[test]
    fn what_went_well_is_one_line() {
        let fine = outcome(0);
        assert!(!fine.is_broken());
        let line = fine.to_string();
        assert_eq!(line, "packet              1234 inputs,    56 kept");
    }

    #[test]
    fn what_broke_names_its_input_and_how_to_repeat_it() {
        let broken = outcome(77);
        assert!(broken.is_broken());
        let lines = broken.to_string();
        for expected in [
            "    thread '<unnamed>' panicked at 'it goes on behind its frame'\n",
            "packet        BROKEN, exit status: 77, by /x/crash-1\n",
            "    again: cargo xtask fuzz packet --input /x/crash-1",
        ] {
            assert!(lines.contains(expected), "{lines}");
        }
    }

    #[test]
    fn what_broke_without_an_input_names_its_log() {
        let status = ExitStatus::from_raw(1 << 8);
        let broken = Outcome::read("packet", status, ("no", Path::new("/x/packet.log")));
        assert!(broken.to_string().ends_with("all it said: /x/packet.log"));
    }
}
