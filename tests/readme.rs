//! What the README shows of commands is what they print: every block of it that begins with `$ egress-ctl` is run
//! in a lab with real traffic, and so is every example of the manual.
//!
//! A block stands in the README as a terminal shows it. `…` in a line of its own leaves lines out, within a line it
//! leaves words out; times and the like count as equal whatever they are ([`compare`]). Everything else is compared
//! word by word. What a block needs is in [`scene::SCENES`].

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use block::{Block, Shown};
use egress_ctl::cli::examples::EXAMPLES;
use lab::pace::is_slow;
use lab::stage::Stage as Gateway;
use scene::{SCENES, Scene};
use scenes::manual;

mod block;
mod compare;
mod scene;
mod scenes;
mod stage;

const README: &str = include_str!("../README.md");
/// Scenes that are played at a time.
const AT_ONCE: usize = 3;

#[test]
fn every_block_has_a_scene_and_every_scene_its_block() -> Result<()> {
    let blocks = block::of(README);
    for block in &blocks {
        let scenes = SCENES.iter().filter(|scene| scene.is_of(block)).count();
        ensure!(
            scenes == 1,
            "{scenes} scenes for `$ {}` in section `{}` of the README: each block wants one in tests/readme/scene.rs",
            block.first(),
            block.section
        );
    }
    for scene in SCENES {
        let shown = blocks.iter().any(|block| scene.is_of(block));
        ensure!(
            shown,
            "nothing in section `{}` of the README begins with `$ {}`: take the scene away",
            scene.section,
            scene.command
        );
    }
    Ok(())
}

#[test]
fn a_laptop_that_cannot_sync_does_so_after_two_commands() -> Result<()> {
    if is_slow() {
        println!("skipped: the laptop has less patience than an emulated machine needs");
        return Ok(());
    }
    let mut blocks = block::of(README);
    blocks.retain(scene::is_walk);
    for walk in &blocks {
        let commands = walk.commands.len();
        ensure!(commands <= 2, "{commands} commands for `{}`", walk.section);
    }
    ensure!(blocks.len() == 5, "{} walks", blocks.len());
    play_all(&blocks)
}

#[test]
fn every_other_block_shows_what_is_printed() -> Result<()> {
    if is_slow() {
        println!("skipped: what an emulated machine prints is shown nowhere");
        return Ok(());
    }
    if !Gateway::new()?.has_tcx()? {
        println!("skipped: the README shows what kernels with TCX links print");
        return Ok(());
    }
    let mut blocks = block::of(README);
    blocks.retain(|block| !scene::is_walk(block));
    play_all(&blocks)
}

#[test]
fn every_example_of_the_manual_runs() -> Result<()> {
    if is_slow() {
        println!("skipped: it takes an emulated machine too long");
        return Ok(());
    }
    let (mut audited, mut following) = (manual::audited()?, manual::following()?);
    for example in EXAMPLES {
        let stage = match example.of.starts_with("feed") {
            true => &mut following,
            false => &mut audited,
        };
        let (end, printed) = stage.ends(example.line)?;
        let ends = match example.of {
            // What they find is their exit code.
            "doctor" | "status" => ["(exit status: 0)", "(exit status: 1)", "(exit status: 2)"],
            _ => ["(exit status: 0)"; 3],
        };
        let is_fine = ends.iter().any(|expected| end.contains(expected));
        ensure!(is_fine, "`$ {}`: {end}\n{printed}", example.line);
    }
    Ok(())
}

/// Plays all blocks, and fails with all that went wrong.
fn play_all(blocks: &[Block<'_>]) -> Result<()> {
    let played = played(blocks).into_iter();
    let failed: Vec<_> = played
        .filter_map(|(first, outcome)| Some(format!("$ {first}\n{:#}", outcome.err()?)))
        .collect();
    ensure!(failed.is_empty(), "{}", failed.join("\n\n"));
    Ok(())
}

/// How each block went; some are played at a time.
fn played<'a>(blocks: &'a [Block<'a>]) -> Vec<(&'a str, Result<()>)> {
    let (next, played) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let play = || {
        while let Some(block) = blocks.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = played_in_a_scene(block);
            let mut played = played.lock().expect("nothing panics that holds it");
            played.push((block.first(), outcome));
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(play);
        }
    });
    played.into_inner().expect("nothing panicked that held it")
}

fn played_in_a_scene(block: &Block<'_>) -> Result<()> {
    let scene = SCENES.iter().find(|scene| scene.is_of(block));
    let Scene { set, .. } = scene.context("no scene")?;
    let mut stage = set().context("its scene")?;
    let mut printed = Vec::new();
    for shown in &block.commands {
        let began = Instant::now();
        printed.push(stage.run(shown)?);
        println!("{:>6} ms  $ {}", began.elapsed().as_millis(), shown.line);
    }
    let differences: Vec<_> = (block.commands.iter().zip(&printed))
        .filter_map(|(shown, printed)| difference(shown, printed))
        .collect();
    stage.end(&printed).context("what comes of it")?;
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(())
}

fn difference(shown: &Shown<'_>, printed: &str) -> Option<String> {
    let differs = compare::same(&shown.output, printed).err()?;
    Some(format!(
        "`$ {}` prints now:\n{printed}{differs}",
        shown.line
    ))
}
