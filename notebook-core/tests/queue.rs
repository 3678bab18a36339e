//! The queue: the suite on SQLite, and random histories on all adapters beside the pure step.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use notebook_core::{
    TenantId, TenantScope, Timestamp,
    clock::ManualClock,
    queue::{
        ClaimRequest, Finish, Heartbeat, Job, JobError, JobId, JobState, KindRule, NewJob, Outcome,
        Priority, Pulse, Queue, QueuePolicy, WorkerId, Worklist,
        conformance::{self, outbox::Shared},
        memory::MemoryQueue,
        outbox::MemoryOutbox,
        sql::{QueueTime, SqlQueue},
    },
    sqlite::SqliteConfig,
    store::{memory::MemoryStore, sql::SqlStore},
};
use proptest::prelude::*;
use serde_json::json;

async fn sqlite(folder: &std::path::Path, clock: &Arc<ManualClock>) -> SqlQueue {
    let store = SqlStore::sqlite(SqliteConfig::new(folder.join("notebook.db"))).await.unwrap();
    SqlQueue::new(&store, QueueTime::Clock(clock.clone()), QueuePolicy::default())
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)))
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_conforms() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let queue = sqlite(folder.path(), &clock).await;
    conformance::run_all(&queue, &|by| clock.advance(by)).await;
}

#[tokio::test]
async fn the_outbox_of_sqlite_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let config = SqliteConfig::new(folder.path().join("notebook.db"));
    let store = SqlStore::sqlite(config).await.unwrap();
    let queue = SqlQueue::new(&store, QueueTime::Database, QueuePolicy::default());
    let shared =
        Shared { store: &store, log: &store, queue: &queue, worklist: &queue, outbox: &queue };
    conformance::outbox::run_all(shared).await;
}

#[tokio::test]
async fn the_outbox_in_memory_conforms() {
    let store = Arc::new(MemoryStore::new());
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
    let queue = Arc::new(MemoryQueue::new(clock, QueuePolicy::default()));
    let outbox = MemoryOutbox::new(store.clone(), queue.clone());
    let shared =
        Shared { store: &*store, log: &*store, queue: &*queue, worklist: &*queue, outbox: &outbox };
    conformance::outbox::run_all(shared).await;
}

/// Y1 on two connections: whoever is second finds the first one's job.
#[tokio::test(flavor = "multi_thread")]
async fn q26_a_key_is_unique_over_processes() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let queues = [sqlite(folder.path(), &clock).await, sqlite(folder.path(), &clock).await];
    let scope = scope(1);
    let job = || NewJob { unique_key: Some("k".into()), ..NewJob::new("x", json!(1)) };
    let inserts = (0..200).map(|i| queues[i % 2].insert(&scope, vec![job()]));
    let ids: BTreeSet<JobId> =
        futures::future::join_all(inserts).await.into_iter().map(|ids| ids.unwrap()[0]).collect();
    assert_eq!(ids.len(), 1);
}

/// Q10: two connections claim beside each other, and each job is claimed once.
#[tokio::test(flavor = "multi_thread")]
async fn q10_claims_over_processes_do_not_overlap() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let queues = [sqlite(folder.path(), &clock).await, sqlite(folder.path(), &clock).await];
    let jobs = (0..300).map(|_| NewJob::new("x", json!(1))).collect();
    queues[0].insert(&scope(1), jobs).await.unwrap();
    let claims = (0..40).map(|i| {
        let queue = &queues[i % 2];
        let request = ClaimRequest { per_tenant: None, ..request(10, 1) };
        async move { queue.claim(&request).await.unwrap() }
    });
    let claimed = futures::future::join_all(claims).await;
    let ids: Vec<JobId> = claimed.iter().flatten().map(|claimed| claimed.job.id).collect();
    assert_eq!(ids.len(), 300);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 300);
}

/// Q17, Q19: a run's end races the taking away of its job, by two at once: one of them has it, and nobody is told
/// otherwise.
async fn race<Q: Queue + Worklist>(
    queue: &Q,
    clock: &ManualClock,
    rounds: usize,
) -> (usize, usize) {
    let (mut ended, mut rescued) = (0, 0);
    let lease = QueuePolicy::default().lease;
    for round in 0..rounds {
        let id = queue.insert(&scope(1), vec![NewJob::new("x", json!(round))]).await.unwrap()[0];
        let claimed =
            queue.claim(&ClaimRequest { per_tenant: None, ..request(10, 1) }).await.unwrap();
        let run = claimed.into_iter().find(|claimed| claimed.job.id == id).unwrap().job;
        // Right before the lease ends, right at its end, right after.
        clock.advance(lease - Duration::from_millis(1) + Duration::from_millis(round as u64 % 3));
        let outcome = Outcome::completed(json!(round));
        let end = vec![Finish { id, fence: run.fence, outcome }];
        // In memory whoever is asked first is first.
        let (counted, one, two) = if round % 2 == 0 {
            tokio::join!(queue.finish(end), queue.rescue(100), queue.rescue(100))
        } else {
            let (one, two, counted) =
                tokio::join!(queue.rescue(100), queue.rescue(100), queue.finish(end));
            (counted, one, two)
        };
        let (counted, taken) = (counted.unwrap()[0], one.unwrap() + two.unwrap());
        assert_eq!(usize::from(counted) + taken, 1, "round {round}");
        let job = queue.job(&scope(1), id).await.unwrap();
        assert_eq!(job.state == JobState::Completed, counted, "round {round}: {job:?}");
        assert_eq!(job.crash_count, u32::from(!counted));
        ended += usize::from(counted);
        rescued += taken;
        if !counted {
            queue.cancel(&scope(1), id).await.unwrap();
        }
        queue.forget(Duration::ZERO, 100).await.unwrap();
    }
    (ended, rescued)
}

