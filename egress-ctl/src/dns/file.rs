//! Names on disk.
//!
//! `STATE/dns/names.jsonl` holds all names, whole; `since.jsonl` the lines that came since then, one write a
//! look at the ring; `import-*.jsonl` what `dns import` brings and the daemon has not taken in yet. A line that
//! cannot be read is left out and told. Who reads them all knows what the daemon knew when it wrote last,
//! which it does on demand (`wanted`).

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime},
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::names::{Line, Names};
use crate::durable::{self, FileError};

/// Format of the file of all names.
const SCHEMA: &str = "egress.names/1";
/// A longer file of what is new is folded into the file of all names.
const SINCE_MAX: u64 = 4 << 20;
const IMPORT: &str = "import-";

/// First line of the file of all names.
#[derive(Serialize, Deserialize)]
struct Header {
    schema: String,
}

/// The folder of names.
#[derive(Clone, Debug)]
pub struct NamesFile {
    folder: PathBuf,
}

impl NamesFile {
    /// That of a folder of state.
    pub fn of(state_dir: &Path) -> Self {
        Self {
            folder: state_dir.join("dns"),
        }
    }

    /// All names, and what is wrong with the files.
    pub fn read(&self) -> (Names, Vec<String>) {
        let mut names = Names::default();
        let mut complaints = self.take_whole(&mut names);
        complaints.extend(take_lines(&self.since(), 0, &mut names));
        for import in self.imports() {
            complaints.extend(take_lines(&import, 0, &mut names));
        }
        (names, complaints)
    }

    /// What came since all names were written.
    pub fn news(&self) -> Names {
        let mut names = Names::default();
        // What is wrong with it is told by who reads all.
        let _: Vec<String> = take_lines(&self.since(), 0, &mut names);
        names
    }

    fn take_whole(&self, names: &mut Names) -> Vec<String> {
        let path = self.whole();
        let Ok(text) = fs::read_to_string(&path) else {
            return absent(&path);
        };
        let header = text.lines().next().map(serde_json::from_str::<Header>);
        match header {
            Some(Ok(header)) if header.schema == SCHEMA => take_lines(&path, 1, names),
            _ => vec![format!(
                "{} is not of the form {SCHEMA}: its names are discarded, and come back as clients ask again",
                path.display()
            )],
        }
    }

    /// Adds lines to what is new.
    ///
    /// # Errors
    /// The disk is full or not writable; then nothing is added.
    pub fn append(&self, lines: &[Line]) -> Result<(), FileError> {
        let path = self.since();
        let fault = |source| FileError {
            what: "write",
            path: path.clone(),
            source,
        };
        durable::folder(&self.folder)?;
        let text = texts(lines.iter().cloned());
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let mut file = file.map_err(fault)?;
        let before = file.metadata().map_err(fault)?.len();
        file.write_all(text.as_bytes()).map_err(|source| {
            // Where even this fails, the line that is cut off is left out by who reads it.
            let _: io::Result<()> = file.set_len(before);
            fault(source)
        })
    }

    /// When they were written last, as far as there are any.
    pub fn written(&self) -> Option<SystemTime> {
        let files = [self.whole(), self.since()].into_iter();
        let written = files.filter_map(|path| fs::metadata(path).ok()?.modified().ok());
        written.max()
    }

    /// Whether what is new is long enough to be folded in.
    pub fn is_long(&self) -> bool {
        fs::metadata(self.since()).is_ok_and(|file| file.len() > SINCE_MAX)
    }

    /// Writes all names, whole or not at all, synced; nothing is new any more.
    ///
    /// # Errors
    /// The disk is full or not writable; the files stay as they were.
    pub fn save(&self, names: &Names) -> Result<(), FileError> {
        durable::folder(&self.folder)?;
        let header = Header {
            schema: SCHEMA.to_owned(),
        };
        let mut text = serde_json::to_string(&header).unwrap_or_default();
        text.push('\n');
        text += &texts(names.lines());
        durable::replace(&self.whole(), text.as_bytes())?;
        durable::remove(&self.since())
    }

    /// Asks the daemon to write what it knows, and waits until it did, for no longer than `limit`.
    pub fn freshen(&self, limit: Duration) {
        const PAUSE: Duration = Duration::from_millis(10);
        let path = self.wanted();
        if durable::folder(&self.folder).is_err() || File::create(&path).is_err() {
            return;
        }
        let end = Instant::now() + limit;
        while path.exists() && Instant::now() < end {
            thread::sleep(PAUSE);
        }
    }

    /// Whether somebody waits for what the daemon knows.
    pub fn is_wanted(&self) -> bool {
        self.wanted().exists()
    }

    /// Says that it is written.
    ///
    /// # Errors
    /// The disk is not writable.
    pub fn is_fresh(&self) -> Result<(), FileError> {
        durable::remove(&self.wanted())
    }

    /// Leaves lines for the daemon to take in.
    ///
    /// # Errors
    /// The disk is full or not writable.
    pub fn import(&self, lines: impl Iterator<Item = Line>) -> Result<(), FileError> {
        durable::folder(&self.folder)?;
        let name = format!("{IMPORT}{}.jsonl", Uuid::new_v4());
        durable::replace(&self.folder.join(name), texts(lines).as_bytes())
    }

    /// Takes in what `dns import` left, and tells what is wrong with it; nothing where there was nothing.
    pub fn take_imports(&self, names: &mut Names) -> Option<Vec<String>> {
        let imports = self.imports();
        if imports.is_empty() {
            return None;
        }
        let mut complaints = Vec::new();
        for import in imports {
            complaints.extend(take_lines(&import, 0, names));
            complaints.extend(
                durable::remove(&import)
                    .err()
                    .map(|fault| fault.to_string()),
            );
        }
        Some(complaints)
    }

