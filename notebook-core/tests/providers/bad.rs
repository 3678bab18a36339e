//! Providers that misbehave below their dialect. Every adapter gives the same clear error.

use notebook_core::{
    Error, ErrorKind, Secret,
    chat::{
        ChatModel,
        anthropic::{AnthropicChat, AnthropicConfig},
        google::{GoogleChat, GoogleConfig},
        ollama::{OllamaChat, OllamaConfig},
        openai::{OpenAiChat, OpenAiConfig},
    },
};

use crate::{
    ask, hear, http,
    server::{Reply, Server},
    short,
};

fn adapters(base: &str) -> [Box<dyn ChatModel>; 4] {
    let (timeouts, base_url) = (short(), base.to_owned());
    let key = Some(Secret::new("sk-secret"));
    let openai = OpenAiConfig { timeouts, api_key: key.clone(), ..OpenAiConfig::new(base, "m") };
    let ollama = OllamaConfig {
        timeouts,
        api_key: key,
        base_url: base_url.clone(),
        ..OllamaConfig::new("m")
    };
    let google = GoogleConfig {
        timeouts,
        base_url: base_url.clone(),
        ..GoogleConfig::new("m", Secret::new("sk-secret"))
    };
    let anthropic = AnthropicConfig {
        timeouts,
        base_url,
        ..AnthropicConfig::new("m", Secret::new("sk-secret"))
    };
    [
        Box::new(OpenAiChat::new(http(), openai).unwrap()),
        Box::new(OllamaChat::new(http(), ollama).unwrap()),
        Box::new(GoogleChat::new(http(), google).unwrap()),
        Box::new(AnthropicChat::new(http(), anthropic).unwrap()),
    ]
}

/// The error of a question, wherever it comes, from each adapter.
async fn errors(base: &str) -> Vec<Error> {
    let mut all = Vec::new();
    for model in adapters(base) {
        let error = match hear(&*model, ask("Hi")).await {
            Ok(heard) => {
                heard.error.unwrap_or_else(|| panic!("{}: no error", model.info().label()))
            }
            Err(error) => error,
        };
        assert!(!format!("{error} {error:?}").contains("sk-secret"), "{error:?}");
        all.push(error);
    }
    all
}

async fn all_are(reply: Reply, kind: ErrorKind, retryable: bool) -> Vec<Error> {
    let server = Server::always(reply).await;
    let errors = errors(&server.base).await;
    for error in &errors {
        assert_eq!((error.kind(), error.is_retryable()), (kind, retryable), "{error:?}");
    }
    errors
}

const PAGE: &str = "<!doctype html>\n<title>Welcome to sk-secret</title>";

/// Z9: a web page where an answer belongs.
#[tokio::test]
async fn a_page_of_html() {
    for error in
        all_are(Reply::whole(200, "text/html; charset=utf-8", "", PAGE), ErrorKind::Protocol, false)
            .await
    {
        assert_eq!(error.context("excerpt"), Some("<!doctype html> <title>Welcome to …</title>"));
    }
    for error in
        all_are(Reply::whole(502, "text/html", "", PAGE), ErrorKind::Unavailable, true).await
    {
        assert_eq!(error.context("excerpt"), Some("<!doctype html> <title>Welcome to …</title>"));
        assert_eq!(error.context("status"), Some("502"));
    }
    for error in all_are(
        Reply::whole(302, "text/html", "location: https://example.org/\r\n", ""),
        ErrorKind::Protocol,
        false,
    )
    .await
    {
        assert!(error.context("fix").unwrap().contains("redirects"));
    }
}

#[tokio::test]
async fn statuses_without_a_body() {
    all_are(Reply::whole(401, "text/plain", "", ""), ErrorKind::Unauthorized, false).await;
    all_are(
        Reply::whole(429, "text/plain", "retry-after: 3\r\n", ""),
        ErrorKind::RateLimited,
        true,
    )
    .await;
    all_are(Reply::whole(500, "text/plain", "", ""), ErrorKind::Unavailable, true).await;
}

