//! What each program may cost on each kernel, checked in: what was measured in, complaints out.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, bail};

use super::marker::Verified;
use crate::checkout::Checkout;

const HEAD: &str = "\
# The most that a program may cost: kernel, program, instructions that the verifier walks through,
# bytes of stack over all functions, milliseconds that it takes under emulation.
# `cargo xtask vm-test --update-budget` writes what it measures, and some room.
";

/// The file of budgets.
pub(crate) struct Budget {
    file: PathBuf,
    lines: Vec<Line>,
}

/// One program on one kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    kernel: String,
    program: String,
    pub(crate) instructions: u64,
    pub(crate) stack: u64,
    pub(crate) milliseconds: u64,
}

impl Budget {
    pub(crate) fn read(checkout: &Checkout) -> Result<Self> {
        let file = checkout.root().join("tests/vm/budget");
        let text = fs::read_to_string(&file).unwrap_or_default();
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        let lines = lines.map(Line::parse).collect::<Result<_>>();
        let lines = lines.with_context(|| format!("in {}", file.display()))?;
        Ok(Self { file, lines })
    }

    pub(crate) fn of(&self, kernel: &str, program: &str) -> Option<&Line> {
        let own = |line: &&Line| line.kernel == kernel && line.program == program;
        self.lines.iter().find(own)
    }

    /// What is too much, or has no budget.
    pub(crate) fn complaints(&self, kernel: &str, measured: &Verified) -> Vec<String> {
        let program = &measured.program;
        let Some(line) = self.of(kernel, program) else {
            return vec![format!("{program} on {kernel} has no budget")];
        };
        let all = [
            (
                "verified instructions",
                measured.instructions,
                line.instructions,
            ),
            ("bytes of stack", measured.stack, line.stack),
            (
                "ms of verification",
                measured.microseconds / 1000,
                line.milliseconds,
            ),
        ];
        let over = all.into_iter().filter(|(_, is, may)| is > may);
        over.map(|(what, is, may)| format!("{program} on {kernel}: {is} {what}, budget {may}"))
            .collect()
    }

    /// Writes down what was measured as what may be.
    pub(crate) fn update(&mut self, kernel: &str, measured: &[Verified]) -> Result<()> {
        self.lines.retain(|line| line.kernel != kernel);
        let fresh = measured
            .iter()
            .map(|verified| Line::with_room(kernel, verified));
        self.lines.extend(fresh);
        let lines: String = self.lines.iter().map(Line::format).collect();
        fs::write(&self.file, format!("{HEAD}{lines}"))
            .with_context(|| format!("cannot write {}", self.file.display()))
    }
}

impl Line {
    fn parse(line: &str) -> Result<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let &[kernel, program, instructions, stack, milliseconds] = words.as_slice() else {
            bail!("not kernel, program and three numbers: {line}");
        };
        Ok(Self {
            kernel: kernel.to_owned(),
            program: program.to_owned(),
            instructions: instructions.parse()?,
            stack: stack.parse()?,
            milliseconds: milliseconds.parse()?,
        })
    }

    /// A tenth more for the next compiler; time depends on what else the machine does.
    fn with_room(kernel: &str, measured: &Verified) -> Self {
        Self {
            kernel: kernel.to_owned(),
            program: measured.program.clone(),
            instructions: measured.instructions + measured.instructions / 10,
            stack: (measured.stack + measured.stack / 10).next_multiple_of(8),
            milliseconds: (measured.microseconds / 100).next_multiple_of(1000),
        }
    }

    fn format(&self) -> String {
        let Self {
            kernel,
            program,
            instructions,
            stack,
            milliseconds,
        } = self;
        format!("{kernel} {program} {instructions} {stack} {milliseconds}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(instructions: u64, stack: u64, microseconds: u64) -> Verified {
        Verified {
            program: "lan_ingress".to_owned(),
            instructions,
            stack,
            microseconds,
        }
    }

    #[test]
    fn only_what_is_over_budget_is_complained_of() {
        let line = Line::parse("6.1 lan_ingress 34000 320 3000").expect("a budget");
        let budget = Budget {
            file: PathBuf::new(),
            lines: vec![line],
        };
        for (kernel, verified, expected) in [
            ("6.1", measured(34_000, 320, 3_000_999), &[][..]),
            (
                "6.1",
                measured(34_001, 328, 1),
                &[
                    "lan_ingress on 6.1: 34001 verified instructions, budget 34000",
                    "lan_ingress on 6.1: 328 bytes of stack, budget 320",
                ],
            ),
            (
                "6.12",
                measured(1, 1, 1),
                &["lan_ingress on 6.12 has no budget"],
            ),
        ] {
            assert_eq!(budget.complaints(kernel, &verified), expected);
        }
    }

    #[test]
    fn a_new_budget_has_room() {
        let line = Line::with_room("6.1", &measured(31_121, 296, 203_000));
        assert_eq!(line.format(), "6.1 lan_ingress 34233 328 3000\n");
        assert_eq!(Line::parse(line.format().trim()).expect("a line"), line);
    }
}
