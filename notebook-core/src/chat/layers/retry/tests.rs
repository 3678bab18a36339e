use proptest::prelude::*;

use super::*;
use crate::{
    ErrorKind, Retry, Timestamp,
    chat::{
        ChatMessage, ChatRole,
        layers::{Breaker, BreakerChat, BreakerPolicy},
        scripted::{Script, ScriptedChat},
    },
    clock::{ManualClock, SystemClock},
};

fn request() -> ChatRequest {
    let messages = vec![ChatMessage::new(ChatRole::User, "Hi")];
    ChatRequest { messages, ..ChatRequest::default() }
}

fn quick() -> RetryPolicy {
    RetryPolicy { backoff: Duration::from_millis(1), ..RetryPolicy::default() }
}

/// A tenth of the requests, and nothing by the clock.
const TENTH: BudgetPolicy = BudgetPolicy { percent: 10, per_second: 0, most: 10 };

fn down() -> Arc<ScriptedChat> {
    Arc::new(ScriptedChat::new(Script::refusal(ErrorKind::Unavailable, Retry::Backoff)))
}

fn retries(policy: RetryPolicy, rules: BudgetPolicy) -> Arc<Retries> {
    Arc::new(Retries::new(policy, rules, Arc::new(SystemClock)).unwrap())
}

/// Z5: a provider that is down gets at most a tenth more calls than there are requests; with a breaker hardly any.
#[tokio::test(start_paused = true)]
async fn z5_a_provider_that_is_down_gets_a_tenth_more() {
    let provider = down();
    let model = RetryChat::new(provider.clone(), retries(quick(), TENTH));
    for _ in 0..1_000 {
        assert!(model.stream(request()).await.is_err());
    }
    let calls = provider.requests().len();
    assert!((1_050..=1_100).contains(&calls), "{calls}");

    let provider = down();
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(0)));
    let breaker = Arc::new(Breaker::new("a/b", BreakerPolicy::default(), clock.clone()).unwrap());
    let broken = Arc::new(BreakerChat::new(provider.clone(), breaker));
    let model = RetryChat::new(broken, retries(quick(), TENTH));
    for _ in 0..1_000 {
        assert!(model.stream(request()).await.is_err());
        clock.advance(Duration::from_millis(100));
    }
    // Five to open it, and one each time that it is half open.
    assert!(provider.requests().len() <= 8, "{}", provider.requests().len());
}

/// Z7: three layers of retries on one another call no more often than one, whether they share a budget or not.
#[tokio::test(start_paused = true)]
async fn z7_three_layers_of_retries_add_up_to_a_tenth() {
    for shared in [true, false] {
        let provider = down();
        let one = retries(quick(), TENTH);
        let mut model: Arc<dyn ChatModel> = provider.clone();
        for _ in 0..3 {
            let own = if shared { one.clone() } else { retries(quick(), TENTH) };
            model = Arc::new(RetryChat::new(model, own));
        }
        for _ in 0..2_000 {
            assert!(model.stream(request()).await.is_err());
        }
        let calls = provider.requests().len();
        assert!(calls <= 2_200, "{calls}");
        assert!(calls > 2_100, "{calls}: nothing is made again at all");
    }
}

/// Z8: what the provider says is waited, up to a limit; beyond it the caller is told.
#[tokio::test(start_paused = true)]
async fn z8_retry_after_is_obeyed_to_a_cap() {
    let limited =
        |wait| Script::refusal(ErrorKind::RateLimited, Retry::After(Duration::from_secs(wait)));
    let provider = Arc::new(ScriptedChat::playing([limited(3), Script::answer("Good day")]));
    let model = RetryChat::new(provider.clone(), retries(quick(), BudgetPolicy::default()));
    let since = tokio::time::Instant::now();
    assert!(model.stream(request()).await.is_ok());
    let waited = since.elapsed();
    assert!((3.0..3.4).contains(&waited.as_secs_f64()), "{waited:?}");

    let provider = Arc::new(ScriptedChat::playing([limited(6), Script::answer("Good day")]));
    let model = RetryChat::new(provider.clone(), retries(quick(), BudgetPolicy::default()));
    let since = tokio::time::Instant::now();
    let error = model.stream(request()).await.err().unwrap();
    assert_eq!(error.retry_status(), Retry::After(Duration::from_secs(6)));
    assert_eq!((since.elapsed(), provider.requests().len()), (Duration::ZERO, 1));
}

