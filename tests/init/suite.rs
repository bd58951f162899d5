//! The tests: some of them in one process, for what they share is dear here; one that hangs or kills the process is
//! known by name, and the others go on in another one.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;

use crate::{
    marker::{End, Marker},
    plan::Plan,
    report::Report,
    share::Share,
};

const LOOK: Duration = Duration::from_millis(20);
/// Tests of one process, at most: so many that what they share pays, so few that processes end together.
const TOGETHER: usize = 6;
/// Tests that change what is the whole machine's: they run when all others are through.
const ALONE: &str = "clock::";

/// Runs all tests that the plan wants, as far as they are this guest's.
pub fn run(plan: &Plan, share: Share, report: &Report) -> Result<()> {
    let mut batches = self_tests(plan);
    let mut alone = Vec::new();
    if let Some(program) = &plan.program {
        let mut tests = within(program)?;
        tests.retain(|test| plan.wants(test));
        let (last, first): (Vec<_>, Vec<_>) =
            tests.into_iter().partition(|test| test.starts_with(ALONE));
        batches.extend(together(program, &first));
        alone.extend(together(program, &last));
    }
    let own = |batches: Vec<Batch>| -> Vec<Batch> {
        let batches = batches.into_iter();
        batches.skip(share.number).step_by(share.of).collect()
    };
    run_all(own(batches), plan.jobs, plan.limit, report);
    run_all(own(alone), 1, plan.limit, report);
    Ok(())
}

/// Runs batches, so many at once.
fn run_all(mut batches: Vec<Batch>, jobs: usize, limit: Duration, report: &Report) {
    batches.reverse();
    let batches = Mutex::new(batches);
    let next = || batches.lock().ok()?.pop();
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(mut batch) = next() {
                    batch.run(limit, report);
                }
            });
        }
    });
}

fn self_tests(plan: &Plan) -> Vec<Batch> {
    let tests = plan.self_tests.iter().map(|name| Batch {
        program: Program::SelfTest,
        left: [name.clone()].into(),
    });
    tests.collect()
}

fn together(program: &Path, tests: &[String]) -> Vec<Batch> {
    let batches = tests.chunks(TOGETHER).map(|tests| Batch {
        program: Program::Tests(program.to_owned()),
        left: tests.iter().cloned().collect(),
    });
    batches.collect()
}

/// The tests that a program holds, without those that are ignored.
fn within(program: &Path) -> Result<Vec<String>> {
    let output = Command::new(program)
        .args(["--list", "--format", "terse"])
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    ensure!(
        output.status.success(),
        "{} does not list its tests: {}",
        program.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    let listed = String::from_utf8(output.stdout)?;
    let tests = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"));
    Ok(tests.map(str::to_owned).collect())
}

/// Tests that share a process as long as none of them spoils it.
struct Batch {
    program: Program,
    left: VecDeque<String>,
}

/// What runs them, one after the other.
enum Program {
    /// The harness that Rust builds around tests, which tells of each in JSON.
    Tests(PathBuf),
    /// This init, for one test of the VM itself.
    SelfTest,
}

impl Batch {
    fn run(&mut self, limit: Duration, report: &Report) {
        while !self.left.is_empty() {
            let before = self.left.len();
            let fault = self.process(limit, report).err();
            if self.left.len() == before
                && let Some(test) = self.left.pop_front()
            {
                let fault = fault.map_or_else(
                    || "its process ended without running it".to_owned(),
                    |fault| format!("{fault:#}"),
                );
                self.begin(&test, report).end(End::Failed, &fault);
            }
        }
    }

    /// Runs what is left in one process, until it ends or one test's time is up.
    fn process(&mut self, limit: Duration, report: &Report) -> Result<()> {
        let mut child = self.command().spawn().context("cannot start the tests")?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (lines, told) = mpsc::channel();
        let mut running = match self.program {
            Program::SelfTest => self.left.front().map(|test| self.begin(test, report)),
            Program::Tests(_) => None,
        };
        thread::scope(|scope| {
            let copy = lines.clone();
            scope.spawn(move || forward(out, &copy));
            scope.spawn(move || forward(err, &lines));
            let mut hung = false;
            loop {
                match told.recv_timeout(LOOK) {
                    Ok(line) => self.take(&line, &mut running, report),
                    Err(RecvTimeoutError::Disconnected) => break,
                    Err(RecvTimeoutError::Timeout) => {
                        let late = running.as_ref().is_some_and(|one| one.took() >= limit);
                        hung |= late;
                        // What it started must not hold its output open.
                        if late || child.try_wait()?.is_some() {
                            kill_group(&child);
                        }
                    }
                }
            }
            let status = child.wait()?;
            if let Some(one) = running {
                self.left.retain(|test| self.program.full(test) != one.test);
                match (hung, status.success()) {
                    (true, _) => one.end(End::Hung, ""),
                    (false, true) => one.end(End::Passed, ""),
                    (false, false) => one.end(End::Failed, &format!("its process ended: {status}")),
                }
            }
            Ok(())
        })
    }

    fn command(&self) -> Command {
        let mut command = match &self.program {
            Program::Tests(binary) => {
                let mut command = Command::new(binary);
                command.args(["--exact", "--nocapture", "--test-threads=1"]);
                // The JSON form counts as unstable.
                command.args(["-Zunstable-options", "--format=json"]);
                command.env("RUSTC_BOOTSTRAP", "1");
                command
            }
            Program::SelfTest => {
                let mut command = Command::new("/proc/1/exe");
                command.arg("self-test");
                command
            }
        };
        command
            .args(&self.left)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn begin<'a>(&self, test: &str, report: &'a Report) -> Running<'a> {
        Running::begin(self.program.full(test), report)
    }

    fn take<'a>(&mut self, line: &str, running: &mut Option<Running<'a>>, report: &'a Report) {
        match (told(line), &*running) {
            (Some(Told::Started(test)), _) => *running = Some(self.begin(&test, report)),
            (Some(Told::Ended(test, end)), _) => {
                self.left.retain(|left| *left != test);
                if let Some(one) = running.take() {
                    one.end(end, "");
                }
            }
            (Some(Told::Other), _) => {}
            (None, Some(one)) => report.said(&one.test, line),
            (None, None) => report.said("tests", line),
        }
    }
}

