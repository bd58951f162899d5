//! The page in a real browser: what goes on and why, who decides, what hostile names do, and a daemon that goes away.
//!
//! With `EGRESS_SCREENSHOT=FILE` the first of these takes its time and leaves a picture there.

use std::env;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lab::address::{INTERNET, STRANGER};
use lab::announced;
use lab::anything;
use lab::browser::{self, Browser, Driver};
use lab::config::catalogue_and_feed;
use lab::feed::archive::Archive;
use lab::feed::made_up;
use lab::feed::server::Server;
use lab::feed::service::Service;
use lab::flow::Family;
use lab::gateway::Egress;
use lab::host::{Host, Life};
use lab::probe::{Origin, Probe};
use lab::site::Site;
use lab::wait;

const URL: &str = "http://127.0.0.1:9599/";
const INSTANCE: &str = "China";
/// The second has nine prefixes and five names more, and ten and twenty of the first less.
const VERSIONS: [&str; 2] = ["2026060100", "2026070100"];
const PORT: u16 = 8365;
const TOKEN: &str = "a-token-that-nobody-guesses";
/// What is allowed: inside of Intune's set 163, and of Microsoft 365.
const LISTED: [&str; 2] = ["104.46.162.100", "20.190.128.10"];
/// What is not: from where, to where, on which port, and how it comes and goes.
const DENIED: [(&str, &str, u16, f64); 4] = [
    ("10.20.0.2", "203.0.113.77", 443, 5.0),
    ("10.20.0.2", LISTED[0], 8443, 11.0),
    ("10.20.0.2", "192.0.2.2", 853, 3.0),
    ("fd00:20::2", "2001:db8:dead::77", 443, 7.0),
];
const UNLISTED_NAME: &str = "www.example.net";
/// A resolver of the internet that is trusted, and answers whatever it is asked.
const RESOLVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 53);
const ANSWERED: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 66);
/// No label of a name has a dot.
const HOSTILE: &str = "<img src=x onerror=top['owned']=1>";
const LIMIT: Duration = Duration::from_secs(30);

/// The lab with feed, filter, page and browsers.
struct Stage {
    driver: Driver,
    egress: Egress,
    config: String,
    _server: Server,
    site: Site,
}

impl Stage {
    /// Nothing where there is no browser.
    fn set(test: &str) -> Result<Option<Self>> {
        if let Some(missing) = browser::missing() {
            println!("skipped: page::{test}: {missing}");
            return Ok(None);
        }
        let site = Site::start(
            Life::Bound,
            &announced::zone(),
            &announced::certificate_names(),
        )?;
        let service = Arc::new(Service::new(archive()?, usize::MAX));
        service.set_latest(VERSIONS[0].parse()?)?;
        let address = (INTERNET.v4, PORT).into();
        let server = Server::start(&site.lab.internet, address, service, None)?;
        let token = site.lab.path("token");
        let config = config(server.url(), &token);
        let egress = Egress::start(&site.lab, &config)?;
        fs::write(token, TOKEN)?;
        let stage = Self {
            driver: Driver::start(&site.lab.gateway, &site.lab)?,
            egress,
            config,
            _server: server,
            site,
        };
        stage.wait_for_edition()?;
        Ok(Some(stage))
    }

    /// The first edition comes by itself; of the next one what is new waits.
    fn wait_for_edition(&self) -> Result<()> {
        wait::until("the first edition", LIMIT, || {
            let told = self.egress.json(&["feed", "status", "--json"])?;
            let version = &told["feeds"][0]["version"];
            Ok((version == VERSIONS[0]).then_some(()))
        })?;
        let latest = VERSIONS[1].parse()?;
        self._server.service.set_latest(latest)?;
        let output = self.egress.command(&["sync", "--now"]).output()?;
        ensure!(output.status.success(), "{output:?}");
        Ok(())
    }

    fn open(&self) -> Result<Browser<'_>> {
        let browser = self.driver.open(&self.site.lab)?;
        browser.show((1280, 900), "light")?;
        browser.go(URL)?;
        browser.wait_for("the page to be live", "return document.querySelector('#link.live') && document.querySelector('#figures').children.length > 0")?;
        Ok(browser)
    }

    fn https(&self, name: &str, port: u16) -> Result<()> {
        let limit = Duration::from_millis(400);
        let probe = Probe::https_on(port, name);
        probe.attempt(&self.site, Family::Ipv4, Origin::Client, limit)?;
        Ok(())
    }

    /// A lookup with labels that no library would send, and a connection to what was answered.
    fn ask_hostile(&self) -> Result<()> {
        let labels = [HOSTILE.as_bytes(), b"\x1b[2J\x07", b"example"];
        anything::ask(&self.site.lab.client, RESOLVER.into(), &labels)?;
        self.site.lab.client.run(|| {
            let to = SocketAddr::from((ANSWERED, 443));
            drop(TcpStream::connect_timeout(&to, Duration::from_millis(200)));
        })
    }
}

