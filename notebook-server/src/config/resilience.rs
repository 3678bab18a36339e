//! What stands around models: how long they may take, what is tried again, when they are left alone.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use notebook_core::{
    Result,
    chat::layers::{
        AdaptPolicy, BreakerPolicy, BudgetPolicy, HedgePolicy, KeyPolicy, Limit, LimitPolicy,
        ResponseCachePolicy, RetryPolicy, Slow, Timeouts,
    },
    key_usage::Zone,
};
use serde::Deserialize;

/// What stands around models of other machines. 0 means without, wherever a number may be 0.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Resilience {
    /// For how many seconds a try may say nothing.
    pub first_token_seconds: u32,
    /// How many seconds may pass between two tokens.
    pub between_tokens_seconds: u32,
    /// How often a call is made at the most that fails before the first token.
    pub tries: u32,
    /// For so many of a hundred requests a provider is asked once more.
    pub retry_percent: u32,
    /// And so often in each second.
    pub retries_per_second: u32,
    /// The longest wait that a provider is obeyed in, in seconds.
    pub retry_after_seconds: u32,
    /// How many calls of a provider are under way at once, at the most.
    pub at_once: usize,
    /// How far that is lowered while a provider is overloaded; 0: never.
    pub at_least: usize,
    /// How many wait for their turn.
    pub waiting: usize,
    /// For how many seconds they wait.
    pub waiting_seconds: u32,
    /// When a model is left alone.
    pub breaker: BreakerSettings,
    /// Answers that are given again.
    pub cache: CacheSettings,
}

/// What stands around an embedding model of another machine, beside the retries of its provider. 0 means without.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmbeddingResilience {
    /// How many seconds a try may take that somebody waits for.
    pub question_seconds: u32,
    /// How many seconds a try for a source may take.
    pub source_seconds: u32,
    /// How many calls are under way at once that somebody waits for.
    pub questions_at_once: usize,
    /// How many calls for sources are.
    pub sources_at_once: usize,
    /// How far both are lowered while the provider is overloaded; 0: never.
    pub at_least: usize,
    /// How many wait for their turn, of each.
    pub waiting: usize,
    /// For how many seconds they wait.
    pub waiting_seconds: u32,
    /// For so many of a hundred questions a call is made once more that takes longer than 95 of a hundred do.
    pub hedge_percent: u32,
    /// When the model is left alone.
    pub breaker: BreakerSettings,
}

impl Default for EmbeddingResilience {
    fn default() -> Self {
        Self {
            // Less than a question has for its vector, so that there is time for a second try.
            question_seconds: 3,
            source_seconds: 60,
            questions_at_once: 16,
            sources_at_once: 8,
            at_least: 2,
            waiting: 64,
            waiting_seconds: 30,
            hedge_percent: 5,
            breaker: BreakerSettings::default(),
        }
    }
}

impl EmbeddingResilience {
    /// For calls that somebody waits for, and for those for sources.
    pub(crate) fn timeouts(&self) -> [Option<Duration>; 2] {
        [self.question_seconds, self.source_seconds].map(some_seconds)
    }

    /// The same, with limits.
    ///
    /// # Errors
    /// None for settings that were checked.
    pub(crate) fn limits(&self) -> Result<[Option<Arc<Limit>>; 2]> {
        let of = |at_once| limit(at_once, self.at_least, (self.waiting, self.waiting_seconds));
        Ok([of(self.questions_at_once)?, of(self.sources_at_once)?])
    }

    pub(crate) fn hedge(&self) -> Option<HedgePolicy> {
        let policy = HedgePolicy { percent: self.hedge_percent, ..HedgePolicy::default() };
        (self.hedge_percent > 0).then_some(policy)
    }

    /// What is wrong, as sentences.
    pub(super) fn errors(&self) -> Vec<String> {
        const SECTION: &str = "embedding.resilience";
        let ranges = [
            ("question_seconds", self.question_seconds, 0..=3_600),
            ("source_seconds", self.source_seconds, 0..=3_600),
            ("waiting_seconds", self.waiting_seconds, 0..=600),
            ("hedge_percent", self.hedge_percent, 0..=5),
        ];
        let outside = |(name, value, range)| outside(SECTION, name, value, range);
        let mut errors: Vec<_> = ranges.into_iter().filter_map(outside).collect();
        errors.extend(self.breaker.errors("embedding.resilience.breaker"));
        errors
    }
}

