//! The usage port: what the answers of each day used, kept when the answers themselves are deleted.
//!
//! A day (UTC) is counted from the answers that ended on it, as often as one likes: counting replaces what was counted for
//! the day before. A day that has been **closed** is never counted again, so what is deleted later changes nothing of
//! it. Adapters share their storage with the [store](crate::store): [`store::memory`](crate::store::memory), `sql`
//! (features `sqlite`, `postgres`). All are held to the suite in `usage::conformance` (feature `conformance`).

#[cfg(feature = "conformance")]
pub mod conformance;
mod counts;
mod day;
mod histogram;

use async_trait::async_trait;

pub use counts::{
    DayUsage, EndedRun, FIRST_TOKEN, Group, GroupUsage, Groups, UsageCounts, aggregate,
};
pub use day::Day;
pub use histogram::Histogram;

use crate::{Result, TenantScope};

/// What was used, by day, model and notebook.
#[async_trait]
pub trait UsageStore: Send + Sync + 'static {
    /// Counts the answers that ended on a day, in place of what was counted for it before; with `close` for the last
    /// time, as for every day before it. How many answers there were; `None` when the day was closed before, and
    /// nothing was changed.
    ///
    /// - Answers that were deleted before the count are not in it, nor those that were made elsewhere
    ///   ([`RunLog::record`](crate::run_log::RunLog::record)): they used nothing here.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn count_day(&self, scope: &TenantScope, day: Day, close: bool) -> Result<Option<u64>>;

    /// The first day to count: the one after the last that was closed, or that of the first answer that ended here. `None`
    /// when none was closed and none ended.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn first_open_day(&self, scope: &TenantScope) -> Result<Option<Day>>;

    /// What was counted for the days from `from` to `to`, both included, by day, model, notebook in this order.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn usage(&self, scope: &TenantScope, from: Day, to: Day) -> Result<Vec<DayUsage>>;
}
