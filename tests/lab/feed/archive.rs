//! The editions that are served: a folder in, instances with their editions by version out.
//!
//! Two layouts, also mixed: `INSTANCE/VERSION.json`, and files whose names hold both, such as
//! `endpoints-worldwide-2026-05-31.json` or `USGovDoD_2026033100_typed.json`. Eight digits are the
//! day's first version. What is named otherwise, and `changes-…` and `version-…`, is left alone.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::change::Change;
use super::derive;
use super::edition::{Edition, NoEdition};
use super::version::Version;

/// The names that the service gives to its instances.
const KNOWN: [&str; 5] = ["Worldwide", "China", "USGovDoD", "USGovGCCHigh", "Germany"];
/// Words before the name of an instance in a file's name.
const PREFIX: &str = "endpoints";
/// Files of these lie beside the editions and are none.
const OTHERS: [&str; 2] = ["changes", "version"];

/// All instances, by name in lower case.
#[derive(Debug, Clone, Default)]
pub struct Archive(BTreeMap<String, Shelf>);

/// One instance and its editions.
#[derive(Debug, Clone)]
pub struct Shelf {
    /// As the service spells it.
    pub name: String,
    /// Oldest first; never empty.
    editions: BTreeMap<Version, Edition>,
}

/// Why a folder cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file system's own words.
    #[error("{}: {fault}", path.display())]
    Io {
        /// What was read.
        path: PathBuf,
        /// Why not.
        fault: io::Error,
    },
    /// A file that has an edition's name and no edition.
    #[error("{}: {fault}", path.display())]
    Edition {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: NoEdition,
    },
    /// Nothing to serve.
    #[error(
        "{}: no edition in it; name them INSTANCE/VERSION.json or endpoints-INSTANCE-VERSION.json",
        .0.display()
    )]
    Empty(PathBuf),
}

impl Archive {
    /// Reads a folder.
    pub fn read(folder: &Path) -> Result<Self, ArchiveError> {
        let mut archive = Self::default();
        for path in entries(folder)? {
            if path.is_dir() {
                let instance = name(&path);
                for file in entries(&path)? {
                    archive.read_file(&file, Some(&instance))?;
                }
            } else {
                archive.read_file(&path, None)?;
            }
        }
        if archive.0.is_empty() {
            return Err(ArchiveError::Empty(folder.to_owned()));
        }
        Ok(archive)
    }

    /// Puts an edition on its shelf.
    pub fn put(&mut self, instance: &str, version: Version, edition: Edition) {
        let key = instance.to_ascii_lowercase();
        let shelf = self.0.entry(key).or_insert_with(|| Shelf {
            name: spelt(instance),
            editions: BTreeMap::new(),
        });
        shelf.editions.insert(version, edition);
    }

    /// An instance, in whatever case.
    pub fn shelf(&self, instance: &str) -> Option<&Shelf> {
        self.0.get(&instance.to_ascii_lowercase())
    }

    /// All instances.
    pub fn shelves(&self) -> impl Iterator<Item = &Shelf> {
        self.0.values()
    }

    fn read_file(&mut self, path: &Path, folder: Option<&str>) -> Result<(), ArchiveError> {
        let Some((instance, version)) = named(path, folder) else {
            return Ok(());
        };
        let json = fs::read_to_string(path).map_err(|fault| io_error(path, fault))?;
        let edition = Edition::parse(&json).map_err(|fault| ArchiveError::Edition {
            path: path.to_owned(),
            fault,
        })?;
        self.put(&instance, version, edition);
        Ok(())
    }
}

impl Shelf {
    /// All versions, oldest first.
    pub fn versions(&self) -> impl DoubleEndedIterator<Item = Version> + '_ {
        self.editions.keys().copied()
    }

    /// The newest version.
    pub fn newest(&self) -> Version {
        self.versions().next_back().unwrap_or(Version::ZERO)
    }

    /// One edition.
    pub fn edition(&self, version: Version) -> Option<&Edition> {
        self.editions.get(&version)
    }

    /// The records of all versions after one, up to another.
    pub fn changes(&self, after: Version, until: Version) -> Vec<Change> {
        let editions = self.editions.range(..=until);
        let newer = editions.clone().skip(1);
        let mut records = Vec::new();
        for ((_, old), (version, new)) in editions.zip(newer) {
            let first = records.len() as u32 + 1;
            records.extend(derive::changes(old, new, *version, first));
        }
        records.retain(|record: &Change| record.version > after);
        records
    }
}

