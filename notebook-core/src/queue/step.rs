//! What a job becomes: the one place that decides it, for every adapter.

use std::time::Duration;

use serde_json::Value;

use super::{Fence, Job, JobError, JobState, Outcome, QueuePolicy, WorkerId};
use crate::{Timestamp, model::Progress};

/// Something that happens to a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Its time may have come.
    Due,
    /// A worker takes it.
    Claim(WorkerId),
    /// Its run shows that it lives.
    Heartbeat {
        /// The run's fence.
        fence: Fence,
        /// How far it has come.
        progress: Option<Progress>,
    },
    /// Its run ends.
    Finish {
        /// The run's fence.
        fence: Fence,
        /// How. Follow-up jobs are the adapter's to store.
        outcome: Outcome,
        /// Any number: where within the backoff the next run lies.
        random: u64,
    },
    /// Its lease may have run out; the fence is that of the row as it was read.
    Expire(Fence),
    /// Its worker is known to be gone; the fence is that of the row as it was read.
    Lose(Fence),
    /// Somebody asks for its end.
    Cancel,
    /// Somebody gives it a new budget.
    Revive,
}

/// Why nothing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The job is not in a state where this can happen, or its time has not come.
    NotNow,
    /// The run that says so is not the one that has the job.
    Stale,
}

/// The job after `event`, or why it stays as it is.
///
/// # Errors
/// The refusal; nothing is to be stored then.
pub fn step(
    mut job: Job,
    event: Event,
    now: Timestamp,
    policy: &QueuePolicy,
) -> Result<Job, Refusal> {
    let is_lost = matches!(event, Event::Lose(_));
    match event {
        Event::Due => {
            check(job.state == JobState::Scheduled && job.run_at <= now)?;
            job.state = JobState::Available;
        }
        Event::Claim(worker) => {
            check(job.state == JobState::Available)?;
            job.state = JobState::Running;
            job.fence = Fence(job.fence.0 + 1);
            job.worker = Some(worker);
            job.lease_until = Some(lease(now, policy));
            job.progress = Progress::default();
        }
        Event::Heartbeat { fence, progress } => {
            owned(&job, fence)?;
            // A clock that was set back must not shorten what was promised.
            job.lease_until = job.lease_until.max(Some(lease(now, policy)));
            job.progress = progress.unwrap_or(job.progress);
        }
        Event::Finish { fence, outcome, random } => {
            owned(&job, fence)?;
            finish(&mut job, outcome, random, now, policy);
        }
        Event::Expire(fence) | Event::Lose(fence) => {
            owned(&job, fence)?;
            check(is_lost || job.lease_until.is_some_and(|until| until < now))?;
            job.crash_count += 1;
            if job.cancel_requested {
                end(&mut job, JobState::Cancelled, now);
            } else if job.crash_count >= policy.most_crashes {
                job.error = Some(JobError {
                    code: "worker_lost".into(),
                    message: format!("{} workers ended while they had this job", job.crash_count),
                });
                end(&mut job, JobState::Dead, now);
            } else {
                wait(&mut job, Duration::ZERO, now);
            }
        }
        Event::Cancel => {
            check(!job.state.is_final())?;
            job.cancel_requested = true;
            // The unique key of a job that runs is kept until its run is known to have stopped.
            if job.state != JobState::Running {
                end(&mut job, JobState::Cancelled, now);
            }
        }
        Event::Revive => {
            check(job.state == JobState::Dead)?;
            job.attempt = 0;
            job.crash_count = 0;
            job.snooze_count = 0;
            job.cancel_requested = false;
            job.finished_at = None;
            wait(&mut job, Duration::ZERO, now);
        }
    }
    Ok(job)
}

/// Until when a job is its worker's that is claimed or kept at `now`.
pub(super) fn lease(now: Timestamp, policy: &QueuePolicy) -> Timestamp {
    now.after(policy.lease)
}

const fn check(allowed: bool) -> Result<(), Refusal> {
    if allowed { Ok(()) } else { Err(Refusal::NotNow) }
}

/// Whether it is the run with this fence that has the job.
pub(super) fn has(job: &Job, fence: Fence) -> bool {
    job.state == JobState::Running && job.fence == fence
}

/// Whether a job is what the end of the run with this fence made of it: who says it again is told that it has counted.
/// Of results, and of what made a job dead: one that waits again, or is cancelled, may be so for another reason.
pub(super) fn has_ended_so(job: &Job, fence: Fence, outcome: &Outcome) -> bool {
    job.fence == fence
        && match outcome {
            Outcome::Completed { result, .. } => {
                job.state == JobState::Completed && job.result.as_ref() == Some(result)
            }
            Outcome::Hopeless(error) | Outcome::Failed { error, .. } => {
                job.state == JobState::Dead && job.error.as_ref() == Some(error)
            }
            Outcome::Cancelled | Outcome::Snoozed(_) | Outcome::Released => false,
        }
}

fn owned(job: &Job, fence: Fence) -> Result<(), Refusal> {
    if has(job, fence) { Ok(()) } else { Err(Refusal::Stale) }
}

fn finish(job: &mut Job, outcome: Outcome, random: u64, now: Timestamp, policy: &QueuePolicy) {
    match outcome {
        Outcome::Completed { result, .. } => {
            job.result = Some(result);
            job.error = None;
            end(job, JobState::Completed, now);
        }
        Outcome::Cancelled => end(job, JobState::Cancelled, now),
        Outcome::Hopeless(error) => {
            job.attempt += 1;
            job.error = Some(error);
            end(job, JobState::Dead, now);
        }
        Outcome::Failed { error, not_before } => {
            job.error = Some(error);
            job.attempt += 1;
            if job.cancel_requested {
                end(job, JobState::Cancelled, now);
            } else if job.attempt >= job.max_attempts {
                end(job, JobState::Dead, now);
            } else {
                let delay = backoff(job.attempt, random, policy).max(not_before);
                wait(job, delay, now);
            }
        }
        // A run that gives way while its end is asked for has reached its end.
        Outcome::Snoozed(_) | Outcome::Released if job.cancel_requested => {
            end(job, JobState::Cancelled, now);
        }
        Outcome::Snoozed(delay) => {
            job.snooze_count = job.snooze_count.saturating_add(1);
            wait(job, delay.min(policy.most_backoff), now);
        }
        Outcome::Released => wait(job, Duration::ZERO, now),
    }
}

/// Full jitter: anywhere between nothing and a bound that doubles.
fn backoff(attempt: u32, random: u64, policy: &QueuePolicy) -> Duration {
    let doubled = policy.backoff.saturating_mul(1_u32.checked_shl(attempt - 1).unwrap_or(u32::MAX));
    let most = doubled.min(policy.most_backoff).as_millis();
    let share = (u128::from(random) * most) >> 64;
    Duration::from_millis(u64::try_from(share).unwrap_or(u64::MAX))
}

fn wait(job: &mut Job, delay: Duration, now: Timestamp) {
    job.run_at = now.after(delay);
    job.state = if job.run_at > now { JobState::Scheduled } else { JobState::Available };
    job.lease_until = None;
    job.worker = None;
}

fn end(job: &mut Job, state: JobState, now: Timestamp) {
    job.state = state;
    job.finished_at = Some(now);
    job.lease_until = None;
    job.worker = None;
    if state != JobState::Completed {
        job.result = None::<Value>;
    }
}

#[cfg(test)]
mod tests;
