//! A gateway that follows the web service: what comes, what goes, what must never come, who decides,
//! and what happens where the service, the network or the disk fails.

use std::ffi::CStr;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::feed::fault::{Fault, Faults};
use lab::feed::followed::{Followed, INSTANCE, Transport};
use lab::feed::made_up;
use lab::interrupt;
use lab::process::Process;
use lab::wait;
use rustix::mount::{MountFlags, mount, mount_bind};
use serde_json::Value;

const VERSIONS: [&str; 3] = ["2026060100", "2026070100", "2026080100"];
/// In 40.64.0.0/24, which only the first edition has.
const GOES: &str = "40.64.0.9";
/// In 40.64.81.0/24, which all editions have.
const STAYS: &str = "40.64.81.9";
/// In 40.64.165.0/24, which comes with the second edition.
const COMES: &str = "40.64.165.9";
const PORT: u16 = 443;
const LIMIT: Duration = Duration::from_secs(20);
/// Almost nothing; a refused disk is full long before.
const DISK: &CStr = c"size=512k";

#[test]
fn what_comes_applies_and_what_goes_is_in_quarantine() -> Result<()> {
    let followed = follow("")?;
    followed.serve(VERSIONS[1])?;
    sync(&followed)?;
    ensure!(verdicts(&followed)? == ["allow", "allow", "allow"]);
    let told = followed.told()?;
    ensure!(told["version"] == VERSIONS[1], "{told}");
    let quarantine = told["quarantine"].as_array().context("no quarantine")?;
    let all = Value::from(quarantine.clone()).to_string();
    ensure!(all.contains("40.64.0.0/24"), "{all}");
    ensure!(!all.contains("40.64.81.0/24"), "{all}");
    Ok(())
}

#[test]
fn without_quarantine_what_goes_goes_at_once() -> Result<()> {
    let followed = follow("removals = \"0d\"\n")?;
    ensure!(verdicts(&followed)? == ["allow", "allow", "never-resolved"]);
    followed.serve(VERSIONS[1])?;
    sync(&followed)?;
    ensure!(verdicts(&followed)? == ["never-resolved", "allow", "allow"]);
    Ok(())
}

#[test]
fn a_candidate_waits_and_is_approved_rejected_and_rolled_back() -> Result<()> {
    let followed = follow("additions = \"ask\"\n")?;
    followed.serve(VERSIONS[1])?;
    sync(&followed)?;
    let before = ["allow", "allow", "never-resolved"];
    ensure!(verdicts(&followed)? == before, "an addition did not wait");
    let diff = followed.succeed(&["feed", "diff"])?;
    ensure!(diff.contains("+40.64.165.0/24"), "{diff}");

    followed.succeed(&["feed", "approve", "--dry-run"])?;
    ensure!(
        verdicts(&followed)? == before,
        "a dry run changed something"
    );
    followed.succeed(&["feed", "approve"])?;
    ensure!(verdicts(&followed)? == ["allow", "allow", "allow"]);

    followed.succeed(&["feed", "rollback", "1"])?;
    ensure!(
        verdicts(&followed)? == before,
        "the rollback did not roll back"
    );
    followed.serve(VERSIONS[2])?;
    sync(&followed)?;
    followed.succeed(&["feed", "reject"])?;
    ensure!(verdicts(&followed)? == before, "what was rejected came");
    let refused = followed.run(&["feed", "approve"])?;
    ensure!(
        !refused.status.success(),
        "there is nothing left to approve"
    );

    let history = followed.feed(&["history"])?.to_string();
    for word in ["approved", "back to generation 1", "rejected"] {
        ensure!(history.contains(word), "nothing of `{word}` in {history}");
    }
    Ok(())
}

#[test]
fn answers_that_are_no_list_are_refused_by_name() -> Result<()> {
    let followed = follow("")?;
    followed.serve(VERSIONS[1])?;
    refused(
        &followed,
        &[
            (Fault::Html200, "content-type"),
            (Fault::HtmlAsJson, "not-json"),
            (Fault::CutShort, "not-json"),
            (Fault::Oversized, "too-large"),
            (Fault::DeepJson, "too-deep"),
            (Fault::BadSchema, "schema"),
        ],
    )?;
    // Nothing stands in the way of a good answer.
    sync(&followed)?;
    ensure!(followed.told()?["refusal"].is_null());
    Ok(())
}

