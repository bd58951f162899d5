//! HTTP/1.1 as it is on the wire: requests that no library would send go in, what was answered comes out.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::host::Host;
use crate::told;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status line and headers.
    pub head: String,
    /// What follows.
    pub body: String,
}

impl Answer {
    /// The status.
    pub fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// The body as JSON, which is what its schema says where it names one.
    pub fn json(&self) -> Result<Value> {
        let json: Value =
            serde_json::from_str(&self.body).with_context(|| format!("no JSON: {self:?}"))?;
        if !json["schema"].is_null() {
            told::check(&json)?;
        }
        Ok(json)
    }

    /// A header by its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let found = fields.find(|(field, _)| field.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim())
}

/// Asks from a host; headers are given as lines.
pub fn ask(host: &Host, at: &str, request: &str, headers: &str) -> Result<Answer> {
    let text = format!("{request} HTTP/1.1\r\n{headers}\r\n\r\n");
    send(host, at, &text)
}

/// Sends a text from a host, and reads the answer to it.
pub fn send(host: &Host, at: &str, text: &str) -> Result<Answer> {
    let at: SocketAddr = at.parse()?;
    host.run(|| exchange(at, text))?
}

fn exchange(at: SocketAddr, text: &str) -> Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&at, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(text.as_bytes())?;
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while reader.read_line(&mut head)? > 2 {}
    let head = head.trim_end().to_owned();
    let mut body = Vec::new();
    match header(&head, "content-length") {
        Some(length) => reader.take(length.parse()?).read_to_end(&mut body)?,
        None => reader.read_to_end(&mut body)?,
    };
    let body = String::from_utf8(body)?;
    anyhow::ensure!(!head.is_empty(), "no answer");
    Ok(Answer { head, body })
}
