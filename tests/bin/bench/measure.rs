//! Measuring: closures that measure once in, what they said in many rounds out.
//!
//! Subjects take turns, so that whatever else the machine does meets all of them, and a ratio is made of
//! values of the same round. There are as many rounds as the time allows for. The clock is the thread's own
//! CPU time, on one CPU.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lab::interrupt;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use super::effort::Effort;

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
pub(super) struct Subject<'a, T = f64> {
    /// What it is called.
    pub(super) name: String,
    /// Measures once.
    once: Box<dyn FnMut() -> Result<T> + 'a>,
}

impl<'a, T> Subject<'a, T> {
    pub(super) fn new(name: impl Into<String>, once: impl FnMut() -> Result<T> + 'a) -> Self {
        let name = name.into();
        let once = Box::new(once);
        Self { name, once }
    }
}

/// Measures all in turn, each round beginning with another; a first round only warms up. It ends with the
/// last round or when the time is over, but not before the second.
pub(super) fn interleaved<T>(
    subjects: &mut [Subject<'_, T>],
    rounds: usize,
    effort: Effort,
) -> Result<Vec<Vec<T>>> {
    let mut measured: Vec<Vec<T>> = subjects.iter().map(|_| Vec::new()).collect();
    let mut longest = Duration::ZERO;
    for round in 0..=rounds {
        if round > 1 && effort.is_too_short_for(longest) {
            break;
        }
        let began = Instant::now();
        let values = one_round(subjects, round)?;
        longest = longest.max(began.elapsed());
        if round > 0 {
            let rows = measured.iter_mut().zip(values);
            rows.for_each(|(row, value)| row.push(value));
        }
    }
    Ok(measured)
}

/// Measures each once, beginning with that of this number; what they said stands in their own order.
fn one_round<T>(subjects: &mut [Subject<'_, T>], first: usize) -> Result<Vec<T>> {
    let count = subjects.len().max(1);
    let (before, from_first) = subjects.split_at_mut(first % count);
    let measure = |subjects: &mut [Subject<'_, T>]| -> Result<Vec<T>> {
        let measured = subjects.iter_mut().map(|subject| {
            interrupt::check()?;
            (subject.once)().with_context(|| subject.name.clone())
        });
        measured.collect()
    };
    let behind = measure(from_first)?;
    let mut values = measure(before)?;
    values.extend(behind);
    Ok(values)
}

/// Measures one thing again and again, until the time is over; at least once.
pub(super) fn repeated(
    rounds: usize,
    effort: Effort,
    mut once: impl FnMut() -> Result<f64>,
) -> Result<Series> {
    let mut series = Series(Vec::new());
    let mut longest = Duration::ZERO;
    while series.0.len() < rounds.max(1) {
        if !series.0.is_empty() && effort.is_too_short_for(longest) {
            break;
        }
        interrupt::check()?;
        let began = Instant::now();
        series.0.push(once()?);
        longest = longest.max(began.elapsed());
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

/// Keeps this thread on the last CPU that it may use: interrupts and whatever else runs tend to the first.
pub(super) fn pin_apart() -> Result<usize> {
    pin(|cpus| cpus.last().copied())
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
    use std::cell::RefCell;

    use super::super::effort::Extent;
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

    fn letters<'a>(order: &'a RefCell<String>) -> [Subject<'a>; 3] {
        ['a', 'b', 'c'].map(|letter| {
            Subject::new(letter, move || {
                order.borrow_mut().push(letter);
                Ok(order.borrow().len() as f64)
            })
        })
    }

    #[test]
    fn subjects_take_turns_and_the_first_round_does_not_count() -> Result<()> {
        let order = RefCell::default();
        let effort = Effort::new(Extent::Trial);
        let series = interleaved(&mut letters(&order), 2, effort)?;
        assert_eq!(*order.borrow(), "abcbcacab");
        assert_eq!(series, [[6.0, 8.0], [4.0, 9.0], [5.0, 7.0]]);
        Ok(())
    }

    #[test]
    fn when_the_time_is_over_each_was_measured_once() -> Result<()> {
        let over = Effort::new(Extent::Full).part(0.0);
        let order = RefCell::default();
        interleaved(&mut letters(&order), 31, over)?;
        assert_eq!(*order.borrow(), "abcbca");
        assert_eq!(repeated(31, over, || Ok(1.0))?, Series(vec![1.0]));
        Ok(())
    }

    #[test]
    fn what_is_repeated_ends_with_its_rounds() -> Result<()> {
        let effort = Effort::new(Extent::Trial);
        assert_eq!(repeated(3, effort, || Ok(1.0))?, Series(vec![1.0; 3]));
        Ok(())
    }
}
