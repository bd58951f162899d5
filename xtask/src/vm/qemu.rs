//! QEMU: the machine's own where it is new enough, else Debian's, unpacked in the cache.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use super::{
    apt::Apt,
    deb,
    folder::Folder,
    share::{self, Share},
};
use crate::step;

const PROGRAM: &str = "qemu-system-x86_64";
const PACKAGE: &str = "qemu-system-x86";
/// 7.2 crashes at times when it emulates two CPUs.
const OLDEST: u32 = 8;
/// Half of it holds what the initramfs has.
const MEMORY: &str = "3G";
/// Two guests with a CPU each get more done than one guest with two, which wait for each other.
const CPUS: &str = "1";

/// A panic ends the guest at once; so does an oops, after which no result counts. Emulated, the clock
/// of the CPU is the quickest, what guards against real CPUs costs a third of the time, and waiting for
/// readers to be through and clearing memory twice a tenth.
const COMMAND_LINE: &str = "console=ttyS0 panic=-1 oops=panic tsc=reliable mitigations=off \
     rcupdate.rcu_expedited=1 init_on_alloc=0";

/// A QEMU that runs.
pub(crate) struct Qemu {
    program: PathBuf,
    /// Where it was unpacked, unless it is installed.
    unpacked: Option<PathBuf>,
}

/// What to start.
pub(crate) struct Boot<'a> {
    pub(crate) kernel: &'a Path,
    pub(crate) initramfs: &'a Path,
    pub(crate) serial: Serial<'a>,
}

/// Where the guest's serial ports lead.
pub(crate) enum Serial<'a> {
    /// The console into a file, and the second port to standard output.
    Tests { console: &'a Path, share: Share },
    /// The same for a machine with a service manager, which is told these words.
    Services { console: &'a Path, words: &'a str },
    /// The console to the terminal.
    Terminal,
}

impl Qemu {
    /// The one that is there, or else a fetched one.
    pub(crate) fn obtain(folder: &Folder, offline: bool) -> Result<Self> {
        let unpacked = folder.path().join("qemu");
        for qemu in [Self::installed(), Self::unpacked(&unpacked)] {
            if qemu.version().is_some_and(|version| version >= OLDEST) {
                return Ok(qemu);
            }
        }
        if offline {
            bail!("there is no {PROGRAM} {OLDEST} or newer, neither in PATH nor in .tools/vm");
        }
        fetch(folder, &unpacked).with_context(|| {
            format!("there is no {PROGRAM} {OLDEST} or newer; install {PACKAGE}")
        })?;
        let qemu = Self::unpacked(&unpacked);
        qemu.version()
            .context("the QEMU just fetched does not run")?;
        Ok(qemu)
    }

    fn installed() -> Self {
        Self {
            program: PROGRAM.into(),
            unpacked: None,
        }
    }

    fn unpacked(root: &Path) -> Self {
        Self {
            program: root.join("usr/bin").join(PROGRAM),
            unpacked: Some(root.to_owned()),
        }
    }

    fn version(&self) -> Option<u32> {
        major(&step::output(self.command().arg("--version"))?)
    }

    /// Everything but where standard input and output lead.
    pub(crate) fn boot(&self, boot: &Boot<'_>) -> Command {
        let mut command = self.command();
        command.args(["-nodefaults", "-no-user-config", "-display", "none"]);
        command.args(acceleration(can_use_kvm()));
        command.args(["-smp", CPUS, "-m", MEMORY, "-no-reboot"]);
        command.arg("-kernel").arg(boot.kernel);
        command.arg("-initrd").arg(boot.initramfs);
        match boot.serial {
            Serial::Tests { console, share } => {
                command.args([
                    "-append",
                    &format!("{COMMAND_LINE} {}={share}", share::VARIABLE),
                ]);
                let mut file = OsString::from("file:");
                file.push(console);
                command.arg("-serial").arg(file).args(["-serial", "stdio"]);
            }
            Serial::Services { console, words } => {
                command.args(["-append", &format!("{COMMAND_LINE} {words}")]);
                let mut file = OsString::from("file:");
                file.push(console);
                command.arg("-serial").arg(file).args(["-serial", "stdio"]);
            }
            Serial::Terminal => {
                command.args(["-append", COMMAND_LINE]);
                command.args(["-serial", "mon:stdio"]);
            }
        }
        command
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(root) = &self.unpacked {
            command.env("LD_LIBRARY_PATH", libraries(root));
            for folder in ["usr/share/qemu", "usr/share/seabios"] {
                command.arg("-L").arg(root.join(folder));
            }
        } else {
            command.env_remove("LD_LIBRARY_PATH");
        }
        command.stdin(Stdio::null());
        command
    }
}

/// `QEMU emulator version 10.0.2 (Debian ...)`.
fn major(printed: &str) -> Option<u32> {
    let version = printed.split(" version ").nth(1)?;
    version.split('.').next()?.trim().parse().ok()
}

/// Hardware virtualisation only where the CPU itself says that it has it: a device alone may lie.
fn can_use_kvm() -> bool {
    let told = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = told.lines().find(|line| line.starts_with("flags"));
    let says_so = flags.is_some_and(|flags| {
        flags
            .split_whitespace()
            .any(|flag| ["vmx", "svm"].contains(&flag))
    });
    says_so
        && fs::File::options()
            .read(true)
            .write(true)
            .open("/dev/kvm")
            .is_ok()
}

fn acceleration(kvm: bool) -> [&'static str; 4] {
    if kvm {
        ["-accel", "kvm", "-cpu", "host"]
    } else {
        // Wide registers are emulated slowly, and saved at every switch of tasks; where the CPU claims to copy
        // bytes fast by itself, it does so one by one.
        [
            "-accel",
            "tcg,thread=single",
            "-cpu",
            "max,-xsave,-avx,-avx2,-erms,-fsrm",
        ]
    }
}

/// Every folder of libraries that the packages brought.
fn libraries(root: &Path) -> OsString {
    let folders = ["usr/lib", "lib"].map(|folder| root.join(folder).join("x86_64-linux-gnu"));
    env::join_paths(folders).unwrap_or_default()
}

fn fetch(folder: &Folder, into: &Path) -> Result<()> {
    let told = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let release = codename(&told).context("this is no Debian that QEMU could be fetched for")?;
    let newer = format!("{release}-backports");
    let security = format!("{release}-security");
    let target = if release == "bookworm" {
        &newer
    } else {
        release
    };
    eprintln!("vm: fetching {PACKAGE} from {target} into .tools/vm");
    let apt = Apt::update(&folder.fresh("apt/qemu")?, &[release, &security, &newer])?;
    let debs = apt.download_all(PACKAGE, target)?;
    let draft = folder.draft()?;
    for file in debs {
        deb::unpack(&file, draft.path())?;
    }
    if into.exists() {
        fs::remove_dir_all(into)?;
    }
    fs::rename(draft.path(), into).with_context(|| format!("cannot make {}", into.display()))?;
    Ok(())
}

fn codename(os_release: &str) -> Option<&str> {
    os_release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart() {
        for (printed, expected) in [
            ("QEMU emulator version 7.2.18 (Debian 1:7.2)\n", Some(7)),
            (
                "QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\n",
                Some(10),
            ),
            ("qemu: no such option\n", None),
        ] {
            assert_eq!(major(printed), expected);
        }
    }

    #[test]
    fn the_release_is_read() {
        assert_eq!(
            codename("ID=debian\nVERSION_CODENAME=bookworm\n"),
            Some("bookworm")
        );
        assert_eq!(codename("ID=unknown\n"), None);
    }
}
