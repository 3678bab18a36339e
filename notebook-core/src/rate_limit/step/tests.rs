use proptest::prelude::*;

use super::*;

/// Milliseconds that clocks of this crate show.
const MILLI: i64 = 1_000;

fn policy(quota: u32, millis: u64, burst: u32) -> Policy {
    Policy::new(quota, Duration::from_millis(millis), Some(burst)).unwrap()
}

fn policies() -> impl Strategy<Value = Policy> {
    (1..200_u32, 1..10_000_u64, 1..50_u32)
        .prop_map(|(quota, millis, burst)| policy(quota, millis, burst))
}

/// A bucket counted in fractions of a unit, without the trick of the one moment.
struct Bucket {
    /// Units times the microseconds that one takes.
    level: i64,
    seen: i64,
}

impl Bucket {
    fn take(&mut self, policy: &Policy, want: Want, now: i64) -> u32 {
        let full = policy.full();
        self.level = (self.level + (now - self.seen)).min(full);
        self.seen = now;
        self.level = (self.level + policy.unit() * i64::from(want.back)).min(full);
        let mut taken = 0;
        // One after the other, as long as there are some.
        if self.level >= policy.unit() * i64::from(want.cost) {
            taken = want.cost;
            let half = policy.unit() * i64::from(policy.burst() / 2);
            let after = |taken: u32| self.level - policy.unit() * i64::from(taken);
            while taken < want.cost + want.ahead && after(taken + 1) >= half {
                taken += 1;
            }
        }
        self.level -= policy.unit() * i64::from(taken);
        taken
    }
}

proptest! {
    /// The one moment says what a bucket says.
    #[test]
    fn one_moment_is_a_bucket(
        policy in policies(),
        asked in prop::collection::vec((0..500 * MILLI, 1..60_u32, 0..10_u32, 0..10_u32), 1..200),
    ) {
        let mut bucket = Bucket { level: policy.full(), seen: 0 };
        let (mut full_at, mut now) = (None, 0);
        for (wait, cost, ahead, back) in asked {
            now += wait;
            let want = Want { cost: cost.min(policy.burst()), ahead, back };
            let stepped = step(full_at, &policy, want, now);
            prop_assert_eq!(stepped.taken, bucket.take(&policy, want, now));
            prop_assert_eq!(i64::from(stepped.decision.remaining), bucket.level / policy.unit());
            full_at = Some(stepped.full_at);
        }
    }

    /// Whatever is asked when: in any window no more than the burst and what comes back in it.
    #[test]
    fn no_window_gives_more_than_burst_and_rate(
        policy in policies(),
        asked in prop::collection::vec((0..100 * MILLI, 1..5_u32), 1..300),
    ) {
        let (mut full_at, mut now, mut given) = (None, 0, Vec::new());
        for (wait, cost) in asked {
            now += wait;
            let want = Want::of(cost.min(policy.burst()));
            let stepped = step(full_at, &policy, want, now);
            full_at = Some(stepped.full_at);
            given.push((now, i64::from(stepped.taken)));
        }
        for (i, (from, _)) in given.iter().enumerate() {
            let mut sum = 0;
            for (to, units) in &given[i..] {
                sum += units;
                // Without rounding: quota a window.
                let window = i128::from(policy.window().as_micros() as i64);
                let refill = i128::from(to - from) * i128::from(policy.quota());
                let most = i128::from(policy.burst()) * window + refill;
                prop_assert!(i128::from(sum) * window <= most, "{sum} from {from} to {to}");
            }
        }
    }

    /// Who asks for a unit no more often than they come back is never refused.
    #[test]
    fn who_stays_at_the_rate_is_never_refused(
        policy in policies(),
        late in prop::collection::vec(0..20 * MILLI, 1..300),
    ) {
        let (mut full_at, mut now) = (None, 0);
        for late in late {
            let stepped = step(full_at, &policy, Want::of(1), now);
            prop_assert!(stepped.decision.allowed, "at {now}: {stepped:?}");
            full_at = Some(stepped.full_at);
            now += policy.unit() + late;
        }
    }

    /// The same as a clock that shows whole milliseconds sees it, when a burst is more than one and a unit takes as long.
    #[test]
    fn a_clock_of_milliseconds_does_no_harm(
        quota in 1..1_000_u32,
        burst in 2..50_u32,
        start in 0..MILLI,
    ) {
        let policy = policy(quota, 1_000, burst);
        let (mut full_at, mut now) = (None, start);
        for _ in 0..300 {
            let stepped = step(full_at, &policy, Want::of(1), now / MILLI * MILLI);
            prop_assert!(stepped.decision.allowed, "at {now}: {stepped:?}");
            full_at = Some(stepped.full_at);
            now += policy.unit();
        }
    }

    /// What is said of the future comes true: not a microsecond earlier, and then.
    #[test]
    fn waits_are_exact(
        policy in policies(),
        used in 1..100_u32,
        cost in 1..50_u32,
        now in 0..1_000 * MILLI,
    ) {
        let want = Want::of(cost.min(policy.burst()));
        let mut full_at = None;
        for _ in 0..used {
            full_at = Some(step(full_at, &policy, Want::of(1), 0).full_at);
        }
        let asked = step(full_at, &policy, want, now);
        let after = |wait: Duration| now + wait.as_micros() as i64;
        let ask = |at: i64| step(Some(asked.full_at), &policy, want, at).decision;
        if let Some(wait) = asked.decision.retry_after {
            prop_assert!(wait > Duration::ZERO);
            prop_assert!(ask(after(wait)).allowed);
            prop_assert!(!ask(after(wait) - 1).allowed);
        }
        let look = |at: i64| {
            let missing = (asked.full_at - at).max(0);
            decide(&policy, want, 1, missing)
        };
        let decision = asked.decision;
        prop_assert_eq!(look(after(decision.reset_after)).remaining, policy.burst());
        if decision.remaining < policy.burst() {
            prop_assert_eq!(look(after(decision.refill_after)).remaining, decision.remaining + 1);
            prop_assert_eq!(look(after(decision.refill_after) - 1).remaining, decision.remaining);
        }
    }
}

