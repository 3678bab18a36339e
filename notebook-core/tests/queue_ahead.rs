//! Claims that a runner holds until it has a slot for them, and ends that it stores behind its slots.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use notebook_core::{
    Error, ErrorKind, Result, TenantId, TenantScope,
    clock::SystemClock,
    queue::{
        ClaimRequest, Claimed, Finish, Heartbeat, Job, JobId, JobState, KindRule, NewJob, Outcome,
        Pulse, Queue, QueuePolicy, WorkerId, Worklist,
        memory::MemoryQueue,
        runner::{Ended, Handler, HandlerRule, Handlers, Runner, RunnerConfig, Work},
    },
};
use parking_lot::Mutex;
use serde_json::json;
use tokio::{
    sync::{Notify, Semaphore},
    time::Instant,
};

/// A queue that counts, and stores no end before it may.
struct Watched {
    queue: MemoryQueue,
    /// How many jobs each claim brought.
    claims: Mutex<Vec<usize>>,
    /// How many ends each call stored, or tried to.
    ends: Mutex<Vec<usize>>,
    /// The jobs that were given back.
    released: AtomicUsize,
    /// Ends that may be stored.
    may_end: Semaphore,
    /// Calls to end something that fail.
    failing: AtomicUsize,
}

#[async_trait]
impl Worklist for Watched {
    async fn claim(&self, request: &ClaimRequest) -> Result<Vec<Claimed>> {
        let claimed = self.queue.claim(request).await?;
        self.claims.lock().push(claimed.len());
        Ok(claimed)
    }

    async fn heartbeat(&self, beats: Vec<Heartbeat>) -> Result<Vec<Pulse>> {
        self.queue.heartbeat(beats).await
    }

    async fn finish(&self, ends: Vec<Finish>) -> Result<Vec<bool>> {
        self.ends.lock().push(ends.len());
        if self.failing.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(Error::new(ErrorKind::Unavailable, "reach queue"));
        }
        let is_back = |end: &&Finish| end.outcome == Outcome::Released;
        let back = ends.iter().filter(is_back).count();
        self.released.fetch_add(back, SeqCst);
        if back < ends.len() {
            self.may_end.acquire_many(ends.len() as u32).await.unwrap().forget();
        }
        self.queue.finish(ends).await
    }

    async fn rescue(&self, limit: usize) -> Result<usize> {
        self.queue.rescue(limit).await
    }

    async fn take_back(&self, limit: usize) -> Result<usize> {
        self.queue.take_back(limit).await
    }

    async fn forget(&self, keep: Duration, limit: usize) -> Result<usize> {
        self.queue.forget(keep, limit).await
    }
}

/// Takes as many milliseconds as its job says.
struct Takes(Arc<Mutex<Vec<u64>>>);

#[async_trait]
impl Handler for Takes {
    async fn run(&self, work: Work) -> Ended {
        let millis = work.job.payload.as_u64().unwrap();
        self.0.lock().push(millis);
        tokio::time::sleep(Duration::from_millis(millis)).await;
        Outcome::Completed { result: json!(millis), follow_ups: Vec::new() }.into()
    }
}

struct Setup {
    queue: Arc<Watched>,
    bell: Arc<Notify>,
    scope: TenantScope,
    /// The runs that have begun: what their jobs said.
    begun: Arc<Mutex<Vec<u64>>>,
}

#[allow(clippy::disallowed_methods)]
fn setup() -> Setup {
    let queue = MemoryQueue::new(Arc::new(SystemClock), QueuePolicy::default());
    Setup {
        queue: Arc::new(Watched {
            queue,
            claims: Mutex::default(),
            ends: Mutex::default(),
            released: 0.into(),
            may_end: Semaphore::new(100_000),
            failing: 0.into(),
        }),
        bell: Arc::default(),
        scope: TenantScope::authenticated(TenantId::from_u128(1)),
        begun: Arc::default(),
    }
}

impl Setup {
    fn start(&self, slots: usize, heartbeat: Duration) -> Runner {
        let handlers =
            Handlers::new().with("x", HandlerRule::default(), Takes(Arc::clone(&self.begun)));
        let config = RunnerConfig { slots, heartbeat, ..RunnerConfig::default() };
        Runner::start(self.queue.clone(), handlers, self.bell.clone(), config).unwrap()
    }

