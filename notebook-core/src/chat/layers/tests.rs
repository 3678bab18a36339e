//! The layers as models: each keeps the port's promises, alone and together.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::StreamExt;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::*;
use crate::{
    Clock, Error, ErrorKind, Result, Retry, Secret, TenantId, Timestamp,
    cache::memory::MemoryCache,
    chat::{
        CallOptions, ChatEvent, ChatMessage, ChatModelInfo, ChatRequest, ChatRole, ChatStream,
        FinishReason, Replaced, TokenCount,
        scripted::{Ended, Script, ScriptedChat, Step},
    },
    clock::{ManualClock, SystemClock},
    key_usage::{KeyUsage as _, Zone, memory::MemoryKeyUsage},
};

fn request() -> ChatRequest {
    let messages = vec![ChatMessage::new(ChatRole::User, "Hi")];
    ChatRequest { messages, ..ChatRequest::default() }
}

fn named(name: &str, scripts: impl IntoIterator<Item = Script>) -> Arc<ScriptedChat> {
    let info = ChatModelInfo {
        provider: "test".into(),
        model: name.into(),
        context_tokens: Some(8192),
        local: true,
        tools: true,
    };
    Arc::new(ScriptedChat::playing(scripts).described(info))
}

fn refusing(name: &str, kind: ErrorKind, retry: Retry) -> Arc<ScriptedChat> {
    named(name, [Script::refusal(kind, retry)])
}

fn answering(name: &str) -> Arc<ScriptedChat> {
    named(name, [Script::answer("Good day to you")])
}