fn archive() -> Result<Archive> {
    let editions = [
        made_up::edition(0..164, 0..339),
        made_up::edition(10..173, 20..344),
    ];
    let mut archive = Archive::default();
    for (version, edition) in VERSIONS.into_iter().zip(editions) {
        archive.put(INSTANCE, version.parse()?, edition);
    }
    Ok(archive)
}

fn config(url: &str, token: &Path) -> String {
    let config = catalogue_and_feed(INSTANCE, url)
        .replace(
            "kind = \"web-service\"\n",
            "kind = \"web-service\"\nadditions = \"ask\"\n",
        )
        .replace("[\"gateway\"]", &format!("[\"gateway\", \"{RESOLVER}\"]"));
    let token = token.display();
    format!(
        r#"{config}
[group.kiosks]
clients = ["10.99.0.0/24", "fd00:99::/64"]
mode = "audit"
allow = ["m365:Common/required"]

[source.printers]
kind = "custom"
[[source.printers.set]]
id = 1
urls = ["*.printers.example"]
description = "{HOSTILE}"

[ui]
listen = "127.0.0.1:9599"
token-file = "{token}"
"#
    )
}

/// Traffic of two clients until it is dropped.
struct Traffic {
    ends: Arc<AtomicBool>,
}

impl Traffic {
    fn start(client: &Host) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&ends);
        client.thread(move || {
            let began = Instant::now();
            while !ended.load(Ordering::Relaxed) {
                // Someone who waits for a packet that is dropped waits in vain: this is sent and forgotten.
                let _sent: Result<()> = burst(began.elapsed().as_secs_f64());
                thread::sleep(Duration::from_millis(200));
            }
        });
        Self { ends }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
    }
}

/// What is sent in a fifth of a second; more and less as time goes on.
fn burst(second: f64) -> Result<()> {
    let wave = |period: f64, most: f64| (most * (1.2 + (second / period).sin())) as u32;
    let limit = Duration::from_millis(50);
    for listed in LISTED {
        let to = SocketAddr::new(listed.parse()?, 443);
        for _ in 0..wave(9.0, 3.0) {
            drop(TcpStream::connect_timeout(&to, limit));
        }
    }
    for (from, to, port, period) in DENIED {
        let socket = UdpSocket::bind((from.parse::<IpAddr>()?, 0))?;
        for _ in 0..wave(period, 1.0) {
            socket.send_to(b"egress", (to.parse::<IpAddr>()?, port))?;
        }
    }
    let kiosk = UdpSocket::bind((STRANGER.v4, 0))?;
    for _ in 0..wave(14.0, 2.0) {
        kiosk.send_to(b"egress", (LISTED[0], 3478))?;
    }
    Ok(())
}

/// The first number in the text of a figure.
fn figure(name: &str) -> String {
    format!(
        "for (const dt of document.querySelectorAll('#figures dt')) if (dt.textContent === '{name}') return parseInt(dt.nextSibling.querySelector('small').textContent)"
    )
}

/// How many events these are of.
const TAKEN: &str = "[...drops.rows.values()].reduce((all, row) => all + row.count, 0)";

/// What the rows of drops say.
const ROWS: &str =
    "[...document.querySelectorAll('#drops-rows tr.row')].map((row) => row.innerText)";