/// When a model is left alone.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerSettings {
    /// Whether it ever is.
    pub enabled: bool,
    /// So many failures one after the other; 0: however many.
    pub failures: u32,
    /// Such a share of the calls that failed; 0: however many.
    pub failed_percent: u32,
    /// Such a share of the calls that were slow; 0: however many.
    pub slow_percent: u32,
    /// From how many seconds to the first token on a call is slow.
    pub slow_seconds: u32,
    /// Shares count from so many calls on,
    pub calls: u32,
    /// in so many seconds.
    pub window_seconds: u32,
    /// For how many seconds it is left alone first; twice as long each further time.
    pub open_seconds: u32,
    /// The longest of these times.
    pub longest_seconds: u32,
    /// How many calls must succeed, the first of them alone, before all are made again.
    pub successes: u32,
}

/// Answers that are given again to the same prompt of the same tenant.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheSettings {
    /// The most bytes of answers that are kept in memory; 0 for none.
    pub bytes: usize,
    /// For how many seconds.
    pub seconds: u32,
    /// Also those of which the model would say another one each time: not only at temperature 0.
    pub sampled: bool,
}

/// How the keys of a provider are used that has several.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeySettings {
    /// The most calls of each key in a day.
    pub daily_calls: Option<u64>,
    /// The time zone in which the provider's day begins, such as `America/Los_Angeles`; UTC when absent.
    pub day_zone: Option<String>,
}

impl Default for Resilience {
    fn default() -> Self {
        let (retry, budget) = (RetryPolicy::default(), BudgetPolicy::default());
        Self {
            first_token_seconds: 120,
            between_tokens_seconds: 60,
            tries: retry.tries,
            retry_percent: budget.percent,
            retries_per_second: budget.per_second,
            retry_after_seconds: retry.obeyed.as_secs() as u32,
            at_once: 64,
            at_least: AdaptPolicy::default().least,
            waiting: 64,
            waiting_seconds: 30,
            breaker: BreakerSettings::default(),
            cache: CacheSettings::default(),
        }
    }
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            failures: 5,
            failed_percent: 50,
            // Models that think before they speak are slow and well.
            slow_percent: 0,
            slow_seconds: 30,
            calls: 20,
            window_seconds: 30,
            open_seconds: 60,
            longest_seconds: 300,
            successes: 2,
        }
    }
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self { bytes: 0, seconds: 600, sampled: false }
    }
}

fn seconds(number: u32) -> Duration {
    Duration::from_secs(number.into())
}

fn some_seconds(number: u32) -> Option<Duration> {
    (number > 0).then(|| seconds(number))
}

fn limit(
    at_once: usize,
    at_least: usize,
    (waiting, waiting_seconds): (usize, u32),
) -> Result<Option<Arc<Limit>>> {
    if at_once == 0 {
        return Ok(None);
    }
    let limit = Limit::new(LimitPolicy { at_once, waiting }, seconds(waiting_seconds))?;
    Ok(Some(Arc::new(match at_least {
        0 => limit,
        least => {
            limit.adapting(AdaptPolicy { least: least.min(at_once), ..AdaptPolicy::default() })?
        }
    })))
}

impl Resilience {
    pub(crate) fn timeouts(&self) -> Timeouts {
        Timeouts {
            first: some_seconds(self.first_token_seconds),
            between: some_seconds(self.between_tokens_seconds),
            whole: None,
        }
    }

    pub(crate) fn retry(&self) -> Option<(RetryPolicy, BudgetPolicy)> {
        let policy = RetryPolicy {
            tries: self.tries,
            obeyed: seconds(self.retry_after_seconds),
            ..RetryPolicy::default()
        };
        let budget = BudgetPolicy {
            percent: self.retry_percent,
            per_second: self.retries_per_second,
            ..BudgetPolicy::default()
        };
        (self.tries > 1).then_some((policy, budget))
    }

