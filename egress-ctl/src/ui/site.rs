//! What is behind the page: who is asked for what.

use std::{convert::Infallible, io, path::PathBuf, sync::Arc};

use anyhow::Result;
use hyper::{Request, Response, StatusCode, body::Incoming};
use tokio::{sync::oneshot, task::spawn_blocking};
use tracing::warn;
use uuid::Uuid;

use super::{
    answer, api,
    guard::{Guard, Refusal},
    page::Page,
    query::Query,
    route::Route,
    watcher::{self, Seen},
};
use crate::{config::ui::Ui, daemon::Places};

/// All that answers need.
pub struct Site {
    /// Where state and maps are.
    pub places: Places,
    /// What goes on.
    pub seen: Arc<Seen>,
    /// Another one after each start: numbers and points begin anew with it.
    pub instance: Uuid,
    port: u16,
    /// The file of the token; nobody decides where there is none.
    pub token_file: Option<PathBuf>,
    /// Dropped to end the watcher.
    _until: oneshot::Sender<Infallible>,
}

impl Site {
    /// One that looks at the gateway from now on.
    ///
    /// # Errors
    /// There is no thread left.
    pub fn new(ui: &Ui, places: &Places) -> io::Result<Arc<Self>> {
        let seen = Arc::new(Seen::default());
        let (until, ended) = oneshot::channel();
        watcher::start(Arc::downgrade(&seen), places.clone(), ended)?;
        Ok(Arc::new(Self {
            places: places.clone(),
            seen,
            instance: Uuid::new_v4(),
            port: ui.listen.port(),
            token_file: ui.token_file.clone(),
            _until: until,
        }))
    }

    /// Answers a request. What takes a while keeps nobody else waiting.
    pub async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<String> {
        let site = Arc::clone(&self);
        let judged = spawn_blocking(move || site.judged(&request));
        match judged.await {
            Ok(response) => response,
            Err(_) => answer::failed(
                StatusCode::INTERNAL_SERVER_ERROR,
                "this is a fault of egress: the log says more",
            ),
        }
    }

    fn judged<B>(&self, request: &Request<B>) -> Response<String> {
        let guard = Guard {
            port: self.port,
            token: self.token_file.as_deref(),
        };
        let route = match guard.judged(request) {
            Ok(route) => route,
            Err(refusal) => {
                tell(&refusal, request.uri().path());
                return answer::refused(&refusal);
            }
        };
        let query = Query::read(request.uri().query().unwrap_or_default());
        let told = query.and_then(|query| self.told(route, &query));
        told.unwrap_or_else(|fault| answer::failed(StatusCode::BAD_REQUEST, &format!("{fault:#}")))
    }

    fn told(&self, route: Route, query: &Query) -> Result<Response<String>> {
        Ok(match route {
            Route::Page => answer::page(Page::new()),
            Route::Read(subject) => answer::json(api::read(self, subject, query)?),
            Route::Decide(decision) => answer::json(api::feeds::decide(self, decision, query)?),
        })
    }
}

/// Tells the log of who was refused and should not have asked; what was sent stays untold.
fn tell(refusal: &Refusal, path: &str) {
    let path = path.escape_debug();
    match refusal {
        Refusal::Foreign(_) | Refusal::Elsewhere | Refusal::WrongToken => {
            let (_, why) = refusal.told();
            warn!("the page refused a request for {path}: {why}");
        }
        Refusal::Token(fault) => warn!("nobody can decide on the page: {fault}"),
        _ => {}
    }
}