#[test]
fn lists_that_cannot_be_meant_are_refused_by_name() -> Result<()> {
    let followed = follow("")?;
    followed.serve(VERSIONS[1])?;
    refused(
        &followed,
        &[
            (Fault::EmptyArray, "empty"),
            (Fault::EmptySets, "empty"),
            (Fault::Halved, "loses"),
            (Fault::DefaultRoute, "everything"),
            (Fault::PrivatePrefix, "reserved"),
            (Fault::ShortPrefix, "broad"),
            (Fault::PublicSuffix, "public-suffix"),
        ],
    )
}

#[test]
fn versions_that_go_back_or_change_are_refused_by_name() -> Result<()> {
    refused(
        &follow("")?,
        &[
            (Fault::VersionBack, "goes-back"),
            (Fault::SameVersion, "same-version"),
            (Fault::DifferentEachTime, "same-version"),
        ],
    )
}

#[test]
fn failures_back_off_and_are_told() -> Result<()> {
    let followed = follow("poll = \"1s\"\n")?;
    let before = followed.in_force()?;
    let service = &followed.server.service;
    service.set_faults(Fault::Html503);
    let told = wait_until_told(&followed, "503")?;
    ensure!(told["poll"]["failures"].as_u64() >= Some(1), "{told}");
    let asked = service.seen().len();
    interrupt::sleep(Duration::from_secs(2))?;
    let again = service.seen().len() - asked;
    ensure!(again <= 2, "{again} requests in two seconds of backing off");

    service.set_faults(Faults::default());
    sync(&followed)?;
    ensure!(
        followed.told()?["poll"]["failures"] == 0,
        "a good answer ends it"
    );
    followed.serve(VERSIONS[1])?;
    service.set_faults(Fault::TooManyRequests);
    let told = wait_until_told(&followed, "429")?;
    let pause = pause(&told["poll"])?;
    ensure!(
        (3600..4000).contains(&pause),
        "after 429 it asks again in {pause} s"
    );
    ensure!(
        followed.in_force()? == before,
        "a failure changed something"
    );
    Ok(())
}

#[test]
fn only_versions_are_polled_and_always_by_the_same_machine() -> Result<()> {
    let mut followed = follow("poll = \"1s\"\n")?;
    let count = |followed: &Followed, method: &str| {
        let seen = followed.server.service.seen();
        seen.iter().filter(|one| one.method == method).count()
    };
    wait::until("three polls", LIMIT, || {
        Ok((count(&followed, "version") >= 3).then_some(()))
    })?;
    followed.restart()?;
    let before = count(&followed, "version");
    wait::until("a poll of the next daemon", LIMIT, || {
        Ok((count(&followed, "version") > before).then_some(()))
    })?;
    ensure!(
        count(&followed, "endpoints") == 1,
        "{:?}",
        followed.server.service.seen()
    );
    let seen = followed.server.service.seen();
    let first = seen.first().context("nobody asked")?;
    ensure!(
        first.client.is_some() && seen.iter().all(|one| one.client == first.client),
        "{seen:?}"
    );
    Ok(())
}

#[test]
fn an_authority_of_ones_own_is_trusted_only_where_it_is_named() -> Result<()> {
    let archive = made_up::three_small_steps(INSTANCE, VERSIONS)?;
    let mut followed = Followed::start(archive, VERSIONS[0], "", Transport::Tls)?;
    followed.serve(VERSIONS[1])?;
    let before = followed.in_force()?;
    followed.reconfigure(|config| {
        let lines = config.lines().filter(|line| !line.starts_with("ca-file"));
        lines.map(|line| format!("{line}\n")).collect()
    })?;
    let output = followed.sync()?;
    ensure!(!output.status.success(), "an unknown authority was trusted");
    let told = followed.told()?;
    ensure!(
        told["poll"]["fault"].to_string().contains("certificate"),
        "{told}"
    );
    ensure!(followed.in_force()?.prefixes == before.prefixes);
    Ok(())
}

