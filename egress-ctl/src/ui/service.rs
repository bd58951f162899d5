//! Serves the page, for a daemon or for the command.

use std::time::Duration;

use tracing::{info, warn};

use super::{site::Site, token::Token};
use crate::{
    config::ui::Ui,
    daemon::Places,
    loopback::service::{self, Bounds, ListenError, Running, Subject},
};

/// The service of a daemon, running or not.
pub type Service = service::Service<Ui>;

/// What is served.
pub const SUBJECT: Subject = Subject {
    name: "the page",
    is: "the page is",
    path: "/",
    instead: "`egress-ctl ui` serves it elsewhere",
};
/// A decision waits until the daemon has taken it over.
const BOUNDS: Bounds = Bounds {
    at_once: 32,
    limit: Duration::from_secs(45),
};

/// Serves the page from now on. A token that cannot be used leaves a page that only reads.
///
/// # Errors
/// Nobody can listen there, or there is no thread left.
pub fn start(ui: &Ui, places: &Places) -> Result<Running, ListenError> {
    if let Some(path) = &ui.token_file {
        match Token::make(path).and_then(|made| Token::read(path).map(|_| made)) {
            Ok(true) => info!("the page's token is made: it is in {}", path.display()),
            Ok(false) => {}
            Err(fault) => warn!("nobody can decide on the page: {fault}"),
        }
    }
    let site = Site::new(ui, places).map_err(|fault| ListenError::new(ui.listen, fault))?;
    Running::start(SUBJECT, ui.listen, BOUNDS, move |request| {
        let site = site.clone();
        async move { site.answer(request).await }
    })
}