#[allow(clippy::disallowed_methods, reason = "tests act for tenants of their own")]
fn tenant() -> TenantScope {
    TenantScope::authenticated(TenantId::new())
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

async fn hear(model: &dyn ChatModel, request: ChatRequest) -> Vec<Result<ChatEvent>> {
    match model.stream(request).await {
        Ok(answer) => answer.collect().await,
        Err(error) => vec![Err(error)],
    }
}

fn text(events: &[Result<ChatEvent>]) -> String {
    let texts = events.iter().filter_map(|event| match event {
        Ok(ChatEvent::Delta(text)) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

fn limit(at_once: usize) -> Arc<Limit> {
    let policy = LimitPolicy { at_once, waiting: 100 };
    Arc::new(Limit::new(policy, Duration::from_secs(60)).unwrap())
}

fn retries() -> Arc<Retries> {
    let policy = RetryPolicy { backoff: Duration::from_millis(1), ..RetryPolicy::default() };
    Arc::new(Retries::new(policy, BudgetPolicy::default(), clock()).unwrap())
}

fn breaker() -> Arc<Breaker> {
    Arc::new(Breaker::new("test/a", BreakerPolicy::default(), clock()).unwrap())
}

fn cache(sampled: bool, clock: Arc<dyn Clock>) -> Arc<ResponseCache> {
    let policy = ResponseCachePolicy { sampled, ..ResponseCachePolicy::default() };
    Arc::new(ResponseCache::new(Arc::new(MemoryCache::new(1 << 20)), policy, clock))
}

fn pool(
    models: Vec<Arc<ScriptedChat>>,
    daily: Option<u64>,
) -> (KeyPool, Arc<MemoryKeyUsage>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000)));
    let usage = Arc::new(MemoryKeyUsage::new());
    let keys =
        (1..).zip(models).map(|(i, model)| PooledKey::new(&Secret::new(format!("key-{i}")), model));
    let policy = KeyPolicy { daily, ..KeyPolicy::default() };
    (KeyPool::new(keys.collect(), policy, usage.clone(), clock.clone()).unwrap(), usage, clock)
}

fn second() -> Timeouts {
    let second = Some(Duration::from_secs(1));
    Timeouts { first: second, between: second, whole: Some(Duration::from_secs(5)) }
}

fn full_stack() -> Stack {
    let layered = || Layered {
        timeouts: second(),
        breaker: Some(breaker()),
        limit: Some(limit(8)),
        retries: Some(retries()),
        ..Layered::new(answering("a"))
    };
    let mut stack = Stack::new(layered());
    stack.others.push(layered());
    stack.whole = Some(Duration::from_secs(10));
    stack.cache = Some(cache(true, clock()));
    stack
}

#[cfg(feature = "conformance")]
#[tokio::test]
async fn every_layer_keeps_the_promises_of_the_port() {
    use crate::chat::conformance::{Capabilities, run_all};
    let inner = || -> Arc<dyn ChatModel> { answering("a") };
    let layers: Vec<(&str, Arc<dyn ChatModel>)> = vec![
        ("timeouts", Arc::new(TimeoutChat::new(inner(), second()))),
        ("breaker", Arc::new(BreakerChat::new(inner(), breaker()))),
        ("limit", Arc::new(LimitChat::new(inner(), limit(3), None))),
        ("retries", Arc::new(RetryChat::new(inner(), retries()))),
        ("fallback", Arc::new(FallbackChat::new(inner(), vec![inner()]))),
        ("keys", Arc::new(pool(vec![answering("a"), answering("a")], None).0)),
        ("cache that keeps nothing", Arc::new(cache(false, clock()).for_scope(&tenant(), inner()))),
        ("all", full_stack().for_scope(None)),
    ];
    let counted = Capabilities { reports_usage: true, tools: true, ..Capabilities::default() };
    for (name, layer) in layers {
        assert_eq!(run_all(&*layer, &counted).await.failures, Vec::<String>::new(), "{name}");
    }
    // What is answered from memory used no tokens.
    let kept: [Arc<dyn ChatModel>; 2] = [
        Arc::new(cache(true, clock()).for_scope(&tenant(), inner())),
        full_stack().for_scope(Some(&tenant())),
    ];
    for layer in kept {
        let report =
            run_all(&*layer, &Capabilities { tools: true, ..Capabilities::default() }).await;
        assert_eq!(report.failures, Vec::<String>::new());
    }
}

/// Z21: models are asked in their order, and who answers is told before the text, with all that failed.
#[tokio::test]
async fn z21_the_order_is_kept_and_told() {
    let first = refusing("a", ErrorKind::Unavailable, Retry::Backoff);
    let second = named("b", [Script::new([Step::Fail(ErrorKind::ContextTooLong, Retry::Never)])]);
    let (third, fourth) = (answering("c"), answering("d"));
    let chain = FallbackChat::new(first, vec![second, third, fourth.clone()]);
    let events = hear(&chain, request()).await;
    let told = |failed: &str, reason| {
        let (failed, answers) = (format!("test/{failed}"), "test/c".to_owned());
        ChatEvent::Replaced(Replaced { failed, reason, answers })
    };
    assert_eq!(events[0].as_ref().unwrap(), &told("a", ErrorKind::Unavailable));
    assert_eq!(events[1].as_ref().unwrap(), &told("b", ErrorKind::ContextTooLong));
    assert_eq!(text(&events), "Good day to you");
    assert_eq!(fourth.requests().len(), 0);
    assert_eq!(chain.info().model, "a");
}

/// Z21: a model that has begun is not replaced; where all fail, the first one's error is told, and what the others said.
#[tokio::test]
async fn z21_nobody_takes_over_after_the_first_token() {
    let broken = named(
        "a",
        [Script::new([Step::text("Good"), Step::Fail(ErrorKind::Unavailable, Retry::Backoff)])],
    );
    let other = answering("b");
    let chain = FallbackChat::new(broken, vec![other.clone()]);
    let events = hear(&chain, request()).await;
    assert!(matches!(&events[..], [Ok(ChatEvent::Delta(_)), Err(_)]), "{events:?}");
    assert_eq!(other.requests().len(), 0);

    let down = refusing("a", ErrorKind::Unauthorized, Retry::Never);
    let full = refusing("b", ErrorKind::RateLimited, Retry::Backoff);
    let error =
        hear(&FallbackChat::new(down, vec![full.clone()]), request()).await.remove(0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!(error.context("instead"), Some("test/b: rate_limited"));

    // What is wrong is wrong for all; what somebody ended is not begun anew.
    let wrong = ChatRequest { temperature: Some(9.0), ..request() };
    let calls = full.requests().len();
    let chain =
        FallbackChat::new(refusing("a", ErrorKind::Cancelled, Retry::Never), vec![full.clone()]);
    assert!(hear(&chain, wrong).await[0].is_err() && hear(&chain, request()).await[0].is_err());
    assert_eq!(full.requests().len(), calls);
}

#[tokio::test(start_paused = true)]
async fn each_limit_of_time_is_kept_and_the_connection_closed() {
    let (half, two) =
        (Step::Sleep(Duration::from_millis(500)), Step::Sleep(Duration::from_secs(2)));
    let slow_first = Script::new([two.clone(), Step::text("a"), Step::STOP]);
    let slow_next = Script::new([
        half.clone(),
        Step::text("a"),
        half.clone(),
        Step::text("b"),
        two,
        Step::STOP,
    ]);
    let endless = Script::new((0..100).flat_map(|_| [half.clone(), Step::text("a")]));
    for (script, after, texts, limit) in [
        (slow_first, 1_000, 0, "time to the first token"),
        (slow_next, 2_000, 2, "time between tokens"),
        (endless, 5_000, 9, "time of the whole answer"),
    ] {
        let provider = named("a", [script]);
        let model = TimeoutChat::new(provider.clone(), second());
        let since = Instant::now();
        let events = hear(&model, request()).await;
        assert_eq!(since.elapsed().as_millis(), after, "{limit}");
        assert_eq!(events.len(), texts + 1, "{limit}: {events:?}");
        let error = events.last().unwrap().as_ref().unwrap_err();
        assert_eq!((error.kind(), error.context("limit")), (ErrorKind::Timeout, Some(limit)));
        assert_eq!(provider.ends(), [Ended::Dropped], "{limit}");
    }
    // One that does not even accept the request.
    let gate = crate::chat::scripted::Gate::closed();
    let provider = named("a", [Script::answer("x").behind(gate)]);
    let events = hear(&TimeoutChat::new(provider.clone(), second()), request()).await;
    assert_eq!(events[0].as_ref().unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(provider.ends(), [Ended::Dropped]);
}

/// Z10: a deadline of a second through all layers: tries that are silent, waits, and a second model end within it.
#[tokio::test(start_paused = true)]
async fn z10_a_deadline_of_a_second_through_all_layers() {
    let silent = || Layered {
        timeouts: Timeouts { first: Some(Duration::from_millis(400)), ..Timeouts::default() },
        breaker: Some(breaker()),
        limit: Some(limit(8)),
        retries: Some(retries()),
        ..Layered::new(named("a", [Script::new([Step::Hang])]))
    };
    let mut stack = Stack::new(silent());
    stack.others.push(silent());
    stack.whole = Some(Duration::from_secs(60));
    let model = stack.for_scope(Some(&tenant()));
    let since = Instant::now();
    let deadline = Some((since + Duration::from_secs(1)).into_std());
    let call = CallOptions { deadline, ..CallOptions::default() };
    let events = hear(&*model, ChatRequest { call, ..request() }).await;
    assert_eq!(events[0].as_ref().unwrap_err().kind(), ErrorKind::Timeout);
    assert!(since.elapsed() <= Duration::from_secs(1), "{:?}", since.elapsed());
}

/// Z9: what is no answer is a failure for the breaker, and for the fallback: an end without an end, an error within.
#[tokio::test]
async fn z9_an_answer_that_breaks_off_counts_as_a_failure() {
    let breaker = breaker();
    for script in [
        Script::new([Step::text("a")]),
        Script::new([Step::text("a"), Step::Fail(ErrorKind::Protocol, Retry::Never)]),
        Script::new([]),
    ] {
        let model = BreakerChat::new(named("a", [script]), breaker.clone());
        assert!(hear(&model, request()).await.last().unwrap().is_err());
    }
    let seen = breaker.snapshot();
    assert_eq!((seen.calls, seen.failed, seen.in_a_row), (3, 3, 3));
    // Whoever goes away after the first token says nothing of the provider.
    let model = BreakerChat::new(answering("a"), breaker.clone());
    drop(model.stream(request()).await.unwrap().next().await);
    assert_eq!(breaker.snapshot().in_a_row, 3);
    assert_eq!(text(&hear(&model, request()).await), "Good day to you");
    assert_eq!(breaker.snapshot().in_a_row, 0);
}

/// Z5: while the first is down its breaker leaves it alone, and the second answers at once.
#[tokio::test]
async fn z5_z21_an_open_breaker_hands_over_at_once() {
    let down = refusing("a", ErrorKind::Unavailable, Retry::Backoff);
    let mut first = Layered::new(down.clone());
    (first.breaker, first.retries) = (Some(breaker()), Some(retries()));
    let mut stack = Stack::new(first);
    stack.others.push(Layered::new(answering("b")));
    let model = stack.for_scope(None);
    for _ in 0..50 {
        let events = hear(&*model, request()).await;
        assert!(matches!(&events[0], Ok(ChatEvent::Replaced(told)) if told.answers == "test/b"));
    }
    assert_eq!(down.requests().len(), 5);
}

fn cold() -> ChatRequest {
    ChatRequest { temperature: Some(0.0), ..request() }
}

#[tokio::test]
async fn an_identical_prompt_is_answered_from_memory_for_its_tenant_alone() {
    let (model, cache) = (answering("a"), cache(false, clock()));
    let (ours, theirs) = (tenant(), tenant());
    let of = |scope: &TenantScope| cache.for_scope(scope, model.clone());
    let first = hear(&of(&ours), cold()).await;
    let second = hear(&of(&ours), cold()).await;
    assert_eq!((text(&first), model.requests().len()), (text(&second), 1));
    let free = second.iter().find_map(|event| match event {
        Ok(ChatEvent::Usage(usage)) => Some(*usage),
        _ => None,
    });
    let free = free.unwrap();
    assert_eq!((free.prompt_tokens, free.completion_tokens, free.cost_micros), (0, 0, Some(0)));
    assert!(matches!(second.last(), Some(Ok(ChatEvent::Finish(FinishReason::Stop)))));
    // T18's promise for answers: nobody sees what another's prompt was answered with, nor how quickly.
    hear(&of(&theirs), cold()).await;
    assert_eq!(model.requests().len(), 2);
    // What is deleted with a tenant is asked for anew, and the other's stays.
    assert_eq!(cache.tenants().len(), 2);
    cache.clear(&ours).await.unwrap();
    hear(&of(&ours), cold()).await;
    hear(&of(&theirs), cold()).await;
    assert_eq!(model.requests().len(), 3);
}

#[tokio::test]
async fn only_the_same_is_the_same() {
    let (model, cache, scope) = (answering("a"), cache(false, clock()), tenant());
    let cached = cache.for_scope(&scope, model.clone());
    hear(&cached, cold()).await;
    let said = |text: &str| vec![ChatMessage::new(ChatRole::User, text)];
    let others = [
        ChatRequest { messages: said("Hi!"), ..cold() },
        ChatRequest { messages: vec![ChatMessage::new(ChatRole::System, "Hi")], ..cold() },
        ChatRequest { top_p: Some(0.5), ..cold() },
        ChatRequest { max_tokens: Some(5), ..cold() },
        ChatRequest { stop: vec!["x".into()], ..cold() },
        ChatRequest { seed: Some(1), ..cold() },
    ];
    for (i, other) in others.into_iter().enumerate() {
        hear(&cached, other).await;
        assert_eq!(model.requests().len(), i + 2, "it was not asked");
    }
    // Another model with the same prompt.
    let other = answering("b");
    hear(&cache.for_scope(&scope, other.clone()), cold()).await;
    assert_eq!(other.requests().len(), 1);
    // Prompts that differ in their random marker alone are the same.
    let marked = |marker: &str| ChatRequest {
        messages: said(&format!("<data-{marker}>bees</data-{marker}>")),
        call: CallOptions { marker: Some(marker.to_owned()), ..CallOptions::default() },
        ..cold()
    };
    let asked = model.requests().len();
    hear(&cached, marked("0123456789ab")).await;
    hear(&cached, marked("ba9876543210")).await;
    assert_eq!(model.requests().len(), asked + 1);
}

#[tokio::test]
async fn what_is_not_whole_or_not_repeatable_is_not_kept() {
    let cut = |reason| Script::new([Step::text("a"), Step::Event(ChatEvent::Finish(reason))]);
    let replaced = ChatEvent::Replaced(Replaced {
        failed: "x/y".into(),
        reason: ErrorKind::Unavailable,
        answers: "test/a".into(),
    });
    for (script, request) in [
        (cut(FinishReason::Length), cold()),
        (cut(FinishReason::ContentFilter), cold()),
        (Script::new([Step::text("a")]), cold()),
        (Script::new([Step::Event(replaced), Step::text("a"), Step::STOP]), cold()),
        (Script::new([Step::text("a".repeat(300 << 10)), Step::STOP]), cold()),
        (Script::answer("a"), request()),
        (Script::answer("a"), ChatRequest { temperature: Some(0.1), ..request() }),
    ] {
        let (model, cache) = (named("a", [script]), cache(false, clock()));
        let cached = cache.for_scope(&tenant(), model.clone());
        hear(&cached, request.clone()).await;
        hear(&cached, request.clone()).await;
        assert_eq!(model.requests().len(), 2, "{request:?}");
    }
    // One that nobody read to its end.
    let (model, cache) = (answering("a"), cache(false, clock()));
    let cached = cache.for_scope(&tenant(), model.clone());
    drop(cached.stream(cold()).await.unwrap().next().await);
    hear(&cached, cold()).await;
    assert_eq!(model.requests().len(), 2);
}

#[tokio::test]
async fn kept_answers_end() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000)));
    let (model, memory) = (answering("a"), Arc::new(MemoryCache::new(1 << 20)));
    let policy = ResponseCachePolicy::default();
    let cache = Arc::new(ResponseCache::new(memory.clone(), policy, clock.clone()));
    let cached = cache.for_scope(&tenant(), model.clone());
    hear(&cached, cold()).await;
    clock.advance(policy.keep - Duration::from_millis(1));
    hear(&cached, cold()).await;
    assert_eq!(model.requests().len(), 1);
    clock.advance(Duration::from_millis(1));
    cache.sweep().await.unwrap();
    assert_eq!((memory.bytes(), cache.tenants().len()), (0, 0));
    hear(&cached, cold()).await;
    // A clock that was fast is set right: what it kept is not given out for days.
    clock.set_back(Duration::from_secs(86_400));
    hear(&cached, cold()).await;
    assert_eq!(model.requests().len(), 3);
}