#[tokio::test(flavor = "multi_thread")]
async fn q17_q19_a_rescue_races_an_end() {
    let now = clock();
    let memory = MemoryQueue::new(now.clone(), QueuePolicy::default());
    let (ended, rescued) = race(&memory, &now, 10_000).await;
    assert!(ended > 0 && rescued > 0, "{ended} ended, {rescued} rescued");
    let (folder, now) = (tempfile::tempdir().unwrap(), clock());
    let (ended, rescued) = race(&sqlite(folder.path(), &now).await, &now, 600).await;
    assert!(ended > 0 && rescued > 0, "{ended} ended, {rescued} rescued");
}

#[allow(clippy::disallowed_methods)]
fn scope(tenant: u128) -> TenantScope {
    TenantScope::authenticated(TenantId::from_u128(tenant))
}

fn request(max: usize, version: u16) -> ClaimRequest {
    let rule = |limit| KindRule { payload_version: version, limit, ..KindRule::default() };
    let kinds = [("x".into(), rule(None)), ("y".into(), rule(Some(2)))];
    ClaimRequest {
        worker: WorkerId::from_u128(9),
        kinds: BTreeMap::from(kinds),
        per_tenant: Some(4),
        max,
    }
}

/// One step of a history. Numbers choose among what there is.
#[derive(Debug, Clone)]
enum Move {
    Insert { tenant: u8, kind: bool, priority: u8, delay: u8, key: Option<u8>, newer: bool },
    Claim(u8),
    Beat(u8),
    Finish(u8, u8),
    Cancel(u8),
    Revive(u8),
    Rescue,
    Pass(u8),
    Forget,
}

fn a_move() -> impl Strategy<Value = Move> {
    let insert =
        (0..3_u8, any::<bool>(), 0..3_u8, 0..3_u8, prop::option::of(0..2_u8), any::<bool>());
    prop_oneof![
        4 => insert.prop_map(|(tenant, kind, priority, delay, key, newer)| {
            Move::Insert { tenant, kind, priority, delay, key, newer: newer && kind }
        }),
        4 => (1..5_u8).prop_map(Move::Claim),
        2 => any::<u8>().prop_map(Move::Beat),
        5 => (any::<u8>(), 0..6_u8).prop_map(|(job, how)| Move::Finish(job, how)),
        1 => any::<u8>().prop_map(Move::Cancel),
        1 => any::<u8>().prop_map(Move::Revive),
        1 => Just(Move::Rescue),
        2 => (1..80_u8).prop_map(Move::Pass),
        1 => Just(Move::Forget),
    ]
}

/// What is the same on every adapter: all but the place of a retry within its backoff.
fn seen(job: &Job) -> Job {
    let at = job.state == JobState::Scheduled && job.attempt > 0;
    Job { run_at: if at { Timestamp::from_millis(0) } else { job.run_at }, ..job.clone() }
}

/// A queue and what is known of it from its answers.
struct History<Q> {
    queue: Q,
    jobs: Vec<(u8, JobId)>,
    /// Every claim that was ever given out.
    claims: Vec<(JobId, notebook_core::queue::Fence)>,
    /// The claims whose end counted, and which end that was.
    ended: BTreeMap<(JobId, notebook_core::queue::Fence), u8>,
}

impl<Q: Queue + Worklist> History<Q> {
    fn new(queue: Q) -> Self {
        Self { queue, jobs: Vec::new(), claims: Vec::new(), ended: BTreeMap::new() }
    }

    fn claim_at(&self, number: u8) -> Option<(JobId, notebook_core::queue::Fence)> {
        // Late ones more often: old claims are zombies.
        let back = usize::from(number) % self.claims.len().clamp(1, 12);
        self.claims.iter().rev().nth(back).copied()
    }

    fn job_at(&self, number: u8) -> Option<(u8, JobId)> {
        self.jobs.get(usize::from(number) % self.jobs.len().max(1)).copied()
    }

