//! A quick store and a durable one together.
//!
//! The cold one (SQL) is the truth: a checkpoint is written there first, then to the hot one (memory or Redis). While the cold one
//! does not answer, runs go on from the hot one alone, [`is_degraded`](Tiered::is_degraded) says so, and what was
//! written meanwhile is brought to the cold one when it is back. While the hot one does not answer, the cold one does all.
//!
//! **What may be lost.** What only the hot one has when it is lost too: then the run is taken up at the step that the cold one has, and
//! effects since then are done again, with the same keys. A worker that takes a run while the cold store is away goes on
//! from the hot one; that another worker has had it meanwhile is seen when the cold one is back, and its write refused.

use std::{collections::HashSet, fmt, future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{Checkpoint, Checkpoints};
use crate::{Clock, Error, ErrorKind, Result, RunId, TenantScope, Timestamp, queue::Fence};

/// How long a store that failed is left alone before a call tries it again.
const PAUSE: Duration = Duration::from_secs(1);
/// How many runs may be ahead of the cold store at once.
const MOST_AHEAD: usize = 4_096;
/// How many of them a call brings there.
const TOGETHER: usize = 16;

/// A layer around two [`Checkpoints`].
pub struct Tiered {
    hot: Arc<dyn Checkpoints>,
    cold: Arc<dyn Checkpoints>,
    clock: Arc<dyn Clock>,
    patience: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    hot: Tier,
    cold: Tier,
    /// Runs whose newest checkpoint only the hot store has.
    ahead: HashSet<(TenantScope, RunId)>,
}

/// Whether a store is tried. Without I/O.
#[derive(Debug, Default, Clone, Copy)]
struct Tier {
    /// When it was last tried in vain.
    away: Option<Timestamp>,
}

impl Tier {
    fn is_left_alone(self, now: Timestamp) -> bool {
        // A clock that was set back ends the pause.
        self.away.is_some_and(|since| now >= since && now.since(since) < PAUSE)
    }
}

/// Which of the two.
#[derive(Debug, Clone, Copy)]
enum Which {
    Hot,
    Cold,
}

impl State {
    fn tier(&mut self, which: Which) -> &mut Tier {
        match which {
            Which::Hot => &mut self.hot,
            Which::Cold => &mut self.cold,
        }
    }
}

/// Whether the error says that the storage is away, and not that the call is wrong.
fn is_away(error: &Error) -> bool {
    use ErrorKind::{Conflict, Corrupt, InvalidInput, TooLarge, Unsupported};
    !matches!(error.kind(), Conflict | Corrupt | InvalidInput | TooLarge | Unsupported)
}

impl Tiered {
    /// Both together. One that has not answered within `patience` counts as away.
    #[must_use]
    pub fn new(
        hot: Arc<dyn Checkpoints>,
        cold: Arc<dyn Checkpoints>,
        clock: Arc<dyn Clock>,
        patience: Duration,
    ) -> Self {
        Self { hot, cold, clock, patience, state: Mutex::default() }
    }

    /// Whether checkpoints are kept less well than they should be: one of the two is away, or the cold one lacks some.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        let state = self.state.lock();
        state.hot.away.is_some() || state.cold.away.is_some() || !state.ahead.is_empty()
    }

    /// Brings checkpoints that only the hot store has to the cold one; how many runs are left. Saves do this by themselves; to be called
    /// now and then where there may be none for long.
    pub async fn catch_up(&self) -> usize {
        let some: Vec<_> = self.state.lock().ahead.iter().take(TOGETHER).cloned().collect();
        for (scope, run) in some {
            let Ok(found) = self.ask(Which::Hot, self.hot.read(&scope, run)).await else { break };
            if let Some(checkpoint) = found {
                let saved = self.ask(Which::Cold, self.cold.save(&scope, &checkpoint)).await;
                if saved.is_err_and(|error| is_away(&error)) {
                    break;
                }
            }
            // Refused: another worker is further. Gone: the hot one kept it no longer.
            self.state.lock().ahead.remove(&(scope, run));
        }
        self.state.lock().ahead.len()
    }

    /// Asks one of the stores, unless it was away a moment ago, and notes what becomes of it.
    async fn ask<T>(&self, which: Which, asked: impl Future<Output = Result<T>>) -> Result<T> {
        const ASK: &str = "keep checkpoint";
        if self.state.lock().tier(which).is_left_alone(self.clock.now()) {
            return Err(Error::new(ErrorKind::Unavailable, ASK)
                .retry(crate::Retry::Backoff)
                .with("store", format!("{which:?}"))
                .with(
                    "fix",
                    "see that the store of checkpoints runs; it is tried again each second",
                ));
        }
        let late = |_| Err(Error::new(ErrorKind::Timeout, ASK).retry(crate::Retry::Backoff));
        let result = tokio::time::timeout(self.patience, asked).await.unwrap_or_else(late);
        self.note(which, result.as_ref().err().filter(|error| is_away(error)));
        result
    }

    fn note(&self, which: Which, failure: Option<&Error>) {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let before = std::mem::replace(&mut state.tier(which).away, failure.map(|_| now));
        drop(state);
        match (before, failure) {
            (None, Some(error)) => {
                tracing::warn!(%error, store = ?which, "checkpoints are kept in one store only");
            }
            (Some(_), None) => tracing::info!(store = ?which, "a store of checkpoints is back"),
            _ => {}
        }
    }

    /// Whether the run may be ahead of the cold store.
    fn go_ahead(&self, scope: &TenantScope, run: RunId) -> bool {
        let mut state = self.state.lock();
        let key = (scope.clone(), run);
        let room = state.ahead.len() < MOST_AHEAD || state.ahead.contains(&key);
        if room {
            state.ahead.insert(key);
        }
        room
    }

    /// The same in the hot store. What that one has and the cold one refused is none.
    async fn save_hot(&self, scope: &TenantScope, checkpoint: &Checkpoint) {
        let saved = self.ask(Which::Hot, self.hot.save(scope, checkpoint)).await;
        if saved.is_err_and(|error| !is_away(&error)) {
            // Whether it went or not, the cold one has it.
            let _ = self.ask(Which::Hot, self.hot.remove(scope, checkpoint.run)).await;
        }
    }
}