#[test]
fn a_fetch_that_is_killed_leaves_what_was() -> Result<()> {
    let followed = follow("timeout = \"20s\"\n")?;
    let before = followed.in_force()?;
    followed.serve(VERSIONS[1])?;
    for fault in [Fault::Slow, Fault::Silent] {
        followed.server.service.set_faults(fault);
        let command = followed.egress.command(&["sync", "--now"]);
        let mut fetch = Process::spawn("fetch", command, followed.site.lab.folder())?;
        interrupt::sleep(Duration::from_millis(300))?;
        fetch.alive()?;
        fetch.kill()?;
        ensure!(followed.told()?["version"] == VERSIONS[0]);
        ensure!(followed.in_force()? == before, "{fault:?}");
    }
    followed.server.service.set_faults(Faults::default());
    sync(&followed)?;
    ensure!(followed.verdict(COMES, PORT)? == "allow");
    Ok(())
}

#[test]
fn a_full_disk_leaves_what_was() -> Result<()> {
    let followed = follow("")?;
    let before = followed.in_force()?;
    let lab = &followed.site.lab;
    let (state, disk) = (lab.path("state"), lab.path("disk"));
    lab.gateway.run_mounted(|| small_disk(&state, &disk))??;
    followed.serve(VERSIONS[1])?;
    let output = followed.sync()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success(), "a full disk was no obstacle");
    ensure!(complaint.contains("No space left"), "{complaint}");
    ensure!(followed.told()?["version"] == VERSIONS[0]);
    ensure!(followed.in_force()? == before);
    lab.gateway
        .run_mounted(|| fs::remove_file(state.join("filler")))??;
    sync(&followed)?;
    ensure!(followed.told()?["version"] == VERSIONS[1]);
    Ok(())
}

/// Follows the first of them.
fn follow(keys: &str) -> Result<Followed> {
    let archive = made_up::three_small_steps(INSTANCE, VERSIONS)?;
    Followed::start(archive, VERSIONS[0], keys, Transport::Http)
}

fn sync(followed: &Followed) -> Result<()> {
    let output = followed.sync()?;
    ensure!(output.status.success(), "sync failed: {output:?}");
    Ok(())
}

/// For what goes, what stays and what comes.
fn verdicts(followed: &Followed) -> Result<[String; 3]> {
    Ok([
        followed.verdict(GOES, PORT)?,
        followed.verdict(STAYS, PORT)?,
        followed.verdict(COMES, PORT)?,
    ])
}

/// Serves each fault, which must be refused for a reason of that name, and change nothing.
fn refused(followed: &Followed, faults: &[(Fault, &str)]) -> Result<()> {
    let before = followed.in_force()?;
    for (fault, kind) in faults {
        followed.server.service.set_faults(*fault);
        let output = followed.sync()?;
        followed.server.service.set_faults(Faults::default());
        let refusal = &followed.told()?["refusal"];
        ensure!(
            refusal["kind"] == *kind,
            "{fault:?}: {refusal}, expected {kind}"
        );
        ensure!(!output.status.success(), "{fault:?}: {output:?}");
        ensure!(
            followed.in_force()? == before,
            "{fault:?} changed something"
        );
    }
    Ok(())
}

fn wait_until_told(followed: &Followed, fault: &str) -> Result<Value> {
    wait::until(&format!("{fault} in the status"), LIMIT, || {
        let told = followed.told()?;
        let says = told["poll"]["fault"].as_str().unwrap_or_default();
        Ok(says.contains(fault).then_some(told))
    })
}

/// Seconds from the last question to the next.
fn pause(poll: &Value) -> Result<i64> {
    let moment = |key: &str| -> Result<jiff::Timestamp> {
        let text = poll[key]
            .as_str()
            .with_context(|| format!("no {key}: {poll}"))?;
        Ok(text.parse()?)
    };
    Ok(moment("next")?.as_second() - moment("last")?.as_second())
}

/// Puts a copy of the folder on a small disk, fills that, and puts it in the folder's place.
fn small_disk(folder: &Path, disk: &Path) -> Result<()> {
    fs::create_dir(disk)?;
    mount("tmpfs", disk, "tmpfs", MountFlags::empty(), DISK)?;
    copy(folder, disk)?;
    mount_bind(disk, folder)?;
    // It ends where the disk is full.
    let _ = fs::write(folder.join("filler"), vec![0; 1 << 20]);
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir(&target)?;
            copy(&entry.path(), &target)?;
        } else if entry.file_type()?.is_file() {
            // The daemon's sockets stay where it listens.
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
