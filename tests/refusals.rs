//! Rejected packets through the loaded program: the frame that goes back is the one that the pure builder
//! makes, whose checksums are tested there.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use egress_common::bucket::REFUSALS;
use egress_common::parse::parse;
use egress_common::refusal::{answer, refusal};
use egress_common::verdict::{Action, Reason};
use lab::frame::{Extension, Frame, Transport};
use lab::kernel::{Fate, Kernel, with};
use lab::table::config;

const CONFIG: &str = r#"
[gateway]
mode = "enforce"
lan = ["lan"]
resolvers = ["192.0.2.53"]

[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
ips = ["203.0.113.0/24", "2001:db8:1::/48"]
tcpPorts = "443"

[group.a]
clients = ["10.20.0.0/16", "fd00:20::/64"]
allow = ["corp"]
default = "reject"
"#;

const C4: &str = "10.20.0.2";
const C6: &str = "fd00:20::2";
const D4: &str = "203.0.113.5";
const D6: &str = "2001:db8:1::5";

/// For the slowest machine to send packets faster than they are answered in the long run.
const LIMIT: Duration = Duration::from_secs(60);
/// The place of the counters of the one group.
const GROUP: u8 = 1;

fn syn(src: &str, dst: &str, port: u16) -> Frame {
    Frame {
        transport: Transport::Syn(40_000, port),
        ..Frame::tcp(src, dst, port)
    }
}

fn inside_with<T: Send>(
    text: &str,
    test: impl FnOnce(&mut Kernel) -> Result<T> + Send,
) -> Result<T> {
    let config = config(text)?;
    with(|kernel| {
        kernel.put_into_force(&config, &[])?;
        test(kernel)
    })
}

#[test]
fn a_rejected_packet_is_answered() -> Result<()> {
    let sized = |src, dst, bytes| Frame {
        transport: Transport::Udp(40_000, 9, vec![7; bytes]),
        ..Frame::udp(src, dst, 9)
    };
    let tagged = |frame: Frame, tags: &[u16]| Frame {
        tags: tags.to_vec(),
        vlan: 7,
        ..frame
    };
    let icmp = |src, dst, kind| Frame {
        transport: Transport::Icmp(kind, 0, vec![1; 56]),
        ..Frame::tcp(src, dst, 0)
    };
    let mut frames = vec![
        syn(C4, D4, 22),
        syn(C6, D6, 22),
        Frame::tcp(C4, D4, 22),
        Frame::tcp(C6, "2001:db8:9::1", 443),
        icmp(C4, D4, 8),
        icmp(C6, D6, 128),
        tagged(syn(C4, D4, 22), &[0x8100]),
        tagged(syn(C6, D6, 22), &[0x88a8, 0x8100]),
        tagged(sized(C4, D4, 100), &[0x88a8, 0x8100]),
        tagged(sized(C6, D6, 100), &[0x8100]),
        Frame {
            options: vec![1; 40],
            ..syn(C4, D4, 22)
        },
        Frame {
            extensions: vec![Extension::HopByHop(1), Extension::Destination(2)],
            ..syn(C6, D6, 22)
        },
        Frame {
            fragment: Some((0, true)),
            ..syn(C4, D4, 22)
        },
    ];
    for bytes in [0, 1, 2, 3, 520, 521, 1185, 1186, 1472, 8_000] {
        frames.extend([sized(C4, D4, bytes), sized(C6, D6, bytes)]);
    }
    inside_with(CONFIG, |kernel| {
        for frame in frames.iter().map(Frame::to_bytes) {
            let fate = kernel.fate(&frame)?;
            ensure!(
                fate == Fate::IsAnswered(expected(&frame)?),
                "{frame:02x?}: {fate:02x?}, expected {:02x?}",
                expected(&frame)?
            );
        }
        Ok(())
    })
}

/// The answer that the pure builder makes.
fn expected(frame: &[u8]) -> Result<Vec<u8>> {
    let datagram = parse(frame).map_err(|reason| anyhow::anyhow!("{reason:?}"))?;
    let refusal = refusal(frame, &datagram);
    let mut frame = frame.to_vec();
    let answered = refusal.is_some_and(|refusal| answer(&mut frame, &datagram, refusal));
    ensure!(answered, "no answer");
    Ok(frame)
}

#[test]
fn what_must_not_be_answered_is_dropped_in_silence() -> Result<()> {
    let reset = {
        let mut bytes = Frame::tcp(C4, D4, 22).to_bytes();
        bytes[14 + 20 + 13] = 0x04;
        bytes
    };
    let about = Frame {
        transport: Transport::Tcp(22, 40_000),
        ..Frame::tcp(D4, C4, 0)
    };
    let rows = [
        ("a reset", reset, Reason::WrongPort),
        (
            "an error",
            Frame::error(&about, 3, 4).to_bytes(),
            Reason::WrongPort,
        ),
        (
            "to a group",
            Frame::udp(C4, "239.1.1.1", 9).to_bytes(),
            Reason::NeverResolved,
        ),
        (
            "a later fragment",
            Frame {
                fragment: Some((9, false)),
                ..Frame::udp(C4, D4, 9)
            }
            .to_bytes(),
            Reason::FragmentUnknown,
        ),
    ];
    inside_with(CONFIG, |kernel| {
        for (what, frame, reason) in &rows {
            let before = kernel.count_of(GROUP, Action::Drop, *reason)?;
            let fate = kernel.fate(frame)?;
            ensure!(fate == Fate::IsDropped, "{what}: {fate:?}");
            let after = kernel.count_of(GROUP, Action::Drop, *reason)?;
            ensure!(after.packets == before.packets + 1, "{what}: not counted");
        }
        let malformed = &syn(C4, D4, 22).to_bytes()[..40];
        let fate = kernel.fate(malformed)?;
        ensure!(fate == Fate::IsDropped, "malformed: {fate:?}");
        Ok(())
    })
}

#[test]
fn a_client_gets_a_burst_of_answers_and_others_theirs() -> Result<()> {
    inside_with(CONFIG, |kernel| {
        let frame = syn(C4, D4, 22).to_bytes();
        let (began, mut answered, mut unanswered) = (Instant::now(), 0, 0);
        // On a busy machine the bucket fills up while it is emptied.
        while unanswered < 10 {
            ensure!(
                began.elapsed() < LIMIT,
                "{answered} answers, without an end"
            );
            match kernel.fate(&frame)? {
                Fate::IsDropped => unanswered += 1,
                _ => answered += 1,
            }
        }
        let filled = began.elapsed().as_millis() as u64 / REFUSALS.every_ms + 1;
        let most = REFUSALS.burst + filled;
        ensure!(
            (REFUSALS.burst..=most).contains(&answered),
            "{answered} answers, where {most} may be"
        );
        let rejected = kernel.count_of(GROUP, Action::Reject, Reason::WrongPort)?;
        let dropped = kernel.count_of(GROUP, Action::Drop, Reason::WrongPort)?;
        ensure!(rejected.packets == answered, "{rejected:?}");
        ensure!(dropped.packets == unanswered, "{dropped:?}");
        let other = kernel.fate(&syn("10.20.0.3", D4, 22).to_bytes())?;
        ensure!(matches!(other, Fate::IsAnswered(_)), "{other:?}");
        Ok(())
    })
}

#[test]
fn nobody_is_answered_where_nothing_is_rejected() -> Result<()> {
    let frame = syn(C4, D4, 22).to_bytes();
    for (text, expected) in [
        (CONFIG.replacen("enforce", "audit", 1), Fate::Passes),
        (CONFIG.replacen("reject", "drop", 1), Fate::IsDropped),
    ] {
        let fate = inside_with(&text, |kernel| kernel.fate(&frame))?;
        ensure!(fate == expected, "{fate:?}");
    }
    Ok(())
}
