//! Golden packets: tables of bytes and what must become of them, for the pure judge, which needs neither root nor a
//! kernel, and for the kernel's programs.

use std::collections::HashMap;
use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use egress_common::learned::{Learned, LearnedKey, Slot};
use egress_common::parse::parse;
use egress_common::verdict::{Action, Reason};
use egress_ctl::policy::compile::{Circumstances, compile};
use egress_ctl::policy::generation::Generation;
use egress_ctl::policy::ids::Ids;
use egress_ctl::policy::tables::HostTables;
use lab::kernel::{Kernel, Seen, TODAY, with};
use lab::table;

mod frame;

use frame::frame;

const POLICY: &str = include_str!("golden/policy.toml");
const TABLES: [(&str, &str); 2] = [
    ("ipv4", include_str!("golden/ipv4")),
    ("ipv6", include_str!("golden/ipv6")),
];
/// So many packets has each family at least.
const LEAST: usize = 200;
const OWN: [&str; 2] = ["10.20.0.1", "fd00:20::1"];
const NAME: &str = "named.example";
/// What answers gave, and whether that holds.
const LEARNED: [(&str, bool); 5] = [
    ("198.51.100.200", true),
    ("198.18.0.200", true),
    ("198.18.0.201", false),
    ("2001:db8:77::200", true),
    ("2001:db8:77::201", false),
];
/// How long it holds, or since when it does not, in ms.
const LEFT_MS: i64 = 3_600_000;
/// A test run shows a program at TC no frame whose headers are not whole.
const WHOLE: usize = 14 + 40;

/// A line of a table.
struct Golden {
    what: String,
    /// Whether it meets what the one before it left.
    follows: bool,
    passes: bool,
    reason: Reason,
    frame: Vec<u8>,
}

#[test]
fn the_tables_are_as_large_as_is_said() -> Result<()> {
    for (name, text) in TABLES {
        let count = read(name, text)?.len();
        ensure!(count >= LEAST, "{name}: {count} packets");
    }
    Ok(())
}

#[test]
fn the_pure_judge_agrees_with_every_packet() -> Result<()> {
    let generation = generation()?;
    let mut wrong = Vec::new();
    for (name, text) in TABLES {
        let mut tables = fresh(&generation)?;
        for golden in read(name, text)? {
            if !golden.follows {
                tables = fresh(&generation)?;
            }
            let reason = match parse(&golden.frame[..]) {
                Ok(datagram) => tables.judge_frame(&golden.frame, &datagram).reason,
                Err(reason) => reason,
            };
            if reason != golden.reason {
                wrong.push(format!("{name}: {}: {}", golden.what, reason.name()));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn the_kernel_agrees_with_every_packet() -> Result<()> {
    let config = table::config(POLICY)?;
    with(|kernel| {
        kernel.put_into_force(&config, &own()?)?;
        let mut wrong = Vec::new();
        for (name, text) in TABLES {
            let table = read(name, text)?;
            wrong.extend(at_xdp(kernel, name, &table)?);
            wrong.extend(at_tc(kernel, name, &table)?);
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    })
}

/// What the program at XDP says otherwise, when it judges and when it is only asked.
fn at_xdp(kernel: &mut Kernel, name: &str, table: &[Golden]) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for golden in table {
        renew(kernel, golden)?;
        let (asked, seen) = (
            kernel.ask(&golden.frame)?.reason,
            kernel.judge(&golden.frame)?,
        );
        if asked != golden.reason || seen != golden.seen() {
            let what = &golden.what;
            wrong.push(format!("{name}: {what}: {seen:?}, asked {asked:?}"));
        }
    }
    Ok(wrong)
}

fn at_tc(kernel: &mut Kernel, name: &str, table: &[Golden]) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for golden in table {
        renew(kernel, golden)?;
        if golden.frame.len() < WHOLE {
            continue;
        }
        let seen = kernel.judge_tc(&golden.frame)?;
        if seen != golden.seen() {
            wrong.push(format!("{name}, at TC: {}: {seen:?}", golden.what));
        }
    }
    Ok(wrong)
}

/// Lets the programs forget all that they have seen, unless a packet follows another.
fn renew(kernel: &Kernel, golden: &Golden) -> Result<()> {
    if golden.follows {
        return Ok(());
    }
    kernel.forget()?;
    for (address, holds) in LEARNED {
        let left_ms = if holds { LEFT_MS } else { -1 };
        kernel.teach(address.parse()?, NAME, left_ms)?;
    }
    Ok(())
}

fn generation() -> Result<Generation> {
    let own = own()?;
    let circumstances = Circumstances {
        own: &own,
        today: TODAY,
    };
    let config = table::config(POLICY)?;
    Ok(compile(&config, circumstances, &mut Ids::default())?)
}

fn own() -> Result<[IpAddr; 2]> {
    let [v4, v6] = OWN;
    Ok([v4.parse()?, v6.parse()?])
}

/// The judge's tables with what was learned, and nothing else.
fn fresh(generation: &Generation) -> Result<HostTables<'_>> {
    let pattern = generation.pattern_of(NAME).context("no such pattern")?.id;
    let now_ms = LEFT_MS.unsigned_abs();
    let learned = LEARNED.map(|(address, holds)| -> Result<_> {
        let address: IpAddr = address.parse()?;
        let expires_ms = if holds { 2 * now_ms } else { now_ms - 1 };
        let slot = Slot {
            pattern,
            expires_ms,
        };
        Ok((
            LearnedKey::for_all(address.into()),
            Learned::first(slot, now_ms),
        ))
    });
    Ok(HostTables {
        learned: learned.into_iter().collect::<Result<HashMap<_, _>>>()?,
        now_ms,
        ..HostTables::new(generation)
    })
}

impl Golden {
    /// What a program must do and count.
    fn seen(&self) -> Seen {
        let action = if self.passes {
            Action::Allow
        } else {
            Action::Drop
        };
        Seen {
            passes: self.passes,
            counted: (action, self.reason),
        }
    }
}

/// Reads a table: lines of a name, a verdict and bytes, parted by bars.
fn read(name: &str, text: &str) -> Result<Vec<Golden>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| one(name, line).with_context(|| format!("{name}: {line}")))
        .collect()
}

fn one(name: &str, line: &str) -> Result<Golden> {
    let mut cells = line.split('|').map(str::trim);
    let (what, verdict, bytes) = (cells.next(), cells.next(), cells.next());
    let (what, verdict, bytes) = (
        what.context("no name")?,
        verdict.context("no verdict")?,
        bytes.context("no bytes")?,
    );
    let (word, reason) = verdict.split_once(' ').context("no reason")?;
    let mut reasons = Reason::ALL.iter().copied();
    let reason = reasons.find(|known| known.name() == reason);
    let reason = reason.context("no such reason")?;
    let passes = word == "pass";
    ensure!(
        (passes || word == "drop") && passes == reason.passes(),
        "the reason contradicts the verdict"
    );
    Ok(Golden {
        what: what.trim_start_matches("+ ").to_owned(),
        follows: what.starts_with("+ "),
        passes,
        reason,
        frame: frame(name, bytes)?,
    })
}
