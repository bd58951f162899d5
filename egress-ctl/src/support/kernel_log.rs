//! Lines of the kernel's log that are about filtering.
//!
//! In: /dev/kmsg, whose records are read one at a time (Documentation/ABI/testing/dev-kmsg). Out: their texts.

use std::{
    fs::OpenOptions,
    io::{self, ErrorKind, Read as _},
    os::unix::fs::OpenOptionsExt as _,
};

/// Words of lines that matter.
const WORDS: [&str; 4] = ["egress", "bpf", "xdp", "ring buffer"];
/// Longest record.
const RECORD_MAX: usize = 8192;
/// Lines that are kept, the newest ones.
pub const LINES: usize = 500;

/// The newest lines that matter.
///
/// # Errors
/// This user may not read them.
pub fn lines() -> io::Result<Vec<String>> {
    let mut log = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/kmsg")?;
    let mut record = [0; RECORD_MAX];
    let mut lines = Vec::new();
    loop {
        match log.read(&mut record) {
            Ok(0) => break,
            Ok(len) => lines.extend(line(record.get(..len).unwrap_or_default())),
            Err(fault) if fault.kind() == ErrorKind::WouldBlock => break,
            // Records were overwritten meanwhile.
            Err(fault) if fault.raw_os_error() == Some(libc::EPIPE) => {}
            Err(fault) => return Err(fault),
        }
    }
    let old = lines.len().saturating_sub(LINES);
    lines.drain(..old);
    Ok(lines)
}

/// Time and text of a record that matters: behind priority, number, time and flags stands its text.
fn line(record: &[u8]) -> Option<String> {
    let record = String::from_utf8_lossy(record);
    let (head, text) = record.split_once(';')?;
    let text = text.lines().next()?;
    let micros: u64 = head.split(',').nth(2)?.parse().ok()?;
    let lower = text.to_lowercase();
    let matters = WORDS.iter().any(|word| lower.contains(word));
    matters.then(|| {
        format!(
            "[{:>5}.{:06}] {text}",
            micros / 1_000_000,
            micros % 1_000_000
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_matter_are_lines() {
        let table: [(&[u8], Option<&str>); 4] = [
            (
                b"6,1234,5000123,-;eth1: Driver has XDP loaded\n SUBSYSTEM=net\n",
                Some("[    5.000123] eth1: Driver has XDP loaded"),
            ),
            (b"6,1,5,-;usb 1-1: new device\n", None),
            (b"6,1,x,-;bpf\n", None),
            (b"", None),
        ];
        for (record, expected) in table {
            assert_eq!(line(record).as_deref(), expected);
        }
    }
}
