//! What a service manager is told (sd_notify(3)); nothing where none asks.

use std::time::Duration;

use sd_notify::{NotifyState, notify, watchdog_enabled};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::debug;

/// Where nobody watches, the timer ticks all the same.
const UNWATCHED: Duration = Duration::from_secs(3600);
/// How many signs of life there are in the time that the service manager waits for one.
const SIGNS: u32 = 3;

/// It enforces, or goes on after a reload.
pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// It reads its config again.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(fault) => debug!("the service manager is not told: {fault}"),
    }
}

/// It ends.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Its loop still turns.
pub(super) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// How often to say so.
pub(super) fn signs_of_life() -> Interval {
    let every = watchdog_enabled().map_or(UNWATCHED, |limit| limit / SIGNS);
    let mut timer = interval(every.max(Duration::from_millis(1)));
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(fault) = notify(states) {
        debug!("the service manager is not told: {fault}");
    }
}
