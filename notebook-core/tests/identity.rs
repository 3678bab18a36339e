//! Users, sessions and the audit log in SQLite and PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/postgres.rs"]
mod cluster;
#[path = "support/session_reference.rs"]
#[allow(unreachable_pub, reason = "other tests include it too")]
mod reference;

use std::{sync::Arc, time::Duration};

use cluster::Cluster;
use futures::future::join_all;
use notebook_core::{
    ErrorKind, Secret, SessionId, TenantId, TenantScope, Timestamp,
    clock::ManualClock,
    identity::{
        Accounts as _, AuditLog as _, Identity, Sessions as _,
        audit::{Actor, AuditKeys, Break, Fault, NewEntry, verify},
        conformance::{self, Subject, new_session, new_user, token},
        memory::MemoryIdentity,
        session::{EndReason, Presented, Rule, SessionPolicy},
        sql::SqlIdentity,
    },
    postgres::PostgresConfig,
    queue::sql::QueueTime,
    sqlite::SqliteConfig,
    store::sql::SqlStore,
};
use proptest::{prelude::*, strategy::ValueTree as _};

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000)))
}

#[allow(clippy::disallowed_methods, reason = "tests act for tenants of their own")]
fn scope(tenant: TenantId) -> TenantScope {
    TenantScope::authenticated(tenant)
}

async fn sqlite(folder: &tempfile::TempDir) -> SqlStore {
    SqlStore::sqlite(SqliteConfig::new(folder.path().join("a.db"))).await.unwrap()
}

async fn postgres(cluster: &Cluster, schema: &str, connections: u32) -> SqlStore {
    let config = PostgresConfig {
        schema: schema.into(),
        connections,
        acquire_timeout: Duration::from_secs(60),
        ..PostgresConfig::new(cluster.url())
    };
    SqlStore::postgres(&config).await.unwrap()
}

fn by_clock(store: &SqlStore, clock: &Arc<ManualClock>, policy: SessionPolicy) -> SqlIdentity {
    SqlIdentity::new(store, QueueTime::Clock(clock.clone()), policy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_every_promise() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (sqlite(&folder).await, clock());
    let identity = Arc::new(by_clock(&store, &clock, conformance::policy()));
    conformance::run_all(&Subject { identity, clock }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_every_promise() {
    let cluster = Cluster::start();
    let (store, clock) = (postgres(&cluster, "many", 16).await, clock());
    let identity = Arc::new(by_clock(&store, &clock, conformance::policy()));
    conformance::run_all(&Subject { identity, clock }).await;
    // R4: with two connections nobody starves.
    let (store, clock) = (postgres(&cluster, "two", 2).await, self::clock());
    let identity = Arc::new(by_clock(&store, &clock, conformance::policy()));
    conformance::sessions::many_presentations_rotate_once(&Subject { identity, clock }).await;
}

/// R2 with the cap raised, and R3: handles with pools of their own, as two servers have. X6: those that lose look again,
/// and are given what the winner was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r3_a_thousand_presentations_at_two_servers_give_one_rotation() {
    let policy = SessionPolicy { most_replays: 1_000, ..SessionPolicy::default() };
    let (folder, cluster) = (tempfile::tempdir().unwrap(), Cluster::start());
    let files = [sqlite(&folder).await, sqlite(&folder).await];
    let servers = [postgres(&cluster, "r3", 8).await, postgres(&cluster, "r3", 8).await];
    for [one, two] in [files, servers] {
        let clock = clock();
        let two = [by_clock(&one, &clock, policy), by_clock(&two, &clock, policy)];
        let new = new_user();
        let tenant = new.workspace;
        let user = two[0].create_user(new).await.unwrap();
        let session = two[0].open_session(new_session(&user, tenant)).await.unwrap();
        clock.advance(Duration::from_secs(61));
        let calls = (0..1_000).map(|i| two[i % 2].present(session.id, token(0)));
        let found: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
        let rotations = found.iter().filter(|found| found.rule == Rule::Rotated).count();
        assert_eq!(rotations, 1);
        assert!(found.iter().all(|other| other.reply == found[0].reply), "identical children");
        assert_eq!(two[1].session(session.id).await.unwrap().session.generation, 1);
    }
}

#[derive(Debug, Clone)]
enum Op {
    Present(u8),
    Use,
    Wait(u32),
    SignOut,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        10 => prop_oneof![8 => Just(0_u8), 6 => Just(1), 1 => 0..4_u8].prop_map(Op::Present),
        3 => Just(Op::Use),
        8 => prop_oneof![5 => 0..65_u32, 4 => 600..1_000_u32, 1 => 80_000..90_000_u32]
            .prop_map(Op::Wait),
        1 => Just(Op::SignOut),
    ]
}

fn id(rule: Rule) -> &'static str {
    match rule {
        Rule::Late => "X1",
        Rule::Expired => "X2",
        Rule::Rotated => "X5",
        Rule::Coalesced => "X5b",
        Rule::Replayed => "X7",
        Rule::Recovered => "X8",
        Rule::CrashRecovered => "X8b",
        Rule::Reused => "X9",
        Rule::Stale => "X10",
        Rule::Ahead => "X11",
        Rule::TooManyReplays => "X13",
        other => panic!("{other:?}"),
    }
}

