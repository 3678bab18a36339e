//! What counts while the shared store does not answer: limits of this process's own.
//!
//! Requests go on, and are never without a limit: each process allows what the policy says, so that `n` processes allow
//! at most `n` times as much for as long as it lasts. What was done meanwhile is not told to the store when it is back.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{Decision, Key, Policy, RateLimits, Want};
use crate::{Clock, Error, ErrorKind, Result, Timestamp};

/// How long a store that failed is left alone before one request tries it again.
const PAUSE: Duration = Duration::from_secs(1);
/// How often the log says that it is away.
const SAY: Duration = Duration::from_secs(60);

/// A layer around two [`RateLimits`]: the second decides while the first does not.
pub struct Fallback {
    shared: Arc<dyn RateLimits>,
    local: Arc<dyn RateLimits>,
    clock: Arc<dyn Clock>,
    patience: Duration,
    state: Mutex<State>,
}

/// Whether the shared one is tried. Without I/O.
#[derive(Debug, Default)]
struct State {
    /// When it was last tried in vain, or is being tried.
    away: Option<Timestamp>,
    /// When the log said so.
    said: Option<Timestamp>,
}

impl State {
    /// Whether this request tries it. One does, now and then, while it is away.
    fn tries(&mut self, now: Timestamp) -> bool {
        match self.away {
            Some(since) if is_within(since, now, PAUSE) => false,
            Some(_) => {
                self.away = Some(now);
                true
            }
            None => true,
        }
    }

    /// Notes a failure; whether the log is to say so.
    fn failed(&mut self, now: Timestamp) -> bool {
        self.away = Some(now);
        let says = !self.said.is_some_and(|said| is_within(said, now, SAY));
        if says {
            self.said = Some(now);
        }
        says
    }

    /// Notes an answer; whether it was away.
    fn answered(&mut self) -> bool {
        self.away.take().is_some()
    }
}

/// A clock that was set back ends every pause.
fn is_within(since: Timestamp, now: Timestamp, time: Duration) -> bool {
    now >= since && now.since(since) < time
}

impl Fallback {
    /// Asks `shared`, and `local` when it fails or has not answered within `patience`.
    #[must_use]
    pub fn new(
        shared: Arc<dyn RateLimits>,
        local: Arc<dyn RateLimits>,
        clock: Arc<dyn Clock>,
        patience: Duration,
    ) -> Self {
        Self { shared, local, clock, patience, state: Mutex::default() }
    }

    /// Whether this process is counting alone.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.state.lock().away.is_some()
    }

    async fn ask(&self, key: Key, policy: &Policy, want: Want) -> Result<Decision> {
        let asked = tokio::time::timeout(self.patience, self.shared.take(key, policy, want));
        asked.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Timeout, "take of rate limit")))
    }

    fn note(&self, result: &Result<Decision>) {
        match result {
            Ok(_) => {
                if self.state.lock().answered() {
                    tracing::info!("rate limits are counted together again");
                }
            }
            Err(error) => {
                if self.state.lock().failed(self.clock.now()) {
                    tracing::warn!(%error, "rate limits cannot be counted together; each process counts for itself");
                }
            }
        }
    }
}

#[async_trait]
impl RateLimits for Fallback {
    async fn take(&self, key: Key, policy: &Policy, want: Want) -> Result<Decision> {
        // What is wrong with the request is no fault of the store.
        want.check(policy)?;
        let tries = self.state.lock().tries(self.clock.now());
        if tries {
            let result = self.ask(key, policy, want).await;
            self.note(&result);
            if result.is_ok() {
                return result;
            }
        }
        self.local.take(key, policy, want).await
    }

    async fn prune(&self, most: usize) -> Result<usize> {
        let local = self.local.prune(most).await?;
        Ok(local + self.shared.prune(most.saturating_sub(local)).await?)
    }
}

impl fmt::Debug for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback").field("alone", &self.is_alone()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{
        clock::ManualClock,
        rate_limit::{Subject, memory::MemoryRateLimits},
    };

    /// 0: answers; 1: fails; 2: says nothing.
    #[derive(Default)]
    struct Store {
        mood: AtomicUsize,
        asked: AtomicUsize,
    }

    #[async_trait]
    impl RateLimits for Store {
        async fn take(&self, _: Key, policy: &Policy, want: Want) -> Result<Decision> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            match self.mood.load(Ordering::Relaxed) {
                0 => Ok(super::super::step(None, policy, want, 0).decision),
                1 => Err(Error::new(ErrorKind::Unavailable, "take of rate limit")),
                _ => std::future::pending().await,
            }
        }

        async fn prune(&self, _: usize) -> Result<usize> {
            Ok(0)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_fails_or_says_nothing_leaves_local_limits() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000)));
        let store = Arc::new(Store::default());
        let local = Arc::new(MemoryRateLimits::new(clock.clone()));
        let patience = Duration::from_millis(500);
        let limits = Fallback::new(store.clone(), local, clock.clone(), patience);
        let policy = Policy::new(5, Duration::from_secs(3_600), None).unwrap();
        for (i, mood) in [1, 2].into_iter().enumerate() {
            let key = Key::new("ask", &Subject::Address(std::net::IpAddr::V4((i as u32).into())));
            let take = || limits.take(key, &policy, Want::of(1));
            for _ in 0..10 {
                assert!(take().await.unwrap().allowed, "the store counts nothing in this test");
            }
            assert!(!limits.is_alone());
            store.mood.store(mood, Ordering::Relaxed);
            store.asked.store(0, Ordering::Relaxed);
            let mut allowed = 0;
            for _ in 0..20 {
                allowed += u32::from(take().await.unwrap().allowed);
            }
            assert_eq!(allowed, 5, "a limit, and no more");
            assert_eq!(store.asked.load(Ordering::Relaxed), 1, "it is left alone");
            assert!(limits.is_alone());
            store.mood.store(0, Ordering::Relaxed);
            assert!(!take().await.unwrap().allowed);
            clock.advance(PAUSE);
            assert!(take().await.unwrap().allowed, "it is back");
            assert!(!limits.is_alone());
        }
        let wrong =
            limits.take(Key::new("ask", &Subject::Address([0; 4].into())), &policy, Want::of(6));
        assert_eq!(wrong.await.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert!(!limits.is_alone());
    }

    #[test]
    fn the_log_says_it_once_a_minute_and_one_request_tries_again_each_second() {
        let mut state = State::default();
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
        let (mut said, mut tried) = (0, 0);
        for second in 0..180 {
            for _ in 0..10 {
                if state.tries(at(second)) {
                    tried += 1;
                    said += u32::from(state.failed(at(second)));
                }
            }
        }
        assert_eq!((said, tried), (3, 180));
        assert!(!state.tries(at(179)));
        assert!(state.tries(at(100)), "a clock that was set back");
        assert!(state.answered() && !state.answered());
        assert!(state.tries(at(100)) && state.tries(at(100)));
    }
}
