use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use super::*;
use crate::{chat::layers::dice::Dice, clock::ManualClock};

const SECOND: u64 = 1_000;

/// The rules written down once more, as plainly as can be: everything that happened is kept in lists, nothing is counted in
/// advance. Times are what has passed, as the breaker has them too.
#[derive(Default)]
struct Model {
    time: u64,
    clock: Option<i64>,
    phase: u8,
    forced: Option<Forced>,
    until: u64,
    opened: u32,
    epoch: u32,
    /// When, and whether it is a call, a failure, slow.
    heard: Vec<(u64, [bool; 3])>,
    row: u32,
    good: u32,
    /// Those let through half open: number, end.
    out: Vec<(usize, u64)>,
    /// The epoch of each permit.
    permits: Vec<u32>,
}

const CLOSED: u8 = 0;
const OPEN: u8 = 1;
const HALF: u8 = 2;

impl Model {
    fn pass(&mut self, now: i64) {
        self.time += self.clock.map_or(0, |clock| u64::try_from(now - clock).unwrap_or(0));
        self.clock = Some(now);
    }

    fn go_to(&mut self, phase: u8) {
        self.phase = phase;
        self.epoch += 1;
        self.out.clear();
        self.good = 0;
        if phase == CLOSED {
            (self.row, self.opened) = (0, 0);
            self.heard.clear();
        }
    }

    fn asked(&mut self, policy: &BreakerPolicy) -> Option<usize> {
        if self.phase == OPEN && self.time >= self.until && self.forced.is_none() {
            self.go_to(HALF);
        }
        self.out.retain(|(_, end)| *end > self.time);
        let may = match (self.forced, self.phase) {
            (Some(forced), _) => forced == Forced::Closed,
            (None, CLOSED) => true,
            (None, OPEN) => false,
            (None, _) if self.good == 0 => self.out.is_empty(),
            (None, _) => (self.out.len() as u32) < policy.trials + 1 - self.good,
        };
        may.then(|| {
            self.permits.push(self.epoch);
            let number = self.permits.len() - 1;
            if self.phase == HALF && self.forced.is_none() {
                self.out.push((number, self.time + policy.lease.as_millis() as u64));
            }
            number
        })
    }

    fn told(&mut self, policy: &BreakerPolicy, permit: usize, outcome: Outcome, dice: u64) {
        if self.permits[permit] != self.epoch || self.forced.is_some() || self.phase == OPEN {
            return;
        }
        let slow = matches!((outcome, policy.slow), (Outcome::Began { took }, Some(slow)) if took >= slow.after);
        let failed = matches!(outcome, Outcome::Broke | Outcome::Failed);
        let began = matches!(outcome, Outcome::Began { .. });
        let mut opens = false;
        if self.phase == CLOSED {
            self.heard.push((self.time, [began || outcome == Outcome::Failed, failed, slow]));
            self.row = match outcome {
                Outcome::Whole => 0,
                _ => self.row + u32::from(failed),
            };
            let part = policy.window.as_millis() as u64 / 10;
            let now = self.time / part;
            let count = |i: usize| {
                let within = self.heard.iter().filter(|(at, _)| at / part + 10 > now);
                within.filter(|(_, what)| what[i]).count() as u32
            };
            let [calls, bad, late] = [count(0), count(1), count(2)];
            let over =
                |some: u32, percent: u32| calls >= policy.calls && some * 100 >= percent * calls;
            opens = (failed || slow)
                && (policy.in_a_row.is_some_and(|most| self.row >= most)
                    || policy.failed_percent.is_some_and(|percent| over(bad, percent))
                    || policy.slow.is_some_and(|slow| over(late, slow.percent)));
        } else {
            let held = self.out.iter().position(|(number, _)| *number == permit);
            if let (Some(held), false) = (held, outcome == Outcome::Whole) {
                self.out.remove(held);
            }
            if failed || slow {
                opens = true;
            } else if began && held.is_some() {
                self.good += 1;
                if self.good == policy.trials + 1 {
                    self.go_to(CLOSED);
                }
            }
        }
        if opens {
            let (first, most) = (policy.open.as_millis() as u64, policy.longest.as_millis() as u64);
            let times = self.opened + 1;
            let span = (first << (times - 1).min(20)).min(most);
            let jitter = u64::from(policy.jitter_percent);
            let span = (span * (100 - jitter + dice % (2 * jitter + 1)) / 100).clamp(1, most);
            self.go_to(OPEN);
            (self.until, self.opened) = (self.time + span, times);
        }
    }
}