/// Z9: truncated JSON in an error body does not hide the status.
#[tokio::test]
async fn a_truncated_error_body() {
    let reply = Reply::whole(503, "application/json", "", "{\"error\": {\"mess");
    all_are(reply, ErrorKind::Unavailable, true).await;
}

#[tokio::test]
async fn nothing_comes() {
    let errors = all_are(Reply::raw("").hang(), ErrorKind::Timeout, true).await;
    assert!(errors[0].context("waited").unwrap().contains("first byte"));
    let head_only = Reply::stream("application/octet-stream").hang();
    all_are(head_only, ErrorKind::Timeout, true).await;
    let stalled = Reply::stream("text/plain").bytes(": ").hang();
    for error in all_are(stalled, ErrorKind::Timeout, true).await {
        assert!(error.context("waited").unwrap().contains("next byte"));
    }
}

#[tokio::test]
async fn nobody_listens() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for error in errors(&base).await {
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true));
        assert!(error.context("fix").is_some());
    }
}

#[tokio::test]
async fn the_connection_closes_at_once() {
    all_are(Reply::raw(""), ErrorKind::Unavailable, true).await;
    let half = "HTTP/1.1 200 OK\r\ncontent-type: text/event-str";
    all_are(Reply::raw(half), ErrorKind::Unavailable, true).await;
}

#[tokio::test]
async fn what_answers_does_not_speak_http() {
    for error in
        all_are(Reply::raw("SSH-2.0-OpenSSH_9.2\r\n\r\n"), ErrorKind::Protocol, false).await
    {
        assert!(error.context("fix").unwrap().contains("port"));
    }
}

/// TLS is spoken to a port that does not.
#[tokio::test]
async fn tls_to_a_plain_port() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let mut hello = [0; 2048];
            let _ = connection.read(&mut hello).await;
            let _ = connection.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    for error in errors(&base).await {
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Protocol, false), "{error:?}");
        assert!(error.context("fix").unwrap().contains("http://"));
    }
}

/// S30: a line without end is an error, not memory.
#[tokio::test]
async fn an_endless_line() {
    let megabytes = vec![b'x'; 3 << 20];
    let body = [b"data: ".as_slice(), &megabytes].concat();
    all_are(Reply::stream("text/plain").pieces(body, 64 << 10).hang(), ErrorKind::TooLarge, false)
        .await;
}

/// An error body without end is read up to a bound.
#[tokio::test]
async fn an_endless_error_body() {
    let head = "HTTP/1.1 500 X\r\ncontent-type: text/plain\r\n\r\n";
    let reply = Reply::raw([head.as_bytes(), &vec![b'x'; 3 << 20]].concat()).hang();
    for error in all_are(reply, ErrorKind::Unavailable, true).await {
        assert!(error.context("excerpt").unwrap().len() < 400);
    }
}

/// Z9: what is no JSON, is of another type, or is cut, in every form of stream.
#[tokio::test]
async fn z9_events_of_another_shape() {
    for event in ["{\"choices\": [{\"del", "[7]", "{\"error\": {\"message\": [7"] {
        // As an event, and as a line.
        for body in [format!("data: {event}\n\n"), format!("{event}\n")] {
            let server = Server::always(Reply::stream("text/plain").bytes(&body).end()).await;
            for error in errors(&server.base).await {
                let kind = error.kind();
                let known = matches!(kind, ErrorKind::Protocol | ErrorKind::Unavailable);
                assert!(known, "{event}: {error:?}");
            }
        }
    }
}

/// Z9: events without end and without content are waited for no longer than their answer goes on: dropping it is enough.
#[tokio::test]
async fn z9_an_endless_stream_is_ended_by_dropping_it() {
    use futures::StreamExt as _;
    let comments = ": ping\n\n".repeat(10_000);
    let server = Server::always(Reply::stream("text/plain").pieces(comments, 4096).hang()).await;
    let mut ended = 0;
    for model in adapters(&server.base) {
        let mut stream = model.stream(ask("Hi")).await.unwrap();
        let first = tokio::time::timeout(std::time::Duration::from_millis(50), stream.next()).await;
        assert!(!matches!(first, Ok(Some(Ok(_)))), "{}", model.info().label());
        drop(stream);
        ended += 1;
        server.hung_up(ended).await;
    }
}
