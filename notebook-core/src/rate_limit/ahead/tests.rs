use std::{
    net::IpAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use proptest::{prelude::*, test_runner::TestRunner};

use super::*;
use crate::{
    clock::ManualClock,
    rate_limit::{Subject, memory::MemoryRateLimits},
};

/// A store that counts how often it is asked.
struct Store {
    limits: MemoryRateLimits,
    asked: AtomicUsize,
}

#[async_trait]
impl RateLimits for Store {
    async fn take(&self, key: Key, policy: &Policy, want: Want) -> Result<Decision> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        // Others come in between.
        tokio::task::yield_now().await;
        self.limits.take_now(key, policy, want)
    }

    async fn prune(&self, most: usize) -> Result<usize> {
        self.limits.prune(most).await
    }
}

struct House {
    clock: Arc<ManualClock>,
    store: Arc<Store>,
    processes: Vec<Ahead>,
}

impl House {
    fn new(processes: usize) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000)));
        let limits = MemoryRateLimits::new(clock.clone());
        let store = Arc::new(Store { limits, asked: AtomicUsize::new(0) });
        let process = || Ahead::new(store.clone(), clock.clone());
        Self { processes: (0..processes).map(|_| process()).collect(), clock, store }
    }

    async fn take(&self, process: usize, policy: &Policy) -> Decision {
        self.processes[process].take(key(0), policy, Want::of(1)).await.unwrap()
    }

    fn asked(&self) -> usize {
        self.store.asked.swap(0, Ordering::Relaxed)
    }
}

fn key(i: u32) -> Key {
    Key::new("read", &Subject::Address(IpAddr::V4(i.into())))
}

fn policy(quota: u32, seconds: u64, burst: u32) -> Policy {
    Policy::new(quota, Duration::from_secs(seconds), Some(burst)).unwrap()
}

#[tokio::test]
async fn a_share_serves_many_requests() {
    let (house, policy) = (House::new(1), policy(640, 3_600, 640));
    for left in (0..200).rev().map(|i| 440 + i) {
        assert_eq!(house.take(0, &policy).await.remaining, left);
    }
    // A unit and ten in advance at a time.
    assert_eq!(house.asked(), 200_usize.div_ceil(11));
    // In the lower half each is asked for.
    while house.take(0, &policy).await.remaining > 300 {}
    house.asked();
    for _ in 0..300 {
        assert!(house.take(0, &policy).await.allowed);
    }
    assert_eq!(house.asked(), 300);
    // And a refusal is asked for once.
    for _ in 0..100 {
        let refused = house.take(0, &policy).await;
        assert!(!refused.allowed && refused.remaining == 0);
    }
    assert_eq!(house.asked(), 1);
    house.clock.advance(Duration::from_secs(1));
    assert!(!house.take(0, &policy).await.allowed);
    assert_eq!(house.asked(), 1, "not for longer than a second");
}

#[tokio::test]
async fn what_is_not_used_is_given_back() {
    let (house, policy) = (House::new(2), policy(640, 36_000, 640));
    assert_eq!(house.take(0, &policy).await.remaining, 639);
    assert_eq!(house.take(1, &policy).await.remaining, 638 - 10, "the other holds ten");
    house.clock.advance(FRESH);
    assert_eq!(house.take(0, &policy).await.remaining, 637 - 10);
    house.clock.advance(FRESH);
    house.take(1, &policy).await;
    // Five requests, and ten that the other holds: all else has been given back.
    house.clock.advance(FRESH);
    assert_eq!(house.take(0, &policy).await.remaining, 640 - 5 - 10);
}

#[tokio::test]
async fn small_limits_are_exact_and_those_who_ask_at_once_take_turns() {
    let (house, policy) = (House::new(2), policy(60, 3_600, 60));
    let calls = (0..200).map(|i| house.take(i % 2, &policy));
    let found = futures::future::join_all(calls).await;
    assert_eq!(found.iter().filter(|decision| decision.allowed).count(), 60);
    assert!(house.asked() < 70);
}

#[tokio::test]
async fn another_policy_is_asked_for_anew() {
    let house = House::new(1);
    assert_eq!(house.take(0, &policy(640, 3_600, 640)).await.remaining, 639);
    let decision = house.take(0, &policy(10, 3_600, 10)).await;
    assert_eq!((decision.limit, house.asked()), (10, 2));
}

/// The bound that is promised: burst, and what comes back in the window and one second; nobody at the rate is refused.
#[test]
fn in_no_window_more_than_promised_and_nobody_honest_is_refused() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let cases = (
        (1..400_u32, 1..60_u64, 1..400_u32),
        prop::collection::vec((0..3_usize, 0..400_u64, 1..40_usize), 1..200),
        any::<bool>(),
    );
    let mut runner = TestRunner::new(ProptestConfig::with_cases(200));
    let checked = runner.run(&cases, |((quota, seconds, burst), asked, honest)| {
        let (house, policy) = (House::new(3), policy(quota, seconds, burst.max(2)));
        let unit = Duration::from_micros(policy.unit().unsigned_abs());
        let mut given: Vec<(u64, u64)> = Vec::new();
        let mut now = 0;
        for (process, wait, times) in asked {
            // Who is honest asks once, and not before a unit has come back.
            let (times, wait) = match honest {
                true => (1, wait.max(unit.as_millis() as u64 + 1)),
                false => (times, wait / 4),
            };
            now += wait;
            house.clock.advance(Duration::from_millis(wait));
            let mut allowed = 0;
            for _ in 0..times {
                let said = runtime.block_on(house.take(process, &policy));
                prop_assert!(said.allowed || !honest, "refused at {now} at the rate of {policy:?}");
                allowed += u64::from(said.allowed);
            }
            given.push((now, allowed));
        }
        for (i, (from, _)) in given.iter().enumerate() {
            let mut sum = 0;
            for (to, units) in &given[i..] {
                sum += units;
                let refill = (to - from + 1_000) * u64::from(policy.quota());
                let most = u64::from(policy.burst()) * seconds * 1_000 + refill;
                prop_assert!(sum * seconds * 1_000 <= most, "{sum} from {from} to {to}");
            }
        }
        Ok(())
    });
    checked.unwrap();
}

#[tokio::test]
async fn memory_is_bounded() {
    let (house, policy) = (House::new(1), policy(6_400, 60, 6_400));
    for i in 0..100_000 {
        house.processes[0].take(key(i), &policy, Want::of(1)).await.unwrap();
        if i % 100 == 0 {
            house.clock.advance(Duration::from_millis(5));
        }
    }
    let kept = house.processes[0].known.lock().keys.len();
    assert!(kept <= MOST, "{kept}");
    assert!(house.asked() >= 100_000);
}
