//! The runner: handlers that panic, block, spin, are slow or lose their lease.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use notebook_core::{
    Error, ErrorKind, Result, TenantId, TenantScope,
    clock::SystemClock,
    model::Progress,
    queue::{
        ClaimRequest, Claimed, Finish, Heartbeat, Job, JobId, JobState, NewJob, Outcome, Pulse,
        Queue, QueuePolicy, Worklist,
        memory::MemoryQueue,
        runner::{Ended, Handler, HandlerRule, Handlers, Runner, RunnerConfig, Work},
    },
};
use serde_json::json;
use tokio::sync::Notify;

const LEASE: Duration = Duration::from_millis(1_200);

fn config() -> RunnerConfig {
    RunnerConfig {
        poll: Duration::from_millis(50),
        lease: LEASE,
        heartbeat: Duration::from_millis(300),
        safety: Duration::from_millis(300),
        grace: Duration::from_millis(150),
        ..RunnerConfig::default()
    }
}

/// A handler made of a function.
struct Do<F>(F);

#[async_trait]
impl<F, R> Handler for Do<F>
where
    F: Fn(Work) -> R + Send + Sync + 'static,
    R: Future<Output: Into<Ended>> + Send,
{
    async fn run(&self, work: Work) -> Ended {
        (self.0)(work).await.into()
    }
}

fn done(result: serde_json::Value) -> Outcome {
    Outcome::completed(result)
}

/// A queue whose workers' side can be cut off.
struct Cuttable {
    queue: MemoryQueue,
    cut: AtomicBool,
    /// The first ends that are lost on their way.
    lose_ends: AtomicUsize,
}

impl Cuttable {
    fn check(&self) -> Result<()> {
        if self.cut.load(SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, "reach queue"));
        }
        Ok(())
    }
}

#[async_trait]
impl Worklist for Cuttable {
    async fn claim(&self, request: &ClaimRequest) -> Result<Vec<Claimed>> {
        self.check()?;
        self.queue.claim(request).await
    }

    async fn heartbeat(&self, beats: Vec<Heartbeat>) -> Result<Vec<Pulse>> {
        self.check()?;
        self.queue.heartbeat(beats).await
    }

    async fn finish(&self, ends: Vec<Finish>) -> Result<Vec<bool>> {
        self.check()?;
        if self.lose_ends.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(Error::new(ErrorKind::Unavailable, "reach queue"));
        }
        self.queue.finish(ends).await
    }

    async fn rescue(&self, limit: usize) -> Result<usize> {
        self.check()?;
        self.queue.rescue(limit).await
    }

    async fn take_back(&self, limit: usize) -> Result<usize> {
        self.check()?;
        self.queue.take_back(limit).await
    }

    async fn forget(&self, keep: Duration, limit: usize) -> Result<usize> {
        self.queue.forget(keep, limit).await
    }
}

struct Setup {
    queue: Arc<Cuttable>,
    bell: Arc<Notify>,
    scope: TenantScope,
}

#[allow(clippy::disallowed_methods)]
fn setup() -> Setup {
    let policy =
        QueuePolicy { lease: LEASE, backoff: Duration::from_millis(1), ..QueuePolicy::default() };
    let queue = MemoryQueue::new(Arc::new(SystemClock), policy);
    Setup {
        queue: Arc::new(Cuttable { queue, cut: false.into(), lose_ends: 0.into() }),
        bell: Arc::default(),
        scope: TenantScope::authenticated(TenantId::from_u128(1)),
    }
}

impl Setup {
    fn start(&self, rule: HandlerRule, handler: impl Handler) -> Runner {
        let handlers = Handlers::new().with("x", rule, handler);
        Runner::start(self.queue.clone(), handlers, self.bell.clone(), config()).unwrap()
    }

    async fn insert(&self, payload: serde_json::Value) -> JobId {
        let ids = self.queue.queue.insert(&self.scope, vec![NewJob::new("x", payload)]);
        let id = ids.await.unwrap()[0];
        self.bell.notify_one();
        id
    }

    async fn job(&self, id: JobId) -> Job {
        self.queue.queue.job(&self.scope, id).await.unwrap()
    }

