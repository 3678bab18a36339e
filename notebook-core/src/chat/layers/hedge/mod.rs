//! Makes a call a second time that takes long, and ends the one that loses.

mod decide;
#[cfg(test)]
mod tests;

use std::{future::Future, pin::pin};

use futures::future::{Either, select};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};
use tracing::debug;

pub use decide::{HedgeEvent, HedgePolicy, HedgeReply, HedgeSnapshot, Hedging};

use crate::Result;

/// The calls of one model that are alike: [`Hedging`] with a clock. All that make such calls share it.
///
/// Only for calls that change nothing, and that take about the same time: what is late is measured by the others.
pub struct Hedge {
    policy: HedgePolicy,
    state: Mutex<Hedging>,
}

impl Hedge {
    /// Nothing is known yet.
    ///
    /// # Errors
    /// `InvalidInput` that names a wrong setting.
    pub fn new(policy: HedgePolicy) -> Result<Self> {
        policy.check()?;
        Ok(Self { policy, state: Mutex::default() })
    }

    /// What is to be seen of it.
    #[must_use]
    pub fn snapshot(&self) -> HedgeSnapshot {
        self.state.lock().snapshot(&self.policy)
    }

    fn step(&self, event: HedgeEvent) -> HedgeReply {
        self.state.lock().step(&self.policy, event)
    }

    /// Calls; and once more where that takes long, and takes what comes first. The other one is dropped, which ends it.
    /// Where one fails while the other is under way, the other's answer is waited for.
    ///
    /// # Errors
    /// Those of the first call, if both fail.
    pub async fn run<T, F: Future<Output = Result<T>>>(&self, once: impl Fn() -> F) -> Result<T> {
        let began = Instant::now();
        let answered = |result: Result<T>, by_second: bool| {
            // How quickly it fails says nothing about how long an answer takes.
            if result.is_ok() {
                self.step(HedgeEvent::Answered { took: began.elapsed(), by_second });
            }
            result
        };
        let mut first = pin!(once());
        let HedgeReply::Wait(after) = self.step(HedgeEvent::Began) else {
            return answered(first.await, false);
        };
        match select(first.as_mut(), pin!(sleep(after))).await {
            Either::Left((result, _)) => return answered(result, false),
            Either::Right(_) if self.step(HedgeEvent::Late) == HedgeReply::Second => {}
            Either::Right(_) => return answered(first.await, false),
        }
        debug!(?after, "a call takes long and is made once more");
        match select(first, pin!(once())).await {
            Either::Left((Ok(value), _)) => answered(Ok(value), false),
            Either::Left((Err(error), second)) => answered(second.await.map_err(|_| error), true),
            Either::Right((Ok(value), _)) => answered(Ok(value), true),
            Either::Right((Err(_), first)) => answered(first.await, false),
        }
    }
}
