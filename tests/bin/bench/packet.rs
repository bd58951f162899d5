//! Nanoseconds a packet: the filter's programs beside the least that a program can do, with destinations
//! that differ.

mod answer;
mod query;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use egress_common::verdict::{Action, Reason};
use lab::frame::{Frame, Transport};
use lab::kernel::Kernel;

use super::catalogue::{Catalogue, own};
use super::effort::Effort;
use super::feeder::{Feeder, Program, TC_ACT_UNSPEC, Values, XDP_DROP, XDP_PASS};
use super::measure::{Series, Subject, interleaved};
use super::report::Findings;

const SECTION: &str = "ns of CPU a packet (BPF_PROG_TEST_RUN)";
const UNIT: &str = "ns";
const CLIENT_V4: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 2);
const CLIENT_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x20, 0, 0, 0, 0, 0, 2);
/// The group's only name.
const GROUP: &str = "clients";
const HTTPS: u16 = 443;
/// Where an Ethernet frame has its destination address.
const DESTINATION_V4: u32 = 30;
const DESTINATION_V6: u32 = 38;
/// How many destinations there are where nothing else is said.
const SOME: usize = 1 << 10;
/// Counts of destinations.
const COUNTS: [usize; 3] = [1, SOME, 1 << 16];
/// How a config asks for the tables that were there first, and what they are called here.
const AS_BEFORE: &str = "lookup = \"trie\"";
const EARLIER: &str = "allowed, earlier LPM_TRIE";
/// Longer than any bench.
const LEARNED_MS: i64 = 3_600_000;
/// The catalogue that most is measured with, and the largest.
const FEW: usize = 500;
const MANY: usize = 100_000;

/// Measures all.
pub(super) fn measure(pin_dir: &Path, effort: Effort) -> Result<Findings> {
    let mut kernels = Vec::new();
    for size in effort.sizes() {
        kernels.push(Filled::new(pin_dir, *size)?);
    }
    let mut earlier = Vec::new();
    for size in effort.sizes() {
        earlier.extend(Filled::as_before(pin_dir, *size)?);
    }
    let mut subjects = floors(effort)?;
    for filled in &mut kernels {
        filled.allowed(&mut subjects, effort)?;
        if filled.catalogue.len() == FEW {
            filled.beside(&mut subjects, effort)?;
        }
    }
    for filled in &mut earlier {
        subjects.push(filled.allowed_v4(EARLIER, SOME, effort)?);
    }
    let measured = interleaved(&mut subjects, effort.rounds(), effort)?;
    let names = subjects.iter().map(|subject| subject.name.clone());
    let measured = names.zip(measured.into_iter().map(Series)).collect();
    let mut findings = findings(measured, effort)?;
    if earlier.is_empty() {
        findings.skip(EARLIER, "there are no other tables than those in force");
    }
    Ok(findings)
}

/// Programs in the kernel with a catalogue in force.
struct Filled {
    kernel: Kernel,
    catalogue: Catalogue,
}

impl Filled {
    fn new(pin_dir: &Path, size: usize) -> Result<Self> {
        let mut kernel = Kernel::load(&pin_dir.with_file_name(format!("bench-{size}")))?;
        let catalogue = Catalogue::of(size);
        kernel.put_into_force(&catalogue.config()?, &own())?;
        Ok(Self { kernel, catalogue })
    }

    /// With the tables of an earlier design, where the config lets choose them.
    fn as_before(pin_dir: &Path, size: usize) -> Result<Option<Self>> {
        let catalogue = Catalogue::of(size);
        let Ok(config) = catalogue.config_with(AS_BEFORE) else {
            return Ok(None);
        };
        let mut kernel = Kernel::load(&pin_dir.with_file_name(format!("before-{size}")))?;
        kernel.put_into_force(&config, &own())?;
        Ok(Some(Self { kernel, catalogue }))
    }

