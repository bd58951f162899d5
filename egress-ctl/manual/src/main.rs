//! `egress-manual FOLDER`: man pages and shell completions of `egress-ctl`, as its command line has them.
//!
//! Out come `FOLDER/man` with a page for each command, and `FOLDER/completions` with a file for each shell, which
//! asks the program itself, since that knows what sets, groups and clients there are. It is a program of its own, so that `egress-ctl` holds nothing that only its packages are made with.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::{Command, CommandFactory as _};
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};
use egress_ctl::cli::{Cli, examples::EXAMPLES};

/// What pages say below: what they belong to, and above: of which manual they are.
const SOURCE: &str = concat!("egress ", env!("CARGO_PKG_VERSION"));
const MANUAL: &str = "Egress filter";

/// Shells that Debian completes by files of packages, and what these hold: each time what the program that is
/// installed takes, so that no file is of another version.
const COMPLETIONS: [(&str, &str); 3] = [
    ("egress-ctl.bash", "source <(COMPLETE=bash egress-ctl)\n"),
    (
        "_egress-ctl",
        "#compdef egress-ctl\nsource <(COMPLETE=zsh egress-ctl)\n",
    ),
    ("egress-ctl.fish", "COMPLETE=fish egress-ctl | source\n"),
];

fn main() -> Result<()> {
    let folder = env::args_os().nth(1);
    let folder = folder.context("name the folder to write into: egress-manual FOLDER")?;
    write(Path::new(&folder))
}

fn write(folder: &Path) -> Result<()> {
    pages(&emptied(&folder.join("man"))?)?;
    completions(&emptied(&folder.join("completions"))?)
}

/// Without what a command wrote that is gone by now.
fn emptied(folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder.to_owned())
}

fn pages(folder: &Path) -> Result<()> {
    let mut command = Cli::command().disable_help_subcommand(true);
    // Gives commands below others their whole names.
    command.build();
    page(&command, folder)
}

/// Writes the page of a command, and those of what is below it.
fn page(command: &Command, folder: &Path) -> Result<()> {
    for below in command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
    {
        page(below, folder)?;
    }
    let page = Man::new(command.clone()).source(SOURCE).manual(MANUAL);
    let file = folder.join(page.get_filename());
    let mut text = Vec::new();
    page.render(&mut text)?;
    examples(command).to_writer(&mut text)?;
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// The section with the examples of a command; all of them for the program itself.
fn examples(command: &Command) -> Roff {
    let name = command.get_bin_name().unwrap_or_default();
    let (_, path) = name.split_once(' ').unwrap_or_default();
    let shown = EXAMPLES.iter();
    let shown = shown.filter(|example| path.is_empty() || example.of == path);
    let mut roff = Roff::new();
    for (i, example) in shown.enumerate() {
        if i == 0 {
            roff.control("SH", ["EXAMPLES"]);
        }
        roff.control("TP", []);
        roff.text([roman(example.what)]);
        roff.text([bold(example.line)]);
    }
    roff
}

fn completions(folder: &Path) -> Result<()> {
    for (name, text) in COMPLETIONS {
        let file = folder.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_and_every_shell_its_completion() -> Result<()> {
        let dir = tempfile::tempdir()?;
        write(dir.path())?;
        // Twice, as on a later build.
        write(dir.path())?;
        let man = dir.path().join("man");
        let mut pages = 1;
        for command in Cli::command().get_subcommands() {
            let page = man.join(format!("egress-ctl-{}.1", command.get_name()));
            let text = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
            assert!(text.contains(".SH SYNOPSIS"), "{text}");
            pages += 1 + command.get_subcommands().count();
        }
        assert_eq!(fs::read_dir(&man)?.count(), pages);
        let main = fs::read_to_string(man.join("egress-ctl.1"))?;
        assert!(main.contains("egress\\-ctl\\-enforce(1)"), "{main}");
        assert!(main.contains("EGRESS_STATE_DIR"), "{main}");
        let on = fs::read_to_string(man.join("egress-ctl-bypass-on.1"))?;
        for page in [&main, &on] {
            let (_, examples) = page.split_once(".SH EXAMPLES").context("no examples")?;
            assert!(
                examples.contains("egress\\-ctl bypass on \\-\\-for 10m"),
                "{page}"
            );
        }
        let detach = fs::read_to_string(man.join("egress-ctl-detach.1"))?;
        assert!(!detach.contains("EXAMPLES"), "{detach}");
        for (file, text) in [
            ("egress-ctl.bash", "COMPLETE=bash egress-ctl"),
            ("_egress-ctl", "#compdef egress-ctl"),
            ("egress-ctl.fish", "COMPLETE=fish egress-ctl"),
        ] {
            let completion = fs::read_to_string(dir.path().join("completions").join(file))?;
            assert!(completion.contains(text), "{file}");
        }
        Ok(())
    }
}
