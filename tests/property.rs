//! Random catalogues and random packets: the kernel's program, the pure judge on the compiled
//! generation, and the policy as it is written must agree about every one.

use std::cell::RefCell;
use std::collections::BTreeSet;

use anyhow::Result;
use egress_common::learned::{Learned, Slot};
use egress_common::parse::parse;
use egress_common::verdict::Reason;
use egress_ctl::policy::compile::{Circumstances, compile};
use egress_ctl::policy::ids::Ids;
use egress_ctl::policy::tables::HostTables;
use lab::agreement::{agree, cases};
use lab::kernel::{Kernel, TODAY, inside};
use lab::random::{self, one};
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
