//! Jobs by the clock: schedules whose ticks become jobs, once each, however many processes watch the clock.
//!
//! The id of a tick's job is made from the schedule's name and the tick, so whoever comes second stores nothing. There is
//! no leader and nothing to remember: what was missed is found by looking back, and was it not missed, its job is there
//! already. This holds as long as ended jobs are kept for longer than [`LOOK_BACK`].
//!
//! # Time zones
//! A pattern means the wall clock of the schedule's zone; UTC unless said otherwise. Where clocks are put forward, a
//! tick at a fixed time that does not exist comes at the first moment after the gap; one of an interval is left out.
//! Where they are put back, a tick at a fixed time comes at the first of the two; those of an interval come in both
//! hours.

use std::{str::FromStr as _, sync::Arc, time::Duration};

use croner::Cron;
use jiff::{Zoned, tz::TimeZone};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;
use tracing::warn;

use super::{JobId, NewJob, Priority, Queue};
use crate::{Clock, Error, ErrorKind, Result, TenantId, TenantScope, Tenants, Timestamp};

/// How far back missed ticks are looked for.
pub const LOOK_BACK: Duration = Duration::from_secs(3 * 86_400);
/// The most ticks of a schedule that are made up for at once.
const MOST: usize = 1_000;
/// How late a tick may be without being missed.
const LATE: Duration = Duration::from_secs(60);
/// The longest time between two looks at the clock, which may be set.
const ROUND: Duration = Duration::from_secs(30);

/// What becomes of ticks that came while no process ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// Nothing.
    Skip,
    /// The last one is made up for; also at the very first start.
    Last,
    /// Each is made up for, at most a thousand.
    Each,
}

/// A kind of job and when it is to be done.
#[derive(Debug, Clone)]
pub struct Schedule {
    name: String,
    kind: String,
    cron: Cron,
    zone: TimeZone,
    missed: Missed,
    payload: Value,
}

impl Schedule {
    /// A schedule in UTC that makes up for the last missed tick. `pattern` has the five fields of cron: minute, hour, day of
    /// month, month, day of week.
    ///
    /// # Errors
    /// `InvalidInput` when the pattern is none.
    pub fn new(
        name: impl Into<String>,
        pattern: &str,
        kind: impl Into<String>,
        payload: Value,
    ) -> Result<Self> {
        let cron = Cron::from_str(pattern).map_err(|error| {
            Error::invalid("make schedule", "pattern", "use five fields, such as `0 3 * * *`")
                .with("pattern", pattern)
                .caused_by(error)
        })?;
        let (name, kind) = (name.into(), kind.into());
        Ok(Self { name, kind, cron, zone: TimeZone::UTC, missed: Missed::Last, payload })
    }

    /// By the wall clock of a zone, such as `Europe/Berlin`.
    ///
    /// # Errors
    /// `InvalidInput` when there is no such zone.
    pub fn in_zone(self, name: &str) -> Result<Self> {
        let zone = TimeZone::get(name).map_err(|error| {
            Error::invalid("make schedule", "zone", "use a name such as `Europe/Berlin`")
                .caused_by(error)
        })?;
        Ok(Self { zone, ..self })
    }

    /// What becomes of missed ticks.
    #[must_use]
    pub fn missed(self, missed: Missed) -> Self {
        Self { missed, ..self }
    }

    /// The ticks after `since` up to `until`, the newest thousand, oldest first.
    fn ticks(&self, since: Timestamp, until: Timestamp) -> Vec<Timestamp> {
        let Some(mut at) = self.zoned(until) else { return Vec::new() };
        let mut ticks = Vec::new();
        let mut inclusive = true;
        while ticks.len() < MOST {
            // A pattern without a tick in thousands of years has none.
            let Ok(tick) = self.cron.find_previous_occurrence(&at, inclusive) else { break };
            let moment = Timestamp::from_millis(tick.timestamp().as_millisecond());
            if moment <= since {
                break;
            }
            ticks.push(moment);
            (at, inclusive) = (tick, false);
        }
        ticks.reverse();
        ticks
    }

