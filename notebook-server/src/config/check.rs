//! What types cannot say.

use notebook_core::http::egress::Allowed;

use super::{AuthMode, Config, providers};
use crate::{
    limit::Forwarding,
    models::{CHAT_PROVIDERS, EMBEDDING_PROVIDERS, TRANSCRIPTION_PROVIDERS},
};

/// All errors, as sentences.
pub(super) fn check(config: &Config) -> Vec<String> {
    let mut errors = Vec::new();
    let mut need = |good: bool, error: String| {
        if !good {
            errors.push(error);
        }
    };
    need(
        config.server.bind.is_loopback() || config.auth.mode == AuthMode::Accounts,
        format!(
            "server.bind is {}, but single-user mode has no login: use 127.0.0.1 or ::1, or set auth.mode to \"accounts\"",
            config.server.bind
        ),
    );
    need(config.storage.connections > 0, "storage.connections must be at least 1".to_owned());
    need(
        config.storage.redis.is_none() || config.storage.postgres.is_some(),
        "storage.redis is for servers that share a PostgreSQL: set storage.postgres too, or leave it out".to_owned(),
    );
    need(
        (1..=3_600).contains(&config.storage.statement_seconds),
        "storage.statement_seconds must be from 1 to 3600".to_owned(),
    );
    need(
        (2..=3_600).contains(&config.jobs.lease_seconds),
        "jobs.lease_seconds must be from 2 to 3600".to_owned(),
    );
    if let Err(error) = Allowed::new(config.egress.allow.iter().map(String::as_str)) {
        let fix = error.context("fix").unwrap_or_default();
        need(false, format!("egress.allow names what may be called though it is private: {fix}"));
    }
    for (name, value, range) in [
        ("attempts", config.webhooks.attempts, 1..=50),
        ("backoff_seconds", config.webhooks.backoff_seconds, 0..=86_400),
        ("timeout_seconds", config.webhooks.timeout_seconds, 1..=120),
        ("disable_after_days", config.webhooks.disable_after_days, 1..=365),
    ] {
        need(
            range.contains(&value),
            format!("webhooks.{name} must be from {} to {}", range.start(), range.end()),
        );
    }
    need(
        (1..=7).contains(&config.retention.exports_days),
        "retention.exports_days must be from 1 to 7: the jobs that name the files are kept for a week"
            .to_owned(),
    );
    need(
        CHAT_PROVIDERS.contains(&config.chat.provider.as_str()),
        unknown("chat.provider", &config.chat.provider, CHAT_PROVIDERS),
    );
    need(
        EMBEDDING_PROVIDERS.contains(&config.embedding.provider.as_str()),
        unknown("embedding.provider", &config.embedding.provider, EMBEDDING_PROVIDERS),
    );
    need(
        TRANSCRIPTION_PROVIDERS.contains(&config.transcription.provider.as_str()),
        unknown("transcription.provider", &config.transcription.provider, TRANSCRIPTION_PROVIDERS),
    );
    need(
        config.transcription.provider != "openai" || config.transcription.model.is_some(),
        "transcription.model is needed: name the model that the server at chat.openai.base_url should use, such as whisper-1".to_owned(),
    );
    need(
        config.chat.provider != "openai" || config.chat.openai.model.is_some(),
        "chat.openai.model is needed: name the model that the server at chat.openai.base_url should use".to_owned(),
    );
    need(
        config.chat.provider != "google"
            || config.chat.google.api_key.is_some()
            || !config.chat.google.api_keys.is_empty(),
        "chat.google.api_key is needed".to_owned(),
    );
    need(
        config.chat.temperature.is_none_or(|t| (0.0..=2.0).contains(&t)),
        "chat.temperature must be from 0 to 2".to_owned(),
    );
    // A prompt is part of a run's state, which has a limit of bytes.
    need(
        (512..=300_000).contains(&config.chat.context_tokens),
        "chat.context_tokens must be 512 to 300000".to_owned(),
    );
    need(
        config.limits.body_bytes >= config.limits.question_bytes,
        "limits.body_bytes must be at least limits.question_bytes".to_owned(),
    );
    for (name, url) in [
        ("chat.openai.base_url", &config.chat.openai.base_url),
        ("chat.ollama.base_url", &config.chat.ollama.base_url),
        ("chat.google.base_url", &config.chat.google.base_url),
    ] {
        need(
            url.starts_with("http://") || url.starts_with("https://"),
            format!("{name} must begin with http:// or https://"),
        );
    }
    need(
        config.mail.url.is_none()
            || config.auth.mode == AuthMode::SingleUser
            || config.auth.public_url.is_some(),
        "auth.public_url is needed with mail.url: links in mail begin with it".to_owned(),
    );
    for (name, value) in [
        ("head_seconds", config.limits.head_seconds),
        ("body_stall_seconds", config.limits.body_stall_seconds),
    ] {
        need((1..=600).contains(&value), format!("limits.{name} must be from 1 to 600"));
    }
    need(
        (1..=600).contains(&config.limits.page_seconds),
        "limits.page_seconds must be from 1 to 600".to_owned(),
    );
    let wants_redis = config.rate_limits.store == "redis";
    need(
        !wants_redis || config.storage.redis.is_some(),
        "rate_limits.store is \"redis\": set storage.redis too, or use \"auto\"".to_owned(),
    );
    errors.extend(Forwarding::new(&config.server).err().unwrap_or_default());
    errors.extend(providers::errors(&config.chat));
    errors.extend(config.rate_limits.check());
    errors.extend(config.server.cors.errors(config.auth.mode == AuthMode::Accounts));
    for entry in &config.chat.fallback {
        let provider = entry.split_once('/').map_or(entry.as_str(), |(provider, _)| provider);
        if provider == "auto" || !CHAT_PROVIDERS.contains(&provider) {
            errors.push(unknown("chat.fallback", provider, CHAT_PROVIDERS));
        }
    }
    for (provider, both, keys) in [
        (
            "openai",
            config.chat.openai.api_key.is_some() && !config.chat.openai.api_keys.is_empty(),
            &config.chat.openai.keys,
        ),
        (
            "google",
            config.chat.google.api_key.is_some() && !config.chat.google.api_keys.is_empty(),
            &config.chat.google.keys,
        ),
    ] {
        if both {
            errors.push(format!("chat.{provider} has api_key and api_keys: give one of them"));
        }
        errors.extend(keys.errors(provider));
    }
    errors.extend(config.chat.resilience.errors());
    errors.extend(config.embedding.resilience.errors());
    errors.extend(config.guard.errors());
    errors.extend(config.tools.errors());
    errors.extend(config.mcp.errors());
    errors.extend(config.mail.errors());
    errors.extend(config.parse.errors());
    errors.extend(config.rerank.errors());
    errors.extend(config.secrets.vault.errors());
    errors.extend(config.auth.errors(config.storage.postgres.is_some()));
    errors
}

fn unknown(setting: &str, value: &str, known: &[&str]) -> String {
    format!("{setting} is {value:?}; compiled in are: {}", known.join(", "))
}
