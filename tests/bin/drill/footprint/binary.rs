//! How large the program is, as it was built and without what only debuggers read.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Binary {
    pub(super) bytes: u64,
    /// None where this machine has no `strip`.
    pub(super) stripped: Option<u64>,
}

impl Binary {
    pub(super) fn of(program: &Path, folder: &Path) -> Result<Self> {
        Ok(Self {
            bytes: fs::metadata(program)?.len(),
            stripped: stripped(program, &folder.join("stripped"))?,
        })
    }
}

fn stripped(program: &Path, copy: &Path) -> Result<Option<u64>> {
    let mut strip = Command::new("strip");
    let done = strip.arg("-o").args([copy, program]).status();
    match done.is_ok_and(|status| status.success()) {
        true => Ok(Some(fs::metadata(copy)?.len())),
        false => Ok(None),
    }
}

impl fmt::Display for Binary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        write!(f, "{:.1} MiB", mib(self.bytes))?;
        match self.stripped {
            Some(bytes) => write!(f, ", {:.1} stripped", mib(bytes))?,
            None => f.write_str("; there is no `strip` here")?,
        }
        write!(f, "; limit {:.0}", mib(super::BINARY_BYTES))
    }
}
