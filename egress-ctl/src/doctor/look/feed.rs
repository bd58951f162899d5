//! Asks the web services for their newest version, and for nothing else.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use tokio::time::timeout;

use crate::{
    doctor::feed::Feed,
    feed::{
        fetch::{Known, fetch},
        request_id::RequestId,
        settings::Settings,
        store::Folder,
        version::Version,
    },
};

/// How long one may take, at most.
const LIMIT: Duration = Duration::from_secs(5);
/// Behind every version, so that the list itself is not asked for.
const LAST: &str = "9999999999";

/// Asks all, one after the other.
pub(super) async fn look(state_dir: &Path, feeds: &[Settings]) -> Vec<Feed> {
    let mut seen = Vec::new();
    for settings in feeds {
        seen.push(one(state_dir, settings).await);
    }
    seen
}

async fn one(state_dir: &Path, settings: &Settings) -> Feed {
    let began = Instant::now();
    let known = Known {
        version: Version::try_from(LAST.to_owned()).ok(),
        ..Known::default()
    };
    let id = RequestId::passing(state_dir);
    let asked = timeout(LIMIT, fetch(settings, &id, &known, false));
    let answer = match asked.await {
        Ok(Ok(answer)) => Ok((answer.latest.to_string(), began.elapsed())),
        Ok(Err(fault)) => Err(fault.to_string()),
        Err(_) => Err(format!("{} did not answer within {LIMIT:?}", settings.url)),
    };
    let folder = Folder::of(state_dir, &settings.source).read().ok();
    let refusal = folder.and_then(|read| Some(read.state.refusal()?.reason.to_string()));
    Feed {
        source: settings.source.clone(),
        url: settings.url.clone(),
        answer,
        refusal,
    }
}
