//! What the guest tells the host: one line a marker, written by the init and read by xtask.
//!
//! Both include this file, so that neither can say what the other does not understand.

use std::{
    fmt::{self, Display, Formatter},
    str::FromStr,
};

/// One line on the guest's second serial port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Marker {
    /// The init runs, on this kernel.
    Began { kernel: String },
    /// The kernel took a program.
    Verified(Verified),
    /// The kernel refused a program; what it says of it follows as output of that name.
    Refused { program: String },
    /// A test has started.
    Started { test: String },
    /// A line that a test printed, or the verifier's word on a refused program.
    Said { test: String, line: String },
    /// A test has ended.
    Ended {
        test: String,
        end: End,
        milliseconds: u64,
    },
    /// Everything was run, whatever came of it.
    Done,
}

/// How the kernel's verifier judged a program, and what that took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    pub program: String,
    /// Instructions that the verifier walked through.
    pub instructions: u64,
    /// Bytes of stack, summed over the program and its functions.
    pub stack: u64,
    /// How long the verifier took.
    pub microseconds: u64,
}

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It succeeded.
    Passed,
    /// It ended otherwise.
    Failed,
    /// It was ended at its time limit.
    Hung,
}

impl End {
    const ALL: [Self; 3] = [Self::Passed, Self::Failed, Self::Hung];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Hung => "hung",
        }
    }
}

/// A line that is no marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMarker;

impl Display for Marker {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Began { kernel } => write!(out, "began {kernel}"),
            Self::Verified(Verified {
                program,
                instructions,
                stack,
                microseconds,
            }) => write!(
                out,
                "verified {program} {instructions} {stack} {microseconds}"
            ),
            Self::Refused { program } => write!(out, "refused {program}"),
            Self::Started { test } => write!(out, "started {test}"),
            Self::Said { test, line } => write!(out, "said {test} {line}"),
            Self::Ended {
                test,
                end,
                milliseconds,
            } => write!(out, "ended {test} {} {milliseconds}", end.word()),
            Self::Done => out.write_str("done"),
        }
    }
}

impl FromStr for Marker {
    type Err = NoMarker;

    fn from_str(line: &str) -> Result<Self, NoMarker> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let fields: Vec<&str> = rest.split(' ').collect();
        Ok(match (word, fields.as_slice()) {
            ("began", [kernel]) if !kernel.is_empty() => Self::Began {
                kernel: (*kernel).to_owned(),
            },
            ("verified", [program, instructions, stack, microseconds]) => {
                Self::Verified(Verified {
                    program: (*program).to_owned(),
                    instructions: number(instructions)?,
                    stack: number(stack)?,
                    microseconds: number(microseconds)?,
                })
            }
            ("refused", [program]) => Self::Refused {
                program: (*program).to_owned(),
            },
            ("started", [test]) => Self::Started {
                test: (*test).to_owned(),
            },
            ("said", [test, ..]) => Self::Said {
                test: (*test).to_owned(),
                line: rest.get(test.len() + 1..).unwrap_or_default().to_owned(),
            },
            ("ended", [test, end, milliseconds]) => Self::Ended {
                test: (*test).to_owned(),
                end: end_of(end)?,
                milliseconds: number(milliseconds)?,
            },
            ("done", [""]) => Self::Done,
            _ => return Err(NoMarker),
        })
    }
}

fn number(text: &str) -> Result<u64, NoMarker> {
    text.parse().map_err(|_| NoMarker)
}

fn end_of(word: &str) -> Result<End, NoMarker> {
    let end = End::ALL.into_iter().find(|end| end.word() == word);
    end.ok_or(NoMarker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let test = || "flows::it_passes".to_owned();
        for marker in [
            Marker::Began {
                kernel: "6.1.0-56-cloud-amd64".to_owned(),
            },
            Marker::Verified(Verified {
                program: "lan_ingress".to_owned(),
                instructions: 13_245,
                stack: 208,
                microseconds: 81_000,
            }),
            Marker::Refused {
                program: "lan_egress".to_owned(),
            },
            Marker::Started { test: test() },
            Marker::Said {
                test: test(),
                line: "done  with  spaces".to_owned(),
            },
            Marker::Said {
                test: test(),
                line: String::new(),
            },
            Marker::Ended {
                test: test(),
                end: End::Hung,
                milliseconds: 120_000,
            },
            Marker::Done,
        ] {
            assert_eq!(marker.to_string().parse(), Ok(marker));
        }
    }

    #[test]
    fn other_lines_are_no_markers() {
        for line in [
            "",
            "done and dusted",
            "began",
            "ended flows::it_passes cheerfully 3",
            "verified lan_ingress many 1 1",
            "[    0.5] Kernel panic - not syncing",
        ] {
            assert_eq!(line.parse::<Marker>(), Err(NoMarker), "{line}");
        }
    }
}
