//! Measuring: closures that measure once in, what they said in many rounds out.
//!
//! Subjects take turns, so that whatever else the machine does meets all of them, and a ratio is made of
//! values of the same round. The clock is the thread's own CPU time, on one CPU.

use std::time::Duration;

use anyhow::{Context as _, Result};
use lab::interrupt;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// Median and range of some values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Spread {
    /// Nothing of no values.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let upper = *sorted.get(middle)?;
        let lower = match sorted.len() % 2 {
            0 => *sorted.get(middle.checked_sub(1)?)?,
            _ => upper,
        };
        Some(Self {
            median: f64::midpoint(lower, upper),
            low: *sorted.first()?,
            high: *sorted.last()?,
        })
    }
}

/// What one subject measured, round by round.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series(pub(super) Vec<f64>);

impl Series {
    /// Round by round, how many times as much it is.
    pub(super) fn over(&self, base: &Self) -> Self {
        let pairs = self.0.iter().zip(&base.0);
        Self(pairs.map(|(value, base)| value / base).collect())
    }
}

/// Something that is measured again and again.
pub(super) struct Subject<'a> {
    /// What it is called.
    pub(super) name: String,
    /// Measures once.
    pub(super) once: Box<dyn FnMut() -> Result<f64> + 'a>,
}

impl<'a> Subject<'a> {
    pub(super) fn new(name: impl Into<String>, once: impl FnMut() -> Result<f64> + 'a) -> Self {
        let name = name.into();
        let once = Box::new(once);
        Self { name, once }
    }
}

/// Measures all in turn, each round beginning with another; a first round only warms up.
pub(super) fn interleaved(subjects: &mut [Subject<'_>], rounds: usize) -> Result<Vec<Series>> {
    let count = subjects.len().max(1);
    let mut series = vec![Series(Vec::new()); subjects.len()];
    for round in 0..=rounds {
        for turn in 0..subjects.len() {
            interrupt::check()?;
            let which = (turn + round) % count;
            let (Some(subject), Some(series)) = (subjects.get_mut(which), series.get_mut(which))
            else {
                continue;
            };
            let value = (subject.once)().with_context(|| subject.name.clone())?;
            if round > 0 {
                series.0.push(value);
            }
        }
    }
    Ok(series)
}

/// CPU time that this thread takes for something.
pub(super) fn cpu_time<T>(something: impl FnOnce() -> T) -> (T, Duration) {
    let began = thread_cpu();
    let made = something();
    (made, thread_cpu().saturating_sub(began))
}

fn thread_cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// Keeps this thread on one of the CPUs that it may use; tells which.
pub(super) fn pin(choose: impl FnOnce(&[usize]) -> Option<usize>) -> Result<usize> {
    let allowed = sched_getaffinity(None)?;
    let cpus: Vec<_> = (0..CpuSet::MAX_CPU)
        .filter(|cpu| allowed.is_set(*cpu))
        .collect();
    let cpu = choose(&cpus).context("this thread may use no CPU")?;
    let mut one = CpuSet::new();
    one.set(cpu);
    sched_setaffinity(None, &one).with_context(|| format!("cannot stay on CPU {cpu}"))?;
    Ok(cpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_ranges() {
        for (values, expected) in [
            (&[][..], None),
            (&[3.0], Some((3.0, 3.0, 3.0))),
            (&[4.0, 1.0], Some((2.5, 1.0, 4.0))),
            (&[9.0, 1.0, 2.0], Some((2.0, 1.0, 9.0))),
            (&[4.0, 3.0, 2.0, 100.0], Some((3.5, 2.0, 100.0))),
        ] {
            let spread = Spread::of(values).map(|s| (s.median, s.low, s.high));
            assert_eq!(spread, expected, "{values:?}");
        }
    }

    #[test]
    fn a_ratio_compares_values_of_the_same_round() {
        // Twice as much in every round, though the machine was three times slower in the second.
        let (slow, fast) = (Series(vec![2.0, 6.0]), Series(vec![1.0, 3.0]));
        assert_eq!(slow.over(&fast), Series(vec![2.0, 2.0]));
    }

    #[test]
    fn subjects_take_turns_and_the_first_round_does_not_count() -> Result<()> {
        let order = std::cell::RefCell::new(Vec::new());
        let subject = |name: &'static str| {
            let order = &order;
            Subject::new(name, move || {
                order.borrow_mut().push(name);
                Ok(order.borrow().len() as f64)
            })
        };
        let mut subjects = [subject("a"), subject("b")];
        let series = interleaved(&mut subjects, 2)?;
        assert_eq!(*order.borrow(), ["a", "b", "b", "a", "a", "b"]);
        assert_eq!(series, [Series(vec![4.0, 5.0]), Series(vec![3.0, 6.0])]);
        Ok(())
    }
}
