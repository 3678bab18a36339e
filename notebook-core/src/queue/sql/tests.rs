//! What only the statements show.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;

use super::*;
use crate::{
    postgres::{PostgresConfig, cluster::Cluster},
    queue::{ClaimRequest, KindRule, WorkerId, Worklist as _},
    sql::{Reach, values},
    store::conformance::samples,
};

/// Two batches of ends that name the same jobs in different orders do not wait for each other in a circle: all lock
/// by the order of ids.
#[tokio::test(flavor = "multi_thread")]
async fn ends_lock_their_jobs_in_the_order_of_their_ids() {
    let cluster = std::sync::Arc::new(Cluster::start());
    let store = SqlStore::postgres(&PostgresConfig::new(cluster.url())).await.unwrap();
    let queue = SqlQueue::new(&store, QueueTime::Database, QueuePolicy::default());
    let jobs = (0..2).map(|_| NewJob::new("x", json!(1))).collect();
    queue.insert(&samples::tenant(), jobs).await.unwrap();
    let kinds = BTreeMap::from([("x".to_owned(), KindRule::default())]);
    let request = ClaimRequest { worker: WorkerId::new(), kinds, per_tenant: None, max: 2 };
    let mut claimed = queue.claim(&request).await.unwrap();
    claimed.sort_by_key(|claimed| claimed.job.id);
    let [low, high] = [&claimed[0].job, &claimed[1].job].map(|job| (job.id, job.fence));
    let holder = std::sync::Arc::clone(&cluster);
    let hold = format!(
        "BEGIN; SELECT 1 FROM notebook.jobs WHERE id = '\\x{}' FOR UPDATE; SELECT pg_sleep(3); COMMIT",
        hex(low.0)
    );
    let holding = tokio::task::spawn_blocking(move || holder.query(&hold));
    let until = async |sql: &str| {
        while cluster.query(sql) != ["1"] {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    until("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'").await;
    let (ending, result) = (queue.clone(), json!("done"));
    let ending = tokio::spawn(async move {
        let ends = vec![(high.0, high.1, result.clone()), (low.0, low.1, result)];
        let work = ending.jobs.write(Reach::Installation, FINISH, ends, |tx, ends, now| {
            Box::pin(async move {
                let ends: Vec<_> = ends.iter().map(|(id, fence, it)| (*id, *fence, it)).collect();
                Ok(rows::complete(tx, &ends, now.at).await?.len())
            })
        });
        work.await
    });
    until("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").await;
    let free = queue.jobs.write(Reach::Installation, "look", high.0, |tx, id, _| {
        Box::pin(async move {
            let id = *id.as_bytes();
            let sql = "SELECT 1::bigint FROM jobs WHERE id = $1";
            Ok(tx.one_locked(Lock::Skip, sql, values![id], |_| Ok(())).await?.is_some())
        })
    });
    assert!(free.await.unwrap(), "the higher one waits for its turn behind the lower one");
    holding.await.unwrap();
    assert_eq!(ending.await.unwrap().unwrap(), 2);
}

fn hex(id: JobId) -> String {
    id.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}
