//! Row security, and what becomes of a tenant's setting when calls end in all ways.
//!
//! The statements here have no condition on the tenant: what keeps tenants apart is PostgreSQL alone.

use std::{
    fmt,
    future::Future as _,
    pin::pin,
    sync::{Mutex, PoisonError},
    task::{Context, Waker},
};

use futures::future::BoxFuture;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use super::*;
use crate::{
    TenantId, postgres::cluster::Cluster, sql::values,
    store::sql::POSTGRES_MIGRATIONS as MIGRATIONS,
};

/// The store's tables, and one that is easier to fill.
fn steps() -> Vec<Migration> {
    let sql = "CREATE TABLE things (tenant_id BYTEA NOT NULL, thing BIGINT NOT NULL PRIMARY KEY);
        CREATE POLICY reach ON things USING (tenant_id = own_tenant());
        ALTER TABLE things ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;";
    let version = MIGRATIONS.last().unwrap().version + 1;
    [MIGRATIONS, &[Migration { version, name: "things", sql }]].concat()
}

/// Of both tenants there is one thing: 10 of the first, 20 of the second.
const A: TenantId = TenantId::from_u128(0xa);
const B: TenantId = TenantId::from_u128(u128::MAX - 0xb);

async fn open(cluster: &Cluster, change: impl FnOnce(&mut PostgresConfig)) -> Client {
    let mut config = PostgresConfig { connections: 1, ..PostgresConfig::new(cluster.url()) };
    change(&mut config);
    let client = Client::open(&config, &steps()).await.unwrap();
    for (tenant, thing) in [(A, 10_i64), (B, 20)] {
        let add =
            client.write(Reach::Tenant(tenant), "add", (tenant, thing), |tx, (tenant, thing)| {
                Box::pin(async move {
                    let add = "INSERT INTO things (tenant_id, thing) VALUES ($1, $2)";
                    tx.execute(add, values![tenant.as_bytes(), *thing]).await
                })
            });
        assert_eq!(add.await.unwrap(), 1);
    }
    client
}

/// All things that the call is shown.
fn things<'t>(tx: &'t mut Tx<'_>, (): &'t ()) -> BoxFuture<'t, Result<Vec<i64>>> {
    let all = "SELECT thing FROM things WHERE thing > $1 ORDER BY thing";
    Box::pin(async move { tx.all(all, values![0_i64], |row| row.get(0)).await })
}

async fn seen(client: &Client, reach: Reach) -> Vec<i64> {
    client.read(reach, "look", (), things).await.unwrap()
}

/// What a statement is shown that no transaction says a tenant for, by the connection that tenants use.
async fn seen_for_nobody(client: &Client) -> Vec<i64> {
    client.spawned(Reach::Tenant(A), Around::Nothing, "look", (), things).await.unwrap()
}

/// The process that serves the connection which tenants' calls get.
async fn backend(client: &Client) -> i64 {
    let id = client.read(Reach::Tenant(B), "look", (), |tx, ()| {
        let id = "SELECT pg_backend_pid()::bigint";
        Box::pin(async move { tx.one(id, &[], |row| row.get(0)).await })
    });
    id.await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn t7_a_tenant_is_shown_its_own_rows_whatever_is_asked() {
    let cluster = Cluster::start();
    let client = open(&cluster, |_| ()).await;
    assert_eq!(seen(&client, Reach::Tenant(A)).await, [10]);
    assert_eq!(seen(&client, Reach::Tenant(B)).await, [20]);
    assert_eq!(seen(&client, Reach::Tenant(TenantId::from_u128(0))).await, [0_i64; 0]);
    assert_eq!(seen(&client, Reach::Installation).await, [0_i64; 0], "things are no jobs");
    let both = |sql: &'static str| {
        client.write(Reach::Tenant(A), "change", sql, move |tx, sql| {
            Box::pin(async move { tx.execute(sql, values![B.as_bytes()]).await })
        })
    };
    assert_eq!(
        both("UPDATE things SET thing = 11 WHERE tenant_id >= $1 OR true").await.unwrap(),
        1
    );
    assert_eq!(both("DELETE FROM things WHERE tenant_id = $1").await.unwrap(), 0);
    // Neither is anything put among the other's.
    both("INSERT INTO things (tenant_id, thing) VALUES ($1, 1)").await.unwrap_err();
    both("UPDATE things SET tenant_id = $1").await.unwrap_err();
    assert_eq!(seen(&client, Reach::Tenant(A)).await, [11]);
    assert_eq!(seen(&client, Reach::Tenant(B)).await, [20]);
    client.close().await;
}

