//! T7, T10: row security as PostgreSQL's catalog has it, and the roles by which the tables are used.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/postgres.rs"]
mod cluster;

use std::{collections::BTreeMap, sync::Arc};

use cluster::Cluster;
use notebook_core::{
    ErrorKind, Secret, Timestamp, approval,
    clock::ManualClock,
    identity::{conformance as identity, sql::SqlIdentity},
    postgres::PostgresConfig,
    queue::{
        QueuePolicy, conformance as queue,
        sql::{QueueTime, SqlQueue},
    },
    run_log,
    store::{self, NotebookStore as _, conformance::samples, sql::SqlStore},
    usage, webhook,
};

/// Tables without a tenant's rows, and why.
const NOBODYS: &[(&str, &str)] = &[("schema_migrations", "the steps of the schema")];

/// Tables whose rows are no one tenant's, and why.
const INSTALLATIONS: &[(&str, &str)] = &[
    ("users", "a user is in many workspaces; a workspace sees its members"),
    ("password_resets", "a user's"),
    ("sessions", "a user's, who changes from one workspace to another in it"),
    ("linked_identities", "a user's, found before they are signed in"),
    ("key_usage", "counts of the calls by providers' keys, which all tenants share"),
    ("breakers_by_hand", "what operators decided of models, which all tenants share"),
    ("rate_limits", "counts of addresses, users and keys, before a workspace is known"),
];

/// Tables of a tenant that the installation works on as a whole too, and why. No other policy lets anybody pass by.
const CROSSED: &[(&str, &str)] = &[
    ("jobs", "workers do the jobs of all tenants"),
    ("workspaces", "made before anybody acts in them"),
    ("memberships", "a user's workspaces are listed at sign-in"),
    ("invitations", "an invitation is found by its hash, and says which workspace it is to"),
    ("api_keys", "a key is found by its hash, and says which tenant it is for"),
    ("audit_chains", "sign-ins are logged, in the installation's chain too"),
    ("audit_entries", "as before"),
];

fn is_in(list: &[(&str, &str)], table: &str) -> bool {
    list.iter().any(|(name, _)| *name == table)
}

