//! Bounds how many call a provider at once.

mod adapt;
#[cfg(test)]
mod adapt_tests;
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

pub use adapt::{AdaptPolicy, Adaptive, Sample};
pub use line::{Entry, LimitPolicy, Line, Whose};

use super::{
    breaker::is_fault,
    guarded::{LAYER, Watch, guarded, is_answer, is_ours},
};
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
    adapt: Option<AdaptPolicy>,
    began: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    line: Line,
    adaptive: Option<Adaptive>,
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
        let state = Mutex::default();
        Ok(Self { policy, patience, adapt: None, began: Instant::now(), state })
    }

    /// The same, but what [`LimitPolicy`] says is the most: it follows what the provider can do.
    ///
    /// # Errors
    /// `InvalidInput` that names a wrong setting.
    pub fn adapting(mut self, adapt: AdaptPolicy) -> Result<Self> {
        adapt.check(self.policy.at_once)?;
        self.adapt = Some(adapt);
        self.state.get_mut().adaptive = Some(Adaptive::new(self.policy.at_once));
        Ok(self)
    }

    /// What holds now.
    fn policy(&self, state: &State) -> LimitPolicy {
        let at_once = state.adaptive.as_ref().map_or(self.policy.at_once, Adaptive::limit);
        LimitPolicy { at_once, ..self.policy }
    }

    /// What is to be seen of it.
    #[must_use]
    pub fn snapshot(&self) -> LimitSnapshot {
        let state = self.state.lock();
        let at_once = self.policy(&state).at_once;
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
            let policy = self.policy(&state);
            match state.line.enter(&policy, whose) {
                Entry::Go => return Ok(Turn::of(self, whose)),
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

    /// Something came of a call. Those for whom there is room now.
    fn tell(self: &Arc<Self>, sample: Sample) {
        let Some(adapt) = &self.adapt else { return };
        let now = self.began.elapsed();
        let mut state = self.state.lock();
        let calling = state.line.calling();
        if let Some(adaptive) = &mut state.adaptive {
            adaptive.step((adapt, self.policy.at_once), sample, calling, now);
        }
        let policy = self.policy(&state);
        let mut opened = Vec::new();
        while let Some((number, whose)) = state.line.admit(&policy) {
            opened.extend(state.doors.remove(&number).map(|door| (door, whose)));
        }
        drop(state);
        for (door, whose) in opened {
            drop(door.send(Turn::of(self, whose)));
        }
    }

    /// Asked while the state is locked: it takes nothing of it.
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
    since: Instant,
    told: bool,
}

impl Turn {
    fn of(limit: &Arc<Limit>, whose: Whose) -> Self {
        Self { limit: Arc::clone(limit), whose, since: Instant::now(), told: false }
    }

    fn tell(&mut self, sample: Sample) {
        if !std::mem::replace(&mut self.told, true) {
            self.limit.tell(sample);
        }
    }

    /// The answer began. Only the first time counts.
    pub fn began(&mut self) {
        self.tell(Sample::Began(self.since.elapsed()));
    }

    /// It failed.
    pub fn failed(mut self, error: &Error) {
        self.saw_failure(error);
    }

    fn saw_failure(&mut self, error: &Error) {
        let too_much = error.kind() == ErrorKind::RateLimited && !is_ours(error);
        if too_much || is_fault(error) {
            self.tell(Sample::Overloaded);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.limit.state.lock();
        let policy = self.limit.policy(&state);
        let next = state.line.leave(&policy, self.whose);
        let next = next.and_then(|(number, whose)| Some((state.doors.remove(&number)?, whose)));
        drop(state);
        if let Some((door, whose)) = next {
            // Who is not there any more gives it back by dropping it.
            drop(door.send(Self::of(&self.limit, whose)));
        }
    }
}

impl Watch for Turn {
    fn saw(&mut self, item: &Result<ChatEvent>) {
        match item {
            Ok(event) if is_answer(event) => self.began(),
            Ok(_) => {}
            Err(error) => self.saw_failure(error),
        }
    }
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
        match self.inner.stream(request).await {
            Ok(answer) => Ok(guarded(answer, turn)),
            Err(error) => {
                turn.failed(&error);
                Err(error)
            }
        }
    }

    fn count_tokens(&self, text: &str) -> TokenCount {
        self.inner.count_tokens(text)
    }

    async fn check(&self) -> Result<()> {
        self.inner.check().await
    }
}
