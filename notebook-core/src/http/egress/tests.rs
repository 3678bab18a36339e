use std::{
    net::IpAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;

/// Answers in turn, the last one for ever.
struct Turns {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

#[async_trait]
impl Lookup for Turns {
    async fn lookup(&self, _: &str) -> io::Result<Vec<SocketAddr>> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst).min(self.answers.len() - 1);
        let found = &self.answers[turn];
        if found.is_empty() {
            return Err(io::Error::other("no such name"));
        }
        Ok(found.iter().map(|ip| SocketAddr::new(*ip, 0)).collect())
    }
}

fn turns(answers: &[&[&str]]) -> Arc<Turns> {
    let parse = |list: &&[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
    Arc::new(Turns { answers: answers.iter().map(parse).collect(), asked: AtomicUsize::new(0) })
}

fn quick(allowed: Allowed) -> EgressConfig {
    EgressConfig { allowed, time: Duration::from_millis(1_500), bytes: 100_000 }
}

/// A server that answers every request with what a function makes of its path.
async fn serve(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move { reply(socket, &*answer).await });
        }
    });
    address
}

async fn reply(mut socket: TcpStream, answer: &(dyn Fn(&str) -> Vec<u8> + Send + Sync)) {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if socket.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default();
    let bytes = answer(path);
    let endless = bytes.ends_with(b"ENDLESS");
    let _ = socket.write_all(&bytes).await;
    while endless && socket.write_all(&[b'x'; 4096]).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    if path == "/slow" {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}

fn page(head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n{body}").into_bytes()
}

fn allowed(address: SocketAddr) -> Allowed {
    Allowed::new([address.to_string().as_str()]).unwrap()
}

/// U42, U43, U51: a name is resolved once; one private address among many refuses it, and so does none at all.
#[tokio::test]
async fn u42_u43_u51_names_that_do_not_lead_outside() {
    let secret = serve(|_| page("200 OK", "secret")).await;
    for answers in [
        &[&["127.0.0.1"][..]][..],
        &[&["8.8.8.8", "127.0.0.1"]],
        &[&["::1"]],
        &[&["::ffff:10.0.0.1"]],
        &[&["169.254.169.254"]],
    ] {
        let lookup = turns(answers);
        let client = EgressClient::with_lookup(quick(Allowed::default()), lookup.clone()).unwrap();
        for scheme in ["http", "https"] {
            let error = client.get(&format!("{scheme}://a.test:{}/", secret.port())).await;
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{answers:?}: {error:?}");
            assert!(!error.to_string().contains("127"), "nothing is told of what is there");
        }
        assert_eq!(lookup.asked.load(Ordering::SeqCst), 2, "once for each call");
    }
    let client = EgressClient::with_lookup(quick(Allowed::default()), turns(&[&[]])).unwrap();
    let error = client.get("http://a.test/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    // The first answer is for the check and the connection alike; the next call asks anew and is refused.
    let lookup = turns(&[&["8.8.8.8"], &["127.0.0.1"]]);
    let client = EgressClient::with_lookup(quick(Allowed::default()), lookup.clone()).unwrap();
    let url = format!("http://a.test:{}/", secret.port());
    let first = client.get(&url).await.unwrap_err();
    assert_ne!(first.kind(), ErrorKind::InvalidInput, "it went to 8.8.8.8, and nobody answered");
    assert_eq!(client.get(&url).await.unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// U44, U52: redirects into the network, in circles, to other schemes; a webhook follows none at all.
#[tokio::test]
async fn u44_u52_redirects() {
    let to = |path: &str| match path {
        "/private" => page("302 Found\r\nLocation: http://169.254.169.254/latest/", ""),
        "/local" => page("302 Found\r\nLocation: http://127.0.0.1:1/", ""),
        "/file" => page("302 Found\r\nLocation: file:///etc/passwd", ""),
        "/gopher" => page("301 Moved\r\nLocation: gopher://example.org/", ""),
        "/circle" => page("302 Found\r\nLocation: /circle", ""),
        "/once" => page("307 Moved\r\nLocation: /end\r\nContent-Length: 0", ""),
        _ => page("200 OK\r\nContent-Type: Text/HTML; charset=x\r\nContent-Length: 3", "end"),
    };
    let address = serve(to).await;
    let client = EgressClient::new(quick(allowed(address))).unwrap();
    let get = |path: &str| {
        let (client, url) = (client.clone(), format!("http://{address}{path}"));
        async move { client.get(&url).await }
    };
    for path in ["/private", "/local", "/file", "/gopher"] {
        assert_eq!(get(path).await.unwrap_err().kind(), ErrorKind::InvalidInput, "{path}");
    }
    assert_eq!(get("/circle").await.unwrap_err().kind(), ErrorKind::Protocol);
    let fetched = get("/once").await.unwrap();
    assert_eq!((fetched.status, fetched.body.as_slice()), (200, &b"end"[..]));
    assert_eq!(
        (fetched.url, fetched.media_type),
        (format!("http://{address}/end"), "text/html".into())
    );
    let posted = client.post(&format!("http://{address}/private"), &[], b"{}".to_vec()).await;
    assert_eq!(posted.unwrap().status, 302);
    let refused = client.post("http://127.0.0.1:1/", &[], Vec::new()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// U46, U50: bodies that are slow, endless or packed, heads without end, and types that lie.
#[tokio::test]
async fn u46_u50_hostile_bodies() {
    let many: String = (0..2_000).map(|n| format!("X-{n}: 1\r\n")).collect();
    let hostile = move |path: &str| match path {
        "/slow" => b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx".to_vec(),
        "/endless" => b"HTTP/1.1 200 OK\r\n\r\nENDLESS".to_vec(),
        "/packed" => page("200 OK\r\nContent-Encoding: gzip", "bomb"),
        "/headers" => page(&format!("200 OK\r\n{many}X: 1"), ""),
        "/liar" => page("200 OK\r\nContent-Type: image/png", "<html>"),
        _ => page("200 OK\r\nContent-Length: 99999999999", "x"),
    };
    let address = serve(hostile).await;
    let client = EgressClient::new(quick(allowed(address))).unwrap();
    for (path, kinds) in [
        ("/slow", &[ErrorKind::Timeout][..]),
        ("/endless", &[ErrorKind::TooLarge]),
        ("/packed", &[ErrorKind::Protocol]),
        ("/headers", &[ErrorKind::Protocol, ErrorKind::Unavailable]),
        ("/long", &[ErrorKind::TooLarge, ErrorKind::Unavailable]),
    ] {
        let error = client.get(&format!("http://{address}{path}")).await.unwrap_err();
        assert!(kinds.contains(&error.kind()), "{path}: {error:?}");
    }
    let liar = client.get(&format!("http://{address}/liar")).await.unwrap();
    assert_eq!((liar.media_type.as_str(), liar.body.as_slice()), ("image/png", &b"<html>"[..]));
}
