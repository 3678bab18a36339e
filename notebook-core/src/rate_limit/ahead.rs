//! Units in advance: so that not every request makes its way to a store that is elsewhere.
//!
//! A process that asks for a unit takes a sixty-fourth of the burst with it, and serves the next requests from that for a
//! second. What is left is given back the next time it asks.
//!
//! **Bounds.** Everything that is allowed has been taken from the store before, so processes together never have more than
//! it gives. What is used was taken at most a second ago: in any time `t` at most the burst and what comes back in
//! `t` *and one second* is allowed, however many processes there are. Units in advance come out of the upper half of the
//! burst only: nobody is refused because another process holds some. Limits under 64 at once take none in advance,
//! and are exact.
//!
//! A refusal is remembered for up to a second, so that somebody who asks again and again does not keep the store busy.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::Mutex as Turn;

use super::{Decision, Key, Policy, RateLimits, Want};
use crate::{Clock, Result, Timestamp};

/// What part of the burst is taken in advance.
const PART: u32 = 64;
/// How long what is known of a key counts.
pub const FRESH: Duration = Duration::from_secs(1);
/// How many keys are known. Beyond them every request asks.
const MOST: usize = 16_384;
/// How often room is made.
const MAKE_ROOM: Duration = Duration::from_millis(100);

/// A layer around [`RateLimits`] that takes in advance. Inside of [`fallback`](super::fallback), so that what is
/// given back goes where it came from.
pub struct Ahead {
    inner: Arc<dyn RateLimits>,
    clock: Arc<dyn Clock>,
    known: Mutex<KnownKeys>,
}

#[derive(Default)]
struct KnownKeys {
    keys: HashMap<Key, Arc<Turn<Known>>>,
    made_room: Timestamp,
}

/// What is known of a key.
#[derive(Debug, Default)]
struct Known(Option<Last>);

/// What the store said last.
#[derive(Debug, Clone, Copy)]
struct Last {
    at: Timestamp,
    policy: Policy,
    cost: u32,
    decision: Decision,
    /// Units that were taken and not used.
    held: u32,
}

impl Ahead {
    /// Takes from `inner` in advance. The clock only says how old something is.
    #[must_use]
    pub fn new(inner: Arc<dyn RateLimits>, clock: Arc<dyn Clock>) -> Self {
        Self { inner, clock, known: Mutex::default() }
    }

    /// The key's turn; none when too many keys are in use.
    fn turn(&self, key: Key, now: Timestamp) -> Option<Arc<Turn<Known>>> {
        let mut known = self.known.lock();
        if let Some(turn) = known.keys.get(&key) {
            return Some(Arc::clone(turn));
        }
        if known.keys.len() >= MOST {
            known.make_room(now);
            if known.keys.len() >= MOST {
                return None;
            }
        }
        Some(Arc::clone(known.keys.entry(key).or_default()))
    }
}

impl KnownKeys {
    /// Forgets what nobody waits for and what is old, though not again and again.
    fn make_room(&mut self, now: Timestamp) {
        if now >= self.made_room && now.since(self.made_room) < MAKE_ROOM {
            return;
        }
        self.made_room = now;
        self.keys.retain(|_, turn| turn.try_lock().map_or(true, |known| known.is_fresh(now)));
    }
}

impl Known {
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.0.is_some_and(|last| last.is_fresh(now))
    }

    /// What is said without asking, if something can be.
    fn answer(&mut self, policy: &Policy, cost: u32, now: Timestamp) -> Option<Decision> {
        let last = self.0.as_mut()?;
        if !last.is_fresh(now) || last.policy != *policy {
            return None;
        }
        let passed = now.since(last.at);
        if last.held >= cost {
            last.held -= cost;
            return Some(last.said(passed));
        }
        let wait = last.decision.retry_after?;
        // Who asks for as much or more as was refused is refused, until there is enough.
        (cost >= last.cost && passed < wait).then(|| last.said(passed))
    }

    /// What can be given back: only what was taken in units of the same size.
    fn give_back(&mut self, policy: &Policy) -> u32 {
        self.0.take().filter(|last| last.policy == *policy).map_or(0, |last| last.held)
    }
}

impl Last {
    fn is_fresh(&self, now: Timestamp) -> bool {
        // A clock that was set back says nothing of age.
        now >= self.at && now.since(self.at) < FRESH
    }

    /// What the store said, some time later, as if what is held were still there.
    fn said(&self, passed: Duration) -> Decision {
        let said = self.decision;
        Decision {
            ahead: 0,
            remaining: said.remaining.saturating_add(self.held).min(said.limit),
            refill_after: said.refill_after.saturating_sub(passed),
            reset_after: said.reset_after.saturating_sub(passed),
            retry_after: said.retry_after.map(|wait| wait.saturating_sub(passed)),
            ..said
        }
    }
}

#[async_trait]
impl RateLimits for Ahead {
    async fn take(&self, key: Key, policy: &Policy, want: Want) -> Result<Decision> {
        want.check(policy)?;
        let now = self.clock.now();
        let turn = match self.turn(key, now) {
            Some(turn) if want == Want::of(want.cost) => turn,
            _ => return self.inner.take(key, policy, want).await,
        };
        // One asks, and those who wait are served with what it brings.
        let mut known = turn.lock().await;
        let now = self.clock.now();
        if let Some(answer) = known.answer(policy, want.cost, now) {
            return Ok(answer);
        }
        // Should the way end halfway, what was held is lost, and never there twice.
        let back = known.give_back(policy);
        let asked = Want { cost: want.cost, ahead: policy.burst() / PART, back };
        let decision = self.inner.take(key, policy, asked).await?;
        let last =
            Last { at: now, policy: *policy, cost: want.cost, decision, held: decision.ahead };
        known.0 = Some(last);
        Ok(last.said(Duration::ZERO))
    }

    async fn prune(&self, most: usize) -> Result<usize> {
        self.inner.prune(most).await
    }
}

impl fmt::Debug for Ahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ahead").field("keys", &self.known.lock().keys.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
