//! Who survived, and who may. An explained survivor is a line `MUTANT | REASON`; a mutant is named by its file and
//! what it changes, without line and column.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
    fs,
    path::Path,
};

use anyhow::{Context as _, Result};

/// What is explained, with reasons.
pub(super) struct Explained(BTreeMap<String, String>);

/// What became of the mutants of an area.
#[derive(Debug)]
pub(crate) struct Found {
    area: String,
    caught: usize,
    /// Their tests did not end.
    endless: usize,
    explained: usize,
    /// As cargo-mutants names them, with line and column.
    unexplained: Vec<String>,
}

impl Explained {
    pub(super) fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file);
        let text = text.with_context(|| format!("cannot read {}", file.display()))?;
        Self::parse(&text).with_context(|| file.display().to_string())
    }

    fn parse(text: &str) -> Result<Self> {
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        let pairs = lines.map(|line| {
            let pair = line
                .rsplit_once(" | ")
                .filter(|(_, reason)| !reason.trim().is_empty());
            let (mutant, reason) = pair.with_context(|| format!("no reason: {line}"))?;
            Ok((mutant.trim().to_owned(), reason.trim().to_owned()))
        });
        pairs.collect::<Result<_>>().map(Self)
    }
}

impl Found {
    /// Reads what cargo-mutants left in a folder.
    pub(super) fn read(area: &str, out: &Path, explained: &Explained) -> Result<Self> {
        let lines = |name: &str| -> Result<Vec<String>> {
            let file = out.join(name);
            let text = fs::read_to_string(&file);
            let text = text.with_context(|| format!("cannot read {}", file.display()))?;
            Ok(text.lines().map(str::to_owned).collect())
        };
        let survived = lines("missed.txt")?;
        let is_explained = |mutant: &String| explained.0.contains_key(&without_place(mutant));
        let (explained, unexplained): (Vec<_>, Vec<_>) =
            survived.into_iter().partition(is_explained);
        Ok(Self {
            area: area.to_owned(),
            caught: lines("caught.txt")?.len(),
            endless: lines("timeout.txt")?.len(),
            explained: explained.len(),
            unexplained,
        })
    }

    pub(crate) fn is_good(&self) -> bool {
        self.unexplained.is_empty()
    }
}

/// `FILE:LINE:COLUMN: CHANGE` as `FILE: CHANGE`.
fn without_place(mutant: &str) -> String {
    let Some((place, change)) = mutant.split_once(": ") else {
        return mutant.to_owned();
    };
    let file = place.split(':').next().unwrap_or(place);
    format!("{file}: {change}")
}

impl Display for Found {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            area,
            caught,
            endless,
            explained,
            unexplained,
        } = self;
        for mutant in unexplained {
            writeln!(out, "SURVIVED {mutant}")?;
        }
        let count = unexplained.len();
        write!(
            out,
            "mutants: {area}: {caught} caught, {endless} endless, {explained} explained, {count} unexplained"
        )
    }
}

#[cfg(test)]
mod tests {
    use std::{env, process};

    use super::*;

    const EXPLAINED: &str = "\
# a comment

a/judge.rs: replace < with <= in judge | both are the same at the bound
a/judge.rs: replace f -> bool with true | it is | always true
";

    fn found(missed: &str) -> Result<Found> {
        let folder =
            env::temp_dir().join(format!("egress-mutants-{}-{}", process::id(), missed.len()));
        fs::create_dir_all(&folder)?;
        for (name, text) in [("missed", missed), ("caught", "x\ny\n"), ("timeout", "")] {
            fs::write(folder.join(name).with_extension("txt"), text)?;
        }
        let found = Found::read("judge", &folder, &Explained::parse(EXPLAINED)?);
        fs::remove_dir_all(folder)?;
        found
    }

    #[test]
    fn an_explained_survivor_is_known_wherever_it_stands() -> Result<()> {
        let found = found("a/judge.rs:7:9: replace < with <= in judge\n")?;
        assert!(found.is_good());
        let text = found.to_string();
        assert_eq!(
            text,
            "mutants: judge: 2 caught, 0 endless, 1 explained, 0 unexplained"
        );
        Ok(())
    }

    #[test]
    fn another_survivor_is_told_with_its_place() -> Result<()> {
        let found = found("a/judge.rs:7:9: replace < with > in judge\n")?;
        assert!(!found.is_good());
        let text = found.to_string();
        assert!(
            text.starts_with("SURVIVED a/judge.rs:7:9: replace < with >"),
            "{text}"
        );
        Ok(())
    }

    #[test]
    fn a_survivor_without_a_reason_is_refused() {
        for line in ["a: b", "a: b | ", "a: b |"] {
            assert!(Explained::parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_committed_survivors_can_be_read() -> Result<()> {
        Explained::parse(include_str!("../../../tests/mutants"))?;
        Ok(())
    }
}
