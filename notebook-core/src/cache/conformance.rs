//! The suite that every adapter of the cache is held to.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a suite speaks by panicking, and a scenario's name is its documentation"
)]

use super::{Cache, CacheKey};
use crate::{
    TenantScope,
    conformance::{Scenario, tenant},
};

/// What an adapter promises beyond the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// The bound in bytes that this cache was made with, at least 32 KiB; `None` when the suite
    /// cannot know it.
    pub max_bytes: Option<usize>,
    /// Whether reading an entry at once makes it the last to be forgotten.
    pub least_recently_used: bool,
}

/// A cache with its capabilities.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The cache.
    pub cache: &'a dyn Cache,
    /// What it promises.
    pub capabilities: &'a Capabilities,
}

impl std::fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject").field("capabilities", self.capabilities).finish_non_exhaustive()
    }
}

/// Every scenario of the suite.
#[must_use]
pub fn scenarios<'a>() -> Vec<Scenario<Subject<'a>>> {
    crate::scenarios![
        Subject<'a>;
        a_value_reads_back_as_written,
        values_come_in_the_order_of_the_keys,
        an_existing_key_is_replaced,
        t18_the_same_key_in_another_tenant_is_another_entry,
        removing_forgets_the_keys_named,
        clearing_forgets_one_tenant,
        a_full_cache_forgets_and_goes_on,
        a_flood_does_not_push_out_another_tenant,
        t34_what_one_replaces_makes_no_room_for_others,
        a_value_over_the_bound_is_not_kept,
        a_read_entry_outlives_others,
    ]
}

/// Runs every scenario, one after the other, and returns the names of those that the
/// capabilities leave out.
///
/// # Panics
/// When the cache breaks a promise.
pub async fn run_all(cache: &dyn Cache, capabilities: &Capabilities) -> Vec<&'static str> {
    let mut skipped = Vec::new();
    for scenario in scenarios() {
        if capabilities.leave_out(scenario.name) {
            skipped.push(scenario.name);
            continue;
        }
        (scenario.run)(&Subject { cache, capabilities }).await;
    }
    skipped
}

impl Capabilities {
    fn leave_out(&self, scenario: &str) -> bool {
        match scenario {
            "a_full_cache_forgets_and_goes_on"
            | "a_flood_does_not_push_out_another_tenant"
            | "t34_what_one_replaces_makes_no_room_for_others"
            | "a_value_over_the_bound_is_not_kept" => self.max_bytes.is_none(),
            "a_read_entry_outlives_others" => self.max_bytes.is_none() || !self.least_recently_used,
            _ => false,
        }
    }
}

fn key(name: usize) -> CacheKey {
    CacheKey::of(&[b"conformance", &name.to_le_bytes()])
}

/// A value of which about a hundred fit, different for each name.
fn big(subject: &Subject<'_>, name: usize) -> Vec<u8> {
    let mut value = vec![0; subject.capabilities.max_bytes.unwrap() / 100];
    value[..8].copy_from_slice(&name.to_le_bytes());
    value
}

async fn get(subject: &Subject<'_>, scope: &TenantScope, name: usize) -> Option<Vec<u8>> {
    subject.cache.get(scope, &[key(name)]).await.unwrap().remove(0)
}

async fn put(subject: &Subject<'_>, scope: &TenantScope, name: usize, value: Vec<u8>) {
    subject.cache.put(scope, vec![(key(name), value)]).await.unwrap();
}

pub async fn a_value_reads_back_as_written(subject: &Subject<'_>) {
    let scope = tenant();
    assert_eq!(get(subject, &scope, 1).await, None);
    for value in [vec![], vec![0], (0..=255).collect()] {
        put(subject, &scope, 1, value.clone()).await;
        assert_eq!(get(subject, &scope, 1).await, Some(value));
    }
}

pub async fn values_come_in_the_order_of_the_keys(subject: &Subject<'_>) {
    let scope = tenant();
    let entries = (0..20).map(|i| (key(i), vec![u8::try_from(i).unwrap()])).collect();
    subject.cache.put(&scope, entries).await.unwrap();
    let keys = [key(7), key(99), key(0), key(7), key(19)];
    let got = subject.cache.get(&scope, &keys).await.unwrap();
    assert_eq!(got, [Some(vec![7]), None, Some(vec![0]), Some(vec![7]), Some(vec![19])]);
    assert_eq!(subject.cache.get(&scope, &[]).await.unwrap(), [] as [Option<Vec<u8>>; 0]);
    subject.cache.put(&scope, vec![]).await.unwrap();
}

pub async fn an_existing_key_is_replaced(subject: &Subject<'_>) {
    let scope = tenant();
    put(subject, &scope, 1, b"old".to_vec()).await;
    let twice = vec![(key(1), b"newer".to_vec()), (key(1), b"newest".to_vec())];
    subject.cache.put(&scope, twice).await.unwrap();
    assert_eq!(get(subject, &scope, 1).await, Some(b"newest".to_vec()));
}

pub async fn t18_the_same_key_in_another_tenant_is_another_entry(subject: &Subject<'_>) {
    let (a, b) = (tenant(), tenant());
    put(subject, &a, 1, b"a".to_vec()).await;
    assert_eq!(get(subject, &b, 1).await, None);
    put(subject, &b, 1, b"b".to_vec()).await;
    assert_eq!(get(subject, &a, 1).await, Some(b"a".to_vec()));
    assert_eq!(get(subject, &b, 1).await, Some(b"b".to_vec()));
}