/// C3: keys are used in their order, the next one when the limit of a day is met; a new day begins with the first.
#[tokio::test]
async fn c3_keys_are_used_up_to_their_daily_limit() {
    let models = vec![answering("a"), answering("a")];
    let (pool, usage, clock) = pool(models.clone(), Some(2));
    for _ in 0..4 {
        assert_eq!(text(&hear(&pool, request()).await), "Good day to you");
    }
    let error = hear(&pool, request()).await.remove(0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    // 1,700,000,000 s is 22:13:20 UTC.
    assert_eq!(error.retry_status(), Retry::After(Duration::from_secs(6_400)));
    let calls = || models.iter().map(|model| model.requests().len()).collect::<Vec<_>>();
    assert_eq!(calls(), [2, 2]);
    clock.advance(Duration::from_secs(6_400));
    hear(&pool, request()).await;
    assert_eq!(calls(), [3, 2]);
    let keys = [1, 2].map(|i| crate::key_usage::KeyHash::of(&Secret::new(format!("key-{i}"))));
    let counts = usage.counts(&keys).await.unwrap();
    assert_eq!(counts.iter().map(|count| count.used).collect::<Vec<_>>(), [1, 2]);
    assert!(!format!("{keys:?}{counts:?}").contains("key-1"));
}

/// C3: the day of a key is that of its provider's zone: over after 23 hours where summer time begins, after 25 where it ends.
#[tokio::test]
async fn c3_a_day_is_as_long_as_it_is_where_the_provider_is() {
    // Midnight of 2026-03-08 and of 2026-11-01 in Los Angeles.
    for (midnight, hours) in [(1_772_956_800_000, 23), (1_793_516_400_000, 25)] {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(midnight - 1)));
        let zone = Zone::named("America/Los_Angeles").unwrap();
        let policy = KeyPolicy { daily: Some(1), zone, ..KeyPolicy::default() };
        let keys = vec![PooledKey::new(&Secret::new("key"), answering("a"))];
        let usage = Arc::new(MemoryKeyUsage::new());
        let pool = KeyPool::new(keys, policy, usage, clock.clone()).unwrap();
        let answers = async || text(&hear(&pool, request()).await) == "Good day to you";
        let waits = async || {
            let error = hear(&pool, request()).await.remove(0).unwrap_err();
            error.retry_status()
        };
        assert!(answers().await);
        assert_eq!(waits().await, Retry::After(Duration::from_millis(1)));
        clock.advance(Duration::from_millis(1));
        assert!(answers().await, "a new day");
        assert_eq!(waits().await, Retry::After(Duration::from_secs(hours * 3_600)));
        clock.advance(Duration::from_secs(hours * 3_600) - Duration::from_millis(1));
        assert_eq!(waits().await, Retry::After(Duration::from_millis(1)));
        clock.advance(Duration::from_millis(1));
        assert!(answers().await, "and the next one");
    }
}

