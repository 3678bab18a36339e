//! Q9: the database's machine is lost, and a copy that follows it takes its place.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods
)]

#[path = "support/postgres.rs"]
mod cluster;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use cluster::Cluster;
use notebook_core::{
    TenantId, TenantScope,
    postgres::PostgresConfig,
    queue::{
        ClaimRequest, Finish, JobId, JobState, KindRule, NewJob, Outcome, Queue as _, QueuePolicy,
        WorkerId, Worklist as _,
        sql::{QueueTime, SqlQueue},
    },
    store::sql::SqlStore,
};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(60);

fn scope() -> TenantScope {
    TenantScope::authenticated(TenantId::from_u128(1))
}

async fn open(cluster: &Cluster) -> SqlQueue {
    let mut config = PostgresConfig::new(cluster.url());
    config.acquire_timeout = Duration::from_secs(5);
    config.transaction_timeout = Duration::from_secs(5);
    let store = SqlStore::postgres(&config).await.unwrap();
    let policy = QueuePolicy { lease: Duration::from_secs(1), ..QueuePolicy::default() };
    SqlQueue::new(&store, QueueTime::Database, policy)
}

/// What the database confirmed.
#[derive(Default)]
struct Confirmed {
    stored: BTreeSet<JobId>,
    ended: BTreeSet<JobId>,
}

/// Claims what there is and ends every second job; returns what was confirmed.
async fn work(queue: &SqlQueue, all: bool) -> notebook_core::Result<Vec<JobId>> {
    let request = ClaimRequest {
        worker: WorkerId::new(),
        kinds: BTreeMap::from([("x".into(), KindRule::default())]),
        per_tenant: None,
        max: 10,
    };
    let claimed = queue.claim(&request).await?;
    let outcome = Outcome::completed(json!("done"));
    let step = if all { 1 } else { 2 };
    let ends: Vec<Finish> = claimed
        .into_iter()
        .step_by(step)
        .map(|c| Finish { id: c.job.id, fence: c.job.fence, outcome: outcome.clone() })
        .collect();
    let ids: Vec<JobId> = ends.iter().map(|end| end.id).collect();
    let counted = queue.finish(ends).await?;
    Ok(ids.into_iter().zip(counted).filter(|(_, counted)| *counted).map(|(id, _)| id).collect())
}

/// Stores and ends jobs until the database is gone.
async fn until_it_is_gone(queue: SqlQueue) -> Confirmed {
    let mut confirmed = Confirmed::default();
    loop {
        let jobs = (0..3).map(|_| NewJob::new("x", json!(1))).collect();
        match queue.insert(&scope(), jobs).await {
            Ok(ids) => confirmed.stored.extend(ids),
            Err(_) => return confirmed,
        }
        match work(&queue, false).await {
            Ok(ended) => confirmed.ended.extend(ended),
            Err(_) => return confirmed,
        }
    }
}

/// The copy lags in what it shows, not in what it has written down: nothing that was confirmed is lost, and whatever
/// had not ended ends there.
#[tokio::test(flavor = "multi_thread")]
async fn q9_nothing_confirmed_is_lost_with_the_database_s_machine() {
    let mut first = Cluster::start();
    let queue = open(&first).await;
    let second = first.follower();
    // A copy that is read from is late: here for as long as the first lives.
    second.query("SELECT pg_wal_replay_pause()");
    let working = (0..3).map(|_| tokio::spawn(until_it_is_gone(queue.clone())));
    let working: Vec<_> = working.collect();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let seen = second.query("SELECT count(*) FROM notebook.jobs");
    assert_eq!(seen, ["0"], "the copy does not lag");
    first.die();
    let mut confirmed = Confirmed::default();
    for one in working {
        let one = tokio::time::timeout(PATIENCE, one).await.expect("it notices").unwrap();
        confirmed.stored.extend(one.stored);
        confirmed.ended.extend(one.ended);
    }
    assert!(confirmed.stored.len() > 50 && confirmed.ended.len() > 20, "too little happened");

    second.promote();
    let queue = open(&second).await;
    for id in &confirmed.stored {
        queue.job(&scope(), *id).await.expect("a job that was confirmed is there");
    }
    for id in &confirmed.ended {
        assert_eq!(queue.job(&scope(), *id).await.unwrap().state, JobState::Completed);
    }
    let deadline = Instant::now() + PATIENCE;
    while second.query("SELECT count(*) FROM notebook.jobs WHERE finished_at IS NULL") != ["0"] {
        assert!(Instant::now() < deadline, "what had not ended does not end");
        queue.rescue(100).await.unwrap();
        for id in work(&queue, true).await.unwrap() {
            assert!(!confirmed.ended.contains(&id), "a job ended twice");
        }
    }
}
