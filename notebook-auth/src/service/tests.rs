use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use notebook_core::{
    ErrorKind, NotebookId, Retry,
    clock::ManualClock,
    identity::{
        NewUser, Role, Workspace, WorkspaceKind,
        audit::{Actor, verify},
        memory::MemoryIdentity,
        session::SessionState,
        sql::SqlIdentity,
    },
    queue::sql::QueueTime,
    sqlite::SqliteConfig,
    store::sql::SqlStore,
};

use super::*;
use crate::{
    jwt::{IssuerConfig, JwtIssuer, KeyTimes, SigningKey},
    password::{Cost, PasswordConfig},
    rbac::Permission,
    scope_of,
};

const PASSWORD: &str = "correct horse";

struct Bench {
    auth: Auth,
    identity: Arc<dyn Identity>,
    /// The store's.
    clock: Arc<ManualClock>,
    /// This machine's.
    local: Arc<ManualClock>,
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000)))
}

fn passwords() -> Passwords {
    let cost = Cost { memory: 19 * 1024, passes: 1 };
    Passwords::new(PasswordConfig { cost, ..PasswordConfig::default() }).unwrap()
}

async fn auth_of(
    identity: Arc<dyn Identity>,
    clock: Arc<ManualClock>,
    policy: SessionPolicy,
) -> Auth {
    let key = SigningKey::eddsa("one", &[1; 32], KeyTimes::default()).unwrap();
    let issuer = JwtIssuer::new(IssuerConfig::new("https://test", "notebook"), vec![key]).unwrap();
    let config = AuthConfig {
        identity,
        passwords: passwords(),
        issuer: Arc::new(issuer),
        refresh: RefreshKeys::new([(1, Secret::new("k".repeat(32)))]).unwrap(),
        policy,
        throttle: ThrottlePolicy::default(),
        reset_life: Duration::from_secs(900),
        clock,
    };
    Auth::new(config).await.unwrap()
}

async fn bench_with(policy: SessionPolicy, local: Arc<ManualClock>) -> Bench {
    let clock = clock();
    let identity: Arc<dyn Identity> = Arc::new(MemoryIdentity::new(clock.clone(), policy));
    let auth = auth_of(Arc::clone(&identity), local.clone(), policy).await;
    Bench { auth, identity, clock, local }
}

async fn bench() -> Bench {
    bench_with(SessionPolicy::default(), clock()).await
}

impl Bench {
    fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.local.advance(Duration::from_secs(seconds));
    }

    async fn register(&self, email: &str) -> notebook_core::identity::User {
        let new = Registration {
            email: email.into(),
            name: "Ada".into(),
            password: Secret::new(PASSWORD),
        };
        self.auth.register(new).await.unwrap()
    }

    async fn signed_in(&self) -> Tokens {
        self.register("ada@example.org").await;
        self.auth.sign_in(request("ada@example.org", PASSWORD)).await.unwrap()
    }

    async fn is_good(&self, tokens: &Tokens) -> bool {
        match self.auth.authenticate(tokens.access.expose()).await {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error:?}");
                false
            }
        }
    }

    async fn refreshed(&self, tokens: &Tokens) -> Result<Tokens, RefreshFault> {
        self.auth.refresh(tokens.refresh.expose(), None, None).await
    }
}

fn request(email: &str, password: &str) -> SignIn {
    SignIn {
        email: email.into(),
        password: Secret::new(password),
        address: Ipv4Addr::new(192, 0, 2, 1).into(),
        client: "Firefox\n".into(),
        tenant: None,
        binding: None,
    }
}

