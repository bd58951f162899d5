//! `.tools/vm` in the checkout: what was fetched, and what the last runs left.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::checkout::Checkout;

/// The folder, held by one command at a time.
pub(crate) struct Folder {
    path: PathBuf,
    _alone: File,
}

impl Folder {
    /// Waits while another command uses it.
    pub(crate) fn open(checkout: &Checkout) -> Result<Self> {
        let path = checkout.tools().join("vm");
        make(&path)?;
        let lock = File::create(path.join("lock")).context("cannot lock .tools/vm")?;
        if lock.try_lock().is_err() {
            eprintln!("vm: another command uses .tools/vm; waiting for it");
            lock.lock().context("cannot lock .tools/vm")?;
        }
        Ok(Self { path, _alone: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What stays: made where it is missing.
    pub(crate) fn kept(&self, name: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        make(&path)?;
        Ok(path)
    }

    /// Where something is put together that is then moved away. What is left of it goes with the value:
    /// on a full disk nothing unfinished stays.
    pub(crate) fn draft(&self) -> Result<Draft> {
        self.fresh("incoming").map(Draft)
    }

    /// What one step works in: emptied first.
    pub(crate) fn fresh(&self, name: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        if path.exists() {
            fs::remove_dir_all(&path)
                .with_context(|| format!("cannot remove {}", path.display()))?;
        }
        make(&path)?;
        Ok(path)
    }
}

/// A folder that does not outlive this.
pub(crate) struct Draft(PathBuf);

impl Draft {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // It was moved away, or the next draft removes it and can say why it cannot.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn make(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))
}
