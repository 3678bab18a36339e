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
    EgressConfig {
        allowed,
        time: Duration::from_millis(1_500),
        bytes: 100_000,
        ..EgressConfig::default()
    }
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
            let error = client.get(&format!("{scheme}://a.test/")).await;
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{answers:?}: {error:?}");
            assert!(!error.to_string().contains("127"), "nothing is told of what is there");
        }
        assert_eq!(lookup.asked.load(Ordering::SeqCst), 2, "once for each call");
    }
    let client = EgressClient::with_lookup(quick(Allowed::default()), turns(&[&[]])).unwrap();
    let error = client.get("http://a.test/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

/// U42, U43: a name is asked for once for its check and its connection alike; for the next one it is asked for, and
/// checked, anew.
#[tokio::test]
async fn u42_u43_a_name_that_leads_inside_the_second_time() {
    let guard =
        Guard { lookup: turns(&[&["8.8.8.8"], &["127.0.0.1"]]), allowed: Allowed::default() };
    let resolve = || guard.resolve("a.test".parse().unwrap());
    let first: Vec<SocketAddr> = resolve().await.ok().unwrap().collect();
    assert_eq!(first, ["8.8.8.8:0".parse().unwrap()], "what is connected to is what was checked");
    assert!(resolve().await.err().unwrap().is::<NotPublic>());

    // The same by calls, in which connections are not used again.
    let inside = serve(|_| page("200 OK", "inside")).await;
    let place = format!("a.test:{}", inside.port());
    let lookup = turns(&[&["127.0.0.1"], &["169.254.169.254"]]);
    let allowed = Allowed::new([place.as_str()]).unwrap();
    let client = EgressClient::with_lookup(quick(allowed), lookup.clone()).unwrap();
    let url = format!("http://{place}/");
    assert_eq!(client.get(&url).await.unwrap().body, b"inside");
    assert_eq!(lookup.asked.load(Ordering::SeqCst), 1);
    assert_eq!(client.get(&url).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(lookup.asked.load(Ordering::SeqCst), 2);
}

/// U42: a name that an operator allows leads inside, but never to a cloud's metadata.
#[tokio::test]
async fn u42_an_allowed_name_does_not_lead_to_metadata() {
    let inside = serve(|_| page("200 OK", "inside")).await;
    let place = format!("a.test:{}", inside.port());
    let get = |answers: &[&[&str]]| {
        let allowed = Allowed::new([place.as_str()]).unwrap();
        let client = EgressClient::with_lookup(quick(allowed), turns(answers)).unwrap();
        let url = format!("http://{place}/");
        async move { client.get(&url).await }
    };
    assert_eq!(get(&[&["127.0.0.1"]]).await.unwrap().body, b"inside");
    for answers in
        [&["169.254.169.254"][..], &["127.0.0.1", "fd00:ec2::254"], &["::ffff:169.254.169.254"]]
    {
        let error = get(&[answers]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{answers:?}: {error:?}");
    }
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

/// U46: of a message the status counts; a body that is slow, endless or packed costs neither time nor memory.
#[tokio::test]
async fn u46_an_answer_to_a_message_counts_by_its_status() {
    let hostile = |path: &str| match path {
        "/slow" => b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx".to_vec(),
        "/endless" => b"HTTP/1.1 202 OK\r\n\r\nENDLESS".to_vec(),
        "/packed" => page("200 OK\r\nContent-Encoding: gzip", "bomb"),
        "/later" => page("503 No\r\nRetry-After: 7\r\nContent-Length: 4", "busy"),
        _ => Vec::new(),
    };
    let address = serve(hostile).await;
    let config = EgressConfig { bytes: 10_000, ..quick(allowed(address)) };
    let client = EgressClient::new(config).unwrap();
    let post = |path: &str| {
        let (client, url) = (client.clone(), format!("http://{address}{path}"));
        async move { client.post(&url, &[], b"{}".to_vec()).await }
    };
    let slow = post("/slow").await.unwrap();
    assert_eq!((slow.status, slow.body.as_slice()), (200, &b"x"[..]));
    let endless = post("/endless").await.unwrap();
    assert_eq!((endless.status, endless.body.len()), (202, 10_000));
    let packed = post("/packed").await.unwrap();
    assert_eq!((packed.status, packed.body.as_slice()), (200, &b""[..]));
    let later = post("/later").await.unwrap();
    assert_eq!((later.status, later.retry_after), (503, Some(Duration::from_secs(7))));
    assert_eq!(later.body, b"busy");
    assert_eq!(post("/nothing").await.unwrap_err().kind(), ErrorKind::Unavailable);
}

/// An authority of the test's own, and a server on loopback that it certified for `right.test`. Counts the requests
/// that came through.
async fn certified() -> (tempfile::NamedTempFile, SocketAddr, Arc<AtomicUsize>) {
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let root = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(root.path(), authority.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = rcgen::Issuer::new(authority, key);
    let key = rcgen::KeyPair::generate().unwrap();
    let server = rcgen::CertificateParams::new(vec!["right.test".to_owned()]).unwrap();
    let certificate = server.signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = Arc::new(AtomicUsize::new(0));
    let count = served.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(socket).await else { continue };
            let mut request = Vec::new();
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                    break;
                }
            }
            count.fetch_add(1, Ordering::SeqCst);
            let answer = page("200 OK\r\nContent-Length: 2", "ok");
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
        }
    });
    (root, address, served)
}

