//! Z22: the loser of two calls is ended where it costs: at the provider.
#![cfg(feature = "openai")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use notebook_core::Secret;
use notebook_core::{
    chat::layers::{Breaker, BreakerPolicy, CallLayers, Hedge, HedgePolicy, KeyPolicy, Pooled},
    clock::SystemClock,
    embed::{
        EmbedKind, Embedder,
        layers::{EmbedKeyPool, EmbedStack, Purpose},
        openai::{OpenAiEmbedConfig, OpenAiEmbedder},
    },
    http::{HttpClient, HttpConfig},
    key_usage::{KeyHash, KeyUsage as _, memory::MemoryKeyUsage},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// Answers every request with one vector, except the next one that is to be slow: it waits until its client goes away.
struct Provider {
    url: String,
    requests: Arc<AtomicUsize>,
    slow: Arc<AtomicBool>,
    gone: Arc<Notify>,
}

impl Provider {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (requests, slow) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let gone = Arc::new(Notify::new());
        let parts = (requests.clone(), slow.clone(), gone.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (requests, slow, gone) = parts.clone();
                tokio::spawn(serve(stream, requests, slow, gone));
            }
        });
        Self { url, requests, slow, gone }
    }
}

async fn serve(
    mut stream: TcpStream,
    requests: Arc<AtomicUsize>,
    slow: Arc<AtomicBool>,
    gone: Arc<Notify>,
) {
    const BODY: &str = "{\"data\":[{\"index\":0,\"embedding\":[0.6,0.8]}]}";
    let (mut buffer, mut read) = (vec![0; 1 << 16], 0);
    // A whole request: its body is JSON that ends with a brace.
    while read == 0 || buffer[read - 1] != b'}' {
        match stream.read(&mut buffer[read..]).await {
            Ok(more) if more > 0 => read += more,
            _ => return,
        }
    }
    requests.fetch_add(1, Ordering::SeqCst);
    if slow.swap(false, Ordering::SeqCst) {
        let end = stream.read(&mut buffer).await;
        assert!(!matches!(end, Ok(more) if more > 0), "the client says no more");
        gone.notify_one();
        return;
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
    let answer = format!("{head}content-length: {}\r\n\r\n{BODY}", BODY.len());
    stream.write_all(answer.as_bytes()).await.unwrap();
}

/// Z22: the provider sees the connection of the slow call end once the second one has answered. For the layers around it is one
/// call: one sample, and nothing that the breaker counts as a failure. Its key is counted twice, as the provider does.
#[tokio::test]
async fn z22_the_losers_connection_ends() {
    let provider = Provider::start().await;
    let mut config = OpenAiEmbedConfig::new(&provider.url, "test");
    config.options.dimensions = Some(2);
    let key = Secret::new("key");
    config.api_key = Some(key.clone());
    let http = HttpClient::new(&HttpConfig::default()).unwrap();
    let adapter: Arc<dyn Embedder> = Arc::new(OpenAiEmbedder::connect(http, config).await.unwrap());
    let (usage, clock) = (Arc::new(MemoryKeyUsage::new()), Arc::new(SystemClock));
    let keys = vec![Pooled::new(&key, adapter)];
    let pool = EmbedKeyPool::new(keys, KeyPolicy::default(), usage.clone(), clock.clone());
    // None by chance, on a machine that is busy.
    let policy = HedgePolicy { soonest: Duration::from_millis(500), ..HedgePolicy::default() };
    let hedge = Arc::new(Hedge::new(policy).unwrap());
    let breaker = Breaker::new("openai/test", BreakerPolicy::by_count(), clock).unwrap();
    let breaker = Arc::new(breaker);
    let mut stack = EmbedStack::new(Arc::new(pool.unwrap()));
    stack.waiting = CallLayers {
        breaker: Some(breaker.clone()),
        hedge: Some(hedge.clone()),
        ..CallLayers::default()
    };
    let model = stack.for_scope(None, Purpose::Waiting);
    let ask = || async { model.embed(EmbedKind::Query, &["a question".to_owned()]).await.unwrap() };
    for _ in 0..60 {
        assert_eq!(ask().await, [[0.6, 0.8]]);
    }
    provider.slow.store(true, Ordering::SeqCst);
    let before = hedge.snapshot();
    let waiting = provider.gone.notified();
    assert_eq!(ask().await, [[0.6, 0.8]]);
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("the connection ends");

    let seen = hedge.snapshot();
    assert_eq!((seen.calls - before.calls, seen.hedged - before.hedged), (1, 1));
    assert_eq!(seen.won - before.won, 1);
    let requests = provider.requests.load(Ordering::SeqCst);
    assert_eq!(requests as u64, seen.calls + seen.hedged);
    assert!(seen.hedged * 100 <= seen.calls * 5, "{seen:?}");
    let stands = breaker.snapshot();
    assert_eq!((u64::from(stands.calls), stands.failed), (seen.calls, 0));
    let counted = usage.counts(&[KeyHash::of(&key)]).await.unwrap();
    assert_eq!(counted[0].used, requests as u64);
}
