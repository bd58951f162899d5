//! The first process of the VM: in goes the plan that xtask packed beside it, out come markers on the
//! second serial port, and at the end the machine is off.
//!
//! As process 1 it only makes the machine ready and collects orphans; a child of it does the work, so
//! that tests find a system as they know it.

mod machine;
mod marker;
mod plan;
mod report;
mod self_test;
mod share;
mod shell;
mod suite;
mod verifier;

use std::{
    env,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{self, Command, Stdio},
    thread,
};

use anyhow::{Context, Error, Result, bail, ensure};
use rustix::process::{Pid, WaitOptions, wait};

use marker::Marker;
use plan::Plan;
use report::Report;
use share::Share;
use verifier::Judgement;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["work"] => work(&Plan::read(plan::FILE)?),
        ["self-test", what] => self_test::run(what),
        ["verify", object] => verify(Path::new(object), &Report::on_stdout()),
        _ if process::id() == 1 => first_process(),
        _ => bail!("this is the first process of egress's test VM; `verify OBJECT` works anywhere"),
    }
}

/// Never returns: the kernel panics when its first process ends.
fn first_process() -> Result<()> {
    if let Err(error) = live() {
        eprintln!("init: {error:#}");
    }
    machine::power_off()
}

fn live() -> Result<()> {
    let plan = Plan::read(plan::FILE)?;
    machine::prepare(&plan)?;
    let worker = Command::new("/proc/self/exe")
        .arg("work")
        .envs(plan.environment.iter().cloned())
        .spawn()
        .context("cannot start the worker")?;
    collect_orphans_until(worker.id())
}

fn collect_orphans_until(worker: u32) -> Result<()> {
    let worker = Pid::from_raw(worker.cast_signed());
    while let Some((ended, _)) = wait(WaitOptions::empty())? {
        if Some(ended) == worker {
            break;
        }
    }
    Ok(())
}

fn work(plan: &Plan) -> Result<()> {
    if plan.shell {
        return shell::run();
    }
    let report = Report::on_second_port()?;
    report.tell(&Marker::Began {
        kernel: machine::kernel(),
    });
    let share = share()?;
    // Once a kernel is enough.
    let object = plan.object.as_ref().filter(|_| share.number == 0);
    thread::scope(|scope| {
        // Tests wait at times, and this does not.
        let verified = object.map(|object| scope.spawn(|| verify_apart(object, &report)));
        let tested = suite::run(plan, share, &report);
        let verified = verified.map_or(Ok(()), |thread| match thread.join() {
            Ok(verified) => verified,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        tested.and(verified)
    })?;
    report.tell(&Marker::Done);
    report.flush()
}

/// That of this guest; all where nobody said anything.
fn share() -> Result<Share> {
    match env::var(share::VARIABLE) {
        Ok(told) => told.parse().map_err(Error::msg),
        Err(_) => Ok(Share { number: 0, of: 1 }),
    }
}

/// [`verify`] in a process of its own, whose limits may be lowered.
fn verify_apart(object: &Path, report: &Report) -> Result<()> {
    let mut child = Command::new("/proc/1/exe")
        .arg("verify")
        .arg(object)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the verifier's process")?;
    for line in child
        .stdout
        .take()
        .into_iter()
        .flat_map(|out| BufReader::new(out).lines())
    {
        match line?.parse::<Marker>() {
            Ok(marker) => report.tell(&marker),
            Err(_) => bail!("the verifier's process tells what is no marker"),
        }
    }
    let status = child.wait()?;
    ensure!(
        status.success(),
        "the programs could not be verified: {status}"
    );
    Ok(())
}

fn verify(object: &Path, report: &Report) -> Result<()> {
    for judgement in verifier::judge(object)? {
        match judgement {
            Judgement::Taken(verified) => report.tell(&Marker::Verified(verified)),
            Judgement::Refused { program, story } => {
                report.tell(&Marker::Refused {
                    program: program.clone(),
                });
                story.lines().for_each(|line| report.said(&program, line));
            }
        }
    }
    Ok(())
}