    /// The first tick after a moment.
    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let tick = self.cron.find_next_occurrence(&self.zoned(after)?, false).ok()?;
        Some(Timestamp::from_millis(tick.timestamp().as_millisecond()))
    }

    fn zoned(&self, at: Timestamp) -> Option<Zoned> {
        let at = jiff::Timestamp::from_millisecond(at.as_millis()).ok()?;
        Some(at.to_zoned(self.zone.clone()))
    }

    /// The ticks that are due at `now` when the clock was last looked at `since`; none: it never was.
    fn due(&self, since: Option<Timestamp>, now: Timestamp) -> Vec<Timestamp> {
        let since = since.unwrap_or_else(|| now.before(LOOK_BACK));
        let mut ticks = self.ticks(since.max(now.before(LOOK_BACK)), now);
        let in_time = |tick: &Timestamp| now.since(*tick) <= LATE;
        match self.missed {
            Missed::Each => {}
            Missed::Skip => ticks.retain(in_time),
            Missed::Last => {
                let last = ticks.last().copied();
                ticks.retain(|tick| in_time(tick) || Some(*tick) == last);
            }
        }
        ticks
    }

    /// The job of a tick.
    fn job(&self, tenant: TenantId, tick: Timestamp) -> NewJob {
        let mut hash = Sha256::new();
        for part in [self.name.as_bytes(), tenant.as_bytes(), &tick.as_millis().to_be_bytes()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let hash = hash.finalize();
        let id = hash.first_chunk::<16>().copied().unwrap_or_default();
        let payload = json!({ "schedule": self.name, "tick": tick, "input": self.payload });
        NewJob {
            id: JobId::from_u128(u128::from_be_bytes(id)),
            priority: Priority::Low,
            ..NewJob::new(self.kind.clone(), payload)
        }
    }
}

/// Stores the jobs of all ticks that are due; how many there were. `since` is when the clock was last looked at, if it was.
///
/// # Errors
/// Those of the queue; then it may be called again with the same `since`.
pub async fn fire(
    queue: &dyn Queue,
    scope: &TenantScope,
    schedules: &[Schedule],
    since: Option<Timestamp>,
    now: Timestamp,
) -> Result<usize> {
    let mut jobs = Vec::new();
    for schedule in schedules {
        let due = schedule.due(since, now);
        jobs.extend(due.into_iter().map(|tick| schedule.job(scope.tenant(), tick)));
    }
    let count = jobs.len();
    if count > 0 {
        queue.insert(scope, jobs).await?;
    }
    Ok(count)
}

/// The same for all tenants. Who fails does not keep the others from their jobs.
async fn fire_for_all(
    queue: &dyn Queue,
    tenants: &dyn Tenants,
    schedules: &[Schedule],
    since: Option<Timestamp>,
    now: Timestamp,
) -> Result<usize> {
    let (mut count, mut last, mut failed) = (0, None, None);
    loop {
        let some = tenants.after(last).await?;
        let Some(end) = some.last() else { break };
        last = Some(end.tenant());
        for scope in some {
            match fire(queue, &scope, schedules, since, now).await {
                Ok(fired) => count += fired,
                Err(error) => failed = Some(error),
            }
        }
    }
    // What was stored is stored once, however often this is called again.
    failed.map_or(Ok(count), Err)
}

