//! A folder that answers as the service does: `url = "file:///FOLDER"`.
//!
//! ```text
//! FOLDER/INSTANCE/VERSION.json    the answer to /endpoints/INSTANCE at that version, 10 digits
//! FOLDER/INSTANCE/changes.json    the answer to /changes/INSTANCE/0000000000; may be missing
//! ```
//! The highest version is the newest. The instance's folder may be written in any case.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    fetch::{Body, Failed, FetchError, LARGEST, Method},
    refusal::Refusal,
    version::Version,
};

/// The folder.
pub struct Mirror {
    folder: PathBuf,
    instance: String,
}

impl Mirror {
    /// A folder, and the instance that is wanted of it.
    pub fn new(folder: &str, instance: &str) -> Self {
        Self {
            folder: PathBuf::from(folder),
            instance: instance.to_owned(),
        }
    }

    /// What the service would answer; nothing where there are no change records.
    pub(super) fn ask(&self, method: &Method) -> Result<Option<Body>, FetchError> {
        let folder = self.instance_folder()?;
        let bytes = match method {
            Method::Version => {
                let newest = self.newest(&folder)?;
                let offer = serde_json::json!({"instance": self.instance, "latest": newest});
                offer.to_string().into_bytes()
            }
            Method::Endpoints(version) => read(&folder.join(format!("{version}.json")))?,
            Method::Changes(base) => {
                let path = folder.join("changes.json");
                if !path.exists() {
                    return Ok(None);
                }
                between(&read(&path)?, base, &self.newest(&folder)?)?
            }
        };
        Ok(Some(Body { bytes, tag: None }))
    }

    fn instance_folder(&self) -> Result<PathBuf, Failed> {
        let entries = fs::read_dir(&self.folder).map_err(|fault| failed(&self.folder, fault))?;
        let mut names = entries.flatten().map(|entry| entry.file_name());
        let mine = names.find(|name| name.eq_ignore_ascii_case(&self.instance));
        let missing = || {
            let instance = &self.instance;
            failed(&self.folder, format!("there is no folder {instance} in it"))
        };
        mine.map(|name| self.folder.join(name)).ok_or_else(missing)
    }

    fn newest(&self, folder: &Path) -> Result<Version, Failed> {
        let entries = fs::read_dir(folder).map_err(|fault| failed(folder, fault))?;
        let names = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        let versions = names.filter_map(|name| {
            let version = name.strip_suffix(".json")?.to_owned();
            Version::try_from(version).ok()
        });
        let none = || failed(folder, "there is no VERSION.json in it");
        versions.max().ok_or_else(none)
    }
}

fn failed(path: &Path, fault: impl ToString) -> Failed {
    Failed {
        url: format!("file://{}", path.display()),
        fault: fault.to_string(),
        wait: None,
    }
}

fn read(path: &Path) -> Result<Vec<u8>, FetchError> {
    let mut bytes = Vec::new();
    let limit = LARGEST as u64 + 1;
    let file = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    file.map_err(|fault: io::Error| failed(path, fault))?;
    if bytes.len() > LARGEST {
        return Err(FetchError::refused(Refusal::TooLarge, bytes));
    }
    Ok(bytes)
}

/// The records of versions after `base`, up to the newest that is served.
fn between(json: &[u8], base: &Version, newest: &Version) -> Result<Vec<u8>, Failed> {
    let fault = |fault: serde_json::Error| failed(Path::new("changes.json"), fault);
    let mut records: Vec<Value> = serde_json::from_slice(json).map_err(fault)?;
    records.retain(|record| {
        let version = record["version"].as_str().map(str::to_owned);
        let version = version.and_then(|text| Version::try_from(text).ok());
        version.is_some_and(|version| version > *base && version <= *newest)
    });
    serde_json::to_vec(&records).map_err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_answers_as_the_service() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("worldwide");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("2026043000.json"), "[1]").unwrap();
        fs::write(folder.join("2026053100.json"), "[2]").unwrap();
        fs::write(folder.join("99.json"), "[3]").unwrap();
        let records =
            r#"[{"version":"2026043000"},{"version":"2026053100"},{"version":"2026063000"}]"#;
        fs::write(folder.join("changes.json"), records).unwrap();
        let version = |text: &str| Version::try_from(text.to_owned()).unwrap();
        let mirror = Mirror::new(dir.path().to_str().unwrap(), "Worldwide");
        let table = [
            (
                Method::Version,
                r#"{"instance":"Worldwide","latest":"2026053100"}"#,
            ),
            (Method::Endpoints(version("2026053100")), "[2]"),
            (
                Method::Changes(version("2026043000")),
                r#"[{"version":"2026053100"}]"#,
            ),
        ];
        for (method, expected) in table {
            let body = mirror.ask(&method).unwrap().unwrap();
            assert_eq!(
                String::from_utf8(body.bytes).unwrap(),
                expected,
                "{method:?}"
            );
        }
        fs::remove_file(folder.join("changes.json")).unwrap();
        let changes = Method::Changes(version("2026043000"));
        assert_eq!(mirror.ask(&changes).unwrap(), None);
        let missing = Mirror::new(dir.path().to_str().unwrap(), "China");
        let error = missing.ask(&Method::Version).unwrap_err().to_string();
        assert!(error.contains("there is no folder China"), "{error}");
    }
}
