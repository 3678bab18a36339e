use std::collections::HashMap;

use super::*;
use crate::{
    TenantId,
    chat::{
        ChatMessage, ChatRole,
        layers::dice::Dice,
        scripted::{Gate, Script, ScriptedChat, Step},
    },
};

fn request() -> ChatRequest {
    let messages = vec![ChatMessage::new(ChatRole::User, "Hi")];
    ChatRequest { messages, ..ChatRequest::default() }
}

#[allow(clippy::disallowed_methods, reason = "tests act for tenants of their own")]
fn tenant() -> TenantScope {
    TenantScope::authenticated(TenantId::new())
}

fn limit(at_once: usize, waiting: usize) -> Arc<Limit> {
    Arc::new(Limit::new(LimitPolicy { at_once, waiting }, Duration::from_secs(2)).unwrap())
}

/// Random comings and goings: never more than may, never an empty place while somebody waits, nobody lost.
#[test]
fn z23_the_line_holds_its_bounds() {
    for seed in 0..2_000 {
        let dice = Dice::seeded(seed);
        let policy = LimitPolicy {
            at_once: 1 + (dice.roll() % 4) as usize,
            waiting: (dice.roll() % 5) as usize,
        };
        let tenants: Vec<Whose> =
            (0..3).map(|i| Some(TenantId::from_u128(i))).chain([None]).collect();
        let (mut line, mut calling, mut waiting) = (Line::default(), Vec::new(), HashMap::new());
        for _ in 0..80 {
            let whose = tenants[(dice.roll() % 4) as usize];
            match dice.roll() % 5 {
                0 | 1 => match line.enter(&policy, whose) {
                    Entry::Go => calling.push(whose),
                    Entry::Wait { number, instead_of } => {
                        assert_eq!(calling.len(), policy.at_once, "seed {seed}");
                        if let Some(other) = instead_of {
                            let other: Whose = waiting.remove(&other).unwrap();
                            let waits = |of: Whose| waiting.values().filter(|w| **w == of).count();
                            assert!(waits(other) > waits(whose), "seed {seed}: it was no fairer");
                        }
                        waiting.insert(number, whose);
                    }
                    Entry::Full => assert_eq!(waiting.len(), policy.waiting, "seed {seed}"),
                },
                2 if !waiting.is_empty() => {
                    let number = *waiting.keys().min().unwrap();
                    assert!(line.give_up(number) && !line.give_up(number));
                    waiting.remove(&number);
                }
                _ if !calling.is_empty() => {
                    let gone = calling.swap_remove((dice.roll() % calling.len() as u64) as usize);
                    let fewest =
                        waiting.values().map(|w| calling.iter().filter(|c| *c == w).count()).min();
                    let next = line.leave(&policy, gone);
                    assert_eq!(next.is_some(), !waiting.is_empty(), "seed {seed}");
                    if let Some((number, whose)) = next {
                        assert_eq!(waiting.remove(&number), Some(whose));
                        let had = calling.iter().filter(|c| **c == whose).count();
                        assert_eq!(Some(had), fewest, "seed {seed}: another has fewer");
                        calling.push(whose);
                    }
                }
                _ => {}
            }
            assert_eq!((line.calling(), line.waiting()), (calling.len(), waiting.len()));
            assert!(calling.len() <= policy.at_once && waiting.len() <= policy.waiting);
        }
    }
}

/// Z11: among equals the first who came is next, and while the line is more than half full the last.
#[test]
fn z11_the_newest_are_next_under_overload() {
    let (policy, mut line) = (LimitPolicy { at_once: 1, waiting: 4 }, Line::default());
    assert_eq!(line.enter(&policy, None), Entry::Go);
    for number in 1..=4 {
        assert_eq!(line.enter(&policy, None), Entry::Wait { number, instead_of: None });
    }
    let next = (0..5).map(|_| line.leave(&policy, None).map(|(number, _)| number));
    assert_eq!(next.collect::<Vec<_>>(), [Some(4), Some(3), Some(1), Some(2), None]);
}

/// A limit that rises lets in as many as there is room for then, while those who call go on.
#[tokio::test(start_paused = true)]
async fn a_limit_that_rises_lets_in_those_who_wait() {
    let policy = LimitPolicy { at_once: 9, waiting: 10 };
    let (window, least) = (Duration::from_millis(1), 1);
    let adapt = AdaptPolicy { least, window, samples: 1, ..AdaptPolicy::default() };
    let limit = Limit::new(policy, Duration::from_secs(60)).unwrap().adapting(adapt).unwrap();
    let limit = Arc::new(limit);
    let pause = || tokio::time::sleep(Duration::from_millis(2));
    for _ in 0..2 {
        let turn = limit.turn(None, None).await.unwrap();
        pause().await;
        turn.failed(&Error::new(ErrorKind::Unavailable, "call"));
    }
    assert_eq!(limit.snapshot().at_once, 2, "a third of three quarters of nine");
    let mut held = [limit.turn(None, None).await.unwrap(), limit.turn(None, None).await.unwrap()];
    let waiting: Vec<_> = (0..5)
        .map(|_| {
            let limit = limit.clone();
            tokio::spawn(async move { limit.turn(None, None).await })
        })
        .collect();
    tokio::task::yield_now().await;
    assert_eq!(limit.snapshot(), LimitSnapshot { calling: 2, at_once: 2, waiting: 5 });
    for turn in &mut held {
        pause().await;
        turn.began();
    }
    assert_eq!(limit.snapshot(), LimitSnapshot { calling: 6, at_once: 6, waiting: 1 });
    drop(held);
    for turn in waiting {
        assert!(turn.await.unwrap().is_ok());
    }
}

