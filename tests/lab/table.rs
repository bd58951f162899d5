//! Tables of frames: what each is, and what must become of it.

use anyhow::{Result, anyhow, ensure};
use egress_common::verdict::{Action, Reason};
use egress_ctl::config::Config;

use crate::frame::ETHERNET;
use crate::kernel::{Kernel, Seen, with};

/// What a frame is, its bytes, and why it must pass or be dropped.
pub type Row = (&'static str, Vec<u8>, Reason);

/// Bytes of an Ethernet header and one of IPv6.
const WHOLE: usize = ETHERNET + 40;
/// Frames of test runs that fit into a page with what the kernel puts around them.
const PAGE: usize = 3520;

/// Puts a config into force and judges frames one after the other; complains of all that are judged
/// otherwise. What passes is allowed, what does not is dropped.
pub fn judge_all(config: &str, own: &[&str], rows: &[Row]) -> Result<()> {
    let config = self::config(config)?;
    let own: Vec<_> = own
        .iter()
        .map(|text| text.parse())
        .collect::<Result<_, _>>()?;
    with(|kernel| {
        kernel.put_into_force(&config, &own)?;
        let mut wrong = Vec::new();
        for (what, frame, reason) in rows {
            wrong.extend(complaint(kernel, what, frame, *reason)?);
        }
        // The same at TC. A test run shows it no frame whose headers are not whole, and none beyond a page.
        kernel.forget()?;
        let fits = |row: &&Row| (WHOLE..=PAGE).contains(&row.1.len());
        for (what, frame, reason) in rows.iter().filter(fits) {
            let (seen, expected) = (kernel.judge_tc(frame)?, expected(*reason));
            if seen != expected {
                wrong.push(format!("{what}, at TC: {seen:?}, expected {expected:?}"));
            }
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    })
}

/// What is wrong with the verdict on a frame; it must be the same when it is only asked for.
fn complaint(
    kernel: &mut Kernel,
    what: &str,
    frame: &[u8],
    reason: Reason,
) -> Result<Option<String>> {
    let expected = expected(reason);
    let asked = kernel.ask(frame)?.reason;
    let seen = kernel.judge(frame)?;
    let bytes = frame.len();
    Ok((seen != expected || asked != reason).then(|| {
        format!("{what} ({bytes} bytes): {seen:?}, asked {asked:?}, expected {expected:?}")
    }))
}

fn expected(reason: Reason) -> Seen {
    let passes = reason.passes();
    let action = if passes { Action::Allow } else { Action::Drop };
    Seen {
        passes,
        counted: (action, reason),
    }
}

/// A config from its text.
pub fn config(text: &str) -> Result<Config> {
    Config::parse(text).map_err(|problems| anyhow!("{problems:?}"))
}
