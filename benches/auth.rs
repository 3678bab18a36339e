//! Signing in, staying signed in and being recognised, on both stores.
//!
//! - What an access token costs a request: genuine, its session looked up, a scope made. Beside it the signature alone.
//! - Refreshes at a stated rate, beside one durable change of a row at the same rate: what any rotation must write.
//! - Sign-ins at a stated rate, beside the password's hash alone.
//!
//! `cargo bench --bench auth [seconds a round] [folder]`. The folder must be on the disk to be measured.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use ed25519_dalek::{Signature, Signer as _, SigningKey as Ed25519, Verifier as _};
use futures::future::join_all;
use notebook_auth::{
    Auth, AuthConfig, Registration, SignIn, Tokens,
    jwt::{IssuerConfig, JwtIssuer, KeyTimes, SigningKey},
    password::{PasswordConfig, Passwords},
    refresh::RefreshKeys,
    throttle::ThrottlePolicy,
};
use notebook_core::{
    Secret,
    clock::SystemClock,
    identity::{Workspaces as _, audit::Actor, session::SessionPolicy, sql::SqlIdentity},
    postgres::PostgresConfig,
    queue::sql::QueueTime,
    sqlite::SqliteConfig,
    store::sql::SqlStore,
};
use tokio::sync::Mutex;

#[path = "../notebook-core/tests/support/postgres.rs"]
mod cluster;

/// Sessions that are refreshed in turn, each of a user of its own.
const SESSIONS: usize = 40;
const REFRESHES: u32 = 200;
const SIGN_INS: u32 = 10;
const VERIFIED: usize = 20_000;
const PASSWORD: &str = "correct horse battery";

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main(worker_threads = 2)]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let seconds: f64 = arguments.next().map_or(Ok(5.0), |text| text.parse())?;
    let round = Duration::from_secs_f64(seconds);
    let folder = match arguments.next() {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir_in(".")?,
    };
    let sqlite = SqlStore::sqlite(SqliteConfig::new(folder.path().join("a.db"))).await?;
    all("SQLite", sqlite, round).await?;
    let cluster = cluster::Cluster::start_durable(Path::new("/var/tmp"));
    let postgres = SqlStore::postgres(&PostgresConfig::new(cluster.url())).await?;
    all("PostgreSQL", postgres, round).await
}

async fn all(engine: &str, store: SqlStore, round: Duration) -> Outcome<()> {
    let policy = SessionPolicy::default();
    let identity = Arc::new(SqlIdentity::new(&store, QueueTime::Database, policy));
    let passwords = Passwords::new(PasswordConfig::default())?;
    let key = SigningKey::eddsa("one", &[1; 32], KeyTimes::default())?;
    let issuer = JwtIssuer::new(IssuerConfig::new("https://bench", "notebook"), vec![key])?;
    let auth = Arc::new(
        Auth::new(AuthConfig {
            identity: identity.clone(),
            passwords,
            issuer: Arc::new(issuer),
            refresh: RefreshKeys::new(1, [(1, Secret::new("k".repeat(32)))])?,
            policy,
            throttle: ThrottlePolicy::default(),
            reset_life: Duration::from_secs(900),
            links: Secret::new("l".repeat(32)),
            clock: Arc::new(SystemClock),
        })
        .await?,
    );
    let mut sessions = Vec::new();
    for number in 0..SESSIONS {
        let email = email(number);
        auth.register(Registration { email, name: "Ada".into(), password: Secret::new(PASSWORD) })
            .await?;
        sessions.push(Mutex::new(sign_in(&auth, number).await?));
    }
    recognised(engine, &auth, sessions[0].lock().await.access.expose()).await?;
    refreshed(engine, &auth, &sessions, round).await?;
    let scope = auth.authenticate(sessions[0].lock().await.access.expose()).await?.scope;
    let written = at_rate(REFRESHES, round, async |number| {
        let name = format!("Workspace {number}");
        identity.rename(&scope, Actor::System, name).await.map_err(Into::into)
    });
    report(&format!("{engine}: a row and its entry in the audit log"), written.await?);
    let hasher = Passwords::new(PasswordConfig::default())?;
    let hashed = at_rate(SIGN_INS, round, async |_| {
        hasher.hash(&Secret::new(PASSWORD)).await?;
        Ok(())
    });
    report(&format!("{engine}: {SIGN_INS} hashes a second"), hashed.await?);
    let signed_in =
        at_rate(SIGN_INS, round, async |number| sign_in(&auth, number % SESSIONS).await.map(drop));
    report(&format!("{engine}: {SIGN_INS} sign-ins a second"), signed_in.await?);
    Ok(())
}

fn email(number: usize) -> String {
    format!("user{number}@example.org")
}

async fn sign_in(auth: &Auth, number: usize) -> Outcome<Tokens> {
    let request = SignIn {
        email: email(number),
        password: Secret::new(PASSWORD),
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        client: "bench".into(),
        tenant: None,
        binding: None,
    };
    Ok(auth.sign_in(request).await?)
}

/// What a request pays, one after the other on one thread.
async fn recognised(engine: &str, auth: &Auth, token: &str) -> Outcome<()> {
    let mut times = Vec::with_capacity(VERIFIED);
    for _ in 0..VERIFIED {
        let since = Instant::now();
        std::hint::black_box(auth.authenticate(token).await?);
        times.push(since.elapsed());
    }
    report(&format!("{engine}: a token into a scope (asked: under 0.1 ms)"), times);
    let key = Ed25519::from_bytes(&[1; 32]);
    let signature: Signature = key.sign(token.as_bytes());
    let (public, mut times) = (key.verifying_key(), Vec::with_capacity(VERIFIED));
    for _ in 0..VERIFIED {
        let since = Instant::now();
        std::hint::black_box(&public).verify(token.as_bytes(), &signature)?;
        times.push(since.elapsed());
    }
    report("the signature alone", times);
    Ok(())
}

async fn refreshed(
    engine: &str,
    auth: &Auth,
    sessions: &[Mutex<Tokens>],
    round: Duration,
) -> Outcome<()> {
    let times = at_rate(REFRESHES, round, async |number| {
        let mut tokens = sessions[number % sessions.len()].lock().await;
        *tokens = auth.refresh(tokens.refresh.expose(), None, None).await?;
        Ok(())
    });
    report(&format!("{engine}: {REFRESHES} refreshes a second"), times.await?);
    Ok(())
}

/// What each took from the moment it was due, with `rate` a second beginning whatever became of the others.
async fn at_rate(
    rate: u32,
    round: Duration,
    work: impl AsyncFn(usize) -> Outcome<()>,
) -> Outcome<Vec<Duration>> {
    let begin = tokio::time::Instant::now() + Duration::from_millis(50);
    let count = (f64::from(rate) * round.as_secs_f64()) as usize;
    let all = (0..count).map(|number| {
        let (due, work) = (begin + Duration::from_secs(1) * number as u32 / rate, &work);
        async move {
            tokio::time::sleep_until(due).await;
            work(number).await?;
            Ok(due.elapsed())
        }
    });
    join_all(all).await.into_iter().collect()
}

fn report(name: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{name:<52} {:>6} times: p50 {:.3} ms  p95 {:.3} ms  p99 {:.3} ms",
        times.len(),
        at(0.5),
        at(0.95),
        at(0.99)
    );
}
