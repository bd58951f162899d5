//! Random catalogues and random packets: the kernel's program, the pure judge on the compiled
//! generation, and the policy as it is written must agree about every one.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;

use anyhow::{Result, bail, ensure};
use egress_common::learned::{Learned, Slot};
use egress_common::parse::{HEADERS_MAX, parse};
use egress_common::verdict::Reason;
use egress_ctl::policy::compile::{Circumstances, compile};
use egress_ctl::policy::ids::Ids;
use egress_ctl::policy::tables::HostTables;
use lab::agreement::{agree, cases};
use lab::kernel::{Kernel, TODAY, inside, with};
use lab::pace;
use lab::random::{self, one};
use lab::table;
use proptest::test_runner::{Config as Settings, TestCaseError, TestRunner};

/// Random policies, and packets for each: 10,000 in all. `cargo xtask drill differential` goes on.
const POLICIES: u32 = 40;
const PACKETS: usize = 250;

#[test]
fn kernel_judge_and_policy_agree_about_random_packets() -> Result<()> {
    inside(|pin_dir| {
        let kernel = RefCell::new(Kernel::load(pin_dir)?);
        let settings = Settings {
            cases: POLICIES,
            failure_persistence: None,
            max_shrink_iters: 60,
            ..Settings::default()
        };
        let agree = |case| match agree(&mut kernel.borrow_mut(), &case) {
            Ok(_) => Ok(()),
            Err(fault) => Err(TestCaseError::fail(format!("{fault:#}"))),
        };
        TestRunner::new(settings)
            .run(&cases(PACKETS), agree)
            .map_err(|fault| anyhow::anyhow!("{fault}"))
    })?
}

#[test]
fn every_kind_of_verdict_occurs_among_random_packets() -> Result<()> {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..300 {
        let mut ids = Ids::default();
        let config = random::config(&one(random::policy(), &mut runner)?);
        let own = ["203.0.112.1".parse().expect("an address")];
        let circumstances = Circumstances {
            own: &own,
            today: TODAY,
        };
        let generation = compile(&config, circumstances, &mut ids).expect("compiles");
        let mut tables = HostTables::new(&generation);
        tables.now_ms = 10_000_000;
        for teaching in one(random::teachings(), &mut runner)? {
            let slot = Slot {
                pattern: ids.pattern(teaching.pattern).expect("an id"),
                expires_ms: tables.now_ms.saturating_add_signed(teaching.left_ms),
            };
            let learned = Learned::first(slot, tables.now_ms);
            tables.learned.insert(teaching.key(), learned);
        }
        for refused in one(random::teachings(), &mut runner)? {
            tables
                .refused
                .insert(refused.addr.into(), tables.now_ms + 1);
        }
        for frame in one(random::frames(100), &mut runner)? {
            seen.insert(match parse(&frame[..]) {
                Ok(datagram) => tables.judge_frame(&frame, &datagram).reason,
                Err(reason) => reason,
            });
        }
    }
    // ARP has a test of its own, connections that go on need the kernel's memory, and a table is never
    // missing here.
    let elsewhere = [Reason::LinkControl, Reason::Established, Reason::NoPolicy];
    let missing: Vec<_> = Reason::ALL
        .iter()
        .filter(|reason| !seen.contains(reason) && !elsewhere.contains(reason))
        .collect();
    assert!(missing.is_empty(), "random packets never are {missing:?}");
    Ok(())
}

/// The longest frame, that of a jumbo.
const LONGEST: usize = 9000;
/// Bytes of an Ethernet header, and of one with a header of IPv6.
const ETHERNET: usize = 14;
const WHOLE: usize = ETHERNET + 40;
/// Frames that a test run at TC takes on every kernel.
const PAGE: usize = 3520;

/// How bytes begin: with nothing in particular, or so that they are looked at further.
const BEGINNINGS: [&[u8]; 6] = [
    b"",
    b"\0\0\0\0\0\0\0\0\0\0\0\0\x08\x00",
    b"\0\0\0\0\0\0\0\0\0\0\0\0\x08\x00\x45",
    b"\0\0\0\0\0\0\0\0\0\0\0\0\x86\xdd\x60",
    b"\0\0\0\0\0\0\0\0\0\0\0\0\x81\x00\0\0\x08\x00\x46\0\0\x20",
    b"\0\0\0\0\0\0\0\0\0\0\0\0\x88\xa8\0\0\x81\x00\0\0\x86\xdd\x60\0\0\0\0\x20\0",
];

/// Bytes to fill up with, and more of them than any frame takes: zeros, ones, anything.
struct Fills([Vec<u8>; 3]);

