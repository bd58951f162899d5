//! A real browser on a host of the lab, driven by WebDriver (<https://www.w3.org/TR/webdriver2/>).
//!
//! Chromium runs without a window, with an empty profile in the lab's folder, in process ids of its own: it ends
//! with its driver, whatever it has started.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::host::Host;
use crate::http;
use crate::process::Process;
use crate::topology::Lab;
use crate::wait;

const AT: &str = "127.0.0.1:9515";
/// How long a browser may take to start on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
/// Characters of a page that are told where something is missing in it.
const SHOWN: usize = 4_000;
/// The key by which elements are named.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// As root there is no sandbox; nothing is fetched that no page asked for.
const ARGUMENTS: [&str; 13] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--hide-scrollbars",
];

/// Why there is no browser on this machine; nothing where there is one.
pub fn missing() -> Option<String> {
    let is_there = |program: &&str| {
        let mut command = Command::new(program);
        command.arg("--version");
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok()
    };
    let missing = ["chromium", "chromedriver", "unshare"]
        .into_iter()
        .find(|program| !is_there(program));
    missing.map(|program| format!("there is no {program}"))
}

/// A driver, which starts browsers.
#[derive(Debug)]
pub struct Driver {
    host: Host,
    _process: Process,
}

/// A window of a browser of its own.
#[derive(Debug)]
pub struct Browser<'a> {
    driver: &'a Driver,
    session: String,
}

impl Driver {
    /// Starts it on a host.
    pub fn start(host: &Host, lab: &Lab) -> Result<Self> {
        let home = lab.path("browser");
        fs::create_dir_all(&home)?;
        let mut command = host.command("unshare");
        command
            .args(["--fork", "--pid", "--kill-child", "--mount-proc"])
            .args(["chromedriver", "--port=9515"])
            .env("HOME", &home)
            .env("TMPDIR", &home);
        let mut process = Process::spawn("chromedriver", command, lab.folder())?;
        let host = host.clone();
        wait::until("chromedriver to be ready", LIMIT, || {
            process.alive()?;
            let ready = http::ask(&host, AT, "GET /status", "Host: localhost");
            Ok(ready
                .is_ok_and(|ready| ready.status() == "200")
                .then_some(()))
        })?;
        Ok(Self {
            host,
            _process: process,
        })
    }

    /// Opens a window.
    pub fn open(&self, lab: &Lab) -> Result<Browser<'_>> {
        let profile = tempfile::Builder::new()
            .prefix("profile-")
            .tempdir_in(lab.path("browser"))?
            .keep();
        let profile = format!("--user-data-dir={}", profile.display());
        let mut arguments: Vec<_> = ARGUMENTS.into_iter().map(str::to_owned).collect();
        arguments.push(profile);
        let capabilities = json!({"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": arguments, "binary": "/usr/bin/chromium"},
            "goog:loggingPrefs": {"performance": "ALL", "browser": "ALL"},
        }});
        let opened = self.ask("POST", "/session", &json!({"capabilities": capabilities}))?;
        let session = opened["sessionId"].as_str().context("no session")?;
        Ok(Browser {
            driver: self,
            session: session.to_owned(),
        })
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let body = if method == "POST" {
            body.to_string()
        } else {
            String::new()
        };
        let headers = format!(
            "Host: localhost\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}",
            body.len()
        );
        let text = format!("{method} {path} HTTP/1.1\r\n{headers}\r\n\r\n{body}");
        let answer = http::send(&self.host, AT, &text)?;
        let mut told = answer.json()?;
        let value = told["value"].take();
        match answer.status() {
            "200" => Ok(value),
            _ => bail!("{method} {path}: {}: {}", value["error"], value["message"]),
        }
    }
}

