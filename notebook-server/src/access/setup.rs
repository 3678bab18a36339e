//! Makes [`Access`] of the configuration.

use std::{sync::Arc, time::Duration};

use notebook_auth::{
    Auth, AuthConfig,
    jwt::IssuerConfig,
    password::{PasswordConfig, Passwords},
    throttle::ThrottlePolicy,
};
use notebook_core::{
    Clock, Result,
    identity::{Identity, audit::AuditKeys, session::SessionPolicy, sql::SqlIdentity},
    queue::sql::QueueTime,
    store::sql::SqlStore,
};
use tokio_util::sync::CancellationToken;

use super::{Access, Accounts, Origins, Streams, keys::Secrets, oidc::Oidc, tidy};
use crate::config::{AuthMode, Config};

/// How long a token to set a forgotten password is good.
const RESET_LIFE: Duration = Duration::from_secs(60 * 60);
/// For whom access tokens are.
const AUDIENCE: &str = "notebook";

impl Access {
    /// As the configuration says, over the rows of a store.
    ///
    /// # Errors
    /// Those of the keys and of the store; `InvalidInput` when times do not go together.
    pub(crate) async fn open(
        config: &Config,
        store: &SqlStore,
        clock: Arc<dyn Clock>,
        ending: &CancellationToken,
    ) -> Result<Self> {
        let policy = policy(config).checked()?;
        let identity = identity(config, store)?;
        match config.auth.mode {
            AuthMode::SingleUser => Ok(Self::SingleUser(identity)),
            AuthMode::Accounts => {
                let oidc = Oidc::open(config, secrets(config)?.pending()?, &clock)?;
                let auth = auth(config, Arc::clone(&identity), policy, clock).await?;
                let streams = Streams::start(Arc::clone(&identity), ending.clone());
                tokio::spawn(tidy::go_on(Arc::clone(&identity), ending.clone()));
                let origins = Origins::new(config);
                let registration = config.auth.registration;
                let audit_keys = audit_keys(config)?;
                let password_reset = config.auth.password_reset;
                let accounts = Accounts {
                    auth,
                    identity,
                    registration,
                    password_reset,
                    origins,
                    oidc,
                    audit_keys,
                    streams,
                    operators: config.auth.operators.clone(),
                };
                Ok(Self::Accounts(Arc::new(accounts)))
            }
        }
    }
}

/// Users, workspaces, sessions and audit logs, over the rows of a store.
pub(crate) fn identity(config: &Config, store: &SqlStore) -> Result<Arc<dyn Identity>> {
    let identity = SqlIdentity::new(store, QueueTime::Database, policy(config).checked()?);
    Ok(match audit_keys(config)? {
        Some(keys) => Arc::new(identity.with_audit_keys(keys)),
        None => Arc::new(identity),
    })
}

/// What the chains of audit logs are made with, so that who may write the tables cannot make them anew: with accounts.
pub(crate) fn audit_keys(config: &Config) -> Result<Option<AuditKeys>> {
    match config.auth.mode {
        AuthMode::SingleUser => Ok(None),
        AuthMode::Accounts => secrets(config)?.audit().map(Some),
    }
}

fn secrets(config: &Config) -> Result<Secrets> {
    let auth = &config.auth;
    Secrets::open(&auth.secrets, auth.current_secret, &config.data_dir)
}

/// Who signs people in, without a server: for commands.
pub(crate) async fn auth(
    config: &Config,
    identity: Arc<dyn Identity>,
    policy: SessionPolicy,
    clock: Arc<dyn Clock>,
) -> Result<Auth> {
    let secrets = secrets(config)?;
    let issuer = config.auth.origin().unwrap_or_else(|| AUDIENCE.to_owned());
    let issuer = IssuerConfig { life: policy.access, ..IssuerConfig::new(issuer, AUDIENCE) };
    Auth::new(AuthConfig {
        identity,
        passwords: Passwords::new(PasswordConfig {
            peppers: secrets.peppers()?,
            ..PasswordConfig::default()
        })?,
        issuer: Arc::new(secrets.issuer(issuer)?),
        refresh: secrets.refresh()?,
        policy,
        throttle: ThrottlePolicy::default(),
        reset_life: RESET_LIFE,
        links: secrets.links()?,
        clock,
    })
    .await
}

/// How long sessions and tokens live.
pub(crate) fn policy(config: &Config) -> SessionPolicy {
    let auth = &config.auth;
    let base = if auth.strict_refresh { SessionPolicy::strict() } else { SessionPolicy::default() };
    let days = |days: u32| Duration::from_secs(u64::from(days) * 86_400);
    SessionPolicy {
        access: Duration::from_secs(u64::from(auth.access_minutes) * 60),
        idle: days(auth.idle_days),
        absolute: days(auth.session_days),
        ..base
    }
}
