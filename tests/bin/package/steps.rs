//! The steps, each with what must be true behind it.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::interrupt;
use lab::process::Process;
use lab::status::{Action, Status};
use lab::topology::{LAN_INTERFACE, Lab};
use lab::wait;

use super::kernel::traces;
use super::listing::Listing;
use super::root::Root;
use super::unit::Unit;
use crate::stream::{Seen, Stream, Target};

/// Of Microsoft 365, section Skype: media of meetings, over UDP.
pub(crate) const TARGET: Target = Target {
    address: Ipv4Addr::new(52, 112, 0, 5),
    allowed: 3479,
    denied: 4501,
};
/// How long packets are looked at.
const WHILE: Duration = Duration::from_millis(700);
const START_LIMIT: Duration = Duration::from_secs(120);
const END_LIMIT: Duration = Duration::from_secs(30);

const CONFIG: &str = "/etc/egress/egress.toml";
const STATE: &str = "/var/lib/egress";
const UNIT: &str = "/usr/lib/systemd/system/egress.service";
/// Says which process the daemon is, by its number inside, and becomes it.
const BECOME: &str = "echo $$ >/run/daemon.pid; exec \"$@\"";
const END: &str = "kill -TERM \"$(cat /run/daemon.pid)\"";
/// Programs of systemd that the maintainer scripts use where they are there.
const TOOLS: [&str; 2] = ["/usr/bin/systemd-sysusers", "/usr/bin/systemd-tmpfiles"];

type Step = fn(&mut Trial) -> Result<String>;

pub(super) const STEPS: [(&str, Step); 10] = [
    ("install", install),
    ("init --yes", init),
    ("the unit's command", start),
    ("packets in audit", audit),
    ("enforce, confirm", enforce),
    ("upgrade", upgrade),
    ("purge, refused", refuse),
    ("the daemon ends", end),
    ("purge", purge),
    ("without systemd", without_systemd),
];

/// A root on the lab's gateway, and what was in it at first.
pub(super) struct Trial<'a> {
    lab: &'a Lab,
    root: Root,
    before: Listing,
    daemon: Option<Process>,
    daemons: u32,
}

impl<'a> Trial<'a> {
    pub(super) fn new(lab: &'a Lab, root: Root) -> Result<Self> {
        Ok(Self {
            lab,
            before: Listing::of(root.folder())?,
            root,
            daemon: None,
            daemons: 0,
        })
    }

    /// Starts what the unit starts, and waits until it enforces.
    fn run_unit(&mut self) -> Result<()> {
        let unit = self.unit()?;
        let confined = unit.confined();
        let mut words = vec!["sh", "-c", BECOME, "sh"];
        words.extend(confined.iter().map(String::as_str));
        self.daemons += 1;
        let name = format!("daemon-{}", self.daemons);
        let command = self.root.command(&words);
        let mut daemon = Process::spawn(&name, command, self.lab.folder())?;
        wait::until("the unit's daemon", START_LIMIT, || {
            daemon.alive()?;
            let is_in_force = daemon.complaints().contains("is in force: mode");
            Ok(is_in_force.then_some(()))
        })?;
        self.daemon = Some(daemon);
        Ok(())
    }

    fn end_daemon(&mut self) -> Result<()> {
        let mut daemon = self.daemon.take().context("no daemon runs")?;
        self.root.done(&["sh", "-c", END])?;
        wait::until("the daemon's end", END_LIMIT, || {
            Ok(daemon.alive().is_err().then_some(()))
        })
    }

    fn unit(&self) -> Result<Unit> {
        Unit::read(&fs::read_to_string(self.root.path(UNIT))?)
    }

    fn status(&self) -> Result<Status> {
        let output = self.root.output(&["egress-ctl", "status", "--json"])?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        serde_json::from_slice(&output.stdout).with_context(|| format!("status: {complaint}"))
    }

    /// The version that dpkg says is installed; none where the package is not known.
    fn version(&self) -> Result<Option<String>> {
        let words = [
            "dpkg-query",
            "--show",
            "--showformat=${Status} ${Version}",
            "egress",
        ];
        let output = self.root.output(&words)?;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let is_installed = told.contains(" ok installed ");
        let version = told.rsplit(' ').next().unwrap_or_default().to_owned();
        Ok((output.status.success() && is_installed).then_some(version))
    }