#[test]
fn a_clock_that_goes_back_gives_nothing_and_shuts_nobody_out_for_long() {
    let policy = policy(1, 1_000, 5);
    let mut full_at = None;
    let now = 1_000_000 * MILLI;
    for _ in 0..5 {
        full_at = Some(step(full_at, &policy, Want::of(1), now).full_at);
    }
    for back in [1, 1_000, 999_000] {
        let earlier = step(full_at, &policy, Want::of(1), now - back * MILLI);
        assert!(!earlier.decision.allowed, "{back}");
        let wait = earlier.decision.retry_after.unwrap();
        assert!(wait <= Duration::from_secs(1), "{back}: {wait:?}");
    }
}

#[test]
fn what_is_taken_in_advance_comes_from_the_upper_half() {
    let policy = policy(10, 1_000, 10);
    let want = Want { cost: 1, ahead: 100, back: 0 };
    let first = step(None, &policy, want, 0);
    assert_eq!((first.taken, first.decision.ahead, first.decision.remaining), (5, 4, 5));
    let second = step(Some(first.full_at), &policy, want, 0);
    assert_eq!((second.taken, second.decision.ahead, second.decision.remaining), (1, 0, 4));
    // Given back, and never more than there is room for.
    let back = step(Some(second.full_at), &policy, Want { cost: 1, ahead: 0, back: 4 }, 0);
    assert_eq!(back.decision.remaining, 7);
    let back = step(Some(back.full_at), &policy, Want { cost: 1, ahead: 0, back: 100 }, 0);
    assert_eq!(back.decision.remaining, 9);
}

#[test]
fn what_can_never_be_had_is_refused_as_wrong() {
    let policy = policy(10, 1_000, 3);
    for cost in [0, 4] {
        let error = Want::of(cost).check(&policy).unwrap_err();
        assert_eq!(error.context("field"), Some("cost"));
    }
    Want::of(3).check(&policy).unwrap();
}
