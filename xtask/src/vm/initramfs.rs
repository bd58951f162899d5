//! The guest's only file system: in go the guest's binaries, programs of the host and a kernel's
//! modules, out comes one archive.

use std::{
    fs::{self, File},
    io::{self, BufWriter},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{
    archive::Archive,
    guest::Guest,
    host_program,
    kernel::Kernel,
    module,
    plan::{self, Plan, Tests},
};

/// What the lab starts.
const LAB: [&str; 8] = [
    "curl", "dnsmasq", "ip", "nginx", "openssl", "sleep", "tc", "unbound",
];

/// What a person looks around with; what the host does not have is left out.
const SHELL: [&str; 28] = [
    "bash", "cat", "chmod", "cp", "cut", "date", "dmesg", "env", "find", "grep", "head", "less",
    "ln", "ls", "mkdir", "mount", "nsenter", "ping", "ps", "rm", "sed", "setsid", "ss", "tail",
    "tcpdump", "umount", "unshare", "bpftool",
];

/// Configuration that programs do not start without, and nothing of the host's own.
const ETC: [(&str, &str); 7] = [
    (
        "/etc/passwd",
        "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/:/bin/false\nwww-data:x:33:33:www-data:/:/bin/false\n",
    ),
    (
        "/etc/group",
        "root:x:0:\nnogroup:x:65534:\nwww-data:x:33:\ndip:x:30:\n",
    ),
    ("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    ("/etc/hostname", "egress-vm\n"),
    ("/etc/nsswitch.conf", "hosts: files dns\n"),
    ("/etc/resolv.conf", ""),
    ("/root/.bash_profile", "PS1='egress-vm:\\w# '\n"),
];

/// Written by its packages; nginx and openssl look for them.
const FROM_HOST: [&str; 2] = ["/etc/ssl/openssl.cnf", "/usr/lib/ssl/openssl.cnf"];

/// What the guest is for.
pub(crate) enum Purpose<'a> {
    /// To run tests and end.
    Tests(&'a Tests),
    /// To be looked at.
    Shell,
}

/// Writes the archive for one kernel.
pub(crate) fn write(
    file: &Path,
    guest: &Guest,
    kernel: &Kernel,
    purpose: &Purpose<'_>,
) -> Result<()> {
    let cannot = || format!("cannot write {}", file.display());
    let out = BufWriter::new(File::create(file).with_context(cannot)?);
    let mut contents = Contents {
        archive: Archive::new(out),
        plan: Plan::default(),
    };
    contents
        .add_all(guest, kernel, purpose)
        .with_context(cannot)?;
    let out = contents.archive.finish().with_context(cannot)?;
    out.into_inner()
        .map_err(io::IntoInnerError::into_error)
        .with_context(cannot)?;
    Ok(())
}

struct Contents<W> {
    archive: Archive<W>,
    plan: Plan,
}

impl<W: io::Write> Contents<W> {
    fn add_all(&mut self, guest: &Guest, kernel: &Kernel, purpose: &Purpose<'_>) -> Result<()> {
        // Before anything is mounted on /dev, the init writes its complaints there.
        self.archive.device(Path::new("/dev/console"), (5, 1))?;
        for folder in ["/proc", "/sys", "/tmp", "/run", "/root", "/var/lib/egress"] {
            self.archive.folder(Path::new(folder))?;
        }
        for (at, text) in ETC {
            self.archive.file(Path::new(at), text.as_bytes())?;
        }
        self.copy(&guest.init, Path::new("/init"))?;
        self.add_host_programs(purpose)?;
        self.add_modules(kernel)?;
        self.add_guest(guest, purpose)?;
        let plan = self.plan.to_string();
        self.archive.file(Path::new(plan::FILE), plan.as_bytes())?;
        Ok(())
    }

    fn add_host_programs(&mut self, purpose: &Purpose<'_>) -> Result<()> {
        for program in LAB {
            self.add_files(host_program::files(program)?)?;
        }
        if matches!(purpose, Purpose::Shell) {
            for program in SHELL
                .into_iter()
                .filter(|name| host_program::find(name).is_some())
            {
                self.add_files(host_program::files(program)?)?;
            }
        }
        let there = FROM_HOST.iter().filter(|file| Path::new(file).exists());
        self.add_files(there.map(PathBuf::from).collect())
    }

    fn add_files(&mut self, files: Vec<PathBuf>) -> Result<()> {
        files.iter().try_for_each(|file| self.copy(file, file))
    }

    fn add_modules(&mut self, kernel: &Kernel) -> Result<()> {
        for module in module::needed(&kernel.modules()?)? {
            let at = PathBuf::from(format!("/egress-vm/modules/{}.ko", module.name));
            self.archive.file(&at, &module.content)?;
            self.plan.module(&at);
        }
        Ok(())
    }

    fn add_guest(&mut self, guest: &Guest, purpose: &Purpose<'_>) -> Result<()> {
        let path = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        for (name, value) in [
            ("PATH", path),
            ("HOME", "/root"),
            ("TERM", "linux"),
            ("RUST_BACKTRACE", "0"),
            ("EGRESS_CTL", &guest.controller.display().to_string()),
            // An emulated processor; tests/lab/pace.rs asks for it.
            ("EGRESS_SLOW", "1"),
            // Where tests/lab/warm.rs keeps programs for the next test.
            ("EGRESS_WARM", "/sys/fs/bpf/egress-warm"),
        ] {
            self.plan.set(name, value);
        }
        self.copy(&guest.controller, &guest.controller)?;
        self.copy(&guest.lab, &guest.lab)?;
        match purpose {
            Purpose::Tests(tests) => {
                if tests.self_tests.is_empty() {
                    for file in [&guest.object, &guest.tests] {
                        self.copy(file, file)?;
                    }
                    self.plan.object(&guest.object);
                    self.plan.program(&guest.tests);
                }
                self.plan.tests(tests);
            }
            Purpose::Shell => {
                for program in [&guest.controller, &guest.lab] {
                    let name = program.file_name().unwrap_or_default();
                    let link = Path::new("/usr/local/bin").join(name);
                    self.archive.link(&link, &program.display().to_string())?;
                }
                self.plan.shell();
            }
        }
        Ok(())
    }

    fn copy(&mut self, from: &Path, to: &Path) -> Result<()> {
        let content = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
        self.archive.program(to, &content)?;
        Ok(())
    }
}
