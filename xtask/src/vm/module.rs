//! Kernel modules: in go the unpacked packages and the names that tests need, out come files in an
//! order in which each finds what it depends on.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};

/// What the lab and the hooks take; kernels that have one built in need no file for it.
const NEEDED: [&str; 8] = [
    "veth",
    "sch_ingress",
    "cls_bpf",
    "8021q",
    "dummy",
    "tun",
    "bridge",
    "wireguard",
];

/// A module's name and what its file holds, unpacked.
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) content: Vec<u8>,
}

/// All that are needed from the folder `lib/modules/RELEASE`, each behind those that it depends on.
pub(crate) fn needed(folder: &Path) -> Result<Vec<Module>> {
    let files = files(folder)?;
    let list = folder.join("modules.builtin");
    let built_in =
        fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    let built_in: BTreeSet<String> = built_in
        .lines()
        .filter_map(|line| name(Path::new(line)))
        .collect();
    let mut contents = BTreeMap::new();
    let order = order(&NEEDED, |module| {
        let Some(file) = files.get(module) else {
            ensure!(
                built_in.contains(module),
                "there is no module {module} in {}",
                folder.display()
            );
            return Ok(None);
        };
        let content = read(file)?;
        let depends = depends(&content);
        contents.insert(module.to_owned(), content);
        Ok(Some(depends))
    })?;
    let module = |name: String| {
        let content = contents.remove(&name).unwrap_or_default();
        Module { name, content }
    };
    Ok(order.into_iter().map(module).collect())
}

/// Depth first; `depends` tells what a module depends on, or none if it is built in.
fn order(
    wanted: &[&str],
    depends: impl FnMut(&str) -> Result<Option<Vec<String>>>,
) -> Result<Vec<String>> {
    let mut walk = Walk {
        depends,
        open: Vec::new(),
        order: Vec::new(),
        built_in: BTreeSet::new(),
    };
    for module in wanted {
        walk.visit(module)?;
    }
    Ok(walk.order)
}

struct Walk<F> {
    depends: F,
    /// From what was wanted down to where the walk is.
    open: Vec<String>,
    order: Vec<String>,
    built_in: BTreeSet<String>,
}

impl<F: FnMut(&str) -> Result<Option<Vec<String>>>> Walk<F> {
    fn visit(&mut self, module: &str) -> Result<()> {
        if self.order.iter().any(|known| known == module) || self.built_in.contains(module) {
            return Ok(());
        }
        if self.open.iter().any(|open| open == module) {
            bail!("{module} depends on itself: {}", self.open.join(", "));
        }
        let Some(depends) = (self.depends)(module)? else {
            self.built_in.insert(module.to_owned());
            return Ok(());
        };
        self.open.push(module.to_owned());
        for other in depends {
            self.visit(&other)?;
        }
        self.order.extend(self.open.pop());
        Ok(())
    }
}

/// `depends=a,b` in the module's information, which is a list of strings that end in 0.
fn depends(content: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";

    let at = content.windows(KEY.len()).position(|bytes| bytes == KEY);
    let Some(value) = at.and_then(|at| content.get(at + KEY.len()..)) else {
        return Vec::new();
    };
    let end = value.iter().position(|byte| *byte == 0);
    let value = String::from_utf8_lossy(&value[..end.unwrap_or(0)]);
    let names = value.split(',').filter(|name| !name.is_empty());
    names.map(canonical).collect()
}

/// Every module file below, by name.
fn files(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if let Some(name) = name(&path) {
                found.insert(name, path);
            }
        }
    }
    Ok(found)
}

/// Of `kernel/drivers/net/veth.ko`, or with an ending for its compression.
fn name(file: &Path) -> Option<String> {
    let (name, ending) = file.file_name()?.to_str()?.split_once(".ko")?;
    let is_module = ["", ".xz", ".zst", ".gz"].contains(&ending);
    is_module.then(|| canonical(name))
}

/// The kernel does not tell - from _.
fn canonical(name: &str) -> String {
    name.replace('-', "_")
}

fn read(file: &Path) -> Result<Vec<u8>> {
    let unpack = match file.extension().and_then(|ending| ending.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return fs::read(file).with_context(|| format!("cannot read {}", file.display())),
    };
    let output = Command::new(unpack)
        .args(["--decompress", "--stdout"])
        .arg(file)
        .output()
        .with_context(|| format!("cannot start {unpack}, which kernel modules are packed with"))?;
    ensure!(
        output.status.success(),
        "{unpack} cannot unpack {}: {}",
        file.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(module: &str) -> Result<Option<Vec<String>>> {
        let list = |names: &[&str]| Ok(Some(names.iter().map(|&name| name.to_owned()).collect()));
        match module {
            "8021q" => list(&["garp", "mrp"]),
            "garp" => list(&["stp", "llc"]),
            "stp" => list(&["llc"]),
            "mrp" | "llc" | "veth" => list(&[]),
            "cls_bpf" => Ok(None),
            "ouroboros" => list(&["tail"]),
            "tail" => list(&["ouroboros"]),
            _ => bail!("there is no module {module}"),
        }
    }

    #[test]
    fn each_module_comes_behind_what_it_depends_on() {
        let order = order(&["veth", "cls_bpf", "8021q", "llc"], known).expect("an order");
        assert_eq!(order, ["veth", "llc", "stp", "garp", "mrp", "8021q"]);
    }

    #[test]
    fn a_circle_and_a_missing_module_are_errors() {
        for (wanted, complaint) in [
            ("ouroboros", "ouroboros depends on itself: ouroboros, tail"),
            ("wireguard", "there is no module wireguard"),
        ] {
            let error = order(&[wanted], known).expect_err(wanted);
            assert_eq!(error.to_string(), complaint);
        }
    }

    #[test]
    fn dependencies_are_read_from_the_information() {
        for (content, expected) in [
            (
                &b"license=GPL\0depends=garp,nf-mrp\0name=8021q\0"[..],
                &["garp", "nf_mrp"][..],
            ),
            (b"license=GPL\0depends=\0name=veth\0", &[]),
            (b"license=GPL\0name=veth\0", &[]),
            (b"\0depends=cut", &[]),
        ] {
            assert_eq!(depends(content), expected);
        }
    }

    #[test]
    fn only_modules_have_a_name() {
        for (file, expected) in [
            ("kernel/drivers/net/veth.ko", Some("veth")),
            ("kernel/net/sched/sch-ingress.ko.xz", Some("sch_ingress")),
            ("modules.builtin", None),
            ("kernel/veth.ko.sig", None),
        ] {
            assert_eq!(name(Path::new(file)).as_deref(), expected, "{file}");
        }
    }
}
