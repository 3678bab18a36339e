use std::time::Duration;

use crate::{Error, Result, Secret};

/// Where Redis is and what may be used of it.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// Such as `redis://user:password@host:6379`, `rediss://…` for TLS, or `redis+unix:///run/redis.sock?pass=…`.
    pub url: Secret,
    /// The channel that all messages go by: one for each deployment, since a Redis's channels are common to all its
    /// databases. Default `notebook`.
    pub channel: String,
    /// How long connecting may take. Default 3 seconds.
    pub connect_timeout: Duration,
    /// How long an answer may take before the connection counts as broken. Default 5 seconds.
    pub response_timeout: Duration,
}

impl RedisConfig {
    /// The defaults for a Redis.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: Secret::new(url.into()),
            channel: "notebook".to_owned(),
            connect_timeout: Duration::from_secs(3),
            response_timeout: Duration::from_secs(5),
        }
    }

    /// # Errors
    /// `InvalidInput` when the channel is not a short word.
    pub(super) fn check(&self, operation: &'static str) -> Result<()> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        if (1..=200).contains(&self.channel.len()) && self.channel.chars().all(plain) {
            return Ok(());
        }
        let fix = "use 1 to 200 letters, digits, -, _, . and :";
        Err(Error::invalid(operation, "channel", fix))
    }
}
