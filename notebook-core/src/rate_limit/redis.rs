//! Limits in Redis (6 or newer, or Valkey), where all processes that name the same channel count together.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Decision, Key, Policy, RateLimits, Want, memory::micros, step::decide};
use crate::{
    Clock, Result,
    redis::{RedisPubSub, from_redis},
};

const TAKE: &str = "take of rate limit";

/// What the pure step does, at Redis's own time, at once. Microseconds since 1970 are whole numbers in Lua until 2255.
/// A key goes when all of its burst is there again.
const SCRIPT: &str = r"
local unit, cost, keep, ahead = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local full, back, now, linger = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), 3600000
if not now then
    local time = redis.call('TIME')
    now, linger = time[1] * 1000000 + time[2], 0
end
local at = tonumber(redis.call('GET', KEYS[1]) or '0') - back
local base = math.min(math.max(at, now), now + full)
local free = math.floor((now + full - base) / unit)
local units = 0
if free >= cost then
    units = cost + math.min(math.max(free - cost - keep, 0), ahead)
end
local missing = base + units * unit - now
if missing > 0 then
    redis.call('SET', KEYS[1], string.format('%.0f', now + missing), 'PX', math.ceil(missing / 1000) + linger)
else
    redis.call('DEL', KEYS[1])
end
return { missing, units }
";

/// [`RateLimits`] in Redis, by the connection of a [`RedisPubSub`], which is made anew whenever it breaks.
///
/// Where Redis fails over to a copy, or restarts without its data, what the other does not know is forgotten.
#[derive(Debug, Clone)]
pub struct RedisRateLimits {
    redis: Arc<RedisPubSub>,
    clock: Option<ByClock>,
}

#[derive(Clone)]
struct ByClock(Arc<dyn Clock>);

impl std::fmt::Debug for ByClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ByClock")
    }
}

impl RedisRateLimits {
    /// Limits in this Redis, by its time. Keys begin with the deployment's channel, and `:limit:`.
    #[must_use]
    pub const fn new(redis: Arc<RedisPubSub>) -> Self {
        Self { redis, clock: None }
    }

    /// The same by a clock: for tests that move it.
    #[must_use]
    pub fn with_clock(redis: Arc<RedisPubSub>, clock: Arc<dyn Clock>) -> Self {
        Self { redis, clock: Some(ByClock(clock)) }
    }
}

#[async_trait]
impl RateLimits for RedisRateLimits {
    async fn take(&self, key: Key, policy: &Policy, want: Want) -> Result<Decision> {
        want.check(policy)?;
        let mut connection = self.redis.connection(TAKE)?;
        let back = policy.unit().saturating_mul(want.back.into());
        let mut take = redis::cmd("EVAL");
        take.arg(SCRIPT)
            .arg(1)
            .arg(format!("{}:limit:{}", self.redis.channel(), crate::hex(key.as_bytes())))
            .arg(policy.unit())
            .arg(want.cost)
            .arg(policy.burst() / 2)
            .arg(want.ahead)
            .arg(policy.full())
            .arg(back)
            // Nothing that is a number: by Redis's time.
            .arg(self.clock.as_ref().map_or(String::new(), |clock| micros(&*clock.0).to_string()));
        let (missing, taken): (i64, u32) =
            take.query_async(&mut connection).await.map_err(|error| from_redis(TAKE, error))?;
        Ok(decide(policy, want, taken, missing))
    }

    async fn prune(&self, _most: usize) -> Result<usize> {
        // Keys go by themselves.
        Ok(0)
    }
}
