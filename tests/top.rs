//! The live view: driven by keys in a real terminal with real traffic, and read as text and JSON.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use egress_ctl::command::top::terminal::Terminal;
use lab::address::CLIENT;
use lab::announced;
use lab::config::catalogue;
use lab::flow::Family;
use lab::gateway::Egress;
use lab::host::Life;
use lab::probe::{Origin, Probe};
use lab::site::Site;
use lab::stage;
use lab::tmux::{self, Tmux};
use lab::told;
use lab::wait;
use rustix::process::{Pid, Signal, kill_process};

/// Inside of Intune's set 163: TCP 80 and 443.
const LISTED: &str = "104.46.162.100";
const UNLISTED: &str = "203.0.113.77";
const NAME: &str = "enterpriseregistration.windows.net";
const UNLISTED_NAME: &str = "www.example.net";
const LIMIT: Duration = Duration::from_secs(30);
/// Set in a process of this test that is to panic while it shows something.
const PANICS: &str = "EGRESS_TEST_PANICS";

/// The lab with the filter in it.
struct Stage {
    egress: Egress,
    site: Site,
}

impl Stage {
    fn set() -> Result<Self> {
        let names = announced::certificate_names();
        let site = Site::start(Life::Bound, &announced::zone(), &names)?;
        let egress = Egress::start(&site.lab, &catalogue("enforce"))?;
        Ok(Self { egress, site })
    }

    /// What the README shows: connections by name that are allowed, and others that are not.
    fn traffic(&self) -> Result<()> {
        ensure!(self.try_https(NAME)?, "{NAME} is not reached");
        ensure!(
            !self.try_https(UNLISTED_NAME)?,
            "{UNLISTED_NAME} is reached"
        );
        self.knock()
    }

    /// Datagrams to where nothing is allowed.
    fn knock(&self) -> Result<()> {
        self.send(LISTED, 8443)?;
        self.send(UNLISTED, 443)
    }

    fn send(&self, to: &str, port: u16) -> Result<()> {
        let from = SocketAddr::new(IpAddr::from(CLIENT.v4), 0);
        let to = SocketAddr::new(to.parse()?, port);
        self.site.lab.client.run(|| -> Result<()> {
            UdpSocket::bind(from)?.send_to(b"egress", to)?;
            Ok(())
        })?
    }

    fn try_https(&self, host: &str) -> Result<bool> {
        let limit = Duration::from_millis(700);
        let probe = Probe::https(host);
        Ok(probe
            .attempt(&self.site, Family::Ipv4, Origin::Client, limit)?
            .reached)
    }

    /// A terminal in which `top` runs, between two looks at the terminal's settings.
    fn top(&self, name: &str, size: (u16, u16), environment: &str, options: &str) -> Result<Tmux> {
        let command = self.egress.command(&[]);
        let program = command.get_program().display().to_string();
        let state = self.site.lab.path("state").display().to_string();
        let top = format!("{environment} EGRESS_STATE_DIR={state} {program} top {options}");
        self.shell(name, size, &top)
    }

    /// A terminal in which a command runs, whose process id is in `pid`.
    fn shell(&self, name: &str, size: (u16, u16), command: &str) -> Result<Tmux> {
        let script = format!(
            "stty -g > {name}.before; sh -c 'echo $$ > {name}.pid; exec env {command}'; echo code $?; \
             stty -g > {name}.after; exec sleep 1000"
        );
        let lab = &self.site.lab;
        Tmux::start(lab, &lab.gateway, name, size, &script)
    }

    /// Waits until the command in a terminal has ended so, and the terminal is as it was before.
    fn ended(&self, tmux: &Tmux, name: &str, code: i32) -> Result<String> {
        let end = format!("code {code}\n");
        let screen = tmux.shows(&end, |screen| screen.contains(&end))?;
        let settings =
            |kind: &str| fs::read_to_string(self.site.lab.path(format!("{name}.{kind}")));
        wait::until("the terminal's settings", LIMIT, || {
            Ok(settings("after").ok().filter(|after| after.ends_with('\n')))
        })?;
        ensure!(settings("before")? == settings("after")?, "settings differ");
        ensure!(tmux.is_restored()?, "the terminal is not as it was");
        Ok(screen)
    }

    fn pid(&self, name: &str) -> Result<Pid> {
        let text = fs::read_to_string(self.site.lab.path(format!("{name}.pid")))?;
        Pid::from_raw(text.trim().parse()?).context("no process id")
    }
}

