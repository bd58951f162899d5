//! A cpio archive as the kernel unpacks it ("newc", Documentation/driver-api/early-userspace in
//! Linux): in go files, links and devices by path, out come bytes.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{FileTypeExt as _, MetadataExt as _},
    },
    path::{Component, Path},
};

use rustix::fs::{major, minor};

const FILE: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;
const LINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

/// An archive that is being written.
pub(crate) struct Archive<W> {
    out: W,
    entries: u32,
    written: BTreeSet<String>,
}

impl<W: Write> Archive<W> {
    pub(crate) fn new(out: W) -> Self {
        Self {
            out,
            entries: 0,
            written: BTreeSet::new(),
        }
    }

    /// A program, or anything else that may be executed.
    pub(crate) fn program(&mut self, at: &Path, content: &[u8]) -> io::Result<()> {
        self.add(at, FILE | 0o755, content, (0, 0))
    }

    pub(crate) fn file(&mut self, at: &Path, content: &[u8]) -> io::Result<()> {
        self.add(at, FILE | 0o644, content, (0, 0))
    }

    pub(crate) fn folder(&mut self, at: &Path) -> io::Result<()> {
        self.add(at, FOLDER | 0o755, &[], (0, 0))
    }

    pub(crate) fn link(&mut self, at: &Path, target: &str) -> io::Result<()> {
        self.add(at, LINK | 0o777, target.as_bytes(), (0, 0))
    }

    pub(crate) fn device(&mut self, at: &Path, number: (u32, u32)) -> io::Result<()> {
        self.add(at, CHARACTER_DEVICE | 0o600, &[], number)
    }

    /// Whatever stands there, with its owner and rights. Sockets and pipes are left out.
    pub(crate) fn as_is(&mut self, at: &Path, from: &Path) -> io::Result<()> {
        let about = from.symlink_metadata()?;
        let kind = about.file_type();
        let (content, device) = if kind.is_symlink() {
            let target = fs::read_link(from)?;
            (target.as_os_str().as_bytes().to_vec(), (0, 0))
        } else if kind.is_file() {
            (fs::read(from)?, (0, 0))
        } else if kind.is_char_device() {
            let number = about.rdev();
            (Vec::new(), (major(number), minor(number)))
        } else if kind.is_dir() {
            (Vec::new(), (0, 0))
        } else {
            return Ok(());
        };
        let name = name(at)?;
        if !self.written.insert(name.clone()) {
            return Ok(());
        }
        let owner = (about.uid(), about.gid());
        self.owned(&name, (about.mode(), owner), &content, device)
    }

    /// Writes the end, without which the kernel takes nothing.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.entry("TRAILER!!!", 0, &[], (0, 0))?;
        self.out.flush()?;
        Ok(self.out)
    }

    /// The folders above come first; what is there already stays.
    fn add(&mut self, at: &Path, mode: u32, content: &[u8], device: (u32, u32)) -> io::Result<()> {
        if let Some(parent) = at.parent().filter(|parent| parent.parent().is_some()) {
            self.folder(parent)?;
        }
        let name = name(at)?;
        if !self.written.insert(name.clone()) {
            return Ok(());
        }
        self.entry(&name, mode, content, device)
    }

    fn entry(
        &mut self,
        name: &str,
        mode: u32,
        content: &[u8],
        device: (u32, u32),
    ) -> io::Result<()> {
        self.owned(name, (mode, (0, 0)), content, device)
    }

    fn owned(
        &mut self,
        name: &str,
        (mode, (owner, group)): (u32, (u32, u32)),
        content: &[u8],
        (major, minor): (u32, u32),
    ) -> io::Result<()> {
        let too_large = |_| io::Error::other(format!("{name} is too large for an archive"));
        let size = u32::try_from(content.len()).map_err(too_large)?;
        let name_size = u32::try_from(name.len() + 1).map_err(too_large)?;
        self.entries += 1;
        let mut header = String::from("070701");
        for field in [
            self.entries,
            mode,
            owner,
            group,
            1, // links
            0, // time
            size,
            0, // major and minor of where the file stands
            0,
            major,
            minor,
            name_size,
            0, // no checksum
        ] {
            header.push_str(&format!("{field:08x}"));
        }
        self.padded(&[header.as_bytes(), name.as_bytes(), b"\0"].concat())?;
        self.padded(content)
    }

    /// Everything begins at a multiple of four.
    fn padded(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        let missing = bytes.len().next_multiple_of(4) - bytes.len();
        self.out.write_all(&[0; 4][..missing])
    }
}

