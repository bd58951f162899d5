//! As many targets at once as there are CPUs, the next one as soon as one is done.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use anyhow::{Context as _, Result};

/// What `work` makes of each, in their order.
pub(crate) fn run<T: Sync, R: Send>(
    all: &[T],
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let lanes = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..lanes {
            scope.spawn(|| {
                while let Some((at, one)) = take(all, &next) {
                    let made = work(one);
                    if let Ok(mut done) = done.lock() {
                        done.push((at, made));
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().ok().context("a lane broke down")?;
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, made)| made).collect()
}

fn take<'a, T>(all: &'a [T], next: &AtomicUsize) -> Option<(usize, &'a T)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    Some((at, all.get(at)?))
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn everything_is_done_once_and_told_in_order() -> Result<()> {
        let all: Vec<usize> = (0..50).collect();
        let doubled = run(&all, |number| Ok(number * 2))?;
        assert!(doubled.into_iter().eq((0..50).map(|number| number * 2)));
        Ok(())
    }

    #[test]
    fn a_failure_is_told() {
        let failed = run(&[1, 2, 3], |number| match number {
            2 => bail!("two"),
            _ => Ok(()),
        });
        assert_eq!(failed.map_err(|error| error.to_string()), Err("two".into()));
    }
}
