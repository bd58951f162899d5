//! Names through the loaded program: which pattern teaches, of random patterns.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use egress_common::learned::Slot;
use egress_common::pattern::NamePattern;
use egress_ctl::config::Config;
use egress_ctl::policy::meet;
use fastrand::Rng;
use lab::answer::Answer;
use lab::frame::{Frame, Transport};
use lab::kernel::{self, Kernel};

const GATEWAY: &str = "10.20.0.1";
const CLIENT: &str = "10.20.0.2";
const A: &str = "203.0.113.7";

/// Policies of the property test, and names asked for with each.
const POLICIES: usize = 30;
const NAMES: usize = 60;

#[test]
fn the_kernel_finds_all_patterns_that_match_a_random_name() -> Result<()> {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let mut met = BTreeMap::new();
    kernel::with(|kernel| {
        for _ in 0..POLICIES {
            let patterns: Vec<NamePattern> = patterns(&mut rng);
            let names: Vec<String> = (0..NAMES).map(|_| name(&mut rng)).collect();
            for (name, text) in teachers(kernel, &patterns, &names)? {
                let matching = patterns.iter().filter(|pattern| pattern.matches(&name));
                let expected = meet::text(&meet::narrowest(matching));
                ensure!(
                    text == expected,
                    "{name}: by {text:?}, expected {expected:?}: {patterns:?}"
                );
                *met.entry(meet::patterns(&text).len()).or_insert(0) += 1;
            }
        }
        Ok(())
    })?;
    // Names of no pattern, of one and of several.
    ensure!(
        (0..3).all(|patterns| met.contains_key(&patterns)),
        "{met:?}"
    );
    Ok(())
}

#[test]
fn microsofts_names_with_a_star_inside_are_learned() -> Result<()> {
    let patterns = [
        "autodiscover.*.onmicrosoft.com",
        "payloadprod*.blob.core.windows.net",
        "*.blob.core.windows.net",
        "a-*.x.y",
    ];
    let table = [
        (
            "autodiscover.contoso.onmicrosoft.com",
            "autodiscover.*.onmicrosoft.com",
        ),
        (
            "AutoDiscover.Contoso.OnMicrosoft.com",
            "autodiscover.*.onmicrosoft.com",
        ),
        ("autodiscover.onmicrosoft.com", ""),
        (
            "payloadprod7.blob.core.windows.net",
            "payloadprod*.blob.core.windows.net",
        ),
        (
            "payloadprod.blob.core.windows.net",
            "*.blob.core.windows.net",
        ),
        ("payload.blob.core.windows.net", "*.blob.core.windows.net"),
        ("a-1.x.y", "a-*.x.y"),
        ("a-.x.y", ""),
        ("b.a-1.x.y", ""),
    ];
    let patterns = patterns.map(|text| text.parse().expect("a pattern"));
    let names = table.map(|(name, _)| name.to_owned());
    kernel::with(|kernel| {
        let taught = teachers(kernel, &patterns, &names)?;
        for ((name, expected), (_, text)) in table.iter().zip(taught) {
            ensure!(text == *expected, "{name}: by {text:?}");
        }
        Ok(())
    })
}

/// The text of what teaches the address of each name, with these patterns in force; empty for nothing.
fn teachers(
    kernel: &mut Kernel,
    patterns: &[NamePattern],
    names: &[String],
) -> Result<Vec<(String, String)>> {
    let texts: Vec<String> = patterns.iter().map(ToString::to_string).collect();
    let config = Config::parse(&format!(
        "[gateway]\nmode = \"enforce\"\nlan = [\"lan\"]\nresolvers = [\"gateway\"]\n\
         [source.r]\nkind = \"custom\"\n[[source.r.set]]\nid = 1\nurls = {texts:?}\ntcpPorts = \"443\"\n\
         [group.g]\nclients = [\"10.20.0.0/16\"]\nallow = [\"r\"]\n"
    ))
    .map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let generation = kernel.put_into_force(&config, &[GATEWAY.parse()?])?;
    let mut taught = Vec::new();
    for name in names {
        kernel.forget_addresses()?;
        let payload = Answer::to(name).address(A, 60).to_bytes();
        let payload = Transport::Udp(53, 40_000, payload);
        let frame = Frame::new(GATEWAY.parse()?, CLIENT.parse()?, payload);
        ensure!(kernel.answer(&frame.to_bytes())?, "an answer must pass on");
        let learned = kernel.learned(A.parse()?)?;
        let slot = learned.and_then(|learned| Slot::from_word(learned.slots[0]));
        let id = slot.map(|slot| slot.pattern);
        let expected = generation.pattern_of(name).map(|teacher| teacher.id);
        ensure!(
            id == expected,
            "{name}: by {id:?}, in user space by {expected:?}: {texts:?}"
        );
        let text = id.map(|id| kernel.ids().pattern_named(id).context("an id"));
        taught.push((name.clone(), text.transpose()?.unwrap_or("").to_owned()));
    }
    Ok(taught)
}

/// Patterns of every kind, of few letters.
fn patterns(rng: &mut Rng) -> Vec<NamePattern> {
    let mut patterns = std::collections::BTreeSet::new();
    for _ in 0..4 + rng.usize(..20) {
        let text = match rng.u8(..8) {
            0 => name(rng),
            1 => format!("*{}", name(rng)),
            2 => format!("*.{}", name(rng)),
            3 => format!("{}*", text(rng, 3)),
            4 | 5 => format!("{}*{}", text(rng, 3), name(rng)),
            _ => format!("{}*.{}", text(rng, 3), name(rng)),
        };
        patterns.extend(text.parse::<NamePattern>());
    }
    patterns.into_iter().collect()
}

fn name(rng: &mut Rng) -> String {
    loop {
        let name = text(rng, 8);
        let name = name.trim_matches('.');
        if !name.is_empty() {
            return name.to_owned();
        }
    }
}

fn text(rng: &mut Rng, longest: usize) -> String {
    const PIECES: [&str; 7] = ["a", "b", "aa", "ab", "a.", "b.", "1"];
    let pieces = (0..1 + rng.usize(..longest)).map(|_| PIECES[rng.usize(..PIECES.len())]);
    pieces.collect::<String>()
}
