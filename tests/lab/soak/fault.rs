//! What befalls the gateway: each fault from its beginning to where everything must be as before.

use std::net::TcpStream;
use std::time::Duration;

use anyhow::Result;

use super::ground::Ground;
use super::shared::Shared;
use super::way::{CONNECTED, Promise};
use crate::address::LAN;
use crate::clock::Moved;
use crate::dns;
use crate::flow::Family;
use crate::guest;
use crate::interrupt;
use crate::pace;
use crate::server::HTTPS;
use crate::topology::{LAN_INTERFACE, WAN_INTERFACE};
use crate::wait;

/// How long a daemon is dead, and a link down.
const AWAY: Duration = Duration::from_millis(300);
/// How long the clock is wrong.
const WRONG: Duration = Duration::from_millis(1500);
const BY: Duration = Duration::from_secs(86_400);
const LIMIT: Duration = Duration::from_secs(30);
/// How long one try to get through may take.
const TRY: Duration = Duration::from_millis(500);

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Feed,
    Swap,
    Kill,
    Upgrade,
    LanFlap,
    WanFlap,
    Interface,
    Disk,
    Clock,
}

impl Fault {
    pub const ALL: [Self; 9] = [
        Self::Feed,
        Self::Swap,
        Self::Kill,
        Self::Upgrade,
        Self::LanFlap,
        Self::WanFlap,
        Self::Interface,
        Self::Disk,
        Self::Clock,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Feed => "feed changed",
            Self::Swap => "generation swapped",
            Self::Kill => "daemon killed",
            Self::Upgrade => "daemon killed, another build started",
            Self::LanFlap => "LAN link flapped",
            Self::WanFlap => "WAN link flapped",
            Self::Interface => "interface replaced",
            Self::Disk => "disk filled",
            Self::Clock => "clock set a day ahead and back",
        }
    }

    /// Why it cannot be here.
    pub fn obstacle(self) -> Option<&'static str> {
        (self == Self::Clock && !guest::is_disposable())
            .then_some("it is everybody's clock: only that of a guest may be set")
    }

    /// Whether it ends the daemon.
    pub fn kills(self) -> bool {
        matches!(self, Self::Kill | Self::Upgrade)
    }

    /// Lets it happen.
    pub fn happen(self, ground: &mut Ground, shared: &Shared) -> Result<()> {
        shared.turn_dying(self.kills());
        let outcome = match self {
            Self::Feed => toggle(ground, shared),
            Self::Swap => ground.swap().map(drop),
            Self::Kill => ground.kill(AWAY, false),
            Self::Upgrade => ground.kill(AWAY, true),
            Self::LanFlap => flap(ground, shared, LAN_INTERFACE),
            Self::WanFlap => flap(ground, shared, WAN_INTERFACE),
            Self::Interface => ground.replace_interface(),
            Self::Disk => ground.fill_disk(),
            Self::Clock => set_clock(),
        };
        shared.turn_dying(false);
        outcome
    }
}

/// Until what is on its way has arrived.
fn drain() -> Duration {
    Duration::from_millis(if pace::is_slow() { 1500 } else { 150 })
}

fn toggle(ground: &mut Ground, shared: &Shared) -> Result<()> {
    shared.promise(Promise::Open);
    interrupt::sleep(drain())?;
    ground.toggle()?;
    shared.promise(match ground.has_toggled() {
        true => Promise::Passes,
        false => Promise::Drops,
    });
    Ok(())
}

/// While the link is away nothing must arrive, and what is denied may still not.
fn flap(ground: &Ground, shared: &Shared, name: &str) -> Result<()> {
    shared.turn_blind(true);
    interrupt::sleep(drain())?;
    ground.flap(name, AWAY)?;
    // A resolver waits for what it asked while the link was away, so each try asks for another name.
    let mut tries = 0..;
    wait::until("both families to get through", LIMIT, || {
        let number = tries.next().unwrap_or(0);
        Ok(gets_through(ground, number)?.then_some(()))
    })?;
    shared.turn_blind(false);
    Ok(())
}

fn gets_through(ground: &Ground, number: u32) -> Result<bool> {
    let client = &ground.site.lab.client;
    client.run(|| {
        let connects = CONNECTED
            .iter()
            .all(|address| TcpStream::connect_timeout(&(*address, HTTPS).into(), TRY).is_ok());
        let name = format!("back{number}.soak.example");
        connects && dns::ask(LAN.v4.into(), &name, Family::Ipv4, TRY).is_ok()
    })
}

fn set_clock() -> Result<()> {
    for moved in [Moved::ahead(BY)?, Moved::back(BY)?] {
        interrupt::sleep(WRONG)?;
        drop(moved);
        interrupt::sleep(WRONG)?;
    }
    Ok(())
}