    async fn play(&mut self, step: &Move, id: JobId, clock: &ManualClock) -> String {
        match step {
            Move::Insert { tenant, kind, priority, delay, key, newer } => {
                let new = NewJob {
                    id,
                    payload_version: if *newer { 2 } else { 1 },
                    priority: [Priority::High, Priority::Medium, Priority::Low]
                        [usize::from(*priority)],
                    delay: Duration::from_secs(u64::from(*delay) * 20),
                    unique_key: key.map(|key| key.to_string()),
                    max_attempts: 2,
                    ..NewJob::new(if *kind { "x" } else { "y" }, json!(1))
                };
                let got =
                    self.queue.insert(&scope(u128::from(*tenant)), vec![new]).await.unwrap()[0];
                if got == id {
                    self.jobs.push((*tenant, id));
                }
                format!("{got}")
            }
            Move::Claim(max) => {
                let claimed = self.queue.claim(&request(usize::from(*max), 1)).await.unwrap();
                for claimed in &claimed {
                    let claim = (claimed.job.id, claimed.job.fence);
                    assert!(!self.claims.contains(&claim), "a fence is given out once");
                    assert_eq!(claimed.scope.tenant(), claimed.job.tenant);
                    assert_eq!(claimed.job.payload_version, 1);
                    self.claims.push(claim);
                }
                format!("{:?}", claimed.iter().map(|claimed| claimed.job.id).collect::<Vec<_>>())
            }
            Move::Beat(number) => {
                let Some((id, fence)) = self.claim_at(*number) else { return String::new() };
                let beat = Heartbeat { id, fence, progress: None };
                let pulse = self.queue.heartbeat(vec![beat]).await.unwrap()[0];
                assert!(pulse == Pulse::Lost || !self.ended.contains_key(&(id, fence)));
                format!("{pulse:?}")
            }
            Move::Finish(number, how) => {
                let Some((id, fence)) = self.claim_at(*number) else { return String::new() };
                let error = || JobError { code: "e".into(), message: "m".into() };
                let outcome = match how {
                    0 => Outcome::Failed { error: error(), not_before: Duration::ZERO },
                    1 => Outcome::Hopeless(error()),
                    2 => Outcome::Snoozed(Duration::from_secs(10)),
                    3 => Outcome::Cancelled,
                    4 => Outcome::Released,
                    _ => Outcome::completed(json!(fence.0)),
                };
                let counted =
                    self.queue.finish(vec![Finish { id, fence, outcome }]).await.unwrap()[0];
                if counted {
                    // Repeated, it has counted before; a last failure and a hopeless one make the same of a job.
                    let first = *self.ended.entry((id, fence)).or_insert(*how);
                    assert!(first == *how || first.max(*how) == 1, "a fence ends once");
                }
                format!("{counted}")
            }
            Move::Cancel(number) => {
                let Some((tenant, id)) = self.job_at(*number) else { return String::new() };
                let job = self.queue.cancel(&scope(u128::from(tenant)), id).await;
                format!("{:?}", job.map(|job| job.state).map_err(|error| error.kind()))
            }
            Move::Revive(number) => {
                let Some((tenant, id)) = self.job_at(*number) else { return String::new() };
                let job = self.queue.revive(&scope(u128::from(tenant)), id).await;
                format!("{:?}", job.map(|job| job.state).map_err(|error| error.kind()))
            }
            Move::Rescue => format!("{}", self.queue.rescue(100).await.unwrap()),
            Move::Pass(seconds) => {
                clock.advance(Duration::from_secs(u64::from(*seconds)));
                String::new()
            }
            Move::Forget => {
                format!("{}", self.queue.forget(Duration::from_secs(500), 100).await.unwrap())
            }
        }
    }

    async fn all(&self) -> Vec<Option<Job>> {
        let mut all = Vec::new();
        for (tenant, id) in &self.jobs {
            let job = self.queue.job(&scope(u128::from(*tenant)), *id).await;
            all.push(job.ok().map(|job| seen(&job)));
        }
        all
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Q41: a random history gives the same answers and the same jobs on memory and on SQLite; a fence is
    /// given out once and ends once.
    #[test]
    fn q41_random_histories_agree(moves in prop::collection::vec(a_move(), 1..120)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let (left, right) = (clock(), clock());
            let policy = QueuePolicy { backoff: Duration::ZERO, ..QueuePolicy::default() };
            let mut memory = History::new(MemoryQueue::new(left.clone(), policy));
            let config = SqliteConfig::new(folder.path().join("notebook.db"));
            let store = SqlStore::sqlite(config).await.unwrap();
            let mut sqlite = History::new(SqlQueue::new(&store, QueueTime::Clock(right.clone()), policy));
            for (number, step) in moves.iter().enumerate() {
                let id = JobId::from_u128(number as u128 + 1);
                let one = memory.play(step, id, &left).await;
                let two = sqlite.play(step, id, &right).await;
                assert_eq!(one, two, "{number}: {step:?}");
            }
            assert_eq!(memory.all().await, sqlite.all().await);
        });
    }
}