    fn stream(&self) -> Result<Stream> {
        Stream::start(&self.lab.client, &self.lab.internet, TARGET)
    }

    /// What becomes of packets for a while.
    fn packets(&self) -> Result<Seen> {
        let stream = self.stream()?;
        interrupt::sleep(WHILE)?;
        stream.end()
    }

    /// Fails unless what the policy allows arrives, and what it does not allow does not, and says so.
    fn enforces(&self) -> Result<String> {
        judged(&self.packets()?, false)
    }

    /// Where programs are attached.
    fn traces(&self) -> Result<Vec<String>> {
        traces(&self.lab.gateway, LAN_INTERFACE)
    }

    /// Fails where anything is not as it was at first, and says how much was compared.
    fn is_as_before(&self) -> Result<String> {
        let now = Listing::of(self.root.folder())?;
        let differs = now.since(&self.before);
        ensure!(differs.is_empty(), "not as before: {}", differs.join(" "));
        let traces = self.traces()?;
        ensure!(traces.is_empty(), "still there: {}", traces.join(", "));
        Ok(format!(
            "all {} paths as before, no pin, no program, no rule",
            now.len()
        ))
    }
}

/// Of the packets that the policy does not allow all arrive, or none does; of the others all.
pub(crate) fn judged(seen: &Seen, passes: bool) -> Result<String> {
    let (allowed, denied) = (seen.allowed(), seen.denied(0, u64::MAX));
    let told = format!("allowed {allowed} arrived, not allowed {denied}");
    ensure!(allowed.all(true) && denied.all(passes), "{told}");
    Ok(told)
}

fn install(trial: &mut Trial) -> Result<String> {
    let root = &trial.root;
    root.done(&["dpkg", "--install", "/tmp/earlier.deb"])?;
    let version = trial.version()?.context("it is not installed")?;
    let program = root.done(&["egress-ctl", "--version"])?;
    let condition = trial.unit()?.condition;
    ensure!(condition == CONFIG, "the unit waits for {condition}");
    ensure!(!root.path(CONFIG).exists(), "{CONFIG} is there");
    is_prepared(root)?;
    let complaint = root.refused(&["egress-ctl", "status"])?;
    ensure!(complaint.contains("nothing is loaded"), "{complaint}");
    let traces = trial.traces()?;
    ensure!(traces.is_empty(), "it filters: {}", traces.join(", "));
    for page in ["egress-ctl.1.gz", "egress-ctl-dns-list.1.gz"] {
        let page = root.path("/usr/share/man/man1").join(page);
        ensure!(page.exists(), "there is no {}", page.display());
    }
    let files = root
        .done(&["dpkg", "--listfiles", "egress"])?
        .lines()
        .count();
    Ok(format!(
        "{version}, {files} paths; {} runs, nothing is filtered yet",
        program.trim()
    ))
}

/// The group is there, and the folders are.
fn is_prepared(root: &Root) -> Result<()> {
    let groups = fs::read_to_string(root.path("/etc/group"))?;
    let mut ours = groups
        .lines()
        .filter_map(|line| line.strip_prefix("egress:x:"));
    let group = ours.next().and_then(|rest| rest.split(':').next());
    let group: u32 = group.context("there is no group egress")?.parse()?;
    let state = fs::metadata(root.path(STATE)).context(STATE)?;
    ensure!(
        state.gid() == group && state.mode() & 0o777 == 0o750,
        "{STATE}: group {}, mode {:o}",
        state.gid(),
        state.mode()
    );
    ensure!(root.path("/etc/egress").is_dir(), "there is no /etc/egress");
    Ok(())
}

fn init(trial: &mut Trial) -> Result<String> {
    let said = trial.root.done(&["egress-ctl", "init", "--yes"])?;
    ensure!(said.contains("in mode audit: nothing is dropped"), "{said}");
    let config = fs::read_to_string(trial.root.path(CONFIG))?;
    let lan = config.lines().find(|line| line.starts_with("lan = "));
    let lan = lan.context("the config names no lan")?;
    let lan = lan.split("  ").next().unwrap_or_default();
    ensure!(lan == "lan = [\"lan\"]", "{lan}");
    Ok(format!("{CONFIG}: {lan}, mode audit"))
}

