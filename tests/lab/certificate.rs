//! A certificate authority of the lab's own, made by openssl: names in, key and certificate out.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

const DAYS: &str = "2";

/// Files in the lab's folder.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// What clients trust.
    pub authority: PathBuf,
    /// The server's certificate, signed by the authority.
    pub chain: PathBuf,
    /// The server's key.
    pub key: PathBuf,
}

impl Certificate {
    /// Makes an authority, and a certificate for all names and addresses given.
    pub fn issue(folder: &Path, names: &[String]) -> Result<Self> {
        let file = |name| folder.join(name);
        let issued = Self {
            authority: file("authority.pem"),
            chain: file("server.pem"),
            key: file("server.key"),
        };
        let authority_key = file("authority.key");
        new_key(&issued.authority, &authority_key, "egress lab authority")
            .args(["-addext", "keyUsage=critical,keyCertSign"])
            .checked()?;
        let config = file("server.cnf");
        fs::write(&config, extensions(names))?;
        new_key(&issued.chain, &issued.key, "egress lab server")
            .args(["-extensions", "server", "-config"])
            .arg(&config)
            .arg("-CA")
            .arg(&issued.authority)
            .arg("-CAkey")
            .arg(&authority_key)
            .checked()?;
        Ok(issued)
    }
}

/// A request for a certificate with a new key; self-signed unless arguments follow that say else.
fn new_key(certificate: &Path, key: &Path, subject: &str) -> Command {
    let mut command = Command::new("openssl");
    command
        .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", DAYS])
        .args(["-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-subj", &format!("/CN={subject}")])
        .arg("-keyout")
        .arg(key)
        .arg("-out")
        .arg(certificate);
    command
}

/// The server's own name comes first, so that the list is never empty.
fn extensions(names: &[String]) -> String {
    let mut alternatives = "DNS:server.lab.example".to_owned();
    for name in names {
        alternatives.push_str(&match name.parse::<IpAddr>() {
            Ok(address) => format!(",IP:{address}"),
            Err(_) => format!(",DNS:{}", name.to_ascii_lowercase()),
        });
    }
    format!(
        "[req]\ndistinguished_name=dn\n[dn]\n[server]\nbasicConstraints=CA:FALSE\nsubjectAltName={alternatives}\n"
    )
}

trait Checked {
    /// Runs it and turns a failure into what it said.
    fn checked(&mut self) -> Result<()>;
}

impl Checked for Command {
    fn checked(&mut self) -> Result<()> {
        let output = self
            .output()
            .context("is the Debian package openssl installed?")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "openssl failed: {said}");
        Ok(())
    }
}
