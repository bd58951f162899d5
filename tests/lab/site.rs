//! The lab with everything but the filter: resolvers that know a zone, and the web server.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::host::{Host, Life};
use crate::process::Process;
use crate::resolver::{self, Program};
use crate::server::WebServer;
use crate::topology::Lab;
use crate::zone::Zone;

/// A running lab. Its processes end before its hosts do.
#[derive(Debug)]
pub struct Site {
    forwarder: Process,
    upstream: Process,
    web: WebServer,
    /// The hosts.
    pub lab: Lab,
}

impl Site {
    /// Builds the lab and starts everything in it.
    pub fn start(life: Life, zone: &Zone, certificate_names: &[String]) -> Result<Self> {
        Self::start_with(Program::Dnsmasq, life, zone, certificate_names)
    }

    /// The same, with a resolver of choice on the gateway.
    pub fn start_with(
        program: Program,
        life: Life,
        zone: &Zone,
        certificate_names: &[String],
    ) -> Result<Self> {
        let lab = Lab::build(life)?;
        Ok(Self {
            upstream: resolver::upstream(&lab, zone)?,
            forwarder: program.start(&lab)?,
            web: WebServer::start(&lab, certificate_names)?,
            lab,
        })
    }

    /// The certificate that clients trust.
    pub fn authority(&self) -> &Path {
        self.web.authority()
    }

    /// The ids of all processes.
    pub fn processes(&self) -> Vec<u32> {
        vec![self.forwarder.id(), self.upstream.id(), self.web.id()]
    }

    /// Starts a process in each host that does nothing but hold it, to enter it by.
    pub fn anchors(&self) -> Result<Vec<(&'static str, Process)>> {
        let anchor = |host: &Host| {
            let mut command = host.command("sleep");
            command.arg("infinity");
            let name = format!("{}-anchor", host.name());
            let process = Process::spawn(&name, command, self.lab.folder())?;
            Ok((host.name(), process))
        };
        self.lab.hosts().into_iter().map(anchor).collect()
    }

    /// Lets everything live on, and returns the processes and the folder.
    pub fn leave(self) -> (Vec<u32>, PathBuf) {
        let processes = vec![
            self.forwarder.leave(),
            self.upstream.leave(),
            self.web.leave(),
        ];
        (processes, self.lab.leave())
    }
}