impl Browser<'_> {
    /// Goes to an address.
    pub fn go(&self, url: &str) -> Result<()> {
        self.post("/url", json!({"url": url})).map(drop)
    }

    /// Runs a function's body in the page; what it returns.
    pub fn run(&self, script: &str) -> Result<Value> {
        self.post("/execute/sync", json!({"script": script, "args": []}))
    }

    /// Waits until a function's body returns something that is true.
    pub fn wait_for(&self, what: &str, script: &str) -> Result<Value> {
        let waited = wait::until(what, LIMIT, || {
            let value = self.run(script)?;
            let is_true = !matches!(value, Value::Null | Value::Bool(false));
            Ok(is_true.then_some(value))
        });
        waited.with_context(|| {
            let shown = self.text("body").unwrap_or_default();
            let complaints = self.complaints().unwrap_or_default();
            let start: String = shown.chars().take(SHOWN).collect();
            format!("the page shows {start}\nand complains of {complaints:?}")
        })
    }

    /// The text that an element shows.
    pub fn text(&self, css: &str) -> Result<String> {
        let text = self.get(&format!("/element/{}/text", self.find(css)?))?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Clicks on an element as a person would: it must be seen.
    pub fn click(&self, css: &str) -> Result<()> {
        self.post(&format!("/element/{}/click", self.find(css)?), json!({}))
            .map(drop)
    }

    /// Types into an element; `\u{e007}` is the Enter key.
    pub fn write(&self, css: &str, text: &str) -> Result<()> {
        let path = format!("/element/{}/value", self.find(css)?);
        self.post(&path, json!({"text": text})).map(drop)
    }

    /// Empties an input.
    pub fn clear(&self, css: &str) -> Result<()> {
        self.post(&format!("/element/{}/clear", self.find(css)?), json!({}))
            .map(drop)
    }

    /// A picture of what is seen, in Base64.
    pub fn picture(&self) -> Result<String> {
        let picture = self.get("/screenshot")?;
        Ok(picture.as_str().unwrap_or_default().to_owned())
    }

    /// Shows the page as on a screen of so many pixels, in dark or light.
    pub fn show(&self, (width, height): (u32, u32), scheme: &str) -> Result<()> {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.command("Emulation.setDeviceMetricsOverride", size)?;
        let features = [
            json!({"name": "prefers-color-scheme", "value": scheme}),
            // What moves on its own is clicked at where it was.
            json!({"name": "prefers-reduced-motion", "value": "reduce"}),
        ];
        self.command("Emulation.setEmulatedMedia", json!({"features": features}))
    }

    /// A command of the browser's own protocol.
    fn command(&self, name: &str, parameters: Value) -> Result<()> {
        let command = json!({"cmd": name, "params": parameters});
        self.post("/goog/cdp/execute", command).map(drop)
    }

    /// The addresses of all requests since it was asked last.
    pub fn requests(&self) -> Result<Vec<String>> {
        let log = self.post("/se/log", json!({"type": "performance"}))?;
        let entries = log.as_array().context("no log")?.iter();
        let messages = entries.filter_map(|entry| {
            let message = entry["message"].as_str()?;
            serde_json::from_str::<Value>(message).ok()
        });
        let sent = messages.filter(|one| one["message"]["method"] == "Network.requestWillBeSent");
        let urls = sent.filter_map(|one| {
            let url = &one["message"]["params"]["request"]["url"];
            url.as_str().map(str::to_owned)
        });
        Ok(urls.collect())
    }

    /// What went wrong in the page since it was asked last, as the browser says.
    pub fn complaints(&self) -> Result<Vec<String>> {
        let log = self.post("/se/log", json!({"type": "browser"}))?;
        let entries = log.as_array().context("no log")?.iter();
        let severe = entries.filter(|entry| entry["level"] == "SEVERE");
        let messages = severe.filter_map(|entry| entry["message"].as_str().map(str::to_owned));
        Ok(messages.collect())
    }

    fn find(&self, css: &str) -> Result<String> {
        let found = self.post("/element", json!({"using": "css selector", "value": css}))?;
        let id = found[ELEMENT].as_str();
        ensure!(id.is_some(), "no element {css}");
        Ok(id.unwrap_or_default().to_owned())
    }

    fn get(&self, path: &str) -> Result<Value> {
        let path = format!("/session/{}{path}", self.session);
        self.driver.ask("GET", &path, &Value::Null)
    }

    fn post(&self, path: &str, body: Value) -> Result<Value> {
        let path = format!("/session/{}{path}", self.session);
        self.driver.ask("POST", &path, &body)
    }
}

impl Drop for Browser<'_> {
    fn drop(&mut self) {
        // A driver that ended has taken its browsers along.
        let path = format!("/session/{}", self.session);
        let _ended: Result<Value> = self.driver.ask("DELETE", &path, &Value::Null);
    }
}