/// The one that was written by the later worker, and later.
fn newest(a: Option<Checkpoint>, b: Option<Checkpoint>) -> Option<Checkpoint> {
    [a, b].into_iter().flatten().max_by_key(|found| (found.fence, found.version))
}

#[async_trait]
impl Checkpoints for Tiered {
    async fn save(&self, scope: &TenantScope, checkpoint: &Checkpoint) -> Result<()> {
        match self.ask(Which::Cold, self.cold.save(scope, checkpoint)).await {
            Ok(()) => {
                self.save_hot(scope, checkpoint).await;
                let waiting = {
                    let mut state = self.state.lock();
                    state.ahead.remove(&(scope.clone(), checkpoint.run));
                    !state.ahead.is_empty()
                };
                if waiting {
                    self.catch_up().await;
                }
                Ok(())
            }
            Err(error) if is_away(&error) && self.go_ahead(scope, checkpoint.run) => self
                .ask(Which::Hot, self.hot.save(scope, checkpoint))
                .await
                .map_err(|hot| if is_away(&hot) { error } else { hot }),
            Err(error) => Err(error),
        }
    }

    async fn take(
        &self,
        scope: &TenantScope,
        run: RunId,
        fence: Fence,
    ) -> Result<Option<Checkpoint>> {
        match self.ask(Which::Cold, self.cold.take(scope, run, fence)).await {
            Ok(cold) => {
                let hot = self.ask(Which::Hot, self.hot.take(scope, run, fence)).await;
                Ok(newest(cold, hot.ok().flatten()))
            }
            Err(error) if is_away(&error) => {
                let hot = self.ask(Which::Hot, self.hot.take(scope, run, fence)).await;
                match hot {
                    Ok(Some(found)) => Ok(Some(found)),
                    // The cold one may have it.
                    Ok(None) => Err(error),
                    Err(hot) => Err(if is_away(&hot) { error } else { hot }),
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn read(&self, scope: &TenantScope, run: RunId) -> Result<Option<Checkpoint>> {
        match self.ask(Which::Hot, self.hot.read(scope, run)).await {
            Ok(Some(found)) => Ok(Some(found)),
            _ => self.ask(Which::Cold, self.cold.read(scope, run)).await,
        }
    }

    async fn remove(&self, scope: &TenantScope, run: RunId) -> Result<bool> {
        let cold = self.ask(Which::Cold, self.cold.remove(scope, run)).await?;
        self.state.lock().ahead.remove(&(scope.clone(), run));
        let hot = self.ask(Which::Hot, self.hot.remove(scope, run)).await;
        Ok(cold || hot.unwrap_or(false))
    }

    async fn prune(&self, scope: &TenantScope, before: Timestamp, limit: usize) -> Result<usize> {
        let cold = self.ask(Which::Cold, self.cold.prune(scope, before, limit)).await?;
        // The hot one forgets by itself; here it must not show what the cold one has no more.
        let _ = self.ask(Which::Hot, self.hot.prune(scope, before, limit)).await;
        Ok(cold)
    }
}

impl fmt::Debug for Tiered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tiered").field("degraded", &self.is_degraded()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
