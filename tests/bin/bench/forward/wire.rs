//! The lab with a gateway whose work is done by one thread: packets in, what they cost out.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use aya::programs::XdpMode;
use lab::address::INTERNET;
use lab::host::Life;
use lab::napi::{NapiThread, counter, mac, neighbour};
use lab::topology::{LAN_INTERFACE, Lab, UPLINK, WAN_INTERFACE};
use lab::wait;

use super::super::effort::Effort;
use super::super::feeder::{self, Values};
use super::Fate;
use super::source::Source;

/// The gateway's thread has this one for itself, as far as the machine lets it.
const GATEWAY_CPU: usize = 1;
/// All others.
pub(super) const OTHERS_CPU: usize = 0;
/// How often to send again until enough has arrived.
const PATIENCE: u32 = 100;

/// What packets cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    /// Of the gateway's CPU, each.
    pub(super) nanoseconds: f64,
    /// How many came through the gateway.
    pub(super) per_second: f64,
}

/// The lab with its threads.
pub(super) struct Wire {
    pub(super) lab: Lab,
    gateway: NapiThread,
    _sink: aya::Ebpf,
}

/// Counters of the gateway at one moment.
struct Seen {
    arrived: u64,
    forwarded: u64,
    cpu: Duration,
}

impl Wire {
    pub(super) fn new() -> Result<Self> {
        let lab = Lab::build(Life::Bound)?;
        let internet = mac(&lab.internet, UPLINK)?;
        neighbour(&lab.gateway, WAN_INTERFACE, INTERNET.v4.into(), internet)?;
        // Both ends of a link must have NAPI before one may send frames of XDP.
        for (host, link) in [(&lab.client, UPLINK), (&lab.internet, UPLINK)] {
            NapiThread::of(host, link)?.pin(OTHERS_CPU)?;
        }
        NapiThread::of(&lab.gateway, WAN_INTERFACE)?.pin(OTHERS_CPU)?;
        let gateway = NapiThread::of(&lab.gateway, LAN_INTERFACE)?;
        gateway.pin(GATEWAY_CPU)?;
        let sink = lab.internet.run(|| -> Result<aya::Ebpf> {
            let mut sink = feeder::load(&Values::of(0, [[0; 2]]), 0)?;
            feeder::xdp(&mut sink, "drop_udp")?.attach(c"uplink", XdpMode::Driver)?;
            Ok(sink)
        })??;
        Ok(Self {
            lab,
            gateway,
            _sink: sink,
        })
    }

    /// Sends for a while; all that arrives must meet this fate.
    pub(super) fn measure(&self, source: &mut Source, fate: Fate, effort: Effort) -> Result<Cost> {
        self.warm_up(source, effort)?;
        let began = self.seen()?;
        // On a busy machine the gateway's thread may have to wait for its CPU.
        let (mut seen, mut sending) = (self.seen()?, Duration::ZERO);
        for _ in 0..PATIENCE {
            let start = Instant::now();
            source.send(effort.time())?;
            sending += start.elapsed();
            seen = self.through(&began)?;
            if seen.arrived - began.arrived >= effort.packets() {
                break;
            }
        }
        let packets = seen.arrived - began.arrived;
        ensure!(
            packets >= effort.packets(),
            "only {packets} packets arrived at the gateway"
        );
        let forwarded = seen.forwarded - began.forwarded;
        ensure!(
            fate.is_met(packets, forwarded),
            "{forwarded} of {packets} packets were forwarded"
        );
        let took = seen.cpu.saturating_sub(began.cpu);
        Ok(Cost {
            nanoseconds: took.as_nanos() as f64 / packets as f64,
            per_second: packets as f64 / sending.as_secs_f64(),
        })
    }

    /// Sends until nearly every destination had packets: what is measured is not what the first one of each costs,
    /// which has to find its way, or begins a connection.
    fn warm_up(&self, source: &mut Source, effort: Effort) -> Result<()> {
        /// Packets of each destination, of which some are lost; and of all together at most.
        const OF_EACH: u64 = 4;
        const AT_MOST: u64 = 8192;

        let wanted = (source.destinations() * OF_EACH)
            .min(AT_MOST)
            .min(effort.packets() * OF_EACH);
        let began = self.seen()?;
        for _ in 0..PATIENCE {
            source.send(effort.time())?;
            if self.through(&began)?.arrived - began.arrived >= wanted {
                break;
            }
        }
        Ok(())
    }

    /// The counters once the gateway is through with what arrived.
    fn through(&self, began: &Seen) -> Result<Seen> {
        let mut before = began.arrived;
        wait::until("the gateway to be through", Duration::from_secs(5), || {
            let seen = self.seen()?;
            let is_through = seen.arrived > began.arrived && seen.arrived == before;
            before = seen.arrived;
            Ok(is_through.then_some(seen))
        })
    }

    fn seen(&self) -> Result<Seen> {
        let gateway = &self.lab.gateway;
        let (lan, wan) = (LAN_INTERFACE, WAN_INTERFACE);
        // What the internet's queue had no place for was forwarded as well.
        let forwarded = counter(gateway, wan, "tx_packets")? + counter(gateway, wan, "tx_dropped")?;
        Ok(Seen {
            arrived: counter(gateway, lan, "rx_packets")?,
            forwarded,
            cpu: self.gateway.cpu_time()?,
        })
    }
}

impl Fate {
    /// Whether it is this one; something else may leave, such as an answer of ICMP.
    fn is_met(self, packets: u64, forwarded: u64) -> bool {
        match self {
            Self::Forwarded => forwarded * 10 >= packets * 9,
            Self::Dropped => forwarded * 100 <= packets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearly_all_packets_must_meet_their_fate() {
        for (packets, forwarded, fates) in [
            (1000, 1000, [true, false]),
            (1000, 900, [true, false]),
            (1000, 500, [false, false]),
            (1000, 10, [false, true]),
            (1000, 0, [false, true]),
        ] {
            let met = [Fate::Forwarded, Fate::Dropped].map(|fate| fate.is_met(packets, forwarded));
            assert_eq!(met, fates, "{forwarded} of {packets}");
        }
    }
}