    /// The job, once it is as wanted.
    async fn until(&self, id: JobId, wanted: impl Fn(&Job) -> bool) -> Job {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let job = self.job(id).await;
            if wanted(&job) {
                return job;
            }
            assert!(Instant::now() < deadline, "{job:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn ended(&self, id: JobId) -> Job {
        self.until(id, |job| job.state.is_final()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_jobs_than_slots_all_end_and_progress_is_seen() {
    let setup = setup();
    let most = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let seen = most.clone();
    let runner = setup.start(
        HandlerRule::default(),
        Do(move |work: Work| {
            let seen = seen.clone();
            async move {
                let now = seen.0.fetch_add(1, SeqCst) + 1;
                seen.1.fetch_max(now, SeqCst);
                tokio::time::sleep(Duration::from_millis(5)).await;
                seen.0.fetch_sub(1, SeqCst);
                done(work.job.payload)
            }
        }),
    );
    let mut ids = Vec::new();
    for number in 0..100 {
        ids.push(setup.insert(json!(number)).await);
    }
    for (number, id) in ids.into_iter().enumerate() {
        let job = setup.ended(id).await;
        assert_eq!((job.state, job.result), (JobState::Completed, Some(json!(number))));
    }
    assert!((2..=config().slots).contains(&most.1.load(SeqCst)));
    runner.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_stored_while_a_run_goes_on() {
    let setup = setup();
    let runner = setup.start(
        HandlerRule::default(),
        Do(async |work: Work| {
            work.progress(Progress { done: 3, total: 9 });
            work.stop.cancelled().await;
            Outcome::Cancelled
        }),
    );
    let id = setup.insert(json!(1)).await;
    setup.until(id, |job| job.progress == Progress { done: 3, total: 9 }).await;
    setup.queue.queue.cancel(&setup.scope, id).await.unwrap();
    assert_eq!(setup.ended(id).await.state, JobState::Cancelled);
    runner.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q22_a_panic_ends_its_own_run_only() {
    let setup = setup();
    let runner = setup.start(
        HandlerRule::default(),
        Do(async |work: Work| {
            assert!(work.job.payload != json!("bad"), "on purpose");
            done(json!(1))
        }),
    );
    let (bad, good) = (setup.insert(json!("bad")).await, setup.insert(json!("good")).await);
    assert_eq!(setup.ended(good).await.state, JobState::Completed);
    let job = setup.ended(bad).await;
    assert_eq!((job.state, job.attempt, job.crash_count), (JobState::Dead, 5, 0));
    assert_eq!(job.error.unwrap().code, "panicked");
    runner.shutdown(Duration::from_secs(5)).await;
}

/// Q23: on a single executor thread, blocked for three leases.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn q23_a_handler_that_blocks_keeps_its_job() {
    let setup = setup();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let runner = setup.start(
        HandlerRule::default(),
        Do(move |_| {
            counted.fetch_add(1, SeqCst);
            std::thread::sleep(LEASE * 3);
            async { done(json!("slept")) }
        }),
    );
    let id = setup.insert(json!(1)).await;
    // Somebody else would take it, if it could be taken.
    let other = setup.queue.clone();
    let taker = std::thread::spawn(move || {
        let until = Instant::now() + LEASE * 3;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut taken = 0;
        while Instant::now() < until {
            taken += runtime.block_on(other.rescue(10)).unwrap();
            std::thread::sleep(Duration::from_millis(20));
        }
        taken
    });
    let job = setup.ended(id).await;
    assert_eq!((job.state, job.crash_count, job.fence.0), (JobState::Completed, 0, 1));
    assert_eq!((taker.join().unwrap(), runs.load(SeqCst)), (0, 1));
    runner.shutdown(Duration::from_secs(5)).await;
}

/// A kind that may have few runs at once in a process leaves the other slots alone, and is done all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_kind_takes_no_more_slots_than_it_may() {
    let setup = setup();
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let rule = HandlerRule { slots: Some(2), ..HandlerRule::default() };
    let (now, top) = (running.clone(), most.clone());
    let runner = setup.start(
        rule,
        Do(move |_: Work| {
            top.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
            let now = now.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                now.fetch_sub(1, SeqCst);
                done(json!(1))
            }
        }),
    );
    let mut ids = Vec::new();
    for number in 0..12 {
        ids.push(setup.insert(json!(number)).await);
    }
    for id in ids {
        assert_eq!(setup.ended(id).await.state, JobState::Completed);
    }
    assert_eq!(most.load(SeqCst), 2);
    runner.shutdown(Duration::from_secs(5)).await;
}

/// Q24, Q2, Q3: a run that never gives way loses its job; what it says later does not count.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn q24_a_run_that_never_gives_way_loses_its_job() {
    let setup = setup();
    let free = Arc::new(AtomicBool::new(false));
    let spins = free.clone();
    let rule = HandlerRule { timeout: Duration::from_millis(200), ..HandlerRule::default() };
    let runner = setup.start(
        rule,
        Do(move |work: Work| {
            while work.job.fence.0 == 1 && !spins.load(SeqCst) {
                std::hint::spin_loop();
            }
            async move { done(json!(work.job.fence.0)) }
        }),
    );
    let id = setup.insert(json!(1)).await;
    let job = setup.ended(id).await;
    assert_eq!((job.result, job.crash_count), (Some(json!(2)), 1));
    free.store(true, SeqCst);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(setup.job(id).await.result, Some(json!(2)));
    runner.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_too_slow_fails_and_may_be_tried_again() {
    let setup = setup();
    let rule = HandlerRule { timeout: Duration::from_millis(100), ..HandlerRule::default() };
    let runner = setup.start(
        rule,
        Do(async |work: Work| match work.job.attempt {
            // It hears that it should stop.
            0 => {
                work.stop.cancelled().await;
                Outcome::Released
            }
            // Deaf: it is dropped when its grace is over.
            1 => std::future::pending().await,
            // It hears it, and is done all the same: that counts.
            attempt => {
                work.stop.cancelled().await;
                done(json!([attempt, work.job.error.unwrap().code]))
            }
        }),
    );
    let id = setup.insert(json!(1)).await;
    let job = setup.ended(id).await;
    assert_eq!((job.result, job.crash_count), (Some(json!([2, "timeout"])), 0));
    runner.shutdown(Duration::from_secs(5)).await;
}

/// The queue cannot be reached: the run is stopped before its lease ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_lease_cannot_be_kept_is_stopped_in_time() {
    struct Ends(Arc<moment::Moment>);
    impl Drop for Ends {
        fn drop(&mut self) {
            self.0.set();
        }
    }
    let setup = setup();
    let (begun, dropped) = (moment::Moment::new(), moment::Moment::new());
    let (starts, ends) = (begun.clone(), dropped.clone());
    let runner = setup.start(
        HandlerRule::default(),
        Do(move |_| {
            starts.set();
            let ends = Ends(ends.clone());
            async move {
                let _ends = ends;
                std::future::pending::<Outcome>().await
            }
        }),
    );
    let id = setup.insert(json!(1)).await;
    setup.until(id, |job| job.state == JobState::Running).await;
    setup.queue.cut.store(true, SeqCst);
    let cut = Instant::now();
    while dropped.get().is_none() {
        assert!(cut.elapsed() < LEASE * 3, "the run goes on without a lease");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The lease was granted before the cut, at the latest.
    assert!(dropped.get().unwrap().duration_since(cut) < LEASE);
    assert!(begun.get().is_some());
    setup.queue.cut.store(false, SeqCst);
    setup.until(id, |job| job.crash_count >= 1).await;
    runner.shutdown(Duration::from_millis(10)).await;
}

/// A moment that is set once and read from elsewhere.
mod moment {
    use std::{
        sync::{Arc, OnceLock},
        time::Instant,
    };

    pub(super) struct Moment(OnceLock<Instant>);

    impl Moment {
        pub(super) fn new() -> Arc<Self> {
            Arc::new(Self(OnceLock::new()))
        }

        pub(super) fn set(&self) {
            let _ = self.0.set(Instant::now());
        }

        pub(super) fn get(&self) -> Option<Instant> {
            self.0.get().copied()
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_is_lost_on_its_way_is_told_again() {
    let setup = setup();
    setup.queue.lose_ends.store(3, SeqCst);
    let runner = setup.start(HandlerRule::default(), Do(async |_: Work| done(json!("kept"))));
    let id = setup.insert(json!(1)).await;
    let job = setup.ended(id).await;
    assert_eq!((job.result, job.fence.0), (Some(json!("kept")), 1));
    runner.shutdown(Duration::from_secs(5)).await;
}

/// Q33: a hundred runs; those that end in time count, the others are given back without blame.
#[tokio::test(flavor = "multi_thread")]
async fn q33_a_shutdown_ends_or_gives_back_every_run() {
    let setup = setup();
    let handlers = Handlers::new().with(
        "x",
        HandlerRule::default(),
        Do(async |work: Work| {
            match work.job.payload.as_u64().unwrap() % 3 {
                0 => tokio::time::sleep(Duration::from_millis(100)).await,
                1 => work.stop.cancelled().await,
                // Deaf.
                _ => std::future::pending().await,
            }
            if work.stop.is_cancelled() { Outcome::Released } else { done(json!(1)) }
        }),
    );
    let config = RunnerConfig { slots: 100, ..config() };
    let runner = Runner::start(setup.queue.clone(), handlers, setup.bell.clone(), config).unwrap();
    let mut ids = Vec::new();
    for number in 0..100 {
        ids.push(setup.insert(json!(number)).await);
    }
    for id in &ids {
        setup.until(*id, |job| job.state != JobState::Available).await;
    }
    let started = Instant::now();
    runner.shutdown(Duration::from_millis(400)).await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    for (number, id) in ids.into_iter().enumerate() {
        let job = setup.job(id).await;
        let wanted = if number % 3 == 0 { JobState::Completed } else { JobState::Available };
        assert_eq!((job.state, job.crash_count, job.attempt), (wanted, 0, 0), "{number}");
    }
}
