//! The limiter that the settings ask for.

use std::{collections::HashMap, sync::Arc, time::Duration};

use notebook_core::{
    Error, ErrorKind, Result, TenantId,
    clock::SystemClock,
    queue::sql::QueueTime as StoreTime,
    rate_limit::{
        RateLimits, ahead::Ahead, fallback::Fallback, memory::MemoryRateLimits,
        redis::RedisRateLimits, sql::SqlRateLimits,
    },
    redis::RedisPubSub,
    store::sql::SqlStore,
};

use super::{Class, Forwarding, Limiter, Rules, headers::Rule};
use crate::config::{Config, Rate};

const BUILD: &str = "make rate limits";

impl Limiter {
    /// What counts requests; none where there are no limits.
    ///
    /// # Errors
    /// `InvalidInput` for settings that the check of the configuration refuses too.
    pub(crate) fn build(
        config: &Config,
        store: &SqlStore,
        redis: Option<&Arc<RedisPubSub>>,
        single_user: bool,
    ) -> Result<Option<Arc<Self>>> {
        if !config.rate_limits.is_on(single_user) {
            return Ok(None);
        }
        Self::of(config, together(config, store, redis)?).map(|limiter| Some(Arc::new(limiter)))
    }

    /// By what processes share; each counts for itself where that is nothing.
    ///
    /// # Errors
    /// As above.
    pub(super) fn of(config: &Config, shared: Option<Arc<dyn RateLimits>>) -> Result<Self> {
        let rates = &config.rate_limits;
        let local: Arc<dyn RateLimits> = Arc::new(MemoryRateLimits::new(Arc::new(SystemClock)));
        let shared = shared.map(|shared| {
            let clock = Arc::new(SystemClock);
            let ahead = Arc::new(Ahead::new(shared, clock.clone()));
            let patience = Duration::from_millis(rates.patience_millis.into());
            Arc::new(Fallback::new(ahead, Arc::clone(&local), clock, patience))
        });
        let limits = shared.clone().map_or(local, |shared| -> Arc<dyn RateLimits> { shared });
        let forwarding = Forwarding::new(&config.server).map_err(|errors| {
            Error::new(ErrorKind::InvalidInput, BUILD).with("fix", errors.join("; "))
        })?;
        let tiers: HashMap<_, _> = rates
            .all_tiers()
            .into_iter()
            .map(|(name, tier)| {
                Ok::<_, Error>((name, Arc::new(rules(|[_, workspace]| workspace, tier.named())?)))
            })
            .collect::<Result<_>>()?;
        let tier = |name: &String| {
            let tier = tiers.get(name).map(Arc::clone);
            tier.ok_or_else(|| {
                Error::invalid(BUILD, "rate_limits.tier", "name a tier that is there")
            })
        };
        let workspaces = rates
            .workspaces
            .iter()
            .map(|(id, name)| Ok::<_, Error>((id.parse::<TenantId>()?, tier(name)?)));
        Ok(Self {
            limits,
            shared,
            forwarding,
            anonymous: rules(|[own, _]| own, rates.anonymous.named())?,
            user: rules(|[own, _]| own, rates.user.named())?,
            usual: tier(&rates.tier)?,
            workspaces: workspaces.collect::<Result<_>>()?,
        })
    }
}

/// Where processes count together; none where each counts for itself.
fn together(
    config: &Config,
    store: &SqlStore,
    redis: Option<&Arc<RedisPubSub>>,
) -> Result<Option<Arc<dyn RateLimits>>> {
    let by_database =
        || -> Arc<dyn RateLimits> { Arc::new(SqlRateLimits::new(store, StoreTime::Database)) };
    let by_redis = |redis: &Arc<RedisPubSub>| -> Arc<dyn RateLimits> {
        Arc::new(RedisRateLimits::new(Arc::clone(redis)))
    };
    match (config.rate_limits.store.as_str(), redis) {
        ("auto" | "redis", Some(redis)) => Ok(Some(by_redis(redis))),
        ("redis", None) => {
            let fix = "set storage.redis too, or use \"auto\"";
            Err(Error::invalid(BUILD, "rate_limits.store", fix))
        }
        ("database", _) => Ok(Some(by_database())),
        ("auto", None) if config.storage.postgres.is_some() => Ok(Some(by_database())),
        _ => Ok(None),
    }
}

/// The rules that are set, by one of their classes' names.
fn rules(
    name_of: fn([&'static str; 2]) -> &'static str,
    rates: [(&'static str, Option<Rate>); 6],
) -> Result<Rules> {
    let mut rules = Rules::new();
    for (name, rate) in rates {
        let Some((class, rate)) = Class::of(name).zip(rate) else { continue };
        rules.insert(class, Rule::new(name_of(class.names()), rate.policy()?));
    }
    Ok(rules)
}
