use std::{
    collections::VecDeque,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::*;
use crate::{
    Clock, Error, ErrorKind, Retry, Secret, TenantId, Timestamp,
    chat::layers::{
        Breaker, BreakerPolicy, BudgetPolicy, Hedge, HedgePolicy, KeyPolicy, Limit, LimitPolicy,
        Phase, Pooled, Retries, RetryPolicy,
    },
    clock::{ManualClock, SystemClock},
    embed::HashingEmbedder,
    key_usage::{KeyUsage as _, memory::MemoryKeyUsage},
};

/// Makes real vectors, after what it is told to do, and remembers what it was asked.
struct Played {
    inner: HashingEmbedder,
    /// What the next calls fail with.
    failures: Mutex<VecDeque<Error>>,
    /// Without a permit a call waits.
    doors: Semaphore,
    asked: Mutex<Vec<Vec<String>>>,
    under_way: AtomicUsize,
}

impl Played {
    fn new() -> Arc<Self> {
        Self::failing(Vec::new())
    }

    fn failing(failures: Vec<Error>) -> Arc<Self> {
        Arc::new(Self {
            inner: HashingEmbedder::new(),
            failures: Mutex::new(failures.into()),
            doors: Semaphore::new(10_000),
            asked: Mutex::default(),
            under_way: AtomicUsize::new(0),
        })
    }

    fn calls(&self) -> usize {
        self.asked.lock().len()
    }
}

#[async_trait]
impl Embedder for Played {
    fn space(&self) -> &VectorSpace {
        self.inner.space()
    }

    fn max_tokens(&self) -> usize {
        self.inner.max_tokens()
    }

    async fn embed(&self, kind: EmbedKind, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        self.asked.lock().push(texts.to_vec());
        self.under_way.fetch_add(1, Ordering::Relaxed);
        let _door = self.doors.acquire().await.unwrap();
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        let failure = self.failures.lock().pop_front();
        match failure {
            Some(error) => Err(error),
            None => self.inner.embed(kind, texts).await,
        }
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.inner.count_tokens(text)
    }
}

fn down() -> Error {
    Error::new(ErrorKind::Unavailable, "embed texts").retry(Retry::Backoff)
}

#[allow(clippy::disallowed_methods, reason = "tests act for tenants of their own")]
fn tenant() -> TenantScope {
    TenantScope::authenticated(TenantId::new())
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

fn limit(at_once: usize) -> Option<Arc<Limit>> {
    let policy = LimitPolicy { at_once, waiting: 100 };
    Some(Arc::new(Limit::new(policy, Duration::from_secs(60)).unwrap()))
}

/// All layers, as the server puts them.
fn stack(model: Arc<dyn Embedder>, at_once: usize) -> EmbedStack {
    let breaker = Arc::new(Breaker::new("test/a", BreakerPolicy::default(), clock()).unwrap());
    let policy = RetryPolicy { backoff: Duration::from_millis(1), ..RetryPolicy::default() };
    let retries = Arc::new(Retries::new(policy, BudgetPolicy::default(), clock()).unwrap());
    let shared = CallLayers {
        timeout: Some(Duration::from_secs(5)),
        breaker: Some(breaker),
        hedge: None,
        limit: limit(at_once),
        retries: Some(retries),
    };
    EmbedStack {
        waiting: CallLayers {
            hedge: Some(Arc::new(Hedge::new(HedgePolicy::default()).unwrap())),
            limit: limit(at_once),
            ..shared.clone()
        },
        sources: shared,
        batch: Some(BatchSize { texts: 4, bytes: 1_000 }),
        model,
    }
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("text {i}")).collect()
}

async fn question(stack: &EmbedStack) -> Result<Vec<Vec<f32>>> {
    stack.for_scope(None, Purpose::Waiting).embed(EmbedKind::Query, &texts(1)).await
}

async fn until(reached: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if reached() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it is never so");
}

#[cfg(feature = "conformance")]
#[tokio::test]
async fn every_layer_keeps_the_promises_of_the_port() {
    use crate::embed::conformance::{Capabilities, run_all};
    let words = Capabilities { knows_words: true, ..Capabilities::default() };
    let bare = || -> Arc<dyn Embedder> { Arc::new(HashingEmbedder::new()) };
    let layers: Vec<(&str, Arc<dyn Embedder>)> = vec![
        ("none", Arc::new(EmbedStack::new(bare()).for_scope(None, Purpose::Waiting))),
        ("waiting", Arc::new(stack(bare(), 3).for_scope(Some(&tenant()), Purpose::Waiting))),
        ("sources", Arc::new(stack(bare(), 3).for_scope(None, Purpose::Source))),
        ("keys", Arc::new(pool(vec![Played::new(), Played::new()], None).0)),
    ];
    for (name, layer) in layers {
        assert_eq!(run_all(&*layer, &words).await.failures, Vec::<String>::new(), "{name}");
    }
}

/// C2: questions do not wait while sources take all places of theirs.
#[tokio::test(start_paused = true)]
async fn c2_a_question_does_not_wait_behind_sources() {
    let played = Played::new();
    let mut stack = stack(played.clone(), 2);
    stack.sources.timeout = None;
    played.doors.forget_permits(usize::MAX);
    let many: Vec<_> = (0..20)
        .map(|_| {
            let layered = stack.for_scope(None, Purpose::Source);
            tokio::spawn(async move { layered.embed(EmbedKind::Passage, &texts(1)).await })
        })
        .collect();
    let limit = stack.sources.limit.clone().unwrap();
    until(|| limit.snapshot().waiting == 18).await;
    assert_eq!(played.under_way.load(Ordering::Relaxed), 2, "the limit holds");
    let asking = tokio::spawn({
        let stack = stack.clone();
        async move { question(&stack).await }
    });
    until(|| played.under_way.load(Ordering::Relaxed) == 3).await;
    played.doors.add_permits(10_000);
    asking.await.unwrap().unwrap();
    for one in many {
        one.await.unwrap().unwrap();
    }
}

/// C2: of tenants, the one with fewest calls under way is next.
#[tokio::test(start_paused = true)]
async fn c2_limits_are_fair_among_tenants() {
    let played = Played::new();
    let stack = stack(played.clone(), 1);
    played.doors.forget_permits(usize::MAX);
    let (busy, other) = (tenant(), tenant());
    let limit = stack.waiting.limit.clone().unwrap();
    let ask = |scope: &TenantScope, text: &'static str| {
        let layered = stack.for_scope(Some(scope), Purpose::Waiting);
        tokio::spawn(async move { layered.embed(EmbedKind::Query, &[text.to_owned()]).await })
    };
    let first = ask(&busy, "busy 0");
    until(|| limit.snapshot().calling == 1).await;
    let second = ask(&busy, "busy 1");
    until(|| limit.snapshot().waiting == 1).await;
    let third = ask(&other, "other");
    until(|| limit.snapshot().waiting == 2).await;
    // Whoever is let in next has none under way: among equals the first who came.
    played.doors.add_permits(10_000);
    for one in [first, second, third] {
        one.await.unwrap().unwrap();
    }
    assert_eq!(played.calls(), 3);
    assert_eq!(limit.snapshot().calling, 0);
}