async fn opened(cluster: &Cluster) -> SqlStore {
    SqlStore::postgres(&PostgresConfig::new(cluster.url())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn t7_every_table_has_forced_row_security() {
    let cluster = Cluster::start();
    opened(&cluster).await.close().await.unwrap();
    let tables = cluster.query(
        "SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity,
            EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
        FROM pg_class c WHERE c.relnamespace = 'notebook'::regnamespace AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
        ORDER BY 1",
    );
    let policies = cluster.query(
        "SELECT tablename, cmd, permissive, array_to_string(roles, ','), COALESCE(with_check, 'as using'),
            translate(qual, E'\\n', ' ') FROM pg_policies WHERE schemaname = 'notebook' ORDER BY 1, 2",
    );
    let mut of: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for policy in &policies {
        let (table, rest) = policy.split_once('|').unwrap();
        of.entry(table).or_default().push(rest);
    }
    assert!(tables.len() > 20, "{tables:?}");
    for line in &tables {
        let [table, forced, has_tenant] = *line.split('|').collect::<Vec<_>>() else {
            panic!("{line}")
        };
        if is_in(NOBODYS, table) {
            assert_eq!((forced, has_tenant), ("f", "f"), "{table}");
            continue;
        }
        assert_eq!(forced, "t", "{table}: ALTER TABLE … ENABLE, FORCE ROW LEVEL SECURITY");
        let own = "tenant_id = notebook.own_tenant()";
        let all = "notebook.whole_installation()";
        let wanted = if is_in(INSTALLATIONS, table) {
            format!("ALL|PERMISSIVE|public|as using|{all}")
        } else if is_in(CROSSED, table) {
            format!("ALL|PERMISSIVE|public|as using|({all} OR ({own}))")
        } else {
            format!("ALL|PERMISSIVE|public|as using|({own})")
        };
        let mut wanted = vec![wanted];
        if table == "users" {
            let member = "(EXISTS ( SELECT 1    FROM notebook.memberships m   WHERE (m.user_id = users.id)))";
            wanted.push(format!("SELECT|PERMISSIVE|public|as using|{member}"));
        }
        assert_eq!(of.remove(table).unwrap_or_default(), wanted, "{table}");
        assert_eq!(
            has_tenant == "t",
            table == "sessions" || !is_in(INSTALLATIONS, table),
            "{table}"
        );
    }
    assert!(of.is_empty(), "{of:?}");
}

/// T7: the role that works is no owner, cannot sign in, is exempt from nothing, and may do no more than it has to.
#[tokio::test(flavor = "multi_thread")]
async fn t7_the_role_that_works_may_only_work() {
    let cluster = Cluster::start();
    let store = opened(&cluster).await;
    let standing = store.row_security().unwrap();
    assert_eq!(
        (standing.role.as_str(), standing.holds, standing.owns),
        ("notebook_app", true, false)
    );
    let role = "SELECT rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolinherit
        FROM pg_roles WHERE rolname = 'notebook_app'";
    assert_eq!(cluster.query(role), ["f|f|f|f|f|t"]);
    let member = "SELECT count(*) FROM pg_auth_members WHERE member = 'notebook_app'::regrole";
    assert_eq!(cluster.query(member), ["0"]);
    let granted = cluster.query(
        "SELECT table_name, string_agg(privilege_type, ' ' ORDER BY privilege_type)
        FROM information_schema.role_table_grants
        WHERE grantee = 'notebook_app' GROUP BY 1 ORDER BY 1",
    );
    let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'notebook'::regnamespace AND relkind = 'r'";
    assert_eq!((granted.len() + NOBODYS.len()).to_string(), cluster.query(tables)[0]);
    for line in &granted {
        let (table, rights) = line.split_once('|').unwrap();
        let rows =
            if table == "audit_entries" { "INSERT SELECT" } else { "DELETE INSERT SELECT UPDATE" };
        assert_eq!(rights, rows, "{table}");
    }
    for refused in [
        "CREATE TABLE notebook.mine (x INT)",
        "ALTER TABLE notebook.notebooks DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE notebook.notebooks NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY reach ON notebook.notebooks",
        "TRUNCATE notebook.notebooks",
        "UPDATE notebook.audit_entries SET at = 0",
        "SELECT * FROM notebook.schema_migrations",
    ] {
        let told = cluster.query(&format!(
            "DO $$ BEGIN SET LOCAL ROLE notebook_app; {refused}; RAISE EXCEPTION 'it may'; EXCEPTION
                WHEN insufficient_privilege THEN PERFORM set_config('test.told', 'refused', false); END $$;
            SELECT current_setting('test.told')",
        ));
        assert_eq!(told.last().map(String::as_str), Some("refused"), "{refused}: {told:?}");
    }
    // Every connection of the program works as this role; migrations have ended.
    store
        .notebooks(&samples::tenant(), true, notebook_core::model::PageRequest::first(1))
        .await
        .unwrap();
    store.close().await.unwrap();
    // A second start finds all as it is.
    assert_eq!(opened(&cluster).await.row_security().unwrap().role, "notebook_app");
}

/// T10: seen from outside the program.
#[tokio::test(flavor = "multi_thread")]
async fn t10_without_a_setting_no_table_shows_a_row() {
    let cluster = Cluster::start();
    let store = opened(&cluster).await;
    let scope = samples::tenant();
    store::conformance::run_all(&store).await;
    store.create_notebook(&scope, samples::notebook()).await.unwrap();
    let count = |begin: &str| {
        let sql = format!(
            "BEGIN; SET LOCAL ROLE notebook_app; {begin}; SELECT count(*) FROM notebook.notebooks; COMMIT"
        );
        cluster.query(&sql).into_iter().rev().nth(1).unwrap()
    };
    assert_ne!(
        cluster.query("SELECT count(*) FROM notebook.notebooks"),
        ["0"],
        "a superuser sees all"
    );
    assert_eq!(count("SELECT 1"), "0");
    assert_eq!(count("SET LOCAL notebook.tenant = ''"), "0");
    assert_eq!(count("SET LOCAL notebook.reach = 'installation'"), "0");
    let tenant = format!("SET LOCAL notebook.tenant = '{:032x}'", scope.tenant().as_u128());
    assert_eq!(count(&tenant), "1");
    assert!(cluster.log().contains("for no tenant"));
}

async fn conforms(store: &SqlStore) {
    store::conformance::run_all(store).await;
    run_log::conformance::run_all(store, store).await;
    usage::conformance::run_all(store, store, store).await;
    approval::conformance::run_all(store, store, store).await;
    let now = SqlQueue::new(store, QueueTime::Database, QueuePolicy::default());
    let shared =
        queue::outbox::Shared { store, log: store, queue: &now, worklist: &now, outbox: &now };
    queue::outbox::run_all(shared).await;
    webhook::conformance::run_all(webhook::conformance::Parts { shared, webhooks: store }).await;
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
    let time = QueueTime::Clock(clock.clone());
    let jobs = SqlQueue::new(store, time.clone(), QueuePolicy::default());
    let by = clock.clone();
    queue::run_all(&jobs, &move |time| by.advance(time)).await;
    let users = SqlIdentity::new(store, time, identity::policy());
    identity::run_all(&identity::Subject { identity: Arc::new(users), clock }).await;
}

/// Every promise holds by whichever role the database lets us work.
#[tokio::test(flavor = "multi_thread")]
async fn t7_all_ports_conform_by_the_owner_who_may_make_no_role() {
    let cluster = Cluster::start();
    cluster.query("CREATE ROLE plain LOGIN; GRANT CREATE ON DATABASE postgres TO plain");
    let config =
        PostgresConfig { row_security: true, ..PostgresConfig::new(cluster.url_of("plain")) };
    let store = SqlStore::postgres(&config).await.unwrap();
    let standing = store.row_security().unwrap();
    assert_eq!((standing.role.as_str(), standing.holds, standing.owns), ("plain", true, true));
    assert_eq!(cluster.query("SELECT 1 FROM pg_roles WHERE rolname = 'notebook_app'"), [""; 0]);
    conforms(&store).await;
    store.close().await.unwrap();
}

/// The roles that there may be, and what is said where they do not do.
#[tokio::test(flavor = "multi_thread")]
async fn t7_a_role_that_does_not_do_is_told_with_the_fix() {
    let cluster = Cluster::start();
    cluster.query(
        "CREATE ROLE maker LOGIN CREATEROLE; CREATE ROLE exempt LOGIN BYPASSRLS; CREATE ROLE plain LOGIN;
        CREATE ROLE almighty SUPERUSER; CREATE ROLE others;
        GRANT CREATE ON DATABASE postgres TO maker, exempt, plain",
    );
    let open = async |user: &str, role: Option<&str>, required: bool| {
        let config = PostgresConfig {
            schema: format!("of_{user}"),
            role: role.map(str::to_owned),
            row_security: required,
            url: Secret::new(cluster.url_of(user)),
            ..PostgresConfig::new("")
        };
        let store = SqlStore::postgres(&config).await?;
        let standing = store.row_security().unwrap().clone();
        store.close().await?;
        Ok::<_, notebook_core::Error>((standing.role, standing.holds, standing.owns))
    };
    let as_is = |role: &str, holds, owns| (role.to_owned(), holds, owns);
    // Who may make roles makes one.
    assert_eq!(open("maker", None, true).await.unwrap(), as_is("of_maker_app", true, false));
    assert_eq!(open("maker", Some("Its own \"role\""), true).await.unwrap().0, "Its own \"role\"");
    // A wanted role has to be there, and one's own to take on.
    for (role, fix) in [
        ("missing", "CREATE ROLE \"missing\" NOLOGIN; GRANT \"missing\" TO \"plain\""),
        ("others", "GRANT \"others\" TO \"plain\""),
    ] {
        let error = open("plain", Some(role), false).await.unwrap_err();
        assert_eq!((error.kind(), error.context("field")), (ErrorKind::Unauthorized, Some("role")));
        assert!(error.context("fix").unwrap().contains(fix), "{error}");
        cluster.query(&fix.replace("NOLOGIN;", "NOLOGIN; "));
        assert_eq!(open("plain", Some(role), true).await.unwrap(), as_is(role, true, false));
    }
    // Who is exempt serves one tenant, with a warning, and no more.
    assert_eq!(open("exempt", None, false).await.unwrap(), as_is("exempt", false, true));
    let error = open("exempt", None, true).await.unwrap_err();
    assert_eq!((error.kind(), error.context("field")), (ErrorKind::Unauthorized, Some("role")));
    assert!(error.context("fix").unwrap().contains("BYPASSRLS"), "{error}");
    let error = open("test", Some("almighty"), true).await.unwrap_err();
    assert!(error.context("reason").unwrap().contains("almighty"), "{error}");
    assert_eq!(open("test", Some("test"), false).await.unwrap(), as_is("test", false, true));
}
