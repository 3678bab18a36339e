mod accounts;
mod closing;
#[cfg(feature = "oidc")]
mod external;
mod hooked;
mod invitations;
mod keys;
mod members;
mod operators;
mod passwords;
mod refresh;
mod secrets;
mod sessions;
mod switch;

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use notebook_core::{
    ErrorKind, NotebookId, Retry, TenantScope,
    clock::ManualClock,
    identity::{
        NewUser, Role, User, Workspace, WorkspaceKind,
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
};
use hooked::Hooked;

const PASSWORD: &str = "correct horse";
/// Where requests come from.
const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

struct Bench {
    auth: Auth,
    /// The store, past the hooks.
    identity: Arc<dyn Identity>,
    hooks: Arc<Hooked>,
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
        refresh: RefreshKeys::new(1, [(1, Secret::new("k".repeat(32)))]).unwrap(),
        policy,
        throttle: ThrottlePolicy::default(),
        reset_life: Duration::from_secs(900),
        links: Secret::new("l".repeat(32)),
        clock,
    };
    Auth::new(config).await.unwrap()
}

async fn bench_with(policy: SessionPolicy, local: Arc<ManualClock>) -> Bench {
    let clock = clock();
    let identity: Arc<dyn Identity> = Arc::new(MemoryIdentity::new(clock.clone(), policy));
    let hooks = Arc::new(Hooked::new(Arc::clone(&identity)));
    let auth = auth_of(hooks.clone(), local.clone(), policy).await;
    Bench { auth, identity, hooks, clock, local }
}

async fn bench() -> Bench {
    bench_with(SessionPolicy::default(), clock()).await
}

impl Bench {
    /// Another server with the same store.
    async fn other_server(&self) -> Auth {
        let store = Arc::clone(&self.identity);
        auth_of(store, self.local.clone(), SessionPolicy::default()).await
    }

    fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.local.advance(Duration::from_secs(seconds));
    }

    /// As a server does it: asked for, and then sent by a job of its own.
    async fn request_reset(&self, address: &str, from: IpAddr) -> Result<Option<(User, Secret)>> {
        let Some(email) = self.auth.admit_reset(address, from)? else { return Ok(None) };
        self.auth.reset_to_send(&email, notebook_core::JobId::new()).await
    }

    fn clock_now(&self) -> Timestamp {
        Clock::now(&*self.clock)
    }

    async fn register(&self, email: &str) -> User {
        self.auth.register(registration(email)).await.unwrap()
    }

    async fn signed_in(&self) -> Tokens {
        self.register("ada@example.org").await;
        self.auth.sign_in(request("ada@example.org", PASSWORD)).await.unwrap()
    }

    async fn is_good(&self, tokens: &Tokens) -> bool {
        self.is_good_text(&tokens.access).await
    }

    async fn is_good_text(&self, access: &Secret) -> bool {
        match self.auth.authenticate(access.expose()).await {
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

    async fn principal(&self, tokens: &Tokens) -> Principal {
        self.auth.authenticate(tokens.access.expose()).await.unwrap()
    }

    /// Somebody in a workspace.
    async fn in_workspace(&self, email: &str, tenant: TenantId) -> Principal {
        let request = SignIn { tenant: Some(tenant), ..request(email, PASSWORD) };
        self.principal(&self.auth.sign_in(request).await.unwrap()).await
    }

    /// A user with a team workspace, in it.
    async fn team(&self, email: &str) -> Principal {
        let owner = self.register(email).await;
        let workspace = Workspace {
            tenant: TenantId::new(),
            kind: WorkspaceKind::Team,
            name: "Team".into(),
            active: true,
            created_at: self.clock_now(),
        };
        let tenant = workspace.tenant;
        self.identity.create_workspace(owner.id, workspace).await.unwrap();
        self.in_workspace(email, tenant).await
    }

    /// What was logged last, in a workspace or for the installation.
    async fn logged(&self, scope: &TenantScope) -> String {
        let newest = self.identity.newest(scope, None, 1).await.unwrap();
        newest[0].what.action.clone()
    }
}

fn registration(email: &str) -> Registration {
    Registration { email: email.into(), name: "Ada".into(), password: Secret::new(PASSWORD) }
}

fn request(email: &str, password: &str) -> SignIn {
    SignIn {
        email: email.into(),
        password: Secret::new(password),
        address: HOME,
        client: "Firefox\n".into(),
        tenant: None,
        binding: None,
    }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T>, kind: ErrorKind) -> notebook_core::Error {
    let error = result.expect_err("the call must be refused");
    assert_eq!(error.kind(), kind, "{error:?}");
    error
}
