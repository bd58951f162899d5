//! The checkout's own files once more, for tools that change what they read or write beside it.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{checkout::Checkout, step};

/// Copies what git knows or would add to `target/NAME`, and says where it is. A copy that was there before is
/// replaced, but for its build output.
pub(crate) fn make(checkout: &Checkout, name: &str) -> Result<PathBuf> {
    let to = checkout.target().join(name);
    clear(&to)?;
    for file in files(checkout)? {
        copy(&checkout.root().join(&file), &to.join(&file))?;
    }
    // Where building looks for the linker.
    symlink(checkout.tools(), to.join(".tools"))?;
    Ok(to)
}

fn files(checkout: &Checkout) -> Result<Vec<String>> {
    let mut git = Command::new("git");
    git.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ])
    .current_dir(checkout.root());
    let listed = step::output(&mut git).context("git does not list the checkout's files")?;
    let files = listed.split_terminator('\0').map(str::to_owned);
    // One that was deleted is still known.
    Ok(files
        .filter(|file| checkout.root().join(file).is_file())
        .collect())
}

fn clear(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_name() == "target" {
            continue;
        }
        let removed = match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(&path),
            false => fs::remove_file(&path),
        };
        removed.with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(from, to).with_context(|| format!("cannot write {}", to.display()))?;
    Ok(())
}
