use async_trait::async_trait;

use super::{MemoryStore, StoredRun};
use crate::{
    Result, TenantScope,
    usage::{Day, DayUsage, EndedRun, UsageStore, aggregate},
};

#[async_trait]
impl UsageStore for MemoryStore {
    async fn count_day(&self, scope: &TenantScope, day: Day, close: bool) -> Result<Option<u64>> {
        Ok(self.with(scope, |tenant| {
            if tenant.usage_open_from.is_some_and(|open| day < open) {
                return None;
            }
            let made_here = tenant.runs.values().filter(|stored| !stored.recorded);
            let ended =
                made_here.filter(|stored| stored.run.ended_at.is_some_and(|at| Day::of(at) == day));
            let ended: Vec<_> = ended
                .filter_map(|StoredRun { run, used, .. }| {
                    EndedRun::of(run, tenant.messages.get(&run.answer), used.as_ref())
                })
                .collect();
            let count = ended.len() as u64;
            tenant.usage.insert(day, aggregate(day, ended));
            if close {
                tenant.usage_open_from = Some(day.next());
            }
            Some(count)
        }))
    }

    async fn first_open_day(&self, scope: &TenantScope) -> Result<Option<Day>> {
        Ok(self.with(scope, |tenant| {
            let made_here = tenant.runs.values().filter(|stored| !stored.recorded);
            let ended = made_here.filter_map(|stored| stored.run.ended_at);
            tenant.usage_open_from.or_else(|| ended.map(Day::of).min())
        }))
    }

    async fn usage(&self, scope: &TenantScope, from: Day, to: Day) -> Result<Vec<DayUsage>> {
        Ok(self.with(scope, |tenant| {
            let days = tenant.usage.iter().filter(|(day, _)| (from..=to).contains(*day));
            days.flat_map(|(_, rows)| rows.iter().cloned()).collect()
        }))
    }
}
