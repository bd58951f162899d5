//! The program that learns from answers which user space relays.
//!
//! In: an answer, and between whom it goes. Out: what the kernel learned of it, as if it had come by in a
//! UDP datagram. It is done when the call returns.

use std::{net::SocketAddr, path::Path};

use aya::programs::{ProgramError, SchedClassifier, TestRun as _, TestRunOptions};
use egress_common::{dns::Outcome, flow::proto};

use super::{
    ask::{self, AskError, PROGRAMS},
    load::{Loaded, TEACH},
};
use crate::explain::frame::{ipv4, ipv6};

/// Longest answer that is handed over: a frame of a test run fits into one page of 4,096 bytes, with what
/// the kernel keeps there itself (`bpf_test_init`, net/bpf/test_run.c).
pub const ANSWER_MAX: usize = 3_072;

/// Why nothing was learned.
#[derive(Debug, thiserror::Error)]
pub enum TeachError {
    /// The pin cannot be used.
    #[error("cannot use the pinned program `{TEACH}`")]
    Pinned(#[source] ProgramError),
    /// Client and resolver are of different families.
    #[error("{client} cannot have asked {resolver}")]
    Families {
        /// Who asked.
        client: SocketAddr,
        /// Who answered.
        resolver: SocketAddr,
    },
    /// The kernel did not run the program.
    #[error("the kernel does not run `{TEACH}` for an answer of {bytes} bytes (BPF_PROG_TEST_RUN)")]
    TestRun {
        /// Bytes of the answer.
        bytes: usize,
        /// Why.
        source: ProgramError,
    },
    /// The program answered with a number that is no outcome.
    #[error("`{TEACH}` answers {0}, which is no outcome: another version of egress pinned it")]
    Outcome(u32),
}

/// The program, to be told answers.
pub struct Teacher(SchedClassifier);

impl Teacher {
    /// The program that is pinned.
    ///
    /// # Errors
    /// There is none, or it cannot be used.
    pub fn pinned(pin_dir: &Path) -> Result<Self, TeachError> {
        let program = SchedClassifier::from_pin(pin_dir.join(PROGRAMS).join(TEACH));
        program.map(Self).map_err(TeachError::Pinned)
    }

    /// Learns what an answer teaches that goes from a resolver to a client.
    ///
    /// # Errors
    /// The kernel did not run the program.
    pub fn teach(
        &self,
        resolver: SocketAddr,
        client: SocketAddr,
        answer: &[u8],
    ) -> Result<Outcome, TeachError> {
        let frame =
            frame(resolver, client, answer).ok_or(TeachError::Families { client, resolver })?;
        let mut options = TestRunOptions::new();
        options.data_in = Some(&frame);
        let bytes = answer.len();
        let run = self.0.test_run(options);
        let number = run
            .map_err(|source| TeachError::TestRun { bytes, source })?
            .return_value;
        let mut outcomes = Outcome::ALL.iter().copied();
        let outcome = outcomes.find(|outcome| *outcome as u32 == number);
        outcome.ok_or(TeachError::Outcome(number))
    }
}

/// Pins the program of an object that is in force, in place of the one of the object before.
///
/// # Errors
/// The pin cannot be made; the one before stays.
pub fn pin(loaded: &mut Loaded, pin_dir: &Path) -> Result<(), AskError> {
    let program = loaded.classifier(TEACH)?;
    ask::put(pin_dir, TEACH, |path| program.pin(path))
}

/// The UDP datagram that would have brought the answer, with a link layer that says nothing.
fn frame(resolver: SocketAddr, client: SocketAddr, answer: &[u8]) -> Option<Vec<u8>> {
    const HEADER: usize = 8;
    let len = u16::try_from(HEADER + answer.len()).ok()?;
    let fields = [resolver.port(), client.port(), len, 0].map(u16::to_be_bytes);
    let datagram = [fields.as_flattened(), answer].concat();
    let (ether_type, packet) = match (resolver, client) {
        (SocketAddr::V4(from), SocketAddr::V4(to)) => {
            (0x0800_u16, ipv4(*from.ip(), *to.ip(), proto::UDP, datagram))
        }
        (SocketAddr::V6(from), SocketAddr::V6(to)) => {
            (0x86dd, ipv6(*from.ip(), *to.ip(), proto::UDP, datagram))
        }
        _ => return None,
    };
    Some([&[0; 12], &ether_type.to_be_bytes()[..], &packet].concat())
}

#[cfg(test)]
mod tests {
    use egress_common::{
        flow::Addr,
        parse::{parse, udp_payload},
    };

    use super::*;

    #[test]
    fn the_frame_is_an_answer_from_resolver_to_client() {
        for (resolver, client) in [
            ("192.0.2.2:53", "10.20.0.2:40000"),
            ("[2001:db8::53]:53", "[fd00:20::2]:40000"),
        ] {
            let (resolver, client): (SocketAddr, SocketAddr) =
                (resolver.parse().unwrap(), client.parse().unwrap());
            let frame = frame(resolver, client, b"an answer").unwrap();
            let datagram = parse(&frame[..]).unwrap();
            let flow = datagram.flow;
            assert_eq!(flow.src, Addr::from(resolver.ip()));
            assert_eq!(flow.dst, Addr::from(client.ip()));
            assert_eq!((flow.proto, flow.src_port, flow.dst_port), (17, 53, 40_000));
            let payload = udp_payload(&frame[..], &datagram).unwrap();
            assert_eq!(&frame[payload.at..payload.at + payload.len], b"an answer");
        }
        let (v4, v6) = ("192.0.2.2:53".parse(), "[fd00::2]:1".parse());
        assert_eq!(frame(v4.unwrap(), v6.unwrap(), b""), None);
    }
}