#[tokio::test(start_paused = true)]
async fn g1_from_registering_to_signing_out() {
    let bench = bench().await;
    let user = bench.register(" Ada@Example.ORG ").await;
    assert_eq!(user.email, "ada@example.org");
    let tokens = bench.auth.sign_in(request("ADA@example.org", PASSWORD)).await.unwrap();
    let principal = bench.auth.authenticate(tokens.access.expose()).await.unwrap();
    assert_eq!((principal.user, principal.role), (user.id, Role::Admin));
    assert_eq!(principal.scope.tenant(), tokens.tenant);
    assert_eq!(principal.session, Some(tokens.session));
    let life = tokens.access_expires_at.since(bench.clock_now());
    assert!(life <= Duration::from_secs(900) && life >= Duration::from_secs(855), "{life:?}");
    let listed = bench.auth.sessions(user.id).await.unwrap();
    assert_eq!((listed.len(), listed[0].client.as_str()), (1, "Firefox"));
    bench.wait(600);
    let next = bench.refreshed(&tokens).await.unwrap();
    assert_ne!(next.refresh, tokens.refresh);
    assert!(bench.is_good(&next).await && bench.is_good(&tokens).await);
    bench.wait(400);
    assert!(!bench.is_good(&tokens).await, "its time is over");
    assert!(bench.is_good(&next).await);
    for _ in 0..2 {
        bench.auth.sign_out(next.refresh.expose()).await.unwrap();
        assert!(!bench.is_good(&next).await, "at once");
        let fault = bench.refreshed(&next).await.unwrap_err();
        assert!(matches!(fault, RefreshFault::Unauthorized { clear: true }), "{fault:?}");
    }
    bench.auth.sign_out("nonsense").await.unwrap();
}

impl Bench {
    fn clock_now(&self) -> Timestamp {
        Clock::now(&*self.clock)
    }
}

