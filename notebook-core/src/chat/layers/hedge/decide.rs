//! When a call that takes long is made a second time: without I/O, clock or randomness.

use std::{collections::VecDeque, time::Duration};

use crate::{Error, Result};

/// Which calls are made twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HedgePolicy {
    /// One that takes longer than so many of a hundred of the last ones did.
    pub percentile: u32,
    /// For so many of a hundred calls one more.
    pub percent: u32,
    /// With fewer calls that were answered nothing is known about how long they take.
    pub least: usize,
    /// None is made sooner than after this time, however quick the calls are.
    pub soonest: Duration,
}

impl Default for HedgePolicy {
    /// After the time within which 95 of a hundred were answered, for at most 5 of a hundred.
    fn default() -> Self {
        Self { percentile: 95, percent: 5, least: 20, soonest: Duration::from_millis(10) }
    }
}

impl HedgePolicy {
    /// # Errors
    /// `InvalidInput` that names the field.
    pub(super) fn check(&self) -> Result<()> {
        let wrong = [
            ("percentile", !(1..=100).contains(&self.percentile), "give from 1 to 100"),
            ("percent", !(1..=100).contains(&self.percent), "give from 1 to 100"),
            ("least", !(1..=KEPT).contains(&self.least), "give from 1 to 128"),
        ];
        match wrong.iter().find(|(_, wrong, _)| *wrong) {
            Some((field, _, fix)) => Err(Error::invalid("configure hedging", field, *fix)),
            None => Ok(()),
        }
    }
}

/// How many times are kept.
const KEPT: usize = 128;
/// What a second call costs, in hundredths.
const ONE: u64 = 100;
/// The most second calls that are saved up: after a quiet day no hundred are made at once.
const SAVED: u64 = 10;

/// What happens to calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HedgeEvent {
    /// One is made.
    Began,
    /// One has taken as long as [`HedgeReply::Wait`] said.
    Late,
    /// One was answered.
    Answered {
        /// The time since it began.
        took: Duration,
        /// Whether it was the second one that was.
        by_second: bool,
    },
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HedgeReply {
    /// After this time say that the call is late.
    Wait(Duration),
    /// Make a second one.
    Second,
    /// Leave it at the one.
    Alone,
    /// Nothing was asked.
    Noted,
}

/// What is to be seen of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct HedgeSnapshot {
    /// Calls, each counted once.
    pub calls: u64,
    /// Those that were made twice.
    pub hedged: u64,
    /// Those of them that the second one answered.
    pub won: u64,
    /// After how many milliseconds a call is late, where that is known.
    pub after_millis: Option<u64>,
}

/// The last calls, and how many second ones may be made.
#[derive(Debug, Clone, Default)]
pub struct Hedging {
    took: VecDeque<Duration>,
    credit: u64,
    calls: u64,
    hedged: u64,
    won: u64,
}

impl Hedging {
    /// What is to be done.
    pub fn step(&mut self, policy: &HedgePolicy, event: HedgeEvent) -> HedgeReply {
        match event {
            HedgeEvent::Began => {
                self.calls = self.calls.saturating_add(1);
                self.credit = (self.credit + u64::from(policy.percent)).min(SAVED * ONE);
                self.after(policy).map_or(HedgeReply::Alone, HedgeReply::Wait)
            }
            HedgeEvent::Late => match self.credit.checked_sub(ONE) {
                Some(left) => {
                    self.credit = left;
                    self.hedged += 1;
                    HedgeReply::Second
                }
                None => HedgeReply::Alone,
            },
            HedgeEvent::Answered { took, by_second } => {
                if self.took.len() == KEPT {
                    self.took.pop_front();
                }
                self.took.push_back(took);
                self.won += u64::from(by_second);
                HedgeReply::Noted
            }
        }
    }

    /// The time within which most of the last calls were answered.
    fn after(&self, policy: &HedgePolicy) -> Option<Duration> {
        if self.took.len() < policy.least {
            return None;
        }
        let mut took: Vec<_> = self.took.iter().copied().collect();
        took.sort_unstable();
        let rank = (took.len() * policy.percentile as usize).div_ceil(100);
        took.get(rank.saturating_sub(1)).map(|took| (*took).max(policy.soonest))
    }

    /// What is to be seen of it.
    #[must_use]
    pub fn snapshot(&self, policy: &HedgePolicy) -> HedgeSnapshot {
        let Self { calls, hedged, won, .. } = *self;
        let after = self.after(policy);
        let after_millis = after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
        HedgeSnapshot { calls, hedged, won, after_millis }
    }
}
