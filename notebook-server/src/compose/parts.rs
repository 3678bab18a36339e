//! Single parts, as the settings want them.

use std::{sync::Arc, time::Duration};

use notebook_agent::chat::ChatConfig;
use notebook_core::{
    Error, ErrorKind, Result,
    http::egress::{Allowed, EgressClient, EgressConfig},
    model::ModelSettings,
    postgres::PostgresConfig,
    queue::QueuePolicy,
    redis::{RedisConfig, RedisPubSub},
    sqlite::SqliteConfig,
    store::sql::SqlStore,
};
use notebook_rag::parse::ChildParser;
use object_store::local::LocalFileSystem;

use super::folder::cannot_use;
use crate::config::{AuthMode, Config};

/// The most bytes of a receiver's answer that are kept.
const ANSWER: usize = 1_024;

/// What sends to webhooks: anybody's addresses.
pub(super) fn egress(config: &Config) -> Result<EgressClient> {
    EgressClient::new(EgressConfig {
        allowed: Allowed::new(config.egress.allow.iter().map(String::as_str))?,
        time: Duration::from_secs(config.webhooks.timeout_seconds.into()),
        bytes: ANSWER,
        extra_roots: config.egress.extra_roots.clone(),
    })
}

pub(super) fn policy(config: &Config) -> QueuePolicy {
    let lease = Duration::from_secs(config.jobs.lease_seconds.into());
    QueuePolicy { lease, ..QueuePolicy::default() }
}

/// The rows alone, beside whatever else uses them: for commands about accounts.
pub(crate) async fn open_rows(config: &Config) -> Result<SqlStore> {
    let folder = &config.data_dir;
    std::fs::create_dir_all(folder).map_err(|error| cannot_use(folder, error))?;
    open_store(config, None).await
}

/// The rows' place: a file in the data folder, or PostgreSQL.
pub(super) async fn open_store(
    config: &Config,
    redis: Option<Arc<RedisPubSub>>,
) -> Result<SqlStore> {
    let Some(url) = &config.storage.postgres else {
        return SqlStore::sqlite(SqliteConfig::new(config.data_dir.join("notebook.db"))).await;
    };
    let mut postgres = PostgresConfig::new(url.expose());
    postgres.schema.clone_from(&config.storage.schema);
    postgres.role.clone_from(&config.storage.role);
    postgres.row_security = config.auth.mode == AuthMode::Accounts;
    postgres.connections = config.storage.connections;
    postgres.copied_bytes = config.storage.copied_bytes;
    postgres.statement_timeout = Duration::from_secs(config.storage.statement_seconds.into());
    postgres.transaction_timeout = postgres.statement_timeout * 2;
    match redis {
        Some(redis) => SqlStore::postgres_told_by(&postgres, redis).await,
        None => SqlStore::postgres(&postgres).await,
    }
}

/// How servers tell each other, where it is not by PostgreSQL's notifications.
pub(crate) async fn open_redis(config: &Config) -> Result<Option<Arc<RedisPubSub>>> {
    let Some(url) = &config.storage.redis else { return Ok(None) };
    let mut redis = RedisConfig::new(url.expose());
    redis.channel.clone_from(&config.storage.redis_channel);
    Ok(Some(Arc::new(RedisPubSub::start(redis).await?)))
}

/// Files are parsed by this same program, in child processes.
pub(crate) fn parser(config: &Config) -> Result<ChildParser> {
    let program = std::env::current_exe()
        .map_err(|error| Error::new(ErrorKind::Unavailable, "find own program").caused_by(error))?;
    let mut parser = ChildParser::new(program, ["parse"]);
    parser.limits = config.parse.limits();
    Ok(parser.with_ocr(config.parse.ocr.settings()).with_decoder(config.parse.sound.settings()))
}

pub(super) fn chat_config(config: &Config) -> Result<ChatConfig> {
    Ok(ChatConfig {
        defaults: ModelSettings {
            temperature: config.chat.temperature,
            ..ModelSettings::default()
        },
        question_bytes: config.limits.question_bytes,
        context_tokens: config.chat.context_tokens,
        summarise: config.chat.summaries,
        answer_tokens: config.chat.answer_tokens,
        guard: config.guard.chat(&config.data_dir)?,
        ..ChatConfig::default()
    })
}

/// The place of originals: the data folder, or another.
pub(super) fn open_blobs(config: &Config) -> Result<LocalFileSystem> {
    let originals = config.storage.blobs.clone();
    let originals = originals.unwrap_or_else(|| config.data_dir.join("blobs"));
    std::fs::create_dir_all(&originals).map_err(|error| cannot_use(&originals, error))?;
    let blobs = LocalFileSystem::new_with_prefix(originals)
        .map_err(|error| Error::new(ErrorKind::Unavailable, "open blob folder").caused_by(error))?;
    // On the disk before the source's row says that it is there.
    Ok(blobs.with_automatic_cleanup(true).with_fsync(true))
}