/// R41: the three stores give the verdicts of the reference.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r41_all_stores_judge_like_the_reference() {
    let policy = SessionPolicy {
        most_replays: 2,
        recover_crashed: true,
        idle: Duration::from_secs(100_000),
        absolute: Duration::from_secs(200_000),
        ..SessionPolicy::default()
    };
    let settings = reference::Settings {
        grace: 30,
        coalesce: 60,
        recovery: 86_400,
        crashed: true,
        cap: 2,
        idle: 100_000,
        absolute: 200_000,
    };
    let (folder, cluster) = (tempfile::tempdir().unwrap(), Cluster::start());
    let (file, server) = (sqlite(&folder).await, postgres(&cluster, "r41", 4).await);
    let clock = clock();
    let stores: [Arc<dyn Identity>; 3] = [
        Arc::new(MemoryIdentity::new(clock.clone(), policy)),
        Arc::new(by_clock(&file, &clock, policy)),
        Arc::new(by_clock(&server, &clock, policy)),
    ];
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let lines = prop::collection::vec(op(), 1..25);
    for _ in 0..40 {
        let ops = lines.new_tree(&mut runner).unwrap().current();
        for store in &stores {
            play(&**store, &clock, &settings, &ops).await;
        }
    }
}

async fn play(
    store: &dyn Identity,
    clock: &ManualClock,
    settings: &reference::Settings,
    ops: &[Op],
) {
    let new = new_user();
    let tenant = new.workspace;
    let user = store.create_user(new).await.unwrap();
    let session = store.open_session(new_session(&user, tenant)).await.unwrap().id;
    let mut now = 0;
    let mut model = reference::Model::new(now, settings);
    for op in ops {
        match *op {
            Op::Present(behind) => {
                let generation = model.newest.saturating_sub(behind.into());
                let expected = model.present(generation, true, now, settings);
                let found = store.present(session, token(generation)).await.unwrap();
                assert_eq!(id(found.rule), expected, "{ops:?}");
            }
            Op::Use => {
                model.use_access(model.newest);
                store.mark_used(session, model.newest).await.unwrap();
            }
            Op::Wait(seconds) => {
                clock.advance(Duration::from_secs(seconds.into()));
                now += i64::from(seconds);
            }
            Op::SignOut => {
                let went_on = store.end_session(session, EndReason::SignedOut).await.unwrap();
                assert_eq!(went_on, !model.dead && !model.expired);
                model.dead |= went_on;
            }
        }
    }
}

/// R5, R20, R22: what was committed counts, whoever heard of it; R21: what was not did not happen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r20_a_crash_after_the_commit_repeats_the_child() {
    let mut cluster = Cluster::start();
    let clock = clock();
    let policy = SessionPolicy::default();
    let store = postgres(&cluster, "r20", 4).await;
    let identity = by_clock(&store, &clock, policy);
    let new = new_user();
    let tenant = new.workspace;
    let user = identity.create_user(new).await.unwrap();
    let session = identity.open_session(new_session(&user, tenant)).await.unwrap().id;
    clock.advance(Duration::from_secs(61));
    let made = identity.present(session, token(0)).await.unwrap();
    assert_eq!(made.rule, Rule::Rotated);
    cluster.crash();
    let store = postgres(&cluster, "r20", 4).await;
    let identity = by_clock(&store, &clock, policy);
    let again = identity.present(session, token(0)).await.unwrap();
    assert_eq!((again.rule, again.reply), (Rule::Replayed, made.reply));
    clock.advance(Duration::from_secs(3_600));
    assert_eq!(identity.present(session, token(0)).await.unwrap().rule, Rule::Recovered);
    assert_eq!(verify(&identity, &scope(tenant), None, None).await.unwrap().broken, None);
}