/// Turns ticks into jobs of each tenant for as long as it is polled. Any number of processes may do so.
pub async fn run(
    queue: Arc<dyn Queue>,
    tenants: Arc<dyn Tenants>,
    schedules: Vec<Schedule>,
    clock: Arc<dyn Clock>,
    bell: Arc<Notify>,
) {
    let mut since = None;
    loop {
        let now = clock.now();
        let next = schedules.iter().filter_map(|schedule| schedule.next(now)).min();
        // Where nothing is due no tenant is asked for.
        let due = schedules.iter().any(|schedule| !schedule.due(since, now).is_empty());
        let fired = match due {
            true => fire_for_all(&*queue, &*tenants, &schedules, since, now).await,
            false => Ok(0),
        };
        match fired {
            Ok(0) => since = Some(now),
            Ok(_) => {
                since = Some(now);
                bell.notify_one();
            }
            Err(error) if error.kind() == ErrorKind::InvalidInput => {
                tracing::error!(%error, "a schedule makes jobs that are none");
                since = Some(now);
            }
            Err(error) => warn!(%error, "scheduled jobs could not be stored; it is tried again"),
        }
        let wait = next.map_or(ROUND, |next| next.since(now)).min(ROUND);
        tokio::time::sleep(wait.max(Duration::from_millis(100))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::ManualClock,
        queue::{QueuePolicy, memory::MemoryQueue},
    };

    fn at(text: &str) -> Timestamp {
        Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    fn ticks(pattern: &str, zone: &str, since: &str, until: &str) -> Vec<String> {
        let schedule = Schedule::new("s", pattern, "k", Value::Null).unwrap().in_zone(zone);
        let ticks = schedule.unwrap().ticks(at(since), at(until));
        let show = |tick: Timestamp| jiff::Timestamp::from_millisecond(tick.as_millis());
        ticks.into_iter().map(|tick| show(tick).unwrap().to_string()).collect()
    }

    #[allow(clippy::disallowed_methods, reason = "a test acts for a tenant of its own")]
    fn scope() -> TenantScope {
        TenantScope::authenticated(TenantId::new())
    }

    #[test]
    fn q14_clocks_put_forward_and_back() {
        let (spring, autumn) = ("2026-03-28T12:00:00Z", "2026-10-24T12:00:00Z");
        // 02:30 does not exist on 29 March in Berlin: the first moment after the gap is 03:00 there.
        assert_eq!(
            ticks("30 2 * * *", "Europe/Berlin", spring, "2026-03-30T12:00:00Z"),
            ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        );
        // 02:30 comes twice on 25 October: the first counts.
        assert_eq!(
            ticks("30 2 * * *", "Europe/Berlin", autumn, "2026-10-26T12:00:00Z"),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        // An interval goes by real time: no hour is left out, none comes twice.
        let hours =
            ticks("0 * * * *", "Europe/Berlin", "2026-03-28T23:30:00Z", "2026-03-29T03:00:00Z");
        assert_eq!(hours.len(), 4, "{hours:?}");
        let hours =
            ticks("0 * * * *", "Europe/Berlin", "2026-10-24T22:30:00Z", "2026-10-25T03:00:00Z");
        assert_eq!(hours.len(), 5, "{hours:?}");
        // Every day of the year has one tick, wherever.
        for zone in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"] {
            let all = ticks("15 2 * * *", zone, "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
            assert_eq!(all.len(), 365, "{zone}");
        }
    }

    #[tokio::test]
    async fn q15_many_leaders_fire_a_tick_once() {
        let now = at("2026-11-21T03:00:10Z");
        let clock = Arc::new(ManualClock::at(now));
        let queue = MemoryQueue::new(clock, QueuePolicy::default());
        let scope = scope();
        let schedule = Schedule::new("nightly", "0 3 * * *", "k", json!(7)).unwrap();
        for _ in 0..5 {
            let fired = fire(&queue, &scope, std::slice::from_ref(&schedule), None, now).await;
            assert_eq!(fired.unwrap(), 1);
        }
        let id = schedule.job(scope.tenant(), at("2026-11-21T03:00:00Z")).id;
        let job = queue.job(&scope, id).await.unwrap();
        assert_eq!(job.payload["tick"], json!(at("2026-11-21T03:00:00Z")));
        assert_eq!(job.payload["input"], json!(7));
        // Another schedule, tenant or tick is another job.
        let other = Schedule::new("other", "0 3 * * *", "k", json!(7)).unwrap();
        assert_ne!(other.job(scope.tenant(), at("2026-11-21T03:00:00Z")).id, id);
        assert_ne!(schedule.job(TenantId::new(), at("2026-11-21T03:00:00Z")).id, id);
        assert_ne!(schedule.job(scope.tenant(), at("2026-11-22T03:00:00Z")).id, id);
    }

    #[test]
    fn q16_ticks_that_were_missed_for_25_hours() {
        let (down, up) = (at("2026-11-20T10:30:00Z"), at("2026-11-21T11:30:00Z"));
        let hourly = |missed| {
            let schedule = Schedule::new("hourly", "0 * * * *", "k", Value::Null).unwrap();
            schedule.missed(missed).due(Some(down), up).len()
        };
        assert_eq!((hourly(Missed::Skip), hourly(Missed::Last), hourly(Missed::Each)), (0, 1, 25));
        // In time nothing is missed, however many come at once.
        let busy = Schedule::new("busy", "* * * * *", "k", Value::Null).unwrap();
        let due = busy.missed(Missed::Skip).due(Some(up.before(Duration::from_secs(59))), up);
        assert!(!due.is_empty());
        // A year away is not made up for beyond the look back, nor beyond a thousand.
        let year = at("2025-11-21T11:30:00Z");
        let each = Schedule::new("each", "* * * * *", "k", Value::Null).unwrap();
        assert_eq!(each.missed(Missed::Each).due(Some(year), up).len(), MOST);
    }

    #[test]
    fn bad_schedules_name_the_field() {
        let error = Schedule::new("s", "never", "k", Value::Null).unwrap_err();
        assert_eq!(error.context("field"), Some("pattern"));
        let schedule = Schedule::new("s", "0 3 * * *", "k", Value::Null).unwrap();
        assert_eq!(schedule.in_zone("Mars/Olympus").unwrap_err().context("field"), Some("zone"));
    }
}
