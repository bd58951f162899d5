//! A clean Debian on the lab's gateway: a root folder, mounts and processes of its own, the gateway's network.
//!
//! A first process that only sleeps holds the namespaces, and everything inside ends with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::process::Process;
use lab::topology::Lab;
use lab::wait;
use rustix::mount::mount_bind;

/// The gateway's own resolver.
const RESOLV_CONF: &str = "nameserver 127.0.0.1\n";
const LIMIT: Duration = Duration::from_secs(30);

pub(super) struct Root {
    folder: PathBuf,
    /// Keeps the first process.
    _holder: Process,
    /// The first process, by its number outside.
    first: String,
}

impl Root {
    /// Unpacks an archive, and starts the first process.
    pub(super) fn unpack(archive: &Path, lab: &Lab) -> Result<Self> {
        let folder = lab.path("root");
        fs::create_dir(&folder)?;
        let mut tar = Command::new("tar");
        tar.args(["--extract", "--numeric-owner", "--file"]);
        let output = tar.arg(archive).arg("--directory").arg(&folder).output()?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{}: {complaint}",
            archive.display()
        );
        let resolv_conf = folder.join("etc/resolv.conf");
        if resolv_conf.is_symlink() {
            fs::remove_file(&resolv_conf)?;
        }
        fs::write(&resolv_conf, RESOLV_CONF)?;
        mount(&folder, lab)?;
        let mut unshare = lab.gateway.command("unshare");
        unshare.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        unshare
            .arg("--root")
            .arg(&folder)
            .args(["sleep", "infinity"]);
        let holder = Process::spawn("root", unshare, lab.folder())?;
        let first = first_child(holder.id())?;
        Ok(Self {
            folder,
            _holder: holder,
            first,
        })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A file in it, by its path inside.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path.trim_start_matches('/'))
    }

    /// A command inside.
    pub(super) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.first, "--mount", "--net", "--pid"]);
        command.args(["--root", "--wd", "--"]).args(words);
        command.env_clear();
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("LC_ALL", "C.UTF-8");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    }

    /// Runs a command inside.
    pub(super) fn output(&self, words: &[&str]) -> Result<Output> {
        let output = self.command(words).output();
        output.context("cannot start nsenter")
    }

    /// Runs a command inside that must succeed, and returns what it said.
    pub(super) fn done(&self, words: &[&str]) -> Result<String> {
        let output = self.output(words)?;
        ensure!(output.status.success(), "{words:?}: {}", said(&output));
        Ok(said(&output))
    }

    /// Runs a command inside that must fail, and returns what it said.
    pub(super) fn refused(&self, words: &[&str]) -> Result<String> {
        let output = self.output(words)?;
        ensure!(!output.status.success(), "{words:?} did not fail");
        Ok(said(&output))
    }
}

/// All that a command wrote.
fn said(output: &Output) -> String {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    format!("{out}{err}")
}

/// Shows the gateway's own /sys and BPF file system inside.
fn mount(folder: &Path, lab: &Lab) -> Result<()> {
    lab.gateway.run_mounted(|| -> Result<()> {
        for place in ["/sys", "/sys/fs/bpf"] {
            let inside = folder.join(place.trim_start_matches('/'));
            mount_bind(place, &inside)
                .with_context(|| format!("cannot mount {}", inside.display()))?;
        }
        Ok(())
    })?
}

fn first_child(process: u32) -> Result<String> {
    let children = format!("/proc/{process}/task/{process}/children");
    wait::until("the first process of the root", LIMIT, || {
        let children = fs::read_to_string(&children).context("the root's process is gone")?;
        let first = children.split_whitespace().next().map(str::to_owned);
        // Until it is the program, it is not where it belongs.
        Ok(first.filter(|first| {
            let name = fs::read_to_string(format!("/proc/{first}/comm"));
            name.is_ok_and(|name| name.trim() == "sleep")
        }))
    })
}
