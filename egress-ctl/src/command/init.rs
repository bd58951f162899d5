//! `egress-ctl init`: a first config, in mode audit.

use std::{
    fs::{self, Permissions},
    io::{self, BufRead as _, IsTerminal as _},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use super::{config::warnings, output::print};
use crate::{
    durable,
    init::{draft::Draft, surroundings::Surroundings},
};

/// Look at this machine, ask at most five questions, and write a config in mode audit
#[derive(Args)]
pub struct Init {
    /// Where to write the config
    #[arg(long, value_name = "FILE", default_value = "/etc/egress/egress.toml")]
    output: PathBuf,
    /// Replace a config that is there
    #[arg(long)]
    force: bool,
    /// Ask nothing: what no option says is as it was found
    #[arg(long, short)]
    yes: bool,
    /// Interfaces with clients behind them, such as eth1,eth2
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    lan: Option<Vec<String>>,
    /// Addresses of the clients, such as 10.20.0.0/16,fd00:20::/64
    #[arg(long, value_name = "PREFIXES", value_delimiter = ',')]
    clients: Option<Vec<String>>,
    /// What they may reach, such as intune,m365:Common/required
    #[arg(long, value_name = "SELECTORS", value_delimiter = ',')]
    allow: Option<Vec<String>>,
    /// Resolvers whose answers teach: `gateway` for this machine, or addresses
    #[arg(long, value_name = "RESOLVERS", value_delimiter = ',')]
    resolvers: Option<Vec<String>>,
    /// Whether to keep the Microsoft 365 list current from the web service
    #[arg(long, value_name = "yes|no", value_parser = yes_or_no)]
    follow: Option<bool>,
}

/// Where a decision stands in a draft.
type Place = fn(&mut Draft) -> &mut Vec<String>;

/// Questions whose answer is a list.
const QUESTIONS: [(&str, Place); 4] = [
    ("Interfaces with clients behind them", |draft| {
        &mut draft.lan
    }),
    ("Addresses of these clients", |draft| &mut draft.clients),
    ("What they may reach", |draft| &mut draft.allow),
    ("Resolvers whose answers teach", |draft| {
        &mut draft.resolvers
    }),
];
const FOLLOW: &str = "Keep Microsoft's list current from its web service";

impl Init {
    /// Runs the command.
    ///
    /// # Errors
    /// A config is there already, nothing is known of where clients are, or what was said is wrong.
    pub fn run(self) -> Result<()> {
        let file = &self.output;
        ensure!(
            self.force || !file.exists(),
            "{} is there already: name another --output, or replace it by --force",
            file.display()
        );
        let found = Draft::of(&Surroundings::look()?);
        let draft = self.decided(found)?;
        let config = draft.check().map_err(|problems| {
            let told = problems
                .iter()
                .map(|one| format!("{}: {}", one.key, one.message));
            anyhow::anyhow!("{}", told.collect::<Vec<_>>().join("\n"))
        })?;
        if let Some(folder) = file
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            durable::folder(folder)?;
        }
        let path = std::path::absolute(file)?;
        durable::replace(&path, draft.to_string().as_bytes())?;
        fs::set_permissions(&path, Permissions::from_mode(0o644))?;
        let file = file.display();
        let warned = warnings(&config)?;
        let warned = warned.iter().map(|warning| format!("warning: {warning}\n"));
        print(&format!(
            "{draft}\n{file} says so, in mode audit: nothing is dropped\n{}next: systemctl enable --now egress, or egress-ctl run --config {file}\n      egress-ctl status: what would be dropped, and why\n      egress-ctl enforce --confirm-within 5m: drop it, and go back unless you confirm\n",
            warned.collect::<String>()
        ))
    }

    /// What options say, else what is answered, else what was found.
    fn decided(&self, mut draft: Draft) -> Result<Draft> {
        let said = [&self.lan, &self.clients, &self.allow, &self.resolvers];
        for ((question, place), said) in QUESTIONS.into_iter().zip(said) {
            match said {
                Some(said) => place(&mut draft).clone_from(said),
                None if self.yes => {}
                None => ask_for_list(question, place, &mut draft)?,
            }
        }
        match self.follow {
            Some(follow) => draft.follows = follow,
            None if self.yes => {}
            None => draft.follows = ask_for_consent(FOLLOW)?,
        }
        ensure!(
            !draft.lan.is_empty(),
            "there is no interface that is up, has addresses, and is not the way to everywhere else: name those with clients behind them with --lan"
        );
        Ok(draft)
    }
}

/// Asks until the answer is right; an empty one takes what was found.
fn ask_for_list(question: &str, place: Place, draft: &mut Draft) -> Result<()> {
    loop {
        let found = place(draft).join(",");
        let answer = answer(&format!("{question} [{found}]: "))?;
        let mut tried = draft.clone();
        if !answer.is_empty() {
            let items = answer.split([',', ' ']).filter(|item| !item.is_empty());
            *place(&mut tried) = items.map(str::to_owned).collect();
        }
        match tried.check() {
            Ok(_) => {
                *draft = tried;
                return Ok(());
            }
            Err(problems) => {
                for problem in problems {
                    print(&format!("  {}\n", problem.message))?;
                }
            }
        }
    }
}

fn ask_for_consent(question: &str) -> Result<bool> {
    loop {
        let answer = answer(&format!("{question} [yes]: "))?;
        if answer.is_empty() {
            return Ok(true);
        }
        if let Ok(answer) = yes_or_no(&answer) {
            return Ok(answer);
        }
    }
}

fn answer(question: &str) -> Result<String> {
    ensure!(
        io::stdin().is_terminal(),
        "nobody is there to answer: take what was found by --yes, or say it by options"
    );
    print(question)?;
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    if read.context("cannot read the answer")? == 0 {
        bail!("no answer: nothing was written");
    }
    Ok(line.trim().to_owned())
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "yes" | "y" => Ok(true),
        "no" | "n" => Ok(false),
        _ => Err("say yes or no".to_owned()),
    }
}
