//! A2: images, recordings and pages of the web become sources that answers cite.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod common;

use std::{net::SocketAddr, path::PathBuf};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect},
    routing::get,
};
use common::{Server, Setup, folder};
use notebook_core::{
    NotebookId,
    document::SourceKind,
    model::{Message, Source, Stage},
};
use serde_json::{Value, json};

fn image(name: &str) -> Vec<u8> {
    let images =
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../notebook-rag/tests/parse/images"));
    std::fs::read(images.join(name)).unwrap()
}

fn cache() -> PathBuf {
    std::env::var_os("NOTEBOOK_CACHE").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/notebook"),
        PathBuf::from,
    )
}

fn speech(name: &str) -> Vec<u8> {
    let file = cache().join("speech").join(name);
    std::fs::read(&file)
        .unwrap_or_else(|error| panic!("{}: {error}: run scripts/need-test.sh", file.display()))
}

async fn answer(server: &Server, notebook: NotebookId, question: &str) -> Message {
    let conversation = server.conversation(notebook).await;
    let run = server.ask(conversation, question).await;
    let events = server.events(&run, 0).await;
    assert_eq!(events.last().unwrap()["type"], "completed", "{events:?}");
    let message = server.message(&run).await;
    assert!(server.check_citations(&message).await > 0, "{}", message.text);
    message
}

/// A2: a page and a photograph of it are answered from, with citations; the source says how sure the recognition is.
#[tokio::test]
async fn a2_b4_a_photographed_page_is_answered_from() {
    let folder = folder();
    let server = Setup::new(folder.path()).start();
    for (name, kind) in [("page.png", SourceKind::Png), ("photo.jpg", SourceKind::Jpeg)] {
        let notebook = server.notebook().await;
        let source = server.ready(notebook, name, image(name)).await;
        assert_eq!(source.kind, kind);
        assert!(source.notes[0].contains("recognised in an image"), "{:?}", source.notes);
        let message = answer(&server, notebook, "Who was the keeper of the lighthouse?").await;
        assert!(message.text.contains("Marta Lindqvist"), "{name}: {}", message.text);
        assert!(message.citations.iter().all(|citation| citation.source == source.id));
    }
}