/// C2, Z5: sources and questions find out together that a provider is down, and then neither calls it.
#[tokio::test(start_paused = true)]
async fn z5_both_purposes_share_the_breaker() {
    let played = Played::failing((0..5).map(|_| down()).collect());
    let mut stack = stack(played.clone(), 4);
    (stack.waiting.retries, stack.sources.retries) = (None, None);
    for _ in 0..5 {
        let layered = stack.for_scope(None, Purpose::Source);
        layered.embed(EmbedKind::Passage, &texts(1)).await.unwrap_err();
    }
    let error = question(&stack).await.unwrap_err();
    assert_eq!(error.context("refused_by"), Some("breaker"));
    assert!(matches!(error.retry_status(), Retry::After(_)), "jobs are told when to come back");
    assert_eq!(played.calls(), 5);
    assert_eq!(stack.sources.breaker.unwrap().snapshot().phase, Phase::Open);
}

/// C2: of many texts only those are embedded again that failed, within the budget.
#[tokio::test(start_paused = true)]
async fn c2_a_batch_is_made_again_alone() {
    let played = Played::failing(Vec::new());
    let stack = stack(played.clone(), 4);
    let layered = stack.for_scope(None, Purpose::Source);
    let all = texts(10);
    layered.embed(EmbedKind::Passage, &all[..4]).await.unwrap();
    played.failures.lock().push_back(down());
    let vectors = layered.embed(EmbedKind::Passage, &all).await.unwrap();
    assert_eq!(vectors, played.inner.embed(EmbedKind::Passage, &all).await.unwrap());
    let lengths: Vec<_> = played.asked.lock().iter().map(Vec::len).collect();
    assert_eq!(lengths, [4, 4, 4, 4, 2]);
}

