//! Examples of commands, for who is in a hurry: help shows them below the options, man pages in a section of their
//! own. Tests run all of them.

use clap::{Command, CommandFactory as _};

use super::Cli;

/// A command line, and what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// The command that it is of, without the program: `dns show`.
    pub of: &'static str,
    /// What it is for.
    pub what: &'static str,
    /// What is typed.
    pub line: &'static str,
}

/// All examples, in the order in which a first day needs them.
pub const EXAMPLES: &[Example] = &[
    example(
        "doctor",
        "Is anything wrong with this machine?",
        "egress-ctl doctor",
    ),
    example(
        "config check",
        "Is this config right, before it is loaded?",
        "egress-ctl config check /etc/egress/egress.toml",
    ),
    example(
        "status",
        "What is in force, and what it does",
        "egress-ctl status",
    ),
    example(
        "watch",
        "What does this laptop try in vain?",
        "egress-ctl watch client=10.20.0.7",
    ),
    example(
        "watch",
        "What would a group lose by mode enforce, but for DNS?",
        "egress-ctl watch 'group=staging and action=would-drop and not port=53'",
    ),
    example(
        "explain",
        "Why can it not reach a name?",
        "egress-ctl explain 10.20.0.7 enterpriseregistration.windows.net",
    ),
    example(
        "explain",
        "And an address, a port and a protocol?",
        "egress-ctl explain 10.20.0.7 104.46.162.100:8443/udp",
    ),
    example(
        "check",
        "Which endpoint sets have a name?",
        "egress-ctl check graph.windows.net",
    ),
    example(
        "dns show",
        "All that is known of a name",
        "egress-ctl dns show enterpriseregistration.windows.net",
    ),
    example(
        "dns unresolved",
        "Destinations that nobody looked up",
        "egress-ctl dns unresolved --reverse",
    ),
    example(
        "dns flush",
        "Forget the addresses of a name, and end its connections",
        "egress-ctl dns flush enterpriseregistration.windows.net --connections",
    ),
    example(
        "enforce",
        "Enforce for five minutes, and longer only if somebody confirms",
        "egress-ctl enforce --confirm-within 5m",
    ),
    example("confirm", "From a new connection", "egress-ctl confirm"),
    example(
        "config apply",
        "Another config, on trial likewise",
        "egress-ctl config apply new.toml --confirm-within 5m",
    ),
    example(
        "confirm",
        "Back to what was before, at once",
        "egress-ctl confirm --give-up",
    ),
    example(
        "bypass on",
        "Let everything pass for ten minutes",
        "egress-ctl bypass on --for 10m",
    ),
    example("bypass off", "And drop again", "egress-ctl bypass off"),
    example(
        "feed status",
        "What came from Microsoft, what waits, what goes",
        "egress-ctl feed status",
    ),
    example(
        "feed rollback",
        "Back to the list of before",
        "egress-ctl feed rollback 1 m365",
    ),
];

const fn example(of: &'static str, what: &'static str, line: &'static str) -> Example {
    Example { of, what, line }
}

/// Those of a command.
pub fn of(command: &str) -> impl Iterator<Item = &'static Example> {
    EXAMPLES.iter().filter(move |example| example.of == command)
}

/// The command line, with examples in its help.
pub fn command() -> Command {
    with_help(Cli::command(), "")
}

/// Adds examples to the help of a command and of those below it; `path` is what it is called by.
fn with_help(command: Command, path: &str) -> Command {
    let below: Vec<_> = command
        .get_subcommands()
        .map(|one| one.get_name().to_owned())
        .collect();
    let command = below.into_iter().fold(command, |command, name| {
        let path = format!("{path} {name}");
        command.mut_subcommand(&name, |one| with_help(one, path.trim_start()))
    });
    let told: Vec<_> = of(path)
        .map(|example| format!("  {}\n      {}", example.what, example.line))
        .collect();
    match told.is_empty() {
        true => command,
        false => command.after_help(format!("Examples:\n{}", told.join("\n"))),
    }
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches as _;

    use super::*;

    #[test]
    fn examples_parse_as_commands_that_they_are_of() {
        for example in EXAMPLES {
            let words = example.line.replace('\'', "");
            let begins = words
                .strip_prefix("egress-ctl ")
                .is_some_and(|rest| rest.starts_with(example.of));
            assert!(begins, "{example:?}");
            let quoted = example.line.split('\'').enumerate();
            let typed = quoted.flat_map(|(i, part)| match i % 2 {
                0 => part.split_whitespace().map(str::to_owned).collect(),
                _ => vec![part.to_owned()],
            });
            let matches = command().try_get_matches_from(typed);
            let parsed = matches.and_then(|matches| Cli::from_arg_matches(&matches));
            if let Err(fault) = parsed {
                panic!("{}: {fault}", example.line);
            }
        }
    }

    #[test]
    fn help_shows_them() {
        let mut command = command();
        let on = command
            .find_subcommand_mut("bypass")
            .and_then(|bypass| bypass.find_subcommand_mut("on"));
        let help = on
            .map(|on| on.render_help().to_string())
            .unwrap_or_default();
        assert!(help.contains("Examples:\n  Let everything pass for ten minutes\n      egress-ctl bypass on --for 10m"), "{help}");
    }
}
