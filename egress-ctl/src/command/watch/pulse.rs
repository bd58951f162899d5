//! Whether the daemon still answers: one that was stopped, or that is busy for long, is as silent as one that has
//! nothing to tell.

use std::{io, path::PathBuf, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    sync::watch::{self, Receiver},
    time::{sleep, timeout},
};

use crate::control::{self, Request};

/// What is told while it does not.
pub(crate) const SILENT: &str = "the daemon does not answer: what it holds is told once it does";

/// How often it is asked.
const EVERY: Duration = Duration::from_secs(1);
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks a daemon again and again, for as long as somebody wants to know.
pub(crate) struct Pulse(Receiver<bool>);

impl Pulse {
    /// Begins, on the runtime that it is called on.
    pub(crate) fn begin(state_dir: PathBuf) -> Self {
        let (tell, answers) = watch::channel(true);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = tell.closed() => return,
                    () = sleep(EVERY) => {}
                }
                let path = control::path(&state_dir);
                let answer = timeout(PATIENCE, answer(&path)).await;
                let answers = matches!(answer, Ok(Ok(())));
                tell.send_if_modified(|did| std::mem::replace(did, answers) != answers);
            }
        });
        Self(answers)
    }

    /// Waits until the daemon has fallen silent, or answers again; whether it answers now. One that does not run
    /// is not silent.
    pub(crate) async fn changed(&mut self) -> bool {
        // The one who tells ends with this.
        let _: Result<(), _> = self.0.changed().await;
        *self.0.borrow_and_update()
    }
}

/// Waits for any answer of a daemon, if one listens.
async fn answer(path: &PathBuf) -> io::Result<()> {
    let stream = match UnixStream::connect(path).await {
        Err(fault) if is_nobody(&fault) => return Ok(()),
        stream => stream?,
    };
    let (mut from, mut to) = stream.into_split();
    let mut line = serde_json::to_vec(&Request::Hello)?;
    line.push(b'\n');
    // Who is refused by credentials is told so before the request is read.
    let _: io::Result<()> = to.write_all(&line).await;
    from.read(&mut [0]).await.map(drop)
}

fn is_nobody(fault: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, NotFound, PermissionDenied};

    matches!(
        fault.kind(),
        NotFound | ConnectionRefused | PermissionDenied
    )
}
