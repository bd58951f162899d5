//! The command line: arguments in, a [`Task`] out.

use clap::{CommandFactory as _, Parser, Subcommand, error::ErrorKind};

use crate::command::{
    bench, build, coverage, demo, dist, drill, feed_server, fuzz, mutants, soak, test, vm_shell,
    vm_test,
};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Sets up, builds, shows and tests egress"
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Install what is missing: the pinned Rust, the BPF linker, Debian packages
    ///
    /// The linker goes into .tools in the checkout. Packages are installed with apt-get, which takes
    /// root; nothing that they contain is started as a service. Does nothing where all is there.
    Setup,
    /// Set up, then build egress-ctl and the lab
    Build(build::Args),
    /// Show real connections that the filter passes and drops, in network namespaces (root)
    Demo(demo::Args),
    /// Run all unit and integration tests (root)
    Test(test::Args),
    /// Measure what the filter costs beside what others use (root)
    Bench(bench::Args),
    /// Run one of the proofs that anyone can repeat in the lab (root)
    Drill(drill::Args),
    /// Throw everything at the filter for minutes: is a promise ever broken? (root)
    Soak(soak::Args),
    /// Fuzz whatever reads what others wrote: packets, DNS, lists, configs, captures
    Fuzz(fuzz::Args),
    /// Serve a folder of endpoint lists as the Microsoft 365 web service does, with faults on demand
    FeedServer(feed_server::Args),
    /// Run the integration tests in VMs, on the kernels that routers run (root)
    VmTest(vm_test::Args),
    /// Open a shell in a VM, with egress-ctl in it (root)
    VmShell(vm_shell::Args),
    /// Check formatting, and clippy without warnings, on the host crates and the BPF crate
    Lint,
    /// Make the Debian package and the tarball for other distributions, in target/dist
    Dist(dist::Args),
    /// Name every crate that the program is made from, beside the packages in target/dist
    Sbom,
    /// Measure how much of user space its unit tests reach
    Coverage(coverage::Args),
    /// Break the code that decides, one place after the other: does a unit test notice?
    Mutants(mutants::Args),
    /// Check licences, sources and, where the network allows, advisories of every dependency
    Deny,
}

pub(crate) fn parse() -> Task {
    match Cli::try_parse() {
        Ok(cli) => cli.task,
        Err(error) => refuse(&error),
    }
}

fn refuse(error: &clap::Error) -> ! {
    if error.kind() != ErrorKind::InvalidSubcommand {
        error.exit();
    }
    let nearest_is_named = error.print();
    if nearest_is_named.is_ok() {
        eprintln!("\nCommands: {}", names().join(", "));
    }
    std::process::exit(error.exit_code());
}

fn names() -> Vec<String> {
    Cli::command()
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_misspelt_command_gets_the_nearest_one() {
        let misspelt = [
            ("dmeo", "demo"),
            ("tset", "test"),
            ("drlil", "drill"),
            ("set-up", "setup"),
        ];
        for (typed, meant) in misspelt {
            let error = Cli::try_parse_from(["cargo xtask", typed])
                .err()
                .expect(typed);
            assert_eq!(error.kind(), ErrorKind::InvalidSubcommand, "{typed}");
            assert!(
                error.to_string().contains(&format!("'{meant}'")),
                "{typed}: {error}"
            );
        }
    }

    #[test]
    fn the_readme_names_commands_that_there_are() {
        let readme = include_str!("../../README.md");
        let lines = readme.lines().map(|line| line.trim_start_matches("$ "));
        let mut shown = 0;
        for line in lines.filter(|line| line.starts_with("cargo xtask ")) {
            let words = line.split_whitespace().skip(2);
            let words = words.take_while(|word| *word != "#");
            let typed = ["cargo xtask"].into_iter().chain(words);
            if let Err(error) = Cli::try_parse_from(typed) {
                panic!("{line}: {error}");
            }
            shown += 1;
        }
        assert!(shown > 4, "{shown} commands");
    }

    #[test]
    fn a_drill_keeps_its_own_flags() {
        let typed = [
            "cargo xtask",
            "drill",
            "race",
            "--cycles",
            "2000",
            "--json",
            "--help",
        ];
        let cli = Cli::try_parse_from(typed).expect("a drill with flags");
        let Task::Drill(args) = cli.task else {
            panic!("not a drill")
        };
        assert_eq!(args.drill, typed[2..]);
    }
}
