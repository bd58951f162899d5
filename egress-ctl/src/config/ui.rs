//! Whether the page is served, where, and who may decide there.

use std::{net::SocketAddr, path::PathBuf};

use toml::Spanned;

use super::{
    listen::{self, Kind},
    problem::Problems,
    raw::RawUi,
};

/// The page's port, where nobody names another one.
pub const PORT: u16 = 9599;

const KIND: Kind = Kind {
    key: "ui.listen",
    port: PORT,
    why: "the page is served on loopback, without a password; `ssh -L` brings it elsewhere",
};

/// How the page is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ui {
    /// Where.
    pub listen: SocketAddr,
    /// The file of the token with which one may approve and reject; nobody may without one.
    pub token_file: Option<PathBuf>,
}

/// How the page is served; not at all where the config does not say where.
pub(super) fn ui(
    raw: &RawUi,
    metrics: Option<SocketAddr>,
    problems: &mut Problems<'_>,
) -> Option<Ui> {
    let token_file = raw.token_file.as_ref().map(|raw| token_file(raw, problems));
    let listen = listen::listen(raw.listen.as_ref(), KIND, problems);
    match (&raw.listen, &raw.token_file) {
        (None, Some(token)) if !problems.excuses(KIND.key) => {
            let message =
                format!("is for nothing without a page: write listen = \"127.0.0.1:{PORT}\" too");
            problems.add(Spanned::span(token), "ui.token-file", message);
        }
        (Some(raw), _) if listen.is_some() && listen == metrics => {
            let message = "metrics are served there: the page needs a port of its own";
            problems.add(Spanned::span(raw), KIND.key, message);
        }
        _ => {}
    }
    Some(Ui {
        listen: listen?,
        token_file: token_file.flatten(),
    })
}

/// From the root folder: nobody knows where a daemon runs.
fn token_file(raw: &Spanned<String>, problems: &mut Problems<'_>) -> Option<PathBuf> {
    let path = PathBuf::from(raw.get_ref());
    if path.is_absolute() && path.file_name().is_some() {
        return Some(path);
    }
    let message = format!(
        "`{}` is no path of a file from the root folder, such as /etc/egress/ui-token",
        raw.get_ref()
    );
    problems.add(Spanned::span(raw), "ui.token-file", message);
    None
}
