use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use super::*;
use crate::{Error, ErrorKind, chat::layers::dice::Dice};

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Z22, Z23: whatever the calls do, second ones stay within their share from the first call on, after a quiet time too,
/// and none is made before anything is known or sooner than 95 of a hundred calls were answered.
#[test]
fn z22_z23_second_calls_stay_within_their_share() {
    for seed in 0..10_000 {
        let dice = Dice::seeded(seed);
        let policy = HedgePolicy {
            percentile: 50 + (dice.roll() % 51) as u32,
            percent: 1 + (dice.roll() % 20) as u32,
            least: 1 + (dice.roll() % 30) as usize,
            soonest: millis(dice.roll() % 50),
        };
        let (mut state, mut took) = (Hedging::default(), Vec::new());
        let (mut calls, mut seconds, mut late) = (0_u64, 0_u64, 0);
        for _ in 0..120 {
            match dice.roll() % 4 {
                0 | 1 => {
                    calls += 1;
                    match state.step(&policy, HedgeEvent::Began) {
                        HedgeReply::Wait(after) => {
                            let mut last: Vec<Duration> = took.clone();
                            last.sort_unstable();
                            let sooner = last.iter().filter(|took| **took <= after).count();
                            assert!(last.len() >= policy.least && after >= policy.soonest);
                            let share = policy.percentile as usize;
                            assert!(sooner * 100 >= share * last.len(), "seed {seed}");
                            late += 1;
                        }
                        reply => {
                            assert_eq!(reply, HedgeReply::Alone);
                            assert!(took.len() < policy.least, "seed {seed}: much is known");
                        }
                    }
                }
                2 if late > 0 => {
                    late -= 1;
                    if state.step(&policy, HedgeEvent::Late) == HedgeReply::Second {
                        seconds += 1;
                    }
                }
                _ => {
                    let took_ = millis(dice.roll() % 200);
                    took.push(took_);
                    let answered = HedgeEvent::Answered { took: took_, by_second: false };
                    state.step(&policy, answered);
                }
            }
            assert!(seconds * 100 <= calls * u64::from(policy.percent), "seed {seed}: too many");
            let seen = state.snapshot(&policy);
            assert_eq!((seen.calls, seen.hedged), (calls, seconds), "each is counted once");
        }
    }
}

/// Z22: a thousand calls that are never late save up no more than ten second ones.
#[test]
fn z22_little_is_saved_up() {
    let (policy, mut state) = (HedgePolicy::default(), Hedging::default());
    for _ in 0..1_000 {
        state.step(&policy, HedgeEvent::Began);
        state.step(&policy, HedgeEvent::Answered { took: millis(20), by_second: false });
    }
    assert_eq!(state.step(&policy, HedgeEvent::Began), HedgeReply::Wait(millis(20)));
    let seconds = (0..100).filter(|_| state.step(&policy, HedgeEvent::Late) == HedgeReply::Second);
    assert_eq!(seconds.count(), 10);
}

/// Z22: when a call is late is known from the last calls: a provider that has become quicker is judged by that.
#[test]
fn z22_old_times_are_forgotten() {
    let (policy, mut state) = (HedgePolicy::default(), Hedging::default());
    for (takes, calls, late) in [(1_000, 100, 1_000), (20, 100, 1_000), (20, 28, 20)] {
        for _ in 0..calls {
            let answered = HedgeEvent::Answered { took: millis(takes), by_second: false };
            state.step(&policy, answered);
        }
        assert_eq!(state.step(&policy, HedgeEvent::Began), HedgeReply::Wait(millis(late)));
    }
}

/// Z22: how quickly a call fails says nothing about when one is late.
#[tokio::test(start_paused = true)]
async fn z22_failures_are_not_timed() {
    let hedge = hedge().await;
    let late = hedge.snapshot().after_millis;
    for _ in 0..200 {
        let down = || async { Err::<(), _>(Error::new(ErrorKind::Unavailable, "call")) };
        hedge.run(down).await.unwrap_err();
    }
    assert_eq!((late, hedge.snapshot().after_millis), (Some(20), Some(20)));
}

/// A provider: each call takes its time, and those that are dropped before are counted.
#[derive(Default)]
struct Calls {
    begun: AtomicU32,
    ended: AtomicU32,
}

struct Under<'a>(&'a Calls, bool);

impl Drop for Under<'_> {
    fn drop(&mut self) {
        self.0.ended.fetch_add(u32::from(!self.1), Ordering::Relaxed);
    }
}

impl Calls {
    async fn call(&self, plan: &[(u64, bool)]) -> Result<u32> {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        let mut under = Under(self, false);
        let (takes, good) = plan[number as usize];
        tokio::time::sleep(millis(takes)).await;
        under.1 = true;
        if good {
            Ok(number)
        } else {
            Err(Error::new(ErrorKind::Unavailable, "call").with("number", number.to_string()))
        }
    }

    fn seen(&self) -> (u32, u32) {
        (self.begun.load(Ordering::Relaxed), self.ended.load(Ordering::Relaxed))
    }
}

/// That knows 100 calls of 20 ms, and may make second ones.
async fn hedge() -> Hedge {
    let hedge = Hedge::new(HedgePolicy::default()).unwrap();
    for _ in 0..100 {
        let quick = || async {
            tokio::time::sleep(millis(20)).await;
            Ok(())
        };
        hedge.run(quick).await.unwrap();
    }
    hedge
}

/// Z22: the quicker of two calls answers, and the other is ended at that moment.
#[tokio::test(start_paused = true)]
async fn z22_the_loser_is_ended() {
    let hedge = hedge().await;
    for (plan, answer, took) in [
        ([(1_000, true), (30, true)], 1, 50),
        ([(40, true), (1_000, true)], 0, 40),
        // One fails while the other is under way.
        ([(1_000, true), (5, false)], 0, 1_000),
        ([(25, false), (30, true)], 1, 50),
    ] {
        let (calls, began) = (Calls::default(), Instant::now());
        assert_eq!(hedge.run(|| calls.call(&plan)).await.unwrap(), answer);
        assert_eq!(began.elapsed(), millis(took), "{plan:?}");
        let failed = plan.iter().filter(|(_, good)| !good).count() as u32;
        assert_eq!(calls.seen(), (2, 1 - failed), "{plan:?}");
    }
    let seen = hedge.snapshot();
    assert_eq!((seen.calls, seen.hedged, seen.won), (104, 4, 2));
}

/// Z22: a call that fails before it is late is not made again here, and where both fail the first one's error is told.
#[tokio::test(start_paused = true)]
async fn z22_failures_are_told() {
    let hedge = hedge().await;
    for (plan, begun) in [([(10, false), (0, true)], 1), ([(30, false), (30, false)], 2)] {
        let calls = Calls::default();
        let error = hedge.run(|| calls.call(&plan)).await.unwrap_err();
        assert_eq!(error.context("number"), Some("0"));
        assert_eq!(calls.seen(), (begun, 0));
    }
}

/// Z22: somebody who goes away ends both.
#[tokio::test(start_paused = true)]
async fn z22_both_end_with_the_caller() {
    let (hedge, calls) = (hedge().await, Calls::default());
    let plan = [(1_000, true), (1_000, true)];
    let gone = tokio::time::timeout(millis(100), hedge.run(|| calls.call(&plan))).await;
    assert!(gone.is_err());
    assert_eq!(calls.seen(), (2, 2));
}
