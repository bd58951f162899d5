//! What the kernel programs say where they are built to say anything: the verifier takes them, each line tells what it
//! should, and a flood of what they tell of is a line now and then.
//!
//! Those programs are built beside the tests. A whole `egress-ctl` with them is not, for that takes a second build of
//! it: tests that need one are ignored unless asked for, and want it by [`BUILD`].

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aya::programs::{Program, TestRun, TestRunOptions};
use aya::{Ebpf, EbpfLoader};
use aya_log::EbpfLogger;
use egress_ctl::config::Config;
use lab::answer::Answer;
use lab::frame::{ETHERNET, Frame, Transport};
use lab::gateway;
use lab::guard::{self, Guard};
use lab::inject::Injector;
use lab::kernel;
use lab::pins::{PIN_DIR, attached};
use lab::stage::Stage;
use lab::topology::UPLINK;
use log::{Log, Metadata, Record};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/egress"));

/// Names an `egress-ctl` that was built with `--features bpf-log`.
const BUILD: &str = "EGRESS_CTL_BPF_LOG";
/// How long a CPU is silent after a line of a kind.
const PAUSE: Duration = Duration::from_millis(100);

const RESOLVER: &str = "10.20.0.1";
const CLIENT: &str = "10.20.0.2";

fn config() -> Result<Config> {
    let text = guard::config().replace("id = 1\n", "id = 1\nurls = [\"named.example\"]\n");
    Config::parse(&text).map_err(|problems| anyhow::anyhow!("{problems:?}"))
}

/// Lines, as they come.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = format!("{}: {}", record.target(), record.args());
        self.0.lock().unwrap().push(line.trim_end().to_owned());
    }

    fn flush(&self) {}
}

/// Programs that say what they do, with the maps of others.
struct Telling {
    object: Ebpf,
    ring: EbpfLogger<Lines>,
    lines: Lines,
}

impl Telling {
    fn load(pin_dir: &Path) -> Result<Self> {
        let mut object = EbpfLoader::new()
            .default_map_pin_directory(pin_dir)
            .load(OBJECT)?;
        let lines = Lines::default();
        Ok(Self {
            ring: EbpfLogger::init_with_logger(&mut object, lines.clone())?,
            object,
            lines,
        })
    }

    /// What a program says of a frame.
    fn say(&mut self, program: &str, frame: &[u8]) -> Result<Vec<String>> {
        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        match self.object.program_mut(program).context("no program")? {
            Program::Xdp(program) => {
                if program.fd().is_err() {
                    program.load()?;
                }
                program.test_run(options)?;
            }
            Program::SchedClassifier(program) => {
                if program.fd().is_err() {
                    program.load()?;
                }
                program.test_run(options)?;
            }
            _ => anyhow::bail!("{program} is of no kind that there is"),
        }
        self.ring.flush();
        Ok(std::mem::take(&mut *self.lines.0.lock().unwrap()))
    }
}

/// Runs a closure with a generation in force and programs that tell, on one CPU: each has a pace of its own.
fn telling(closure: impl FnOnce(&mut Telling) -> Result<()> + Send) -> Result<()> {
    kernel::with(|kernel| {
        let before = sched_getaffinity(None)?;
        let mut one = CpuSet::new();
        let mut cpus = 0..CpuSet::MAX_CPU;
        one.set(cpus.find(|cpu| before.is_set(*cpu)).context("no CPU")?);
        sched_setaffinity(None, &one)?;
        kernel.put_into_force(&config()?, &[RESOLVER.parse()?])?;
        let result =
            Telling::load(Path::new(PIN_DIR)).and_then(|mut telling| closure(&mut telling));
        sched_setaffinity(None, &before)?;
        result
    })
}

/// A frame whose IPv4 header says that it is of IPv6.
fn malformed() -> Vec<u8> {
    let mut frame = Frame::udp(CLIENT, "203.0.113.5", 4500).to_bytes();
    frame[ETHERNET] = 0x65;
    frame
}

/// What is said of such a frame.
const MALFORMED: &str = "its headers are cut off, contradict each other or never end";

#[test]
fn the_verifier_takes_every_program_that_tells() -> Result<()> {
    kernel::with(|_| {
        let mut telling = Telling::load(Path::new(PIN_DIR))?;
        let mut count = 0;
        for (name, program) in telling.object.programs_mut() {
            let loaded = match program {
                Program::Xdp(program) => program.load(),
                Program::SchedClassifier(program) => program.load(),
                _ => anyhow::bail!("{name} is of no kind that there is"),
            };
            loaded.with_context(|| name.to_owned())?;
            count += 1;
        }
        ensure!(count > 8, "{count} programs");
        Ok(())
    })
}