pub async fn removing_forgets_the_keys_named(subject: &Subject<'_>) {
    let (a, b) = (tenant(), tenant());
    for scope in [&a, &b] {
        for i in 1..4 {
            put(subject, scope, i, b"x".to_vec()).await;
        }
    }
    subject.cache.remove(&a, &[key(1), key(3), key(99)]).await.unwrap();
    subject.cache.remove(&a, &[key(1)]).await.unwrap();
    subject.cache.remove(&tenant(), &[key(2)]).await.unwrap();
    let kept = |wanted: &[Option<Vec<u8>>]| wanted.iter().map(Option::is_some).collect::<Vec<_>>();
    let keys = [key(1), key(2), key(3)];
    assert_eq!(kept(&subject.cache.get(&a, &keys).await.unwrap()), [false, true, false]);
    assert_eq!(kept(&subject.cache.get(&b, &keys).await.unwrap()), [true, true, true]);
}

pub async fn clearing_forgets_one_tenant(subject: &Subject<'_>) {
    let (a, b) = (tenant(), tenant());
    for scope in [&a, &b] {
        put(subject, scope, 1, b"x".to_vec()).await;
        put(subject, scope, 2, b"y".to_vec()).await;
    }
    subject.cache.clear(&a).await.unwrap();
    subject.cache.clear(&a).await.unwrap();
    assert_eq!(subject.cache.get(&a, &[key(1), key(2)]).await.unwrap(), [None, None]);
    assert_eq!(get(subject, &b, 2).await, Some(b"y".to_vec()));
    put(subject, &a, 1, b"again".to_vec()).await;
    assert_eq!(get(subject, &a, 1).await, Some(b"again".to_vec()));
}

pub async fn a_full_cache_forgets_and_goes_on(subject: &Subject<'_>) {
    let scope = tenant();
    for i in 0..300 {
        put(subject, &scope, i, big(subject, i)).await;
        assert_eq!(get(subject, &scope, i).await, Some(big(subject, i)), "the newest is kept");
    }
    let keys: Vec<_> = (0..300).map(key).collect();
    let kept = subject.cache.get(&scope, &keys).await.unwrap();
    let bytes: usize = kept.iter().flatten().map(Vec::len).sum();
    assert!(bytes <= subject.capabilities.max_bytes.unwrap(), "{bytes} bytes kept");
    assert!(bytes >= subject.capabilities.max_bytes.unwrap() / 4, "only {bytes} bytes kept");
    subject.cache.clear(&scope).await.unwrap();
}

/// T33, in memory.
pub async fn a_flood_does_not_push_out_another_tenant(subject: &Subject<'_>) {
    let (quiet, loud) = (tenant(), tenant());
    put(subject, &quiet, 1, b"quiet".to_vec()).await;
    for i in 0..300 {
        put(subject, &loud, i, big(subject, i)).await;
    }
    assert_eq!(get(subject, &quiet, 1).await, Some(b"quiet".to_vec()));
    subject.cache.clear(&loud).await.unwrap();
}

pub async fn t34_what_one_replaces_makes_no_room_for_others(subject: &Subject<'_>) {
    let (large, small) = (tenant(), tenant());
    for i in 0..20 {
        put(subject, &large, i, big(subject, i)).await;
    }
    // Under the same keys, and each time as if the other's had gone.
    for i in (0..20).chain(0..20).chain(0..20) {
        put(subject, &small, i, vec![0]).await;
    }
    for i in (0..20).cycle().take(200) {
        put(subject, &large, i, big(subject, i)).await;
    }
    let keys: Vec<_> = (0..300).map(key).collect();
    let kept = subject.cache.get(&large, &keys[..20]).await.unwrap();
    assert!(kept.iter().all(Option::is_some), "there is room for all of them");
    for i in 0..300 {
        put(subject, &large, i, big(subject, i)).await;
    }
    let kept = subject.cache.get(&large, &keys).await.unwrap();
    let bytes: usize = kept.iter().flatten().map(Vec::len).sum();
    assert!(bytes <= subject.capabilities.max_bytes.unwrap(), "{bytes} bytes kept");
    subject.cache.clear(&large).await.unwrap();
    subject.cache.clear(&small).await.unwrap();
}

pub async fn a_value_over_the_bound_is_not_kept(subject: &Subject<'_>) {
    let scope = tenant();
    put(subject, &scope, 1, b"small".to_vec()).await;
    put(subject, &scope, 2, b"old".to_vec()).await;
    put(subject, &scope, 2, vec![0; subject.capabilities.max_bytes.unwrap() + 1]).await;
    assert_eq!(get(subject, &scope, 2).await, None, "neither the old value nor the new one");
    assert_eq!(get(subject, &scope, 1).await, Some(b"small".to_vec()), "others are left alone");
}

pub async fn a_read_entry_outlives_others(subject: &Subject<'_>) {
    let scope = tenant();
    for i in 0..200 {
        put(subject, &scope, i, big(subject, i)).await;
        assert!(get(subject, &scope, 0).await.is_some(), "forgotten after {i} others");
    }
    assert_eq!(get(subject, &scope, 1).await, None);
    subject.cache.clear(&scope).await.unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_is_listed() {
        let names: Vec<_> = scenarios().iter().map(|scenario| scenario.name).collect();
        let missing = crate::conformance::unlisted(include_str!("conformance.rs"), &names);
        assert_eq!(missing, Vec::<&str>::new());
    }
}