fn policies() -> [BreakerPolicy; 4] {
    let quick = BreakerPolicy {
        window: Duration::from_secs(10),
        calls: 4,
        failed_percent: Some(60),
        slow: Some(Slow { after: Duration::from_millis(500), percent: 80 }),
        in_a_row: None,
        open: Duration::from_secs(2),
        longest: Duration::from_secs(9),
        jitter_percent: 50,
        trials: 0,
        lease: Duration::from_secs(3),
    };
    [BreakerPolicy::by_rate(), BreakerPolicy::by_count(), BreakerPolicy::default(), quick]
}

/// A random history of a breaker beside its model. Returns the hash of its trace, and the ways that it went.
fn history(seed: u64, ways: &mut HashMap<(Phase, Phase), u32>) -> u64 {
    let dice = Dice::seeded(seed);
    let policy = policies()[(dice.roll() % 4) as usize];
    let (mut circuit, mut model) = (Circuit::default(), Model::default());
    let mut trace = DefaultHasher::new();
    let mut now: i64 = 1_700_000_000_000;
    // Numbers in the model, and the permits.
    let mut open: Vec<(usize, Permit)> = Vec::new();
    let bad = dice.roll() % 100;
    let mut last = Phase::Closed;
    for i in 0..60 {
        let kind = dice.roll() % 40;
        // Most steps are short; some jump, and some back (Z4).
        let moved = match dice.roll() % 20 {
            0 => -((dice.roll() % (3_600 * SECOND)) as i64),
            1 => (dice.roll() % (400 * SECOND)) as i64,
            2..=6 => (dice.roll() % (4 * SECOND)) as i64,
            _ => (dice.roll() % 50) as i64,
        };
        now += moved;
        let (at, roll) = (Timestamp::from_millis(now), dice.roll());
        model.pass(now);
        if kind == 0 && dice.roll().is_multiple_of(4) {
            let forced = [None, Some(Forced::Open), Some(Forced::Closed)][(roll % 3) as usize];
            circuit.step(&policy, Event::Forced(forced), at, roll);
            model.go_to(CLOSED);
            model.forced = forced;
        } else if kind < 22 || open.is_empty() {
            let reply = circuit.step(&policy, Event::Asked, at, roll);
            let expected = model.asked(&policy);
            match (reply, expected) {
                (Reply::Go(permit), Some(number)) => open.push((number, permit)),
                (Reply::No(_), None) => {}
                other => panic!("seed {seed}, step {i}: {other:?} of {policy:?}"),
            }
        } else {
            let at_hand = (dice.roll() % open.len() as u64) as usize;
            let (number, permit) = open[at_hand];
            let outcome = if dice.roll() % 100 < bad {
                [Outcome::Failed, Outcome::Broke, Outcome::Void][(dice.roll() % 3) as usize]
            } else {
                let took = Duration::from_millis(dice.roll() % 700);
                [Outcome::Began { took }, Outcome::Whole][(dice.roll() % 3 / 2) as usize]
            };
            circuit.step(&policy, Event::Told(permit, outcome), at, roll);
            model.told(&policy, number, outcome, roll);
            if !matches!(outcome, Outcome::Began { .. }) {
                open.swap_remove(at_hand);
            }
        }
        let seen = circuit.snapshot(&policy, at);
        let phase = match (model.forced, model.phase) {
            (Some(Forced::Open), _) => Phase::Open,
            (Some(Forced::Closed), _) | (None, CLOSED) => Phase::Closed,
            (None, OPEN) if model.until > model.time => Phase::Open,
            _ => Phase::HalfOpen,
        };
        assert_eq!(seen.phase, phase, "seed {seed}, step {i}: {policy:?}");
        assert_eq!(
            (seen.in_a_row, seen.opened),
            (model.row, model.opened),
            "seed {seed}, step {i}"
        );
        *ways.entry((last, seen.phase)).or_default() += 1;
        last = seen.phase;
        (seen.calls, seen.failed, seen.slow, seen.open_millis, seen.phase).hash(&mut trace);
    }
    trace.finish()
}