#[test]
fn programs_say_why_they_refuse_and_do_not_learn() -> Result<()> {
    let strange = {
        let mut frame = malformed();
        frame[ETHERNET - 2..ETHERNET].copy_from_slice(&[0x88, 0x47]);
        frame
    };
    let answer = |from: &str| {
        let answer = Answer::to("named.example").address("203.0.113.7", 60);
        let mut frame = Frame::udp(from, CLIENT, 0);
        frame.transport = Transport::Udp(53, 40_000, answer.to_bytes());
        frame.to_bytes()
    };
    let (unasked, foreign) = (answer(RESOLVER), answer("203.0.113.66"));
    let mut no_query = Frame::udp(CLIENT, RESOLVER, 53);
    no_query.transport = Transport::Udp(40_000, 53, vec![1, 2, 3]);
    let no_query = no_query.to_bytes();
    let bytes = malformed().len();
    let said = [
        (
            "lan_ingress",
            malformed(),
            format!("EtherType 800, cannot be parsed (0 more before): {MALFORMED}"),
        ),
        (
            "lan_ingress_tc",
            malformed(),
            format!("packet of {bytes} bytes from "),
        ),
        (
            "lan_ingress",
            strange,
            "EtherType 8847, cannot be parsed (0 more before): it is neither IP nor link control"
                .to_owned(),
        ),
        (
            "lan_egress",
            unasked,
            format!(
                "DNS message from ::ffff:{RESOLVER} to ::ffff:{CLIENT} teaches nothing (0 more before): nobody asked for it, or too long ago, or it was answered"
            ),
        ),
        (
            "lan_egress",
            foreign,
            "teaches nothing (0 more before): it does not come from a configured resolver"
                .to_owned(),
        ),
        (
            "lan_ingress",
            no_query,
            format!(
                "DNS query from ::ffff:{CLIENT} to ::ffff:{RESOLVER}, whose answer will teach nothing (0 more before): it cannot be read as a query"
            ),
        ),
    ];
    telling(|telling| {
        for (program, frame, said) in &said {
            sleep(PAUSE);
            let lines = telling.say(program, frame)?;
            let [line] = &lines[..] else {
                anyhow::bail!("{program}, not `{said}`: {lines:?}");
            };
            ensure!(
                line.starts_with("egress_ebpf: ") && line.contains(said.as_str()),
                "{program}, not `{said}`: {line}"
            );
        }
        Ok(())
    })
}

#[test]
fn a_flood_is_a_line_now_and_then_with_a_count() -> Result<()> {
    telling(|telling| {
        sleep(PAUSE);
        let mut lines = telling.say("lan_ingress", &malformed())?;
        let mut sent = 1;
        while lines.len() < 3 && sent < 1_000_000 {
            lines.extend(telling.say("lan_ingress", &malformed())?);
            sent += 1;
        }
        let counts = lines.iter().filter_map(|line| {
            let (_, rest) = line.split_once('(')?;
            rest.split_once(" more before")?.0.parse::<u32>().ok()
        });
        let counts: Vec<u32> = counts.collect();
        ensure!(counts.len() == 3 && counts[0] == 0, "{lines:?}");
        ensure!(counts.iter().sum::<u32>() + 3 == sent, "{sent}: {lines:?}");
        Ok(())
    })
}

/// The build of the daemon that tells.
fn build() -> Result<PathBuf> {
    let program: Option<OsString> = env::var_os(BUILD);
    let program = program.with_context(|| {
        format!("build with `cargo build -p egress-ctl --features bpf-log`, and name it in {BUILD}")
    })?;
    Ok(std::path::absolute(program)?)
}

#[test]
#[ignore = "needs a build with bpf-log, named in EGRESS_CTL_BPF_LOG"]
fn the_daemon_logs_what_programs_say() -> Result<()> {
    let (stage, build) = (Stage::new()?, build()?);
    let client = Injector::open(&stage.lab.client, UPLINK)?;
    let mut daemon = stage.start_build(&build)?;
    client.send(&malformed())?;
    daemon.wait_for(MALFORMED)?;
    // What is said while nobody reads is read by the next one, from the ring of programs that it takes over.
    daemon.kill()?;
    sleep(PAUSE);
    client.send(&malformed())?;
    for _ in 0..2 {
        let mut daemon = stage.start_build(&build)?;
        ensure!(daemon.log().contains("taken over: "), "{}", daemon.log());
        daemon.wait_for(MALFORMED)?;
        let lines = daemon.log().matches(MALFORMED).count();
        ensure!(lines == 1, "{}", daemon.log());
        sleep(PAUSE);
        client.send(&malformed())?;
        sleep(PAUSE);
        daemon.kill()?;
    }
    // To a daemon with fewer rights the kernel does not show that ring: it begins with one of its own.
    let mut command = stage.lab.gateway.command("setpriv");
    command
        .args(["--bounding-set", "-sys_admin"])
        .arg(&build)
        .args(["run", "--config", &stage.config()])
        .env("EGRESS_STATE_DIR", stage.lab.path("state"));
    let mut daemon = stage.spawn(command)?;
    let log = daemon.log();
    ensure!(
        log.contains("are loaded anew") && !log.contains(MALFORMED),
        "{log}"
    );
    client.send(&malformed())?;
    daemon.wait_for(MALFORMED)
}

#[test]
#[ignore = "needs a build with bpf-log, named in EGRESS_CTL_BPF_LOG"]
fn builds_that_tell_and_that_do_not_replace_each_other() -> Result<()> {
    let (stage, telling) = (Stage::new()?, build()?);
    stage.write(&guard::config())?;
    let silent = gateway::program()?;
    stage.start_build(&silent)?.kill()?;
    let guard = Guard::start(&stage.lab)?;
    let client = Injector::open(&stage.lab.client, UPLINK)?;
    let mut before = attached(&stage.lab.gateway)?;
    for build in [&telling, &silent, &telling] {
        let mut daemon = stage.start_build(build)?;
        let now = attached(&stage.lab.gateway)?;
        ensure!(now.keys().eq(before.keys()), "{before:?}, {now:?}");
        ensure!(
            now.iter().all(|(name, program)| before[name] != *program),
            "{before:?}, {now:?}"
        );
        client.send(&malformed())?;
        if build == &telling {
            daemon.wait_for(MALFORMED)?;
        } else {
            sleep(10 * PAUSE);
            ensure!(!daemon.log().contains(MALFORMED), "{}", daemon.log());
        }
        ensure!(!daemon.log().contains("WARN"), "{}", daemon.log());
        before = now;
        daemon.kill()?;
    }
    guard.end()?;
    let pins = stage.done(&["detach"])?;
    let left = stage
        .lab
        .gateway
        .run_mounted(|| Path::new(PIN_DIR).exists())?;
    ensure!(!left, "detach left pins: {pins}");
    Ok(())
}
