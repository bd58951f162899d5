//! Waiting for something to become true: by asking, with a limit, and interruptible.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::interrupt;

/// Between two questions: what is there at once is seen at once, what takes long is seen a few percent late, and
/// who is waited for has the processor at least as long as who asks.
const SHORTEST: Duration = Duration::from_micros(500);
const LONGEST: Duration = Duration::from_millis(20);
/// Of what has been waited.
const SHARE: u32 = 32;

/// Asks until there is an answer; `what` names it in the error.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let began = Instant::now();
    loop {
        interrupt::check()?;
        let asked = Instant::now();
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        let waited = began.elapsed();
        if waited >= limit {
            bail!("waited {limit:?} in vain for {what}");
        }
        let pause = (waited / SHARE).max(asked.elapsed());
        thread::sleep(pause.clamp(SHORTEST, LONGEST));
    }
}