#[test]
fn an_administrator_sees_what_goes_on_and_why() -> Result<()> {
    let Some(stage) = Stage::set("an_administrator_sees_what_goes_on_and_why")? else {
        return Ok(());
    };
    let picture = env::var_os("EGRESS_SCREENSHOT");
    let traffic = Traffic::start(&stage.site.lab.client);
    let browser = stage.open()?;
    let first = browser.run(&figure("Denied"))?.as_u64().unwrap_or(0);
    browser.wait_for(
        "counts that move",
        &format!(
            "const now = (() => {{ {} }})(); return now > {first}",
            figure("Denied")
        ),
    )?;
    ensure!(browser.text("#mode")?.eq_ignore_ascii_case("enforce"));
    browser.wait_for("both plots", "return document.querySelectorAll('#plot-allowed path').length > 0 && document.querySelectorAll('#plot-denied path').length > 1")?;

    stage.https(UNLISTED_NAME, 443)?;
    browser.wait_for(
        "a drop by name",
        &format!(
            "return document.querySelector('#drops-rows').innerText.includes('{UNLISTED_NAME}')"
        ),
    )?;
    browser.write("#filter", &format!("name={UNLISTED_NAME}\u{e007}"))?;
    browser.wait_for(
        "a filter that narrows",
        &format!("const rows = [...document.querySelectorAll('#drops-rows tr.row')]; return rows.length > 0 && rows.every((row) => row.innerText.includes('{UNLISTED_NAME}'))"),
    )?;
    if let Some(picture) = &picture {
        thread::sleep(Duration::from_secs(70));
        browser.clear("#filter")?;
        browser.write("#filter", "group=staging\u{e007}")?;
        browser.wait_for("all rows again", &format!("return {ROWS}.length > 3"))?;
        stage.https("www.example.net", 443)?;
        browser.show((1280, 1122), "light")?;
        explain(&browser)?;
        save(&browser, Path::new(picture))?;
        browser.show((1280, 900), "light")?;
        browser.clear("#filter")?;
        browser.write("#filter", &format!("name={UNLISTED_NAME}\u{e007}"))?;
        browser.wait_for("one row again", &format!("return {ROWS}.length === 1"))?;
    }
    explain(&browser)?;
    let told = browser.text("#drops-rows .told")?;
    ensure!(
        told.contains("to 198.51.100.99 tcp/443, by generation"),
        "{told}"
    );
    ensure!(
        told.contains("never-resolved") || told.contains("name-not-allowed"),
        "{told}"
    );
    ensure!(told.contains("answers the same for this packet"), "{told}");

    browser.clear("#filter")?;
    browser.write("#filter", "prt=443\u{e007}")?;
    browser.wait_for("what is wrong with the filter", "return document.querySelector('#filter-fault').innerText.includes('the nearest is `port`')")?;
    browser.clear("#filter")?;
    browser.write("#filter", "group=kiosks\u{e007}")?;
    browser.wait_for("what kiosks would be denied", "const rows = [...document.querySelectorAll('#drops-rows tr.row')]; return rows.length > 0 && rows.every((row) => row.innerText.includes('would-drop'))")?;

    browser.write("#search", "104.46.162.100\u{e007}")?;
    browser.wait_for(
        "the set of an address",
        "return document.querySelector('#catalogue-rows').innerText.includes('intune:163')",
    )?;
    for size in [(360, 740), (1280, 900)] {
        browser.show(size, "dark")?;
        let wide = browser.run("return document.documentElement.scrollWidth")?;
        ensure!(wide.as_u64() <= Some(size.0.into()), "{wide} of {size:?}");
    }
    if let Some(picture) = &picture {
        browser.run("scrollTo(0, 0)")?;
        save(&browser, &Path::new(picture).with_extension("dark.png"))?;
        browser.show((360, 1600), "light")?;
        save(&browser, &Path::new(picture).with_extension("small.png"))?;
    }
    // Whoever has no mouse opens a row as well.
    browser.run("document.querySelector('#drops-rows button.opens').focus()")?;
    browser.write("#drops-rows button.opens", "\u{e007}")?;
    browser.wait_for(
        "a row that a key opened",
        "return document.querySelector('#drops-rows [aria-expanded=true]')",
    )?;
    drop(traffic);
    stays_at_home(&browser)
}

/// Opens the first row and waits for the explanation.
fn explain(browser: &Browser<'_>) -> Result<()> {
    browser.run("document.querySelector('#drops-rows [aria-expanded=true]')?.click()")?;
    browser.click("#drops-rows button.opens")?;
    browser.wait_for(
        "an explanation",
        "return document.querySelector('#drops-rows .told pre')",
    )?;
    Ok(())
}

/// The browser asked nobody but the page's own service, and has nothing to complain of.
fn stays_at_home(browser: &Browser<'_>) -> Result<()> {
    let requests = browser.requests()?;
    let is_foreign = |url: &&String| {
        let is_sent = ["http", "ws", "ftp"]
            .iter()
            .any(|scheme| url.starts_with(scheme));
        is_sent && !url.starts_with(URL)
    };
    let foreign: Vec<_> = requests.iter().filter(is_foreign).collect();
    ensure!(requests.len() > 5 && foreign.is_empty(), "{foreign:?}");
    let complaints = browser.complaints()?;
    let own: Vec<_> = complaints
        .iter()
        // Refusals and a daemon that is away are asked for.
        .filter(|said| !said.contains("Failed to load resource"))
        .collect();
    ensure!(own.is_empty(), "{own:?}");
    Ok(())
}

fn save(browser: &Browser<'_>, path: &Path) -> Result<()> {
    let encoded = path.with_extension("base64");
    fs::write(&encoded, browser.picture()?)?;
    let decoded = Command::new("base64")
        .arg("--decode")
        .arg(&encoded)
        .output()?;
    fs::remove_file(encoded)?;
    fs::write(path, decoded.stdout).context("cannot write the picture")
}