    /// Adds packets to listed destinations, for the filter and for the plain program.
    fn allowed(&mut self, subjects: &mut Vec<Subject<'_>>, effort: Effort) -> Result<()> {
        let size = self.catalogue.len();
        for count in COUNTS {
            subjects.push(self.allowed_v4("allowed", count, effort)?);
        }
        let frames = Frames::v6(&self.catalogue.destinations_v6(SOME));
        let name = allowed("allowed, IPv6", size, SOME);
        subjects.push(self.judged(name, frames, (Action::Allow, Reason::Prefix), effort)?);

        let frames = Frames::v4(&self.catalogue.destinations_v4(SOME));
        let mut feeder = frames.feed(&Program::OwnXdp("plain_lpm"))?;
        feeder.list(&self.catalogue.v4)?;
        subjects.push(timed(
            allowed("plain LPM_TRIE", size, SOME),
            feeder,
            XDP_PASS,
            effort,
        )?);
        Ok(())
    }

    /// Packets to listed destinations of IPv4.
    fn allowed_v4<'a>(&mut self, what: &str, count: usize, effort: Effort) -> Result<Subject<'a>> {
        let frames = Frames::v4(&self.catalogue.destinations_v4(count));
        let name = allowed(what, self.catalogue.len(), count);
        self.judged(name, frames, (Action::Allow, Reason::Prefix), effort)
    }

    /// Adds packets to other destinations, and DNS.
    fn beside(&mut self, subjects: &mut Vec<Subject<'_>>, effort: Effort) -> Result<()> {
        let strangers = self.catalogue.strangers_v4(2 * SOME);
        let (unlisted, taught) = strangers.split_at(SOME);
        let reason = (Action::Drop, Reason::NeverResolved);
        subjects.push(self.judged("denied".into(), Frames::v4(unlisted), reason, effort)?);
        for address in taught {
            let address = IpAddr::V4(*address);
            self.kernel.teach(address, "*.bench.example", LEARNED_MS)?;
        }
        let reason = (Action::Allow, Reason::Learned);
        subjects.push(self.judged("learned".into(), Frames::v4(taught), reason, effort)?);
        subjects.push(query::subject(&mut self.kernel, effort)?);
        subjects.extend(answer::subjects(&mut self.kernel, effort)?);
        Ok(())
    }

    /// The program at LAN ingress; all packets must get this verdict.
    fn judged<'a>(
        &mut self,
        name: String,
        frames: Frames,
        (action, reason): (Action, Reason),
        effort: Effort,
    ) -> Result<Subject<'a>> {
        let packets = frames.values.values.len() as u32;
        let program = self.kernel.ingress()?.fd()?.try_clone()?;
        let mut feeder = frames.feed(&Program::Xdp(&program))?;
        let group = self.kernel.ids().groups().find(|(name, _)| *name == GROUP);
        let (_, group) = group.context("the config has a group")?;
        let before = self.kernel.count_of(group, action, reason)?.packets;
        feeder.run(packets)?;
        let counted = self.kernel.count_of(group, action, reason)?.packets - before;
        ensure!(
            counted == u64::from(packets),
            "{name}: of {packets} packets {counted} were counted as {reason:?}"
        );
        let becomes = if action == Action::Allow {
            XDP_PASS
        } else {
            XDP_DROP
        };
        timed(name, feeder, becomes, effort)
    }
}

/// Frames that differ by their destinations.
struct Frames {
    frame: Vec<u8>,
    values: Values,
}

impl Frames {
    fn v4(destinations: &[Ipv4Addr]) -> Self {
        let frame = Frame::new(
            CLIENT_V4.into(),
            Ipv4Addr::UNSPECIFIED.into(),
            Transport::Tcp(40_000, HTTPS),
        );
        Self {
            frame: frame.to_bytes(),
            values: Values::of(DESTINATION_V4, destinations.iter().map(Ipv4Addr::octets)),
        }
    }

    fn v6(destinations: &[Ipv6Addr]) -> Self {
        let frame = Frame::new(
            CLIENT_V6.into(),
            Ipv6Addr::UNSPECIFIED.into(),
            Transport::Tcp(40_000, HTTPS),
        );
        Self {
            frame: frame.to_bytes(),
            values: Values::of(DESTINATION_V6, destinations.iter().map(Ipv6Addr::octets)),
        }
    }