/// C2, Z10: a silent provider is a failure before the caller's own time is over, and after it nothing is tried.
#[tokio::test(start_paused = true)]
async fn z10_nothing_goes_on_after_the_deadline() {
    let played = Played::new();
    played.doors.forget_permits(usize::MAX);
    let stack = stack(played.clone(), 4);
    let began = tokio::time::Instant::now();
    let deadline = (began + Duration::from_secs(8)).into_std();
    let layered = stack.for_scope(None, Purpose::Waiting).until(Some(deadline));
    let error = layered.embed(EmbedKind::Query, &texts(1)).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_status()), (ErrorKind::Timeout, Retry::Never));
    assert_eq!(began.elapsed(), Duration::from_secs(8));
    assert_eq!(played.calls(), 2, "a try of 5 s and a second one");
    let seen = stack.waiting.breaker.unwrap().snapshot();
    assert_eq!(seen.in_a_row, 1, "the one that the caller gave up says nothing");
}

type Pool = (EmbedKeyPool, Arc<MemoryKeyUsage>, Vec<crate::key_usage::KeyHash>);

fn pool(models: Vec<Arc<Played>>, daily: Option<u64>) -> Pool {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000)));
    let usage = Arc::new(MemoryKeyUsage::new());
    let secret = |i: usize| Secret::new(format!("key-{i}"));
    let hashes = (0..models.len()).map(|i| crate::key_usage::KeyHash::of(&secret(i))).collect();
    let keys = models.into_iter().enumerate();
    let keys = keys.map(|(i, model)| Pooled::new(&secret(i), model as Arc<dyn Embedder>));
    let policy = KeyPolicy { daily, ..KeyPolicy::default() };
    let pool = EmbedKeyPool::new(keys.collect(), policy, usage.clone(), clock).unwrap();
    (pool, usage, hashes)
}

/// C3: the next key is used on 429 and at the daily limit; each call is counted with its key; when all have met their limit the
/// caller is told for how long.
#[tokio::test]
async fn c3_the_next_key_embeds() {
    let limited = Error::new(ErrorKind::RateLimited, "embed texts");
    let limited = limited.retry(Retry::After(Duration::from_secs(30)));
    let (one, two) = (Played::failing(vec![limited]), Played::new());
    let (pool, usage, hashes) = pool(vec![one.clone(), two.clone()], Some(2));
    for _ in 0..2 {
        pool.embed(EmbedKind::Passage, &texts(3)).await.unwrap();
    }
    assert_eq!((one.calls(), two.calls()), (1, 2), "the first one rests");
    let error = pool.embed(EmbedKind::Passage, &texts(3)).await.unwrap_err();
    let waits =
        matches!(error.retry_status(), Retry::After(wait) if wait == Duration::from_secs(30));
    assert!(waits && error.kind() == ErrorKind::RateLimited, "{error:?}");
    assert_eq!(error.context("refused_by"), Some("keys"));
    let used: Vec<_> = usage.counts(&hashes).await.unwrap().iter().map(|c| c.used).collect();
    assert_eq!(used, [1, 2]);
    assert!(pool.embed(EmbedKind::Passage, &[]).await.unwrap().is_empty(), "nothing needs no key");
}

/// Z22: only calls of one text are alike: a call of many is not timed, and not made twice.
#[tokio::test]
async fn z22_calls_of_many_texts_are_not_hedged() {
    let model = Played::new();
    let stack = stack(model.clone(), 4);
    let hedge = stack.waiting.hedge.clone().unwrap();
    let waiting = stack.for_scope(None, Purpose::Waiting);
    waiting.embed(EmbedKind::Query, &texts(3)).await.unwrap();
    // The last of five texts is a call of its own, and one among others.
    waiting.embed(EmbedKind::Query, &texts(5)).await.unwrap();
    assert_eq!((model.calls(), hedge.snapshot().calls), (3, 0));
    question(&stack).await.unwrap();
    assert_eq!((model.calls(), hedge.snapshot().calls), (4, 1));
}
