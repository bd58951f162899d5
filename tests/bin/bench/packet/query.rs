//! DNS queries past LAN ingress, each noted: they differ by their ids.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::Result;
use egress_common::flow::Addr;
use lab::answer::{Answer, query_of};
use lab::frame::{Frame, Transport};
use lab::kernel::Kernel;

use super::super::catalogue::own;
use super::super::effort::Effort;
use super::super::feeder::{Program, Values, XDP_PASS};
use super::super::measure::Subject;
use super::{CLIENT_V4, Frames};

/// Port that the client asks from.
pub(super) const PORT: u16 = 40_000;
/// Where a frame of DNS over UDP and IPv4 has the message's id.
pub(super) const ID: u32 = 42;
const DNS: u16 = 53;
/// Fewer than a client may ask for at once, and a power of two.
const AT_ONCE: u16 = 512;
const NAME: &str = "www.bench.example";

/// The program at LAN ingress. What a client may ask for is given back between runs, which count as one.
pub(super) fn subject<'a>(kernel: &mut Kernel, effort: Effort) -> Result<Subject<'a>> {
    let program = kernel.ingress()?.fd()?.try_clone()?;
    let mut feeder = frames()?.feed(&Program::Xdp(&program))?;
    let mut shares = kernel.pinned().shares()?;
    let runs = (effort.time().as_micros() / 500).max(1) as u32;
    Ok(Subject::new("DNS query, noted", move || {
        let mut sum = 0.0;
        for _ in 0..runs {
            for key in shares.keys().collect::<Result<Vec<Addr>, _>>()? {
                shares.remove(&key)?;
            }
            sum += feeder.nanoseconds(AT_ONCE.into(), XDP_PASS)?;
        }
        Ok(sum / f64::from(runs))
    }))
}

/// Queries to the gateway.
pub(super) fn frames() -> Result<Frames> {
    let query = query_of(&Answer::to(NAME).to_bytes()).unwrap_or_default();
    let [gateway] = own();
    let client: IpAddr = Ipv4Addr::into(CLIENT_V4);
    let frame = Frame::new(client, gateway, Transport::Udp(PORT, DNS, query));
    Ok(Frames {
        frame: frame.to_bytes(),
        values: Values::of(ID, (0..AT_ONCE).map(u16::to_be_bytes)),
    })
}
