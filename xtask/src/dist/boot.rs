//! The package under systemd: a clean Debian that boots in QEMU, and in it the lab's program, which installs, tries and
//! purges the package.
//!
//! ```text
//! clean root, kernel's modules, package, egress-lab ──> archive ──> QEMU ──> markers
//! ```
//! In: the package and the archive of a clean root. Out: whether every step held.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{
    checkout::Checkout,
    command::{
        build::{self, Profile},
        setup,
    },
    step,
    vm::{
        archive::Archive,
        fate::Fate,
        folder::Folder,
        host_program,
        kernel::{FLOOR, Fetch, Kernel},
        module,
        pin::Pins,
        qemu::{Boot, Qemu, Serial},
        run::Machine,
        transcript::Outcome,
    },
};

/// A whole Debian boots before the check does.
const START_LIMIT: Duration = Duration::from_secs(300);
/// For all steps together, on a machine that has others to do.
const LIMIT: Duration = Duration::from_secs(1_800);
/// Where the check has its files.
const PLACE: &str = "egress-vm";
/// What the check takes besides of the host.
const PROGRAM: &str = "ip";
/// Starts the check once everything else is up.
const SERVICE: &str = "\
[Unit]
Description=Check of the package
After=multi-user.target
[Service]
Type=oneshot
TimeoutStartSec=infinity
Environment=EGRESS_SLOW=1 RUST_BACKTRACE=0
ExecStart=/egress-vm/egress-lab booted --deb /egress-vm/this.deb --earlier /egress-vm/earlier.deb --modules /egress-vm/modules --tell /dev/ttyS1
[Install]
WantedBy=default.target
";
/// What systemd is told: nobody logs in.
const WORDS: &str = "systemd.unit=check.target systemd.show_status=0 systemd.mask=getty.target";
/// Everything, and then the check.
const TARGET: &str = "\
[Unit]
Description=All there is, and the check
Requires=multi-user.target
Wants=check.service
AllowIsolate=yes
";

/// Boots, and tells what each step came to.
pub(crate) fn check(
    checkout: &Checkout,
    (deb, root): (&Path, &Path),
    profile: Profile,
) -> Result<bool> {
    setup::everything(checkout)?;
    let lab = build::both(checkout, profile)?.lab;
    let folder = Folder::open(checkout)?;
    let qemu = Qemu::obtain(&folder, false)?;
    let kernel = FLOOR.obtain(&folder, &mut Pins::read(checkout)?, Fetch::Missing)?;
    let place = folder.fresh("run/boot")?;
    let initramfs = place.join("initramfs");
    let earlier = place.join("earlier.deb");
    let mut make = Command::new(&lab);
    make.arg("earlier").arg("--deb").arg(deb).arg("--out");
    step::run(make.arg(&earlier))?;
    write(&initramfs, root, [deb, &earlier, &lab], &kernel)?;
    let image = kernel.image()?;
    let command = |console: &Path| {
        qemu.boot(&Boot {
            kernel: &image,
            initramfs: &initramfs,
            serial: Serial::Services {
                console,
                words: WORDS,
            },
        })
    };
    let machine = Machine {
        kernel: kernel.line.name,
        console: place.join("console"),
        command: &command,
        start_limit: START_LIMIT,
        limit: LIMIT,
    };
    let run = machine.run()?;
    // They hold a whole Debian.
    [&initramfs, &earlier]
        .into_iter()
        .try_for_each(fs::remove_file)?;
    if run.fate != Fate::Done {
        eprintln!("dist: {}", run.explanation);
    }
    let held = run.transcript.count(|outcome| *outcome == Outcome::Passed);
    let others = run.transcript.results.len() - held;
    println!("dist: under systemd {held} steps held, {others} did not");
    Ok(run.fate == Fate::Done && others == 0 && held > 0)
}

/// Writes the machine's only file system.
fn write(file: &Path, root: &Path, [deb, earlier, lab]: [&Path; 3], kernel: &Kernel) -> Result<()> {
    let cannot = || format!("cannot write {}", file.display());
    let tree = file.with_file_name("root");
    unpack(root, &tree)?;
    prepare(&tree)?;
    let mut archive = Archive::new(BufWriter::new(File::create(file).with_context(cannot)?));
    add_tree(&mut archive, &tree, &tree)?;
    for library in host_program::files(PROGRAM)? {
        archive.program(&library, &fs::read(&library)?)?;
    }
    let at = |name: &str| PathBuf::from(format!("/{PLACE}/{name}"));
    archive.program(&at("egress-lab"), &fs::read(lab)?)?;
    archive.file(&at("this.deb"), &fs::read(deb)?)?;
    archive.file(&at("earlier.deb"), &fs::read(earlier)?)?;
    for (number, module) in module::needed(&kernel.modules()?)?.iter().enumerate() {
        let name = format!("modules/{number:03}-{}.ko", module.name);
        archive.file(&at(&name), &module.content)?;
    }
    let out = archive.finish().with_context(cannot)?;
    out.into_inner()
        .map_err(std::io::IntoInnerError::into_error)
        .with_context(cannot)?;
    fs::remove_dir_all(&tree).with_context(|| format!("cannot remove {}", tree.display()))
}

fn unpack(archive: &Path, tree: &Path) -> Result<()> {
    fs::create_dir(tree).with_context(|| format!("cannot make {}", tree.display()))?;
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--numeric-owner", "--file"]);
    step::run(tar.arg(archive).arg("--directory").arg(tree))
}

/// Makes a machine of it that boots and checks.
fn prepare(tree: &Path) -> Result<()> {
    let units = tree.join("etc/systemd/system");
    fs::write(units.join("check.service"), SERVICE)?;
    fs::write(units.join("check.target"), TARGET)?;
    fs::write(tree.join("etc/machine-id"), "")?;
    symlink("/usr/lib/systemd/systemd", tree.join("init"))?;
    let resolv_conf = tree.join("etc/resolv.conf");
    if resolv_conf.symlink_metadata().is_ok() {
        fs::remove_file(&resolv_conf)?;
    }
    // Somewhere in the lab's internet.
    fs::write(&resolv_conf, "nameserver 203.0.113.53\n")?;
    Ok(())
}

/// Adds all that is below a folder.
fn add_tree<W: Write>(archive: &mut Archive<W>, tree: &Path, folder: &Path) -> Result<()> {
    let entries = fs::read_dir(folder);
    for entry in entries.with_context(|| format!("cannot read {}", folder.display()))? {
        let from = entry?.path();
        archive.as_is(&Path::new("/").join(from.strip_prefix(tree)?), &from)?;
        if from.symlink_metadata()?.is_dir() {
            add_tree(archive, tree, &from)?;
        }
    }
    Ok(())
}
