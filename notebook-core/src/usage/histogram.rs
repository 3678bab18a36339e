//! Counts of durations in fixed buckets, which can be added up.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

/// How much longer the durations of a bucket may be than its shortest: a percentile is right within half of it.
const GROWTH: f64 = 1.1;
/// All shorter durations share a bucket.
const SHORTEST_MICROS: f64 = 100.0;
/// The last bucket: about four days, and all that is longer.
const LAST: u16 = 230;

/// How often durations of a length occurred: exact counts in buckets that grow by a tenth from 0.1 ms on. Two
/// histograms are added without loss, whatever made them.
///
/// ```
/// use std::time::Duration;
/// use notebook_core::usage::Histogram;
///
/// let mut latencies = Histogram::default();
/// (1..=100).for_each(|millis| latencies.record(Duration::from_millis(millis)));
/// let median = latencies.percentile(0.5).unwrap().as_secs_f64();
/// assert!((median / 0.050 - 1.0).abs() < 0.06);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Histogram(BTreeMap<u16, u64>);

impl Histogram {
    /// Counts a duration.
    pub fn record(&mut self, duration: Duration) {
        *self.0.entry(bucket(duration)).or_default() += 1;
    }

    /// Adds what another counted.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.0 {
            let sum = self.0.entry(*bucket).or_default();
            *sum = sum.saturating_add(*count);
        }
    }

    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The duration that a share of all (0 to 1) do not exceed, within 5 %: the middle of its bucket. `None` when nothing
    /// was counted.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to the count")]
    pub fn percentile(&self, share: f64) -> Option<Duration> {
        let count = self.count();
        let rank = (share.clamp(0.0, 1.0) * count as f64).ceil().max(1.0) as u64;
        let mut seen = 0_u64;
        for (bucket, count) in &self.0 {
            seen = seen.saturating_add(*count);
            if seen >= rank {
                return Some(middle(*bucket));
            }
        }
        None
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to LAST")]
fn bucket(duration: Duration) -> u16 {
    let ratio = duration.as_secs_f64() * 1e6 / SHORTEST_MICROS;
    if ratio <= 1.0 {
        return 0;
    }
    ((ratio.ln() / GROWTH.ln()).floor() + 1.0).min(f64::from(LAST)) as u16
}

/// Of the shortest and the longest of a bucket, as a ratio.
fn middle(bucket: u16) -> Duration {
    // What was stored may hold anything.
    let power = f64::from(bucket.min(LAST)) - 0.5;
    let micros =
        if bucket == 0 { SHORTEST_MICROS / 2.0 } else { SHORTEST_MICROS * GROWTH.powf(power) };
    Duration::from_secs_f64(micros / 1e6)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ends_are_counted() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.count(), histogram.percentile(0.5)), (0, None));
        histogram.record(Duration::ZERO);
        histogram.record(Duration::MAX);
        assert_eq!(histogram.count(), 2);
        assert!(histogram.percentile(0.0).unwrap() < Duration::from_micros(100));
        assert!(histogram.percentile(1.0).unwrap() > Duration::from_secs(3 * 86_400));
    }

    #[test]
    fn numbers_out_of_a_broken_row_do_no_harm() {
        let histogram: Histogram =
            serde_json::from_str(r#"{"65535": 18446744073709551615, "3": 1}"#).unwrap();
        assert_eq!(histogram.count(), u64::MAX);
        assert!(histogram.percentile(1.0).is_some());
    }

    proptest! {
        #[test]
        fn percentiles_are_right_within_a_twentieth(
            mut micros in prop::collection::vec(100_u64..10_000_000_000, 1..200),
            share in 0.0_f64..=1.0,
        ) {
            let mut histogram = Histogram::default();
            for micros in &micros {
                histogram.record(Duration::from_micros(*micros));
            }
            micros.sort_unstable();
            let rank = ((share * micros.len() as f64).ceil() as usize).clamp(1, micros.len());
            let exact = micros[rank - 1] as f64 / 1e6;
            let told = histogram.percentile(share).unwrap().as_secs_f64();
            prop_assert!((told / exact - 1.0).abs() < 0.05, "{told} {exact}");
        }

        #[test]
        fn the_order_of_adding_does_not_matter(
            micros in prop::collection::vec(0_u64..10_000_000_000, 0..100),
            cut in 0_usize..100,
        ) {
            let (mut all, mut first, mut second) =
                (Histogram::default(), Histogram::default(), Histogram::default());
            for (place, micros) in micros.iter().enumerate() {
                let duration = Duration::from_micros(*micros);
                all.record(duration);
                if place < cut { first.record(duration) } else { second.record(duration) }
            }
            second.merge(&first);
            prop_assert_eq!(second, all);
        }
    }
}
