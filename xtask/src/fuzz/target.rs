//! One target: its program, where its inputs come from, and where they go.

use std::{
    fs,
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use super::{folder, outcome::Outcome, seeds};
use crate::{checkout::Checkout, step};

/// Seconds that one input may take.
const SLOWEST: u32 = 10;

pub(crate) struct Target {
    name: String,
    program: PathBuf,
    seeds: [PathBuf; 2],
    /// Inputs that reached something new: the next run begins with them.
    corpus: PathBuf,
    /// Those that broke it.
    broken: PathBuf,
    log: PathBuf,
}

impl Target {
    pub(crate) fn new(checkout: &Checkout, programs: &Path, name: &str) -> Self {
        let folder = folder(checkout);
        Self {
            name: name.to_owned(),
            program: programs.join(name),
            seeds: [seeds::committed(checkout), seeds::written(checkout)].map(|all| all.join(name)),
            corpus: folder.join("corpus").join(name),
            broken: folder.join("broken").join(name),
            log: folder.join(name).with_extension("log"),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Fuzzes from the seeds and from what was found before.
    pub(crate) fn fuzz(&self, seconds: u32) -> Result<Outcome> {
        let seeds: Vec<&PathBuf> = self.seeds.iter().filter(|seeds| seeds.is_dir()).collect();
        ensure!(!seeds.is_empty(), "{} has no seeds", self.name);
        for folder in [&self.corpus, &self.broken] {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        eprintln!("fuzz: {} for {seconds} s", self.name);
        let log = File::create(&self.log)
            .with_context(|| format!("cannot write {}", self.log.display()))?;
        let mut program = self.program();
        program
            .arg(&self.corpus)
            .args(seeds)
            .arg(format!("-max_total_time={seconds}"))
            .args(["-verbosity=0", "-print_final_stats=1"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let status = program
            .status()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let said = String::from_utf8_lossy(&fs::read(&self.log)?).into_owned();
        Ok(Outcome::read(&self.name, status, (&said, &self.log)))
    }

    /// Gives it one input.
    pub(crate) fn repeat(&self, input: &Path) -> Result<()> {
        ensure!(input.is_file(), "there is no {}", input.display());
        step::run(self.program().arg(input))
    }

    fn program(&self) -> Command {
        let mut program = Command::new(&self.program);
        program.arg(format!("-timeout={SLOWEST}"));
        program.arg(format!("-artifact_prefix={}/", self.broken.display()));
        program
    }
}