fn start(trial: &mut Trial) -> Result<String> {
    trial.run_unit()?;
    let status = trial.status()?;
    ensure!(status.mode == "audit", "mode {}", status.mode);
    let interface = status.interfaces.first().context("no interface")?;
    let xdp = interface.xdp.as_deref().context("no XDP program")?;
    Ok(format!(
        "{}: generation {}, {} prefixes, XDP {xdp} on {}",
        trial.unit()?.command.join(" "),
        status.generation.number,
        status.generation.prefixes,
        interface.name
    ))
}

fn audit(trial: &mut Trial) -> Result<String> {
    let before = trial.status()?.total(Action::WouldDrop);
    let told = judged(&trial.packets()?, true)?;
    let counted = trial.status()?.packets(Action::WouldDrop, "wrong-port");
    ensure!(counted > before, "{told}, but none is counted");
    Ok(format!(
        "{told}; {counted} counted as would-drop wrong-port"
    ))
}

fn enforce(trial: &mut Trial) -> Result<String> {
    let root = &trial.root;
    // Each from a session of its own, as from two terminals.
    let session = ["setsid", "--wait", "egress-ctl"];
    root.done(&[&session[..], &["enforce", "--confirm-within", "1m"]].concat())?;
    root.done(&[&session[..], &["confirm"]].concat())?;
    let config = fs::read_to_string(root.path(CONFIG))?;
    ensure!(config.contains("mode = \"enforce\""), "{config}");
    trial.enforces()
}

fn upgrade(trial: &mut Trial) -> Result<String> {
    let stream = trial.stream()?;
    interrupt::sleep(WHILE)?;
    let before = trial.traces()?;
    trial.root.done(&["dpkg", "--install", "/tmp/this.deb"])?;
    let attached = trial.traces()?;
    ensure!(attached == before, "{before:?} became {attached:?}");
    let daemon = trial.daemon.as_mut().context("no daemon runs")?;
    daemon
        .alive()
        .context("the upgrade ended the daemon of before")?;
    // What systemd does, where it runs.
    trial.end_daemon()?;
    interrupt::sleep(WHILE)?;
    trial.run_unit()?;
    interrupt::sleep(WHILE)?;
    let told = judged(&stream.end()?, false)?;
    let status = trial.status()?;
    ensure!(status.mode == "enforce", "mode {}", status.mode);
    let version = trial.version()?.context("it is not installed")?;
    Ok(format!(
        "{version} by dpkg, the daemon started again (generation {}): {told}",
        status.generation.number
    ))
}

fn refuse(trial: &mut Trial) -> Result<String> {
    let complaint = trial.root.refused(&["dpkg", "--purge", "egress"])?;
    let why = complaint
        .lines()
        .find(|line| line.contains("a daemon runs"));
    let why = why.with_context(|| complaint.clone())?;
    let version = trial.version()?;
    ensure!(version.is_some(), "it is half gone: {complaint}");
    Ok(format!("{why}; {}", trial.enforces()?))
}

fn end(trial: &mut Trial) -> Result<String> {
    trial.end_daemon()?;
    Ok(format!("what is pinned enforces: {}", trial.enforces()?))
}

fn purge(trial: &mut Trial) -> Result<String> {
    let said = trial.root.done(&["dpkg", "--purge", "egress"])?;
    let detached = said.lines().filter(|line| line.contains("detached from"));
    ensure!(
        detached.count() > 0,
        "it does not say what is detached: {said}"
    );
    let version = trial.version()?;
    ensure!(version.is_none(), "{version:?} is installed");
    fs::remove_file(trial.root.path("/run/daemon.pid"))?;
    let told = judged(&trial.packets()?, true)?;
    Ok(format!("{}; {told}", trial.is_as_before()?))
}

/// As on a machine with another init, whose package has no such programs.
fn without_systemd(trial: &mut Trial) -> Result<String> {
    let root = &trial.root;
    let hidden = |tool: &str| root.path(&format!("{tool}.hidden"));
    let there = TOOLS.into_iter().filter(|tool| root.path(tool).exists());
    let there: Vec<_> = there.collect();
    for tool in &there {
        fs::rename(root.path(tool), hidden(tool))?;
    }
    root.done(&["dpkg", "--install", "/tmp/this.deb"])?;
    is_prepared(root)?;
    root.done(&["dpkg", "--purge", "egress"])?;
    for tool in &there {
        fs::rename(hidden(tool), root.path(tool))?;
    }
    let told = trial.is_as_before()?;
    Ok(format!(
        "installed and purged without {} tools: {told}",
        there.len()
    ))
}
