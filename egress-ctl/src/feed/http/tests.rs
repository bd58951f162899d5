//! What is asked, of a server that says what it is told.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener},
    sync::mpsc::{self, Receiver},
    thread,
};

use super::*;
use crate::feed::{
    settings::{Question, Rules},
    version::Version,
};

/// Answers one connection after another, and tells what was asked.
fn server(answers: Vec<Vec<u8>>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for answer in answers {
            let (mut client, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && client.read(&mut byte).unwrap() > 0 {
                request.extend(byte);
            }
            tell.send(String::from_utf8(request).unwrap()).unwrap();
            // A client that has enough goes away.
            let _: std::io::Result<()> = client.write_all(&answer);
        }
    });
    (url, told)
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn settings(url: &str) -> Settings {
    Settings {
        source: "m365".to_owned(),
        question: Question {
            instance: "USGovDoD".to_owned(),
            areas: vec!["Exchange".to_owned(), "MEM".to_owned()],
            tenant: Some("contoso".to_owned()),
            ipv6: false,
        },
        url: format!("{url}/mirror"),
        ca_file: None,
        poll: Duration::from_secs(3600),
        timeout: Duration::from_millis(600),
        rules: Rules::default(),
    }
}

fn ask(http: &Http, method: &Method, tag: Option<&str>) -> Result<Option<Body>, FetchError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(http.ask(method, tag))
}

fn http(settings: &Settings) -> Http {
    let dir = tempfile::tempdir().unwrap();
    Http::new(settings, &RequestId::of_machine(dir.path()).unwrap()).unwrap()
}

#[test]
fn the_documented_parameters_are_sent() {
    let json = "200 OK\r\ncontent-type: application/json; charset=utf-8\r\netag: \"1\"";
    let (url, told) = server(vec![
        answer(json, b"[]"),
        answer(json, b"[]"),
        answer("304 Not Modified", b""),
    ]);
    let http = http(&settings(&url));
    let version = Version::try_from("2026053100".to_owned()).unwrap();
    let table = [
        (
            Method::Endpoints(version.clone()),
            "GET /mirror/endpoints/USGovDoD?ClientRequestId=",
            "&ServiceAreas=Exchange%2CMEM&TenantName=contoso&NoIPv6=true HTTP/1.1",
        ),
        (
            Method::Changes(version),
            "GET /mirror/changes/USGovDoD/2026053100?ClientRequestId=",
            " HTTP/1.1",
        ),
    ];
    for (method, begin, end) in table {
        let body = ask(&http, &method, None).unwrap().unwrap();
        assert_eq!(
            (body.bytes.as_slice(), body.tag.as_deref()),
            (&b"[]"[..], Some("\"1\""))
        );
        let request = told.recv().unwrap();
        let line = request.lines().next().unwrap();
        assert!(line.starts_with(begin) && line.ends_with(end), "{line}");
        assert!(request.contains("accept-encoding: gzip"), "{request}");
    }
    assert_eq!(ask(&http, &Method::Version, Some("\"1\"")).unwrap(), None);
    let request = told.recv().unwrap();
    assert!(request.contains("if-none-match: \"1\""), "{request}");
}

#[test]
fn what_goes_wrong_is_told() {
    let json = "content-type: application/json";
    let large = vec![b' '; LARGEST + 1];
    // The answer, words of the error, and seconds that the service wants to be left alone.
    let table = [
        (
            answer(
                "503 Service Unavailable\r\ncontent-type: text/html",
                b"<html>",
            ),
            "503 Service Unavailable",
            None,
        ),
        (
            answer("503 Service Unavailable\r\nretry-after: 7", b""),
            "503 Service Unavailable",
            Some(7),
        ),
        (
            answer("429 Too Many Requests", b""),
            "429 Too Many Requests",
            Some(3600),
        ),
        (
            answer("429 Too Many Requests\r\nretry-after: 60", b""),
            "429",
            Some(60),
        ),
        (answer("404 Not Found", b""), "404 Not Found", None),
        (
            answer("200 OK\r\ncontent-type: text/html", b"[]"),
            "\"text/html\", not application/json",
            None,
        ),
        (answer("200 OK", b"[]"), "not application/json", None),
        (
            answer(&format!("200 OK\r\n{json}\r\ncontent-length: 9"), b"[]"),
            "end of file",
            None,
        ),
        (
            answer(&format!("200 OK\r\n{json}"), &large),
            "more than 10 MiB",
            None,
        ),
        (
            answer("302 Found\r\nlocation: /mirror/version/USGovDoD", b""),
            "redirect",
            None,
        ),
        (b"\x16\x03\x01".to_vec(), "", None),
    ];
    for (answer, words, wait) in table {
        let (url, _told) = server(vec![answer; 5]);
        let error = ask(&http(&settings(&url)), &Method::Version, None).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains(words) && !text.contains("ClientRequestId"),
            "{text}: {words}"
        );
        let asked = match error {
            FetchError::Failed(failed) => failed.wait.map(|wait| wait.as_secs()),
            FetchError::Refused(_) => None,
        };
        assert_eq!(asked, wait, "{text}");
    }
}

#[test]
fn silence_ends_after_the_set_time() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let began = std::time::Instant::now();
    let error = ask(&http(&settings(&url)), &Method::Version, None).unwrap_err();
    assert!(error.to_string().contains("timed out"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_file_of_authorities_must_hold_some() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for path in [file.path(), Path::new("/does/not/exist")] {
        let settings = Settings {
            ca_file: Some(path.to_owned()),
            ..settings("https://localhost")
        };
        let error = client(&settings).unwrap_err();
        assert!(error.contains("ca-file"), "{error}");
    }
}
