use serde_json::json;

use super::*;
use crate::{TenantId, queue::NewJob};

const POLICY: QueuePolicy = QueuePolicy {
    lease: Duration::from_secs(60),
    backoff: Duration::from_secs(2),
    most_backoff: Duration::from_secs(900),
    most_crashes: 3,
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

fn running() -> Job {
    let job = NewJob::new("ingest", json!(1)).into_job(TenantId::from_u128(1), at(0));
    step(job, Event::Claim(WorkerId::new()), at(0), &POLICY).unwrap()
}

fn fail(job: Job, random: u64) -> Job {
    let error = JobError { code: "x".into(), message: "y".into() };
    let outcome = Outcome::Failed { error, not_before: Duration::ZERO };
    let event = Event::Finish { fence: job.fence, outcome, random };
    step(job, event, at(10), &POLICY).unwrap()
}

#[test]
fn y6_the_backoff_doubles_to_a_bound_and_is_spread_over_all_of_it() {
    let mut job = running();
    job.max_attempts = 1_000;
    for attempt in 1..100_u32 {
        let most = 2_u64.saturating_pow(attempt).min(900) * 1_000;
        for (random, wanted) in [(0, 0), (u64::MAX / 2, most / 2), (u64::MAX, most)] {
            let next = fail(job.clone(), random);
            let delay = next.run_at.since(at(10)).as_millis() as u64;
            assert!(delay.abs_diff(wanted) <= 1, "attempt {attempt}: {delay}, not {wanted}");
        }
        job = fail(job, 0);
        assert_eq!(job.attempt, attempt);
        job = step(job, Event::Claim(WorkerId::new()), at(10), &POLICY).unwrap();
    }
}

/// Q13: the database's clock is set back by 30 seconds.
#[test]
fn q13_a_heartbeat_never_shortens_a_lease() {
    let job =
        step(running(), Event::Heartbeat { fence: Fence(1), progress: None }, at(40), &POLICY);
    let job = job.unwrap();
    let back = Event::Heartbeat { fence: Fence(1), progress: None };
    let job = step(job, back, at(10), &POLICY).unwrap();
    assert_eq!(job.lease_until, Some(at(100)));
}

#[test]
fn only_the_run_that_has_the_job_moves_it() {
    let job = running();
    for fence in [Fence(0), Fence(2)] {
        let outcome = Outcome::Released;
        for event in [
            Event::Heartbeat { fence, progress: None },
            Event::Finish { fence, outcome, random: 0 },
            Event::Expire(fence),
        ] {
            assert_eq!(step(job.clone(), event, at(100), &POLICY), Err(Refusal::Stale));
        }
    }
    assert_eq!(step(job, Event::Expire(Fence(1)), at(60), &POLICY), Err(Refusal::NotNow));
}

#[test]
fn what_has_ended_stays_as_it_is() {
    for state in [JobState::Completed, JobState::Cancelled, JobState::Dead] {
        let job = Job { state, ..running() };
        let outcome = Outcome::completed(json!(2));
        for event in [
            Event::Due,
            Event::Claim(WorkerId::new()),
            Event::Heartbeat { fence: Fence(1), progress: None },
            Event::Finish { fence: Fence(1), outcome, random: 0 },
            Event::Expire(Fence(1)),
            Event::Cancel,
        ] {
            assert!(step(job.clone(), event, at(1_000), &POLICY).is_err());
        }
        assert_eq!(step(job, Event::Revive, at(1_000), &POLICY).is_ok(), state == JobState::Dead);
    }
}
