//! T34: every condition on the tenant is needed. Each is taken out of its statement in turn, and something must notice.
//!
//! Statements are changed as they are run, so that no mutant is compiled. On SQLite, where the condition is the only wall,
//! a scenario of a suite has to fail. On PostgreSQL the twins ([`crate::conformance::twins`]) have to be told the same as
//! before: row security shows nothing more.
//!
//! `make mutants` runs this: all that is changed is the whole process's.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use futures::{FutureExt as _, future::BoxFuture};

use crate::{
    Timestamp, approval,
    cache::{self, conformance::Capabilities, sqlite::SqliteCache},
    checkpoint::sql::SqlCheckpoints,
    clock::ManualClock,
    conformance::twins::{self, Whole},
    identity::{self, sql::SqlIdentity},
    queue::{
        self, QueuePolicy,
        conformance::outbox::Shared,
        sql::{QueueTime, SqlQueue},
    },
    recording,
    report::sql::SqlReports,
    run_log,
    sqlite::SqliteConfig,
    store::{self, sql::SqlStore},
    usage,
    webhook::{self, conformance::Parts},
};

static CHANGED: RwLock<Option<Mutant>> = RwLock::new(None);
static RUN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// A statement without one of its conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mutant {
    statement: &'static str,
    is: &'static str,
    without: &'static str,
}

/// The statement as it is to be run.
pub(super) fn as_changed(sql: &'static str) -> &'static str {
    if sql.contains("tenant_id") {
        RUN.lock().unwrap_or_else(PoisonError::into_inner).insert(sql);
    }
    match *CHANGED.read().unwrap_or_else(PoisonError::into_inner) {
        Some(mutant) if mutant.statement == sql => mutant.is,
        _ => sql,
    }
}

fn change(to: Option<Mutant>) {
    *CHANGED.write().unwrap_or_else(PoisonError::into_inner) = to;
}

/// The statements with a tenant that `work` ran.
fn run_by(work: impl FnOnce()) -> BTreeSet<&'static str> {
    let run = || std::mem::take(&mut *RUN.lock().unwrap_or_else(PoisonError::into_inner));
    drop(run());
    work();
    run()
}

/// The statement without each of its conditions on the tenant: that it is the caller's, or that of a joined row.
fn mutants(statement: &'static str) -> Vec<Mutant> {
    let name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let mut found = Vec::new();
    for (at, _) in statement.match_indices("tenant_id = ") {
        let (before, after) = (&statement[..at], &statement[at + "tenant_id = ".len()..]);
        let start = before.trim_end_matches(name).len();
        let rest = after.strip_prefix('$').unwrap_or(after).trim_start_matches(name);
        let right = &after[..after.len() - rest.len()];
        let end = at + "tenant_id = ".len() + right.len();
        // What is set is no condition.
        if statement[end..].starts_with(',') {
            continue;
        }
        // What is given must be used, or it has no type and no number.
        let always = if right.starts_with('$') { right } else { "1" };
        let is = format!("{}{always} = {always}{}", &statement[..start], &statement[end..]);
        found.push(Mutant { statement, is: is.leak(), without: &statement[start..end] });
    }
    found
}

#[test]
fn conditions_are_found_and_taken_out() {
    let texts = |sql| mutants(sql).iter().map(|mutant| mutant.is).collect::<Vec<_>>();
    assert_eq!(
        texts("UPDATE t SET a = $1 WHERE tenant_id = $2 AND id = $3"),
        ["UPDATE t SET a = $1 WHERE $2 = $2 AND id = $3"]
    );
    assert_eq!(
        texts(
            "SELECT 1 FROM a JOIN b ON b.tenant_id = a.tenant_id AND b.id = a.id WHERE a.tenant_id = $1"
        ),
        [
            "SELECT 1 FROM a JOIN b ON 1 = 1 AND b.id = a.id WHERE a.tenant_id = $1",
            "SELECT 1 FROM a JOIN b ON b.tenant_id = a.tenant_id AND b.id = a.id WHERE $1 = $1",
        ]
    );
    assert!(mutants("INSERT INTO t (tenant_id) VALUES ($1)").is_empty());
    assert!(mutants("UPDATE t SET tenant_id = $1, a = $2").is_empty());
}

