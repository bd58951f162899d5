//! An answer before it becomes HTTP.

/// How the body goes out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Manner {
    /// At once and whole.
    #[default]
    Whole,
    /// Announced whole; the connection ends in the middle.
    Truncated,
    /// A few bytes a second.
    Slow,
    /// Not even a head.
    Silent,
    /// Not here: where it was asked for.
    Redirect,
}

/// Status, head and body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP's number.
    pub status: u16,
    /// What the body is said to be.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
    /// The body's mark, where it has one.
    pub etag: Option<String>,
    /// Seconds after which to ask again.
    pub retry_after: Option<u32>,
    /// How it goes out.
    pub manner: Manner,
}

impl Answer {
    /// A body of a type.
    pub fn of(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            content_type,
            body: body.into(),
            etag: None,
            retry_after: None,
            manner: Manner::Whole,
        }
    }

    /// A refusal; the service's own wording is not documented.
    pub fn refusal(status: u16, message: &str) -> Self {
        let body = serde_json::json!({ "message": message }).to_string();
        Self::of(status, "application/json; charset=utf-8", body)
    }
}