/// U47: a certificate for another name is refused, as is one of an authority that nobody trusts, and nothing is sent.
#[tokio::test]
async fn u47_a_certificate_for_another_name_is_refused() {
    let (root, address, served) = certified().await;
    let port = address.port();
    let allowed = Allowed::new(
        [format!("right.test:{port}"), format!("wrong.test:{port}")].iter().map(String::as_str),
    );
    let allowed = allowed.unwrap();
    let client = |extra_roots| {
        let config = EgressConfig { extra_roots, ..quick(allowed.clone()) };
        EgressClient::with_lookup(config, turns(&[&["127.0.0.1"]])).unwrap()
    };
    let post = |client: EgressClient, host: &str| {
        let url = format!("https://{host}:{port}/");
        async move { client.post(&url, &[], b"secret".to_vec()).await }
    };
    let trusting = client(vec![root.path().to_owned()]);
    let wrong = post(trusting.clone(), "wrong.test").await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Unavailable, "{wrong:?}");
    assert!(wrong.context("fix").unwrap().contains("certificate"), "{wrong}");
    assert!(trusting.get(&format!("https://wrong.test:{port}/")).await.is_err());
    assert!(post(client(Vec::new()), "right.test").await.is_err());
    assert_eq!(served.load(Ordering::SeqCst), 0);
    assert_eq!(post(trusting, "right.test").await.unwrap().status, 200);
    assert_eq!(served.load(Ordering::SeqCst), 1);
}

/// U49: what an answer says of other places to go to is not followed.
#[tokio::test]
async fn u49_alt_svc_is_ignored() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = elsewhere.local_addr().unwrap().port();
    let answer = move |_: &str| {
        let service = format!("h2=\":{port}\", http/1.1=\":{port}\", h3=\":{port}\"; persist=1");
        page(&format!("200 OK\r\nAlt-Svc: {service}; ma=3600\r\nContent-Length: 2"), "ok")
    };
    let address = serve(answer).await;
    let both = [address.to_string(), format!("127.0.0.1:{port}")];
    let allowed = Allowed::new(both.iter().map(String::as_str)).unwrap();
    let client = EgressClient::new(quick(allowed)).unwrap();
    for _ in 0..3 {
        let url = format!("http://{address}/");
        assert_eq!(client.post(&url, &[], Vec::new()).await.unwrap().status, 200);
        assert_eq!(client.get(&url).await.unwrap().status, 200);
    }
    let visited = tokio::time::timeout(Duration::from_millis(200), elsewhere.accept()).await;
    assert!(visited.is_err(), "somebody came");
}