/// How a call of A ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Well,
    Error,
    Panic,
    Timeout,
    Killed,
}

async fn end(client: &Client, cluster: &Arc<Cluster>, end: End) {
    let input = (end, Arc::clone(cluster));
    let call = client.write(Reach::Tenant(A), "end", input, |tx, (end, cluster)| {
        Box::pin(async move {
            assert_eq!(things(tx, &()).await?, [10]);
            match *end {
                End::Well => Ok(()),
                End::Error => tx.execute("SELECT nothing", &[]).await.map(drop),
                End::Panic => panic!("as the test wants it"),
                End::Timeout => {
                    tx.execute("SET LOCAL statement_timeout = 50", &[]).await?;
                    tx.execute("SELECT pg_sleep(60)", &[]).await.map(drop)
                }
                // The server says goodbye in the middle.
                End::Killed => {
                    let id = "SELECT pg_backend_pid()::bigint";
                    let id: Option<i64> = tx.one(id, &[], |row| row.get(0)).await?;
                    cluster.query(&format!("SELECT pg_terminate_backend({})", id.unwrap()));
                    things(tx, &()).await.map(drop)
                }
            }
        })
    });
    assert_eq!(call.await.is_ok(), matches!(end, End::Well), "{end:?}");
}

/// T8: one connection serves A and then B, however A's call has ended.
#[tokio::test(flavor = "multi_thread")]
async fn t8_nothing_of_a_stays_on_the_connection_that_b_gets() {
    let cluster = Arc::new(Cluster::start());
    let client = open(&cluster, |_| ()).await;
    for how in [End::Well, End::Error, End::Panic, End::Timeout, End::Killed] {
        let before = backend(&client).await;
        end(&client, &cluster, how).await;
        assert_eq!(seen(&client, Reach::Tenant(B)).await, [20], "{how:?}");
        end(&client, &cluster, how).await;
        assert_eq!(seen_for_nobody(&client).await, [0_i64; 0], "{how:?}");
        let same = backend(&client).await == before;
        assert_eq!(same, !matches!(how, End::Killed), "{how:?}: or this showed nothing");
    }
    client.close().await;
}

/// T8: callers that go away in the middle.
#[tokio::test(flavor = "multi_thread")]
async fn t8_callers_that_go_away_leave_no_tenant_behind() {
    let cluster = Cluster::start();
    let client = open(&cluster, |_| ()).await;
    for round in 0..100_u64 {
        let look = client.read(Reach::Tenant(A), "look", (), things);
        let _ = tokio::time::timeout(Duration::from_micros(round * 20), look).await;
        assert_eq!(seen(&client, Reach::Tenant(B)).await, [20]);
        assert_eq!(seen_for_nobody(&client).await, [0_i64; 0]);
    }
    client.close().await;
}

/// T9, Q39: the words that begin A's transaction are sent, and nobody waits for the answer.
#[tokio::test(flavor = "multi_thread")]
async fn t9_a_begin_that_is_cancelled_shows_b_nothing_of_a() {
    let cluster = Cluster::start();
    let client = open(&cluster, |_| ()).await;
    for polls in 1..20 {
        let mut lent = client.pool.get("test").await.unwrap();
        {
            let begin = Around::Transaction.begin(Reach::Tenant(A)).unwrap();
            let mut begin = pin!(lent.begin_with(AssertSqlSafe(begin)));
            let mut context = Context::from_waker(Waker::noop());
            for _ in 0..polls {
                if begin.as_mut().poll(&mut context).is_ready() {
                    break;
                }
                // Later rounds are cancelled with the answer on its way, or there.
                tokio::time::sleep(Duration::from_micros(polls * 5)).await;
            }
        }
        drop(lent);
        assert_eq!(seen(&client, Reach::Tenant(B)).await, [20]);
        assert_eq!(seen_for_nobody(&client).await, [0_i64; 0]);
    }
    client.close().await;
}

