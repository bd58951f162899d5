//! What the kernel's verifier says of every program in an object: how many instructions it walked
//! through, how much stack there is, how long that takes, or why it refuses.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context, Result, bail};
use aya::{
    Ebpf, EbpfLoader, VerifierLogLevel,
    programs::{Program, ProgramError},
};
use rustix::{
    io::Errno,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

use crate::marker::Verified;

const PINS: &str = "/sys/fs/bpf";
/// As much of a refusal as a person reads.
const LAST_LINES: usize = 60;

/// What became of one program.
pub enum Judgement {
    /// The kernel takes it.
    Taken(Verified),
    /// The kernel refuses it, and says why at the end of a long story.
    Refused {
        /// Which.
        program: String,
        /// The end of that story.
        story: String,
    },
}

/// Has the verifier judge all programs.
pub fn judge(object: &Path) -> Result<Vec<Judgement>> {
    let bytes = fs::read(object).with_context(|| format!("cannot read {}", object.display()))?;
    let names = names(&bytes)?;
    names.into_iter().map(|name| one(&bytes, name)).collect()
}

fn names(object: &[u8]) -> Result<Vec<String>> {
    let pins = Pins::new()?;
    let ebpf = pins.load(object, VerifierLogLevel::STATS)?;
    let mut names: Vec<_> = ebpf.programs().map(|(name, _)| name.to_owned()).collect();
    names.sort();
    Ok(names)
}

fn one(object: &[u8], program: String) -> Result<Judgement> {
    let pins = Pins::new()?;
    let mut ebpf = pins.load(object, VerifierLogLevel::STATS)?;
    match story(&mut ebpf, &program)? {
        Some(story) => Ok(Judgement::Taken(read(program, &story)?)),
        None => {
            drop((ebpf, pins));
            refusal(object, program)
        }
    }
}

/// Once more, with every instruction told.
fn refusal(object: &[u8], program: String) -> Result<Judgement> {
    let pins = Pins::new()?;
    let mut ebpf = pins.load(object, VerifierLogLevel::DEBUG | VerifierLogLevel::STATS)?;
    let story = match load(&mut ebpf, &program) {
        Ok(()) => bail!("{program} is refused at first and taken then"),
        Err(fault) => told(&fault),
    };
    let lines: Vec<_> = story.lines().collect();
    let last = lines.len().saturating_sub(LAST_LINES);
    Ok(Judgement::Refused {
        program,
        story: lines[last..].join("\n"),
    })
}

/// The verifier's statistics of a program; none where it refuses it.
///
/// The kernel hands them out whenever a load asks for them, aya only when a load fails. So it is made
/// to fail behind the verifier, where the program would get its descriptor.
fn story(ebpf: &mut Ebpf, program: &str) -> Result<Option<String>> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(0),
            ..limit
        },
    )?;
    let failed = load(ebpf, program);
    setrlimit(Resource::Nofile, limit)?;
    match failed {
        Ok(()) => bail!("{program} got a descriptor where there is none"),
        Err(fault) => Ok(has_no_descriptor(&fault).then(|| told(&fault))),
    }
}

fn has_no_descriptor(fault: &ProgramError) -> bool {
    let ProgramError::LoadError { io_error, .. } = fault else {
        return false;
    };
    io_error.raw_os_error() == Some(Errno::MFILE.raw_os_error())
}

fn told(fault: &ProgramError) -> String {
    match fault {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => format!("{verifier_log}\n{io_error}"),
        other => format!("{other}"),
    }
}

fn load(ebpf: &mut Ebpf, name: &str) -> Result<(), ProgramError> {
    match ebpf.program_mut(name) {
        Some(Program::Xdp(program)) => program.load(),
        Some(Program::SchedClassifier(program)) => program.load(),
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}

/// `print_verification_stats` of kernel/bpf/verifier.c.
fn read(program: String, story: &str) -> Result<Verified> {
    let number = |begin: &str| {
        let line = story.lines().find_map(|line| line.strip_prefix(begin))?;
        line.split(' ').next()?.parse().ok()
    };
    let instructions = number("processed ");
    let untold = || format!("the verifier does not tell of {program}:\n{story}");
    Ok(Verified {
        instructions: instructions.with_context(untold)?,
        stack: stack(story).with_context(untold)?,
        microseconds: number("verification time ").with_context(untold)?,
        program,
    })
}

/// Linux 6.1 and 6.12 name all functions in one line, `stack depth 80+16+176`. Linux 7.3 names the deepest
/// chain of calls there, and has a line for every function that ends in its own.
fn stack(story: &str) -> Option<u64> {
    let functions = story.lines().filter(|line| line.starts_with("subprog "));
    let own = functions.filter_map(|line| line.rsplit_once(" stack ")?.1.parse().ok());
    let own: Vec<u64> = own.collect();
    if !own.is_empty() {
        return Some(own.iter().sum());
    }
    let line = story
        .lines()
        .find_map(|line| line.strip_prefix("stack depth "))?;
    line.split('+').map(|depth| depth.parse::<u64>().ok()).sum()
}

/// A folder on the BPF file system for maps that insist on being pinned.
struct Pins(PathBuf);

impl Pins {
    fn new() -> io::Result<Self> {
        let mut path = PathBuf::from(PINS);
        path.push(format!("egress-verify-{}", process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    fn load(&self, object: &[u8], level: VerifierLogLevel) -> Result<Ebpf> {
        EbpfLoader::new()
            .default_map_pin_directory(&self.0)
            .verifier_log_level(level)
            .load(object)
            .context("the kernel refuses the object's maps or types")
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        // What is left on the guest's file system ends with the guest.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_of_old_and_new_kernels_are_read() {
        let old = "verification time 295748 usec\nstack depth 80+16+0+176+0\n\
            processed 11849 insns (limit 1000000) max_states_per_insn 11 total_states 754\n";
        let new = "verification time 295748 usec\nstack depth max 256\n\
            subprog 0 (lan_egress) main insns_self 29627 insns_total 29627 stack 80\n\
            subprog 3 (dns_teach_step) global insns_self 8484 insns_total 8767 stack 176\n\
            processed 41118 insns (limit 1000000)\n";
        for (story, instructions, bytes) in [(old, 11_849, 272), (new, 41_118, 256)] {
            let read = read("lan_egress".to_owned(), story).expect("statistics");
            assert_eq!((read.instructions, read.stack), (instructions, bytes));
            assert_eq!(read.microseconds, 295_748);
        }
    }
}
