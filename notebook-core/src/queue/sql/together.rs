//! Calls of one kind that come while another is under way, made as one: what a writer's group commit is to a file.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::{BoxFuture, join_all};
use parking_lot::Mutex;
use tokio::{sync::oneshot, time::timeout};
use tracing::warn;

use crate::{Error, ErrorKind, Result, Retry};

/// The most calls in one.
const TOGETHER: usize = 256;
/// One that has been under way for so long, such as one that waits for a row, holds up no others.
const SLOW: Duration = Duration::from_millis(50);
/// The most at the same time.
const AT_ONCE: usize = 4;

/// Makes the calls: an output for each input, or an error for all.
type Make<I, O> = Arc<dyn Fn(Vec<I>) -> BoxFuture<'static, Result<Vec<O>>> + Send + Sync>;

/// Calls with inputs `I` and outputs `O`. Clones share them.
pub(super) struct Together<I, O> {
    operation: &'static str,
    make: Make<I, O>,
    waiting: Arc<Mutex<Waiting<I, O>>>,
}

impl<I, O> Clone for Together<I, O> {
    fn clone(&self) -> Self {
        let (make, waiting) = (Arc::clone(&self.make), Arc::clone(&self.waiting));
        Self { operation: self.operation, make, waiting }
    }
}

struct Waiting<I, O> {
    calls: Vec<Call<I, O>>,
    /// How many tasks make them.
    at_once: usize,
    /// When one of these last began with some.
    begun: Instant,
}

/// A task's place among those that make calls, given up however it ends.
struct Place<I, O> {
    waiting: Arc<Mutex<Waiting<I, O>>>,
    is_left: bool,
}

impl<I, O> Drop for Place<I, O> {
    fn drop(&mut self) {
        if !self.is_left {
            self.waiting.lock().at_once -= 1;
        }
    }
}

struct Call<I, O> {
    input: I,
    reply: oneshot::Sender<Result<O>>,
}

impl<I, O> Waiting<I, O> {
    /// Whether nobody makes the calls that wait, or those who do are slow; counts a further task if so.
    fn needs_a_task(&mut self) -> bool {
        let slow = self.begun.elapsed() > SLOW && self.at_once < AT_ONCE;
        let needs = !self.calls.is_empty() && (self.at_once == 0 || slow);
        if needs {
            self.at_once += 1;
            self.begun = Instant::now();
        }
        needs
    }
}

impl<I: Clone + Send + 'static, O: Send + 'static> Together<I, O> {
    pub(super) fn new(
        operation: &'static str,
        make: impl Fn(Vec<I>) -> BoxFuture<'static, Result<Vec<O>>> + Send + Sync + 'static,
    ) -> Self {
        let waiting = Waiting { calls: Vec::new(), at_once: 0, begun: Instant::now() };
        Self { operation, make: Arc::new(make), waiting: Arc::new(Mutex::new(waiting)) }
    }

    /// Makes a call, alone or with others. It happens even if its caller goes away.
    pub(super) async fn call(&self, input: I) -> Result<O> {
        let (reply, mut answer) = oneshot::channel();
        self.waiting.lock().calls.push(Call { input, reply });
        loop {
            if self.waiting.lock().needs_a_task() {
                tokio::spawn(self.clone().make_all());
            }
            if let Ok(answered) = timeout(SLOW, &mut answer).await {
                let gone = Error::new(ErrorKind::Unavailable, self.operation);
                return answered.unwrap_or_else(|_| Err(gone.retry(Retry::Backoff)));
            }
        }
    }

    /// Makes calls as long as there are some.
    async fn make_all(self) {
        let mut place = Place { waiting: Arc::clone(&self.waiting), is_left: false };
        loop {
            let calls = {
                let mut waiting = self.waiting.lock();
                let most = waiting.calls.len().min(TOGETHER);
                if most == 0 {
                    // With the look: nobody adds a call between the two.
                    waiting.at_once -= 1;
                    place.is_left = true;
                    return;
                }
                waiting.begun = Instant::now();
                waiting.calls.drain(..most).collect()
            };
            self.make(calls).await;
        }
    }

    async fn make(&self, calls: Vec<Call<I, O>>) {
        let inputs: Vec<I> = calls.iter().map(|call| call.input.clone()).collect();
        if calls.len() > 1 {
            match (self.make)(inputs).await {
                Ok(outputs) => {
                    for (call, output) in calls.into_iter().zip(outputs) {
                        // The caller may have gone; what was done stays done.
                        let _ = call.reply.send(Ok(output));
                    }
                    return;
                }
                Err(error) if error.is_retryable() => {
                    // None of them is the reason: each alone would only add to it.
                    warn!(%error, calls = calls.len(), "calls failed together");
                    for call in calls {
                        let failed = Error::new(error.kind(), self.operation);
                        let _ = call.reply.send(Err(failed.retry(error.retry_status())));
                    }
                    return;
                }
                Err(_) => {}
            }
        }
        // One of them may be the reason why not all could be made: none suffers for another.
        join_all(calls.into_iter().map(async |call| {
            let made = (self.make)(vec![call.input]).await;
            let missing = || Error::new(ErrorKind::Internal, self.operation);
            let _ =
                call.reply.send(made.and_then(|made| made.into_iter().next().ok_or_else(missing)));
        }))
        .await;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    /// Calls that come together are made together; one that fails fails alone.
    #[tokio::test]
    async fn calls_go_together_and_fail_alone() {
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&sizes);
        let calls = Together::new("double", move |inputs: Vec<u32>| {
            seen.lock().push(inputs.len());
            async move {
                tokio::task::yield_now().await;
                if inputs.contains(&13) {
                    return Err(Error::invalid("double", "number", "give another"));
                }
                Ok(inputs.into_iter().map(|number| number * 2).collect())
            }
            .boxed()
        });
        let made = join_all((0..100).map(|number| calls.call(number))).await;
        for (number, made) in made.into_iter().enumerate() {
            match number {
                13 => assert_eq!(made.unwrap_err().kind(), ErrorKind::InvalidInput),
                _ => assert_eq!(made.unwrap(), number as u32 * 2),
            }
        }
        let sizes = std::mem::take(&mut *sizes.lock());
        assert!(sizes.iter().any(|size| *size > 50), "{sizes:?}");
        assert_eq!(calls.call(4).await.unwrap(), 8, "a call after the others");
    }

    /// A call that hangs holds up no other for long, and a caller that goes away leaves its call to be made.
    #[tokio::test]
    async fn a_call_that_hangs_is_passed_by() {
        let made = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&made);
        let calls = Together::new("make", move |inputs: Vec<u32>| {
            let seen = Arc::clone(&seen);
            async move {
                if inputs == [0] {
                    futures::future::pending::<()>().await;
                }
                seen.lock().extend(inputs.clone());
                Ok(inputs)
            }
            .boxed()
        });
        let hanging = calls.clone();
        let hanging = tokio::spawn(async move { hanging.call(0).await });
        while calls.waiting.lock().at_once == 0 {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(SLOW * 2).await;
        assert!(calls.call(1).now_or_never().is_none(), "it is dropped at once");
        assert_eq!(calls.call(2).await.unwrap(), 2);
        assert_eq!(*made.lock(), [1, 2]);
        hanging.abort();
    }
}
