//! What there is to be asked for.

use hyper::Method;

/// Something that is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The page itself.
    Page,
    /// Something to read.
    Read(Subject),
    /// A decision about what waits of a feed.
    Decide(Decision),
}

/// What can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// How the gateway is, and its rates over time.
    Overview,
    /// Packets that did not pass, or would not.
    Drops,
    /// Why a packet passes or does not.
    Explain,
    /// Endpoint sets.
    Catalogue,
    /// Feeds, and what waits of them.
    Feeds,
}

/// What can be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// To let it in.
    Approve,
    /// To do without it.
    Reject,
}

impl Route {
    /// What is at a path; nothing where there is none.
    pub fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/" => Self::Page,
            "/api/overview" => Self::Read(Subject::Overview),
            "/api/drops" => Self::Read(Subject::Drops),
            "/api/explain" => Self::Read(Subject::Explain),
            "/api/catalogue" => Self::Read(Subject::Catalogue),
            "/api/feeds" => Self::Read(Subject::Feeds),
            "/api/feeds/approve" => Self::Decide(Decision::Approve),
            "/api/feeds/reject" => Self::Decide(Decision::Reject),
            _ => return None,
        })
    }

    /// The method by which it is asked for.
    pub fn method(self) -> Method {
        match self {
            Self::Page | Self::Read(_) => Method::GET,
            Self::Decide(_) => Method::POST,
        }
    }
}
