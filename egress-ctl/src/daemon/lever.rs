//! The emergency lever, as the daemon finds it at its start and sees it end.

use tracing::{info, warn};

use super::Places;
use crate::lever::{
    bypass::{self, State},
    deadline::countdown,
};

/// Takes the lever over as it was left, before anything is dropped.
pub(super) fn settle(places: &Places) {
    match bypass::settle(places) {
        Ok(None) => {}
        Ok(Some(State { left, .. })) => {
            let until = match left {
                Some(left) => format!("for another {}", countdown(left)),
                None => "until `egress-ctl bypass off`".to_owned(),
            };
            warn!("BYPASS is on: nothing is dropped {until}");
        }
        Err(fault) => warn!(
            "nobody knows whether a bypass was on, and none is noted: {:#}",
            anyhow::Error::from(fault)
        ),
    }
}

/// Forgets it once its time is over; the kernel has ended it by then.
pub(super) fn expire(places: &Places) {
    match bypass::expire(places) {
        Ok(false) => {}
        Ok(true) => info!("the time of the bypass is over: packets are dropped as the policy says"),
        // It is told at the start, and by whoever moves the lever.
        Err(_) => {}
    }
}