impl Program {
    /// What a test of it is called.
    fn full(&self, test: &str) -> String {
        match self {
            Self::Tests(_) => test.to_owned(),
            Self::SelfTest => format!("self-test::{test}"),
        }
    }
}

/// A test that runs.
struct Running<'a> {
    test: String,
    began: Instant,
    report: &'a Report,
}

impl<'a> Running<'a> {
    fn begin(test: String, report: &'a Report) -> Self {
        report.tell(&Marker::Started { test: test.clone() });
        Self {
            test,
            began: Instant::now(),
            report,
        }
    }

    fn took(&self) -> Duration {
        self.began.elapsed()
    }

    /// Tells how it ended, and why where there is something to say.
    fn end(self, end: End, why: &str) {
        if !why.is_empty() {
            self.report.said(&self.test, why);
        }
        self.report.tell(&Marker::Ended {
            milliseconds: self.took().as_millis().try_into().unwrap_or(u64::MAX),
            test: self.test,
            end,
        });
    }
}

/// What the harness tells of its tests.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Started(String),
    Ended(String, End),
    Other,
}

/// What a line of the harness says; nothing where a test printed it.
fn told(line: &str) -> Option<Told> {
    #[derive(Deserialize)]
    struct Line {
        #[serde(rename = "type")]
        kind: String,
        event: String,
        name: Option<String>,
    }
    let Line { kind, event, name } = serde_json::from_str(line).ok()?;
    Some(match (kind.as_str(), event.as_str(), name) {
        ("test", "started", Some(name)) => Told::Started(name),
        ("test", "ok", Some(name)) => Told::Ended(name, End::Passed),
        ("test", "failed", Some(name)) => Told::Ended(name, End::Failed),
        ("test" | "suite", ..) => Told::Other,
        _ => return None,
    })
}

/// Sends on what is printed, line by line.
fn forward(output: Option<impl Read>, to: &Sender<String>) {
    let lines = output.into_iter().flat_map(|output| {
        let lines = BufReader::new(output).split(b'\n');
        lines.map_while(Result::ok)
    });
    for line in lines {
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if to.send(line).is_err() {
            return;
        }
    }
}

fn kill_group(child: &Child) {
    if let Some(group) = Pid::from_raw(child.id().cast_signed()) {
        // It fails where nothing of it is left.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_harness_is_told_from_what_tests_print() {
        let table = [
            (
                r#"{ "type": "test", "event": "started", "name": "a::b" }"#,
                Some(Told::Started("a::b".to_owned())),
            ),
            (
                r#"{ "type": "test", "name": "a", "event": "ok" }"#,
                Some(Told::Ended("a".to_owned(), End::Passed)),
            ),
            (
                r#"{ "type": "test", "name": "a", "event": "failed", "stdout": "Error: no\n" }"#,
                Some(Told::Ended("a".to_owned(), End::Failed)),
            ),
            (
                r#"{ "type": "suite", "event": "started", "test_count": 3 }"#,
                Some(Told::Other),
            ),
            ("skip: this kernel has no TCX", None),
            (r#"{"schema":"egress.status/1"}"#, None),
            (r#"{"type":"packet","event":"drop"}"#, None),
        ];
        for (line, expected) in table {
            assert_eq!(told(line), expected, "{line}");
        }
    }
}
