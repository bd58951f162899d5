//! The service over HTTP.
//!
//! In: a method. Out: the body, uncompressed and bounded; or what went wrong, and how long the service
//! wants to be left alone. Proxies come from the environment, as curl reads it.

use std::{fs, path::Path, sync::Arc, time::Duration};

use reqwest::{
    Client, Response, StatusCode, Url,
    header::{ACCEPT, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, IF_NONE_MATCH, RETRY_AFTER},
    redirect::Policy,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use super::{
    fetch::{Body, Failed, FetchError, LARGEST, Method},
    refusal::Refusal,
    request_id::RequestId,
    settings::Settings,
};

/// Redirects that are followed; mirrors may need one.
const REDIRECTS: usize = 3;
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the service wants to be left alone after 429, as it does not say itself.
const TOO_MANY: Duration = Duration::from_secs(3600);
/// Longest time that is believed, where it does say so.
const LONGEST: Duration = Duration::from_secs(86_400);

/// A client of one source.
pub struct Http {
    client: Client,
    root: Url,
    instance: String,
    query: Vec<(&'static str, String)>,
}

impl Http {
    /// A client for the settings of a source.
    pub(super) fn new(settings: &Settings, id: &RequestId) -> Result<Self, Failed> {
        let failed = |fault: String| Failed {
            url: settings.url.clone(),
            fault,
            wait: None,
        };
        let root = Url::parse(&settings.url).map_err(|fault| failed(fault.to_string()))?;
        let client = client(settings).map_err(failed)?;
        Ok(Self {
            client,
            root,
            instance: settings.question.instance.clone(),
            query: query(settings, id),
        })
    }

    fn url(&self, method: &Method) -> Url {
        let mut url = self.root.clone();
        let root = url.path().trim_end_matches('/').to_owned();
        let instance = &self.instance;
        let (path, wanted) = match method {
            Method::Version => (format!("version/{instance}"), 1),
            Method::Endpoints(_) => (format!("endpoints/{instance}"), self.query.len()),
            Method::Changes(base) => (format!("changes/{instance}/{base}"), 1),
        };
        url.set_path(&format!("{root}/{path}"));
        url.query_pairs_mut()
            .extend_pairs(self.query.iter().take(wanted));
        url
    }

    /// Asks; nothing where the answer is the one that `tag` stands for.
    pub(super) async fn ask(
        &self,
        method: &Method,
        tag: Option<&str>,
    ) -> Result<Option<Body>, FetchError> {
        let url = self.url(method);
        let mut request = self
            .client
            .get(url.clone())
            .header(ACCEPT, "application/json");
        if let Some(tag) = tag {
            request = request.header(IF_NONE_MATCH, tag);
        }
        let failed = |fault: reqwest::Error| failed(&url, &fault.without_url());
        let response = request.send().await.map_err(failed)?;
        if response.status() == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        if !response.status().is_success() {
            return Err(unwilling(&url, &response).into());
        }
        let said = response.headers().clone();
        let bytes = bounded(response).await.map_err(failed)?;
        if bytes.len() > LARGEST {
            return Err(FetchError::refused(Refusal::TooLarge, bytes));
        }
        let kind = text(&said, &CONTENT_TYPE).unwrap_or_default();
        if !is_json(&kind) {
            return Err(FetchError::refused(Refusal::ContentType(kind), bytes));
        }
        let tag = text(&said, &ETAG);
        Ok(Some(Body { bytes, tag }))
    }
}

/// What every method takes first, then what `/endpoints` takes.
fn query(settings: &Settings, id: &RequestId) -> Vec<(&'static str, String)> {
    let question = &settings.question;
    let mut query = vec![("ClientRequestId", id.to_string())];
    if !question.areas.is_empty() {
        query.push(("ServiceAreas", question.areas.join(",")));
    }
    if let Some(tenant) = &question.tenant {
        query.push(("TenantName", tenant.clone()));
    }
    if !question.ipv6 {
        query.push(("NoIPv6", "true".to_owned()));
    }
    query
}

fn client(settings: &Settings) -> Result<Client, String> {
    let is_https = settings.url.starts_with("https:");
    let builder = Client::builder()
        .user_agent(concat!("egress-ctl/", env!("CARGO_PKG_VERSION")))
        .timeout(settings.timeout)
        .connect_timeout(CONNECT.min(settings.timeout))
        .redirect(Policy::limited(REDIRECTS))
        // No redirect leads from an answer that can be trusted to one that cannot.
        .https_only(is_https)
        .tls_backend_preconfigured(tls(settings.ca_file.as_deref())?);
    builder.build().map_err(|fault| chain(&fault))
}

/// TLS that trusts the system's authorities, and those of a file.
fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        let fault = |fault: &dyn std::fmt::Display| format!("ca-file {}: {fault}", path.display());
        let pem = fs::read(path).map_err(|error| fault(&error))?;
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| fault(&error))?;
            roots.add(certificate).map_err(|error| fault(&error))?;
        }
        if roots.len() == before {
            return Err(fault(&"there is no certificate in it"));
        }
    }
    let provider = Arc::new(ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|fault| fault.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// The body, up to the first piece behind the limit.
async fn bounded(mut response: Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > LARGEST {
            break;
        }
    }
    Ok(bytes)
}

fn failed(url: &Url, fault: &reqwest::Error) -> Failed {
    Failed {
        url: plain(url),
        fault: chain(fault),
        wait: None,
    }
}

/// A status that is no success.
fn unwilling(url: &Url, response: &Response) -> Failed {
    let status = response.status();
    let asked = text(response.headers(), &RETRY_AFTER).and_then(|text| text.trim().parse().ok());
    let asked = asked.map(|seconds| Duration::from_secs(seconds).min(LONGEST));
    let wait = match status {
        StatusCode::TOO_MANY_REQUESTS => asked.or(Some(TOO_MANY)),
        _ => asked,
    };
    Failed {
        url: plain(url),
        fault: status.to_string(),
        wait,
    }
}

/// Without the query, which holds the machine's id.
fn plain(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    // Of a URL with a host this cannot fail.
    let _: Result<(), ()> = url.set_password(None);
    url.to_string()
}

/// An error with all its causes.
fn chain(fault: &dyn std::error::Error) -> String {
    let mut text = fault.to_string();
    let mut cause = fault.source();
    while let Some(fault) = cause {
        text = format!("{text}: {fault}");
        cause = fault.source();
    }
    text
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

fn is_json(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    ["application/json", "text/json"]
        .iter()
        .any(|json| kind.eq_ignore_ascii_case(json))
}

#[cfg(test)]
mod tests;