impl Fills {
    fn new() -> Self {
        let mut rng = fastrand::Rng::with_seed(fastrand::u64(..));
        let mut random = vec![0; 2 * LONGEST];
        rng.fill(&mut random);
        Self([vec![0; 2 * LONGEST], vec![0xff; 2 * LONGEST], random])
    }

    /// So many bytes, of each kind.
    fn of(&self, len: usize, beginning: &[u8]) -> impl Iterator<Item = Vec<u8>> {
        let from = fastrand::usize(..LONGEST);
        let head = &beginning[..beginning.len().min(len)];
        let rest = len - head.len();
        let fills = self.0.iter();
        fills.map(move |fill| [head, &fill[from..from + rest]].concat())
    }
}

#[test]
fn the_parser_takes_any_bytes_of_any_length() {
    let fills = Fills::new();
    let step = if pace::is_slow() { 7 } else { 1 };
    let (mut read, mut looked_at) = (0_u32, 0_u32);
    for len in (0..=LONGEST).step_by(step) {
        for frame in BEGINNINGS
            .iter()
            .flat_map(|beginning| fills.of(len, beginning))
        {
            looked_at += 1;
            let Ok(datagram) = parse(&frame[..]) else {
                continue;
            };
            read += 1;
            let places = [datagram.l3, datagram.l4, datagram.end, frame.len()];
            assert!(places.is_sorted(), "{places:?} in {frame:02x?}");
            assert!(datagram.l4 <= HEADERS_MAX, "{places:?} in {frame:02x?}");
        }
    }
    // Some make sense by chance, or the test would end at the first header.
    assert!(read > looked_at / 1000, "{read} of {looked_at}");
}

#[test]
fn the_kernel_takes_any_bytes_of_any_length() -> Result<()> {
    let config = table::config(
        "[gateway]\nmode = \"enforce\"\nlan = [\"lo\"]\ndefault-group = \"all\"\n\
         [group.all]\n[[group.all.rule]]\naction = \"allow\"\nto = [\"0.0.0.0/1\", \"8000::/1\"]\n",
    )?;
    let fills = Fills::new();
    let step = if pace::is_slow() { 61 } else { 1 };
    let begins = |len| BEGINNINGS[len / step % BEGINNINGS.len()];
    with(|kernel| {
        let generation = kernel.put_into_force(&config, &[])?;
        let mut tables = HostTables::new(&generation);
        let mut passed = 0;
        for len in (ETHERNET..=LONGEST).step_by(step) {
            for frame in fills.of(len, begins(len)) {
                let expected = match parse(&frame[..]) {
                    Ok(datagram) => tables.judge_frame(&frame, &datagram).reason,
                    Err(reason) => reason,
                };
                let passes = kernel.passes(&frame)?;
                ensure!(passes == expected.passes(), "{expected:?}: {frame:02x?}");
                passed += u32::from(passes);
            }
        }
        ensure!(passed > 0, "nothing passed");
        // At TC they pass or are dropped; a test run shows it whole headers only.
        for len in (WHOLE..=PAGE).step_by(step) {
            for frame in fills.of(len, begins(len)) {
                kernel.passes_tc(&frame)?;
            }
            for mut packet in fills.of(len, &begins(len)[begins(len).len().min(ETHERNET)..]) {
                let kind: [u8; 2] = if len / step % 2 == 0 {
                    [0x08, 0x00]
                } else {
                    [0x86, 0xdd]
                };
                packet[ETHERNET - 2..ETHERNET].copy_from_slice(&kind);
                kernel.passes_ip(&packet)?;
            }
        }
        Ok(())
    })
}

/// No frame is shorter, and so `BPF_PROG_TEST_RUN` takes none (net/bpf/test_run.c).
#[test]
fn the_kernel_shows_no_program_less_than_an_ethernet_header() -> Result<()> {
    with(|kernel| {
        for len in 0..ETHERNET {
            let bytes = vec![0; len];
            for (hook, result) in [
                ("XDP", kernel.passes(&bytes)),
                ("TC", kernel.passes_tc(&bytes)),
                ("IP", kernel.passes_ip(&bytes)),
            ] {
                let Err(refusal) = result else {
                    bail!("{hook} takes {len} bytes");
                };
                let cause = refusal.root_cause().downcast_ref::<io::Error>();
                let kind = cause.map(io::Error::kind);
                ensure!(
                    kind == Some(io::ErrorKind::InvalidInput),
                    "{hook}, {len} bytes: {refusal:#}"
                );
            }
        }
        Ok(())
    })
}
