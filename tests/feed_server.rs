//! The lab's web service on a network: what clients of it see, of good answers and of bad ones.

use std::fs;
use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::address::INTERNET;
use lab::certificate::Certificate;
use lab::feed::fault::{Fault, Faults};
use lab::feed::made_up;
use lab::feed::server::Server;
use lab::feed::service::{MOST_AN_HOUR, Service};
use lab::host::Life;
use lab::process::Process;
use lab::topology::Lab;
use lab::wait;
use serde_json::Value;

const PORT: u16 = 8365;
const ID: &str = "ClientRequestId=b10c5ed1-bad1-445f-b386-b919946339a7";
const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn a_folder_is_served_over_tls_and_moved_by_its_control() -> Result<()> {
    let lab = Lab::build(Life::Bound)?;
    let folder = editions(&lab)?;
    let authority = lab.path("authority-of-feed.pem");
    let listen = format!("{}:{PORT}", INTERNET.v4);
    let mut command = lab.internet.command(env!("CARGO_BIN_EXE_egress-lab"));
    command
        .arg("feed-server")
        .arg(&folder)
        .args(["--tls", "--listen", &listen]);
    command
        .args(["--latest", "2026040500", "--ca-out"])
        .arg(&authority);
    let mut process = Process::spawn("feed-server", command, lab.folder())?;
    wait::until("the feed server", LIMIT, || {
        process.alive()?;
        Ok(process.output().contains("serving https://").then_some(()))
    })?;

    let ask = |path: &str, options: &[&str]| {
        let trusted = ["--cacert", authority.to_str().unwrap_or_default()];
        curl(
            &lab,
            &format!("https://{listen}{path}"),
            &[&trusted, options].concat(),
        )
    };
    ensure!(json(&ask(&format!("/version/worldwide?{ID}"), &[])?)?["latest"] == "2026040500");
    let moved = ask("/control/latest", &["--data", "2026053100"])?;
    ensure!(json(&moved)?["instances"][0]["latest"] == "2026053100");
    ensure!(json(&ask(&format!("/version/WORLDWIDE?{ID}"), &[])?)?["latest"] == "2026053100");
    let refused = ask("/control/faults", &["--data", "nonsense"])?;
    ensure!(
        String::from_utf8_lossy(&refused.stdout).contains("503-html"),
        "{refused:?}"
    );
    let other = Certificate::issue(lab.folder(), &[])?.authority;
    let trusted = ["--cacert", other.to_str().unwrap_or_default()];
    let untrusted = curl(&lab, &format!("https://{listen}/version?{ID}"), &trusted)?;
    ensure!(untrusted.status.code() == Some(60), "{untrusted:?}");
    ensure!(process.terminate(LIMIT)? == Some(0));
    Ok(())
}

#[test]
fn bad_answers_are_as_bad_as_they_are_called() -> Result<()> {
    let lab = Lab::build(Life::Bound)?;
    let certificate = Certificate::issue(lab.folder(), &[INTERNET.v4.to_string()])?;
    let service = Arc::new(Service::new(made_up::archive("Worldwide"), MOST_AN_HOUR));
    let server = Server::start(
        &lab.internet,
        (INTERNET.v4, PORT).into(),
        service,
        Some(&certificate),
    )?;
    let authority = certificate.authority.display().to_string();
    let ask = || {
        let options = [
            "--cacert",
            &authority,
            "--location",
            "--max-redirs",
            "3",
            "--max-time",
            "2",
            "--compressed",
        ];
        let told = [
            "--write-out",
            "\n%{http_code} %{content_type} %{size_download}",
        ];
        let url = format!("{}/endpoints/worldwide?{ID}", server.url());
        curl(&lab, &url, &[&options[..], &told].concat())
    };
    // What curl says of it, and a part of what it got.
    let table = [
        (None, 0, "200 application/json"),
        (Some(Fault::Html503), 0, "503 text/html"),
        (Some(Fault::HtmlAsJson), 0, "200 application/json"),
        (Some(Fault::Truncated), 18, "200 application/json"),
        (Some(Fault::Slow), 28, "200 application/json"),
        (Some(Fault::Silent), 28, "000 "),
        (Some(Fault::RedirectLoop), 47, "302 text/html"),
        (Some(Fault::TooManyRequests), 0, "429 application/json"),
        (Some(Fault::WrongType), 0, "200 image/png"),
    ];
    for (fault, code, told) in table {
        server
            .service
            .set_faults(fault.map(Faults::from).unwrap_or_default());
        let output = ask()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let last = text.lines().last().unwrap_or_default();
        ensure!(output.status.code() == Some(code), "{fault:?}: {output:?}");
        ensure!(last.starts_with(told), "{fault:?}: {last}");
    }
    Ok(())
}

/// Two editions in a folder.
fn editions(lab: &Lab) -> Result<PathBuf> {
    let folder = lab.path("editions");
    fs::create_dir(&folder)?;
    for (version, count) in [("2026040500", 20), ("2026053100", 30)] {
        let file = folder.join(format!("endpoints-worldwide-{version}.json"));
        fs::write(file, made_up::edition(0..count, 0..count).to_json())?;
    }
    Ok(folder)
}

/// Asks from the gateway, without proxies and configurations of the machine.
fn curl(lab: &Lab, url: &str, options: &[&str]) -> Result<Output> {
    let mut command = lab.gateway.command("curl");
    command.args(["-q", "--silent", "--show-error", "--noproxy", "*"]);
    command.args(options).arg(url);
    command
        .output()
        .context("is the Debian package curl installed?")
}

fn json(output: &Output) -> Result<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).with_context(|| format!("{output:?}"))
}
