//! Checkpoints in Redis (6 or newer, or Valkey): quick, for a while, for all processes that name the same channel.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{
    Checkpoint, Checkpoints,
    memory::KEPT,
    rules::{self, Stored},
};
use crate::{
    Result, RunId, TenantScope, Timestamp,
    queue::Fence,
    redis::{RedisPubSub, from_redis},
};

/// Says what [`rules::decide`] does. Fences and versions are below 2^53, which Lua counts exactly.
const SAVE: &str = r"
local stored = redis.call('HMGET', KEYS[1], 'fence', 'version', 'body', 'written')
local fence, version = tonumber(ARGV[1]), tonumber(ARGV[2])
if stored[1] then
    local old_fence, old_version = tonumber(stored[1]), tonumber(stored[2])
    local same = ARGV[1] == stored[4] and version == old_version and ARGV[4] == stored[3]
    if fence < old_fence or (version <= old_version and not same) then
        return { 0, stored[1], stored[2] }
    end
end
redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'written', ARGV[1], 'version', ARGV[2],
    'schema', ARGV[3], 'body', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return { 1, ARGV[1], ARGV[2] }
";

const TAKE: &str = r"
local stored = redis.call('HMGET', KEYS[1], 'fence', 'version', 'schema', 'body', 'written')
if stored[1] and tonumber(stored[1]) > tonumber(ARGV[1]) then
    return { 0, stored[1], stored[2], '0', '' }
end
local version, schema, body = stored[2] or '0', stored[3] or '0', stored[4] or ''
local written = stored[5] or ARGV[1]
redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'written', written, 'version', version,
    'schema', schema, 'body', body)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return { 1, written, version, schema, body }
";

const READ: &str = r"
local stored = redis.call('HMGET', KEYS[1], 'written', 'version', 'schema', 'body')
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return { 1, stored[1] or '0', stored[2] or '0', stored[3] or '0', stored[4] or '' }
";

/// [`Checkpoints`] in Redis, by the connection of a [`RedisPubSub`], which is made anew whenever it breaks.
///
/// A Redis that restarts without its data, or fails over to a copy that lacks some, forgets fences too: beside it there has
/// to be a store that does not, as in [`Tiered`](super::tiered::Tiered).
#[derive(Debug, Clone)]
pub struct RedisCheckpoints {
    redis: Arc<RedisPubSub>,
    kept: Duration,
}

type Found = (u8, u64, u64, u32, Vec<u8>);

impl RedisCheckpoints {
    /// Checkpoints in this Redis, kept for an hour after their last use. Keys begin with the deployment's channel, and `:checkpoint:`.
    #[must_use]
    pub const fn new(redis: Arc<RedisPubSub>) -> Self {
        Self::kept_for(redis, KEPT)
    }

    /// The same for another time.
    #[must_use]
    pub const fn kept_for(redis: Arc<RedisPubSub>, kept: Duration) -> Self {
        Self { redis, kept }
    }

    fn key(&self, scope: &TenantScope, run: RunId) -> String {
        format!("{}:checkpoint:{}:{run}", self.redis.channel(), scope.tenant())
    }

    fn kept_millis(&self) -> u64 {
        u64::try_from(self.kept.as_millis()).unwrap_or(u64::MAX).max(1)
    }

    async fn eval<T: redis::FromRedisValue>(
        &self,
        operation: &'static str,
        fill: impl FnOnce(&mut redis::Cmd) + Send,
    ) -> Result<T> {
        let mut connection = self.redis.connection(operation)?;
        let mut command = redis::cmd("EVAL");
        fill(&mut command);
        command.query_async(&mut connection).await.map_err(|error| from_redis(operation, error))
    }
}

fn found(run: RunId, (_, fence, version, schema, body): Found) -> Option<Checkpoint> {
    (version > 0).then_some(Checkpoint { run, fence: Fence(fence), version, schema, body })
}

#[async_trait]
impl Checkpoints for RedisCheckpoints {
    async fn save(&self, scope: &TenantScope, checkpoint: &Checkpoint) -> Result<()> {
        const OPERATION: &str = "save checkpoint";
        rules::check(OPERATION, checkpoint)?;
        let (key, kept) = (self.key(scope, checkpoint.run), self.kept_millis());
        let fill = |command: &mut redis::Cmd| {
            command.arg(SAVE).arg(1).arg(key);
            command.arg(checkpoint.fence.0).arg(checkpoint.version).arg(checkpoint.schema);
            command.arg(&checkpoint.body).arg(kept);
        };
        let (done, fence, version): (u8, u64, u64) = self.eval(OPERATION, fill).await?;
        if done == 1 {
            return Ok(());
        }
        Err(rules::lost(OPERATION, Some(Stored { fence: Fence(fence), version })))
    }

    async fn take(
        &self,
        scope: &TenantScope,
        run: RunId,
        fence: Fence,
    ) -> Result<Option<Checkpoint>> {
        const OPERATION: &str = "take run";
        rules::check_fence(OPERATION, fence)?;
        let (key, kept) = (self.key(scope, run), self.kept_millis());
        let fill = |command: &mut redis::Cmd| {
            command.arg(TAKE).arg(1).arg(key).arg(fence.0).arg(kept);
        };
        let stored: Found = self.eval(OPERATION, fill).await?;
        if stored.0 == 1 {
            return Ok(found(run, stored));
        }
        let (fence, version) = (Fence(stored.1), stored.2);
        Err(rules::lost(OPERATION, Some(Stored { fence, version })))
    }

    async fn read(&self, scope: &TenantScope, run: RunId) -> Result<Option<Checkpoint>> {
        let (key, kept) = (self.key(scope, run), self.kept_millis());
        let fill = |command: &mut redis::Cmd| {
            command.arg(READ).arg(1).arg(key).arg(kept);
        };
        Ok(found(run, self.eval("read checkpoint", fill).await?))
    }

    async fn remove(&self, scope: &TenantScope, run: RunId) -> Result<bool> {
        const OPERATION: &str = "remove checkpoint";
        let mut connection = self.redis.connection(OPERATION)?;
        let mut command = redis::cmd("DEL");
        command.arg(self.key(scope, run));
        let removed = command.query_async(&mut connection);
        removed.await.map_err(|error| from_redis(OPERATION, error))
    }

    async fn prune(&self, _: &TenantScope, _: Timestamp, _: usize) -> Result<usize> {
        // Keys go by themselves.
        Ok(0)
    }
}