/// A scenario on a database of its own.
type Case = (String, Box<dyn Fn() -> BoxFuture<'static, ()>>);

async fn sqlite() -> (tempfile::TempDir, SqlStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqlStore::sqlite(SqliteConfig::new(folder.path().join("a.db"))).await.unwrap();
    (folder, store)
}

fn queue_of(store: &SqlStore, time: QueueTime) -> SqlQueue {
    SqlQueue::new(store, time, QueuePolicy::default())
}

/// Makes cases of the scenarios of a suite: `$with` runs one on a store.
macro_rules! cases {
    ($all:ident, $suite:literal, $scenarios:expr, |$store:ident, $scenario:ident| $with:expr) => {
        for (place, named) in $scenarios.into_iter().enumerate() {
            $all.push((
                format!("{} {}", $suite, named.name),
                Box::new(move || {
                    async move {
                        let (_folder, $store) = sqlite().await;
                        let $scenario = $scenarios.swap_remove(place);
                        $with;
                        $store.close().await.unwrap();
                    }
                    .boxed()
                }) as Box<dyn Fn() -> BoxFuture<'static, ()>>,
            ));
        }
    };
}

/// Every scenario of every suite over SQL.
fn cases() -> Vec<Case> {
    let mut all: Vec<Case> = Vec::new();
    cases!(all, "twins", twins::scenarios(), |store, scenario| {
        let queue = queue_of(&store, QueueTime::Database);
        let (checkpoints, reports) = beside(&store);
        let whole = whole(&store, &queue, &checkpoints, &reports);
        (scenario.run)(&whole).await
    });
    cases!(all, "store", store::conformance::scenarios(), |store, scenario| {
        (scenario.run)(&store).await
    });
    cases!(all, "run log", run_log::conformance::scenarios(), |store, scenario| {
        let pair = run_log::conformance::Pair { store: &store, log: &store };
        (scenario.run)(&pair).await
    });
    cases!(all, "usage", usage::conformance::scenarios(), |store, scenario| {
        let counted = usage::conformance::Counted { store: &store, log: &store, usage: &store };
        (scenario.run)(&counted).await
    });
    cases!(all, "approvals", approval::conformance::scenarios(), |store, scenario| {
        let asked = approval::conformance::Asked { store: &store, log: &store, approvals: &store };
        (scenario.run)(&asked).await
    });
    cases!(all, "recordings", recording::conformance::scenarios(), |store, scenario| {
        let recorded =
            recording::conformance::Recorded { store: &store, log: &store, recordings: &store };
        (scenario.run)(&recorded).await
    });
    all.push((
        "an answer wakes its job".to_owned(),
        Box::new(|| {
            async {
                let (_folder, store) = sqlite().await;
                let queue = queue_of(&store, QueueTime::Database);
                let asked =
                    approval::conformance::Asked { store: &store, log: &store, approvals: &store };
                approval::conformance::an_answer_wakes_its_job(&asked, &queue).await;
                store.close().await.unwrap();
            }
            .boxed()
        }),
    ));
    cases!(all, "webhooks", webhook::conformance::scenarios(), |store, scenario| {
        let queue = queue_of(&store, QueueTime::Database);
        let parts = parts(&store, &queue);
        (scenario.run)(&parts).await
    });
    cases!(all, "outbox", queue::conformance::outbox::scenarios(), |store, scenario| {
        let queue = queue_of(&store, QueueTime::Database);
        let shared = parts(&store, &queue).shared;
        (scenario.run)(&shared).await
    });
    cases!(all, "queue", queue::conformance::scenarios(), |store, scenario| {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
        let queue = queue_of(&store, QueueTime::Clock(clock.clone()));
        let advance = move |by: Duration| clock.advance(by);
        let subject =
            queue::conformance::Subject { queue: &queue, worklist: &queue, advance: &advance };
        (scenario.run)(&subject).await
    });
    cases!(all, "identity", identity::conformance::scenarios(), |store, scenario| {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
        let policy = identity::conformance::policy();
        let identity = SqlIdentity::new(&store, QueueTime::Clock(clock.clone()), policy);
        let identity = Arc::new(identity);
        (scenario.run)(&identity::conformance::Subject { identity, clock }).await
    });
    all.push((
        "cache".to_owned(),
        Box::new(|| {
            async {
                let folder = tempfile::tempdir().unwrap();
                let config = SqliteConfig::new(folder.path().join("a.db"));
                let cache = SqliteCache::open(config, CACHE).await.unwrap();
                let can = Capabilities { max_bytes: Some(CACHE), least_recently_used: false };
                cache::conformance::run_all(&cache, &can).await;
                cache::sqlite::tests::each_tenant_has_its_own_order(&cache).await;
            }
            .boxed()
        }),
    ));
    all
}

/// The most bytes of a cache.
const CACHE: usize = 256 << 10;

fn parts<'a>(store: &'a SqlStore, queue: &'a SqlQueue) -> Parts<'a> {
    let shared = Shared { store, log: store, queue, worklist: queue, outbox: queue };
    Parts { shared, webhooks: store }
}

/// What lies beside a store's tables.
fn beside(store: &SqlStore) -> (SqlCheckpoints, SqlReports) {
    (SqlCheckpoints::new(store, QueueTime::Database), SqlReports::new(store))
}

fn whole<'a>(
    store: &'a SqlStore,
    queue: &'a SqlQueue,
    checkpoints: &'a SqlCheckpoints,
    reports: &'a SqlReports,
) -> Whole<'a> {
    Whole {
        parts: parts(store, queue),
        usage: store,
        approvals: store,
        checkpoints,
        recordings: store,
        reports,
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Whether the case ends well, in its time.
fn passes(case: &Case) -> bool {
    let run = || {
        let runtime = runtime();
        let done = runtime.block_on(async { tokio::time::timeout(PATIENCE, (case.1)()).await });
        runtime.shutdown_background();
        done.is_ok()
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or(false)
}

/// A case that takes longer has met a mutant that makes it wait for what never comes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Conditions that nothing can notice the want of, as the part of the statement behind them, and why. They stay: what
/// makes them needless may change, and with them the index is found.
const NEEDLESS: &[(&str, &str)] = &[(
    "UPDATE api_keys SET revoked_at = $1 WHERE $2 = $2 AND id = $3",
    "the same transaction has found that key in the workspace, and no two workspaces have one",
)];

fn is_needless(mutant: &Mutant) -> bool {
    NEEDLESS.iter().any(|(is, _)| mutant.is.contains(is))
}

#[test]
#[ignore = "some minutes, and it changes the statements of the whole process: make mutants"]
#[allow(clippy::print_stderr, reason = "what it is for")]
fn t34_without_a_condition_a_scenario_fails() {
    std::panic::set_hook(Box::new(|_| ()));
    let mut by_statement: BTreeMap<&'static str, Vec<(Duration, usize)>> = BTreeMap::new();
    let cases = cases();
    for (place, case) in cases.iter().enumerate() {
        let since = Instant::now();
        let mut passed = false;
        for statement in run_by(|| passed = passes(case)) {
            by_statement.entry(statement).or_default().push((since.elapsed(), place));
        }
        assert!(passed, "{} fails as it is", case.0);
    }
    let (mut killed, mut needless, mut survived) = (0, 0, Vec::new());
    for (statement, mut users) in by_statement {
        users.sort();
        for mutant in mutants(statement) {
            change(Some(mutant));
            let killer = users.iter().find(|(_, place)| !passes(&cases[*place]));
            change(None);
            match (killer, is_needless(&mutant)) {
                (Some(_), false) => killed += 1,
                (None, true) => needless += 1,
                (Some((_, place)), true) => {
                    survived
                        .push(format!("needed after all by {}: {}", cases[*place].0, mutant.is));
                }
                (None, false) => {
                    survived.push(format!("without {}: {}", mutant.without, mutant.is))
                }
            }
        }
    }
    let _ = std::panic::take_hook();
    eprintln!("{killed} mutants killed, {needless} needless, {} survived", survived.len());
    assert!(survived.is_empty(), "{}", survived.join("\n\n"));
    assert!(killed > 80, "{killed}: are the statements still found?");
}

#[cfg(feature = "postgres")]
#[test]
#[ignore = "some minutes, and it changes the statements of the whole process: make mutants"]
#[allow(clippy::print_stderr, reason = "what it is for")]
fn t34_without_a_condition_row_security_shows_nothing_more() {
    use crate::postgres::{PostgresConfig, cluster::Cluster};

    let cluster = Cluster::start();
    let config = PostgresConfig::new(cluster.url());
    let twins = || {
        runtime().block_on(async {
            // Statements are prepared once a connection: each mutant has its own.
            let store = SqlStore::postgres(&config).await.unwrap();
            let queue = queue_of(&store, QueueTime::Database);
            let (checkpoints, reports) = beside(&store);
            twins::run_all(whole(&store, &queue, &checkpoints, &reports)).await;
            store.close().await.unwrap();
        });
    };
    let all: Vec<Mutant> = run_by(twins).into_iter().flat_map(mutants).collect();
    let mut seen = Vec::new();
    for mutant in &all {
        change(Some(*mutant));
        if catch_unwind(AssertUnwindSafe(twins)).is_err() {
            seen.push(format!("without {}: {}", mutant.without, mutant.is));
        }
        change(None);
    }
    eprintln!("{} mutants, of which row security leaves {} to be seen", all.len(), seen.len());
    assert!(seen.is_empty(), "{}", seen.join("\n\n"));
    assert!(all.len() > 60, "{}: are the statements still found?", all.len());
}
