//! `egress-ctl support`: what somebody who helps needs to see, in one file.

use std::{
    fs::{self, OpenOptions},
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::{output::print, status, watch::told::Told};
use crate::{
    control::client::events,
    daemon::Places,
    doctor::{examine, look::look},
    history::record::Line,
    in_force,
    metrics::{Format, families, gather::Gatherer},
    support::{Part, bundle::Bundle, kernel_log, mask::Mask, redact},
};

/// Write a file for whoever helps: status, config, counters, events and the doctor's findings, without secrets
///
/// What is in it, and what was redacted, is shown first. The config loses tenants, tokens, passwords and what web
/// addresses say of users; events name clients, machines, interfaces and names by numbers, unless --names is given.
/// Nothing is sent anywhere.
#[derive(Args)]
pub struct Support {
    /// Where to write the tar archive; without it into this folder, named by the time
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Leave clients, machines, interfaces and names in events as they are
    #[arg(long)]
    names: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Events in it, the newest ones.
const EVENTS: usize = 1000;

impl Support {
    /// Runs the command.
    ///
    /// # Errors
    /// Nobody consents, or the file cannot be written.
    pub fn run(self, places: &Places) -> Result<()> {
        let stamp = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let folder = format!("egress-support-{stamp}");
        let file = self.output.clone();
        let file = file.unwrap_or_else(|| PathBuf::from(format!("{folder}.tar")));
        let parts = self.parts(places);
        let bundle = Bundle { folder, parts };
        print(&bundle.to_string())?;
        if !self.yes && !consents(&file.display().to_string())? {
            return print("nothing was written\n");
        }
        let bytes = bundle.to_tar()?;
        let mut options = OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(0o600).open(&file);
        let mut written = opened.with_context(|| format!("cannot make {}", file.display()))?;
        written
            .write_all(&bytes)
            .with_context(|| format!("cannot write {}", file.display()))?;
        print(&format!(
            "{}: {} bytes, readable by you alone\n",
            file.display(),
            bytes.len()
        ))
    }

    /// All parts; what cannot be had says why.
    fn parts(&self, places: &Places) -> Vec<Part> {
        vec![
            plain(
                "versions.txt",
                "egress-ctl, kernel and distribution",
                versions(),
            ),
            with_urls(
                "status.json",
                "egress-ctl status",
                said(status::report(places)),
            ),
            config(places),
            plain(
                "metrics.txt",
                "egress-ctl metrics: counters",
                said_text(metrics(places)),
            ),
            with_urls(
                "doctor.json",
                "egress-ctl doctor",
                said(look(places, None).map(|seen| examine(&seen))),
            ),
            self.events(places),
            plain("kernel.log", "the kernel's log, of filtering", kernel()),
        ]
    }

    fn events(&self, places: &Places) -> Part {
        let (name, about) = ("events.jsonl", "egress-ctl watch --last 1000");
        let lines = match events(&places.state_dir, EVENTS) {
            Ok(lines) => lines,
            Err(fault) => return plain(name, about, format!("{fault}\n")),
        };
        let mut mask = Mask::default();
        let mut text = String::new();
        for line in &lines {
            let object = match line {
                Line::History(head) => serde_json::to_value(head),
                Line::Event(record) => serde_json::to_value(Told {
                    record: (**record).clone(),
                    nearest: None,
                }),
                Line::Gap(gap) => serde_json::to_value(gap),
            };
            let mut object = object.unwrap_or_default();
            if !self.names {
                mask.apply(&mut object);
            }
            text.push_str(&object.to_string());
            text.push('\n');
        }
        let masked = format!(
            "{} clients, machines, interfaces and names are numbers",
            mask.masked()
        );
        Part {
            redacted: (!self.names).then_some(masked),
            ..plain(name, about, text)
        }
    }
}

fn plain(name: &'static str, about: &'static str, text: String) -> Part {
    Part {
        name,
        about,
        text,
        redacted: None,
    }
}

fn with_urls(name: &'static str, about: &'static str, text: String) -> Part {
    let (text, count) = redact::urls(&text);
    Part {
        redacted: (count > 0).then(|| format!("{count} parts of web addresses are redacted")),
        ..plain(name, about, text)
    }
}

fn config(places: &Places) -> Part {
    let (name, about) = ("config.toml", "the config in force");
    let snapshot = match in_force::snapshot(places) {
        Ok(snapshot) => snapshot,
        Err(fault) => return plain(name, about, format!("# {fault:#}\n")),
    };
    let (text, count) = redact::config(&snapshot.text);
    Part {
        redacted: Some(format!("{count} secrets are redacted")),
        ..plain(name, about, text)
    }
}

fn versions() -> String {
    let kernel = rustix::system::uname();
    let kernel = [
        kernel.sysname(),
        kernel.release(),
        kernel.version(),
        kernel.machine(),
    ];
    let kernel = kernel.map(|word| word.to_string_lossy().into_owned());
    let distribution = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "egress-ctl {version}\n{}\n\n{distribution}",
        kernel.join(" ")
    )
}

fn metrics(places: &Places) -> Result<String> {
    let facts = Gatherer::new(places).facts()?;
    Ok(Format::Prometheus.text(&families(&facts)))
}

fn kernel() -> String {
    match kernel_log::lines() {
        Ok(lines) => lines.into_iter().map(|line| line + "\n").collect(),
        Err(fault) => format!("/dev/kmsg cannot be read: {fault}\n"),
    }
}

fn said(report: Result<impl Serialize>) -> String {
    let text = report.and_then(|report| Ok(serde_json::to_string_pretty(&report)?));
    said_text(text.map(|text| text + "\n"))
}

fn said_text(text: Result<String>) -> String {
    text.unwrap_or_else(|fault| format!("{fault:#}\n"))
}

/// Asks whoever sits there.
fn consents(file: &str) -> Result<bool> {
    ensure!(
        io::stdin().is_terminal(),
        "nobody is there to answer: say --yes to write {file}"
    );
    print(&format!("Write {file}? [no]: "))?;
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    read.context("cannot read the answer")?;
    Ok(["y", "yes"].contains(&line.trim().to_lowercase().as_str()))
}