#[test]
fn a_change_is_approved_with_the_token_alone() -> Result<()> {
    let Some(stage) = Stage::set("a_change_is_approved_with_the_token_alone")? else {
        return Ok(());
    };
    let browser = stage.open()?;
    let version = VERSIONS[1];
    browser.wait_for("what waits", &format!("return document.querySelector('#feeds-list').innerText.includes('version {version} waits')"))?;
    let changes = browser.text("#feeds-list .changes")?;
    ensure!(
        changes.lines().count() > 10 && changes.contains("+ "),
        "{changes}"
    );
    let generation = stage.egress.status()?.generation.number;
    for (token, said) in [
        ("", "not done: who decides has to give the token"),
        (
            "some-other-token-of-somebody",
            "not done: this is not the token",
        ),
    ] {
        browser.clear("#token")?;
        browser.write("#token", token)?;
        approve(&browser)?;
        browser.wait_for(
            said,
            &format!("return document.querySelector('#feeds-said').innerText.includes('{said}')"),
        )?;
        ensure!(
            stage.egress.status()?.generation.number == generation,
            "{token}"
        );
    }
    browser.clear("#token")?;
    browser.write("#token", TOKEN)?;
    approve(&browser)?;
    browser.wait_for("the approval", "return document.querySelector('#feeds-said').innerText.includes('in force, in generation')")?;
    browser.wait_for(
        "that nothing waits",
        "return document.querySelector('#feeds-list').innerText.includes('nothing waits')",
    )?;
    ensure!(stage.egress.status()?.generation.number > generation);
    let history = stage
        .egress
        .json(&["feed", "history", "--json"])?
        .to_string();
    ensure!(history.contains("\"page\""), "{history}");
    ensure!(!stage.egress.log().contains(TOKEN), "the log has the token");
    stays_at_home(&browser)
}

/// The first press asks whether it is meant.
fn approve(browser: &Browser<'_>) -> Result<()> {
    browser.click("#feeds-list button.yes")?;
    ensure!(browser.text("#feeds-list button.yes")?.contains("sure?"));
    browser.click("#feeds-list button.yes")
}

#[test]
fn hostile_names_stay_text_and_two_browsers_see_a_daemon_come_back() -> Result<()> {
    let Some(mut stage) =
        Stage::set("hostile_names_stay_text_and_two_browsers_see_a_daemon_come_back")?
    else {
        return Ok(());
    };
    anything::answer(&stage.site.lab.internet, RESOLVER.into(), ANSWERED)?;
    {
        let (first, second) = (stage.open()?, stage.open()?);
        stage.ask_hostile()?;
        for browser in [&first, &second] {
            browser.wait_for(
                "a hostile name",
                "return document.querySelector('#drops-rows').innerText.includes('onerror')",
            )?;
            browser.write("#search", "printers\u{e007}")?;
            browser.wait_for(
                "a hostile set",
                "return document.querySelector('#catalogue-rows').innerText.includes('onerror')",
            )?;
            browser.click("#catalogue-rows button.opens")?;
            let elements = browser.run(
                "return document.querySelectorAll('img, script:not([nonce]), iframe').length",
            )?;
            ensure!(elements == 0 && browser.run("return window.owned ?? null")?.is_null());
            let controls = browser.run(
                "return /[\\u0000-\\u0008\\u000e-\\u001f\\u202e]/.test(document.body.innerText)",
            )?;
            ensure!(controls == false, "a control character is shown");
        }
    }
    let lab = &stage.site.lab;
    let traffic = Traffic::start(&lab.client);
    let browsers = [stage.driver.open(lab)?, stage.driver.open(lab)?];
    for browser in &browsers {
        browser.go(URL)?;
        browser.wait_for("points", "return series.times.length > 1")?;
        browser.wait_for(
            "drops",
            "return document.querySelectorAll('#drops-rows tr.row').length > 2",
        )?;
    }
    stage.egress.kill()?;
    let mut kept = Vec::new();
    for browser in &browsers {
        browser.wait_for(
            "the loss to be told",
            "return document.querySelector('#link').innerText.includes('reconnecting since')",
        )?;
        kept.push(browser.run(&format!("return [series.times.length, {TAKEN}]"))?);
    }
    stage.egress = Egress::start(lab, &stage.config)?;
    for (browser, kept) in browsers.iter().zip(&kept) {
        browser.wait_for("the link", "return document.querySelector('#link.live')")?;
        let (points, rows) = (&kept[0], &kept[1]);
        browser.wait_for(
            "more than before",
            &format!("return series.times.length > {points} && {TAKEN} > {rows}"),
        )?;
        stays_at_home(browser)?;
    }
    drop(traffic);
    Ok(())
}
