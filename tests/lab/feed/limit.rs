//! How often a client may ask: a client and now in, whether it is too often out.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(3600);

/// Requests of the last hour, by client.
#[derive(Debug)]
pub struct Limiter {
    most: usize,
    asked: BTreeMap<String, VecDeque<Instant>>,
}

impl Limiter {
    /// Lets each client ask so often in an hour.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            asked: BTreeMap::new(),
        }
    }

    /// Counts a request, and says whether it may be answered.
    pub fn admits(&mut self, client: &str, now: Instant) -> bool {
        let asked = self.asked.entry(client.to_owned()).or_default();
        while asked
            .front()
            .is_some_and(|then| now.duration_since(*then) >= WINDOW)
        {
            asked.pop_front();
        }
        let admitted = asked.len() < self.most;
        if admitted {
            asked.push_back(now);
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_hour() {
        let mut limiter = Limiter::new(30);
        let begin = Instant::now();
        assert!((0..30).all(|_| limiter.admits("a", begin)));
        assert!(!limiter.admits("a", begin + Duration::from_secs(3599)));
        assert!(limiter.admits("b", begin));
        assert!(limiter.admits("a", begin + WINDOW));
    }
}
