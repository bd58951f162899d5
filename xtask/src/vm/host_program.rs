//! Programs of the host for the guest: in goes a name, out come the file and the libraries that it
//! is linked with.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::step;

/// All files that a program takes; each stands at the same path in the guest.
pub(crate) fn files(program: &str) -> Result<Vec<PathBuf>> {
    let program = find(program).with_context(|| format!("there is no {program} on this host"))?;
    let told = step::output(
        Command::new("ldd")
            .arg(&program)
            .env_remove("LD_LIBRARY_PATH"),
    );
    let mut files = libraries(&told.unwrap_or_default());
    files.push(program);
    Ok(files)
}

/// The folders of system programs count too: they are not in everyone's PATH.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from);
    // Debian's first: what else is in PATH may need files that ldd does not name.
    let mut folders = system.into_iter().chain(env::split_paths(&path));
    let file =
        folders.find_map(|folder| Some(folder.join(program)).filter(|file| file.is_file()))?;
    // Such as /sbin/ip, where /sbin is a link: the guest has no links between folders.
    let folder = fs::canonicalize(file.parent()?).ok()?;
    Some(folder.join(program))
}

/// `libc.so.6 => /lib/libc.so.6 (0x7f..)` and `/lib64/ld-linux-x86-64.so.2 (0x7f..)`.
fn libraries(told: &str) -> Vec<PathBuf> {
    let paths = told.lines().filter_map(|line| {
        let line = line.trim();
        let path = line.split_once("=> ").map_or(line, |(_, path)| path);
        let (path, _) = path.split_once(" (0x")?;
        path.starts_with('/').then(|| Path::new(path).to_owned())
    });
    paths.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_what_ldd_tells() {
        let told = "\tlinux-vdso.so.1 (0x00007ffd)\n\
            \tlibssl.so.3 => /lib/x86_64-linux-gnu/libssl.so.3 (0x00007f12)\n\
            \tlibgone.so.1 => not found\n\
            \t/lib64/ld-linux-x86-64.so.2 (0x00007f13)\n";
        assert_eq!(
            libraries(told),
            [
                Path::new("/lib/x86_64-linux-gnu/libssl.so.3"),
                Path::new("/lib64/ld-linux-x86-64.so.2")
            ]
        );
        assert!(libraries("\tstatically linked\n").is_empty());
    }
}
