//! One boot of one kernel: a command for QEMU in, its transcript and fate out, live output between.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use super::{
    fate::{Ending, Fate},
    leash::Leash,
    marker::Marker,
    transcript::{Transcript, skip_reason},
};

/// A kernel boots in seconds; a loaded machine may take longer.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(90);
/// For powering off, after all was told.
const OFF_LIMIT: Duration = Duration::from_secs(10);

/// What came of a boot.
pub(crate) struct Run {
    pub(crate) kernel: &'static str,
    pub(crate) transcript: Transcript,
    pub(crate) fate: Fate,
    /// Why it is not good, where it ended before its time.
    pub(crate) explanation: String,
    pub(crate) took: Duration,
}

/// What is to be booted.
pub(crate) struct Machine<'a> {
    pub(crate) kernel: &'static str,
    pub(crate) console: PathBuf,
    /// Makes the command anew for every try.
    pub(crate) command: &'a dyn Fn(&Path) -> Command,
    /// Until its init is heard of.
    pub(crate) start_limit: Duration,
    /// For all tries together.
    pub(crate) limit: Duration,
}

impl Machine<'_> {
    /// Boots, and once more if the init did not start.
    pub(crate) fn run(&self) -> Result<Run> {
        let end = Instant::now() + self.limit;
        let run = self.boot(end)?;
        if !matches!(run.fate, Fate::NeverBegan(_)) || Instant::now() >= end {
            return Ok(run);
        }
        println!("{}: {}", self.kernel, run.explanation);
        println!("{}: trying once more", self.kernel);
        self.boot(end)
    }

    fn boot(&self, end: Instant) -> Result<Run> {
        let began = Instant::now();
        fs::write(&self.console, "")
            .with_context(|| format!("cannot write {}", self.console.display()))?;
        let mut command = (self.command)(&self.console);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut qemu = Leash::start(&mut command)
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let stdout = qemu.0.stdout.take().context("QEMU has no output")?;
        let mut transcript = Transcript::default();
        let ending = self.watch(&mut qemu, lines(stdout), end, &mut transcript)?;
        drop(qemu);
        let console = fs::read(&self.console).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        let fate = Fate::of(&transcript, ending, &console);
        Ok(Run {
            kernel: self.kernel,
            explanation: fate.explain(&transcript, &console),
            fate,
            transcript,
            took: began.elapsed(),
        })
    }

    /// Until everything was told, QEMU ended or the time is up.
    fn watch(
        &self,
        qemu: &mut Leash,
        lines: Receiver<String>,
        end: Instant,
        transcript: &mut Transcript,
    ) -> Result<Ending> {
        let began = Instant::now();
        loop {
            let limit = match transcript.release {
                Some(_) => end,
                None => end.min(began + self.start_limit),
            };
            let left = limit.saturating_duration_since(Instant::now());
            match lines.recv_timeout(left) {
                Ok(line) => self.take(&line, transcript),
                Err(RecvTimeoutError::Timeout) => {
                    let seconds = began.elapsed().as_secs();
                    return Ok(match transcript.release {
                        Some(_) => Ending::Late(seconds),
                        None => Ending::Mute(seconds),
                    });
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if transcript.done {
                break;
            }
        }
        let status = qemu.wait(OFF_LIMIT)?;
        Ok(status.map_or(Ending::Late(began.elapsed().as_secs()), Ending::Exited))
    }

    fn take(&self, line: &str, transcript: &mut Transcript) {
        if let Ok(marker) = line.trim_end().parse() {
            self.show(&marker);
            transcript.take(marker);
        }
    }

    fn show(&self, marker: &Marker) {
        let kernel = self.kernel;
        match marker {
            Marker::Began { kernel: release } => println!("{kernel}: Linux {release}"),
            Marker::Refused { program } => println!("{kernel}: {program} is REFUSED:"),
            Marker::Said { test, line } if is_told(line) => println!("{kernel} | {test}: {line}"),
            Marker::Ended {
                test,
                end,
                milliseconds,
            } => println!(
                "{kernel}: {test} {} ({:.1} s)",
                end.word(),
                Duration::from_millis(*milliseconds).as_secs_f64()
            ),
            Marker::Verified(_) | Marker::Said { .. } | Marker::Started { .. } | Marker::Done => {}
        }
    }
}

/// Not the frame that Rust's harness puts around a single test.
fn is_told(line: &str) -> bool {
    let is_frame = ["running 1 test", "test result: "]
        .iter()
        .any(|frame| line.starts_with(frame));
    let is_verdict = line.starts_with("test ") && line.contains(" ... ");
    let is_frame = is_frame || is_verdict || ["", "ok", "FAILED"].contains(&line);
    !is_frame || skip_reason(line).is_some()
}

/// The lines of the second serial port, until QEMU closes it.
fn lines(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            if sender
                .send(String::from_utf8_lossy(&line).into_owned())
                .is_err()
            {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stand-in for QEMU: `$1` is the console.
    fn run(script: &'static str, seconds: u64) -> Run {
        let folder = std::env::temp_dir();
        let name = format!("egress-console-{}-{:p}", std::process::id(), script);
        let machine = Machine {
            kernel: "6.1",
            console: folder.join(name),
            command: &|console| {
                let mut command = Command::new("sh");
                command.args(["-c", script, "sh"]).arg(console);
                command
            },
            start_limit: START_LIMIT,
            limit: Duration::from_secs(seconds),
        };
        let run = machine.run().expect("a run");
        fs::remove_file(&machine.console).expect("a console");
        run
    }

    #[test]
    fn a_guest_that_tells_all_is_done() {
        let run = run(
            "echo began 6.1.0; echo started a; echo ended a passed 3; echo done",
            20,
        );
        assert_eq!(run.fate, Fate::Done);
        assert_eq!(run.transcript.results.len(), 1);
    }

    #[test]
    fn a_panic_is_seen_on_the_console() {
        let run = run(
            "echo began 6.1.0; echo started a; echo 'Kernel panic - not syncing: x' >\"$1\"",
            20,
        );
        assert_eq!(run.fate, Fate::Panicked);
        assert!(
            run.explanation.contains("while a ran"),
            "{}",
            run.explanation
        );
    }

    #[test]
    fn a_hang_ends_at_the_limit_and_leaves_no_process() {
        let began = Instant::now();
        let run = run("echo began 6.1.0; echo $$ >\"$1\"; exec sleep 60", 1);
        assert!(matches!(run.fate, Fate::Late(_)), "{:?}", run.fate);
        assert!(began.elapsed() < Duration::from_secs(10));
        let id = run
            .explanation
            .lines()
            .last()
            .map(str::trim)
            .expect("a process id");
        assert!(!Path::new("/proc").join(id).exists(), "{id} still runs");
    }

    #[test]
    fn a_guest_that_does_not_start_is_tried_once_more() {
        let run = run(
            "test -e \"$1.again\" && { rm \"$1.again\"; echo began 6.1.0; echo done; exit; }; touch \"$1.again\"",
            20,
        );
        assert_eq!(run.fate, Fate::Done);
    }

    #[test]
    fn a_guest_that_never_starts_says_nothing() {
        let run = run("exit 1", 20);
        assert!(matches!(run.fate, Fate::NeverBegan(_)), "{:?}", run.fate);
        assert!(run.explanation.contains("the console shows nothing"));
    }
}
