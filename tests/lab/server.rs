//! The web server behind every address of the internet: a real nginx, with TLS on 443 and on a
//! port that no list allows, and plain HTTP on 80.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::address::INTERNET;
use crate::certificate::Certificate;
use crate::process::Process;
use crate::topology::Lab;
use crate::wait;

/// HTTPS where it belongs.
pub const HTTPS: u16 = 443;
/// HTTPS on a port that no endpoint set lists.
pub const WRONG_PORT: u16 = 8443;

const LIMIT: Duration = Duration::from_secs(10);

/// A running nginx and what its clients trust.
#[derive(Debug)]
pub struct WebServer {
    process: Process,
    authority: PathBuf,
}

impl WebServer {
    /// Starts it with a certificate for the names and addresses given.
    pub fn start(lab: &Lab, names: &[String]) -> Result<Self> {
        let certificate = Certificate::issue(lab.folder(), names)?;
        let config = lab.path("nginx.conf");
        fs::write(&config, configuration(lab.folder(), &certificate))?;
        let mut command = lab.internet.command("nginx");
        command.arg("-c").arg(&config).args(["-e", "stderr", "-p"]);
        command.arg(lab.folder());
        let mut process = Process::spawn("nginx", command, lab.folder())
            .context("is the Debian package nginx-light installed?")?;
        wait::until("nginx to listen", LIMIT, || {
            process.alive()?;
            let connected = lab
                .internet
                .run(|| TcpStream::connect((INTERNET.v4, WRONG_PORT)));
            Ok(connected?.ok())
        })?;
        Ok(Self {
            process,
            authority: certificate.authority,
        })
    }

    /// The certificate that clients trust.
    pub fn authority(&self) -> &Path {
        &self.authority
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Lets the server live on, and returns its process id.
    pub fn leave(self) -> u32 {
        self.process.leave()
    }
}

/// One process in the foreground, every path in the lab's folder.
fn configuration(folder: &Path, certificate: &Certificate) -> String {
    let folder = folder.display();
    let (chain, key) = (certificate.chain.display(), certificate.key.display());
    let wrong = WRONG_PORT;
    format!(
        r#"daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    server {{
        listen 0.0.0.0:80;
        listen [::]:80 ipv6only=on;
        listen 0.0.0.0:{HTTPS} ssl;
        listen [::]:{HTTPS} ssl ipv6only=on;
        listen 0.0.0.0:{wrong} ssl;
        listen [::]:{wrong} ssl ipv6only=on;
        ssl_certificate {chain};
        ssl_certificate_key {key};
        default_type text/plain;
        return 200 "$server_addr:$server_port\n";
    }}
}}
"#
    )
}
