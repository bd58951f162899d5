//! Runs a program of the kernel on a frame that differs each time, through `BPF_PROG_TEST_RUN`.
//!
//! The kernel repeats a program on one frame, and what one run left in it the next one finds. So a small
//! program comes first, which writes the next value and calls the measured one (a tail call, which the kernel
//! turns into a jump): one system call for thousands of packets, all different, through the very program that
//! a gateway runs. What it costs is in the floors as well, which are called the same way.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use aya::maps::{Array, LpmTrie, ProgramArray, lpm_trie::Key};
use aya::programs::{ProgramFd, SchedClassifier, TestRun as _, TestRunOptions, TestRunResult, Xdp};
use aya::{Ebpf, EbpfLoader};
use ipnet::Ipv4Net;

use super::measure::cpu_time;

/// The bench's own programs.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/bench"));

/// `enum xdp_action` (linux/bpf.h).
pub(super) const XDP_DROP: u32 = 1;
pub(super) const XDP_PASS: u32 = 2;
/// The next program decides.
pub(super) const TC_ACT_UNSPEC: u32 = u32::MAX;
/// Longest value.
const VALUE_BYTES: usize = 40;

/// What is written into the frames of a run.
pub(super) struct Values {
    /// Where.
    pub(super) at: u32,
    /// How many bytes: 2, 4, 16 or 34.
    pub(super) bytes: u32,
    /// What, in turn; as many as a power of two.
    pub(super) values: Vec<[u8; VALUE_BYTES]>,
}

impl Values {
    /// Of equally long texts of bytes.
    pub(super) fn of<const N: usize>(at: u32, values: impl IntoIterator<Item = [u8; N]>) -> Self {
        let padded = values.into_iter().map(|value| {
            let mut padded = [0; VALUE_BYTES];
            padded
                .iter_mut()
                .zip(value)
                .for_each(|(to, from)| *to = from);
            padded
        });
        Self {
            at,
            bytes: N as u32,
            values: padded.collect(),
        }
    }
}

