//! What becomes of a breaker: without I/O, clock or randomness of its own.

use std::time::Duration;

use super::{
    super::elapsed::{Elapsed, millis},
    window::{Counts, Window},
};
use crate::{Error, Result, Timestamp};

/// When a breaker opens, for how long, and what it takes to close it.
///
/// It opens when one of the conditions that are set holds. Both usual models are settings of this one: by the share of
/// failures ([`by_rate`](Self::by_rate)), and by failures one after the other ([`by_count`](Self::by_count)). A small
/// installation never has twenty calls in half a minute, and a large one always has five failures one after the other
/// somewhere; together they do for both, and that is the [default](Self::default).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// The time over which shares are counted.
    pub window: Duration,
    /// With fewer calls in the window shares say nothing.
    pub calls: u32,
    /// The share of failed calls at which it opens.
    pub failed_percent: Option<u32>,
    /// The share of slow calls at which it opens.
    pub slow: Option<Slow>,
    /// So many failures, one after the other, open it.
    pub in_a_row: Option<u32>,
    /// For how long it is open first; twice as long each time that it opens again before it was closed.
    pub open: Duration,
    /// The longest that it is open.
    pub longest: Duration,
    /// By how much that time is spread, to both sides.
    pub jitter_percent: u32,
    /// Half open, one call is let through; after it succeeded so many more, all of which must succeed too.
    pub trials: u32,
    /// After this time a call that was let through half open, and of which nothing was heard, is thought lost.
    pub lease: Duration,
}

/// Calls that are slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slow {
    /// The time to the first token from which on a call is slow.
    pub after: Duration,
    /// The share of them that opens a breaker.
    pub percent: u32,
}

impl BreakerPolicy {
    /// Half of at least 20 calls in 30 s failed, or half of them took over 30 s; open for 10 s, twice as long each time up to
    /// 5 min; closed by one call and three more.
    #[must_use]
    pub const fn by_rate() -> Self {
        Self {
            window: Duration::from_secs(30),
            calls: 20,
            failed_percent: Some(50),
            slow: Some(Slow { after: Duration::from_secs(30), percent: 50 }),
            in_a_row: None,
            open: Duration::from_secs(10),
            longest: Duration::from_secs(300),
            jitter_percent: 20,
            trials: 3,
            lease: Duration::from_secs(60),
        }
    }

    /// Five failures one after the other; open for 60 s, closed by two calls.
    #[must_use]
    pub const fn by_count() -> Self {
        Self {
            failed_percent: None,
            slow: None,
            in_a_row: Some(5),
            open: Duration::from_secs(60),
            trials: 1,
            ..Self::by_rate()
        }
    }

    /// # Errors
    /// `InvalidInput` that names the field.
    pub(super) fn check(&self) -> Result<()> {
        let percent = |share: Option<u32>| share.is_none_or(|share| (1..=100).contains(&share));
        let slow = self.slow.map(|slow| slow.percent);
        let zero = [self.window, self.open, self.lease].contains(&Duration::ZERO);
        let wrong = [
            ("window, open, lease", zero, "give times above 0"),
            ("longest", self.longest < self.open, "give at least the time in open"),
            ("calls", self.calls == 0, "give at least 1"),
            ("failed_percent", !percent(self.failed_percent), "give from 1 to 100"),
            ("slow.percent", !percent(slow), "give from 1 to 100"),
            ("in_a_row", self.in_a_row == Some(0), "give at least 1"),
            ("jitter_percent", self.jitter_percent > 100, "give from 0 to 100"),
            ("trials", self.trials > 1_000, "give at most 1000"),
        ];
        match wrong.iter().find(|(_, wrong, _)| *wrong) {
            Some((field, _, fix)) => Err(Error::invalid("configure breaker", field, *fix)),
            None => Ok(()),
        }
    }

    fn is_slow(&self, took: Duration) -> bool {
        self.slow.is_some_and(|slow| took >= slow.after)
    }

    fn opens(&self, counts: Counts, row: u32) -> bool {
        let share = |some: u32, percent: u32| {
            counts.calls >= self.calls
                && u64::from(some) * 100 >= u64::from(percent) * u64::from(counts.calls)
        };
        self.in_a_row.is_some_and(|most| row >= most)
            || self.failed_percent.is_some_and(|percent| share(counts.failed, percent))
            || self.slow.is_some_and(|slow| share(counts.slow, slow.percent))
    }