/// The instance and the version that a path tells.
fn named(path: &Path, folder: Option<&str>) -> Option<(String, Version)> {
    if path.extension()? != "json" {
        return None;
    }
    let stem = path.file_stem()?.to_str()?;
    let mut words = stem.split(['-', '_']).peekable();
    words.next_if(|word| word.eq_ignore_ascii_case(PREFIX));
    let instance = match folder {
        Some(instance) => instance.to_owned(),
        None => words
            .next()
            .filter(|word| !word.is_empty() && word.chars().all(char::is_alphabetic))
            .filter(|word| !OTHERS.contains(word))?
            .to_owned(),
    };
    let digits: String = words.take_while(|word| is_number(word)).collect();
    let digits = match digits.len() {
        8 => digits + "00",
        _ => digits,
    };
    Some((instance, digits.parse().ok()?))
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

fn spelt(instance: &str) -> String {
    let known = KNOWN
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(instance));
    known.unwrap_or(instance).to_owned()
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, ArchiveError> {
    let entries = fs::read_dir(folder).map_err(|fault| io_error(folder, fault))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|fault| io_error(folder, fault))?;
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn io_error(path: &Path, fault: io::Error) -> ArchiveError {
    ArchiveError::Io {
        path: path.to_owned(),
        fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &str = r#"[{"id": 1, "serviceArea": "Common", "serviceAreaDisplayName": "x", "ips": ["40.96.0.0/13"],
        "tcpPorts": "443", "expressRoute": false, "category": "Default", "required": false}]"#;

    #[test]
    fn names_tell_instance_and_version() {
        let table = [
            (
                "endpoints-worldwide-2026-05-31.json",
                None,
                Some(("worldwide", "2026053100")),
            ),
            (
                "endpoints-worldwide-2018080200-derived.json",
                None,
                Some(("worldwide", "2018080200")),
            ),
            (
                "USGovDoD_2026033100_typed.json",
                None,
                Some(("USGovDoD", "2026033100")),
            ),
            (
                "2026053101.json",
                Some("China"),
                Some(("China", "2026053101")),
            ),
            (
                "changes-worldwide-0000000000-at-2020012800.json",
                None,
                None,
            ),
            ("version-at-2020-02-01.json", None, None),
            ("endpoints-worldwide-2026-05.json", None, None),
            ("endpoints-worldwide-2026-05-31.txt", None, None),
            ("README.md", None, None),
            ("2026053101.json", None, None),
        ];
        for (file, folder, expected) in table {
            let expected =
                expected.map(|(name, version)| (name.to_owned(), version.parse().unwrap()));
            assert_eq!(named(Path::new(file), folder), expected, "{file}");
        }
    }

    #[test]
    fn a_folder_of_both_layouts_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, SET).unwrap();
        };
        for path in [
            "endpoints-worldwide-2026-04-05.json",
            "worldwide/2026053100.json",
            "other/2026010100.json",
        ] {
            write(path);
        }
        let archive = Archive::read(folder.path()).unwrap();
        let names: Vec<_> = archive.shelves().map(|shelf| shelf.name.as_str()).collect();
        assert_eq!(names, ["other", "Worldwide"]);
        let shelf = archive.shelf("WORLDWIDE").unwrap();
        assert_eq!(
            (
                shelf.versions().count(),
                shelf.newest().to_string().as_str()
            ),
            (2, "2026053100")
        );
    }

    #[test]
    fn what_cannot_be_served_is_refused_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let error = |folder: &Path| Archive::read(folder).unwrap_err().to_string();
        assert!(error(folder.path()).contains("no edition in it"));
        assert!(error(&folder.path().join("none")).contains("none: No such file"));
        fs::write(
            folder.path().join("endpoints-china-20260101.json"),
            "<html>",
        )
        .unwrap();
        let error = error(folder.path());
        assert!(
            error.contains("endpoints-china-20260101.json: not an array"),
            "{error}"
        );
    }

    #[test]
    fn records_keep_their_numbers_whatever_version_is_asked_from() {
        let edition = |ip: &str| Edition::parse(&SET.replace("40.96.0.0/13", ip)).unwrap();
        let mut archive = Archive::default();
        for (version, ip) in [
            ("2026010100", "1.0.0.0/8"),
            ("2026020100", "2.0.0.0/8"),
            ("2026030100", "3.0.0.0/8"),
        ] {
            archive.put("worldwide", version.parse().unwrap(), edition(ip));
        }
        let shelf = archive.shelf("worldwide").unwrap();
        let ids = |after: &str, until: &str| -> Vec<u32> {
            let changes = shelf.changes(after.parse().unwrap(), until.parse().unwrap());
            changes.iter().map(|record| record.id).collect()
        };
        assert_eq!(ids("0000000000", "2026030100"), [1, 2, 3, 4]);
        assert_eq!(ids("2026020100", "2026030100"), [3, 4]);
        assert_eq!(ids("2026010100", "2026020100"), [1, 2]);
        assert!(ids("2026030100", "2026030100").is_empty());
    }
}
