//! Bounds how many call a provider at once.

mod line;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

pub use line::{Entry, LimitPolicy, Line, Whose};

use super::guarded::{LAYER, Watch, guarded};
use crate::{
    Error, ErrorKind, Result, Retry, TenantScope,
    chat::{ChatEvent, ChatModel, ChatModelInfo, ChatRequest, ChatStream, TokenCount},
};

/// What those who find no room are told to wait.
const COME_BACK: Duration = Duration::from_secs(1);

/// The calls of one provider: [`Line`] with those who wait in it. All that call the provider share it.
pub struct Limit {
    policy: LimitPolicy,
    /// How long somebody waits at the most.
    patience: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    line: Line,
    doors: HashMap<u64, oneshot::Sender<Turn>>,
}

/// What is to be seen of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct LimitSnapshot {
    /// Calls under way.
    pub calling: usize,
    /// The most that may be.
    pub at_once: usize,
    /// Those who wait.
    pub waiting: usize,
}

impl Limit {
    /// A limit by this policy. Nobody waits longer than `patience`.
    ///
    /// # Errors
    /// `InvalidInput` that names a wrong setting.
    pub fn new(policy: LimitPolicy, patience: Duration) -> Result<Self> {
        policy.check()?;
        Ok(Self { policy, patience, state: Mutex::default() })
    }

    /// What is to be seen of it.
    #[must_use]
    pub fn snapshot(&self) -> LimitSnapshot {
        let state = self.state.lock();
        let at_once = self.policy.at_once;
        LimitSnapshot { calling: state.line.calling(), at_once, waiting: state.line.waiting() }
    }

    /// Waits for a turn, at the most until `deadline`. The turn is over when it is dropped.
    ///
    /// # Errors
    /// `RateLimited`, with a time after which to come back, when the line is full or it took too long.
    pub async fn turn(
        self: &Arc<Self>,
        scope: Option<&TenantScope>,
        deadline: Option<std::time::Instant>,
    ) -> Result<Turn> {
        let whose = scope.map(TenantScope::tenant);
        let (number, opened) = {
            let mut state = self.state.lock();
            match state.line.enter(&self.policy, whose) {
                Entry::Go => return Ok(Turn { limit: Arc::clone(self), whose }),
                Entry::Full => return Err(self.full()),
                Entry::Wait { number, instead_of } => {
                    if let Some(other) = instead_of {
                        state.doors.remove(&other);
                    }
                    let (door, opened) = oneshot::channel();
                    state.doors.insert(number, door);
                    (number, opened)
                }
            }
        };
        let waiting = Waiting { limit: Arc::clone(self), number };
        let patience = Instant::now() + self.patience;
        let until = deadline.map_or(patience, |deadline| Instant::from_std(deadline).min(patience));
        let turn = timeout_at(until, opened).await;
        drop(waiting);
        match turn {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(self.full()),
        }
    }

    fn full(&self) -> Error {
        Error::new(ErrorKind::RateLimited, "call model")
            .with(LAYER, "limit")
            .with("limit", format!("{} calls at once", self.policy.at_once))
            .with("problem", "too many calls are under way")
            .retry(Retry::After(COME_BACK))
    }
}

/// Somebody in the line, who leaves it when they are dropped.
struct Waiting {
    limit: Arc<Limit>,
    number: u64,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.limit.state.lock();
        state.line.give_up(self.number);
        let door = state.doors.remove(&self.number);
        drop(state);
        drop(door);
    }
}

/// A call that may be made. Dropped, also unseen by somebody who went away, it is the next one's.
pub struct Turn {
    limit: Arc<Limit>,
    whose: Whose,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.limit.state.lock();
        let next = state.line.leave(&self.limit.policy, self.whose);
        let next = next.and_then(|(number, whose)| Some((state.doors.remove(&number)?, whose)));
        drop(state);
        if let Some((door, whose)) = next {
            // Who is not there any more gives it back by dropping it.
            drop(door.send(Turn { limit: Arc::clone(&self.limit), whose }));
        }
    }
}

impl Watch for Turn {
    fn saw(&mut self, _: &Result<ChatEvent>) {}
}

/// A model behind a [`Limit`].
pub struct LimitChat {
    inner: Arc<dyn ChatModel>,
    limit: Arc<Limit>,
    scope: Option<TenantScope>,
}

impl LimitChat {
    /// The model behind this limit, called for this tenant.
    #[must_use]
    pub const fn new(
        inner: Arc<dyn ChatModel>,
        limit: Arc<Limit>,
        scope: Option<TenantScope>,
    ) -> Self {
        Self { inner, limit, scope }
    }
}

#[async_trait]
impl ChatModel for LimitChat {
    fn info(&self) -> &ChatModelInfo {
        self.inner.info()
    }

    async fn stream(&self, request: ChatRequest) -> Result<ChatStream> {
        let turn = self.limit.turn(self.scope.as_ref(), request.call.deadline).await?;
        Ok(guarded(self.inner.stream(request).await?, turn))
    }

    fn count_tokens(&self, text: &str) -> TokenCount {
        self.inner.count_tokens(text)
    }

    async fn check(&self) -> Result<()> {
        self.inner.check().await
    }
}
