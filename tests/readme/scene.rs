//! Which block of the README is played where.

use anyhow::Result;

use crate::readme::block::Block;
use crate::readme::scenes::{dns, doctor, feed, staging, start, strict, trial, walk};
use crate::readme::stage::Stage;

/// A block, and what it needs.
pub struct Scene {
    /// The heading above the block.
    pub section: &'static str,
    /// The block's first command; with a blank at the end what that begins with.
    pub command: &'static str,
    /// Sets it.
    pub set: fn() -> Result<Stage>,
}

impl Scene {
    /// Whether it is the block's.
    pub fn is_of(&self, block: &Block<'_>) -> bool {
        let is_first = match self.command.strip_suffix(' ') {
            Some(begins) => block.first().starts_with(begins),
            None => block.first() == self.command,
        };
        self.section == block.section && is_first
    }
}

/// A row for each block.
pub const SCENES: &[Scene] = &[
    row("Quick start", "egress-ctl init ", start::with_dnsmasq),
    row("From audit to enforce", "egress-ctl status", start::audited),
    row(FEED, "egress-ctl feed status", feed::in_quarantine),
    row(FEED, "egress-ctl feed diff ", feed::waiting),
    row("Commands", "egress-ctl check ", staging::set),
    row("As JSON", "egress-ctl schema", staging::set),
    row("Enforcing without fear", "egress-ctl enforce ", trial::set),
    row(
        "Is this machine fit for it?",
        "egress-ctl doctor ",
        doctor::set,
    ),
    row("Metrics", "egress-ctl metrics", staging::counted),
    row(WHY, "egress-ctl watch", staging::dropping),
    row(WHY, "egress-ctl watch --since ", staging::dropped),
    row(WHY, "egress-ctl watch 'group ", staging::set),
    row(WHY, "egress-ctl explain 10.20.0.2 104 ", staging::set),
    row(WHY, "egress-ctl explain 10.20.0.2 short ", staging::expired),
    row(WHY, "egress-ctl explain 10.20.0.2 10.20 ", strict::set),
    walk("Wrong port", walk::wrong_port),
    walk("A name in no set", walk::not_listed),
    walk("An address that was never resolved", walk::never_resolved),
    walk("Removed from Microsoft's list", walk::removed),
    walk("Encrypted DNS", walk::encrypted_dns),
    row(LEARNED, "egress-ctl dns list", dns::set),
];

const FEED: &str = "Following Microsoft's list";
const LEARNED: &str = "What was learned, and what was not";
const WHY: &str = "Why can't this machine reach that?";

/// What the first command of a walk is.
const TRIES: &str = "egress-ctl watch client=10.20.0.7 --count 1";

/// Whether a block leads from a laptop that cannot sync to the fix.
pub fn is_walk(block: &Block<'_>) -> bool {
    block.first() == TRIES
}

/// A laptop that cannot sync.
const fn walk(section: &'static str, set: fn() -> Result<Stage>) -> Scene {
    Scene {
        section,
        command: TRIES,
        set,
    }
}

const fn row(section: &'static str, command: &'static str, set: fn() -> Result<Stage>) -> Scene {
    Scene {
        section,
        command,
        set,
    }
}
