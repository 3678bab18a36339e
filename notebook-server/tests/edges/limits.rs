//! G7: clients that send too much, too slowly, or nothing, over raw TCP.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::common::{Server, Setup, folder};

fn connect(server: &Server) -> TcpStream {
    let address = server.url.strip_prefix("http://").unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// What comes until the server closes.
fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut piece = [0; 4_096];
    // A server that closes while we still send may reset the connection.
    while let Ok(count) = stream.read(&mut piece) {
        if count == 0 {
            break;
        }
        all.extend_from_slice(&piece[..count]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// The status of the answer to a request that is sent as it stands.
fn status(server: &Server, request: &[u8]) -> String {
    let mut stream = connect(server);
    // The rest may not be taken.
    let _ = stream.write_all(request);
    let said = rest(&mut stream);
    said.split(' ').nth(1).unwrap_or("nothing").to_owned()
}

fn server(folder: &std::path::Path) -> Server {
    Setup::new(folder)
        .with("NOTEBOOK__LIMITS__HEAD_SECONDS", 1)
        .with("NOTEBOOK__LIMITS__BODY_STALL_SECONDS", 1)
        .with("NOTEBOOK__LIMITS__BODY_BYTES", 100_000)
        .with("NOTEBOOK__LIMITS__DOCUMENT_BYTES", 200_000)
        .start()
}

fn head(method: &str, path: &str, more: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n")
}

#[test]
fn g7_heads_and_bodies_have_limits() {
    let folder = folder();
    let server = server(folder.path());
    let status = |request: String| status(&server, request.as_bytes());
    assert_eq!(status(head("GET", "/live", "")), "200");
    let long = format!("X-Long: {}\r\n", "a".repeat(200_000));
    assert_eq!(status(head("GET", "/live", &long)), "431");
    let many: String = (0..200).map(|number| format!("X-{number}: a\r\n")).collect();
    assert_eq!(status(head("GET", "/live", &many)), "431");
    let path = format!("/live?{}", "a".repeat(200_000));
    let refused = status(head("GET", &path, ""));
    assert!(refused == "414" || refused == "431", "{refused}");
    // As long as a question may be that is asked by address.
    let path = format!("/live?{}", "a".repeat(32_000));
    assert_eq!(status(head("GET", &path, "")), "200");

    // Every route that takes a body, whether it says how long it is or not.
    let json = "Content-Type: application/json\r\n";
    let body = "a".repeat(100_001);
    let id = "01900000-0000-7000-8000-000000000001";
    for (method, path) in [
        ("POST", "/api/notebooks".to_owned()),
        ("PATCH", format!("/api/notebooks/{id}")),
        ("POST", format!("/api/notebooks/{id}/sources/text")),
        ("POST", format!("/api/notebooks/{id}/sources/link")),
        ("POST", format!("/api/notebooks/{id}/conversations")),
        ("POST", format!("/api/conversations/{id}/runs")),
        ("PATCH", format!("/api/conversations/{id}")),
        ("POST", "/api/webhooks".to_owned()),
        ("PATCH", format!("/api/webhooks/{id}")),
    ] {
        let said = format!("{json}Content-Length: {}\r\n", body.len());
        assert_eq!(status(head(method, &path, &said) + &body), "413", "{method} {path}");
        let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        let said = format!("{json}Transfer-Encoding: chunked\r\n");
        assert_eq!(
            status(head(method, &path, &said) + &chunked),
            "413",
            "{method} {path} in chunks"
        );
    }
    // Two lengths, or both ways at once, are no request.
    let twice = "Content-Length: 2\r\nContent-Length: 3\r\n";
    assert_eq!(status(head("POST", "/api/notebooks", twice) + "{}"), "400");
}

#[test]
fn g7_slow_clients_are_cut_off() {
    let folder = folder();
    let server = server(folder.path());
    let begun = Instant::now();
    // A head that comes a byte at a time, and one that never ends.
    let mut slow = connect(&server);
    let mut silent = connect(&server);
    silent.write_all(b"GET /live HTTP/1.1\r\nHost: loc").unwrap();
    let mut sent = 0;
    for byte in head("GET", "/live", &"X-Slow: a\r\n".repeat(50)).bytes() {
        if slow.write_all(&[byte]).is_err() {
            break;
        }
        sent += 1;
        std::thread::sleep(Duration::from_millis(20));
        if begun.elapsed() > Duration::from_secs(5) {
            break;
        }
    }
    assert!(!rest(&mut slow).contains("200 OK"), "{sent} bytes were taken");
    assert!(!rest(&mut silent).contains("200 OK"));
    // A body that stops.
    let begun = Instant::now();
    let mut stalled = connect(&server);
    let said = "Content-Type: application/json\r\nContent-Length: 50\r\n";
    stalled.write_all(head("POST", "/api/notebooks", said).as_bytes()).unwrap();
    stalled.write_all(b"{\"name\":").unwrap();
    let answer = rest(&mut stalled);
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    // An upload too, which has no limit but its own.
    let new = "{\"id\":\"01900000-0000-7000-8000-000000000001\",\"name\":\"a\"}";
    let said = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", new.len());
    let made = head("POST", "/api/notebooks", &said) + new;
    assert_eq!(status(&server, made.as_bytes()), "201");
    let begun = Instant::now();
    let mut stalled = connect(&server);
    let said = "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 5000\r\n";
    let id = "01900000-0000-7000-8000-000000000001";
    let path = format!("/api/notebooks/{id}/sources");
    stalled.write_all(head("POST", &path, said).as_bytes()).unwrap();
    stalled
        .write_all(
            b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nabc",
        )
        .unwrap();
    let answer = rest(&mut stalled);
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}