    /// Stores jobs that take so many milliseconds, and returns them as they will be claimed.
    async fn insert(&self, millis: impl IntoIterator<Item = u64>) -> Vec<JobId> {
        let mut jobs: Vec<_> =
            millis.into_iter().map(|millis| NewJob::new("x", json!(millis))).collect();
        let mut ids: Vec<_> = jobs.iter().map(|job| job.id).collect();
        ids.sort();
        for (job, id) in jobs.iter_mut().zip(&ids) {
            job.id = *id;
        }
        let ids = self.queue.queue.insert(&self.scope, jobs).await.unwrap();
        self.bell.notify_one();
        ids
    }

    async fn job(&self, id: JobId) -> Job {
        self.queue.queue.job(&self.scope, id).await.unwrap()
    }

    async fn count(&self, ids: &[JobId], state: JobState) -> usize {
        let mut count = 0;
        for id in ids {
            count += usize::from(self.job(*id).await.state == state);
        }
        count
    }

    /// Waits until so many of the jobs are in a state.
    async fn until(&self, ids: &[JobId], state: JobState, wanted: usize) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let count = self.count(ids, state).await;
            if count == wanted {
                return;
            }
            assert!(Instant::now() < deadline, "{count} of {wanted} are {state:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// A hundred short runs, so that the runner knows that they are.
    async fn warm(&self) {
        let ids = self.insert([2; 100]).await;
        self.until(&ids, JobState::Completed, 100).await;
        self.begun.lock().clear();
    }
}

const HEARTBEAT: Duration = Duration::from_secs(20);

#[tokio::test(start_paused = true)]
async fn short_runs_are_claimed_by_many_at_once_and_all_end() {
    let setup = setup();
    let ids = setup.insert([2; 1_000]).await;
    let runner = setup.start(4, HEARTBEAT);
    setup.until(&ids, JobState::Completed, 1_000).await;
    let claims: Vec<usize> =
        setup.queue.claims.lock().iter().copied().filter(|size| *size > 0).collect();
    assert_eq!(claims[0], 4, "nothing is known yet: {claims:?}");
    // Four slots work 100 runs of 2 ms off in 50 ms.
    assert!(claims.len() < 40 && claims.iter().all(|size| *size <= 104), "{claims:?}");
    assert_eq!(setup.begun.lock().len(), 1_000);
    runner.shutdown(Duration::from_secs(5)).await;
    assert_eq!(setup.queue.released.load(SeqCst), 0);
}

/// Q33: what has not begun when the runner drains is given back at once, without blame; what runs goes on.
#[tokio::test(start_paused = true)]
async fn q33_held_claims_are_given_back_when_the_runner_drains() {
    let setup = setup();
    let runner = setup.start(4, HEARTBEAT);
    setup.warm().await;
    let ids = setup.insert([20; 60]).await;
    setup.until(&ids, JobState::Running, 60).await;
    let (begun, since) = (setup.begun.lock().len(), Instant::now());
    assert!((4..20).contains(&begun), "{begun}");
    runner.shutdown(Duration::from_secs(5)).await;
    assert!(since.elapsed() <= Duration::from_millis(30), "{:?}", since.elapsed());
    assert_eq!(setup.begun.lock().len(), begun);
    assert_eq!(setup.count(&ids, JobState::Completed).await, begun);
    assert_eq!(setup.count(&ids, JobState::Available).await, 60 - begun);
    for id in ids {
        let job = setup.job(id).await;
        assert_eq!((job.attempt, job.crash_count, job.snooze_count), (0, 0, 0));
    }
}

/// A run that turns out slow holds up its own slot only; where all slots are slow, what waits for them goes back.
#[tokio::test(start_paused = true)]
async fn claims_do_not_wait_behind_slow_runs() {
    let setup = setup();
    let runner = setup.start(2, HEARTBEAT);
    setup.warm().await;
    let ids = setup.insert([60_000].into_iter().chain([2; 40])).await;
    let since = Instant::now();
    setup.until(&ids, JobState::Completed, 40).await;
    assert!(since.elapsed() < Duration::from_millis(500), "by the other slot");
    assert_eq!(setup.queue.released.load(SeqCst), 0);
    // The other slot becomes slow too, with claims behind it.
    let since = Instant::now();
    let ids = setup.insert([60_000].into_iter().chain([2; 20])).await;
    setup.until(&ids, JobState::Running, 21).await;
    setup.until(&ids, JobState::Available, 20).await;
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(setup.count(&ids, JobState::Available).await, 20, "nobody claims them to hold them");
    assert_eq!(setup.queue.released.load(SeqCst), 20);
    runner.shutdown(Duration::from_millis(1)).await;
}

/// Q31: a job whose end is asked for while it is held does not begin. The heart beats in real time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q31_a_held_claim_that_is_cancelled_does_not_begin() {
    let setup = setup();
    let runner = setup.start(1, Duration::from_millis(20));
    setup.warm().await;
    let ids = setup.insert([300, 7, 2]).await;
    setup.until(&ids, JobState::Running, 3).await;
    setup.queue.queue.cancel(&setup.scope, ids[1]).await.unwrap();
    setup.until(&ids[1..2], JobState::Cancelled, 1).await;
    setup.until(&ids, JobState::Completed, 2).await;
    let begun = setup.begun.lock().clone();
    assert!(!begun.contains(&7), "{begun:?}");
    runner.shutdown(Duration::from_secs(5)).await;
}

