//! One run, from its claim to its end.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Handler, HandlerRule, Shared, Work};
use crate::queue::{Claimed, Finish, JobError, Outcome};

/// Why a run was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Cancelled,
    TooSlow,
    Ending,
}

/// Runs a job that was `asked` for at that moment, and stores how it ends, if it still may.
pub(super) async fn run(
    shared: &Shared,
    claimed: Claimed,
    asked: Instant,
    rule: HandlerRule,
    handler: Arc<dyn Handler>,
) {
    let Claimed { job, scope } = claimed;
    let (id, fence, kind) = (job.id, job.fence, job.kind.clone());
    let progress = Arc::default();
    let (cancel, lost) = shared.heart.add(id, fence, asked, Arc::clone(&progress));
    let stop = CancellationToken::new();
    let work = Work { job, scope, stop: stop.clone(), progress };
    // A task of its own: a handler that blocks holds up one thread, and not this watch over it.
    let mut task =
        tokio::spawn(AssertUnwindSafe(async move { handler.run(work).await }).catch_unwind());
    let abort = task.abort_handle();

    let watch = async {
        tokio::select! {
            ended = &mut task => Some(outcome(ended)),
            () = lost.cancelled() => None,
            why = why(shared, &cancel, rule) => {
                stop.cancel();
                tokio::select! {
                    ended = &mut task => return Some(told(why, outcome(ended))),
                    () = lost.cancelled() => return None,
                    () = tokio::time::sleep(shared.config.grace) => {}
                }
                abort.abort();
                tokio::select! {
                    ended = &mut task => Some(told(why, outcome(ended))),
                    () = lost.cancelled() => None,
                    () = tokio::time::sleep(shared.config.grace) => {
                        warn!(job = %id, %kind, "a run does not give way; it is left to its lease");
                        None
                    }
                }
            }
        }
    };
    let outcome = watch.await;
    abort.abort();
    match outcome {
        Some(outcome) => store(shared, Finish { id, fence, outcome }, &lost).await,
        None => warn!(job = %id, %kind, "a run was given up; another may have the job"),
    }
    shared.heart.remove(id, fence);
}

async fn why(shared: &Shared, cancel: &CancellationToken, rule: HandlerRule) -> Why {
    tokio::select! {
        () = cancel.cancelled() => Why::Cancelled,
        () = shared.ending.cancelled() => Why::Ending,
        () = tokio::time::sleep(rule.timeout) => Why::TooSlow,
    }
}

type Ended = Result<Result<Outcome, Box<dyn std::any::Any + Send>>, tokio::task::JoinError>;

/// How the handler ended by itself; an aborted one gives its job back.
fn outcome(ended: Ended) -> Outcome {
    match ended {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => failed("panicked", "Something went wrong while this was done."),
        Err(_) => Outcome::Released,
    }
}

/// How a run ended that was told to stop: what it has done counts, its haste is no failure of its own.
fn told(why: Why, outcome: Outcome) -> Outcome {
    match (why, outcome) {
        (_, done @ (Outcome::Completed { .. } | Outcome::Hopeless(_))) => done,
        (Why::Cancelled, _) => Outcome::Cancelled,
        (Why::TooSlow, _) => failed("timeout", "This took too long."),
        (Why::Ending, Outcome::Snoozed(delay)) => Outcome::Snoozed(delay),
        (Why::Ending, _) => Outcome::Released,
    }
}

fn failed(code: &str, message: &str) -> Outcome {
    let error = JobError { code: code.into(), message: message.into() };
    Outcome::Failed { error, not_before: std::time::Duration::ZERO }
}

/// Stores the end, again and again as long as the lease is kept.
async fn store(shared: &Shared, end: Finish, lost: &CancellationToken) {
    let mut wait = std::time::Duration::from_millis(50);
    loop {
        match shared.worklist.finish(vec![end.clone()]).await {
            Ok(counted) => {
                if counted.first() != Some(&true) {
                    info!(job = %end.id, "a run ended after its job was taken away");
                }
                return;
            }
            Err(error) => warn!(job = %end.id, %error, "the end of a run could not be stored"),
        }
        if lost.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
        wait = (wait * 2).min(shared.config.poll);
    }
}