    fn feed(self, program: &Program<'_>) -> Result<Feeder> {
        Feeder::new(program, self.frame, &self.values)
    }
}

/// What is called with as many packets as fit into a measurement; each must get this action.
fn timed<'a>(name: String, mut feeder: Feeder, action: u32, effort: Effort) -> Result<Subject<'a>> {
    let packets = feeder.packets_in(effort.time())?;
    Ok(Subject::new(name, move || {
        feeder.nanoseconds(packets, action)
    }))
}

/// The least that can be done with a frame that differs.
fn floors<'a>(effort: Effort) -> Result<Vec<Subject<'a>>> {
    let catalogue = Catalogue::of(FEW);
    let some = || Frames::v4(&catalogue.destinations_v4(SOME));
    let feeder = some().feed(&Program::OwnXdp("return_only"))?;
    let mut floors = vec![timed(FLOOR.into(), feeder, XDP_PASS, effort)?];
    for count in COUNTS {
        let frames = Frames::v4(&catalogue.destinations_v4(count));
        let feeder = frames.feed(&Program::OwnXdp("parse_only"))?;
        floors.push(timed(base(count), feeder, XDP_PASS, effort)?);
    }
    let feeder =
        Frames::v6(&catalogue.destinations_v6(SOME)).feed(&Program::OwnXdp("parse_only"))?;
    floors.push(timed(BASE_V6.into(), feeder, XDP_PASS, effort)?);
    let feeder = query::frames()?.feed(&Program::OwnTc("return_only_tc"))?;
    floors.push(timed(FLOOR_TC.into(), feeder, TC_ACT_UNSPEC, effort)?);
    Ok(floors)
}

const BASE_V6: &str = "parse and vary, IPv6";
const FLOOR: &str = "return only";
const FLOOR_TC: &str = "return only, TC";

fn base(count: usize) -> String {
    format!("parse and vary, {}", destinations(count))
}

fn allowed(what: &str, size: usize, count: usize) -> String {
    format!("{what}, {size} prefixes, {}", destinations(count))
}

fn destinations(count: usize) -> String {
    match count {
        1 => "1 destination".to_owned(),
        _ => format!("{count} destinations"),
    }
}

/// Rows and ratios of what was measured under which name.
fn findings(measured: Vec<(String, Series)>, effort: Effort) -> Result<Findings> {
    let mut findings = Findings::default();
    for (name, series) in &measured {
        findings.row(SECTION, name, UNIT, series);
    }
    let of = |name: String| -> Result<&Series> {
        let found = measured.iter().find(|(known, _)| *known == name);
        Ok(&found.with_context(|| format!("{name} was not measured"))?.1)
    };
    findings.floor(of(FLOOR.into())?);
    let few = of(allowed("allowed", FEW, SOME))?;
    let few_v6 = of(allowed("allowed, IPv6", FEW, SOME))?;
    let base = of(base(SOME))?;
    findings.ratio("allowed_500", &few.over(base));
    findings.ratio("allowed_v6_500", &few_v6.over(base));
    findings.ratio("denied", &of("denied".into())?.over(base));
    findings.ratio("learned", &of("learned".into())?.over(base));
    let plain = of(allowed("plain LPM_TRIE", FEW, SOME))?;
    findings.ratio("lpm_over_ours_500", &plain.over(few));
    let answer = of(answer::CNAME_4A.into())?;
    // The bound is one over the return-only program of XDP; that of TC is a row of its own.
    findings.ratio(
        "dns_answer_cname_4a_over_floor",
        &answer.over(of(FLOOR.into())?),
    );
    match effort.leaves_out(MANY) {
        Some(reason) => findings.skip("allowed_100k_over_500", reason),
        None => {
            let many = of(allowed("allowed", MANY, SOME))?;
            findings.ratio("allowed_100k_over_500", &many.over(few));
        }
    }
    Ok(findings)
}