/// C3: a key that is refused rests, and the same call is made with the next one.
#[tokio::test]
async fn c3_the_next_key_is_used_on_429_and_401() {
    for (kind, retry, rests) in [
        (ErrorKind::RateLimited, Retry::After(Duration::from_secs(30)), 30),
        (ErrorKind::RateLimited, Retry::Backoff, 60),
        (ErrorKind::RateLimited, Retry::Never, 6_400),
        (ErrorKind::Unauthorized, Retry::Never, 60),
    ] {
        let first = named("a", [Script::refusal(kind, retry), Script::answer("first")]);
        let (pool, _, clock) =
            pool(vec![first.clone(), named("a", [Script::answer("second")])], None);
        let mut heard = Vec::new();
        for wait in [0, 0, rests - 1, 1] {
            clock.advance(Duration::from_secs(wait));
            heard.push(text(&hear(&pool, request()).await));
        }
        assert_eq!(heard, ["second", "second", "second", "first"], "{kind:?} {retry:?}");
        assert_eq!(first.requests().len(), 2);
    }
    // What is not the key's fault is not asked with another.
    let second = answering("a");
    let (pool, ..) =
        pool(vec![refusing("a", ErrorKind::Unavailable, Retry::Backoff), second.clone()], None);
    assert_eq!(
        hear(&pool, request()).await[0].as_ref().unwrap_err().kind(),
        ErrorKind::Unavailable
    );
    assert_eq!(second.requests().len(), 0);
}

