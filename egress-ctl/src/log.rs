//! The daemon's log: lines for people, objects for machines, or entries of the journal.
//!
//! In: what the rest says by `tracing`, from `info` on or as `EGRESS_LOG` has it. Out: lines on standard error, or
//! messages to journald, where each keeps its priority and is found by it.

use std::io;

use clap::ValueEnum;
use tracing::{Subscriber, warn};
use tracing_subscriber::{
    EnvFilter,
    fmt::{self, format::DefaultFields, format::Format as Lines},
    layer::SubscriberExt as _,
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

/// As what it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines for people.
    Text,
    /// One JSON object a line, with its time.
    Json,
    /// Fields for systemd's journal.
    Journald,
}

/// Who it is in the journal.
const IDENTIFIER: &str = "egress-ctl";

/// Begins to log; where there is no journal, as text.
pub fn begin(format: Format) {
    let filter = EnvFilter::try_from_env("EGRESS_LOG").unwrap_or_else(|_| "info".into());
    let log = tracing_subscriber::registry().with(filter);
    match format {
        Format::Text => log.with(lines().without_time()).init(),
        Format::Json => log.with(lines().json().flatten_event(true)).init(),
        Format::Journald => match tracing_journald::layer() {
            Ok(journal) => log
                .with(journal.with_syslog_identifier(IDENTIFIER.to_owned()))
                .init(),
            Err(fault) => {
                log.with(lines().without_time()).init();
                warn!("there is no journal ({fault}): this is logged as text");
            }
        },
    }
}

/// Lines on standard error.
fn lines<S>() -> fmt::Layer<S, DefaultFields, Lines, fn() -> io::Stderr>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fmt::layer()
        .with_writer(io::stderr as fn() -> io::Stderr)
        // A reader of the log that went away must not end the daemon.
        .log_internal_errors(false)
        .with_target(false)
        .with_ansi(false)
}
