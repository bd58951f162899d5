//! What an answer teaches that the proxy for DNS over TCP relays.
//!
//! User space has matched it with the client's query, and hands it over as the UDP datagram in which the
//! resolver would have sent it. What it teaches is the same as if it had come so.

use aya_ebpf::programs::TcContext;
use egress_common::{
    dns::Outcome,
    judge::Tables as _,
    parse::{link, parse_network},
    rule::mark,
};

use super::{HEADERS_BYTES, learn::Lesson, learn::teach_all, lesson};
use crate::{maps::TOLD, stats::count_dns, tables::Generation, view::View};

/// Learns from the answer in a frame.
#[inline(always)]
pub fn teach(ctx: &TcContext) -> Outcome {
    let outcome = match read(ctx) {
        Ok(lesson) => teach_all(lesson),
        Err(outcome) => outcome,
    };
    count_dns(outcome);
    outcome
}

#[inline(always)]
fn read(ctx: &TcContext) -> Result<Lesson, Outcome> {
    let generation = Generation::current().ok_or(Outcome::NoPolicy)?;
    let headers = View::of_headers::<HEADERS_BYTES>(ctx);
    let network = link(&headers).map_err(|_| Outcome::Malformed)?;
    let datagram = parse_network(&headers, network).map_err(|_| Outcome::Malformed)?;
    // A generation may have come meanwhile that trusts it no more.
    let resolver = generation.destination(&datagram.flow.src);
    if !resolver.is(mark::RESOLVER | mark::LOCAL_RESOLVER) {
        return Err(Outcome::ResolverNotTrusted);
    }
    lesson(ctx, &headers, &datagram, generation, &TOLD)
}
