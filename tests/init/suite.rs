//! The tests: every one in a process of its own, so that one that hangs or kills its process is known
//! by name and the others go on.

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::{
    marker::{End, Marker},
    plan::Plan,
    report::Report,
};

const LOOK: Duration = Duration::from_millis(20);

/// Runs all tests that the plan wants.
pub fn run(plan: &Plan, report: &Report) -> Result<()> {
    let mut tests = self_tests(plan);
    for (name, binary) in &plan.binaries {
        tests.extend(within(name, binary)?);
    }
    tests.retain(|test| plan.wants(&test.name));
    tests.reverse();
    let tests = Mutex::new(tests);
    let next = || tests.lock().ok()?.pop();
    thread::scope(|scope| {
        for _ in 0..plan.jobs.max(1) {
            scope.spawn(|| {
                while let Some(test) = next() {
                    test.run(plan.limit, report);
                }
            });
        }
    });
    Ok(())
}

fn self_tests(plan: &Plan) -> Vec<Test> {
    let tests = plan.self_tests.iter().map(|name| Test {
        name: format!("self-test::{name}"),
        program: "/proc/1/exe".into(),
        arguments: vec!["self-test".to_owned(), name.clone()],
    });
    tests.collect()
}

/// The tests that a binary holds, without those that are ignored.
fn within(name: &str, binary: &Path) -> Result<Vec<Test>> {
    let output = Command::new(binary)
        .args(["--list", "--format", "terse"])
        .output()
        .with_context(|| format!("cannot start {}", binary.display()))?;
    ensure!(
        output.status.success(),
        "{name} does not list its tests: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let listed = String::from_utf8(output.stdout)?;
    let tests = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"));
    let tests = tests.map(|test| Test {
        name: format!("{name}::{test}"),
        program: binary.to_owned(),
        arguments: ["--exact", test, "--nocapture", "--test-threads=1"]
            .map(str::to_owned)
            .to_vec(),
    });
    Ok(tests.collect())
}

struct Test {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
}

impl Test {
    fn run(&self, limit: Duration, report: &Report) {
        report.tell(&Marker::Started {
            test: self.name.clone(),
        });
        let began = Instant::now();
        let end = self.watch(limit, report).unwrap_or_else(|error| {
            report.said(&self.name, &format!("{error:#}"));
            End::Failed
        });
        report.tell(&Marker::Ended {
            test: self.name.clone(),
            end,
            milliseconds: began.elapsed().as_millis().try_into().unwrap_or(u64::MAX),
        });
    }

    /// Passes on what it prints until it ends or its time is up.
    fn watch(&self, limit: Duration, report: &Report) -> Result<End> {
        let mut child = self.start()?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        thread::scope(|scope| {
            scope.spawn(|| self.forward(out, report));
            scope.spawn(|| self.forward(err, report));
            let ended = wait(&mut child, limit);
            // What it started must not hold its output open.
            kill_group(&child);
            let Some(status) = ended? else {
                child.wait()?;
                return Ok(End::Hung);
            };
            Ok(if status.success() {
                End::Passed
            } else {
                End::Failed
            })
        })
    }

    fn start(&self) -> Result<Child> {
        Command::new(&self.program)
            .args(&self.arguments)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))
    }

    fn forward(&self, output: Option<impl Read>, report: &Report) {
        let lines = output.into_iter().flat_map(|output| {
            let lines = BufReader::new(output).split(b'\n');
            lines.map_while(Result::ok)
        });
        for line in lines {
            report.said(&self.name, String::from_utf8_lossy(&line).trim_end());
        }
    }
}

/// None if it still runs at the limit.
fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let end = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        thread::sleep(LOOK);
    }
}

fn kill_group(child: &Child) {
    if let Some(group) = Pid::from_raw(child.id().cast_signed()) {
        // It fails where nothing of it is left.
        let _ = kill_process_group(group, Signal::KILL);
    }
}