    /// For how long it is open, in milliseconds, when it opens for the `times`-th time.
    fn span(&self, times: u32, dice: u64) -> u64 {
        let (first, longest) = (millis(self.open).max(1), millis(self.longest).max(1));
        let doubled =
            1_u64.checked_shl(times.saturating_sub(1)).unwrap_or(u64::MAX).saturating_mul(first);
        let jitter = u64::from(self.jitter_percent.min(100));
        let percent = 100 - jitter + dice % (2 * jitter + 1);
        (doubled.min(longest).saturating_mul(percent) / 100).clamp(1, longest)
    }
}

/// Both conditions of [`by_rate`](Self::by_rate) and that of [`by_count`](Self::by_count), whichever holds first; its times.
impl Default for BreakerPolicy {
    fn default() -> Self {
        let rate = Self::by_rate();
        Self { failed_percent: rate.failed_percent, slow: rate.slow, ..Self::by_count() }
    }
}

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Calls pass.
    Closed,
    /// None do.
    Open,
    /// Some do, by which it is tried whether the other side is there again.
    HalfOpen,
}

/// What somebody has decided by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forced {
    /// No call passes.
    Open,
    /// Every call passes, whatever comes of it.
    Closed,
}

/// What happens to a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Somebody wants to call.
    Asked,
    /// Something came of a call that was let through.
    Told(Permit, Outcome),
    /// Somebody decided by hand, or no longer does: then it begins anew, closed.
    Forced(Option<Forced>),
    /// Somebody decided by hand, for this time; then it begins anew, closed.
    ForcedFor(Forced, Duration),
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The answer began.
    Began {
        /// The time since it was asked.
        took: Duration,
    },
    /// An answer that had begun is whole.
    Whole,
    /// An answer that had begun broke off.
    Broke,
    /// It failed before it began.
    Failed,
    /// It ended in a way that says nothing of the other side: the caller's mistake, or nobody wanted it any more.
    Void,
}

/// A call that was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permit {
    generation: u64,
    lease: Option<u64>,
}

/// What a breaker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// Call, and tell what came of it.
    Go(Permit),
    /// Do not call; it may be different after this time, where it is known.
    No(Option<Duration>),
    /// Nothing was asked.
    Noted,
}

#[derive(Debug, Clone)]
enum State {
    Closed,
    Open {
        until: u64,
    },
    HalfOpen {
        /// How many have succeeded, the first one too.
        good: u32,
        /// Those under way, each with the moment at which it is thought lost.
        leases: Vec<(u64, u64)>,
    },
}

/// A breaker's state.
#[derive(Debug, Clone)]
pub struct Circuit {
    state: State,
    forced: Option<Forced>,
    /// The end of what is forced, where it has one.
    forced_until: Option<u64>,
    window: Window,
    row: u32,
    /// How often it opened since it was closed.
    times: u32,
    /// What is heard of calls from before the last change says nothing of now.
    generation: u64,
    leases: u64,
    time: Elapsed,
}

impl Default for Circuit {
    fn default() -> Self {
        Self {
            state: State::Closed,
            forced: None,
            forced_until: None,
            window: Window::default(),
            row: 0,
            times: 0,
            generation: 0,
            leases: 0,
            time: Elapsed::default(),
        }
    }
}

/// What is to be seen of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct BreakerSnapshot {
    /// Where it stands.
    pub phase: Phase,
    /// Whether somebody has decided so by hand.
    pub forced: bool,
    /// Calls in the window.
    pub calls: u32,
    /// Those of them that failed.
    pub failed: u32,
    /// Those of them that were slow.
    pub slow: u32,
    /// Failures one after the other.
    pub in_a_row: u32,
    /// How often it opened since it was closed.
    pub opened: u32,
    /// For how many milliseconds it stays open.
    pub open_millis: u64,
}

impl Circuit {
    /// What becomes of it. `dice` is any number; it spreads the time for which it is open.
    pub fn step(
        &mut self,
        policy: &BreakerPolicy,
        event: Event,
        now: Timestamp,
        dice: u64,
    ) -> Reply {
        let now = self.time.advance(now);
        if self.forced.is_some() && self.forced_at(now).is_none() {
            self.force(None, None);
        }
        match event {
            Event::Asked => self.ask(policy, now),
            Event::Told(permit, outcome) => {
                if permit.generation == self.generation && self.forced.is_none() {
                    self.told(policy, permit, outcome, now, dice);
                }
                Reply::Noted
            }
            Event::Forced(forced) => self.force(forced, None),
            Event::ForcedFor(forced, time) => {
                self.force(Some(forced), Some(now.saturating_add(millis(time))))
            }
        }
    }

    fn force(&mut self, forced: Option<Forced>, until: Option<u64>) -> Reply {
        self.close();
        (self.forced, self.forced_until) = (forced, until);
        Reply::Noted
    }