/// Z1, Z4, Z23: ten thousand random histories with clocks that jump are those of the model, and every transition is among them.
#[test]
fn z1_z4_z23_histories_are_those_of_the_model() {
    let seeds = std::env::var("NOTEBOOK_LAYER_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    let mut ways = HashMap::new();
    for seed in 0..seeds.unwrap_or(10_000) {
        history(seed, &mut ways);
    }
    use Phase::{Closed, HalfOpen, Open};
    for way in
        [(Closed, Open), (Open, HalfOpen), (HalfOpen, Open), (HalfOpen, Closed), (Open, Closed)]
    {
        assert!(ways.get(&way).is_some_and(|times| *times > 20), "{way:?}: {ways:?}");
    }
}

/// Z24: what a seed makes is always the same, and seeds differ.
#[test]
fn z24_a_seed_has_one_trace() {
    let mut ways = HashMap::new();
    let hashes: Vec<u64> = (0..200).map(|seed| history(seed, &mut ways)).collect();
    let again: Vec<u64> = (0..200).map(|seed| history(seed, &mut ways)).collect();
    assert_eq!(hashes, again);
    let mut different = hashes;
    different.sort_unstable();
    different.dedup();
    assert!(different.len() > 190);
}

fn breaker(policy: BreakerPolicy) -> (Arc<Breaker>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000)));
    let policy = BreakerPolicy { jitter_percent: 0, ..policy };
    (Arc::new(Breaker::new("a/b", policy, clock.clone()).unwrap()), clock)
}

fn failure() -> Error {
    Error::new(ErrorKind::Unavailable, "test").retry(Retry::Backoff)
}

fn trip(breaker: &Arc<Breaker>) {
    while let Ok(passing) = breaker.pass() {
        passing.failed(&failure());
    }
    assert_eq!(breaker.snapshot().phase, Phase::Open);
}

/// Both usual models: half of twenty calls in half a minute, five one after the other.
#[test]
fn z1_it_opens_by_rate_and_by_count() {
    let (rate, _) = breaker(BreakerPolicy::by_rate());
    for _ in 0..10 {
        let mut passing = rate.pass().unwrap();
        passing.began();
        passing.whole();
    }
    for _ in 0..9 {
        rate.pass().unwrap().failed(&failure());
    }
    assert_eq!(rate.snapshot().phase, Phase::Closed, "9 of 19");
    rate.pass().unwrap().failed(&failure());
    assert_eq!(rate.snapshot().open_millis, 10 * SECOND, "10 of 20");
    let refused = rate.pass().err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    assert_eq!(refused.retry_status(), Retry::After(Duration::from_secs(10)));

    let (count, _) = breaker(BreakerPolicy::by_count());
    for _ in 0..4 {
        count.pass().unwrap().failed(&failure());
    }
    let mut good = count.pass().unwrap();
    good.began();
    good.whole();
    for _ in 0..5 {
        assert_eq!(count.snapshot().phase, Phase::Closed);
        count.pass().unwrap().failed(&failure());
    }
    assert_eq!(count.snapshot().open_millis, 60 * SECOND);

    // Failures from before the window count no more.
    let (rate, clock) = breaker(BreakerPolicy::by_rate());
    for _ in 0..19 {
        rate.pass().unwrap().failed(&failure());
    }
    clock.advance(Duration::from_secs(30));
    assert_eq!(rate.snapshot().failed, 0);
    rate.pass().unwrap().failed(&failure());
    assert_eq!(rate.snapshot().phase, Phase::Closed);
}