#[test]
fn keys_choose_what_is_seen() -> Result<()> {
    if !tmux::is_there("top::keys_choose_what_is_seen") {
        return Ok(());
    }
    let mut stage = Stage::set()?;
    let tmux = stage.top("keys", (80, 24), "", "--every 0.5")?;
    tmux.shows("the view", |screen| screen.contains("? keys"))?;
    let mut sent = Ok(());
    let screen = tmux.shows("traffic", |screen| {
        sent = stage.traffic();
        let all = [
            "staging",
            "wrong-protocol",
            UNLISTED_NAME,
            "intune:",
            "client denied",
        ];
        sent.is_err() || all.iter().all(|text| screen.contains(text))
    })?;
    sent?;
    println!("{screen}");
    ensure!(screen.starts_with("enforce · generation 1, "), "{screen}");
    ensure!(tmux.styled()?.contains("\u{1b}["), "nothing stands out");

    tmux.press(&["4"])?;
    let explain = format!("egress-ctl explain {} {LISTED}:8443/udp", CLIENT.v4);
    tmux.press(&["s", "s", "r"])?;
    tmux.shows("the drops by reason", |screen| {
        screen.contains("by reason, reversed")
    })?;
    let screen = tmux.shows("what explains a drop", |screen| screen.contains(&explain))?;
    ensure!(screen.contains("a sample of the last 60 s"), "{screen}");
    // What is shown is what works.
    let asked: Vec<_> = explain.split(' ').skip(1).collect();
    let answer = stage.egress.command(&asked).output()?;
    ensure!(
        String::from_utf8(answer.stdout)?.contains("wrong-protocol"),
        "{explain}"
    );

    tmux.press(&["/"])?;
    tmux.type_in("port=8443 and group=stagin")?;
    tmux.press(&["Enter"])?;
    tmux.shows("the nearest group", |screen| {
        screen.contains("the nearest is `staging`")
    })?;
    tmux.type_in("g")?;
    tmux.press(&["Enter"])?;
    tmux.shows("the filter", |screen| {
        screen.contains("/port=8443 and group=staging") && !screen.contains(UNLISTED_NAME)
    })?;
    tmux.press(&["2"])?;
    tmux.shows("what is not filtered", |screen| {
        screen.contains("NOT FILTERED")
    })?;

    tmux.press(&["?"])?;
    tmux.shows("the keys", |screen| screen.contains("into the background"))?;
    tmux.press(&["q", "1", "p"])?;
    tmux.shows("a pause", |screen| {
        screen.contains("PAUSED") && screen.contains("client denied")
    })?;
    let paused = tmux.screen()?;
    stage.traffic()?;
    std::thread::sleep(Duration::from_millis(1200));
    ensure!(tmux.screen()? == paused, "{paused}\n{}", tmux.screen()?);
    tmux.press(&["p"])?;
    tmux.shows("the end of the pause", |screen| !screen.contains("PAUSED"))?;

    stage.egress.kill()?;
    tmux.shows("that there is no daemon", |screen| {
        screen.contains("NO DAEMON")
    })?;
    stage.egress = Egress::start(&stage.site.lab, &catalogue("enforce"))?;
    tmux.shows("the new daemon", |screen| screen.contains("generation 2, "))?;

    tmux.press(&["q"])?;
    let screen = stage.ended(&tmux, "keys", 0)?;
    ensure!(!screen.contains("staging"), "{screen}");
    Ok(())
}

#[test]
fn any_size_will_do() -> Result<()> {
    if !tmux::is_there("top::any_size_will_do") {
        return Ok(());
    }
    let stage = Stage::set()?;
    let tmux = stage.top("sizes", (80, 24), "NO_COLOR=1", "--every 0.2")?;
    stage.knock()?;
    tmux.shows("the view", |screen| screen.contains("endpoint set"))?;
    for (width, height) in [(20, 10), (120, 40), (10, 2), (200, 5), (80, 24)] {
        tmux.resize(width, height)?;
        let title = tmux.shows("the first line", |screen| {
            let lines = screen.trim_end().lines();
            lines.clone().count() <= height.into() && screen.starts_with("enforce")
        })?;
        ensure!(
            title
                .lines()
                .all(|line| line.chars().count() <= width.into()),
            "{title}"
        );
    }
    tmux.shows("all of it", |screen| screen.contains("endpoint set"))?;
    let styled = tmux.styled()?;
    let colours = 31..=36;
    let coloured = colours.filter(|colour| styled.contains(&format!("{colour}m")));
    ensure!(coloured.count() == 0, "{styled:?}");
    let pid = stage.pid("sizes")?;
    tmux.press(&["C-z"])?;
    wait::until("it to stop", LIMIT, || {
        Ok(tmux.is_restored()?.then_some(()))
    })?;
    kill_process(pid, Signal::CONT)?;
    tmux.shows("it again", |screen| screen.contains("? keys"))?;
    kill_process(pid, Signal::TERM)?;
    stage.ended(&tmux, "sizes", 0)?;
    Ok(())
}