    /// What is forced at a moment.
    fn forced_at(&self, now: u64) -> Option<Forced> {
        self.forced.filter(|_| self.forced_until.is_none_or(|until| until > now))
    }

    fn forced_wait(&self, now: u64) -> Option<Duration> {
        self.forced_until.map(|until| Duration::from_millis(until.saturating_sub(now)))
    }

    fn ask(&mut self, policy: &BreakerPolicy, now: u64) -> Reply {
        match self.forced {
            Some(Forced::Open) => return Reply::No(self.forced_wait(now)),
            Some(Forced::Closed) => return self.go(None),
            None => {}
        }
        if matches!(self.state, State::Open { until } if until <= now) {
            self.change(State::HalfOpen { good: 0, leases: Vec::new() });
        }
        match &mut self.state {
            State::Closed => self.go(None),
            State::Open { until } => Reply::No(Some(Duration::from_millis(*until - now))),
            State::HalfOpen { good, leases } => {
                leases.retain(|(_, until)| *until > now);
                let most = if *good == 0 { 1 } else { (policy.trials + 1 - *good) as usize };
                if leases.len() >= most {
                    let first = leases.iter().map(|(_, until)| until - now).min();
                    return Reply::No(first.map(Duration::from_millis));
                }
                self.leases += 1;
                leases.push((self.leases, now.saturating_add(millis(policy.lease))));
                let lease = self.leases;
                self.go(Some(lease))
            }
        }
    }

    const fn go(&self, lease: Option<u64>) -> Reply {
        Reply::Go(Permit { generation: self.generation, lease })
    }

    fn told(
        &mut self,
        policy: &BreakerPolicy,
        permit: Permit,
        outcome: Outcome,
        now: u64,
        dice: u64,
    ) {
        let slow = matches!(outcome, Outcome::Began { took } if policy.is_slow(took));
        let bad = matches!(outcome, Outcome::Broke | Outcome::Failed);
        match &mut self.state {
            State::Closed => {
                match outcome {
                    Outcome::Whole => self.row = 0,
                    _ if bad => self.row = self.row.saturating_add(1),
                    _ => {}
                }
                // A call counts once: when it begins, or fails before.
                let calls = matches!(outcome, Outcome::Began { .. } | Outcome::Failed);
                self.window.add(policy.window, now, calls, bad, slow);
                // Only what is bad can open it, not that something good pushed older calls out of the window.
                if (bad || slow) && policy.opens(self.window.counts(policy.window, now), self.row) {
                    self.open(policy, now, dice);
                }
            }
            State::HalfOpen { good, leases } => {
                let held = leases.iter().position(|(id, _)| Some(*id) == permit.lease);
                if let Some(held) = held.filter(|_| outcome != Outcome::Whole) {
                    leases.swap_remove(held);
                }
                if bad || slow {
                    self.open(policy, now, dice);
                } else if held.is_some() && matches!(outcome, Outcome::Began { .. }) {
                    *good += 1;
                    if *good > policy.trials {
                        self.close();
                    }
                }
            }
            // Nothing that was let through is of this generation.
            State::Open { .. } => {}
        }
    }

    fn change(&mut self, state: State) {
        self.state = state;
        self.generation += 1;
    }

    fn open(&mut self, policy: &BreakerPolicy, now: u64, dice: u64) {
        self.times = self.times.saturating_add(1);
        self.change(State::Open { until: now.saturating_add(policy.span(self.times, dice)) });
    }

    fn close(&mut self) {
        self.change(State::Closed);
        (self.row, self.times, self.window) = (0, 0, Window::default());
    }

    /// What is to be seen of it.
    #[must_use]
    pub fn snapshot(&self, policy: &BreakerPolicy, now: Timestamp) -> BreakerSnapshot {
        let now = self.time.at(now);
        let counts = self.window.counts(policy.window, now);
        let forced = self.forced_at(now);
        let (phase, open_millis) = match (&self.state, forced) {
            (_, Some(Forced::Open)) => (Phase::Open, self.forced_wait(now).map_or(0, millis)),
            (_, Some(Forced::Closed)) | (State::Closed, None) => (Phase::Closed, 0),
            (State::Open { until }, None) if *until > now => (Phase::Open, until - now),
            _ => (Phase::HalfOpen, 0),
        };
        BreakerSnapshot {
            phase,
            forced: forced.is_some(),
            calls: counts.calls,
            failed: counts.failed,
            slow: counts.slow,
            in_a_row: self.row,
            opened: self.times,
            open_millis,
        }
    }
}