    fn imports(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let is_import = |path: &PathBuf| {
            let name = path.file_name().map(|name| name.to_string_lossy());
            name.is_some_and(|name| name.starts_with(IMPORT) && name.ends_with(".jsonl"))
        };
        entries
            .map(|entry| entry.path())
            .filter(is_import)
            .collect()
    }

    fn whole(&self) -> PathBuf {
        self.folder.join("names.jsonl")
    }

    fn wanted(&self) -> PathBuf {
        self.folder.join("wanted")
    }

    fn since(&self) -> PathBuf {
        self.folder.join("since.jsonl")
    }
}

fn texts(lines: impl Iterator<Item = Line>) -> String {
    let mut text = String::new();
    for line in lines {
        // A line is data that JSON can always hold.
        text += &serde_json::to_string(&line).unwrap_or_default();
        text.push('\n');
    }
    text
}

/// Takes the lines of a file in, from the one behind `skip` on.
fn take_lines(path: &Path, skip: usize, names: &mut Names) -> Vec<String> {
    let Ok(bytes) = fs::read(path) else {
        return absent(path);
    };
    let mut damaged = 0;
    for line in bytes.split(|byte| *byte == b'\n').skip(skip) {
        match serde_json::from_slice(line) {
            Ok(line) => names.take(line),
            Err(_) if line.is_empty() => {}
            Err(_) => damaged += 1,
        }
    }
    let path = path.display();
    let complaint = format!("{path}: {damaged} lines cannot be read and are left out");
    (damaged > 0).then_some(complaint).into_iter().collect()
}

/// What to say of a file that cannot be read; nothing where there is none.
fn absent(path: &Path) -> Vec<String> {
    let fault = fs::metadata(path).err();
    match fault {
        Some(fault) if fault.kind() == io::ErrorKind::NotFound => Vec::new(),
        _ => vec![format!("{} cannot be read as text", path.display())],
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use jiff::Timestamp;

    use super::*;
    use crate::dns::names::Naming;

    fn line(last: u8, name: &str) -> Line {
        let address = IpAddr::from([203, 0, 113, last]);
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let naming = Naming {
            name: name.to_owned(),
            chain: Vec::new(),
            pattern: Some("*.x.y".to_owned()),
            ttl: 60,
            clients: vec![[10, 0, 0, 1].into()],
            answers: 1,
            first: at,
            last: at,
        };
        Line::Address {
            address,
            names: vec![naming],
        }
    }

    fn known(file: &NamesFile) -> (Vec<String>, Vec<String>) {
        let (names, complaints) = file.read();
        let lines = names.lines().flat_map(|line| match line {
            Line::Address { names, .. } => names,
            Line::Refused(_) => Vec::new(),
        });
        let mut known: Vec<_> = lines.map(|naming| naming.name).collect();
        known.sort();
        (known, complaints)
    }

    #[test]
    fn names_come_back_from_all_files_and_imports_are_taken_in_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = NamesFile::of(dir.path());
        assert_eq!(
            known(&file),
            (Vec::new(), Vec::new()),
            "no file is no fault"
        );
        let mut names = Names::default();
        names.take(line(1, "a.x.y"));
        file.save(&names).unwrap();
        file.append(&[line(2, "b.x.y")]).unwrap();
        file.import([line(3, "c.x.y")].into_iter()).unwrap();
        let all = ["a.x.y", "b.x.y", "c.x.y"];
        assert_eq!(known(&file), (all.map(str::to_owned).to_vec(), Vec::new()));
        let (mut names, _) = file.read();
        assert_eq!(file.take_imports(&mut names), Some(Vec::new()));
        assert_eq!(file.take_imports(&mut names), None);
        file.save(&names).unwrap();
        assert_eq!(fs::read_dir(dir.path().join("dns")).unwrap().count(), 1);
        assert_eq!(known(&file).0, all);
    }

    #[test]
    fn damaged_files_cost_what_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let file = NamesFile::of(dir.path());
        file.append(&[line(1, "a.x.y"), line(2, "b.x.y")]).unwrap();
        let text = fs::read_to_string(file.since()).unwrap();
        let cut = text.len() - 20;
        fs::write(file.since(), &text[..cut]).unwrap();
        let (names, complaints) = known(&file);
        assert_eq!(names, ["a.x.y"]);
        assert!(
            complaints[0].contains("1 lines cannot be read"),
            "{complaints:?}"
        );
        for damage in [
            "{\"schema\":\"egress.names/9\"}\n",
            "",
            "{\"sch",
            "\u{0}\u{0}",
        ] {
            fs::write(file.whole(), damage).unwrap();
            let (names, complaints) = known(&file);
            assert_eq!(names, ["a.x.y"], "{damage}");
            assert!(
                complaints[0].contains("discarded"),
                "{damage}: {complaints:?}"
            );
        }
        fs::write(file.whole(), [0xff, 0xfe]).unwrap();
        assert!(known(&file).1[0].contains("cannot be read as text"));
    }

    #[test]
    fn a_disk_that_takes_nothing_is_an_error_and_no_loss() {
        let dir = tempfile::tempdir().unwrap();
        let file = NamesFile::of(dir.path());
        fs::write(dir.path().join("dns"), "in the way of the folder").unwrap();
        let error = file.append(&[line(1, "a.x.y")]).unwrap_err().to_string();
        assert!(error.contains("dns"), "{error}");
        assert!(file.save(&Names::default()).is_err());
    }
}