/// What is measured.
pub(super) enum Program<'a> {
    /// One of the filter's, at XDP.
    Xdp(&'a ProgramFd),
    /// One of the filter's, at TC.
    Tc(&'a ProgramFd),
    /// One of the bench's own, at XDP.
    OwnXdp(&'static str),
    /// One of the bench's own, at TC.
    OwnTc(&'static str),
}

/// A program, and the frames that it is fed with.
pub(super) struct Feeder {
    bench: Ebpf,
    hook: Hook,
    frame: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hook {
    Xdp,
    Tc,
}

impl Feeder {
    /// Loads what feeds the program.
    pub(super) fn new(program: &Program<'_>, frame: Vec<u8>, values: &Values) -> Result<Self> {
        let mut bench = load(values, 0)?;
        let hook = match program {
            Program::Xdp(_) | Program::OwnXdp(_) => Hook::Xdp,
            Program::Tc(_) | Program::OwnTc(_) => Hook::Tc,
        };
        match program {
            Program::Xdp(program) => measured(&mut bench, hook, program)?,
            Program::Tc(program) => measured(&mut bench, hook, program)?,
            Program::OwnXdp(name) => {
                let program = xdp(&mut bench, name)?.fd()?.try_clone()?;
                measured(&mut bench, hook, &program)?;
            }
            Program::OwnTc(name) => {
                let program = classifier(&mut bench, name)?.fd()?.try_clone()?;
                measured(&mut bench, hook, &program)?;
            }
        }
        Ok(Self { bench, hook, frame })
    }

    /// Fills the table of the plain program.
    pub(super) fn list(&mut self, prefixes: &[Ipv4Net]) -> Result<()> {
        let map = self
            .bench
            .map_mut("PREFIXES")
            .context("no map of prefixes")?;
        let mut trie: LpmTrie<_, [u8; 4], u32> = LpmTrie::try_from(map)?;
        for prefix in prefixes {
            let key = Key::new(prefix.prefix_len().into(), prefix.addr().octets());
            trie.insert(&key, &1, 0)?;
        }
        Ok(())
    }

    /// Runs it so many times; tells what became of the last packet, and the CPU time of all.
    pub(super) fn run(&mut self, times: u32) -> Result<(u32, Duration)> {
        let mut options = TestRunOptions::new();
        options.data_in = Some(&self.frame);
        options.repeat = times;
        let (ran, took): (Result<TestRunResult, _>, _) = match self.hook {
            Hook::Xdp => {
                let program = xdp(&mut self.bench, "vary_frame")?;
                cpu_time(|| program.test_run(options))
            }
            Hook::Tc => {
                let program = classifier(&mut self.bench, "vary_packet")?;
                cpu_time(|| program.test_run(options))
            }
        };
        Ok((ran?.return_value, took))
    }

    /// Nanoseconds of CPU time a packet, of so many; the last one must get this action.
    pub(super) fn nanoseconds(&mut self, times: u32, action: u32) -> Result<f64> {
        let (got, took) = self.run(times)?;
        ensure!(got == action, "action {got} instead of {action}");
        Ok(took.as_nanos() as f64 / f64::from(times))
    }

    /// How many packets take about so long.
    pub(super) fn packets_in(&mut self, time: Duration) -> Result<u32> {
        const SOME: u32 = 2000;
        let (_, took) = self.run(SOME)?;
        let packets = f64::from(SOME) * time.as_secs_f64() / took.as_secs_f64().max(1e-6);
        Ok((packets as u32).clamp(SOME, 50_000_000))
    }
}

/// Loads the bench's maps, and sets what its programs need to know.
pub(super) fn load(values: &Values, out: u32) -> Result<Ebpf> {
    let count = values.values.len();
    ensure!(
        count.is_power_of_two(),
        "{count} values cannot be counted by a mask"
    );
    let mask = count as u32 - 1;
    let mut loader = EbpfLoader::new();
    let globals = HashMap::from([
        ("AT", values.at),
        ("BYTES", values.bytes),
        ("MASK", mask),
        ("OUT", out),
    ]);
    for (name, value) in &globals {
        loader.override_global(name, value, true);
    }
    loader.map_max_entries("VALUES", count as u32);
    let mut bench = loader
        .load(OBJECT)
        .context("cannot load the bench's programs")?;
    let map = bench.map_mut("VALUES").context("no map of values")?;
    let mut array: Array<_, [u8; VALUE_BYTES]> = Array::try_from(map)?;
    for (i, value) in (0..).zip(&values.values) {
        array.set(i, value, 0)?;
    }
    Ok(bench)
}

/// Tells what feeds which program to call.
fn measured(bench: &mut Ebpf, hook: Hook, program: &ProgramFd) -> Result<()> {
    let name = match hook {
        Hook::Xdp => "MEASURED",
        Hook::Tc => "MEASURED_TC",
    };
    // The kernel compares a program with those that call it.
    match hook {
        Hook::Xdp => drop(xdp(bench, "vary_frame")?),
        Hook::Tc => drop(classifier(bench, "vary_packet")?),
    }
    let map = bench.map_mut(name).context("no map of programs")?;
    let mut programs = ProgramArray::try_from(map)?;
    programs
        .set(0, program, 0)
        .context("cannot call the program")
}

/// A program of XDP, loaded now if it was not yet.
pub(super) fn xdp<'a>(bench: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp> {
    let Some(program) = bench.program_mut(name) else {
        bail!("the bench has no program {name}");
    };
    let program: &mut Xdp = program.try_into()?;
    if program.fd().is_err() {
        program
            .load()
            .with_context(|| format!("the kernel refuses {name}"))?;
    }
    Ok(program)
}

fn classifier<'a>(bench: &'a mut Ebpf, name: &str) -> Result<&'a mut SchedClassifier> {
    let Some(program) = bench.program_mut(name) else {
        bail!("the bench has no program {name}");
    };
    let program: &mut SchedClassifier = program.try_into()?;
    if program.fd().is_err() {
        program
            .load()
            .with_context(|| format!("the kernel refuses {name}"))?;
    }
    Ok(program)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use lab::frame::Frame;

    use super::*;

    const LISTED: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
    const OTHER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);

    fn feeder(program: &'static str, destinations: &[Ipv4Addr]) -> Result<Feeder> {
        let frame = Frame::tcp("10.20.0.2", "198.51.100.1", 443).to_bytes();
        let values = Values::of(30, destinations.iter().map(Ipv4Addr::octets));
        Feeder::new(&Program::OwnXdp(program), frame, &values)
    }

    #[test]
    fn floors_give_the_right_verdict() -> Result<()> {
        for (program, destinations, expected) in [
            ("return_only", &[OTHER][..], XDP_PASS),
            ("parse_only", &[OTHER], XDP_PASS),
            ("plain_lpm", &[LISTED], XDP_PASS),
            ("plain_lpm", &[OTHER], XDP_DROP),
            // The second packet has the second destination.
            ("plain_lpm", &[OTHER, LISTED], XDP_PASS),
            ("plain_lpm", &[LISTED, OTHER], XDP_DROP),
        ] {
            let mut feeder = feeder(program, destinations)?;
            feeder.list(&["192.0.2.0/24".parse()?])?;
            let (action, _) = feeder.run(destinations.len() as u32)?;
            assert_eq!(action, expected, "{program} {destinations:?}");
        }
        Ok(())
    }

    #[test]
    fn a_frame_that_cannot_be_parsed_is_dropped() -> Result<()> {
        for program in ["parse_only", "plain_lpm"] {
            let frame = vec![0; 60];
            let values = Values::of(30, [OTHER.octets()]);
            let mut feeder = Feeder::new(&Program::OwnXdp(program), frame, &values)?;
            assert_eq!(feeder.run(1)?.0, XDP_DROP, "{program}");
        }
        Ok(())
    }

    #[test]
    fn the_floor_of_tc_passes_on() -> Result<()> {
        let frame = Frame::udp("10.20.0.1", "10.20.0.2", 53).to_bytes();
        let values = Values::of(42, [[1, 2]]);
        let mut feeder = Feeder::new(&Program::OwnTc("return_only_tc"), frame, &values)?;
        assert_eq!(feeder.run(1)?.0, TC_ACT_UNSPEC);
        Ok(())
    }

    #[test]
    fn values_must_fit_a_mask() {
        let destinations = [OTHER, LISTED, OTHER];
        assert!(feeder("return_only", &destinations).is_err());
    }
}