/// R20, R21: callers that go away leave it done or not done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r21_a_dropped_call_happens_wholly_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (sqlite(&folder).await, clock());
    let identity = by_clock(&store, &clock, SessionPolicy::default());
    for i in 0..40_u64 {
        let new = new_user();
        let tenant = new.workspace;
        let user = identity.create_user(new).await.unwrap();
        let session = identity.open_session(new_session(&user, tenant)).await.unwrap().id;
        clock.advance(Duration::from_secs(61));
        let call = identity.present(session, token(0));
        let _ = tokio::time::timeout(Duration::from_micros(i * 20), call).await;
        let before = identity.session(session).await.unwrap().session.generation;
        let again = identity.present(session, token(0)).await.unwrap();
        let expected =
            if before == 0 { [Rule::Rotated, Rule::Replayed] } else { [Rule::Replayed; 2] };
        assert!(expected.contains(&again.rule), "{before} {:?}", again.rule);
        assert_eq!(again.session.generation, 1);
        // Created, opened, rotated, and perhaps replayed: no entry without its change, no change without its entry.
        let log = identity.entries(&scope(tenant), 0, 10).await.unwrap();
        assert_eq!(log.len(), 3 + usize::try_from(again.session.replays).unwrap());
    }
}

/// R23: a store that was set back.
#[tokio::test]
async fn r23_a_restored_backup_refuses_what_came_after_it() {
    let clock = clock();
    let identity = MemoryIdentity::new(clock.clone(), SessionPolicy::default());
    let new = new_user();
    let tenant = new.workspace;
    let user = identity.create_user(new).await.unwrap();
    let mut open = Vec::new();
    for _ in 0..2 {
        open.push(identity.open_session(new_session(&user, tenant)).await.unwrap().id);
    }
    let backup = identity.copy();
    let late = identity.open_session(new_session(&user, tenant)).await.unwrap().id;
    clock.advance(Duration::from_secs(900));
    assert_eq!(identity.present(open[0], token(0)).await.unwrap().rule, Rule::Rotated);
    assert_eq!(backup.present(open[0], token(1)).await.unwrap().rule, Rule::Ahead);
    assert_eq!(backup.present(open[1], token(0)).await.unwrap().rule, Rule::Rotated);
    let unknown = backup.present(late, token(0)).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
}

/// R25: the time that counts is the database's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r25_servers_with_wrong_clocks_see_one_time() {
    let cluster = Cluster::start();
    let store = postgres(&cluster, "r25", 4).await;
    let identity = SqlIdentity::new(&store, QueueTime::Database, SessionPolicy::default());
    let new = new_user();
    let tenant = new.workspace;
    let user = identity.create_user(new).await.unwrap();
    let session = identity.open_session(new_session(&user, tenant)).await.unwrap();
    let said = cluster.query("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint");
    let database = Timestamp::from_millis(said[0].parse().unwrap());
    assert!(database.since(session.created_at) < Duration::from_secs(60));
    assert!(session.created_at.since(database) < Duration::from_secs(60));
    let found = identity.present(session.id, token(0)).await.unwrap();
    assert_eq!(found.rule, Rule::Coalesced);
}

/// R17, R18 in earnest: signing out and refreshing at once, at two servers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r17_signing_out_wins_at_two_servers() {
    let cluster = Cluster::start();
    let clock = clock();
    let policy = SessionPolicy::default();
    let stores = [postgres(&cluster, "r17", 4).await, postgres(&cluster, "r17", 4).await];
    let two = stores.each_ref().map(|store| Arc::new(by_clock(store, &clock, policy)));
    let new = new_user();
    let tenant = new.workspace;
    let user = two[0].create_user(new).await.unwrap();
    for i in 0..100 {
        let session = two[0].open_session(new_session(&user, tenant)).await.unwrap().id;
        clock.advance(Duration::from_secs(61));
        let (out, refresh) = (two[i % 2].clone(), two[(i + 1) % 2].clone());
        let out = tokio::spawn(async move {
            out.end_session(session, EndReason::SignedOut).await.unwrap();
        });
        let refresh =
            tokio::spawn(async move { refresh.present(session, token(0)).await.unwrap() });
        out.await.unwrap();
        for generation in 0..2 {
            let found = two[i % 2].present(session, token(generation)).await.unwrap();
            assert_eq!(found.rule, Rule::Late);
        }
        let raced = refresh.await.unwrap().rule;
        assert!(matches!(raced, Rule::Rotated | Rule::Late), "{raced:?}");
    }
}