/// A failure after the first token is the reader's: nothing is said twice.
#[tokio::test(start_paused = true)]
async fn only_what_has_not_begun_is_made_again() {
    use futures::StreamExt;

    use crate::chat::{ChatEvent, scripted::Step};
    let broken =
        Script::new([Step::usage(1, 0), Step::Fail(ErrorKind::Unavailable, Retry::Backoff)]);
    let late = Script::new([Step::text("a"), Step::Fail(ErrorKind::Unavailable, Retry::Backoff)]);
    let provider = Arc::new(ScriptedChat::playing([broken, late]));
    let model = RetryChat::new(provider.clone(), retries(quick(), BudgetPolicy::default()));
    let events: Vec<_> = model.stream(request()).await.unwrap().collect().await;
    assert!(matches!(&events[..], [Ok(ChatEvent::Delta(text)), Err(_)] if text == "a"));
    assert_eq!(provider.requests().len(), 2);
}

/// Z10: no try is begun that cannot end in time.
#[test]
fn z10_no_try_that_cannot_end_in_time() {
    let policy = RetryPolicy { backoff: Duration::from_millis(400), ..RetryPolicy::default() };
    let rules = BudgetPolicy { per_second: 10, ..BudgetPolicy::default() };
    let error = Error::new(ErrorKind::Unavailable, "test").retry(Retry::Backoff);
    let (mut budget, now) = (Budget::default(), Timestamp::from_millis(0));
    budget.request(&rules, now);
    let mut at = |left: u64| {
        let left = Some(Duration::from_millis(left));
        let failed = Failed { error: &error, tries: 1, left };
        decide(&policy, (&mut budget, &rules), &failed, now, 0)
    };
    // The wait is 200 ms, and the shortest try too.
    assert_eq!(at(400), Some(Duration::from_millis(200)));
    assert_eq!(at(399), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Z5, Z7, Z23: whatever fails whenever, by whichever clock: repetitions are at most the requests' share and the clock's.
    #[test]
    fn z7_z23_repetitions_never_pass_the_budget(
        percent in 0_u32..=100,
        per_second in 0_u32..=3,
        most in 0_u32..=20,
        steps in proptest::collection::vec((0_u8..4, -2_000_i64..5_000), 1..200),
    ) {
        let rules = BudgetPolicy { percent, per_second, most };
        let (mut budget, mut now) = (Budget::default(), 0);
        let (mut requests, mut made, mut passed) = (0_u64, 0_u64, 0_u64);
        for (kind, moved) in steps {
            now += moved;
            if requests + made > 0 {
                passed += u64::try_from(moved).unwrap_or(0);
            }
            let at = Timestamp::from_millis(now);
            if kind == 0 || requests == 0 {
                budget.request(&rules, at);
                requests += 1;
            } else {
                made += u64::from(budget.take(&rules, at));
            }
            let share = requests * 1_000 * u64::from(percent) / 100;
            let by_clock = (passed + 1_000) * u64::from(per_second);
            prop_assert!(made * 1_000 <= share + by_clock, "{made} of {requests} in {passed} ms");
        }
    }
}

/// The rules of a repetition one by one: so many tries, twice the wait each time, none where a layer refused the call; what is not made
/// costs nothing, and no more are kept for later than the policy says.
#[test]
fn z7_each_rule_of_a_repetition_holds() {
    let backoff = Duration::from_millis(100);
    let policy = RetryPolicy { tries: 3, backoff, ..RetryPolicy::default() };
    let rules = BudgetPolicy { percent: 0, per_second: 1, most: 2 };
    let now = Timestamp::from_millis(1_000);
    let error = crate::Error::new(ErrorKind::Unavailable, "call").retry(Retry::Backoff);
    let again = |budget: &mut Budget, error: &crate::Error, tries, left| {
        decide(&policy, (budget, &rules), &Failed { error, tries, left }, now, 0)
    };
    // Half of the wait is spread, by nothing here.
    for (tries, wait) in [(1, Some(backoff / 2)), (2, Some(backoff)), (3, None)] {
        assert_eq!(again(&mut Budget::default(), &error, tries, None), wait, "after {tries}");
    }
    let ours = crate::Error::new(ErrorKind::Unavailable, "call")
        .retry(Retry::Backoff)
        .with(crate::chat::layers::guarded::LAYER, "limit");
    assert_eq!(again(&mut Budget::default(), &ours, 1, None), None);
    let mut one = Budget::default();
    assert_eq!(again(&mut one, &error, 1, Some(Duration::from_millis(1))), None);
    assert!(again(&mut one, &error, 1, None).is_some(), "it was not paid for");
    assert!(again(&mut one, &error, 1, None).is_none());
    let mut rested = Budget::default();
    rested.request(&rules, now);
    let later = Timestamp::from_millis(3_600_000);
    let made = (0..9).filter(|_| rested.take(&rules, later)).count();
    assert_eq!(made, 2);
}
