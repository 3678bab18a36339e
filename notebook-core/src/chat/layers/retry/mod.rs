//! Makes a call again that failed before anything was said, within a budget.

mod budget;
mod decide;
#[cfg(test)]
mod tests;

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use parking_lot::Mutex;
use tracing::debug;

pub use budget::{Budget, BudgetPolicy, RetryPolicy};
pub use decide::{Failed, decide};

use super::{dice::Dice, guarded::begun};
use crate::{
    Clock, Error, Result,
    chat::{ChatModel, ChatModelInfo, ChatRequest, ChatStream, TokenCount},
};

/// A provider's budget with a clock, and what is repeated. All that call the provider share it.
pub struct Retries {
    policy: RetryPolicy,
    rules: BudgetPolicy,
    budget: Mutex<Budget>,
    clock: Arc<dyn Clock>,
    dice: Dice,
}

impl Retries {
    /// Retries by this policy within a budget of their own.
    ///
    /// # Errors
    /// `InvalidInput` that names a wrong setting.
    pub fn new(policy: RetryPolicy, rules: BudgetPolicy, clock: Arc<dyn Clock>) -> Result<Self> {
        rules.check()?;
        if policy.tries == 0 {
            return Err(Error::invalid("configure retry", "tries", "give at least 1"));
        }
        Ok(Self { policy, rules, budget: Mutex::default(), clock, dice: Dice::new() })
    }

    fn again(&self, failed: &Failed<'_>) -> Option<Duration> {
        let (now, dice) = (self.clock.now(), self.dice.roll());
        decide(&self.policy, (&mut self.budget.lock(), &self.rules), failed, now, dice)
    }

    /// Tries until it succeeds or is not to be tried again.
    ///
    /// # Errors
    /// Those of the last try.
    pub async fn run<T, F: Future<Output = Result<T>>>(
        &self,
        deadline: Option<Instant>,
        mut once: impl FnMut() -> F,
    ) -> Result<T> {
        self.budget.lock().request(&self.rules, self.clock.now());
        let mut tries = 1;
        loop {
            let error = match once().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let left = deadline.map(|deadline| deadline.saturating_duration_since(now()));
            let Some(wait) = self.again(&Failed { error: &error, tries, left }) else {
                return Err(if tries > 1 { error.with("tries", tries.to_string()) } else { error });
            };
            debug!(%error, tries, ?wait, "a call is made again");
            tokio::time::sleep(wait).await;
            tries += 1;
        }
    }
}

/// The moment by the runtime's clock, which tests hold.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// A model whose calls are made again by [`Retries`]. Returns when the answer begins, for until then it can be made anew.
///
/// Where somebody above [does so already](crate::chat::CallOptions::repeated_above) it does nothing: layers that all tried
/// three times would call 27 times.
pub struct RetryChat {
    inner: Arc<dyn ChatModel>,
    retries: Arc<Retries>,
}

impl RetryChat {
    /// The model with these retries.
    #[must_use]
    pub const fn new(inner: Arc<dyn ChatModel>, retries: Arc<Retries>) -> Self {
        Self { inner, retries }
    }
}

#[async_trait]
impl ChatModel for RetryChat {
    fn info(&self) -> &ChatModelInfo {
        self.inner.info()
    }

    async fn stream(&self, mut request: ChatRequest) -> Result<ChatStream> {
        if request.call.repeated_above {
            return self.inner.stream(request).await;
        }
        request.call.repeated_above = true;
        let once = || begun(self.inner.stream(request.clone()));
        self.retries.run(request.call.deadline, once).await
    }

    fn count_tokens(&self, text: &str) -> TokenCount {
        self.inner.count_tokens(text)
    }

    async fn check(&self) -> Result<()> {
        self.inner.check().await
    }
}
