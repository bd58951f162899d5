//! How a whole run ended: the transcript, QEMU's end and the console in, one word and its
//! explanation out.

use std::process::ExitStatus;

use super::transcript::Transcript;

/// As much of the console as an error shows.
const LAST_LINES: usize = 50;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The guest told all.
    Done,
    /// The init was never heard of.
    NeverBegan(String),
    /// The kernel gave up.
    Panicked,
    /// The guest asked for a restart.
    Rebooted,
    /// QEMU ended before the end marker.
    Ended(String),
    /// The time was up.
    Late(u64),
}

/// How QEMU ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// By itself.
    Exited(ExitStatus),
    /// It was ended, after this many seconds.
    Late(u64),
    /// It was ended because the init had not begun, after this many seconds.
    Mute(u64),
}

impl Fate {
    pub(crate) fn of(transcript: &Transcript, ending: Ending, console: &str) -> Self {
        if transcript.done {
            return Self::Done;
        }
        if console.contains("Kernel panic - not syncing") {
            return Self::Panicked;
        }
        match ending {
            Ending::Mute(seconds) => Self::NeverBegan(format!("within {seconds} s")),
            Ending::Exited(status) if transcript.release.is_none() => {
                Self::NeverBegan(format!("before QEMU ended ({status})"))
            }
            Ending::Exited(_) if console.contains("reboot: Restarting system") => Self::Rebooted,
            Ending::Exited(status) => Self::Ended(status.to_string()),
            Ending::Late(seconds) => Self::Late(seconds),
        }
    }

    /// What happened, while what ran, and the end of the console.
    pub(crate) fn explain(&self, transcript: &Transcript, console: &str) -> String {
        let what = match self {
            Self::Done => return "all was told".to_owned(),
            Self::NeverBegan(when) => format!("the init did not start {when}"),
            Self::Panicked => "the kernel panicked".to_owned(),
            Self::Rebooted => "the guest rebooted".to_owned(),
            Self::Ended(status) => format!("QEMU ended ({status}) without the end marker"),
            Self::Late(seconds) => format!("the guest hangs: no end within {seconds} s"),
        };
        let running = match transcript.running.as_slice() {
            [] => String::new(),
            tests => format!(", while {} ran", tests.join(" and ")),
        };
        format!("{what}{running}\n{}", last_lines(console))
    }
}

fn last_lines(console: &str) -> String {
    let lines: Vec<_> = console.lines().map(str::trim_end).collect();
    let Some(last) = lines.len().checked_sub(1) else {
        return "the console shows nothing".to_owned();
    };
    let shown = &lines[(last + 1).saturating_sub(LAST_LINES)..];
    format!(
        "the last {} lines of the console:\n  {}",
        shown.len(),
        shown.join("\n  ")
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn every_way_to_end_has_its_word() {
        const BEGAN: &[&str] = &["began 6.1", "started self-test::x"];
        const PANIC: &str = "[ 4.2] Kernel panic - not syncing: sysrq triggered crash\r\n";
        let exited = Ending::Exited(ExitStatus::from_raw(0));
        let ended = exited_text();
        for (what, told, ending, console, fate) in [
            (
                "all told",
                &["began 6.1", "done"][..],
                exited,
                "",
                Fate::Done,
            ),
            (
                "told, then stuck",
                &["began 6.1", "done"],
                Ending::Late(9),
                "",
                Fate::Done,
            ),
            ("panic", BEGAN, exited, PANIC, Fate::Panicked),
            ("panic before init", &[], exited, PANIC, Fate::Panicked),
            (
                "restart",
                BEGAN,
                exited,
                "reboot: Restarting system",
                Fate::Rebooted,
            ),
            (
                "no marker",
                BEGAN,
                exited,
                "reboot: Power down",
                Fate::Ended(ended.clone()),
            ),
            ("hang", BEGAN, Ending::Late(60), "", Fate::Late(60)),
            (
                "mute",
                &[],
                Ending::Mute(30),
                "",
                Fate::NeverBegan("within 30 s".to_owned()),
            ),
            (
                "no start",
                &[],
                exited,
                "",
                Fate::NeverBegan(format!("before QEMU ended ({ended})")),
            ),
        ] {
            let mut transcript = Transcript::default();
            for line in told {
                transcript.take(line.parse().expect(line));
            }
            assert_eq!(Fate::of(&transcript, ending, console), fate, "{what}");
        }
    }

    fn exited_text() -> String {
        ExitStatus::from_raw(0).to_string()
    }

    #[test]
    fn the_explanation_names_the_test_and_ends_with_fifty_lines() {
        let mut transcript = Transcript::default();
        transcript.take("started a::b".parse().expect("a marker"));
        let console: String = (1..=80).map(|line| format!("line {line}\r\n")).collect();
        let said = Fate::Panicked.explain(&transcript, &console);
        assert!(
            said.starts_with("the kernel panicked, while a::b ran\nthe last 50 lines"),
            "{said}"
        );
        assert!(
            said.contains("line 31\n") && !said.contains("line 30\n"),
            "{said}"
        );
        let said = Fate::Late(60).explain(&Transcript::default(), "");
        assert!(said.ends_with("the console shows nothing"), "{said}");
    }
}
