//! Random kills: the daemon and commands that fetch, approve and roll back are killed at a random
//! moment. After each there is a last good state that can be read, and it enforces.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use lab::feed::archive::Archive;
use lab::feed::followed::{Followed, INSTANCE, Transport};
use lab::feed::made_up;
use lab::feed::version::Version;
use lab::interrupt;
use lab::process::Process;

use super::Shown;

const KEYS: &str = "poll = \"1s\"\nadditions = \"ask\"\nremovals = \"0d\"\nkeep = 5\n";
const FIRST: u64 = 2_026_060_100;
/// In a prefix that all editions have.
const STEADY: &str = "40.64.81.9";
const PORT: u16 = 443;
const LIMIT: Duration = Duration::from_secs(60);
/// The range of moments, as a share of the time that an action takes.
const BEYOND: f64 = 1.1;

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Fetch,
    Approval,
    Rollback,
    /// It polls every second.
    Daemon,
}

const VICTIMS: [Victim; 4] = [
    Victim::Fetch,
    Victim::Approval,
    Victim::Rollback,
    Victim::Daemon,
];

pub(super) fn show(kills: u32) -> Result<Vec<Shown>> {
    let mut drill = Drill::begin()?;
    let what = format!("{kills} kills");
    let survived = drill.kill_often(kills);
    interrupt::check()?;
    Ok(vec![Shown::of(&what, survived)])
}

struct Drill {
    followed: Followed,
    random: Rng,
    version: u64,
    /// How long each takes that is not killed.
    durations: [Duration; VICTIMS.len()],
}

impl Drill {
    fn begin() -> Result<Self> {
        let mut archive = Archive::default();
        archive.put(
            INSTANCE,
            version(FIRST)?,
            made_up::edition(80..173, 150..344),
        );
        let mut drill = Self {
            followed: Followed::start(archive, &FIRST.to_string(), KEYS, Transport::Http)?,
            random: Rng::with_seed(FIRST),
            version: FIRST,
            durations: [Duration::from_secs(2); VICTIMS.len()],
        };
        for (at, victim) in VICTIMS.into_iter().enumerate() {
            if victim != Victim::Daemon {
                drill.durations[at] = drill.unharmed(victim)?;
            }
        }
        Ok(drill)
    }

    fn kill_often(&mut self, kills: u32) -> Result<String> {
        let (mut killed, mut tried) = ([0; VICTIMS.len()], 0u32);
        while killed.iter().sum::<u32>() < kills {
            interrupt::check()?;
            tried += 1;
            let at = self.random.usize(..VICTIMS.len());
            let victim = VICTIMS[at];
            let moment = self.durations[at].mul_f64(BEYOND * self.random.f64());
            let was_alive = self
                .kill(victim, moment)
                .with_context(|| format!("attempt {tried}: {victim:?} killed after {moment:?}"))?;
            killed[at] += u32::from(was_alive);
        }
        self.recover()?;
        let each = VICTIMS.iter().zip(killed);
        let each: Vec<_> = each
            .map(|(victim, count)| format!("{victim:?} {count}"))
            .collect();
        Ok(format!(
            "{}; after each a readable last good state enforced",
            each.join(", ")
        ))
    }

    /// Whether the victim was still at work when it was killed.
    fn kill(&mut self, victim: Victim, moment: Duration) -> Result<bool> {
        let was_alive = match self.prepare(victim)? {
            Some(arguments) => {
                let mut process = self.spawn(&arguments)?;
                interrupt::sleep(moment)?;
                let was_alive = process.alive().is_ok();
                process.kill()?;
                was_alive
            }
            None => {
                interrupt::sleep(moment)?;
                self.followed.egress.kill()?;
                self.look().context("with the daemon dead")?;
                self.followed.restart()?;
                true
            }
        };
        self.look()?;
        Ok(was_alive)
    }

    /// How long it takes if nobody kills it.
    fn unharmed(&mut self, victim: Victim) -> Result<Duration> {
        let arguments = self.prepare(victim)?.unwrap_or_default();
        let begin = Instant::now();
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.followed.succeed(&words)?;
        Ok(begin.elapsed())
    }

    /// Makes work for the victim; the command that does it, unless it is the daemon.
    fn prepare(&mut self, victim: Victim) -> Result<Option<Vec<String>>> {
        let words = |words: &[&str]| Some(words.iter().map(ToString::to_string).collect());
        match victim {
            Victim::Daemon => {
                self.publish()?;
                Ok(None)
            }
            Victim::Fetch => {
                self.publish()?;
                Ok(words(&["sync", "--now"]))
            }
            Victim::Approval => {
                self.publish()?;
                self.followed.succeed(&["sync", "--now"])?;
                Ok(words(&["feed", "approve"]))
            }
            Victim::Rollback => {
                let approved = self.followed.told()?["approved"]["number"].as_u64();
                let before = approved.unwrap_or_default().saturating_sub(1).to_string();
                Ok(words(&["feed", "rollback", &before]))
            }
        }
    }

    /// A new version, in turns with something more and something less than the one before.
    fn publish(&mut self) -> Result<()> {
        self.version += 1;
        let more = (self.version % 7) as u32;
        let edition = made_up::edition(80..173 + more, 150..344 + more);
        let service = &self.followed.server.service;
        service.publish(INSTANCE, version(self.version)?, edition);
        Ok(service.set_latest(version(self.version)?)?)
    }

    fn spawn(&self, arguments: &[String]) -> Result<Process> {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let command = self.followed.egress.command(&words);
        Process::spawn("victim", command, self.followed.site.lab.folder())
    }

    /// The last good state can be read, and enforces.
    fn look(&self) -> Result<()> {
        let told = self.followed.told()?;
        ensure!(
            told["approved"]["number"].is_u64(),
            "nothing is approved: {told}"
        );
        ensure!(told["prefixes"].as_u64() > Some(0), "no prefixes: {told}");
        ensure!(
            !told["warnings"].to_string().contains("DAMAGED"),
            "{}",
            told["warnings"]
        );
        let verdict = self.followed.verdict(STEADY, PORT)?;
        ensure!(
            verdict == "allow",
            "{STEADY} is not allowed any more: {verdict}"
        );
        Ok(())
    }

    /// In the end everything works as it did.
    fn recover(&mut self) -> Result<()> {
        self.followed.restart()?;
        self.publish()?;
        self.followed.succeed(&["sync", "--now"])?;
        let told = self.followed.told()?;
        if !told["candidate"].is_null() {
            self.followed.succeed(&["feed", "approve"])?;
        }
        let told = self.followed.told()?;
        ensure!(
            told["version"].as_str() == Some(&self.version.to_string())
                && told["in_force"].is_u64(),
            "version {} is not in force in the end: {told}",
            self.version
        );
        lab::wait::until("the last version to enforce", LIMIT, || {
            Ok(self.look().is_ok().then_some(()))
        })
    }
}

fn version(number: u64) -> Result<Version> {
    Ok(number.to_string().parse()?)
}
