//! Daemons that are killed and started again, one after the other; after each, what may not have changed.

use std::collections::BTreeMap;
use std::mem;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use lab::address::LAN;
use lab::flow::Family;
use lab::gateway::Egress;
use lab::site::Site;
use lab::status::Status;
use lab::{dns, interrupt, pins};

use super::stream::Stream;

/// How long a daemon runs before it is killed.
const RUNS: Duration = Duration::from_millis(50);
/// One round of so many has a daemon more, which is killed while it starts.
const KILLED_EARLY: u32 = 4;
const LIMIT: Duration = Duration::from_secs(5);

/// What the rounds have in common.
pub(super) struct Rounds<'a> {
    pub(super) site: &'a Site,
    pub(super) stream: &'a Stream,
    pub(super) config: &'a str,
    /// Builds that take turns; the first one runs.
    pub(super) builds: [PathBuf; 2],
    pub(super) egress: Egress,
    /// What `status` said last.
    pub(super) last: Status,
    /// What was attached last, by the kernel's numbers of programs.
    pub(super) attached: BTreeMap<String, u32>,
    pub(super) told: Told,
}

/// What came of the rounds.
#[derive(Default)]
pub(super) struct Told {
    /// From start to `ready:`, by the same build and by the other one.
    pub(super) restarts: Vec<Duration>,
    pub(super) upgrades: Vec<Duration>,
    pub(super) killed_early: u32,
    /// What changed that may not.
    pub(super) violations: Vec<String>,
}

/// The name that the client asks for in a round while no daemon runs, and its address.
pub(super) fn fresh(round: u32) -> (String, Ipv4Addr) {
    /// 198.18.0.0/15, for measurements (RFC 2544).
    const FIRST: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
    let address = Ipv4Addr::from_bits(FIRST.to_bits() + round);
    (format!("fresh{round}.restart.example"), address)
}

/// Whether a round of so many is one of the upgrades, which are spread among them.
pub(super) fn is_upgrade(round: u32, upgrades: u32, rounds: u32) -> bool {
    let until = |round: u32| u64::from(round) * u64::from(upgrades) / u64::from(rounds.max(1));
    until(round + 1) > until(round)
}

impl Rounds<'_> {
    pub(super) fn run(&mut self, kills: u32, upgrades: u32) -> Result<()> {
        let rounds = kills + upgrades;
        (0..rounds).try_for_each(|round| self.round(round, is_upgrade(round, upgrades, rounds)))
    }

    fn round(&mut self, round: u32, upgrades: bool) -> Result<()> {
        interrupt::sleep(RUNS)?;
        self.egress.kill()?;
        self.look(round, "without a daemon")?;
        self.learn(round)?;
        if upgrades {
            self.builds.reverse();
        }
        if round % KILLED_EARLY == KILLED_EARLY - 1 {
            self.start_and_kill()?;
        }
        let began = Instant::now();
        self.launch()?;
        self.egress.ready()?;
        let took = match upgrades {
            true => &mut self.told.upgrades,
            false => &mut self.told.restarts,
        };
        took.push(began.elapsed());
        self.look(round, "with the new daemon")?;
        self.look_at_programs(round, upgrades)
    }

    /// Whether an upgrade replaced every program, and a restart none.
    fn look_at_programs(&mut self, round: u32, upgrades: bool) -> Result<()> {
        let now = pins::attached(&self.site.lab.gateway)?;
        let before = mem::replace(&mut self.attached, now);
        let mut programs = self.attached.iter();
        let told = match upgrades {
            true if programs.any(|one| before.get(one.0) == Some(one.1)) => {
                "an upgrade left a program in its place"
            }
            false if self.attached != before => "a restart replaced a program",
            _ => return Ok(()),
        };
        let told = format!(
            "round {round}: {told}: {before:?}, then {:?}",
            self.attached
        );
        self.told.violations.push(told);
        Ok(())
    }

    fn launch(&mut self) -> Result<()> {
        let lab = &self.site.lab;
        let host = (&lab.gateway, lab.folder());
        self.egress = Egress::launch(&self.builds[0], host, self.config, &[])?;
        Ok(())
    }

    /// Starts a daemon, and kills it somewhere on its way to `ready:`.
    fn start_and_kill(&mut self) -> Result<()> {
        let longest = self.told.restarts.iter().max().copied();
        let share = f64::from(self.told.killed_early % 7 + 1) / 8.0;
        self.launch()?;
        interrupt::sleep(longest.unwrap_or(RUNS).mul_f64(share))?;
        self.egress.kill()?;
        self.told.killed_early += 1;
        Ok(())
    }

    /// The client asks for a name, and datagrams go to its address from then on.
    fn learn(&self, round: u32) -> Result<()> {
        let (name, address) = fresh(round);
        let ask = || dns::resolve(LAN.v4.into(), &name, Family::Ipv4, LIMIT);
        self.site.lab.client.run(ask)??;
        self.stream.reach(address);
        Ok(())
    }

    /// Compares counters, learned addresses and hooks with those before.
    fn look(&mut self, round: u32, when: &str) -> Result<()> {
        let now = self.egress.status()?;
        let lost = lost(&self.last, &now).into_iter();
        let told = lost.map(|what| format!("round {round}, {when}: {what}"));
        self.told.violations.extend(told);
        self.last = now;
        Ok(())
    }
}

/// What is less or other than it was.
pub(super) fn lost(before: &Status, now: &Status) -> Vec<String> {
    let mut lost = now.fallen_since(before);
    let [had, has] = [before, now].map(|status| status.learned.addresses);
    if has < had {
        lost.push(format!("of {had} learned addresses {has} are left"));
    }
    let [had, has] = [before, now].map(hooks);
    if has != had {
        lost.push(format!("attached as {has:?}, before as {had:?}"));
    }
    lost
}

fn hooks(status: &Status) -> Vec<[Option<String>; 4]> {
    let interfaces = status.interfaces.iter();
    interfaces
        .map(|one| {
            let name = Some(one.name.clone());
            [name, one.xdp.clone(), one.ingress.clone(), one.tc.clone()]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upgrades_are_spread_among_the_rounds() {
        for (upgrades, rounds, expected) in [
            (0, 3, vec![]),
            (3, 3, vec![0, 1, 2]),
            (1, 4, vec![3]),
            (2, 6, vec![2, 5]),
        ] {
            let upgraded = (0..rounds).filter(|round| is_upgrade(*round, upgrades, rounds));
            assert_eq!(upgraded.collect::<Vec<_>>(), expected);
        }
        assert_eq!((0..120).filter(|i| is_upgrade(*i, 20, 120)).count(), 20);
    }
}