/// Slow calls open it too, and time that it is open doubles up to five minutes.
#[test]
fn z1_slow_calls_open_it_and_it_stays_open_longer_each_time() {
    let (slow, clock) = breaker(BreakerPolicy::by_rate());
    let passings: Vec<_> = (0..20).map(|_| slow.pass().unwrap()).collect();
    clock.advance(Duration::from_secs(30));
    for mut passing in passings {
        passing.began();
    }
    assert_eq!(slow.snapshot().phase, Phase::Open);
    for seconds in [10, 20, 40, 80, 160, 300, 300] {
        assert_eq!(slow.snapshot().open_millis, seconds * SECOND);
        clock.advance(Duration::from_secs(seconds));
        assert_eq!(slow.snapshot().phase, Phase::HalfOpen);
        slow.pass().unwrap().failed(&failure());
    }
}

/// Z2: of a hundred callers one is let through, then three, and three of three close it.
#[test]
fn z2_of_a_hundred_callers_one_is_let_through() {
    let (breaker, clock) = breaker(BreakerPolicy::by_rate());
    trip(&breaker);
    clock.advance(Duration::from_secs(10));
    let through = |count: usize| {
        let passed: Vec<_> = (0..100).filter_map(|_| breaker.pass().ok()).collect();
        assert_eq!(passed.len(), count);
        passed
    };
    for mut probe in through(1) {
        probe.began();
        probe.whole();
    }
    let mut trials = through(3);
    trials[0].began();
    trials[1].began();
    assert_eq!(breaker.snapshot().phase, Phase::HalfOpen);
    trials[2].began();
    assert_eq!(breaker.snapshot().phase, Phase::Closed);
    assert_eq!(through(100).len(), 100);
}

/// Z3: a call that is dropped frees its place at once; one of which nothing is ever heard frees it when its lease is over.
#[test]
fn z3_a_lost_probe_does_not_keep_it_half_open() {
    let (breaker, clock) = breaker(BreakerPolicy::by_rate());
    trip(&breaker);
    clock.advance(Duration::from_secs(10));
    drop(breaker.pass().unwrap());
    std::mem::forget(breaker.pass().unwrap());
    let told = breaker.pass().err().unwrap().retry_status();
    assert_eq!(told, Retry::After(Duration::from_secs(60)));
    clock.advance(Duration::from_secs(59));
    assert!(breaker.pass().is_err());
    clock.advance(Duration::from_secs(1));
    for _ in 0..4 {
        breaker.pass().unwrap().began();
    }
    assert_eq!(breaker.snapshot().phase, Phase::Closed);
}

/// Z4: a clock that goes back does not keep it open for longer, and one that goes ahead only lets a call try.
#[test]
fn z4_a_clock_that_jumps_shuts_nobody_out() {
    let (breaker, clock) = breaker(BreakerPolicy::by_rate());
    trip(&breaker);
    clock.set_back(Duration::from_secs(86_400));
    clock.advance(Duration::from_secs(5));
    assert!(breaker.pass().is_err());
    // Nothing looked at the clock between the jump and now: what has passed since is what counts.
    clock.advance(Duration::from_secs(10));
    std::mem::forget(breaker.pass().unwrap());
    clock.set_back(Duration::from_secs(3_600));
    assert!(breaker.pass().is_err());
    clock.advance(Duration::from_secs(60));
    breaker.pass().unwrap().failed(&failure());
    clock.advance(Duration::from_secs(10 * 365 * 86_400));
    assert_eq!(breaker.snapshot().phase, Phase::HalfOpen);
}

/// Z8: what the caller did wrong, what nobody wanted any more, and a limit with its end are no failures.
#[test]
fn z8_a_limit_with_a_reset_is_no_failure() {
    let (breaker, _) = breaker(BreakerPolicy::by_count());
    let of = |kind, retry| Error::new(kind, "test").retry(retry);
    let reset = Retry::After(Duration::from_secs(7));
    for error in [
        of(ErrorKind::RateLimited, reset),
        of(ErrorKind::InvalidInput, Retry::Never),
        of(ErrorKind::ContextTooLong, Retry::Never),
        of(ErrorKind::Unauthorized, Retry::Never),
        of(ErrorKind::Cancelled, Retry::Never),
        of(ErrorKind::RateLimited, Retry::Backoff).with(LAYER, "limit"),
    ] {
        for _ in 0..10 {
            breaker.pass().unwrap().failed(&error);
        }
        assert_eq!(breaker.snapshot().calls, 0, "{error:?}");
    }
    for _ in 0..5 {
        breaker.pass().unwrap().failed(&of(ErrorKind::RateLimited, Retry::Backoff));
    }
    assert_eq!(breaker.snapshot().phase, Phase::Open);
}

