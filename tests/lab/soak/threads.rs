//! The soak's traffic: threads inside the hosts that send and receive until they are told to end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow};

use super::shared::Shared;
use crate::host::Host;

type Handle = JoinHandle<io::Result<Result<()>>>;

/// Threads that share what they know.
#[derive(Debug)]
pub struct Threads {
    pub shared: Arc<Shared>,
    running: Vec<(&'static str, Handle)>,
}

impl Threads {
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared::new()),
            running: Vec::new(),
        }
    }

    /// Starts one inside a host.
    pub fn start(
        &mut self,
        name: &'static str,
        host: &Host,
        work: impl FnOnce(&Shared) -> Result<()> + Send + 'static,
    ) {
        let shared = Arc::clone(&self.shared);
        let handle = host.thread(move || work(&shared));
        self.running.push((name, handle));
    }

    /// Nothing more is sent.
    pub fn hush(&self) {
        self.shared.silent.store(true, Ordering::Relaxed);
    }

    /// Waits for all of them.
    pub fn end(&mut self) -> Result<()> {
        self.hush();
        self.shared.ended.store(true, Ordering::Relaxed);
        for (name, handle) in self.running.drain(..) {
            let ended = handle
                .join()
                .map_err(|_| anyhow!("the thread of {name} panicked"))?;
            ended?.with_context(|| format!("the thread of {name}"))?;
        }
        Ok(())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Only an interrupted or failed soak comes here with threads; it has its own error.
        let _ = self.end();
    }
}