/// Ends are stored behind the slots, but not without bound; shutdown waits until they are.
#[tokio::test(start_paused = true)]
async fn slots_wait_for_ends_that_are_not_stored_and_so_does_shutdown() {
    let setup = setup();
    let runner = setup.start(4, HEARTBEAT);
    setup.warm().await;
    let may_end = setup.queue.may_end.forget_permits(usize::MAX >> 4);
    assert!(may_end > 0);
    let ids = setup.insert([2; 1_000]).await;
    while setup.begun.lock().len() < 260 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    // 256 wait to be stored, and the four slots for them; what was held went back.
    assert_eq!(setup.begun.lock().len(), 260);
    assert_eq!(setup.count(&ids, JobState::Running).await, 260);
    let queue = Arc::clone(&setup.queue);
    let later = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(3)).await;
        queue.may_end.add_permits(2_000);
    });
    let since = Instant::now();
    runner.shutdown(Duration::from_secs(10)).await;
    assert!(since.elapsed() >= Duration::from_secs(3));
    later.await.unwrap();
    assert_eq!(setup.count(&ids, JobState::Completed).await, 260);
    assert_eq!(setup.count(&ids, JobState::Available).await, 740);
}

#[tokio::test(start_paused = true)]
async fn claims_are_given_back_again_when_that_fails() {
    let setup = setup();
    let runner = setup.start(1, HEARTBEAT);
    setup.warm().await;
    let ids = setup.insert([60_000, 2, 2, 2]).await;
    setup.until(&ids, JobState::Running, 4).await;
    setup.queue.failing.store(3, SeqCst);
    setup.until(&ids, JobState::Available, 3).await;
    assert_eq!(setup.queue.failing.load(SeqCst), 0);
    assert_eq!(setup.queue.ends.lock().iter().filter(|size| **size == 3).count(), 4);
    runner.shutdown(Duration::from_millis(1)).await;
}

/// Q21: jobs that were claimed with one that takes its workers down are not claimed in its company again and again.
#[tokio::test(start_paused = true)]
async fn q21_a_claim_with_a_crash_has_no_others_behind_it() {
    let setup = setup();
    let ids = setup.insert([2; 50]).await;
    // Another worker had them, and was lost.
    let kinds = [("x".to_owned(), KindRule::default())].into();
    let request = ClaimRequest { worker: WorkerId::new(), kinds, per_tenant: None, max: 100 };
    assert_eq!(setup.queue.queue.claim(&request).await.unwrap().len(), 50);
    assert_eq!(setup.queue.take_back(1_000).await.unwrap(), 50);
    let runner = setup.start(2, HEARTBEAT);
    setup.until(&ids, JobState::Completed, 50).await;
    let claims = setup.queue.claims.lock().clone();
    assert!(claims.iter().all(|size| *size <= 2), "{claims:?}");
    runner.shutdown(Duration::from_secs(5)).await;
}