/// B4: the words of a citation are marked in the picture: it is given to be shown and to nothing else, with the places of
/// the words, before and after a restart; and it is gone with its source.
#[tokio::test]
async fn b4_a_citation_has_its_place_in_the_picture() {
    let folder = folder();
    let setup = Setup::new(folder.path());
    let server = setup.start();
    let notebook = server.notebook().await;
    let source = server.ready(notebook, "places.png", image("places.png")).await;
    let text = server.ready(notebook, "a.svg.txt", b"<svg>Words of a text.</svg>".to_vec()).await;
    let message = answer(&server, notebook, "Who proposed a second commission?").await;
    let cited = message.citations.iter().find(|citation| citation.source == source.id).unwrap();
    assert!(cited.quote.contains("Captain Aalto"), "{}", cited.quote);
    let path = format!("/api/sources/{}", source.id);
    let span = format!("start={}&end={}", cited.span.start, cited.span.end);
    let regions = server.json(&format!("{path}/regions?{span}")).await;
    assert_eq!((&regions["width"], &regions["height"]), (&json!(1_200), &json!(700)));
    assert_eq!(regions["quarters"], 0);
    let words = regions["words"].as_array().unwrap();
    // As it was drawn: see notebook-rag/tests/parse/places.rs.
    let near = |value: &Value, drawn: i64| (value.as_i64().unwrap() - drawn).abs() <= 4;
    let captain = words.iter().find(|word| near(&word["left"], 80) && near(&word["top"], 376));
    let captain = captain.unwrap_or_else(|| panic!("{regions}"));
    assert!(near(&captain["width"], 148) && near(&captain["height"], 33), "{captain}");
    // Each word's place in the text is that word.
    let said: Vec<Value> = futures::future::join_all(words.iter().map(|word| {
        let span = format!("start={}&end={}&context=0", word["start"], word["end"]);
        let path = format!("{path}/passage?{span}");
        let server = &server;
        async move { server.json(&path).await["quote"].clone() }
    }))
    .await;
    let said: Vec<&str> = said.iter().map(|word| word.as_str().unwrap()).collect();
    assert!(said.join(" ").contains("Captain Aalto proposed a second com mission"), "{said:?}");

    let shown = server.get(&format!("{path}/picture")).await;
    let headers = shown.headers().clone();
    assert_eq!(shown.status(), 200);
    for (name, value) in [
        ("content-type", "image/png"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox; default-src 'none'"),
        ("content-disposition", "inline"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "private, no-cache"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    assert_eq!(shown.bytes().await.unwrap(), image("places.png"));
    let url = format!("{}{path}/picture", server.url);
    let kept =
        server.http.get(&url).header("if-none-match", &headers["etag"]).send().await.unwrap();
    assert_eq!((kept.status().as_u16(), kept.bytes().await.unwrap().len()), (304, 0));

    // What is no picture is never shown as one, whatever it is called; nor is anything marked in it.
    for what in ["picture", "regions?start=0&end=4"] {
        let response = server.get(&format!("/api/sources/{}/{what}", text.id)).await;
        assert_eq!(response.status(), 404, "{what}");
    }
    for (query, status) in [("start=4&end=1", 422), ("start=0&end=1&x=1", 400), ("start=0", 400)] {
        let response = server.get(&format!("{path}/regions?{query}")).await;
        assert_eq!(response.status(), status, "{query}");
    }

    server.kill();
    let server = setup.start();
    assert_eq!(server.json(&format!("{path}/regions?{span}")).await, regions);
    let url = format!("{}{path}", server.url);
    assert_eq!(server.http.delete(&url).send().await.unwrap().status(), 202);
    for what in ["picture".to_owned(), format!("regions?{span}")] {
        assert_eq!(server.get(&format!("{path}/{what}")).await.status(), 404, "{what}");
    }
}

/// A2, A3: what recognition lacks concerns images alone, and is told with the package to install.
#[tokio::test]
async fn a2_a3_without_tesseract_images_alone_fail() {
    let folder = folder();
    let server = Setup::new(folder.path())
        .with("NOTEBOOK__PARSE__OCR__PROGRAM", "no-tesseract-here")
        .start();
    let notebook = server.notebook().await;
    let source = server.add(notebook, "page.png", image("page.png")).await;
    let failure = source.failure.unwrap();
    assert_eq!((source.stage, failure.code.as_str()), (Stage::Failed, "ocr_unavailable"));
    assert!(failure.message.contains("apt install tesseract-ocr"), "{}", failure.message);
    server.ready(notebook, "a.md", b"# Bees\n\nThey dance.".to_vec()).await;
}

/// A2, A3: programs that hang are ended in time, and cost their own sources alone.
#[tokio::test]
async fn a2_a3_programs_that_hang_are_ended() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let program = folder.path().join("hangs");
    std::fs::write(&program, "#!/bin/sh\nexec sleep 600\n").unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let data = tempfile::tempdir().unwrap();
    let server = Setup::new(data.path())
        .with("NOTEBOOK__PARSE__SECONDS", 2)
        .with("NOTEBOOK__PARSE__OCR__PROGRAM", program.display())
        .with("NOTEBOOK__PARSE__SOUND__PROGRAM", program.display())
        .with("NOTEBOOK__TRANSCRIPTION__PROVIDER", "candle")
        .start();
    let notebook = server.notebook().await;
    for (name, bytes) in
        [("page.png", image("page.png")), ("fox.wav", speech("quick_brown_fox.wav"))]
    {
        let source = server.add(notebook, name, bytes).await;
        let failure = source.failure.unwrap();
        assert_eq!(failure.code, "time_limit", "{name}: {}", failure.message);
    }
    server.ready(notebook, "a.md", b"# Bees\n\nThey dance.".to_vec()).await;
}

/// A2: a model that is missing fails the recording with what to do, and is found by the next one without a restart.
#[tokio::test]
async fn a2_a_speech_model_that_comes_later() {
    let folder = folder();
    let models = tempfile::tempdir().unwrap();
    let server = Setup::new(folder.path())
        .with("NOTEBOOK__TRANSCRIPTION__PROVIDER", "auto")
        .with("NOTEBOOK__TRANSCRIPTION__FOLDER", models.path().display())
        .start();
    let notebook = server.notebook().await;
    let source = server.add(notebook, "fox.wav", speech("quick_brown_fox.wav")).await;
    let failure = source.failure.unwrap();
    assert_eq!(failure.code, "transcription_unavailable");
    assert!(failure.message.contains("notebook models fetch"), "{}", failure.message);
    for file in ["model.bin", "tokenizer.json"] {
        let file_of = cache().join("models/faster-whisper-tiny.en").join(file);
        std::os::unix::fs::symlink(file_of, models.path().join(file)).unwrap();
    }
    let again = server.post(&format!("/api/sources/{}/retry", source.id), json!({})).await;
    assert_eq!(again.status(), 202);
    let source = server.settled(&source.id.to_string()).await;
    assert_eq!(source.stage, Stage::Ready, "{:?}", source.failure);
}

/// A2: each kind has its limit, by what the bytes are; it is told before the upload is stored.
#[tokio::test]
async fn a2_limits_are_by_kind() {
    let folder = folder();
    let server = Setup::new(folder.path())
        .with("NOTEBOOK__LIMITS__IMAGE_BYTES", 10_000)
        .with("NOTEBOOK__LIMITS__AUDIO_BYTES", 20_000)
        .start();
    let notebook = server.notebook().await;
    for (name, bytes, setting) in [
        ("page.png", image("page.png"), "limits.image_bytes"),
        // A name makes no document of it.
        ("page.pdf", image("page.png"), "limits.image_bytes"),
        ("hello.wav", speech("hello_world.wav"), "limits.audio_bytes"),
    ] {
        let response = server.upload(notebook, name, bytes).await;
        assert_eq!(response.status(), 413, "{name}");
        let problem: Value = response.json().await.unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(setting), "{problem}");
    }
    let text = "words ".repeat(10_000).into_bytes();
    server.ready(notebook, "a.txt", text).await;
    let status = server.json("/api/status").await;
    assert_eq!(status["limits"]["image_bytes"], 10_000);
    assert_eq!(
        server.json(&format!("/api/notebooks/{notebook}/sources")).await["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

/// A2: a recording is written down by the model on this machine, and cited with its time.
#[tokio::test]
async fn a2_b4_a_recording_is_answered_from() {
    let folder = folder();
    let server =
        Setup::new(folder.path()).with("NOTEBOOK__TRANSCRIPTION__PROVIDER", "candle").start();
    let notebook = server.notebook().await;
    let source = server.ready(notebook, "fox.wav", speech("quick_brown_fox.wav")).await;
    assert_eq!(source.kind, SourceKind::Wav);
    assert!(source.notes[0].contains("heard in a recording"), "{:?}", source.notes);
    let message = answer(&server, notebook, "What does the quick brown fox jump over?").await;
    assert!(message.text.to_lowercase().contains("lazy dog"), "{}", message.text);
    assert_eq!(message.citations[0].page, Some(1), "the first second");
}

/// A2: without anything that listens, a recording fails alone, and says what to configure.
#[tokio::test]
async fn a2_a3_without_a_transcriber_recordings_alone_fail() {
    let folder = folder();
    let server = Setup::new(folder.path()).start();
    let notebook = server.notebook().await;
    let source = server.add(notebook, "hello.wav", speech("hello_world.wav")).await;
    let failure = source.failure.unwrap();
    assert_eq!(failure.code, "transcription_unavailable");
    assert!(failure.message.contains("transcription.provider"), "{}", failure.message);
    let broken = server.add(notebook, "broken.mp3", b"ID3\x04\0\0\0\0\0\0nothing".to_vec()).await;
    assert_eq!(broken.stage, Stage::Failed);
}

const ARTICLE: &str = "The spoonbill sweeps its open bill from side to side in shallow water. Its diet is small fish, water beetles and tadpoles. ";

/// A server of pages, on a port of its own.
async fn site() -> SocketAddr {
    let page = format!(
        "<title>Spoonbills</title><nav>Menu</nav><header>Subscribe now</header><main><h1>Spoonbills</h1><p>{}</p></main><footer>Imprint</footer>",
        ARTICLE.repeat(6)
    );
    let html = |body: Vec<u8>, kind: &'static str| async move {
        ([(header::CONTENT_TYPE, kind)], body).into_response()
    };
    let latin =
        [b"<title>V\xf6gel</title><p>Der L\xf6ffler frisst kleine Fische und K\xe4fer.".as_slice()]
            .concat();
    let app = Router::new()
        .route("/page", get(move || html(page.clone().into_bytes(), "text/html; charset=utf-8")))
        .route("/latin", get(move || html(latin.clone(), "text/html; charset=iso-8859-1")))
        .route("/moved", get(|| async { Redirect::permanent("/page") }))
        .route(
            "/inside",
            get(|| async { Redirect::temporary("http://169.254.169.254/latest/meta-data/") }),
        )
        .route("/loop", get(|| async { Redirect::temporary("/loop") }))
        .route("/file", get(|| async { Redirect::temporary("file:///etc/passwd") }))
        .route("/private", get(|| async { StatusCode::FORBIDDEN }))
        .route("/broken", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
        .route("/large", get(|| async { Bytes::from(vec![b'x'; 200_000]) }))
        .route("/photo", get(move || html(image("page.png"), "image/png")))
        .route("/lie", get(move || html(image("page.png"), "application/pdf")))
        .route(
            "/binary",
            get(move || html(vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0], "application/octet-stream")),
        )
        .route(
            "/notes.md",
            get(|headers: HeaderMap| async move {
                assert!(
                    headers.get(header::COOKIE).is_none()
                        && headers.get(header::AUTHORIZATION).is_none()
                );
                ([(header::CONTENT_TYPE, "text/plain")], "# Notes\n\nHerons wade.")
            }),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn add_link(server: &Server, notebook: NotebookId, url: &str) -> Source {
    let path = format!("/api/notebooks/{notebook}/sources/link");
    let response = server.post(&path, json!({ "url": url })).await;
    assert_eq!(response.status(), 202, "{url}");
    let source: Source = response.json().await.unwrap();
    server.settled(&source.id.to_string()).await
}

/// A2: a page is fetched through redirects, read without what stands around its text, and answered from.
#[tokio::test]
async fn a2_b4_a_page_of_the_web_is_answered_from() {
    let (folder, site) = (folder(), site().await);
    let server =
        Setup::new(folder.path()).with("NOTEBOOK__EGRESS__ALLOW", format!("[\"{site}\"]")).start();
    let notebook = server.notebook().await;
    let source = add_link(&server, notebook, &format!("http://{site}/moved#top")).await;
    assert_eq!(source.stage, Stage::Ready, "{:?}", source.failure);
    assert_eq!((source.kind, source.name.as_str()), (SourceKind::Html, "Spoonbills"));
    let origin = source.origin.unwrap();
    assert_eq!(origin.url, format!("http://{site}/moved#top"));
    assert_eq!(origin.final_url.unwrap(), format!("http://{site}/page"));
    assert!(origin.fetched_at.unwrap() >= source.created_at);
    let message = answer(&server, notebook, "What is the diet of the spoonbill?").await;
    assert!(message.text.contains("tadpoles"), "{}", message.text);
    let text = server.json(&format!("/api/sources/{}/text?start=0&end=100", source.id)).await;
    assert!(!text.to_string().contains("Subscribe"), "{text}");

    let latin = add_link(&server, notebook, &format!("http://{site}/latin")).await;
    assert_eq!(latin.name, "V\u{f6}gel");
    let notes = add_link(&server, notebook, &format!("http://{site}/notes.md")).await;
    assert_eq!(
        (notes.stage, notes.kind),
        (Stage::Ready, SourceKind::Markdown),
        "{:?}",
        notes.failure
    );
    let photo = add_link(&server, notebook, &format!("http://{site}/photo")).await;
    assert_eq!((photo.stage, photo.kind), (Stage::Ready, SourceKind::Png), "{:?}", photo.failure);
}

/// U41, U44, U45, U46, U50: addresses inside, redirects to them, and what cannot be read are refused, each with its reason.
#[tokio::test]
async fn u41_u44_u45_u46_u50_addresses_that_are_not_read() {
    let (folder, site) = (folder(), site().await);
    let server = Setup::new(folder.path())
        .with("NOTEBOOK__EGRESS__ALLOW", format!("[\"{site}\"]"))
        .with("NOTEBOOK__LIMITS__PAGE_BYTES", 100_000)
        .start();
    let notebook = server.notebook().await;
    let path = format!("/api/notebooks/{notebook}/sources/link");
    // The site's host is allowed at its port, and at no other.
    for url in [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0.0.0.0/",
        "http://[::]/",
        "http://[::1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://169.254.169.254/latest/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[2002:7f00:1::]/",
        "http://[fe80::1]/",
        "http://[fd00:ec2::254]/",
        "http://100.64.0.1/",
        "http://198.18.0.1/",
        "http://192.0.0.192/",
        "http://224.0.0.1/",
        "http://10.0.0.1/",
        "http://192.168.1.1:80/",
        "https://172.16.0.1/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "data:text/html,x",
        "http://user:pw@example.org/",
        "http://example.org\\@127.0.0.1/",
        "http://exa mple.org/",
        "http://example.org:22/",
        "example.org",
        "",
        "http://",
    ] {
        let response = server.post(&path, json!({ "url": url })).await;
        assert_eq!(response.status(), 422, "{url}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["field"], "url", "{problem}");
    }
    let long = format!("https://example.org/{}", "x".repeat(2_048));
    assert_eq!(server.post(&path, json!({ "url": long })).await.status(), 422);
    assert_eq!(
        server.json(&format!("/api/notebooks/{notebook}/sources")).await["items"],
        json!([])
    );
    for (place, code) in [
        ("inside", "address_refused"),
        ("file", "address_refused"),
        ("loop", "page_failed"),
        ("gone", "page_not_found"),
        ("private", "page_refused"),
        ("broken", "page_failed"),
        ("large", "too_large"),
        ("binary", "unsupported_type"),
        ("lie", "type_mismatch"),
    ] {
        let source = add_link(&server, notebook, &format!("http://{site}/{place}")).await;
        let failure = source.failure.expect(place);
        assert_eq!(failure.code, code, "{place}: {}", failure.message);
        assert!(failure.message.ends_with('.'), "{}", failure.message);
    }
    // A name that leads inside is found out when it is called. Retrying fetches again.
    let name = add_link(&server, notebook, "http://localhost/").await;
    assert_eq!(name.failure.unwrap().code, "address_refused");
    let again = server.post(&format!("/api/sources/{}/retry", name.id), json!({})).await;
    assert_eq!(again.status(), 202);
    let again = server.settled(&name.id.to_string()).await;
    assert_eq!(again.failure.unwrap().stage, Stage::Fetch);
}