#[tokio::test(start_paused = true)]
async fn bad_registrations_name_the_field() {
    let bench = bench().await;
    bench.register("ada@example.org").await;
    let new = |email: &str, name: &str, password: &str| Registration {
        email: email.into(),
        name: name.into(),
        password: Secret::new(password),
    };
    let long = format!("{}@example.org", "a".repeat(250));
    for email in
        ["", "ada", "@example.org", "ada@", "ada@host", "a b@example.org", "a\0@b.c", &long]
    {
        let error = bench.auth.register(new(email, "Ada", PASSWORD)).await.unwrap_err();
        assert_eq!(error.context("field"), Some("email"), "{email}");
    }
    for name in ["", "  ", "a\0b", &"x".repeat(101)] {
        let error = bench.auth.register(new("bob@example.org", name, PASSWORD)).await.unwrap_err();
        assert_eq!(error.context("field"), Some("name"));
    }
    let error = bench.auth.register(new("bob@example.org", "Bob", "short")).await.unwrap_err();
    assert_eq!(error.context("field"), Some("password"));
    let error = bench.auth.register(new("ADA@example.org", "Bob", PASSWORD)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}

/// J22: who is not there, who is switched off, and whose password is wrong are answered alike.
#[tokio::test(start_paused = true)]
async fn j22_failed_sign_ins_are_alike() {
    let bench = bench().await;
    bench.register("ada@example.org").await;
    let off = bench.register("off@example.org").await;
    bench.identity.set_user_active(off.id, false).await.unwrap();
    let mut errors = Vec::new();
    for (email, password) in [
        ("ada@example.org", "wrong horse"),
        ("off@example.org", PASSWORD),
        ("nobody@example.org", PASSWORD),
        ("not an address", PASSWORD),
        ("ada@example.org", ""),
    ] {
        let error = bench.auth.sign_in(request(email, password)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        errors.push(error.to_string());
    }
    errors.dedup();
    assert_eq!(errors.len(), 1, "{errors:?}");
    // G8: each is logged, without what was typed.
    let log = bench.identity.newest(&crate::installation(), None, 10).await.unwrap();
    assert_eq!(log.iter().filter(|entry| entry.what.action == "sign_in.failed").count(), 5);
    assert!(log.iter().all(|entry| !format!("{entry:?}").contains("horse")));
}

/// J20, G1: a hash of an older system is replaced at the next sign-in, once.
#[tokio::test(start_paused = true)]
async fn j20_hashes_of_an_older_system_are_replaced() {
    let bench = bench().await;
    let old = bcrypt::hash_with_salt(PASSWORD, 4, [3; 16]).unwrap().to_string();
    let id = UserId::new();
    let new = NewUser {
        id,
        email: "ada@example.org".into(),
        name: "Ada".into(),
        password: Some(old.clone()),
        workspace: TenantId::new(),
    };
    bench.identity.create_user(new).await.unwrap();
    let stored = async || bench.identity.user(id).await.unwrap();
    bench.auth.sign_in(request("ada@example.org", "wrong horse")).await.unwrap_err();
    assert_eq!(stored().await.password, Some(old));
    let first = bench.auth.sign_in(request("ada@example.org", PASSWORD)).await.unwrap();
    let upgraded = stored().await;
    assert!(upgraded.password.as_ref().unwrap().starts_with("$argon2id$"));
    assert_eq!(upgraded.epoch, 0, "nobody is signed out by it");
    assert!(bench.is_good(&first).await);
    bench.auth.sign_in(request("ada@example.org", PASSWORD)).await.unwrap();
    assert_eq!(stored().await.password, upgraded.password);
}

/// J26 through the door.
#[tokio::test(start_paused = true)]
async fn j26_many_tries_are_told_to_wait() {
    let bench = bench().await;
    bench.register("ada@example.org").await;
    for _ in 0..10 {
        let error =
            bench.auth.sign_in(request("ada@example.org", "wrong horse")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    }
    let error = bench.auth.sign_in(request(" ADA@example.org", PASSWORD)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert!(matches!(error.retry_status(), Retry::After(wait) if wait > Duration::ZERO));
    let elsewhere = SignIn {
        address: Ipv4Addr::new(192, 0, 2, 2).into(),
        ..request("ada@example.org", PASSWORD)
    };
    bench.auth.sign_in(elsewhere).await.unwrap();
    bench.wait(900);
    bench.auth.sign_in(request("ada@example.org", PASSWORD)).await.unwrap();
}

/// R18
#[tokio::test(start_paused = true)]
async fn a_changed_password_ends_all_sessions_but_the_new_one() {
    let bench = bench().await;
    let one = bench.signed_in().await;
    let other = bench.auth.sign_in(request("ada@example.org", PASSWORD)).await.unwrap();
    let (old, new) = (Secret::new(PASSWORD), Secret::new("battery staple"));
    let wrong = bench.auth.change_password(one.session, &new, &old).await.unwrap_err();
    assert_eq!((wrong.kind(), wrong.context("field")), (ErrorKind::InvalidInput, Some("old")));
    let short = bench.auth.change_password(one.session, &old, &Secret::new("x")).await;
    assert_eq!(short.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(bench.is_good(&one).await);
    let tokens = bench.auth.change_password(one.session, &old, &new).await.unwrap();
    for ended in [&one, &other] {
        assert!(!bench.is_good(ended).await);
        assert!(bench.refreshed(ended).await.unwrap_err().clears_cookie());
    }
    assert!(bench.is_good(&tokens).await);
    bench.auth.sign_in(request("ada@example.org", PASSWORD)).await.unwrap_err();
    bench.auth.sign_in(request("ada@example.org", "battery staple")).await.unwrap();
}

/// J25
#[tokio::test(start_paused = true)]
async fn j25_a_forgotten_password_is_set_once() {
    let bench = bench().await;
    let tokens = bench.signed_in().await;
    assert!(bench.auth.request_reset("nobody@example.org").await.unwrap().is_none());
    assert!(bench.auth.request_reset("nonsense").await.unwrap().is_none());
    let (user, token) = bench.auth.request_reset(" ADA@example.org").await.unwrap().unwrap();
    assert_eq!(user.id, tokens.user);
    let new = Secret::new("battery staple");
    let tries = (0..10).map(|_| bench.auth.reset_password(token.expose(), &new));
    let done = futures::future::join_all(tries).await;
    assert_eq!(done.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(!bench.is_good(&tokens).await);
    bench.auth.sign_in(request("ada@example.org", "battery staple")).await.unwrap();
    let (_, late) = bench.auth.request_reset("ada@example.org").await.unwrap().unwrap();
    bench.wait(900);
    let error = bench.auth.reset_password(late.expose(), &new).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(format!("{late:?}"), "Secret(…)");
}

/// R2, R5, R33: tabs at once get the same bytes; those that come too often keep what they have.
#[tokio::test(start_paused = true)]
async fn r5_and_r33_the_same_child_and_no_cleared_cookie() {
    let policy = SessionPolicy { most_replays: 5, ..SessionPolicy::default() };
    let bench = bench_with(policy, clock()).await;
    let tokens = bench.signed_in().await;
    bench.wait(900);
    let child = bench.refreshed(&tokens).await.unwrap();
    bench.wait(1);
    for _ in 0..5 {
        let again = bench.refreshed(&tokens).await.unwrap();
        assert_eq!((&again.refresh, &again.access), (&child.refresh, &child.access));
        assert_eq!(again.access_expires_at, child.access_expires_at);
    }
    let fault = bench.refreshed(&tokens).await.unwrap_err();
    assert!(matches!(fault, RefreshFault::TooMany { .. }), "{fault:?}");
    assert!(!fault.clears_cookie());
    assert!(bench.is_good(&child).await);
    // R46: the new one itself is not rotated yet, and gives a younger access token.
    bench.wait(2);
    let same = bench.refreshed(&child).await.unwrap();
    assert_eq!(same.refresh, child.refresh);
    assert!(same.access_expires_at > child.access_expires_at);
}

/// R27, X0: what is not genuine is not looked up, and takes nobody's cookie.
#[tokio::test(start_paused = true)]
async fn r27_what_is_not_genuine_changes_nothing() {
    let bench = bench().await;
    let tokens = bench.signed_in().await;
    let before = bench.identity.session(tokens.session).await.unwrap().session;
    let mut forged = tokens.refresh.expose().to_owned();
    forged.replace_range(30..31, if &forged[30..31] == "A" { "B" } else { "A" });
    for token in [forged.as_str(), "", "nbr_", tokens.access.expose(), &"x".repeat(1 << 20)] {
        let fault = bench.auth.refresh(token, None, None).await.unwrap_err();
        assert!(matches!(fault, RefreshFault::Unauthorized { clear: false }), "{fault:?}");
    }
    assert_eq!(bench.identity.session(tokens.session).await.unwrap().session, before);
}

/// R28, T13
#[tokio::test(start_paused = true)]
async fn r28_another_workspaces_host_refuses_and_changes_nothing() {
    let bench = bench().await;
    let tokens = bench.signed_in().await;
    bench.wait(900);
    let token = tokens.refresh.expose();
    let fault = bench.auth.refresh(token, None, Some(TenantId::new())).await.unwrap_err();
    assert!(matches!(fault, RefreshFault::Unauthorized { clear: false }));
    let unknown = bench.auth.refresh("nbr_x", None, Some(TenantId::new())).await.unwrap_err();
    assert_eq!(fault.to_string(), unknown.to_string(), "no hint that it exists");
    bench.auth.refresh(token, None, Some(tokens.tenant)).await.unwrap();
}

/// R29
#[tokio::test(start_paused = true)]
async fn r29_a_bound_session_wants_its_proof() {
    let bench = bench().await;
    bench.register("ada@example.org").await;
    let bound = SignIn { binding: Some([1; 32]), ..request("ada@example.org", PASSWORD) };
    let tokens = bench.auth.sign_in(bound).await.unwrap();
    bench.wait(900);
    let token = tokens.refresh.expose();
    let next = bench.auth.refresh(token, Some([1; 32]), None).await.unwrap();
    let fault = bench.auth.refresh(next.refresh.expose(), Some([2; 32]), None).await.unwrap_err();
    assert!(fault.clears_cookie());
    let session = bench.identity.session(tokens.session).await.unwrap().session;
    assert_eq!(session.state, SessionState::Revoked);
}

/// R22, R24, X14: a store that does not answer costs nobody their session.
#[tokio::test]
async fn r22_a_store_that_is_away_keeps_everybody_signed_in() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock();
    let open = async || {
        let file = SqliteConfig::new(folder.path().join("a.db"));
        let store = SqlStore::sqlite(file).await.unwrap();
        let time = QueueTime::Clock(clock.clone());
        let identity = SqlIdentity::new(&store, time, SessionPolicy::default());
        let auth = auth_of(Arc::new(identity), clock.clone(), SessionPolicy::default()).await;
        (store, auth)
    };
    let (store, auth) = open().await;
    let new = Registration {
        email: "ada@example.org".into(),
        name: "Ada".into(),
        password: Secret::new(PASSWORD),
    };
    auth.register(new).await.unwrap();
    let tokens = auth.sign_in(request("ada@example.org", PASSWORD)).await.unwrap();
    clock.advance(Duration::from_secs(900));
    store.close().await.unwrap();
    let fault = auth.refresh(tokens.refresh.expose(), None, None).await.unwrap_err();
    assert!(matches!(fault, RefreshFault::Unavailable { .. }), "{fault:?}");
    assert!(!fault.clears_cookie());
    let (_store, auth) = open().await;
    let next = auth.refresh(tokens.refresh.expose(), None, None).await.unwrap();
    assert_ne!(next.refresh, tokens.refresh);
    auth.authenticate(next.access.expose()).await.unwrap();
}

/// R25: a machine whose clock is wrong makes and takes good tokens.
#[tokio::test(start_paused = true)]
async fn r25_a_wrong_clock_changes_nothing() {
    for minutes in [-10_i64, 10] {
        let local = Timestamp::from_millis(1_700_000_000_000 + minutes * 60_000);
        let bench = bench_with(SessionPolicy::default(), Arc::new(ManualClock::at(local))).await;
        let mut tokens = bench.signed_in().await;
        for _ in 0..5 {
            assert!(bench.is_good(&tokens).await);
            bench.wait(840);
            assert!(bench.is_good(&tokens).await);
            bench.wait(90);
            assert!(!bench.is_good(&tokens).await);
            tokens = bench.refreshed(&tokens).await.unwrap();
        }
    }
}

/// R44, J16: at once where it was done, and within five seconds elsewhere.
#[tokio::test(start_paused = true)]
async fn r44_and_j16_roles_and_ends_count_within_five_seconds() {
    let bench = bench().await;
    let owner = bench.register("owner@example.org").await;
    let team = scope_of(TenantId::new());
    let workspace = Workspace {
        tenant: team.tenant(),
        kind: WorkspaceKind::Team,
        name: "Team".into(),
        active: true,
        created_at: bench.clock_now(),
    };
    bench.identity.create_workspace(owner.id, workspace).await.unwrap();
    let user = bench.register("ada@example.org").await;
    let by = Actor::User(owner.id);
    bench.identity.set_role(&team, by, user.id, Role::DataScientist).await.unwrap();
    let there = SignIn { tenant: Some(team.tenant()), ..request("ada@example.org", PASSWORD) };
    let tokens = bench.auth.sign_in(there.clone()).await.unwrap();
    let principal = bench.auth.authenticate(tokens.access.expose()).await.unwrap();
    assert!(principal.may(Permission::SourceWrite));
    // At another server.
    bench.identity.set_role(&team, by, user.id, Role::Viewer).await.unwrap();
    tokio::time::advance(Duration::from_millis(5_001)).await;
    assert!(!bench.is_good(&tokens).await);
    bench.wait(61);
    let tokens = bench.refreshed(&tokens).await.unwrap();
    let principal = bench.auth.authenticate(tokens.access.expose()).await.unwrap();
    assert_eq!(principal.role, Role::Viewer);
    let error = principal.require(Permission::Chat).unwrap_err();
    assert_eq!(error.context("permission"), Some("chat"));
    // An end at another server, a workspace that is switched off there.
    bench.identity.set_workspace_active(team.tenant(), false).await.unwrap();
    assert!(bench.is_good(&tokens).await, "still believed");
    tokio::time::advance(Duration::from_millis(5_001)).await;
    assert!(!bench.is_good(&tokens).await);
    bench.auth.sign_in(there).await.unwrap_err();
    // Here: at once.
    let tokens = bench.auth.sign_in(request("ada@example.org", PASSWORD)).await.unwrap();
    assert!(bench.is_good(&tokens).await);
    bench.auth.end_session(user.id, tokens.session).await.unwrap();
    assert!(!bench.is_good(&tokens).await);
}

/// R7 by the bytes: the access token of the child counts as its use.
#[tokio::test(start_paused = true)]
async fn r7_a_used_access_token_makes_the_old_refresh_token_a_theft() {
    let bench = bench().await;
    let tokens = bench.signed_in().await;
    bench.wait(900);
    let child = bench.refreshed(&tokens).await.unwrap();
    bench.wait(120);
    assert!(bench.is_good(&child).await);
    let fault = bench.refreshed(&tokens).await.unwrap_err();
    assert!(fault.clears_cookie());
    assert!(!bench.is_good(&child).await, "and at once nothing of the session is good");
    // Without the use, it is a reply that was lost.
    let tokens = bench.auth.sign_in(request("ada@example.org", PASSWORD)).await.unwrap();
    bench.wait(900);
    let child = bench.refreshed(&tokens).await.unwrap();
    bench.wait(120);
    assert_eq!(bench.refreshed(&tokens).await.unwrap().refresh, child.refresh);
}

#[tokio::test(start_paused = true)]
async fn g2_sessions_are_listed_and_ended_by_their_user_alone() {
    let bench = bench().await;
    let one = bench.signed_in().await;
    let other = bench.auth.sign_in(request("ada@example.org", PASSWORD)).await.unwrap();
    let stranger = bench.register("eve@example.org").await;
    for id in [one.session, SessionId::new()] {
        let error = bench.auth.end_session(stranger.id, id).await.unwrap_err();
        assert_eq!(error.to_string(), "end session: not_found (what: session)");
    }
    assert_eq!(bench.auth.sessions(one.user).await.unwrap().len(), 2);
    assert_eq!(bench.auth.end_other_sessions(one.user, Some(one.session)).await.unwrap(), 1);
    assert!(bench.is_good(&one).await && !bench.is_good(&other).await);
}

#[tokio::test(start_paused = true)]
async fn g4_api_keys_can_what_they_are_made_for_and_no_more_than_their_maker() {
    let bench = bench().await;
    let tokens = bench.signed_in().await;
    let admin = bench.auth.authenticate(tokens.access.expose()).await.unwrap();
    let scopes = [Permission::NotebookRead, Permission::Chat];
    let (stored, key) = bench.auth.create_key(&admin, " Build ", &scopes, None).await.unwrap();
    assert!(key.expose().starts_with(&stored.prefix) && stored.name == "Build");
    let program = bench.auth.authenticate_key(key.expose()).await.unwrap();
    assert_eq!((program.user, program.session), (admin.user, None));
    assert_eq!(program.actor(), Actor::Key(stored.id));
    assert!(program.may(Permission::Chat) && !program.may(Permission::SourceWrite));
    // A key that makes keys makes none that can more.
    assert!(bench.auth.create_key(&program, "x", &scopes, None).await.is_err());
    for (name, scopes, field) in [
        ("", &scopes[..], "name"),
        ("x", &[][..], "scopes"),
        ("x", &[Permission::Operate][..], "scopes"),
    ] {
        let error = bench.auth.create_key(&admin, name, scopes, None).await.unwrap_err();
        assert_eq!(error.context("field"), Some(field));
    }
    let listed = bench.identity.keys(&admin.scope).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert!(listed[0].last_used_at.is_some());
    assert!(!format!("{listed:?}").contains(key.expose()));
    for wrong in ["", "nbk_", "Bearer x", &key.expose()[..20], tokens.access.expose()] {
        let error = bench.auth.authenticate_key(wrong).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    }
    bench.identity.revoke_key(&admin.scope, admin.actor(), stored.id).await.unwrap();
    let revoked = bench.auth.authenticate_key(key.expose()).await.unwrap_err();
    assert_eq!(revoked.kind(), ErrorKind::Unauthenticated);
}

#[tokio::test(start_paused = true)]
async fn g3_roles_are_given_by_those_who_may() {
    let bench = bench().await;
    let owner = bench.register("owner@example.org").await;
    let (ada, bob) =
        (bench.register("ada@example.org").await, bench.register("bob@example.org").await);
    let team = scope_of(TenantId::new());
    let workspace = Workspace {
        tenant: team.tenant(),
        kind: WorkspaceKind::Team,
        name: "Team".into(),
        active: true,
        created_at: bench.clock_now(),
    };
    bench.identity.create_workspace(owner.id, workspace).await.unwrap();
    let there = async |email| {
        let request = SignIn { tenant: Some(team.tenant()), ..request(email, PASSWORD) };
        let tokens = bench.auth.sign_in(request).await.unwrap();
        bench.auth.authenticate(tokens.access.expose()).await.unwrap()
    };
    let admin = there("owner@example.org").await;
    bench.auth.set_role(&admin, ada.id, Some(Role::DataScientist)).await.unwrap();
    let scientist = there("ada@example.org").await;
    for role in [Some(Role::Viewer), None] {
        let error = bench.auth.set_role(&scientist, bob.id, role).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Forbidden);
    }
    let system = bench.auth.set_role(&admin, bob.id, Some(Role::System)).await.unwrap_err();
    assert_eq!(system.kind(), ErrorKind::Forbidden);
    bench.auth.set_role(&admin, ada.id, None).await.unwrap();
    assert!(!bench.identity.standing(ada.id, team.tenant()).await.unwrap().active);
    // T13: a workspace that is not theirs.
    let foreign = SignIn { tenant: Some(team.tenant()), ..request("bob@example.org", PASSWORD) };
    assert_eq!(bench.auth.sign_in(foreign).await.unwrap_err().kind(), ErrorKind::Unauthenticated);
}

/// R39: no token, password or key in the audit log, in debug forms or in errors; and the chain holds.
#[tokio::test(start_paused = true)]
async fn r39_secrets_are_nowhere_to_be_read() {
    let bench = bench().await;
    let tokens = bench.signed_in().await;
    bench.wait(940);
    let next = bench.refreshed(&tokens).await.unwrap();
    let admin = bench.auth.authenticate(next.access.expose()).await.unwrap();
    let made = bench.auth.create_key(&admin, "x", &[Permission::Chat], None).await.unwrap();
    let stale = bench.auth.authenticate(tokens.access.expose()).await.unwrap_err();
    bench.wait(120);
    let fault = bench.refreshed(&tokens).await.unwrap_err();
    let mut seen = format!("{tokens:?} {next:?} {made:?} {stale:?} {fault:?} {:?}", bench.auth);
    for scope in [&admin.scope, &crate::installation()] {
        let log = bench.identity.entries(scope, 0, 100).await.unwrap();
        assert_eq!(verify(&*bench.identity, scope, None).await.unwrap().broken, None);
        seen.push_str(&format!("{log:?}"));
    }
    assert!(seen.contains("session.reused"), "the log was looked at");
    let access = next.access.expose().rsplit('.').next().unwrap();
    for secret in
        [tokens.refresh.expose(), next.refresh.expose(), access, made.1.expose(), PASSWORD]
    {
        assert!(!seen.contains(secret));
        assert!(!seen.contains(&secret[8..]), "{seen}");
    }
}

/// J15, T13: a good token of another installation, and one whose user is another's.
#[tokio::test(start_paused = true)]
async fn j15_tokens_of_elsewhere_are_refused() {
    let (here, elsewhere) = (bench().await, bench().await);
    let theirs = elsewhere.signed_in().await;
    here.signed_in().await;
    assert!(!here.is_good(&theirs).await, "the same keys, and no such session");
    let fault = here.refreshed(&theirs).await.unwrap_err();
    assert!(matches!(fault, RefreshFault::Unauthorized { .. }));
    assert!(here.auth.authenticate(&NotebookId::new().to_string()).await.is_err());
    assert_eq!(here.auth.public_keys()["keys"][0]["kid"], "one");
}
