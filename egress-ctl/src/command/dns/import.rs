//! `dns import`: the addresses of such a file are learned, for the rest of their time.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::seen::Seen;
use crate::{
    command::output::{print, print_json},
    daemon::Places,
    dns::{
        admit::{Admission, Told},
        document,
        file::NamesFile,
    },
    explain::words::printable,
    schema::Kind,
};

/// Learn the addresses of an export, for the rest of their time and no longer than `ttl-cap`.
#[derive(Args)]
pub struct Import {
    /// What `dns export` wrote, here or on another gateway.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only tell what would be learned.
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Of what `--json` prints.
pub(super) const KIND: Kind =
    Kind::of::<Report>("egress.dns-import/1", "egress-ctl dns import --json");

/// What `--json` prints.
#[derive(JsonSchema, Serialize)]
struct Report {
    schema: &'static str,
    dry_run: bool,
    #[serde(flatten)]
    told: Told,
}

/// A longer file is none that `dns export` wrote.
const BYTES_MAX: u64 = 1 << 30;

impl Import {
    pub(super) fn run(self, places: &Places) -> Result<()> {
        let text = read(&self.file)?;
        let document = document::read(&text).with_context(|| format!("{}", self.file.display()))?;
        let mut seen = Seen::read(places)?;
        let plan = Admission::by(&seen.force.generation, seen.clocks).plan(&document);
        if !self.dry_run {
            for (key, slots) in &plan.teach {
                seen.table.teach(*key, slots, seen.clocks.boot_ms)?;
            }
            NamesFile::of(&places.state_dir).import(document.lines())?;
        }
        let report = Report {
            schema: KIND.name,
            dry_run: self.dry_run,
            told: plan.told,
        };
        match self.json {
            true => print_json(&report),
            false => print(&report.text()),
        }
    }
}

fn read(path: &Path) -> Result<String> {
    let of = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(of)?;
    let bytes = fs::metadata(path).with_context(of)?.len();
    if bytes > BYTES_MAX {
        bail!("{} has {bytes} bytes: that is no export", path.display());
    }
    let mut text = Vec::new();
    file.take(BYTES_MAX)
        .read_to_end(&mut text)
        .with_context(of)?;
    String::from_utf8(text).with_context(|| {
        format!(
            "{} is no text: name a file that `egress-ctl dns export` wrote",
            path.display()
        )
    })
}

impl Report {
    fn text(&self) -> String {
        let Told {
            addresses,
            teachings,
            shortened,
            expired,
            refused,
            unknown_patterns,
        } = &self.told;
        let is = if self.dry_run { "would be" } else { "are" };
        let mut text = String::new();
        let mut line = |line: String| {
            // Writing into a string cannot fail.
            let _: std::fmt::Result = writeln!(text, "{}", printable(&line));
        };
        line(format!(
            "{addresses} addresses {is} learned, by {teachings} answers"
        ));
        if *shortened > 0 {
            line(format!("{shortened} answers {is} shortened to `ttl-cap`"));
        }
        if *expired > 0 {
            line(format!("{expired} answers have expired and {is} left out"));
        }
        for address in refused {
            line(format!(
                "{address} is left out: nobody may learn a private, local or internal address"
            ));
        }
        for (pattern, count) in unknown_patterns {
            line(format!(
                "{count} answers are left out: the config in force has no pattern {pattern}"
            ));
        }
        text
    }
}