/// Without the slash in front, and without detours.
fn name(at: &Path) -> io::Result<String> {
    let mut names = Vec::new();
    for component in at.components() {
        match component {
            Component::RootDir => {}
            Component::Normal(name) => names.push(name.to_str().unwrap_or_default()),
            _ => names.push(""),
        }
    }
    if names.is_empty() || names.contains(&"") {
        let complaint = format!("{} is no path for an archive", at.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, complaint));
    }
    Ok(names.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, mode and content of every entry.
    fn read(mut bytes: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut entries = Vec::new();
        loop {
            assert_eq!(&bytes[..6], b"070701");
            let field = |index: usize| {
                let text = &bytes[6 + index * 8..14 + index * 8];
                u32::from_str_radix(std::str::from_utf8(text).expect("hex"), 16).expect("hex")
            };
            let (mode, size, name_size) = (field(1), field(6) as usize, field(11) as usize);
            let name = String::from_utf8_lossy(&bytes[110..109 + name_size]).into_owned();
            let begin = (110 + name_size).next_multiple_of(4);
            let content = bytes[begin..begin + size].to_vec();
            bytes = &bytes[(begin + size).next_multiple_of(4)..];
            if name == "TRAILER!!!" {
                assert!(bytes.is_empty());
                return entries;
            }
            entries.push((name, mode, content));
        }
    }

    #[test]
    fn folders_come_before_what_is_in_them_and_only_once() {
        let mut archive = Archive::new(Vec::new());
        for (at, content) in [
            ("/a/b/one", &b"1"[..]),
            ("/a/b/three", b"333"),
            ("/a/two", b"22"),
        ] {
            archive.file(Path::new(at), content).expect("a file");
        }
        archive
            .program(Path::new("/init"), b"#!")
            .expect("a program");
        archive.link(Path::new("/a/b/link"), "one").expect("a link");
        let bytes = archive.finish().expect("an archive");
        let entries = read(&bytes);
        let names: Vec<_> = entries.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "a",
                "a/b",
                "a/b/one",
                "a/b/three",
                "a/two",
                "init",
                "a/b/link"
            ]
        );
        let modes: Vec<_> = entries.iter().map(|(_, mode, _)| mode >> 12).collect();
        assert_eq!(modes, [4, 4, 8, 8, 8, 8, 10]);
        assert_eq!(entries[3].2, b"333");
    }

    #[test]
    fn the_first_of_two_stays() {
        let mut archive = Archive::new(Vec::new());
        let at = Path::new("/lib/libc.so.6");
        archive.file(at, b"first").expect("a file");
        archive.file(at, b"second").expect("the same again");
        let entries = read(&archive.finish().expect("an archive"));
        assert_eq!(entries.last().expect("a file").2, b"first");
        assert_eq!(entries.len(), 2);
    }

    #[test]
    fn a_path_with_detours_is_refused() {
        for at in ["/", "", "../etc/passwd", "/a/../b"] {
            let mut archive = Archive::new(Vec::new());
            assert!(archive.file(Path::new(at), b"").is_err(), "{at}");
        }
    }

    #[test]
    fn a_device_has_its_numbers() {
        let mut archive = Archive::new(Vec::new());
        archive
            .device(Path::new("/dev/console"), (5, 1))
            .expect("a device");
        let bytes = archive.finish().expect("an archive");
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("0000000500000001"), "{text}");
    }
}