/// A chain in a file that somebody has edited: the first entry that is wrong is named.
#[tokio::test]
async fn edited_rows_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (sqlite(&folder).await, clock());
    let identity = by_clock(&store, &clock, SessionPolicy::default());
    let editor = rusqlite::Connection::open(folder.path().join("a.db")).unwrap();
    let faults: [(&str, Option<Break>); 7] = [
        ("SELECT 1", None),
        (
            "UPDATE audit_entries SET detail = '{\"a\":1}' WHERE seq = 4",
            Some(Break { seq: 4, fault: Fault::Altered }),
        ),
        (
            "UPDATE audit_entries SET at = at - 1 WHERE seq = 7",
            Some(Break { seq: 7, fault: Fault::Altered }),
        ),
        ("DELETE FROM audit_entries WHERE seq = 5", Some(Break { seq: 5, fault: Fault::Missing })),
        ("DELETE FROM audit_entries WHERE seq > 8", Some(Break { seq: 9, fault: Fault::Missing })),
        (
            "UPDATE audit_chains SET seq = 8, hash = (SELECT hash FROM audit_entries e
                WHERE e.tenant_id = audit_chains.tenant_id AND e.seq = 8)",
            Some(Break { seq: 9, fault: Fault::Head }),
        ),
        (
            "UPDATE audit_chains SET hash = zeroblob(32)",
            Some(Break { seq: 10, fault: Fault::Head }),
        ),
    ];
    for (edit, broken) in faults {
        let tenant = scope(TenantId::new());
        let entries = (0..10).map(|i| NewEntry::new(Actor::System, "exported").about(i));
        identity.append(&tenant, entries.collect()).await.unwrap();
        // Of this tenant alone.
        let hex = notebook_core::hex(tenant.tenant().as_bytes());
        let mine = format!("tenant_id = x'{hex}'");
        let edit = match edit.split_once("WHERE seq") {
            Some((what, rest)) => format!("{what}WHERE {mine} AND seq{rest}"),
            None if edit.starts_with("UPDATE") => format!("{edit} WHERE {mine}"),
            None => edit.to_owned(),
        };
        editor.execute_batch(&edit).unwrap();
        assert_eq!(verify(&identity, &tenant, None, None).await.unwrap().broken, broken, "{edit}");
    }
}

/// A chain under a key: who has the file and not the key can add no entry to it.
#[tokio::test]
async fn a_chain_under_a_key_tells_who_had_none() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (sqlite(&folder).await, clock());
    let policy = SessionPolicy::default();
    let keys = AuditKeys::new(&Secret::new("k".repeat(32)), &[]).unwrap();
    let forger = by_clock(&store, &clock, policy);
    let owner = by_clock(&store, &clock, policy).with_audit_keys(keys.clone());
    let memory = MemoryIdentity::new(clock.clone(), policy).with_audit_keys(keys.clone());
    let tenant = scope(TenantId::new());
    let entry = || vec![NewEntry::new(Actor::System, "exported")];
    for log in [&owner as &dyn notebook_core::identity::AuditLog, &memory] {
        for _ in 0..3 {
            log.append(&tenant, entry()).await.unwrap();
        }
        let found = verify(log, &tenant, None, Some(&keys)).await.unwrap();
        assert_eq!((found.head.seq, found.keyless, found.broken), (3, 0, None));
    }
    forger.append(&tenant, entry()).await.unwrap();
    let found = verify(&owner, &tenant, None, Some(&keys)).await.unwrap();
    assert_eq!(found.broken, Some(Break { seq: 4, fault: Fault::Altered }));
}

/// A token that a client made up for a session that is there.
#[tokio::test]
async fn a_binding_counts_in_the_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (sqlite(&folder).await, clock());
    let identity = by_clock(&store, &clock, SessionPolicy::default());
    let new = new_user();
    let tenant = new.workspace;
    let user = identity.create_user(new).await.unwrap();
    let mut bound = new_session(&user, tenant);
    bound.binding = Some([7; 32]);
    let session: SessionId = identity.open_session(bound).await.unwrap().id;
    let wrong = Presented { binding: Some([8; 32]), ..token(0) };
    let found = identity.present(session, wrong).await.unwrap();
    assert_eq!(found.rule, Rule::WrongBinding);
}
