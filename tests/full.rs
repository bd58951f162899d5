//! Tables of the kernel without a place left: what is in force stays, packet by packet, and the message says which
//! table it is.
//!
//! Builds whose maps are smaller than user space takes them for have the kernel refuse what it otherwise would after
//! a million entries. What user space itself refuses is in `faults`.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Result, ensure};
use jiff::Timestamp;
use lab::gateway;
use lab::guard::{self, Guard};
use lab::other_build;
use lab::stage::{Daemon, Stage};

/// Places for machines, and for all that there are as many of: learned addresses, too.
const PLACES: u32 = 64;

/// A gateway of a build with such a map, its daemon, and packets that tell.
fn guarded(config: &str, map: (&str, u32)) -> Result<(Stage, Daemon, Guard)> {
    let stage = Stage::new()?;
    stage.write(config)?;
    let build = other_build::resized(&gateway::program()?, stage.lab.folder(), &[map])?;
    let daemon = stage.start_build(&build)?;
    let guard = Guard::start(&stage.lab)?;
    Ok((stage, daemon, guard))
}

/// Has the daemon put another config into force.
fn reload(stage: &Stage, daemon: &mut Daemon, config: &str) -> Result<()> {
    let next = stage.generation()? + 1;
    stage.write(config)?;
    daemon.hang_up()?;
    daemon.wait_for(&format!("generation {next} is in force"))
}

#[test]
fn machines_that_the_kernel_has_no_place_for_change_nothing() -> Result<()> {
    let with_machines = |count: u32| {
        let macs = (0..count).map(|number| format!("\"02:00:5e:10:00:{number:02x}\""));
        let macs = macs.collect::<Vec<_>>().join(", ");
        let group = format!("\n[group.kiosks]\nmacs = [{macs}]\nallow = [\"lab\"]\n");
        guard::config() + &group
    };
    let (stage, mut daemon, guard) = guarded(&guard::config(), ("MACHINES", PLACES))?;
    let log = stage.refused_reload(&mut daemon, &with_machines(PLACES + 1))?;
    ensure!(
        log.contains("the kernel's table of machines is full, or has no place for so many"),
        "{log}"
    );
    // What was written until then is in nobody's way.
    reload(&stage, &mut daemon, &with_machines(PLACES / 4))?;
    guard.end()
}

#[test]
fn a_catalogue_that_the_kernel_has_no_place_for_changes_nothing() -> Result<()> {
    /// Pages of one half of the table; of generations with odd numbers it has fewer.
    const PAGES: u32 = 2048;
    const ODD: u32 = 6;

    let (stage, mut daemon, guard) = guarded(&guard::config(), ("FLAT", PAGES + ODD))?;
    let another = guard::config().replace("\"4500\"", "\"4500,4600\"");
    reload(&stage, &mut daemon, &another)?;
    ensure!(stage.generation()? == 2);
    // Their nodes take more than the one page that is left beside the first ones.
    let mut ips = String::new();
    for (a, b) in (1..150).flat_map(|a| (0..16).map(move |b| (a, b))) {
        write!(ips, "\"12.{a}.{b}.0/29\", ")?;
    }
    let large = guard::config().replace("ips = [", &format!("ips = [{ips}"));
    let log = stage.refused_reload(&mut daemon, &large)?;
    ensure!(
        log.contains("the kernel's table of destinations is full, or has no place for so many"),
        "{log}"
    );
    reload(&stage, &mut daemon, &guard::config())?;
    ensure!(stage.generation()? == 3);
    guard.end()
}

#[test]
fn a_full_table_of_learned_addresses_lets_others_go_and_filters_on() -> Result<()> {
    const ADDRESSES: u32 = 1_000;

    let config = guard::config().replace("id = 1\n", "id = 1\nurls = [\"*.corp.example\"]\n");
    let (stage, mut daemon, guard) = guarded(&config, ("MACHINES", PLACES))?;
    let now = Timestamp::now();
    let mut text = format!("{{\"schema\":\"egress.dns/1\",\"exported\":\"{now}\"}}\n");
    let expires = now + jiff::SignedDuration::from_secs(600);
    for number in 0..ADDRESSES {
        let [_, _, a, b] = number.to_be_bytes();
        writeln!(
            text,
            "{{\"address\":\"198.51.{a}.{b}\",\"teachings\":[{{\"pattern\":\"*.corp.example\",\"expires\":\"{expires}\"}}]}}"
        )?;
    }
    let file = stage.lab.path("learned.jsonl");
    fs::write(&file, text)?;
    let file = file.display().to_string();
    stage.done(&["dns", "import", &file])?;
    let learned = stage.status()?["learned"]["addresses"].as_u64();
    ensure!(
        learned.is_some_and(|count| (1..=u64::from(PLACES)).contains(&count)),
        "{learned:?}"
    );
    // The daemon goes on as well.
    reload(&stage, &mut daemon, &guard::config())?;
    guard.end()
}
