//! Bills of materials: every crate that the program is made from, and every one of the kernel's programs inside of it,
//! as CycloneDX, beside what is handed out.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{VERSION, epoch, sums};
use crate::{checkout::Checkout, copy, step, tool::Tool, toolchain};

/// Not part of setup: building egress does not take it.
const CARGO_CYCLONEDX: Tool = Tool {
    name: "cargo-cyclonedx",
    version: "0.5.9",
    takes: "a minute",
};

/// Crates whose bills are handed out.
const PROGRAMS: [&str; 2] = ["egress-ctl", "egress-ebpf"];

/// Writes them to `target/dist`, and checksums of everything there.
pub(crate) fn make(checkout: &Checkout) -> Result<Vec<PathBuf>> {
    CARGO_CYCLONEDX.ensure(checkout)?;
    let out = checkout.target().join("dist");
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    // It writes beside what it reads.
    let tree = copy::make(checkout, "sbom")?;
    let mut cyclonedx = CARGO_CYCLONEDX.command(checkout);
    cyclonedx
        .args(["--format", "json", "--spec-version", "1.5"])
        .args(["--override-filename", "bill", "--target", toolchain::STATIC])
        .arg("--manifest-path")
        .arg(tree.join("Cargo.toml"))
        // As of the commit, so that two bills of it are the same.
        .env("SOURCE_DATE_EPOCH", epoch(checkout));
    step::run(&mut cyclonedx)?;
    let mut made = Vec::new();
    for program in PROGRAMS {
        let bill = tree.join(program).join("bill.json");
        let file = out.join(format!("{program}-{VERSION}.cdx.json"));
        let text = fs::read_to_string(&bill).with_context(|| format!("no {}", bill.display()))?;
        fs::write(&file, anywhere(&text, &tree))
            .with_context(|| format!("cannot write {}", file.display()))?;
        made.push(file);
    }
    let files = others(&out)?;
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    made.push(sums::write(&out, &files)?);
    Ok(made)
}

/// Without where this machine has the crates of the checkout.
fn anywhere(bill: &str, tree: &Path) -> String {
    bill.replace(&tree.display().to_string(), "")
}

/// Files of a folder but checksums, by name.
fn others(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() && !path.ends_with("SHA256SUMS") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::{env, process};

    use super::*;

    #[test]
    fn a_bill_does_not_say_where_it_was_made() {
        let bill = r#""bom-ref": "path+file:///home/me/target/sbom/egress-ctl#0.1.0""#;
        let expected = r#""bom-ref": "path+file:///egress-ctl#0.1.0""#;
        assert_eq!(anywhere(bill, Path::new("/home/me/target/sbom")), expected);
    }

    #[test]
    fn checksums_are_of_all_files_but_themselves() -> Result<()> {
        let folder = env::temp_dir().join(format!("egress-sbom-{}", process::id()));
        fs::create_dir_all(folder.join("folder"))?;
        for name in ["b.deb", "a.cdx.json", "SHA256SUMS"] {
            fs::write(folder.join(name), name)?;
        }
        let found = others(&folder);
        fs::remove_dir_all(&folder)?;
        assert_eq!(found?, [folder.join("a.cdx.json"), folder.join("b.deb")]);
        Ok(())
    }
}
