//! Ctrl-C as an error: a signal raises a flag, everything in the lab that waits looks at it, and
//! the error unwinds to `main` through the destructors that remove the lab.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

static RAISED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// A signal asked this process to end.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// Turns SIGINT, SIGTERM and SIGHUP into [`Interrupted`], for a whole process.
pub fn catch() -> io::Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&RAISED))?;
    }
    Ok(())
}

/// Fails if a signal has come.
pub fn check() -> Result<(), Interrupted> {
    if RAISED.load(Ordering::Relaxed) {
        return Err(Interrupted);
    }
    Ok(())
}

/// Sleeps, unless a signal comes.
pub fn sleep(duration: Duration) -> Result<(), Interrupted> {
    const SLICE: Duration = Duration::from_millis(20);
    let end = Instant::now() + duration;
    loop {
        check()?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(SLICE));
    }
}
