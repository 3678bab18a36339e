//! Leaves a provider alone that fails, until it is there again.

mod circuit;
#[cfg(test)]
mod tests;
mod window;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use tracing::{info, warn};

pub use circuit::{
    BreakerPolicy, BreakerSnapshot, Circuit, Event, Forced, Outcome, Permit, Phase, Reply, Slow,
};

use super::{
    dice::Dice,
    guarded::{LAYER, Watch, guarded, is_answer, is_ours},
};
use crate::{
    Clock, Error, ErrorKind, Result, Retry, Timestamp,
    chat::{ChatEvent, ChatModel, ChatModelInfo, ChatRequest, ChatStream, TokenCount},
};

/// The breaker of one model at one provider: [`Circuit`] with a clock. All that call the model share it.
pub struct Breaker {
    label: String,
    policy: BreakerPolicy,
    clock: Arc<dyn Clock>,
    circuit: Mutex<Circuit>,
    dice: Dice,
}

impl Breaker {
    /// A closed breaker. `label` names it in errors and in the log.
    ///
    /// # Errors
    /// `InvalidInput` that names a wrong setting.
    pub fn new(
        label: impl Into<String>,
        policy: BreakerPolicy,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        policy.check()?;
        let (label, dice) = (label.into(), Dice::new());
        Ok(Self { label, policy, clock, circuit: Mutex::default(), dice })
    }

    /// What is to be seen of it.
    #[must_use]
    pub fn snapshot(&self) -> BreakerSnapshot {
        self.circuit.lock().snapshot(&self.policy, self.clock.now())
    }

    /// Decides by hand, or no longer does. Whoever lets somebody do so writes down who it was.
    pub fn force(&self, forced: Option<Forced>) {
        self.step(Event::Forced(forced));
        warn!(model = self.label, ?forced, "a breaker was set by hand");
    }

    /// Decides by hand for a time, after which it is left to itself.
    pub fn force_for(&self, forced: Forced, time: Duration) {
        self.step(Event::ForcedFor(forced, time));
        warn!(model = self.label, ?forced, seconds = time.as_secs(), "a breaker was set by hand");
    }

    fn step(&self, event: Event) -> Reply {
        let (now, dice) = (self.clock.now(), self.dice.roll());
        let mut circuit = self.circuit.lock();
        let before = circuit.snapshot(&self.policy, now);
        let reply = circuit.step(&self.policy, event, now, dice);
        let after = circuit.snapshot(&self.policy, now);
        drop(circuit);
        match (before.phase, after.phase) {
            (before, after) if before == after => {}
            (_, Phase::Open) => {
                warn!(model = self.label, millis = after.open_millis, "a breaker opened");
            }
            (_, phase) => info!(model = self.label, ?phase, "a breaker changed"),
        }
        reply
    }

    /// Lets a call through, or does not. Tell the [`Passing`] what comes of it.
    ///
    /// # Errors
    /// `Unavailable`, with the time after which it may be different, while it is open.
    pub fn pass(self: &Arc<Self>) -> Result<Passing> {
        match self.step(Event::Asked) {
            Reply::Go(permit) => Ok(Passing {
                breaker: Arc::clone(self),
                permit,
                since: self.clock.now(),
                began: false,
                over: false,
            }),
            Reply::No(wait) => Err(self.refusal(wait)),
            Reply::Noted => Err(self.refusal(None)),
        }
    }

    fn refusal(&self, wait: Option<Duration>) -> Error {
        Error::new(ErrorKind::Unavailable, "call model")
            .with(LAYER, "breaker")
            .with("model", self.label.clone())
            .with("problem", "the provider failed again and again, and is left alone for a while")
            .retry(wait.map_or(Retry::Backoff, Retry::After))
    }
}

/// A call under way. Dropped before anything came of it, it says nothing of the provider.
pub struct Passing {
    breaker: Arc<Breaker>,
    permit: Permit,
    since: Timestamp,
    began: bool,
    over: bool,
}

impl Passing {
    fn tell(&self, outcome: Outcome) {
        self.breaker.step(Event::Told(self.permit, outcome));
    }

    /// The answer began. Only the first time counts.
    pub fn began(&mut self) {
        if !std::mem::replace(&mut self.began, true) {
            self.tell(Outcome::Began { took: self.breaker.clock.now().since(self.since) });
        }
    }

    /// The answer is whole.
    pub fn whole(mut self) {
        self.end(Outcome::Whole);
    }

    /// It failed.
    pub fn failed(mut self, error: &Error) {
        self.end_with(error);
    }

    fn end(&mut self, outcome: Outcome) {
        if !std::mem::replace(&mut self.over, true) {
            self.tell(outcome);
        }
    }

    fn end_with(&mut self, error: &Error) {
        self.end(match (is_fault(error), self.began) {
            (false, _) => Outcome::Void,
            (true, true) => Outcome::Broke,
            (true, false) => Outcome::Failed,
        });
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.end(Outcome::Void);
    }
}

impl Watch for Passing {
    fn saw(&mut self, item: &Result<ChatEvent>) {
        match item {
            Ok(event) if is_answer(event) => {
                self.began();
                if matches!(event, ChatEvent::Finish(_)) {
                    self.end(Outcome::Whole);
                }
            }
            Ok(_) => {}
            Err(error) => self.end_with(error),
        }
    }
}

/// Whether an error says that the provider does not work. What the caller did wrong does not, nor what a layer refused, nor
/// that it allows no more for a time that it names.
#[must_use]
pub fn is_fault(error: &Error) -> bool {
    let fault = match error.kind() {
        ErrorKind::Unavailable
        | ErrorKind::Timeout
        | ErrorKind::Protocol
        | ErrorKind::Corrupt
        | ErrorKind::Internal => true,
        ErrorKind::RateLimited => !matches!(error.retry_status(), Retry::After(_)),
        _ => false,
    };
    fault && !is_ours(error)
}

/// A model behind a [`Breaker`].
pub struct BreakerChat {
    inner: Arc<dyn ChatModel>,
    breaker: Arc<Breaker>,
}

impl BreakerChat {
    /// The model behind this breaker.
    #[must_use]
    pub const fn new(inner: Arc<dyn ChatModel>, breaker: Arc<Breaker>) -> Self {
        Self { inner, breaker }
    }
}

#[async_trait]
impl ChatModel for BreakerChat {
    fn info(&self) -> &ChatModelInfo {
        self.inner.info()
    }

    async fn stream(&self, request: ChatRequest) -> Result<ChatStream> {
        let passing = self.breaker.pass()?;
        match self.inner.stream(request).await {
            Ok(answer) => Ok(guarded(answer, passing)),
            Err(error) => {
                passing.failed(&error);
                Err(error)
            }
        }
    }

    fn count_tokens(&self, text: &str) -> TokenCount {
        self.inner.count_tokens(text)
    }

    /// Asks the provider whatever the breaker says.
    async fn check(&self) -> Result<()> {
        self.inner.check().await
    }
}
