//! One run, from its claim to its end.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt as _;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{info, warn};

use super::{
    Ended, Handler, HandlerRule, Shared, Work,
    work::{Held, Slot},
};
use crate::queue::{Claimed, Finish, JobError, Outcome};

/// Why a run was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Cancelled,
    TooSlow,
    Ending,
}

/// Runs a job, frees its slot, and stores how it ends, if it still may.
pub(super) async fn run(
    shared: &Shared,
    held: Held,
    slot: Slot,
    rule: HandlerRule,
    handler: Arc<dyn Handler>,
) {
    let Held { claimed: Claimed { job, scope }, cancel, lost, progress } = held;
    let (id, fence, kind) = (job.id, job.fence, job.kind.clone());
    let stop = CancellationToken::new();
    let work = Work { job, scope, stop: stop.clone(), progress };
    // A task of its own: a handler that blocks holds up one thread, and not this watch over it.
    let task =
        tokio::spawn(AssertUnwindSafe(async move { handler.run(work).await }).catch_unwind());
    let mut task = AbortOnDropHandle::new(task);
    let abort = task.abort_handle();

    let watch = async {
        tokio::select! {
            joined = &mut task => Some(ended(joined)),
            () = lost.cancelled() => None,
            why = why(shared, &cancel, rule) => {
                stop.cancel();
                tokio::select! {
                    joined = &mut task => return Some(told(why, ended(joined))),
                    () = lost.cancelled() => return None,
                    () = tokio::time::sleep(shared.config.grace) => {}
                }
                abort.abort();
                tokio::select! {
                    joined = &mut task => Some(told(why, ended(joined))),
                    () = lost.cancelled() => None,
                    () = tokio::time::sleep(shared.config.grace) => {
                        warn!(job = %id, %kind, "a run does not give way; it is left to its lease");
                        None
                    }
                }
            }
        }
    };
    let ended = watch.await;
    abort.abort();
    match ended {
        Some(Ended::With(outcome)) => {
            end(shared, Finish { id, fence, outcome }, slot, &lost).await;
        }
        Some(Ended::Stored) => {}
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

type Joined = Result<Result<Ended, Box<dyn std::any::Any + Send>>, tokio::task::JoinError>;

/// How the handler ended by itself; an aborted one gives its job back.
fn ended(joined: Joined) -> Ended {
    match joined {
        Ok(Ok(ended)) => ended,
        Ok(Err(_)) => failed("panicked", "Something went wrong while this was done.").into(),
        Err(_) => Outcome::Released.into(),
    }
}

/// How a run ended that was told to stop: what it has done counts, its haste is no failure of its own.
fn told(why: Why, ended: Ended) -> Ended {
    let Ended::With(outcome) = ended else { return ended };
    let outcome = match (why, outcome) {
        (_, done @ (Outcome::Completed { .. } | Outcome::Hopeless(_))) => done,
        (Why::Cancelled, _) => Outcome::Cancelled,
        (Why::TooSlow, _) => failed("timeout", "This took too long."),
        (Why::Ending, Outcome::Snoozed(delay)) => Outcome::Snoozed(delay),
        (Why::Ending, _) => Outcome::Released,
    };
    outcome.into()
}

fn failed(code: &str, message: &str) -> Outcome {
    let error = JobError { code: code.into(), message: message.into() };
    Outcome::Failed { error, not_before: std::time::Duration::ZERO }
}

/// Stores the end, most often behind the slot, which is free for another meanwhile.
async fn end(shared: &Shared, end: Finish, slot: Slot, lost: &CancellationToken) {
    if end.has_follow_ups() {
        // A transaction of its own: as many at once as there are slots.
        store(shared, end, lost).await;
        drop(slot);
    } else if let Some(_room) = lost.run_until_cancelled(shared.ends.acquire()).await {
        drop(slot);
        store(shared, end, lost).await;
    }
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
