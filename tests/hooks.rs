//! Every hook mode judges and learns with real packets, and a daemon that starts anew takes it over.

use anyhow::{Context, Result, ensure};
use lab::announced;
use lab::basics;
use lab::config::catalogue;
use lab::gateway::Egress;
use lab::host::Life;
use lab::site::Site;
use lab::status::Interface;
use rustix::system::uname;

#[test]
fn xdp_native() -> Result<()> {
    judges_and_learns(&["--xdp", "native"], |seen| {
        seen.xdp.as_deref() == Some("native")
    })
}

#[test]
fn xdp_generic() -> Result<()> {
    judges_and_learns(&["--xdp", "generic"], |seen| {
        seen.xdp.as_deref() == Some("generic")
    })
}

#[test]
fn tc_ingress() -> Result<()> {
    judges_and_learns(&["--xdp", "tc", "--tc", "clsact"], |seen| {
        seen.xdp.is_none() && seen.ingress.as_deref() == Some("clsact")
    })
}

#[test]
fn tcx() -> Result<()> {
    if release()? < (6, 6) {
        println!("skipped: hooks::tcx: no TCX before Linux 6.6");
        return Ok(());
    }
    judges_and_learns(&["--tc", "tcx"], |seen| seen.tc.as_deref() == Some("tcx"))?;
    judges_and_learns(&["--xdp", "tc"], |seen| {
        seen.ingress.as_deref() == Some("tcx")
    })
}

#[test]
fn clsact() -> Result<()> {
    judges_and_learns(&["--tc", "clsact"], |seen| {
        seen.tc.as_deref() == Some("clsact")
    })
}

/// Starts with the options of `run`, tries flows, and does both once more with a new daemon.
fn judges_and_learns(options: &[&str], as_asked: impl Fn(&Interface) -> bool) -> Result<()> {
    let zone = announced::zone();
    let site = Site::start(Life::Bound, &zone, &announced::certificate_names())?;
    for daemon in ["the first daemon", "the second daemon"] {
        let mut egress = Egress::start_with(&site.lab, &catalogue("enforce"), options)
            .with_context(|| format!("{daemon} does not start"))?;
        let interfaces = egress.status()?.interfaces;
        ensure!(interfaces.iter().all(&as_asked), "{daemon}: {interfaces:?}");
        basics::run(&site, &egress).context(daemon)?;
        egress.kill()?;
    }
    Ok(())
}

/// The two numbers that say what a kernel has.
fn release() -> Result<(u32, u32)> {
    let name = uname();
    let release = name.release().to_str()?;
    let mut numbers = release.split('.').map(str::parse);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        anyhow::bail!("the kernel calls itself {release}");
    };
    Ok((major, minor))
}
