//! What takes long is done seldom.

use std::time::{Duration, Instant};

/// Part of the time that may go into it: one in so many.
const PART: u32 = 20;

/// When something may be done again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    due: Option<Instant>,
}

impl Pace {
    /// Does it, unless it took too long lately.
    pub fn when_due<T>(&mut self, work: impl FnOnce() -> T) -> Option<T> {
        let began = Instant::now();
        if self.due.is_some_and(|due| began < due) {
            return None;
        }
        let done = work();
        self.due = began.checked_add(next(began.elapsed()));
        Some(done)
    }
}

/// How long after its beginning it may be done again.
fn next(took: Duration) -> Duration {
    took * PART
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    #[test]
    fn what_takes_long_is_not_done_again_at_once() {
        let mut pace = Pace::default();
        let slow = pace.when_due(|| sleep(Duration::from_millis(50)));
        assert!(slow.is_some());
        assert!(pace.when_due(|| ()).is_none());
        assert_eq!(next(Duration::from_millis(50)), Duration::from_secs(1));
        let mut quick = Pace::default();
        assert!(quick.when_due(|| ()).is_some());
        sleep(Duration::from_millis(5));
        assert!(quick.when_due(|| ()).is_some());
    }
}
