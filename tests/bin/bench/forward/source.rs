//! The source of traffic: live frames of UDP from the client, each to the next destination.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use aya::programs::{TestRun as _, TestRunAttrs, TestRunOptions};
use aya::{Ebpf, programs::Xdp};
use etherparse::{Ipv4Header, Ipv4HeaderSlice};
use lab::address::CLIENT;
use lab::frame::{ETHERNET, Frame, Transport};
use lab::host::Host;
use lab::link;
use lab::napi::mac;
use lab::topology::{LAN_INTERFACE, Lab, UPLINK};

use super::super::feeder::{self, Values};
use super::super::measure;
use super::wire::OTHERS_CPU;

/// An Ethernet and an IPv4 header.
const HEADERS: usize = 34;
/// Frames that the kernel makes at a time.
const BATCH: u32 = 64;
/// Frames of one system call.
const AT_ONCE: u32 = 1 << 17;

/// The program that sends, and a frame of it.
pub(super) struct Source {
    client: Host,
    bench: Ebpf,
    frame: Vec<u8>,
    destinations: u64,
}

impl Source {
    pub(super) fn new(lab: &Lab, destinations: &[Ipv4Addr]) -> Result<Self> {
        let (to, from) = (mac(&lab.gateway, LAN_INTERFACE)?, mac(&lab.client, UPLINK)?);
        let frames = destinations.iter().map(|address| frame(*address, to, from));
        let frames: Vec<Vec<u8>> = frames.collect::<Result<_>>()?;
        let headers: Vec<[u8; HEADERS]> = frames
            .iter()
            .filter_map(|f| f.first_chunk().copied())
            .collect();
        let out = link::index(&lab.client, UPLINK)?;
        let mut bench = feeder::load(&Values::of(0, headers), out)?;
        feeder::xdp(&mut bench, "generate")?;
        Ok(Self {
            client: lab.client.clone(),
            bench,
            destinations: destinations.len() as u64,
            frame: frames.into_iter().next().context("no destination")?,
        })
    }

    /// How many destinations it sends to.
    pub(super) fn destinations(&self) -> u64 {
        self.destinations
    }

    /// Sends as fast as it can.
    pub(super) fn send(&mut self, time: Duration) -> Result<()> {
        let (client, frame) = (self.client.clone(), &self.frame);
        let program: &Xdp = feeder::xdp(&mut self.bench, "generate")?;
        client.run(|| -> Result<()> {
            measure::pin(|_| Some(OTHERS_CPU))?;
            let began = Instant::now();
            while began.elapsed() < time {
                let mut options = TestRunOptions::new();
                options.data_in = Some(frame);
                options.repeat = AT_ONCE;
                options.attrs = TestRunAttrs::new().xdp_live_frames(BATCH);
                program.test_run(options)?;
            }
            Ok(())
        })?
    }
}

/// A datagram of 18 bytes, with a checksum of IPv4 that the gateway's kernel takes.
fn frame(destination: Ipv4Addr, to: [u8; 6], from: [u8; 6]) -> Result<Vec<u8>> {
    let datagram = Transport::Udp(40_000, 443, vec![0; 18]);
    let mut frame = Frame::new(IpAddr::V4(CLIENT.v4), destination.into(), datagram);
    frame.mac = from;
    let mut bytes = frame.to_bytes();
    let (link, packet) = bytes
        .split_at_mut_checked(ETHERNET)
        .context("no link layer")?;
    link.iter_mut().zip(to).for_each(|(byte, to)| *byte = to);
    let header: Ipv4Header = Ipv4HeaderSlice::from_slice(packet)?.to_header();
    let checksum = header.calc_header_checksum().to_be_bytes();
    packet
        .iter_mut()
        .skip(10)
        .zip(checksum)
        .for_each(|(byte, sum)| *byte = sum);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_carry_a_right_checksum_and_go_to_the_gateway() -> Result<()> {
        let bytes = frame(Ipv4Addr::new(192, 0, 2, 9), [1; 6], [2; 6])?;
        assert_eq!((&bytes[..6], &bytes[6..12]), (&[1; 6][..], &[2; 6][..]));
        // The sum of all words of a right header is all ones (RFC 1071).
        let words = bytes[14..34]
            .chunks(2)
            .map(|word| u32::from(word[0]) << 8 | u32::from(word[1]));
        let sum: u32 = words.sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
        Ok(())
    }
}
