//! The suite that every adapter of [`BreakerSettings`] is held to.
//!
//! ```
//! use std::sync::Arc;
//! use notebook_core::breaker_setting::{BreakerSettings, conformance, memory::MemoryBreakerSettings};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let settings: Arc<dyn BreakerSettings> = Arc::new(MemoryBreakerSettings::new());
//! conformance::run_all(&[settings.clone(), settings]).await;
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a suite speaks by panicking, and a scenario's name is its documentation"
)]

use std::sync::Arc;

use super::{BreakerSetting, BreakerSettings};
use crate::{
    Timestamp, UserId, chat::layers::Forced, conformance::Scenario, identity::audit::Actor,
};

/// An adapter as two processes have it: two handles with connections of their own, or the same twice where there is but
/// one process. Nobody else works with it.
pub type Processes = [Arc<dyn BreakerSettings>; 2];

/// Every scenario of the suite.
#[must_use]
pub fn scenarios() -> Vec<Scenario<Processes>> {
    crate::scenarios![
        Processes;
        what_one_process_decides_the_other_finds,
        the_last_decision_counts,
        what_is_cleared_is_gone,
        what_is_over_is_not_told,
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

/// A model that nobody else sets.
fn setting(route: &str) -> BreakerSetting {
    BreakerSetting {
        route: route.into(),
        model: format!("openai/{}", uuid::Uuid::new_v4()),
        state: Forced::Open,
        by: Actor::User(UserId::from_u128(7)),
        at: NOW,
        until: None,
    }
}

async fn found(
    settings: &Arc<dyn BreakerSettings>,
    model: &str,
    now: Timestamp,
) -> Vec<BreakerSetting> {
    let all = settings.all(now).await.unwrap();
    all.into_iter().filter(|setting| setting.model == model).collect()
}

pub async fn what_one_process_decides_the_other_finds(processes: &Processes) {
    let until = Some(Timestamp::from_millis(NOW.as_millis() + 1_000));
    let one = BreakerSetting { until, ..setting("answers") };
    let other = BreakerSetting {
        route: "rerank".into(),
        state: Forced::Closed,
        by: Actor::System,
        until: None,
        ..one.clone()
    };
    processes[0].set(&other).await.unwrap();
    processes[0].set(&one).await.unwrap();
    // By route, each whole.
    assert_eq!(found(&processes[1], &one.model, NOW).await, [one.clone(), other]);
}

pub async fn the_last_decision_counts(processes: &Processes) {
    let first = setting("answers");
    let at = Timestamp::from_millis(NOW.as_millis() + 5);
    let second = BreakerSetting { state: Forced::Closed, by: Actor::Unknown, at, ..first.clone() };
    processes[0].set(&first).await.unwrap();
    processes[1].set(&second).await.unwrap();
    assert_eq!(found(&processes[0], &first.model, NOW).await, [second]);
}

pub async fn what_is_cleared_is_gone(processes: &Processes) {
    let (one, other) = (setting("answers"), setting("answers"));
    processes[0].set(&one).await.unwrap();
    processes[0].set(&other).await.unwrap();
    assert!(!processes[1].clear("embeddings", &one.model).await.unwrap(), "another route");
    assert!(processes[1].clear("answers", &one.model).await.unwrap());
    assert!(!processes[0].clear("answers", &one.model).await.unwrap());
    assert!(found(&processes[0], &one.model, NOW).await.is_empty());
    assert_eq!(found(&processes[0], &other.model, NOW).await, [other]);
}

pub async fn what_is_over_is_not_told(processes: &Processes) {
    let after = |millis: i64| Timestamp::from_millis(NOW.as_millis() + millis);
    let short = BreakerSetting { until: Some(after(10)), ..setting("answers") };
    processes[0].set(&short).await.unwrap();
    let still = found(&processes[1], &short.model, after(9)).await;
    assert_eq!(still.as_slice(), std::slice::from_ref(&short));
    assert!(found(&processes[1], &short.model, after(10)).await.is_empty());
    // The next decision forgets it.
    processes[1].set(&BreakerSetting { at: after(10), ..setting("answers") }).await.unwrap();
    assert!(found(&processes[0], &short.model, NOW).await.is_empty());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{breaker_setting::memory::MemoryBreakerSettings, conformance::unlisted};

    #[test]
    fn every_scenario_is_listed() {
        let names: Vec<_> = scenarios().iter().map(|scenario| scenario.name).collect();
        assert_eq!(unlisted(include_str!("conformance.rs"), &names), Vec::<&str>::new());
    }

    #[tokio::test]
    async fn memory_keeps_every_promise() {
        let settings: Arc<dyn BreakerSettings> = Arc::new(MemoryBreakerSettings::new());
        run_all(&[settings.clone(), settings]).await;
    }
}