/// By hand: nobody, everybody, and then anew.
#[test]
fn z1_a_breaker_is_set_by_hand() {
    let (breaker, _) = breaker(BreakerPolicy::by_count());
    let early = breaker.pass().unwrap();
    breaker.force(Some(Forced::Open));
    assert_eq!(breaker.pass().err().unwrap().retry_status(), Retry::Backoff);
    breaker.force(Some(Forced::Closed));
    for _ in 0..50 {
        breaker.pass().unwrap().failed(&failure());
    }
    assert!(breaker.snapshot().forced);
    breaker.force(None);
    early.failed(&failure());
    let seen = breaker.snapshot();
    assert_eq!((seen.phase, seen.forced, seen.in_a_row), (Phase::Closed, false, 0));
}

#[test]
fn wrong_settings_are_named() {
    let policy = BreakerPolicy::default();
    for (field, policy) in [
        ("calls", BreakerPolicy { calls: 0, ..policy }),
        ("failed_percent", BreakerPolicy { failed_percent: Some(101), ..policy }),
        ("longest", BreakerPolicy { longest: Duration::from_secs(1), ..policy }),
        ("in_a_row", BreakerPolicy { in_a_row: Some(0), ..policy }),
    ] {
        let error = Breaker::new("a/b", policy, Arc::new(crate::clock::SystemClock)).err().unwrap();
        assert_eq!(error.context("field"), Some(field));
    }
}

/// C2: what is set for a time holds that long and no longer; then the breaker begins anew, whatever was heard before. A time
/// that is set replaces the one before, and what is set without one has no end.
#[test]
fn c2_what_is_set_for_a_time_ends() {
    let policy = BreakerPolicy::by_count();
    let at = |seconds: i64| Timestamp::from_millis(1_000_000 + seconds * 1_000);
    let seconds = Duration::from_secs;
    for (forced, phase) in [(Forced::Open, Phase::Open), (Forced::Closed, Phase::Closed)] {
        let mut circuit = Circuit::default();
        let mut step = |event, now| circuit.step(&policy, event, at(now), 0);
        step(Event::ForcedFor(forced, seconds(60)), 0);
        let asked = step(Event::Asked, 20);
        match forced {
            Forced::Open => assert_eq!(asked, Reply::No(Some(seconds(40)))),
            Forced::Closed => assert!(matches!(asked, Reply::Go(_))),
        }
        let seen = circuit.snapshot(&policy, at(59));
        let wait = if forced == Forced::Open { 1_000 } else { 0 };
        assert_eq!((seen.phase, seen.forced, seen.open_millis), (phase, true, wait));
        let seen = circuit.snapshot(&policy, at(60));
        assert_eq!((seen.phase, seen.forced, seen.open_millis), (Phase::Closed, false, 0));
        let mut step = |event, now| circuit.step(&policy, event, at(now), 0);
        let Reply::Go(permit) = step(Event::Asked, 60) else { panic!("it is over") };
        step(Event::Told(permit, Outcome::Failed), 60);
        assert_eq!(circuit.snapshot(&policy, at(60)).in_a_row, 1, "it is heard again");
        // The last word counts.
        let mut step = |event, now| circuit.step(&policy, event, at(now), 0);
        step(Event::ForcedFor(forced, seconds(1)), 61);
        step(Event::Forced(Some(forced)), 61);
        assert!(circuit.snapshot(&policy, at(9_999)).forced);
        let asked = circuit.step(&policy, Event::Asked, at(9_999), 0);
        match forced {
            Forced::Open => assert_eq!(asked, Reply::No(None)),
            Forced::Closed => assert!(matches!(asked, Reply::Go(_))),
        }
    }
}
