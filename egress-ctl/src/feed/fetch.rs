//! One look at the service: what is newest, and if it is new, all of it.
//!
//! In: settings, and what is known. Out: an [`Answer`], or why there is none. Nothing is written.

use super::{
    depth::is_too_deep, http::Http, mirror::Mirror, refusal::Refusal, request_id::RequestId,
    settings::Settings, version::Version, versions,
};

/// Largest answer that is read, uncompressed.
pub const LARGEST: usize = 10 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The service does not answer now; the same question may be answered later.
    #[error(transparent)]
    Failed(#[from] Failed),
    /// It answers something that must not be applied.
    #[error("{}", .0.refusal)]
    Refused(Box<RefusedAnswer>),
}

/// An answer that must not be applied.
#[derive(Debug)]
pub struct RefusedAnswer {
    /// What is wrong.
    pub refusal: Refusal,
    /// The version that was announced before.
    pub version: Option<Version>,
    /// The answer.
    pub answer: Vec<u8>,
}

impl FetchError {
    /// An answer that must not be applied.
    pub(super) fn refused(refusal: Refusal, answer: Vec<u8>) -> Self {
        let version = None;
        Self::Refused(Box::new(RefusedAnswer {
            refusal,
            version,
            answer,
        }))
    }
}

/// The service does not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{url}: {fault}")]
pub struct Failed {
    /// Who was asked what.
    pub url: String,
    /// What happened.
    pub fault: String,
    /// How long the service asks to be left alone.
    pub wait: Option<std::time::Duration>,
}

/// What was asked of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// The newest version.
    Version,
    /// All endpoint sets; of that version, where versions have files.
    Endpoints(Version),
    /// The change records after a version.
    Changes(Version),
}

/// The body of an answer, and a mark by which an unchanged one is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// As it came, uncompressed.
    pub bytes: Vec<u8>,
    /// Its ETag.
    pub tag: Option<String>,
}

/// What is known already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The newest version whose sets are here; none where they answer another question.
    pub version: Option<Version>,
    /// The version after which change records are wanted.
    pub base: Option<Version>,
    /// ETag and version of the last answer to `/version`.
    pub tag: Option<(String, Version)>,
}

/// What the service says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The newest version.
    pub latest: Version,
    /// ETag of that answer.
    pub tag: Option<String>,
    /// The sets and the change records, where the version is new.
    pub news: Option<News>,
}

/// Everything of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The answer to `/endpoints`.
    pub endpoints: Vec<u8>,
    /// The answer to `/changes`, or why there is none; nothing where none was asked for.
    pub changes: Option<Result<Vec<u8>, String>>,
}

/// Someone who answers.
enum Service {
    Http(Http),
    Mirror(Mirror),
}

impl Service {
    /// The body; none where it is the one that `tag` stands for.
    async fn ask(&self, method: &Method, tag: Option<&str>) -> Result<Option<Body>, FetchError> {
        let body = match self {
            Self::Http(http) => http.ask(method, tag).await?,
            Self::Mirror(mirror) => mirror.ask(method)?,
        };
        match body {
            Some(Body { bytes, .. }) if is_too_deep(&bytes) => {
                Err(FetchError::refused(Refusal::TooDeep, bytes))
            }
            body => Ok(body),
        }
    }
}

/// Asks; `anyway` also where the version is known.
///
/// # Errors
/// No answer, or one that must not be applied.
pub async fn fetch(
    settings: &Settings,
    id: &RequestId,
    known: &Known,
    anyway: bool,
) -> Result<Answer, FetchError> {
    let service = match settings.url.strip_prefix("file://") {
        Some(folder) => Service::Mirror(Mirror::new(folder, &settings.question.instance)),
        None => Service::Http(Http::new(settings, id)?),
    };
    let (latest, tag) = latest(&service, settings, known).await?;
    let mut answer = Answer {
        latest,
        tag,
        news: None,
    };
    if !anyway
        && known
            .version
            .as_ref()
            .is_some_and(|known| *known >= answer.latest)
    {
        return Ok(answer);
    }
    let endpoints = Method::Endpoints(answer.latest.clone());
    let endpoints = service.ask(&endpoints, None).await;
    let endpoints = endpoints.map_err(|fault| fault.of(&answer.latest))?;
    let changes = match known.base.as_ref().filter(|base| **base < answer.latest) {
        Some(base) => changes(&service, base).await.transpose(),
        None => None,
    };
    answer.news = endpoints.map(|Body { bytes, .. }| News {
        endpoints: bytes,
        changes,
    });
    Ok(answer)
}

async fn latest(
    service: &Service,
    settings: &Settings,
    known: &Known,
) -> Result<(Version, Option<String>), FetchError> {
    let tag = known.tag.as_ref();
    let body = service
        .ask(&Method::Version, tag.map(|(tag, _)| tag.as_str()))
        .await?;
    match (body, tag) {
        (Some(Body { bytes, tag }), _) => {
            let latest = versions::latest(&bytes, &settings.question.instance);
            let latest = latest.map_err(|refusal| FetchError::refused(refusal, bytes))?;
            Ok((latest, tag))
        }
        (None, Some((tag, version))) => Ok((version.clone(), Some(tag.clone()))),
        (None, None) => Err(FetchError::Failed(Failed {
            url: settings.url.clone(),
            fault: "says that nothing has changed, which nobody asked".to_owned(),
            wait: None,
        })),
    }
}

/// Change records only explain: where they are missing, the answer counts all the same.
async fn changes(service: &Service, base: &Version) -> Result<Option<Vec<u8>>, String> {
    let body = service.ask(&Method::Changes(base.clone()), None).await;
    let body = body.map_err(|fault| fault.to_string())?;
    Ok(body.map(|body| body.bytes))
}

impl FetchError {
    /// Notes the version that was announced.
    fn of(mut self, announced: &Version) -> Self {
        if let Self::Refused(refused) = &mut self {
            refused.version = Some(announced.clone());
        }
        self
    }
}
