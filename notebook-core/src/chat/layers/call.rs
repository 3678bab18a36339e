//! The layers around calls whose answer comes whole: vectors of texts, scores of passages.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::{self, timeout_at};

use super::{Breaker, Hedge, Limit, Retries};
use crate::{Error, ErrorKind, Result, Retry, TenantScope};

/// What stands around calls whose answer comes whole. From the outside:
///
/// | layer | one for | does |
/// |---|---|---|
/// | the moment in [`Asked`] | a call | ends everything within; no try is begun that cannot end before |
/// | [`Retries`] | a provider | makes a call again that failed, within the budget that its other calls have too |
/// | [`Limit`] | a provider and a use | bounds the calls at once, fair among tenants |
/// | [`Hedge`] | a model | makes a call once more that takes long; both are one call for the layers around |
/// | [`Breaker`] | a model | makes no calls while the provider does not work; the loser of two says nothing about it |
/// | `timeout` | a call | ends a try whose provider is silent |
///
/// It is the order of [`Stack`](super::Stack), for the same reasons. The hedge stands within the limit, so that nobody waits in
/// line a second time, and what is measured is the provider and not the line; and around the breaker, so that a
/// second call is not made to a provider that is left alone by then.
#[derive(Clone, Default)]
pub struct CallLayers {
    /// How long a try may take.
    pub timeout: Option<Duration>,
    /// The breaker of the model.
    pub breaker: Option<Arc<Breaker>>,
    /// Whether calls are made twice that take long.
    pub hedge: Option<Arc<Hedge>>,
    /// The limit of those who use the model for the same.
    pub limit: Option<Arc<Limit>>,
    /// The retries of the provider.
    pub retries: Option<Arc<Retries>>,
}

/// For whom a call is made, and until when.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// The tenant, where there is one.
    pub scope: Option<&'a TenantScope>,
    /// When nobody waits any more.
    pub deadline: Option<Instant>,
    /// Whether it is like those that [`CallLayers::hedge`] knows.
    pub hedged: bool,
}

impl CallLayers {
    /// Makes a call, perhaps several times.
    ///
    /// # Errors
    /// Those of the last try; `Timeout` when it took too long; `Unavailable` or `RateLimited` when no call was made.
    pub async fn call<T, F>(
        &self,
        asked: Asked<'_>,
        once: impl Fn() -> F + Send + Sync,
    ) -> Result<T>
    where
        T: Send,
        F: Future<Output = Result<T>> + Send,
    {
        let repeated = async {
            match &self.retries {
                Some(retries) => retries.run(asked.deadline, || self.in_turn(asked, &once)).await,
                None => self.in_turn(asked, &once).await,
            }
        };
        match asked.deadline {
            Some(deadline) => timeout_at(time::Instant::from_std(deadline), repeated)
                .await
                .unwrap_or_else(|_| Err(too_long("time of the whole call", Retry::Never))),
            None => repeated.await,
        }
    }

    async fn in_turn<T, F: Future<Output = Result<T>>>(
        &self,
        asked: Asked<'_>,
        once: &impl Fn() -> F,
    ) -> Result<T> {
        let turn = match &self.limit {
            Some(limit) => Some(limit.turn(asked.scope, asked.deadline).await?),
            None => None,
        };
        let result = match &self.hedge {
            Some(hedge) if asked.hedged => hedge.run(|| self.tried(once)).await,
            _ => self.tried(once).await,
        };
        match (turn, &result) {
            (Some(mut turn), Ok(_)) => turn.began(),
            (Some(turn), Err(error)) => turn.failed(error),
            (None, _) => {}
        }
        result
    }

    async fn tried<T, F: Future<Output = Result<T>>>(&self, once: &impl Fn() -> F) -> Result<T> {
        let passing = self.breaker.as_ref().map(Breaker::pass).transpose()?;
        let result = match self.timeout {
            Some(timeout) => time::timeout(timeout, once())
                .await
                .unwrap_or_else(|_| Err(too_long("time of a try", Retry::Backoff))),
            None => once().await,
        };
        match (passing, &result) {
            (Some(mut passing), Ok(_)) => {
                passing.began();
                passing.whole();
            }
            (Some(passing), Err(error)) => passing.failed(error),
            (None, _) => {}
        }
        result
    }
}

fn too_long(what: &'static str, retry: Retry) -> Error {
    Error::new(ErrorKind::Timeout, "call model").with("limit", what).retry(retry)
}