/// What was logged.
#[derive(Default)]
struct Logged(Mutex<Vec<(Level, String)>>);

impl Subscriber for &'static Logged {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        struct Words(String);
        impl Visit for Words {
            fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                self.0.push_str(&format!("{}={value:?} ", field.name()));
            }
        }
        let mut words = Words(String::new());
        event.record(&mut words);
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push((*event.metadata().level(), words.0));
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// T10: whoever says no tenant gets no row, adds none, and is told of in both logs.
#[tokio::test]
async fn t10_without_a_tenant_there_is_no_row_and_a_line_in_the_log() {
    let cluster = Cluster::start();
    let client = open(&cluster, |_| ()).await;
    let logged: &'static Logged = Box::leak(Box::default());
    let guard = tracing::subscriber::set_default(logged);
    assert_eq!(seen(&client, Reach::Tenant(A)).await, [10]);
    assert_eq!(seen(&client, Reach::Installation).await, [0_i64; 0]);
    let said = |lines: &[(Level, String)]| {
        lines.iter().any(|(level, line)| *level <= Level::WARN && line.contains("for no tenant"))
    };
    assert!(!said(&logged.0.lock().unwrap()), "who says for whom is not complained of");
    assert!(!cluster.log().contains("for no tenant"));
    assert_eq!(seen_for_nobody(&client).await, [0_i64; 0]);
    assert!(said(&logged.0.lock().unwrap()), "{:?}", logged.0.lock().unwrap());
    assert!(cluster.log().contains("for no tenant"));
    drop(guard);
    let add = client.spawned(Reach::Tenant(A), Around::Nothing, "add", (), |tx, ()| {
        let add = "INSERT INTO things (tenant_id, thing) VALUES ($1, 30)";
        Box::pin(async move { tx.execute(add, values![A.as_bytes()]).await })
    });
    add.await.unwrap_err();
    client.close().await;
}

/// A migration by the tables' owner, whom row security binds, changes and copies all rows; then it is bound again.
#[tokio::test(flavor = "multi_thread")]
async fn t7_an_owner_who_is_bound_migrates_all_rows() {
    let cluster = Cluster::start();
    cluster.query("CREATE ROLE plain LOGIN; GRANT CREATE ON DATABASE postgres TO plain");
    let url = crate::Secret::new(cluster.url_of("plain"));
    let client = open(&cluster, |config| config.url = url.clone()).await;
    assert_eq!(
        client.row_security(),
        &RowSecurity { role: "plain".into(), holds: true, owns: true }
    );
    assert_eq!(seen(&client, Reach::Tenant(B)).await, [20]);
    client.close().await;
    let mut steps = steps();
    let version = steps.last().unwrap().version + 1;
    steps.push(Migration { version, name: "more", sql: "UPDATE things SET thing = thing + 1;" });
    let config = PostgresConfig { url, ..PostgresConfig::new("") };
    let client = Client::open(&config, &steps).await.unwrap();
    assert_eq!(seen(&client, Reach::Tenant(A)).await, [11]);
    assert_eq!(seen(&client, Reach::Tenant(B)).await, [21]);
    let copied = format!("SELECT thing FROM notebook_before_v{version}.things ORDER BY thing");
    assert_eq!(cluster.query(&copied), ["10", "20"]);
    let forced = "SELECT relforcerowsecurity FROM pg_class WHERE oid = 'notebook.things'::regclass";
    assert_eq!(cluster.query(forced), ["t"]);
    client.close().await;
}