#[test]
fn the_terminal_comes_back_after_a_panic() -> Result<()> {
    if env::var_os(PANICS).is_some() {
        let mut terminal = Terminal::open()?;
        terminal.show(|_| vec!["something is shown".into()])?;
        panic!("on purpose");
    }
    if !tmux::is_there("top::the_terminal_comes_back_after_a_panic") {
        return Ok(());
    }
    let stage = Stage::set()?;
    let program = env::current_exe()?.display().to_string();
    let test = "top::the_terminal_comes_back_after_a_panic";
    let command = format!("{PANICS}=1 {program} --exact {test} --nocapture");
    let tmux = stage.shell("panic", (80, 24), &command)?;
    let screen = stage.ended(&tmux, "panic", 101)?;
    ensure!(screen.contains("on purpose"), "{screen}");
    Ok(())
}

#[test]
fn text_and_objects_are_for_scripts() -> Result<()> {
    let mut stage = Stage::set()?;
    stage.knock()?;
    let mut once = stage.egress.command(&["top"]);
    let once = once.env("LC_ALL", "C").output()?;
    let text = String::from_utf8(once.stdout)?;
    ensure!(
        once.status.success() && text.starts_with("enforce, generation 1, "),
        "{text}"
    );
    ensure!(
        text.contains("staging") && !text.contains('\u{1b}'),
        "{text}"
    );

    let arguments = ["top", "--json", "--every", "0.5", "--count", "4"];
    let mut objects = stage
        .egress
        .command(&arguments)
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(objects.stdout.take().context("no pipe")?).lines();
    let mut seen = Vec::new();
    for line in lines {
        let object = told::object(line?.as_bytes())?;
        seen.push(object);
        stage.knock()?;
        if seen.len() == 2 {
            stage.egress.kill()?;
        }
    }
    ensure!(
        objects.wait()?.success() && seen.len() == 4,
        "{} objects",
        seen.len()
    );
    for object in &seen {
        ensure!(
            object["schema"] == "egress.live/1" && object["fault"].is_null(),
            "{object}"
        );
    }
    ensure!(seen[0]["gateway"]["daemon"].is_object(), "{}", seen[0]);
    let last = &seen[3];
    ensure!(last["gateway"]["daemon"].is_null(), "{last}");
    let staging = last["groups"].as_array().context("no groups")?;
    let staging = staging.iter().find(|group| group["group"] == "staging");
    let denied = &staging.context("no group")?["denied"];
    ensure!(denied["packets"].as_u64() >= Some(6), "{denied}");
    let drops = last["recent"]["destinations"].to_string();
    ensure!(
        drops.contains(UNLISTED) && drops.contains("never-resolved"),
        "{last}"
    );

    // Who goes away is no fault.
    let mut piped = stage.egress.command(&["top", "--plain", "--every", "0.2"]);
    piped.env("LC_ALL", "C");
    let mut piped = piped.stdout(Stdio::piped()).spawn()?;
    let mut first = String::new();
    let stdout = piped.stdout.take().context("no pipe")?;
    BufReader::new(stdout).read_line(&mut first)?;
    ensure!(first.starts_with("enforce, "), "{first}");
    let status = wait::until("the end", LIMIT, || Ok(piped.try_wait()?));
    if status.is_err() {
        piped.kill()?;
    }
    ensure!(status?.success(), "a closed output is no fault");
    Ok(())
}

#[test]
fn a_terminal_without_a_cursor_has_text() -> Result<()> {
    if !tmux::is_there("top::a_terminal_without_a_cursor_has_text") {
        return Ok(());
    }
    let stage = Stage::set()?;
    let tmux = stage.top("dumb", (80, 50), "TERM=dumb", "--every 0.2 --count 1")?;
    let screen = stage.ended(&tmux, "dumb", 0)?;
    ensure!(screen.starts_with("enforce · generation 1, "), "{screen}");
    ensure!(screen.contains("no event of a denied packet"), "{screen}");
    Ok(())
}

#[test]
fn where_nothing_is_loaded_it_says_what_loads_it() -> Result<()> {
    let stage = stage::Stage::new()?;
    let complaint = stage.refused(&["top", "--once"])?;
    if !complaint.contains("`egress-ctl run --config FILE` loads it") {
        bail!("{complaint}");
    }
    Ok(())
}
