//! Redis (6 or newer, or Valkey): how processes tell each other at once, by its publish and subscribe; and where they count
//! rate limits together (`rate_limit::redis`) and keep checkpoints for a while (`checkpoint::redis`), by the same connection.
//!
//! Nothing is stored there alone. What is told is a hint, so a Redis that is away costs promptness and no truth: processes
//! find out by looking, and are told again when it is back.

mod config;
mod error;
mod link;
mod pubsub;

pub use config::RedisConfig;
pub(crate) use error::from_redis;
pub use pubsub::RedisPubSub;
