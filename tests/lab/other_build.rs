//! Another build of `egress-ctl`: a copy whose kernel object differs in bytes that no loader reads, or in the sizes of
//! its maps.
//!
//! The daemon tells builds apart by the bytes of the object, so to it this is another version: it loads all
//! programs again and puts them in the place of those that run. They do the same, so nothing else may change. Where
//! maps have other sizes, it makes them anew besides.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::{btf, wait};

const LIMIT: Duration = Duration::from_secs(10);

/// What fills the padding of the header (`EI_PAD`, elf(5)), which is zero in a build.
const MARKER: [u8; 7] = *b"another";
/// Where the padding begins.
const PADDING: usize = 9;
/// A header up to its padding: 64 bits, little-endian, version 1, of no system's own ABI.
const IDENT: [u8; PADDING] = *b"\x7fELF\x02\x01\x01\x00\x00";
/// What follows it: relocatable, for BPF (`ET_REL`, `EM_BPF`).
const KIND: [u8; 4] = [1, 0, 247, 0];
/// Bytes up to the end of the kind.
const HEAD: usize = 20;
/// The object is aligned so in the program, and the program's sections in the file.
const ALIGNED: usize = 8;

/// Copies a program to a folder, as another build.
///
/// # Errors
/// There is not exactly one kernel object in it, or the copy cannot be made.
pub fn copy(program: &Path, folder: &Path) -> Result<PathBuf> {
    changed(program, &folder.join("egress-ctl-another"), |object| {
        object[PADDING..][..MARKER.len()].copy_from_slice(&MARKER);
        Ok(())
    })
}

/// Copies a program to a folder, as another build whose map has so many entries, and maybe all that have as many as it.
///
/// # Errors
/// As [`copy`], or there is no such map.
pub fn resized(program: &Path, folder: &Path, maps: &[(&str, u32)]) -> Result<PathBuf> {
    changed(program, &folder.join("egress-ctl-resized"), |object| {
        for (map, entries) in maps {
            let at = btf::entries_of(object, map)?;
            object[at..][..size_of::<u32>()].copy_from_slice(&entries.to_le_bytes());
        }
        Ok(())
    })
}

/// Copies a program, and changes the kernel object in it.
fn changed(
    program: &Path,
    copy: &Path,
    change: impl Fn(&mut [u8]) -> Result<()>,
) -> Result<PathBuf> {
    let mut bytes =
        fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    let found: Vec<usize> = objects(&bytes).collect();
    ensure!(
        found.len() == 1,
        "{} holds {} kernel objects, not one",
        program.display(),
        found.len()
    );
    for at in found {
        change(&mut bytes[at..])?;
    }
    // The rights come along.
    fs::copy(program, copy)?;
    fs::write(copy, bytes)?;
    let_go_of(copy)?;
    Ok(copy.to_owned())
}

/// Waits until nobody has a program open that was just written: whatever another thread started meanwhile has it, until
/// it is a program of its own.
fn let_go_of(program: &Path) -> Result<()> {
    wait::until("the other build to be let go of", LIMIT, || {
        let started = Command::new(program).arg("--version").output();
        let is_busy = started.is_err_and(|fault| fault.kind() == ErrorKind::ExecutableFileBusy);
        Ok((!is_busy).then_some(()))
    })
}

/// Where kernel objects begin.
fn objects(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let is_object = |at: &usize| {
        let head = bytes.get(*at..at + HEAD);
        head.is_some_and(|head| head.starts_with(&IDENT) && head.ends_with(&KIND))
    };
    (0..bytes.len()).step_by(ALIGNED).filter(is_object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_padding_of_the_one_object_changes() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let program = dir.path().join("program");
        let object = [&IDENT[..], &[0; 7], &KIND, b"code"].concat();
        let host = [b"\x7fELF\x02\x01\x01\x00\x00", &[0; 7][..], &[3, 0, 62, 0]].concat();
        let padded = |parts: &[&[u8]]| -> Vec<u8> {
            let aligned = parts.iter().map(|part| {
                let mut part = part.to_vec();
                part.resize(part.len().next_multiple_of(ALIGNED), 0);
                part
            });
            aligned.flatten().collect()
        };
        fs::write(&program, padded(&[&host, &object]))?;
        let copied = fs::read(copy(&program, dir.path())?)?;
        let other = [&IDENT[..], &MARKER, &KIND, b"code"].concat();
        assert_eq!(copied, padded(&[&host, &other]));
        for bad in [padded(&[&host]), padded(&[&object, &object])] {
            fs::write(&program, bad)?;
            assert!(copy(&program, dir.path()).is_err());
        }
        Ok(())
    }
}
