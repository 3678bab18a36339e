//! Several keys of a provider: models with each of them, and how they are used.

use std::{collections::BTreeMap, sync::Arc};

use notebook_core::{
    Result, Secret, Timestamp,
    chat::{
        ChatModel,
        layers::{KeyPool, PooledKey},
    },
    key_usage::{Day, KeyHash, KeyUsage, Zone},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::layers::Layers;
use crate::config::{Chat, KeySettings};

/// The keys of a provider, as they are counted.
pub(super) struct Pool {
    provider: &'static str,
    daily_calls: Option<u64>,
    zone: Zone,
    keys: Vec<(String, KeyHash)>,
}

/// How a key is used.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct KeyState {
    /// The provider.
    pub(crate) provider: String,
    /// The key's name in the configuration.
    pub(crate) name: String,
    /// Calls on the provider's day.
    pub(crate) used: u64,
    /// The most in a day.
    pub(crate) daily_calls: Option<u64>,
    /// For how many milliseconds it rests.
    pub(crate) resting_millis: u64,
}

impl Layers {
    /// A provider's model: with one key, or with each of several.
    ///
    /// # Errors
    /// Those of `make`.
    pub(super) fn keyed(
        &self,
        chat: &Chat,
        provider: &str,
        make: impl Fn(&Chat) -> Result<Arc<dyn ChatModel>>,
    ) -> Result<Arc<dyn ChatModel>> {
        let Some((keys, settings)) = keys_of(chat, provider) else { return make(chat) };
        let keys = keys.values().map(|key| {
            let mut with_key = chat.clone();
            with_key.openai.api_key = Some(key.clone());
            with_key.google.api_key = Some(key.clone());
            Ok(PooledKey::new(key, make(&with_key)?))
        });
        let (usage, clock) = (Arc::clone(&self.usage), Arc::clone(&self.clock));
        let pool = KeyPool::new(keys.collect::<Result<_>>()?, settings.policy()?, usage, clock)?;
        Ok(Arc::new(pool))
    }

    /// How the keys are used.
    ///
    /// # Errors
    /// Those of the store of keys' uses.
    pub(crate) async fn keys(&self) -> Result<Vec<KeyState>> {
        states(&self.pools, &*self.usage, self.clock.now()).await
    }
}

/// How the keys of the configuration are used, for somebody who has no models.
///
/// # Errors
/// Those of the store of keys' uses.
pub(crate) async fn key_states(
    chat: &Chat,
    usage: &dyn KeyUsage,
    now: Timestamp,
) -> Result<Vec<KeyState>> {
    states(&pools(chat)?, usage, now).await
}

async fn states(pools: &[Pool], usage: &dyn KeyUsage, now: Timestamp) -> Result<Vec<KeyState>> {
    let mut states = Vec::new();
    for Pool { provider, daily_calls, zone, keys } in pools {
        let hashes: Vec<_> = keys.iter().map(|(_, key)| *key).collect();
        let today = Day::of(now, zone);
        for ((name, _), count) in keys.iter().zip(usage.counts(&hashes).await?) {
            states.push(KeyState {
                provider: (*provider).to_owned(),
                name: name.clone(),
                used: if count.day >= today { count.used } else { 0 },
                daily_calls: *daily_calls,
                resting_millis: count.resting_until.since(now).as_millis() as u64,
            });
        }
    }
    Ok(states)
}

pub(super) fn pools(chat: &Chat) -> Result<Vec<Pool>> {
    let pools = ["openai", "google"].into_iter().filter_map(|provider| {
        let (keys, settings) = keys_of(chat, provider)?;
        let keys = keys.iter().map(|(name, key)| (name.clone(), KeyHash::of(key))).collect();
        let daily_calls = settings.daily_calls;
        Some(settings.zone().map(|zone| Pool { provider, daily_calls, zone, keys }))
    });
    pools.collect()
}

/// A provider's keys by their names, where it has several.
pub(super) fn keys_of<'c>(
    chat: &'c Chat,
    provider: &str,
) -> Option<(&'c BTreeMap<String, Secret>, &'c KeySettings)> {
    let (keys, settings) = match provider {
        "openai" => (&chat.openai.api_keys, &chat.openai.keys),
        "google" => (&chat.google.api_keys, &chat.google.keys),
        _ => return None,
    };
    (!keys.is_empty()).then_some((keys, settings))
}
