//! `cargo xtask drill NAME`: one of the lab's proofs, with its own flags.

use std::{ffi::OsString, process::ExitCode};

use anyhow::Result;

use super::{build::Profile, setup};
use crate::{checkout::Checkout, dist, lab, privilege};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The drill and its flags: `drill NAME --help` explains one, `drill` alone lists them
    #[arg(
        value_names = ["NAME", "FLAGS"],
        num_args = 0..,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) drill: Vec<OsString>,
}

pub(crate) fn run(checkout: &Checkout, args: &Args) -> Result<ExitCode> {
    let mut words = args.drill.clone();
    if is_of_package(&words) {
        privilege::require("drill")?;
        setup::for_building(checkout)?;
        words.extend(["--binary".into(), dist::program(checkout)?.into()]);
    }
    lab::hand_over(checkout, ("drill", Profile::Release), &words)
}

/// Whether a drill is about what is handed out, and nothing else was named.
fn is_of_package(words: &[OsString]) -> bool {
    let mut words = words.iter().map(|word| word.to_string_lossy());
    words.next().is_some_and(|name| name == "footprint")
        && !words.any(|word| word.starts_with("--binary") || word == "--help" || word == "-h")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_footprint_is_that_of_the_package_unless_another_program_is_named() {
        for (words, expected) in [
            (&["footprint"][..], true),
            (&["footprint", "--seconds", "5"], true),
            (&["footprint", "--binary", "x"], false),
            (&["footprint", "--binary=x"], false),
            (&["footprint", "--help"], false),
            (&["restart", "footprint"], false),
            (&[], false),
        ] {
            let words: Vec<OsString> = words.iter().map(Into::into).collect();
            assert_eq!(is_of_package(&words), expected, "{words:?}");
        }
    }
}