/// Z6: a provider that hangs fills its own limit; calls of it are refused at once, those of another are as quick as before.
#[tokio::test(start_paused = true)]
async fn z6_a_slow_provider_does_not_slow_others() {
    let hanging = Arc::new(ScriptedChat::new(Script::new([Step::Hang])));
    let slow = Arc::new(LimitChat::new(hanging, limit(4, 2), None));
    let quick =
        LimitChat::new(Arc::new(ScriptedChat::new(Script::answer("Hi"))), limit(4, 2), None);
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(slow.stream(request()).await.unwrap());
    }
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            tokio::spawn({
                let slow = slow.clone();
                async move { slow.stream(request()).await.err() }
            })
        })
        .collect();
    tokio::task::yield_now().await;
    let since = Instant::now();
    for _ in 0..100 {
        let error = slow.stream(request()).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        assert_eq!(error.retry_status(), Retry::After(COME_BACK));
        assert!(quick.stream(request()).await.is_ok());
    }
    assert_eq!(since.elapsed(), Duration::ZERO);
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap().unwrap().kind(), ErrorKind::RateLimited);
    }
    assert_eq!(since.elapsed(), Duration::from_secs(2), "nobody waits longer than that");
}

/// Z11: five times as many as can be served: as many are served as could be, and nobody waits long. Z12: and after it, all.
#[tokio::test(start_paused = true)]
async fn z11_z12_overload_costs_no_throughput() {
    let took = Duration::from_millis(100);
    let script = || Script::new([Step::Sleep(took), Step::text("a"), Step::STOP]);
    let model =
        Arc::new(LimitChat::new(Arc::new(ScriptedChat::new(script())), limit(10, 10), None));
    let ask = |model: Arc<LimitChat>| async move {
        let since = Instant::now();
        let mut answer = model.stream(request()).await.ok()?;
        while futures::StreamExt::next(&mut answer).await.is_some() {}
        Some(since.elapsed())
    };
    // 100 a second can be served; 500 come, for ten seconds.
    let mut calls = Vec::new();
    for _ in 0..5_000 {
        calls.push(tokio::spawn(ask(model.clone())));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let mut served = Vec::new();
    for call in calls {
        served.extend(call.await.unwrap());
    }
    assert!(served.len() >= 900, "{}", served.len());
    served.sort_unstable();
    let p99 = served[served.len() * 99 / 100];
    assert!(p99 <= Duration::from_secs(2) + took, "{p99:?}");
    assert!(
        served[served.len() / 2] <= Duration::from_millis(350),
        "{:?}",
        served[served.len() / 2]
    );
    for _ in 0..20 {
        assert!(ask(model.clone()).await.is_some());
    }
    assert_eq!(model.limit.snapshot(), LimitSnapshot { calling: 0, at_once: 10, waiting: 0 });
}

/// One tenant's many questions do not keep back another's one.
#[tokio::test(start_paused = true)]
async fn a_tenant_with_many_calls_waits_behind_one_with_few() {
    let (limit, loud, quiet) = (limit(2, 4), tenant(), tenant());
    let held = [
        limit.turn(Some(&loud), None).await.unwrap(),
        limit.turn(Some(&loud), None).await.unwrap(),
    ];
    let wait = |scope: &TenantScope| {
        let (limit, scope) = (limit.clone(), scope.clone());
        tokio::spawn(async move { limit.turn(Some(&scope), None).await })
    };
    let louds: Vec<_> = (0..4).map(|_| wait(&loud)).collect();
    tokio::task::yield_now().await;
    let quiets = wait(&quiet);
    tokio::task::yield_now().await;
    assert_eq!(limit.snapshot().waiting, 4, "one of the four gave way");
    drop(held);
    assert!(quiets.await.unwrap().is_ok());
    let refused = futures::future::join_all(louds).await;
    assert!(refused.iter().filter(|turn| turn.as_ref().unwrap().is_err()).count() >= 1);
}

/// A caller who goes away while it waits, or whose turn comes in that moment, leaves no place taken.
#[tokio::test(start_paused = true)]
async fn who_goes_away_leaves_no_gap() {
    let gate = Gate::closed();
    let provider = Arc::new(ScriptedChat::new(Script::answer("Hi").behind(gate.clone())));
    let model = Arc::new(LimitChat::new(provider, limit(1, 8), None));
    let first = tokio::spawn({
        let model = model.clone();
        async move { model.stream(request()).await }
    });
    tokio::task::yield_now().await;
    for _ in 0..5 {
        let mut waits = Box::pin(model.stream(request()));
        assert!(futures::poll!(&mut waits).is_pending());
    }
    let mut last = Box::pin(model.stream(request()));
    assert!(futures::poll!(&mut last).is_pending());
    // Its turn comes, and it is dropped before it sees it.
    first.abort();
    let _ = first.await;
    drop(last);
    assert_eq!(model.limit.snapshot(), LimitSnapshot { calling: 0, at_once: 1, waiting: 0 });
    gate.open();
    assert!(model.stream(request()).await.is_ok());
}

/// Z10: nobody waits past their deadline.
#[tokio::test(start_paused = true)]
async fn z10_waiting_ends_with_the_deadline() {
    let limit = limit(1, 1);
    let _held = limit.turn(None, None).await.unwrap();
    let since = Instant::now();
    let deadline = (since + Duration::from_millis(700)).into_std();
    assert!(limit.turn(None, Some(deadline)).await.is_err());
    assert_eq!(since.elapsed(), Duration::from_millis(700));
    assert_eq!(limit.snapshot().waiting, 0);
}
