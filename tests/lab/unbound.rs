//! The gateway's resolver, where it is Unbound: forwards to the internet's, and caches.

use std::fs;

use anyhow::{Context, Result};

use crate::address::{INTERNET, LAN, LAN_OF_STRANGER};
use crate::long::{LONG, ZONE};
use crate::process::Process;
use crate::resolver::{LIMIT, answers};
use crate::topology::Lab;
use crate::wait;

const NAME: &str = "unbound-gateway";

/// Whether the program is there.
pub fn is_installed() -> bool {
    let folders = ["/usr/sbin", "/sbin", "/usr/bin"];
    folders
        .iter()
        .any(|folder| fs::exists(format!("{folder}/unbound")).unwrap_or(false))
}

/// Starts it.
pub fn forwarder(lab: &Lab) -> Result<Process> {
    let file = lab.path(format!("{NAME}.conf"));
    fs::write(&file, configuration(lab))?;
    let mut command = lab.gateway.command("unbound");
    // In the foreground, without a file for its number.
    command.args(["-d", "-p", "-c"]).arg(&file);
    let mut process = Process::spawn(NAME, command, lab.folder())
        .context("is the Debian package unbound installed?")?;
    wait::until(&format!("{NAME} to answer"), LIMIT, || {
        process.alive()?;
        let answers = || Ok(answers(LAN.v4.into()).then_some(()));
        lab.gateway.run(answers)?
    })?;
    Ok(process)
}

/// No files of the machine, no validation, nothing but the internet's resolver.
fn configuration(lab: &Lab) -> String {
    let folder = lab.folder().display();
    let addresses = [
        "127.0.0.1".to_owned(),
        LAN.v4.to_string(),
        LAN.v6.to_string(),
        LAN_OF_STRANGER.v4.to_string(),
        LAN_OF_STRANGER.v6.to_string(),
    ];
    let interfaces = addresses.map(|address| format!("    interface: {address}\n"));
    format!(
        r#"server:
{}    access-control: 0.0.0.0/0 allow
    access-control: ::0/0 allow
    directory: "{folder}"
    chroot: ""
    username: ""
    pidfile: ""
    use-syslog: no
    logfile: ""
    do-daemonize: no
    num-threads: 1
    incoming-num-tcp: 200
    module-config: "iterator"
    do-not-query-localhost: no
forward-zone:
    name: "."
    forward-addr: {}
forward-zone:
    name: "{ZONE}."
    forward-addr: {LONG}
remote-control:
    control-enable: no
"#,
        interfaces.concat(),
        INTERNET.v4,
    )
}
