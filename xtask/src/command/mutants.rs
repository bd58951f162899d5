//! `cargo xtask mutants`: breaks the code that decides, one place after the other; a unit test must notice each.

use std::process::ExitCode;

use anyhow::{Result, bail};

use super::setup;
use crate::{
    checkout::Checkout,
    mutants::{self, AREAS, Area},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Areas of the code: judge, quote, rule, dns, policy, diff; all of them if none is named
    areas: Vec<String>,
    /// Only mutants whose names match this regular expression
    #[arg(long, value_name = "REGEX")]
    only: Option<String>,
}

pub(crate) fn run(checkout: &Checkout, args: &Args) -> Result<ExitCode> {
    setup::for_building(checkout)?;
    let areas = chosen(&args.areas)?;
    let mut is_good = true;
    for area in areas {
        let found = mutants::run(checkout, area, args.only.as_deref())?;
        println!("{found}");
        is_good &= found.is_good();
    }
    Ok(if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn chosen(named: &[String]) -> Result<Vec<&'static Area>> {
    let find = |name: &String| AREAS.iter().find(|area| area.name == name);
    if let Some(stranger) = named.iter().find(|name| find(name).is_none()) {
        let all = AREAS.map(|area| area.name).join(", ");
        bail!("no area {stranger}; there are: {all}");
    }
    Ok(if named.is_empty() {
        AREAS.iter().collect()
    } else {
        named.iter().filter_map(find).collect()
    })
}
