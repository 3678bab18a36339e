//! The suite that every adapter of [`KeyUsage`] is held to.
//!
//! ```
//! use std::sync::Arc;
//! use notebook_core::key_usage::{KeyUsage, conformance, memory::MemoryKeyUsage};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let usage: Arc<dyn KeyUsage> = Arc::new(MemoryKeyUsage::new());
//! conformance::run_all(&[usage.clone(), usage]).await;
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a suite speaks by panicking, and a scenario's name is its documentation"
)]

use std::sync::Arc;

use futures::future::join_all;

use super::{Day, KeyCount, KeyHash, KeyUsage, Use};
use crate::{Secret, Timestamp, conformance::Scenario};

/// An adapter as two processes have it: two handles with connections of their own, or the same twice where there is but
/// one process.
pub type Processes = [Arc<dyn KeyUsage>; 2];

/// Every scenario of the suite.
#[must_use]
pub fn scenarios() -> Vec<Scenario<Processes>> {
    crate::scenarios![
        Processes;
        uses_are_counted_up_to_the_limit,
        a_new_day_begins_anew,
        a_process_that_is_behind_counts_on_the_newest_day,
        a_key_that_rests_is_not_counted,
        keys_are_apart,
        as_many_at_once_as_the_limit,
        only_what_is_over_is_forgotten,
    ]
}

/// Runs every scenario, one after the other.
///
/// # Panics
/// When the adapter breaks a promise.
pub async fn run_all(processes: &Processes) {
    crate::conformance::run_all(scenarios(), processes).await;
}

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const TODAY: Day = Day(19_675);

/// A key that nobody else uses.
fn key() -> KeyHash {
    KeyHash::of(&Secret::new(uuid::Uuid::new_v4().to_string()))
}

async fn take(usage: &Arc<dyn KeyUsage>, key: KeyHash, day: Day, limit: u64) -> Use {
    usage.take(key, day, Some(limit), NOW).await.unwrap()
}

async fn count(usage: &Arc<dyn KeyUsage>, key: KeyHash) -> KeyCount {
    usage.counts(&[key]).await.unwrap()[0]
}

pub async fn uses_are_counted_up_to_the_limit(processes: &Processes) {
    let key = key();
    assert_eq!(count(&processes[0], key).await, KeyCount::default());
    for used in 1..=3 {
        let found = take(&processes[used as usize % 2], key, TODAY, 3).await;
        assert_eq!(found, Use::Counted { used });
    }
    for usage in processes {
        assert_eq!(take(usage, key, TODAY, 3).await, Use::Spent);
        assert_eq!(count(usage, key).await.used, 3, "what is refused counts nothing");
    }
    assert_eq!(take(&processes[0], key, TODAY, 4).await, Use::Counted { used: 4 });
    let unlimited = processes[1].take(key, TODAY, None, NOW).await.unwrap();
    assert_eq!(unlimited, Use::Counted { used: 5 });
}

pub async fn a_new_day_begins_anew(processes: &Processes) {
    let key = key();
    take(&processes[0], key, TODAY, 1).await;
    assert_eq!(take(&processes[1], key, TODAY, 1).await, Use::Spent);
    let next = Day(TODAY.0 + 1);
    assert_eq!(take(&processes[1], key, next, 1).await, Use::Counted { used: 1 });
    let known = count(&processes[0], key).await;
    assert_eq!((known.day, known.used), (next, 1));
}

pub async fn a_process_that_is_behind_counts_on_the_newest_day(processes: &Processes) {
    let (key, next) = (key(), Day(TODAY.0 + 1));
    take(&processes[0], key, next, 2).await;
    assert_eq!(take(&processes[1], key, TODAY, 2).await, Use::Counted { used: 2 });
    assert_eq!(take(&processes[1], key, TODAY, 2).await, Use::Spent);
    assert_eq!(count(&processes[0], key).await.day, next);
}

pub async fn a_key_that_rests_is_not_counted(processes: &Processes) {
    let key = key();
    take(&processes[0], key, TODAY, 9).await;
    let until = Timestamp::from_millis(NOW.as_millis() + 1);
    processes[0].rest(key, until).await.unwrap();
    assert_eq!(take(&processes[1], key, TODAY, 9).await, Use::Resting { until });
    assert_eq!(count(&processes[1], key).await.used, 1);
    let awake = processes[1].take(key, TODAY, Some(9), until).await.unwrap();
    assert_eq!(awake, Use::Counted { used: 2 });
    // Of a key that was never used too, and the last word counts.
    let key = self::key();
    processes[0].rest(key, until).await.unwrap();
    assert_eq!(take(&processes[1], key, TODAY, 1).await, Use::Resting { until });
    processes[0].rest(key, NOW).await.unwrap();
    assert_eq!(take(&processes[1], key, TODAY, 1).await, Use::Counted { used: 1 });
}

pub async fn keys_are_apart(processes: &Processes) {
    let (one, other) = (key(), key());
    take(&processes[0], one, TODAY, 1).await;
    assert_eq!(take(&processes[0], other, TODAY, 1).await, Use::Counted { used: 1 });
    let counts = processes[1].counts(&[other, key(), one]).await.unwrap();
    assert_eq!(counts.iter().map(|count| count.used).collect::<Vec<_>>(), [1, 0, 1]);
}

pub async fn as_many_at_once_as_the_limit(processes: &Processes) {
    let key = key();
    let calls = (0..40).map(|i| take(&processes[i % 2], key, TODAY, 15));
    let found = join_all(calls).await;
    let mut counted: Vec<u64> = found
        .iter()
        .filter_map(|found| if let Use::Counted { used } = found { Some(*used) } else { None })
        .collect();
    counted.sort_unstable();
    assert_eq!(counted, (1..=15).collect::<Vec<_>>(), "each of them once");
}

pub async fn only_what_is_over_is_forgotten(processes: &Processes) {
    let (old, new, resting) = (key(), key(), key());
    let before = Day(TODAY.0 - 1);
    take(&processes[0], old, before, 5).await;
    take(&processes[0], resting, before, 5).await;
    take(&processes[0], new, TODAY, 5).await;
    let until = Timestamp::from_millis(NOW.as_millis() + 1);
    processes[0].rest(resting, until).await.unwrap();
    assert!(processes[1].prune(TODAY, NOW).await.unwrap() >= 1);
    let counts = processes[0].counts(&[old, new, resting]).await.unwrap();
    assert_eq!(counts.iter().map(|count| count.used).collect::<Vec<_>>(), [0, 1, 1]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{conformance::unlisted, key_usage::memory::MemoryKeyUsage};

    #[test]
    fn every_scenario_is_listed() {
        let names: Vec<_> = scenarios().iter().map(|scenario| scenario.name).collect();
        assert_eq!(unlisted(include_str!("conformance.rs"), &names), Vec::<&str>::new());
    }

    #[tokio::test]
    async fn memory_keeps_every_promise() {
        let usage: Arc<dyn KeyUsage> = Arc::new(MemoryKeyUsage::new());
        run_all(&[usage.clone(), usage]).await;
    }
}
