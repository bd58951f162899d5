//! `egress-lab feed-server DIR`: the Microsoft 365 web service over a folder of editions, until
//! interrupted.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use lab::certificate::Certificate;
use lab::feed::archive::Archive;
use lab::feed::fault::{Fault, Faults};
use lab::feed::server::{run as serve, url};
use lab::feed::service::{MOST_AN_HOUR, Service};
use lab::feed::tls;
use lab::feed::version::Version;
use lab::interrupt;
use tokio::time::sleep;

use crate::table::line;

const LAYOUT: &str = "\
The folder holds INSTANCE/VERSION.json, or files whose names hold both, such as
endpoints-worldwide-2026-05-31.json: arrays of endpoint sets, as /endpoints answers them. Change
records are derived from neighbouring versions.

While it runs:
  GET  /control           what is served, and all requests so far
  POST /control/latest    a version, as plain text
  POST /control/faults    faults behind commas, none to be good again";

#[derive(Args)]
#[command(after_help = LAYOUT)]
pub(crate) struct Options {
    /// The folder of editions
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Where to listen
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8365")]
    listen: SocketAddr,
    /// Speak TLS, with an authority made for it
    #[arg(long)]
    tls: bool,
    /// Where to put the authority's certificate, which clients must trust
    #[arg(long, value_name = "FILE", requires = "tls")]
    ca_out: Option<PathBuf>,
    /// Names for the certificate beside the address and localhost
    #[arg(long, value_name = "NAME", requires = "tls")]
    name: Vec<String>,
    /// The version to begin with; by default the newest
    #[arg(long, value_name = "VERSION")]
    latest: Option<Version>,
    /// Requests that a client has in an hour
    #[arg(long, value_name = "N", default_value_t = MOST_AN_HOUR)]
    limit: usize,
    #[arg(long, value_name = "NAME[@METHOD],...", default_value = "", help = faults_help())]
    faults: Faults,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let service = Arc::new(service(options)?);
    let listener = TcpListener::bind(options.listen)
        .with_context(|| format!("cannot listen on {}", options.listen))?;
    let address = listener.local_addr()?;
    let folder = tempfile::tempdir()?;
    let certificate = certificate(options, folder.path(), address)?;
    let tls = certificate.as_ref().map(tls::config).transpose()?;
    line(format_args!("serving {}", url(address, options.tls)))?;
    serve(listener, service, tls, interrupted())?;
    Ok(true)
}

fn service(options: &Options) -> Result<Service> {
    let archive = Archive::read(&options.folder)?;
    for shelf in archive.shelves() {
        let versions: Vec<_> = shelf
            .versions()
            .map(|version| version.to_string())
            .collect();
        line(format_args!("{}: {}", shelf.name, versions.join(", ")))?;
    }
    let service = Service::new(archive, options.limit);
    if let Some(version) = options.latest {
        service.set_latest(version)?;
    }
    service.set_faults(options.faults.clone());
    Ok(service)
}

fn certificate(
    options: &Options,
    folder: &Path,
    address: SocketAddr,
) -> Result<Option<Certificate>> {
    if !options.tls {
        return Ok(None);
    }
    let own = ["localhost".to_owned(), address.ip().to_string()];
    let names = [&own[..], &options.name].concat();
    let certificate = Certificate::issue(folder, &names)?;
    if let Some(file) = &options.ca_out {
        fs::copy(&certificate.authority, file)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(Some(certificate))
}

async fn interrupted() {
    while interrupt::check().is_ok() {
        sleep(Duration::from_millis(50)).await;
    }
}

fn faults_help() -> String {
    format!(
        "What is wrong with the answers, of all methods or of one (version, endpoints, changes): {}",
        Fault::names().join(", ")
    )
}