    /// A limit, where there is one.
    ///
    /// # Errors
    /// None for settings that were checked.
    pub(crate) fn limit(&self) -> Result<Option<Arc<Limit>>> {
        limit(self.at_once, self.at_least, (self.waiting, self.waiting_seconds))
    }

    pub(crate) fn cache(&self) -> Option<(usize, ResponseCachePolicy)> {
        let CacheSettings { bytes, seconds: keep, sampled } = self.cache;
        let policy =
            ResponseCachePolicy { keep: seconds(keep), sampled, ..ResponseCachePolicy::default() };
        (bytes > 0).then_some((bytes, policy))
    }

    /// What is wrong, as sentences.
    pub(super) fn errors(&self) -> Vec<String> {
        let mut errors = Vec::new();
        for (name, value, range) in [
            ("tries", self.tries, 0..=10),
            ("retry_percent", self.retry_percent, 0..=100),
            ("retries_per_second", self.retries_per_second, 0..=1_000),
            ("retry_after_seconds", self.retry_after_seconds, 0..=300),
            ("waiting_seconds", self.waiting_seconds, 0..=600),
            ("cache.seconds", self.cache.seconds, 1..=86_400),
        ] {
            errors.extend(outside("chat.resilience", name, value, range));
        }
        errors.extend(self.breaker.errors("chat.resilience.breaker"));
        errors
    }
}

/// What is wrong with a number that is not in its range.
fn outside(section: &str, name: &str, value: u32, range: RangeInclusive<u32>) -> Option<String> {
    let (from, to) = (*range.start(), *range.end());
    (!range.contains(&value)).then(|| format!("{section}.{name} must be from {from} to {to}"))
}

impl BreakerSettings {
    pub(crate) fn policy(&self) -> Option<BreakerPolicy> {
        let some = |number: u32| (number > 0).then_some(number);
        let slow = some(self.slow_percent)
            .map(|percent| Slow { after: seconds(self.slow_seconds), percent });
        self.enabled.then(|| BreakerPolicy {
            window: seconds(self.window_seconds),
            calls: self.calls,
            failed_percent: some(self.failed_percent),
            slow,
            in_a_row: some(self.failures),
            open: seconds(self.open_seconds),
            longest: seconds(self.longest_seconds),
            trials: self.successes.saturating_sub(1),
            ..BreakerPolicy::default()
        })
    }

    /// What is wrong, as sentences.
    pub(super) fn errors(&self, section: &str) -> Vec<String> {
        let ranges = [
            ("failed_percent", self.failed_percent, 0..=100),
            ("slow_percent", self.slow_percent, 0..=100),
            ("slow_seconds", self.slow_seconds, 1..=3_600),
            ("calls", self.calls, 1..=1_000_000),
            ("window_seconds", self.window_seconds, 1..=3_600),
            ("open_seconds", self.open_seconds, 1..=3_600),
            ("longest_seconds", self.longest_seconds, self.open_seconds..=86_400),
            ("successes", self.successes, 1..=100),
        ];
        let outside = |(name, value, range)| outside(section, name, value, range);
        ranges.into_iter().filter_map(outside).collect()
    }
}

impl KeySettings {
    /// # Errors
    /// `InvalidInput` where there is no such time zone.
    pub(crate) fn policy(&self) -> Result<KeyPolicy> {
        let zone = self.zone()?;
        Ok(KeyPolicy { daily: self.daily_calls, zone, ..KeyPolicy::default() })
    }

    /// Where the provider's days begin.
    ///
    /// # Errors
    /// As [`policy`](Self::policy).
    pub(crate) fn zone(&self) -> Result<Zone> {
        self.day_zone.as_deref().map_or_else(|| Ok(Zone::default()), Zone::named)
    }

    /// What is wrong, as sentences.
    pub(super) fn errors(&self, provider: &str) -> Vec<String> {
        let mut errors = Vec::new();
        if self.daily_calls == Some(0) {
            errors.push(format!("chat.{provider}.keys.daily_calls must be at least 1"));
        }
        if self.zone().is_err() {
            errors.push(format!(
                "chat.{provider}.keys.day_zone must be a name of the IANA time zone database, such as America/Los_Angeles"
            ));
        }
        errors
    }
}