#[tokio::test]
async fn c3_keys_that_are_all_wrong_are_told_as_such() {
    let wrong = || refusing("a", ErrorKind::Unauthorized, Retry::Never);
    let (pool, ..) = pool(vec![wrong(), wrong()], None);
    assert_eq!(
        hear(&pool, request()).await[0].as_ref().unwrap_err().kind(),
        ErrorKind::Unauthorized
    );
    assert!(
        KeyPool::new(vec![], KeyPolicy::default(), Arc::new(MemoryKeyUsage::new()), clock())
            .is_err()
    );
}

/// Notes what reaches the provider.
struct Noting(ChatModelInfo, Mutex<Vec<CallOptions>>);

#[async_trait]
impl ChatModel for Noting {
    fn info(&self) -> &ChatModelInfo {
        &self.0
    }

    async fn stream(&self, request: ChatRequest) -> Result<ChatStream> {
        self.1.lock().push(request.call);
        Err(Error::new(ErrorKind::Unavailable, "test").retry(Retry::Backoff))
    }

    fn count_tokens(&self, text: &str) -> TokenCount {
        TokenCount::estimate(text)
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }
}

/// Z10: each layer knows when nobody waits any more, and who makes calls again.
#[tokio::test(start_paused = true)]
async fn z10_the_deadline_is_passed_down() {
    let info = answering("a").info().clone();
    let model = Arc::new(Noting(info, Mutex::default()));
    let mut stack =
        Stack { first: Layered { model: model.clone(), ..full_stack().first }, ..full_stack() };
    stack.others.clear();
    let earliest = Instant::now() + Duration::from_secs(10);
    assert!(stack.for_scope(None).stream(request()).await.is_err());
    let calls = model.1.lock().clone();
    // The budget begins with one repetition.
    assert_eq!(calls.len(), 2);
    for call in calls {
        assert_eq!(call.deadline, Some(earliest.into_std()));
        assert!(call.repeated_above);
    }
}
