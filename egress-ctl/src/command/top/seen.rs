//! What was seen and heard so far, and what of it is wanted.

use anyhow::{Result, bail};
use jiff::Timestamp;

use super::happening::Happening;
use crate::{
    filter::Filter,
    live::{Denied, Live, Picture},
};

/// Rates that are kept of each counter: as many as a wide terminal shows.
pub(super) const KEPT: usize = 240;

/// What was seen and heard.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) live: Live,
    pub(super) filter: Filter,
}

/// What there is to do about a happening.
pub(super) enum Taken {
    Looked,
    Heard,
    Ended,
}

impl Seen {
    /// Nothing yet.
    pub(super) fn new(filter: Filter) -> Self {
        Self {
            live: Live::new(KEPT),
            filter,
        }
    }

    /// Takes in what happened.
    ///
    /// # Errors
    /// A thread has failed.
    pub(super) fn take(&mut self, happening: Happening) -> Result<Taken> {
        let live = &mut self.live;
        match happening {
            Happening::Looked(sight) => {
                match *sight {
                    Ok(sight) => live.see(sight),
                    Err(fault) => live.miss(Timestamp::now(), format!("{fault:#}")),
                }
                return Ok(Taken::Looked);
            }
            Happening::Heard(denied) => {
                live.unheard(None);
                for denied in denied {
                    live.hear(denied);
                }
            }
            Happening::Unheard(why) => live.unheard(Some(why)),
            Happening::Ended => return Ok(Taken::Ended),
            Happening::Failed(what) => bail!("the thread of {what} has failed"),
            Happening::Key(_) | Happening::Resized => {}
        }
        Ok(Taken::Heard)
    }

    /// What there is to show, with so many rates of each counter.
    pub(super) fn picture(&self, points: usize) -> Picture {
        let filter = &self.filter;
        let wanted = |denied: &Denied| filter.matches(&denied.subject());
        self.live.picture(points, wanted).narrowed(filter)
    }
}
